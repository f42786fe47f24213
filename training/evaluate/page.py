"""The report of ``mailward evaluate``: one HTML page with drawings inside, nothing loaded from anywhere, no scripts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from gateway.cli.verdicts import WORDS as DONE
from gateway.cli.verdicts import plain
from models.combiner import probability
from training.evaluate import charts
from training.evaluate.figures import Confusion, Cost, Estimate, Figures, Share, calibration
from training.evaluate.report import Report
from training.evaluate.robustness import Hit
from training.evaluate.scoring import ACTIONS, Scored

_STARS = {0: "wanted", 1: "unwanted"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page may show."""

    subjects: bool = True


def page(report: Report, shown: Shown) -> str:
    """The whole report."""
    sections = (
        f"<h1>{escape(report.title)}</h1><p>{escape(report.told())}</p>",
        *_curves(report),
        *(f"<h2>By source: {escape(name)}</h2>{_figures(report.figures[name])}" for name in report.systems),
        f"<h2>By language: {escape(report.main)}</h2>{_figures(report.languages[report.main])}",
        f"<h2>What became of it: {escape(report.main)}</h2>"
        + "".join(f"<h3>by {escape(by)}</h3>{_confusion(rows)}" for by, rows in report.confusions.items()),
        f"<h2>Robustness</h2>{_attacks(report.attacks)}" if report.attacks else "",
        f"<h2>Cost</h2><p>{escape(report.told_cost())}</p>{_costs(report.costs)}",
        f"<h2>Worst mistakes: wanted mail</h2>{_mistakes(report.worst[0], report, shown)}",
        f"<h2>Worst mistakes: unwanted mail</h2>{_mistakes(report.worst[1], report, shown)}",
        f"<h2>How to read this</h2>{_NOTES}",
    )
    body = "\n".join(section for section in sections if section)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(report.title)}</title>\n<style>{_CSS}</style>\n<main>{body}</main></html>\n"
    )


def _scores(mails: Sequence[Scored], system: str) -> charts.Curve:
    def nats(unwanted: bool) -> NDArray[np.float64]:
        return np.array([m.answers[system].nats for m in mails if m.is_unwanted is unwanted])

    return nats(True), nats(False)


