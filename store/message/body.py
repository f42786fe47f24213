"""What a reader sees: transfer decoding, charset decoding, and which parts are body and which attachments.

RFC 2045 §6, RFC 2046 §4.1.2, RFC 8621 §4.1.4. Damaged encodings give what can be read; nothing raises.
"""

import binascii
import re
from dataclasses import dataclass, field

from store.message.charsets import decode_octets
from store.message.model import Message, Part

IDENTITY_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
UUENCODED = frozenset({"x-uuencode", "uuencode", "uue", "x-uue"})
BODY_OCTETS = 64 * 1024 * 1024  #: decoded of one part, when the caller sets no limit
BODY_CHARACTERS = 1024 * 1024

_UU_LINES = 400_000  #: of one part; each holds 45 octets, or few
_BASE64_RUNS = 1_000  #: base64 texts one after another in one part
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_ONLY_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]*+")
_PADDING = re.compile(rb"=[=\s]*+")
_META_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)


def decode_part(message: Message, part: Part, limit_octets: int = BODY_OCTETS) -> bytes:
    """The body without its transfer encoding, cut after ``limit_octets``. Unknown encodings count as none."""
    start, end = part.body_start, part.body_end
    if part.encoding == "base64":
        return _decode_base64(message.octets[start : min(end, start + limit_octets * 2 + 1024)])[:limit_octets]
    if part.encoding == "quoted-printable":
        return binascii.a2b_qp(message.octets[start : min(end, start + limit_octets * 4 + 1024)])[:limit_octets]
    if part.encoding in UUENCODED:
        return _decode_uu(message.octets[start : min(end, start + limit_octets * 2 + 1024)])[:limit_octets]
    return message.octets[start : min(end, start + limit_octets)]


def part_text(message: Message, part: Part, limit_chars: int = BODY_CHARACTERS) -> str:
    """The body as text with LF line ends, cut after ``limit_chars``; the label may lie. Never raises."""
    octets = decode_part(message, part, limit_chars * 4)
    if len(octets) == limit_chars * 4:
        octets = _whole_characters(octets)
    charset = part.charset
    if not charset and part.type == "text/html" and (meta := _META_CHARSET.search(octets, 0, 4096)):
        charset = meta[1].decode("ascii")
    text = decode_octets(octets, charset).removeprefix("\ufeff")
    return text.replace("\r\n", "\n")[:limit_chars]


def _whole_characters(octets: bytes) -> bytes:
    """Drop a UTF-8 sequence that was cut at the end, so that the rest is still valid."""
    for back in range(1, min(4, len(octets)) + 1):
        octet = octets[-back]
        if octet >= 0xC0:
            return octets[:-back]
        if octet < 0x80:
            break
    return octets


def _decode_base64(encoded: bytes) -> bytes:
    """Texts that end in padding may follow each other, as some senders hide content; each is read.

    What follows the padding and is no base64 is a footer some mailing list added: left out.
    """
    decoded: list[bytes] = []
    pos = 0
    for _ in range(_BASE64_RUNS):
        padding = _PADDING.search(encoded, pos)
        run = encoded[pos : padding.start() if padding else len(encoded)]
        if pos == 0 or _ONLY_BASE64.fullmatch(run):
            decoded.append(_base64_run(run))
        if padding is None:
            break
        pos = padding.end()
    return b"".join(decoded)


def _base64_run(run: bytes) -> bytes:
    try:
        return binascii.a2b_base64(run + b"==")
    except binascii.Error:  # one character too many: the last carries no octet
        return binascii.a2b_base64(_NOT_BASE64.sub(b"", run)[:-1])


def _decode_uu(encoded: bytes) -> bytes:
    decoded: list[bytes] = []
    begin = encoded.find(b"begin ")
    lines = encoded[max(begin, 0) :].split(b"\n", _UU_LINES)
    for line in lines[1:_UU_LINES] if begin >= 0 else lines[:_UU_LINES]:
        stripped = line.rstrip(b"\r")
        if stripped in (b"end", b"`"):
            break
        if stripped:
            decoded.append(_uu_line(stripped))
    return b"".join(decoded)


def _uu_line(line: bytes) -> bytes:
    count = (((line[0] - 32) & 63) * 4 + 5) // 3
    for attempt in (line, line[:count]):
        try:
            return binascii.a2b_uu(attempt)
        except binascii.Error:
            continue
    return b""


@dataclass(slots=True)
class _Lists:
    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    attachments: list[Part] = field(default_factory=list)


def text_bodies(message: Message) -> tuple[Part, ...]:
    """What to show who reads plain text, in order. RFC 8621 §4.1.4 textBody."""
    return tuple(_arranged(message).text)


def html_bodies(message: Message) -> tuple[Part, ...]:
    """What to show who reads HTML, in order. RFC 8621 §4.1.4 htmlBody."""
    return tuple(_arranged(message).html)


def attachments(message: Message) -> tuple[Part, ...]:
    """The parts that are in neither body, or that only one of them shows. RFC 8621 §4.1.4 attachments."""
    return tuple(_arranged(message).attachments)


def shown_type(part: Part) -> str:
    """The type readers act on: a multipart in which no part was found is shown as text."""
    return "text/plain" if part.type.startswith("multipart/") and not part.children else part.type


def _arranged(message: Message) -> _Lists:
    lists = _Lists()
    _arrange((message.root,), "mixed", False, lists.text, lists.html, lists.attachments)
    return lists


def _arrange(
    parts: tuple[Part, ...],
    multipart: str,
    in_alternative: bool,
    text: list[Part] | None,
    html: list[Part] | None,
    attached: list[Part],
) -> None:
    """RFC 8621 §4.1.4 parseStructure: None is a list that this branch does not fill."""
    text_before = len(text) if text is not None else -1
    html_before = len(html) if html is not None else -1
    for index, part in enumerate(parts):
        kind = shown_type(part)
        if part.children:
            sub = part.type.partition("/")[2]
            _arrange(part.children, sub, in_alternative or sub == "alternative", text, html, attached)
        elif not _is_inline(part, kind, index, multipart):
            attached.append(part)
        elif multipart == "alternative":
            chosen = text if kind == "text/plain" else html if kind == "text/html" else attached
            if chosen is not None:
                chosen.append(part)
        else:
            if in_alternative and kind == "text/plain":
                html = None
            elif in_alternative and kind == "text/html":
                text = None
            for shown in (text, html):
                if shown is not None:
                    shown.append(part)
            if (text is None or html is None) and _is_media(kind):
                attached.append(part)
    if multipart == "alternative" and text is not None and html is not None:
        if len(text) == text_before:
            text.extend(html[html_before:])
        elif len(html) == html_before:
            html.extend(text[text_before:])


def _is_media(kind: str) -> bool:
    return kind.startswith(("image/", "audio/", "video/"))


def _is_inline(part: Part, kind: str, index: int, multipart: str) -> bool:
    if part.disposition == "attachment" or not (kind in ("text/plain", "text/html") or _is_media(kind)):
        return False
    return index == 0 or (multipart != "related" and (_is_media(kind) or not part.filename))
