"""What we ask of the models, beside what was measured: each line with its floor and its aim."""

import time
from collections.abc import Sequence

import numpy as np

from training.evaluate.figures import Estimate, Figures
from training.evaluate.report import Report
from training.evaluate.robustness import Hit
from training.evaluate.scoring import Chain, Scored, Systems
from training.modern import compose, letter

_PADDED = "innocent words"
_OTHER = ("picture only", "as it was")
_FIVE_KB = (4_000, 6_500)  #: octets
_READINGS = 60


def aims(old: Report, own: Report, systems: Systems, cheap: Chain) -> str:
    """The table, for the most complete system; ``cheap`` is the chain without its language model."""
    old_row = _named(old.figures[old.main], "SpamAssassin")
    own_row = own.figures[own.main][0]
    rows = [
        ("SpamAssassin corpus, buckets 7 to 9: accuracy at even odds", _percent(old_row.accuracy), "99.3 %", "99.6 %"),
        ("the same: found at 0.5 % false positives", _value(old_row.recall_05), "98 %", "99 %"),
        ("our own modern mail kept out: AUC", _figure(own_row.auc), "0.985", "0.995"),
        ("the same: wanted mail flagged at the junk threshold", _value(own_row.junked), "3 %", "1 %"),
        ("the same: wanted mail held", _value(own_row.held), "0.5 %", "0.1 %"),
        _languages(own),
        ("calibration error, sources seen", _figure(old_row.ece), "0.01", "0.003"),
        ("calibration error, families not seen", _figure(own_row.ece), "0.03", "0.01"),
        *_lost(old, "public"),
        *_lost(own, "composed"),
        ("language model, 128 pieces, one thread, p50 CPU", _reading(systems), "14 ms", "9 ms"),
        (
            "parse to verdict without language model, 5 KB, p50 CPU",
            _without_language(old.mails, cheap),
            "1.5 ms",
            "0.7 ms",
        ),
        ("share of mails read by the language model", _percent(_share(old, own)), "30 %", "10 %"),
    ]
    lines = ["| on mail never trained on | measured | floor | aim |", "|---|--:|--:|--:|"]
    return "\n".join((*lines, *(f"| {' | '.join(row)} |" for row in rows))) + "\n"


def _named(rows: Sequence[Figures], name: str) -> Figures:
    return next((row for row in rows if row.name == name), rows[0])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _figure(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.4f}"


def _value(estimate: Estimate | None) -> str:
    return _percent(None if estimate is None else estimate.value)


def _languages(own: Report) -> tuple[str, str, str, str]:
    """English against the languages that no mail of the training part is written in."""
    learnt = {s.language for s in compose.scenarios() if not compose.is_held_out(s.family)}
    learnt |= {each.language for each in letter.letters() if not letter.is_held_out(each.family)}
    rows = {row.name: row.auc.value for row in own.languages[own.main] if row.auc is not None}
    unseen = {name: auc for name, auc in rows.items() if name not in learnt and name not in ("all", "?")}
    gap = max(((rows["en"] - auc) * 100 for auc in unseen.values()), default=None) if "en" in rows else None
    name = f"languages kept out of training ({', '.join(sorted(unseen)) or 'none'}): AUC gap to English"
    return name, "-" if gap is None else f"{gap:.2f} points", "3 points", "1 point"


def _lost(report: Report, of: str) -> list[tuple[str, str, str, str]]:
    """The worst loss of recall at 0.5 % false positives by letters, and by padding on one side."""
    hits = [hit for hit in report.attacks if hit.system == report.main and hit.attack not in _OTHER]
    letters = [hit for hit in hits if _PADDED not in hit.attack]
    padded = [hit for hit in hits if _PADDED in hit.attack and "both" not in hit.attack]
    return [
        (
            f"{of} mail: recall lost under a character attack, {_worst(letters)}",
            _points(letters),
            "2 points",
            "1 point",
        ),
        (f"{of} mail: recall lost under 300 words, {_worst(padded)}", _points(padded), "8 points", "4 points"),
    ]


def _worst(hits: Sequence[Hit]) -> str:
    return max(hits, key=lambda hit: hit.lost_at_rate).attack if hits else "-"


def _points(hits: Sequence[Hit]) -> str:
    return f"{max(hit.lost_at_rate for hit in hits):.1f} points" if hits else "-"


def _reading(systems: Systems) -> str:
    """CPU time of one reading of a long text."""
    model = systems.model.language
    if model is None:
        return "-"
    spent: list[float] = []
    for number in range(_READINGS):
        text = " ".join(f"the parcel number {number} is waiting for you at our office" for _ in range(30))
        start = time.thread_time()
        model.score_text(text)
        spent.append((time.thread_time() - start) * 1000)
    return f"{np.median(spent):.1f} ms"


def _without_language(mails: Sequence[Scored], cheap: Chain) -> str:
    """CPU time of all threads, mail by mail."""
    sized = [m.case.octets for m in mails if _FIVE_KB[0] <= len(m.case.octets) <= _FIVE_KB[1]]
    spent: list[float] = []
    for octets in (*sized[:20], *sized):  # the first ones warm up
        start = time.process_time()
        cheap(octets)
        spent.append((time.process_time() - start) * 1000)
    return f"{np.median(spent[20:]):.2f} ms" if len(spent) > 20 else "-"


def _share(*reports: Report) -> float | None:
    shares = [report.read_share for report in reports if report.read_share is not None]
    return max(shares, default=None)
