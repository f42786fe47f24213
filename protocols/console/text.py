"""Words and numbers for people, and hostile text made harmless to the eye.

Escaping is the templates' business (autoescape). What is left is text that is harmless to a parser and still
lies to a reader: direction overrides, invisible characters, endless strings. Those are shown for what they are.
"""

import re
import unicodedata
from datetime import UTC, datetime

from markupsafe import Markup, escape

CUT = 300  #: characters of a field that are shown unless a template says otherwise

#: Characters that move or hide others, by the name a reader is shown.
_NAMED = {
    0x061C: "ALM", 0x200B: "ZWSP", 0x200C: "ZWNJ", 0x200D: "ZWJ", 0x200E: "LRM", 0x200F: "RLM",
    0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO", 0x202E: "RLO",
    0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI",
    0x00AD: "SHY", 0x2060: "WJ", 0xFEFF: "BOM", 0x2028: "LS", 0x2029: "PS", 0x034F: "CGJ",
}  # fmt: skip
_RUN = re.compile(r"[\x20-\x7e]+|.", re.DOTALL)  #: ordinary text in one piece, anything else one by one
_MARKED = 2_000  #: pieces of one text; beyond it odd characters lose their names, so that pages stay small
_MARKS_IN_A_ROW = 4  #: combining marks on one letter; more is a drawing, not a word


def _odd_name(character: str, *, lines: bool) -> str:
    """How an unprintable character is shown, "" when it may stand as it is."""
    code = ord(character)
    if code in _NAMED:
        return _NAMED[code]
    if character in "\n\t" and lines:
        return ""
    category = unicodedata.category(character)
    if category in {"Cc", "Cs", "Co", "Cn"} or (category == "Cf" and not 0x1F3FB <= code <= 0x1F3FF):
        return f"U+{code:04X}"
    return ""


def pieces(text: str, cut: int, *, lines: bool = False) -> list[tuple[str, bool]]:
    """The text as (piece, is odd) in order, at most ``cut`` characters of it. Linear."""
    found: list[tuple[str, bool]] = []
    run: list[str] = []
    marks = 0
    for match in _RUN.finditer(text[:cut]):
        piece = match[0]
        if len(piece) > 1 or (piece.isascii() and piece.isprintable()):
            run.append(piece)
            marks = 0
            continue
        marks = marks + 1 if unicodedata.combining(piece) else 0
        if marks > _MARKS_IN_A_ROW:
            continue
        odd = _odd_name(piece, lines=lines)
        if not odd:
            run.append(piece)
            continue
        if len(found) > _MARKED:
            run.append("\N{REPLACEMENT CHARACTER}")
            continue
        if run:
            found.append(("".join(run), False))
            run = []
        found.append((odd, True))
    if len(text) > cut:
        run.append("…")
    if run:
        found.append(("".join(run), False))
    return found


def shown(text: str, cut: int = CUT) -> Markup:
    """One line of hostile text as HTML: isolated in its direction, cut, its odd characters marked."""
    return Markup("<bdi>{}</bdi>").format(_marked(pieces(text, cut)))


def shown_lines(text: str, cut: int = 20_000) -> Markup:
    """The same for text of many lines, for ``<pre>``."""
    return _marked(pieces(text, cut, lines=True))


def _marked(found: list[tuple[str, bool]]) -> Markup:
    return Markup("").join(
        Markup('<span class="odd" title="invisible character">{}</span>').format(piece) if odd else escape(piece)
        for piece, odd in found
    )


def plain(text: str, cut: int = CUT) -> str:
    """The same as a plain string, for attributes and for SVG text: odd characters in brackets."""
    return "".join(f"[{piece}]" if odd else piece for piece, odd in pieces(text, cut))


def percent(probability: float) -> str:
    """A probability that never claims certainty."""
    hundredth = probability * 100
    if hundredth >= 99.95:
        return "> 99.9 %"
    if hundredth < 0.05:
        return "< 0.1 %"
    if hundredth >= 99 or hundredth < 1:
        return f"{hundredth:.1f} %"
    return f"{hundredth:.0f} %"


def signed(nats: float) -> str:
    """Log-odds with a true minus sign, so that columns line up."""
    return f"{nats:+.1f}".replace("-", "\N{MINUS SIGN}")


def size(octets: int) -> str:
    if octets < 1_000:
        return f"{octets} octets"
    if octets < 1_000_000:
        return f"{octets / 1_000:.0f} kB"
    return f"{octets / 1_000_000:.1f} MB"


def moment(ms: int) -> str:
    """A point in time as people write it, in UTC."""
    return _at(ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(ms: int) -> str:
    return _at(ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(ms: int, now_ms: int) -> str:
    """How long ago, in one short word; "in 3 d" for what lies ahead."""
    seconds = abs(now_ms - ms) // 1000
    for limit, unit, word in ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h")):
        if seconds < limit:
            short = f"{seconds // unit} {word}"
            break
    else:
        short = f"{seconds // 86_400} d"
    return short if ms <= now_ms else f"in {short}"


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(ms, 0), 253_402_300_799_000) / 1000, UTC)
