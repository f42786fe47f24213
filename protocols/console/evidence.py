"""The verdict drawn and put into words: pure functions from a trace row. Nothing here is narrated, all is computed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.pipeline.verdict import PRIOR, Action, Reason, Thresholds, Verdict, squash
from gateway.pipeline.whatif import Bounds
from gateway.pipeline.whatif import what_if as counterfactual
from gateway.sentences.phrases import said
from protocols.console import text, words
from store.trace.rows import ReasonRow, Trace

NEVER = 0.9999  #: a threshold from here on is one that no mail reaches, and is not drawn
DRAWN = 10  #: bars drawn one by one; the rest is one bar
_NAMED_IN_SENTENCE = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things go, in SVG units."""

    width: int
    row: int  #: height of one bar's row
    top: int
    plot_left: int
    plot_right: int
    bar: int  #: thickness of a bar
    bar_y: int  #: of the bar inside its row
    label_y: int  #: baseline of the label inside its row
    label_chars: int
    adds_x: int  #: right edge of the column of nats
    sum_x: int  #: right edge of the column of sums


WIDE = Layout(
    width=760, row=26, top=46, plot_left=322, plot_right=640, bar=14, bar_y=6, label_y=17, label_chars=48, adds_x=696,
    sum_x=752,
)  # fmt: skip
NARROW = Layout(
    width=330, row=42, top=46, plot_left=8, plot_right=322, bar=13, bar_y=21, label_y=14, label_chars=32, adds_x=284,
    sum_x=324,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """One reason as drawn: from the sum before it to the sum after it."""

    label: str
    sentence: str
    kind: str  #: prior, against, for, rest
    y: float  #: top of its row
    x: float
    width: float
    after_x: float  #: where the sum stands after it
    adds: str
    total: str
    probability: str  #: after this bar


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold."""

    name: str
    x: float
    label_x: float
    label_y: float
    anchor: str
    percent: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    layout: Layout
    height: int
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    zero_x: float
    sum_text: str
    percent: str
    summary: str  #: for who cannot see the drawing


def log_odds(probability: float) -> float:
    """The inverse of ``squash``, bounded."""
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def verdict_of(trace: Trace) -> Verdict | None:
    """The verdict as it was reached, None for a mail that no verdict was reached on (a trap)."""
    try:
        action = Action[trace.action.upper()]
    except KeyError:
        return None
    reasons = tuple(Reason(r.signal, r.nats, r.sentence) for r in trace.reasons)
    return Verdict(action, trace.category, trace.probability, reasons, trace.rule, trace.policy_id, trace.model_ids)


def ordered(reasons: Sequence[ReasonRow]) -> list[ReasonRow]:
    """The prior first, where the sum starts, then the largest effect first. Nothing that adds nothing."""
    prior = [r for r in reasons if r.signal == PRIOR.name]
    others = [r for r in reasons if r.signal != PRIOR.name and abs(r.nats) >= 0.005 and math.isfinite(r.nats)]
    return prior + sorted(others, key=lambda r: -abs(r.nats))


def waterfall(trace: Trace, layout: Layout) -> Waterfall:
    """The drawing of one verdict: bars left and right of the running sum, thresholds as lines."""
    reasons = ordered(trace.reasons)
    shown, rest = reasons[:DRAWN], reasons[DRAWN:]
    if len(rest) == 1:
        shown, rest = reasons, []
    if rest:
        fold = ReasonRow("", math.fsum(r.nats for r in rest), f"{len(rest)} smaller reasons")
        shown = [*shown, fold]
    sums = [0.0]
    for reason in shown:
        sums.append(sums[-1] + reason.nats)
    thresholds = [log_odds(p) for p in trace.thresholds if p < NEVER]
    scale = _Scale(min(*sums, *thresholds), max(*sums, *thresholds), layout)
    bars = tuple(
        _bar(reason, before, after, layout.top + i * layout.row, scale, layout)
        for i, (reason, before, after) in enumerate(zip(shown, sums[:-1], sums[1:], strict=True))
    )
    total = sums[-1]
    return Waterfall(
        layout,
        layout.top + len(bars) * layout.row + 8,
        bars,
        tuple(_lines(trace.thresholds, scale, layout)),
        scale.x(0.0),
        text.signed(total),
        text.percent(squash(total)),
        _summary(shown, total),
    )


class _Scale:
    """Log-odds to SVG units."""

    def __init__(self, low: float, high: float, layout: Layout) -> None:
        margin = 0.03 * (high - low) + 0.01
        self._low = low - margin
        self._per_nat = (layout.plot_right - layout.plot_left) / (high - low + 2 * margin)
        self._left = layout.plot_left

    def x(self, nats: float) -> float:
        return round(self._left + (nats - self._low) * self._per_nat, 1)


def _bar(reason: ReasonRow, before: float, after: float, y: float, scale: _Scale, layout: Layout) -> Bar:
    if reason.signal == PRIOR.name:
        kind = "prior"
    elif not reason.signal:
        kind = "rest"
    else:
        kind = "against" if reason.nats > 0 else "for"
    x0, x1 = sorted((scale.x(before), scale.x(after)))
    return Bar(
        label=text.plain(reason.sentence or reason.signal, layout.label_chars),
        sentence=reason.sentence or reason.signal,
        kind=kind,
        y=y,
        x=x0,
        width=round(max(x1 - x0, 1.5), 1),
        after_x=scale.x(after),
        adds=text.signed(reason.nats),
        total=text.signed(after),
        probability=text.percent(squash(after)),
    )


def _lines(thresholds: Sequence[float], scale: _Scale, layout: Layout) -> list[Line]:
    lines: list[Line] = []
    for i, (name, p) in enumerate(zip(("junk", "hold", "refuse"), thresholds, strict=False)):
        if p >= NEVER:
            continue
        x = scale.x(log_odds(p))
        at_end = x > layout.plot_right - 70
        lines.append(Line(name, x, x - 4 if at_end else x + 4, 12 + 12 * i, "end" if at_end else "start", _short(p)))
    return lines


def _short(probability: float) -> str:
    return f"{probability * 100:g} %"


def _summary(reasons: Sequence[ReasonRow], total: float) -> str:
    against = sum(1 for r in reasons if r.nats > 0)
    return (
        f"{len(reasons)} bars; {against} speak against the mail, {len(reasons) - against} for it. "
        f"Together {text.signed(total)} log-odds, that is {text.percent(squash(total))}."
    )


def sentence(trace: Trace, language: str = "en") -> str:
    """The verdict in one line: what was done, as what, how sure, and the reasons that weigh most."""
    action, category = words.action(trace.action), words.category(trace.category)
    is_mild = trace.action == "accept"
    joint = {"policy": ", "}.get(trace.category, " as ")
    joint = ": " if trace.action in {"junk", "trap"} else said(language, joint)
    told = said(language, action.phrase), joint, said(language, category.phrase)
    head = f"{''.join(told)}, {text.percent(trace.probability)}"
    spoken = [r for r in ordered(trace.reasons) if r.signal != PRIOR.name and (r.nats < 0 if is_mild else r.nats > 0)]
    if trace.rule:
        deciding = [r for r in trace.reasons if r.signal == trace.rule]
        spoken = deciding + [r for r in spoken if r.signal != trace.rule]
    clause = _clause if language == "en" else _plain_clause
    named = [clause(r.sentence or r.signal) for r in spoken[:_NAMED_IN_SENTENCE]]
    return f"{head}: {'; '.join(named)}." if named else f"{head}."


def _plain_clause(sentence: str) -> str:
    return sentence.strip().rstrip(".")


def _clause(sentence: str) -> str:
    """As it reads behind a colon: English begins it with a small letter, German with what may be a noun."""
    told = _plain_clause(sentence)
    first_word = told.partition(" ")[0]
    is_ordinary = first_word[:1].isalpha() and (len(first_word) == 1 or first_word[1:].islower())
    return told[0].lower() + told[1:] if is_ordinary else told


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would have had to be different."""

    lead: str
    reasons: tuple[str, ...]


def what_if(trace: Trace, language: str = "en") -> WhatIf | None:
    """The counterfactual of a verdict, None when there is nothing to say."""
    verdict = verdict_of(trace)
    if verdict is None:
        return None
    found = counterfactual(verdict.reasons, verdict.action, verdict.rule, Bounds(Thresholds(*trace.thresholds)))
    sentences = {r.signal: r.sentence or r.signal for r in verdict.reasons}
    if found.rule:
        return WhatIf(said(language, "Decided by a rule, whatever the sum:"), (sentences.get(found.rule, found.rule),))
    if found.is_hopeless:
        lead = "Without all that speaks against it, it would still not have been delivered."
        return WhatIf(said(language, lead), ())
    if not found.without:
        lead = said(language, "Would have been filed as junk with {0} more against it.")
        return WhatIf(lead.format(text.signed(found.missing)), ())
    named = tuple(sentences[signal] for signal in found.without)
    if verdict.action is Action.ACCEPT:
        lead = "Would not have been delivered without:"
    elif len(named) == 1:
        lead = "Would have been delivered without:"
    else:
        lead = "Would have been delivered only without all of:"
    return WhatIf(said(language, lead), named)
