"""Finds what IMAP's BODY[section] names. RFC 3501 §6.4.5."""

from dataclasses import dataclass

from store.message.fields import field_lines
from store.message.model import Message, Part

__all__ = ["SectionSpec", "find_part", "section"]


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """A section as the client wrote it, taken apart."""

    part: str = ""  #: "1.2", or "" for the mail itself
    text: str = ""  #: "", HEADER, TEXT, MIME, HEADER.FIELDS or HEADER.FIELDS.NOT, upper case
    fields: tuple[str, ...] = ()  #: names for HEADER.FIELDS and HEADER.FIELDS.NOT, any case


@dataclass(frozen=True, slots=True)
class _Place:
    part: Part
    is_root: bool  #: as the mail that it is, not as the single body part of it


def section(message: Message, spec: SectionSpec) -> tuple[int, int] | bytes:
    """Offsets into ``message.octets``, or octets where fields are picked; b"" when there is no such section."""
    if not spec.part and not spec.text:
        return 0, len(message.octets)
    place = _find(message.root, spec.part)
    if place is None:
        return b""
    part = place.part
    if not spec.text:
        return part.body_start, part.body_end
    if spec.text == "MIME":
        return b"" if place.is_root else (part.header_start, part.body_start)
    mail = part if place.is_root else part.message
    if mail is None:
        return b""
    if spec.text == "HEADER":
        return mail.header_start, mail.body_start
    if spec.text == "TEXT":
        return mail.body_start, mail.body_end
    if spec.text in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        return _picked(message.octets, mail, spec)
    return b""


def find_part(message: Message, number: str) -> Part | None:
    """The part with an IMAP section number; "1" is the body of a mail with one part."""
    place = _find(message.root, number)
    return place.part if place else None


def _find(root: Part, number: str) -> _Place | None:
    place: _Place | None = _Place(root, is_root=True)
    for digits in number.split(".") if number else ():
        if place is None or not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            return None
        place = _step(place, int(digits))
    return place


def _step(place: _Place, index: int) -> _Place | None:
    part, is_root = place.part, place.is_root
    if not is_root and part.message is not None:
        part, is_root = part.message, True
    if part.children:
        return _Place(part.children[index - 1], is_root=False) if 1 <= index <= len(part.children) else None
    return _Place(part, is_root=False) if is_root and index == 1 else None


def _picked(octets: bytes, mail: Part, spec: SectionSpec) -> bytes:
    """Fields as sent, then the blank line that RFC 3501 §6.4.5 asks for."""
    names = {name.lower() for name in spec.fields}
    wanted = spec.text == "HEADER.FIELDS"
    lines = [
        line if line.endswith(b"\n") else line + b"\r\n"
        for name, line in field_lines(octets, mail.header_start, mail.body_start)
        if (name in names) is wanted
    ]
    return b"".join((*lines, b"\r\n"))
