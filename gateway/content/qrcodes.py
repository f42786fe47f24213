"""Reads QR codes in the pictures of a mail, and those drawn with block characters: a link no text filter sees.

Pictures are hostile: few formats, few pictures, few pixels, and a picture that cannot be read is no code.
"""

import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.message.body import decode_part, part_text, text_bodies
from store.message.harmless import unescape
from store.message.model import Message

if TYPE_CHECKING:
    from PIL.Image import Image

_TYPES = frozenset({"png", "jpeg", "gif", "webp", "bmp"})
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
_SMALLEST = 58  #: pixels of a side: a code has at least 21 modules, and needs two or three pixels for each
_LONGEST = 8  #: times a picture may be longer than wide; banners and rules hold no codes
_BLOCKS = {" ": (0, 0), "\u00a0": (0, 0), "█": (1, 1), "▀": (1, 0), "▄": (0, 1)}
_MODULES = (21, 200)  #: characters of a line of a drawn code
_LINE_END = re.compile(r"<(?:br|/div|/p|/tr|/li)\b[^<>]{0,200}>", re.I)
_TAG = re.compile(r"<[^<>]{0,500}>")
_TEXTS, _TEXT = 4, 64 * 1024  #: text parts, and characters of each, that are searched for drawn codes
_SCALE = 4  #: pixels a module of a drawn code is given


@dataclass(frozen=True, slots=True)
class QrLimits:
    """How much of a mail's pictures is looked at."""

    pictures: int = 10
    octets: int = 3 * 1024 * 1024  #: decoded of one part
    pixels: int = 16_000_000  #: of one picture; what claims more is not opened
    side: int = 1_200  #: pixels; larger pictures are made smaller first
    cpu_s: float = 0.3  #: after which a small look has to do; a picture full of corner marks takes twice that
    small_side: int = 600  #: pixels, of such a look
    codes: int = 8
    text: int = 2_048  #: characters of one code


DEFAULT_LIMITS = QrLimits()


def codes_in(message: Message, limits: QrLimits = DEFAULT_LIMITS) -> tuple[str, ...]:
    """What the codes say, each once, in the order of the mail. Never raises on a mail."""
    found: dict[str, None] = {}
    started: float | None = None
    for picture in _pictures(message, limits):
        started = time.thread_time() if started is None else started
        side = limits.side if time.thread_time() - started < limits.cpu_s else limits.small_side
        found.update(dict.fromkeys(_read(picture, limits, side)))
    for drawing in _drawn(message):
        found.update(dict.fromkeys(_read_drawing(drawing)))
    return tuple(code[: limits.text] for code in list(found)[: limits.codes])


def _pictures(message: Message, limits: QrLimits) -> Iterator[bytes]:
    left = limits.pictures
    for part in message.root.walk():
        if left and not part.children and part.type.partition("/")[0] == "image":
            octets = decode_part(message, part, limits.octets)
            if len(octets) < limits.octets:
                left -= 1
                yield octets


def _read(octets: bytes, limits: QrLimits, side: int) -> list[str]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(octets), formats=_FORMATS) as picture:
            width, height = picture.size
            short, long = sorted((width, height))
            if short < _SMALLEST or long > short * _LONGEST or width * height > limits.pixels:
                return []
            if side < limits.side and width * height > limits.pixels // 8:  # unpacking it is what costs
                return []
            picture.draft("L", (side, side))
            if picture.mode in ("P", "RGBA", "LA", "PA"):  # what is transparent shows the white page below
                clear = picture if picture.mode == "RGBA" else picture.convert("RGBA")
                clear.thumbnail((side, side))
                page = Image.new("RGBA", clear.size, "white")
                page.alpha_composite(clear)
                grey = page.convert("L")
            else:
                grey = picture.convert("L")
            grey.thumbnail((side, side))
            return _codes(grey)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        return []


def _drawn(message: Message) -> Iterator[list[str]]:
    for part in text_bodies(message)[:_TEXTS]:
        text = part_text(message, part, _TEXT)
        if "█" in text or "▄" in text or "&#96" in text:
            yield from _drawings(_shown(text) if part.type == "text/html" else text)


def _shown(markup: str) -> str:
    """The lines of a page, well enough for characters that nobody uses but to draw."""
    return unescape(_TAG.sub("", _LINE_END.sub("\n", markup)))


def _drawings(text: str) -> Iterator[list[str]]:
    """Runs of lines that are made of block characters alone."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip() and len(line) <= _MODULES[1] and all(char in _BLOCKS for char in line):
            lines.append(line)
            continue
        if max(map(len, lines), default=0) >= _MODULES[0] and _MODULES[0] // 2 <= len(lines) <= _MODULES[1]:
            yield lines
        lines = []


def _codes(picture: "Image") -> list[str]:
    import zxingcpp

    formats = zxingcpp.barcode_formats_from_str("QRCode")
    return [code.text for code in zxingcpp.read_barcodes(picture, formats, text_mode=zxingcpp.TextMode.Plain)]


def _read_drawing(lines: list[str]) -> list[str]:
    """A line is one row of modules, drawn two characters wide, or two rows in half blocks."""
    from PIL import Image

    width = max(map(len, lines))
    is_halved = any(char in "▀▄" for line in lines for char in line)
    rows = [[_BLOCKS[char] for char in line.ljust(width)] for line in lines]
    bits = [[cell[half] for cell in row] for row in rows for half in ((0, 1) if is_halved else (0,))]
    margin = 4
    drawn = Image.new("L", (width + 2 * margin, len(bits) + 2 * margin), 255)
    drawn.putdata(
        [
            0 if 0 <= y - margin < len(bits) and 0 <= x - margin < width and bits[y - margin][x - margin] else 255
            for y in range(len(bits) + 2 * margin)
            for x in range(width + 2 * margin)
        ]
    )
    wide = _SCALE if is_halved else _SCALE // 2
    scaled = drawn.resize((drawn.width * wide, drawn.height * _SCALE), Image.Resampling.NEAREST)
    return _codes(scaled)
