"""An evaluation for a terminal, and its tables as Markdown for a document."""

from collections.abc import Sequence

from training.evaluate.figures import Estimate, Figures, Share
from training.evaluate.report import Report
from training.evaluate.robustness import Hit


def text(report: Report) -> str:
    """Figures by source, attacks and cost; the page has the rest."""
    lines = [f"  {report.told()}"]
    for name in report.systems:
        lines.append(f"  {name}:")
        lines += [f"    {_line(row)}" for row in report.figures[name]]
    if report.attacks:
        lines.append("  recall under attack (at 0.5 % false positives / at the junk threshold; points lost):")
        lines += [f"    {_attack(hit)}" for hit in report.attacks]
    lines.append(f"  {report.told_cost()}")
    lines.append("  ms a mail, p50 / p99: " + "  ".join(f"{c.stage} {c.p50:.2f}/{c.p99:.2f}" for c in report.costs))
    return "\n".join(lines)


def _line(row: Figures) -> str:
    told = [f"{row.name}: {row.wanted} wanted, {row.unwanted} unwanted"]
    if row.auc is not None:
        told.append(f"AUC {row.auc.value:.4f}")
    for name, value in (("recall@0.1%", row.recall_01), ("@0.5%", row.recall_05), ("junked wrongly", row.junked)):
        told += [f"{name} {between(value)}"] if value is not None else []
    for name, value in (("held wrongly", row.held), ("found", row.found)):
        told += [f"{name} {between(value)}"] if value is not None else []
    told += [f"calibration error {row.ece.value:.3f}"] if row.ece is not None else []
    return ", ".join(told)


def _attack(hit: Hit) -> str:
    rate, junk = hit.at_rate, hit.at_junk
    return (
        f"{hit.attack:<34} {hit.system:<20} {rate.value:6.1%} ({hit.lost_at_rate:+5.1f})  "
        f"{junk.value:6.1%} ({hit.lost_at_junk:+5.1f})"
    )


def between(value: Estimate | None, digits: int = 1) -> str:
    """A share with its interval: "97.1 % (96.0-98.2)"; with the count where there is one."""
    if value is None:
        return "-"
    count = f"{value.count} of {value.of}; " if isinstance(value, Share) else ""
    return f"{value.value * 100:.{digits}f} % ({count}{value.low * 100:.{digits}f}-{value.high * 100:.{digits}f})"


def figures_markdown(rows: Sequence[Figures]) -> str:
    """One system's table by source."""
    head = (
        "| mail | wanted, unwanted | AUC | found at 0.1 % false positives | at 0.5 % | junked wrongly | held wrongly | "
    )
    lines = [head + "found | calibration error |", "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        auc = "-" if row.auc is None else f"{row.auc.value:.4f} ({row.auc.low:.4f}-{row.auc.high:.4f})"
        ece = "-" if row.ece is None else f"{row.ece.value:.3f} ({row.ece.low:.3f}-{row.ece.high:.3f})"
        shares = (row.recall_01, row.recall_05, row.junked, row.held, row.found)
        cells = (row.name, f"{row.wanted}, {row.unwanted}", auc, *map(between, shares), ece)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def attacks_markdown(hits: Sequence[Hit]) -> str:
    """Recall under each attack, systems side by side."""
    systems = list(dict.fromkeys(hit.system for hit in hits))
    lines = ["| attack | " + " | ".join(f"{name}, at 0.5 % | at junk" for name in systems) + " |"]
    lines.append("|---|" + "---|---|" * len(systems))
    for attack in dict.fromkeys(hit.attack for hit in hits):
        row = {hit.system: hit for hit in hits if hit.attack == attack}
        cells = [
            cell
            for name in systems
            for cell in (
                f"{row[name].at_rate.value:.1%} ({-row[name].lost_at_rate:+.1f})",
                f"{row[name].at_junk.value:.1%} ({-row[name].lost_at_junk:+.1f})",
            )
        ]
        lines.append(f"| {attack} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
