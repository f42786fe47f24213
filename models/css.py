"""What a style attribute says about whether its text can be seen: the few properties that hide text, nothing else."""

import re
from dataclasses import dataclass
from functools import lru_cache

_MAX_STYLE = 600  #: characters of one style attribute that are read
_MAX_SHEET = 32_000  #: characters of style sheets that are read

_NAMED = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 128, 0),
    "yellow": (255, 255, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "navy": (0, 0, 128),
    "lime": (0, 255, 0),
    "aqua": (0, 255, 255),
    "maroon": (128, 0, 0),
    "orange": (255, 165, 0),
    "whitesmoke": (245, 245, 245),
    "ivory": (255, 255, 240),
    "snow": (255, 250, 250),
}
_DECLARATION = re.compile(r"([a-z-]{4,24})\s*:\s*([^;]{1,120})")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*[,)]")
_LENGTH = re.compile(r"(-?\d{0,6}\.?\d{0,4})\s*(px|pt|em|rem|ex|ch|vw|%)?")
_AT_BLOCK = re.compile(r"@media[^{]{0,400}\{(?:[^{}]{0,4000}\{[^{}]{0,4000}\}){0,200}[^{}]{0,400}\}")
_CLASS = re.compile(r"\.([A-Za-z_][\w-]{0,63})\s*(?:,|$)")

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Style:
    """The visibility of one element as its own style states it; None where it says nothing."""

    gone: bool = False  #: it and everything in it cannot be seen, whatever the children say
    invisible: bool | None = None  #: visibility, which children may turn back
    tiny: bool | None = None  #: text size of at most one pixel, which children may turn back
    colour: Colour | None = None
    background: Colour | None = None
    background_unknown: bool = False  #: a picture, a gradient or a colour we do not read


PLAIN = Style()


def colour(value: str) -> Colour | None:
    """A CSS or HTML colour as red, green, blue; None when it is not one we read."""
    value = value.strip().lower().removesuffix("!important").strip()
    if value in _NAMED:
        return _NAMED[value]
    if value.startswith("rgb") and (found := _RGB.match(value)):
        return (int(found[1]), int(found[2]), int(found[3]))
    digits = value.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(c * 2 for c in digits)
    if len(digits) != 6:
        return None
    try:
        number = int(digits, 16)
    except ValueError:
        return None
    return (number >> 16, number >> 8 & 255, number & 255)


def alike(one: Colour, other: Colour) -> bool:
    """So close that text in one cannot be read on the other."""
    return all(abs(a - b) <= 12 for a, b in zip(one, other, strict=True))


def _size_px(value: str) -> float | None:
    """Length in pixels, relative units taken as 16 pixels each; None when it is no number."""
    found = _LENGTH.match(value)
    if not found or found[1] in ("", "-", ".", "-."):
        return None
    size = float(found[1])
    return size * {"em": 16, "rem": 16, "ex": 8, "ch": 8, "vw": 8, "%": 0.16, "pt": 1.33}.get(found[2] or "px", 1)


def _is_gone(said: dict[str, str]) -> bool:
    if said.get("display", "").startswith("none"):
        return True
    if (opacity := _size_px(said.get("opacity", "1"))) is not None and opacity < 0.06:
        return True
    clipped = "hidden" in said.get("overflow", "")
    if clipped and any((_size_px(said.get(p, "")) or 9) <= 1 for p in ("height", "max-height", "width", "max-width")):
        return True
    if clipped and any(_size_px(said.get(p, "")) == 0 for p in ("height", "max-height", "width", "max-width")):
        return True
    far = ("text-indent", "left", "top", "margin-left")
    return any((_size_px(said.get(p, "")) or 0) <= -900 for p in far)


@lru_cache(maxsize=2_048)
def read_style(style: str) -> Style:
    """A style attribute, or the body of a rule. Never raises."""
    said = {name: value.strip() for name, value in _DECLARATION.findall(style[:_MAX_STYLE].lower())}
    if not said:
        return PLAIN
    seen = said.get("visibility")
    size = said.get("font-size")
    pixels = _size_px(size) if size else None
    drawn = said.get("background-color") or said.get("background") or ""
    back = colour(drawn.split(" ", 1)[0]) if drawn else None
    transparent = drawn.startswith(("transparent", "none", "inherit"))
    pictured = "url(" in said.get("background-image", "") or "gradient" in said.get("background-image", "")
    return Style(
        gone=_is_gone(said),
        invisible=None if seen is None else seen.startswith(("hidden", "collapse")),
        tiny=None if pixels is None else 0 <= pixels <= 1.4,
        colour=colour(said["color"]) if "color" in said else None,
        background=back,
        background_unknown=pictured or (bool(drawn) and back is None and not transparent),
    )


def read_sheet(sheet: str) -> dict[str, Style]:
    """Class name to what the style sheet says of it: only plain ``.name`` selectors, outside ``@media``."""
    sheet = _AT_BLOCK.sub(" ", sheet[:_MAX_SHEET])
    classes: dict[str, Style] = {}
    for rule in sheet.split("}"):
        selectors, brace, body = rule.rpartition("{")
        style = read_style(body) if brace else PLAIN
        if style != PLAIN:
            for name in _CLASS.findall(selectors[-400:].strip()):
                classes.setdefault(name, style)
            if len(classes) > 500:
                break
    return classes
