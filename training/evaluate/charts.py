"""Drawings of an evaluation as SVG inside a page: ROC with a logarithmic axis, calibration, histogram."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from training.evaluate.figures import Bin

WIDTH, HEIGHT = 360, 250
_LEFT, _TOP, _RIGHT, _BOTTOM = 40, 10, 338, 210
_LEAST = 1e-4  #: false-positive rate at the left edge
_POINTS = 400  #: of one curve, at most
_NATS = 8.0  #: at the edges of the histogram
_BARS = 32

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]  #: scores of unwanted and of wanted mail


def roc(curves: Mapping[str, Curve]) -> str:
    """Recall over the share of wanted mail that is flagged, from one in ten thousand to all."""
    parts = [_frame("wanted mail flagged (log)", "unwanted mail found")]
    decades = round(-math.log10(_LEAST))
    for power in range(-decades, 1):
        parts.append(_tick_x(1 + power / decades, f"{10**power:.{max(0, -power - 2)}%}"))
    parts += [_tick_y(at / 5, f"{at * 20} %") for at in range(6)]
    parts += [_line(_steps(bad, good), number) for number, (bad, good) in enumerate(curves.values())]
    return _svg(parts, "Recall over the false-positive rate, logarithmic") + _legend(curves)


def calibration(curves: Mapping[str, Sequence[Bin]]) -> str:
    """What was so over what was said; the dotted line is perfect."""
    parts = [_frame("said", "so"), _diagonal()]
    parts += [_tick_x(at / 5, f"{at * 20} %") + _tick_y(at / 5, f"{at * 20} %") for at in range(6)]
    for number, bins in enumerate(curves.values()):
        points = [(each.said, each.true) for each in bins]
        parts.append(_line(points, number))
        for each in bins:
            radius = 2 + 5 * math.sqrt(each.weight)
            parts.append(
                f'<circle class="dot c{number}" cx="{_x(each.said):.1f}" cy="{_y(each.true):.1f}" r="{radius:.1f}">'
                f"<title>said {each.said:.1%}, so {each.true:.1%}, {each.weight:.1%} of mail</title></circle>"
            )
    return _svg(parts, "Share of mail that is unwanted over the probability that was said") + _legend(curves)


def histogram(bad: NDArray[np.float64], good: NDArray[np.float64]) -> str:
    """Mails by log-odds, shares of each class on a square-root scale, so that the few doubtful ones can be seen."""
    edges = np.linspace(-_NATS, _NATS, _BARS + 1)
    parts = [_frame("log-odds, wanted to unwanted", "share of its kind (square root)")]
    parts += [_tick_x((at + 8) / 16, f"{at:+d}") for at in (-8, -4, 0, 4, 8)]
    shares = [np.histogram(np.clip(s, -_NATS, _NATS), edges)[0] / max(1, len(s)) for s in (good, bad)]
    tallest = max(1e-9, float(max(share.max() for share in shares)))
    step = (_RIGHT - _LEFT) / _BARS
    for number, (name, share, count) in enumerate(
        (("wanted", shares[0], len(good)), ("unwanted", shares[1], len(bad)))
    ):
        for at, value in enumerate(share):
            if value > 0:
                height = math.sqrt(value / tallest) * (_BOTTOM - _TOP)
                parts.append(
                    f'<rect class="bar k{number}" x="{_LEFT + at * step + number * step / 2:.1f}" '
                    f'y="{_BOTTOM - height:.1f}" width="{step / 2 - 0.5:.1f}" height="{height:.1f}">'
                    f"<title>{name}, {edges[at]:+.1f} to {edges[at + 1]:+.1f}: {round(value * count)}</title></rect>"
                )
    return _svg(parts, "Mails by log-odds") + (
        '<p class=legend><span class="key k0"></span> wanted <span class="key k1"></span> unwanted</p>'
    )


def _steps(bad: NDArray[np.float64], good: NDArray[np.float64]) -> list[tuple[float, float]]:
    """The curve, in coordinates of the drawing."""
    scores = np.unique(np.concatenate((good, bad)))[::-1]
    if len(scores) > _POINTS:
        keep = np.unique(np.concatenate((np.sort(good)[::-1][:_POINTS], np.quantile(scores, np.linspace(0, 1, 100)))))
        scores = keep[::-1]
    found = [(0.0, 0.0)]
    for bar in scores:
        rate = max(_LEAST, float((good >= bar).mean()))
        found.append((1 - math.log10(rate) / math.log10(_LEAST), float((bad >= bar).mean())))
    return found


def _x(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _line(points: Sequence[tuple[float, float]], number: int) -> str:
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return f'<polyline class="curve c{number}" points="{path}"/>'


def _diagonal() -> str:
    return f'<line class=ideal x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'


def _tick_x(at: float, text: str) -> str:
    x = _x(at)
    return (
        f'<line class=grid x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>'
        f'<text x="{x:.1f}" y="{_BOTTOM + 14}" class=mid>{escape(text)}</text>'
    )


def _tick_y(at: float, text: str) -> str:
    y = _y(at)
    return (
        f'<line class=grid x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" class=end>{escape(text)}</text>'
    )


def _frame(below: str, beside: str) -> str:
    middle = (_TOP + _BOTTOM) / 2
    return (
        f'<text x="{(_LEFT + _RIGHT) / 2}" y="{HEIGHT - 8}" class=mid>{escape(below)}</text>'
        f'<text x="10" y="{middle}" class=mid transform="rotate(-90 8 {middle})">{escape(beside)}</text>'
    )


def _svg(parts: Sequence[str], label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _legend(names: Mapping[str, object]) -> str:
    keys = " ".join(f'<span class="key c{n}"></span> {escape(name)}' for n, name in enumerate(names))
    return f"<p class=legend>{keys}</p>"