def _curves(report: Report) -> list[str]:
    curves = {name: _scores(report.mails, name) for name in report.systems}
    bad, good = curves[report.main]
    if not len(bad) or not len(good):
        return ["<p>Curves need both wanted and unwanted mail.</p>"]
    return [
        f"<div class=charts><figure><figcaption>ROC</figcaption>{charts.roc(curves)}</figure>",
        "<figure><figcaption>Calibration</figcaption>"
        f"{charts.calibration({name: calibration(*curve) for name, curve in curves.items()})}</figure>",
        f"<figure><figcaption>How sure: {escape(report.main)}</figcaption>{charts.histogram(bad, good)}</figure></div>",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join("<tr>" + "".join(f"<td>{cell}" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{''.join(f'<th>{escape(h)}' for h in head)}</tr>{cells}</table></div>"


def _figures(rows: Sequence[Figures]) -> str:
    head = ["", "wanted", "unwanted", "AUC", "found at 0.1 % false positives", "at 0.5 %", "junked wrongly"]
    head += ("held wrongly", "found (Junk or harder)", "right at even odds", "calibration error")
    return _table(
        head,
        [
            (
                *(escape(r.name), f"{r.wanted}", f"{r.unwanted}", _estimate(r.auc, _four), _estimate(r.recall_01)),
                *(_estimate(r.recall_05), _estimate(r.junked), _estimate(r.held), _estimate(r.found)),
                *("-" if r.accuracy is None else f"{r.accuracy:.1%}", _estimate(r.ece, _four)),
            )
            for r in rows
        ],
    )


def _four(value: float) -> str:
    return f"{value:.4f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _estimate(value: Estimate | None, said: Callable[[float], str] = _percent) -> str:
    if value is None:
        return "-"
    count = f" ({value.count})" if isinstance(value, Share) else ""
    return f"{said(value.value)}{count}<br><small>{said(value.low)} to {said(value.high)}</small>"


def _confusion(rows: Sequence[Confusion]) -> str:
    head = ("", "truth", "mails", *(DONE[name] for name in ACTIONS))
    return _table(
        head,
        [
            (
                *(escape(r.name or "not known"), _STARS[r.is_unwanted], f"{r.mails}"),
                *(f"{r.acts[name]} <small>{r.acts[name] / r.mails:.1%}</small>" for name in ACTIONS),
            )
            for r in rows
        ],
    )


def _attacks(hits: Sequence[Hit]) -> str:
    head = ("attack", "system", "found at 0.5 % false positives", "lost, points", "found at the junk threshold", "lost")
    return _table(
        head,
        [
            (
                *(escape(h.attack), escape(h.system), _estimate(h.at_rate), f"{h.lost_at_rate:.1f}"),
                *(_estimate(h.at_junk), f"{h.lost_at_junk:.1f}"),
            )
            for h in hits
        ],
    )


def _costs(rows: Sequence[Cost]) -> str:
    return _table(
        ("stage", "mails", "p50 ms", "p99 ms"),
        [(escape(c.stage), f"{c.mails}", f"{c.p50:.2f}", f"{c.p99:.2f}") for c in rows],
    )


def _mistakes(mails: Sequence[Scored], report: Report, shown: Shown) -> str:
    if not mails:
        return "<p>None.</p>"
    rows: list[tuple[str, ...]] = []
    for m in mails:
        answer = m.answers[report.main]
        why = "<br>".join(f"{nats:+.1f} {escape(plain(text, 120))}" for nats, text in report.reasons(m))
        subject = escape(plain(m.subject, 90)) if shown.subjects else ""
        where = escape(plain(m.case.path or m.case.family, 120)) if shown.subjects else ""
        rows.append(
            (
                *(f"{probability(answer.nats + report.prior):.3f}", DONE[answer.action], escape(m.case.label.value)),
                *(escape(plain(m.case.source, 40)), escape(m.language), subject, why, where),
            )
        )
    return _table(("p", "done", "truth", "source", "language", "subject", "why", "file"), rows)


_NOTES = """<ul>
<li>Classes count alike: rates are shares of wanted or of unwanted mail. AUC, recall at a rate, the ROC and calibration
use log-odds without the prior; what became of a mail is decided with it, as in service.
<li>Small print is the 95 % interval: Wilson's for shares, a seeded bootstrap over mails for the rest. None of 300 mails
still leaves up to 1.3 %.
<li>Recall at a rate of false positives puts the threshold where this very wanted mail has it. With fewer than 1,000
wanted mails 0.1 % is no mail at all.
<li>The calibration error is the mean gap of ten bins; with few mails chance alone makes a part of it.
<li>Nothing here was asked of the network: no DNS, no lists, no history of senders. Wanted mail from people who
authenticate and have written before does better in service.
</ul>"""

_CSS = """
:root{color-scheme:light dark;--a:#2563eb;--b:#059669;--c:#d97706;--w:#2563eb;--u:#dc2626;--line:#8886}
@media (prefers-color-scheme:dark){:root{--a:#7aa7ff;--b:#4ade80;--c:#fbbf24;--w:#7aa7ff;--u:#f87171}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:0}
main{max-width:80rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem;margin:.8rem 0 .2rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem}figure{margin:0}
figcaption{font-weight:600}svg{width:100%;height:auto;max-width:34rem}svg text{font-size:10px;fill:currentColor}
.mid{text-anchor:middle}.end{text-anchor:end}.grid{stroke:var(--line);stroke-width:.5}
.ideal{stroke:currentColor;stroke-dasharray:3 3;opacity:.6}.curve{fill:none;stroke-width:1.8}
.curve.c0{stroke:var(--a)}.curve.c1{stroke:var(--b)}.curve.c2{stroke:var(--c)}
.dot.c0,.key.c0{fill:var(--a);background:var(--a)}.dot.c1,.key.c1{fill:var(--b);background:var(--b)}
.dot.c2,.key.c2{fill:var(--c);background:var(--c)}.dot{opacity:.7}
.k0{fill:var(--w);background:var(--w)}.k1{fill:var(--u);background:var(--u)}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-left:.6em}
.legend{font-size:13px;margin:.2rem 0}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}small{opacity:.75;white-space:nowrap}
td,th{border-bottom:1px solid var(--line);text-align:left;padding:.25rem .6rem}
td,th{vertical-align:top;overflow-wrap:break-word;max-width:26rem}
"""
