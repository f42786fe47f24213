"""The report of ``mailward try``: one HTML file without scripts, styles inside, nothing loaded from anywhere."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gateway.cli.verdicts import WORDS, plain

BINS = 40
WIDTH, HEIGHT = 720, 160


@dataclass(frozen=True, slots=True)
class Row:
    """One mail in the report."""

    path: str
    sender: str
    subject: str
    action: str
    category: str
    probability: float
    why: str
    ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole run in figures."""

    mails: int
    errors: int
    seconds: float
    actions: Counter[str]
    categories: Counter[str]
    stage_ms: dict[str, float]  #: mean milliseconds a mail
    language_share: float

    @property
    def per_second(self) -> float:
        return self.mails / self.seconds if self.seconds else 0.0


def summarise(rows: Sequence[Row], errors: int, seconds: float, asked: int) -> Summary:
    stages = list(dict.fromkeys(name for row in rows for name in row.ms))
    return Summary(
        mails=len(rows) + errors,
        errors=errors,
        seconds=seconds,
        actions=Counter(row.action for row in rows),
        categories=Counter(row.category for row in rows),
        stage_ms={name: statistics.fmean(row.ms.get(name, 0.0) for row in rows) for name in stages},
        language_share=asked / len(rows) if rows else 0.0,
    )


def text(summary: Summary) -> str:
    """The summary for a terminal."""
    acts = "  ".join(f"{WORDS[name]} {count}" for name, count in summary.actions.most_common())
    kinds = "  ".join(f"{name} {count}" for name, count in summary.categories.most_common())
    stages = "  ".join(f"{name} {ms:.2f}" for name, ms in summary.stage_ms.items())
    return (
        f"  {summary.mails} mails in {summary.seconds:.1f} s = {summary.per_second:.0f} mails/s, "
        f"{summary.errors} could not be judged\n  {acts}\n  {kinds}\n"
        f"  ms a mail: {stages}   language model read {summary.language_share:.1%}"
    )


def page(title: str, rows: Sequence[Row], summary: Summary, thresholds: tuple[float, float, float]) -> str:
    """The whole report."""
    doubtful = sorted(rows, key=lambda r: abs(r.probability - thresholds[0]))[:10]
    held = sorted((r for r in rows if r.action != "accept"), key=lambda r: -r.probability)[:500]
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{_CSS}</style>
<h1>{escape(title)}</h1>
<pre>{escape(text(summary))}</pre>
<h2>How sure</h2>
{_histogram(rows, thresholds)}
<h2>The ten most doubtful</h2>
{_table(doubtful)}
<h2>What would not have reached an inbox ({sum(1 for r in rows if r.action != "accept")})</h2>
{_table(held)}
</html>
"""


def _table(rows: Sequence[Row]) -> str:
    head = "<tr><th>verdict<th>p<th>from<th>subject<th>why<th>file</tr>"
    body = "".join(
        f"<tr><td>{escape(WORDS[r.action])} {escape(r.category)}<td>{r.probability:.3f}<td>{_cell(r.sender, 60)}"
        f"<td>{_cell(r.subject, 90)}<td>{_cell(r.why, 200)}<td>{_cell(r.path, 120)}</tr>"
        for r in rows
    )
    return f"<div class=scroll><table>{head}{body}</table></div>"


def _cell(value: str, width: int) -> str:
    return escape(plain(value, width))


def _histogram(rows: Sequence[Row], thresholds: tuple[float, float, float]) -> str:
    """Mails by probability, counts on a square-root scale so that the few doubtful ones can be seen."""
    bins = [0] * BINS
    for row in rows:
        bins[min(BINS - 1, int(row.probability * BINS))] += 1
    tallest = max(bins) ** 0.5 or 1.0
    step = WIDTH / BINS
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{HEIGHT - n**0.5 / tallest * HEIGHT:.1f}" width="{step - 1:.1f}" '
        f'height="{n**0.5 / tallest * HEIGHT:.1f}"><title>{i / BINS:.3f} to {(i + 1) / BINS:.3f}: {n}</title></rect>'
        for i, n in enumerate(bins)
    )
    lines = "".join(
        f'<line x1="{t * WIDTH:.1f}" x2="{t * WIDTH:.1f}" y1="0" y2="{HEIGHT}"/>'
        f'<text x="{t * WIDTH - 4:.1f}" y="12">{name}</text>'
        for t, name in zip(thresholds, ("junk", "hold", "refuse"), strict=True)
        if t < 1
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 18}" role="img" aria-label="Mails by probability">{bars}{lines}'
        f'<text class=axis x="0" y="{HEIGHT + 15}">0 wanted</text>'
        f'<text class="axis end" x="{WIDTH}" y="{HEIGHT + 15}">1 unwanted</text></svg>'
    )


_CSS = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
pre{background:color-mix(in srgb,currentColor 6%,transparent);padding:1rem;overflow:auto}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px}
td,th{text-align:left;padding:.3rem .6rem;vertical-align:top}
td,th{border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}
svg{width:100%;height:auto}rect{fill:#4a7fb5}line{stroke:#c2410c;stroke-dasharray:4 3}
text{font-size:11px;fill:#c2410c;text-anchor:end}.axis{fill:currentColor;text-anchor:start}.end{text-anchor:end}
"""
