"""Where the octets of a BODY[section] lie, from the Email row; the mail is parsed again only inside attached mails."""

from dataclasses import dataclass
from enum import Enum

from msgspec.structs import replace as with_fields

from protocols.imap.commands.fetch import Octets
from store.blob.contract import Wanted
from store.mail.model import Email, PartRow
from store.message import imap_structure
from store.message.fields import field_lines
from store.message.mime import parse_message
from store.message.sections import SectionSpec, section


class How(Enum):
    """What is done with the octets of a range."""

    AS_THEY_ARE = 1
    PICK_FIELDS = 2
    PARSE = 3  #: of the whole mail: the section lies inside an attached mail


@dataclass(frozen=True, slots=True)
class Source:
    """Octets ``start`` to ``end`` of the mail."""

    how: How
    start: int
    end: int


def locate(email: Email, spec: SectionSpec) -> Source | None:
    """Where to read; None when the mail has no such section. RFC 3501 §6.4.5."""
    if not spec.part:
        return _of_root(email, spec)
    part = email.structure
    for depth, digits in enumerate(spec.part.split(".")):
        index = int(digits)
        if index <= len(part.children):
            part = part.children[index - 1]
        elif part.children:
            return None
        elif _lacks_parts(part):
            return _parse(email)
        elif depth or index != 1:  # "1" is the body of a mail that is no multipart
            return _parse(email) if _holds_mail(part) else None
    if not spec.text:
        return Source(How.AS_THEY_ARE, part.body_start, part.body_end)
    if spec.text == "MIME":
        return Source(How.AS_THEY_ARE, part.header_start, part.body_start)
    return _parse(email) if _holds_mail(part) or _lacks_parts(part) else None


def _of_root(email: Email, spec: SectionSpec) -> Source | None:
    root = email.structure
    match spec.text:
        case "":
            return Source(How.AS_THEY_ARE, 0, email.size)
        case "HEADER":
            return Source(How.AS_THEY_ARE, root.header_start, root.body_start)
        case "TEXT":
            return Source(How.AS_THEY_ARE, root.body_start, root.body_end)
        case "HEADER.FIELDS" | "HEADER.FIELDS.NOT":
            return Source(How.PICK_FIELDS, root.header_start, root.body_start)
    return None


def _holds_mail(part: PartRow) -> bool:
    return part.type in ("message/rfc822", "message/global")


def _lacks_parts(part: PartRow) -> bool:
    """Broken, or too many to keep in the row (store.mail.fitting)."""
    return part.type.startswith("multipart/") and not part.children


def _parse(email: Email) -> Source:
    return Source(How.PARSE, 0, email.size)


def length_of(source: Source | None, item: Octets) -> int:
    """Octets that have to be read for an item, at most."""
    if source is None:
        return 0
    whole = source.end - source.start
    if source.how is How.AS_THEY_ARE:
        left = max(0, whole - item.start)
        return left if item.length is None else min(left, item.length)
    return whole


@dataclass(frozen=True, slots=True)
class Ask:
    """One item of one mail, and where to read it."""

    email: Email
    item: Octets
    source: Source | None

    def range(self) -> Wanted:
        """What to read of the blob; nothing when there is no such section."""
        source = self.source
        if source is None:
            return Wanted(self.email.blob, 0, 0)
        if source.how is How.AS_THEY_ARE:
            start = min(source.start + self.item.start, source.end)
            return Wanted(self.email.blob, start, start + length_of(source, self.item))
        return Wanted(self.email.blob, source.start, source.end)


def answer(ask: Ask, octets: bytes) -> bytes | None:
    """An item from what its range holds; None when the mail has no such section."""
    source, item = ask.source, ask.item
    if source is None or source.how is How.AS_THEY_ARE:
        return None if source is None else octets
    if source.how is How.PICK_FIELDS:
        return _cut(pick_fields(octets, item.spec), item)
    found = section(parse_message(octets), item.spec)
    if isinstance(found, tuple):
        found = octets[found[0] : found[1]]
    elif not found:
        return None
    return _cut(found, item)


def is_complete(email: Email) -> bool:
    """Whether its renderings were small enough to keep."""
    return bool(email.imap_envelope and email.imap_body and email.imap_bodystructure)


def completed(email: Email, octets: bytes) -> Email:
    """With the renderings that were too large to keep."""
    message = parse_message(octets)
    imap_body, imap_bodystructure = imap_structure.structures(message)
    return with_fields(
        email,
        imap_envelope=imap_structure.envelope(message),
        imap_body=imap_body,
        imap_bodystructure=imap_bodystructure,
    )


def _cut(octets: bytes, item: Octets) -> bytes:
    return octets[item.start :] if item.length is None else octets[item.start : item.start + item.length]


def pick_fields(header: bytes, spec: SectionSpec) -> bytes:
    """Fields as sent, then the blank line. RFC 3501 §6.4.5."""
    names = {name.lower() for name in spec.fields}
    wanted = spec.text == "HEADER.FIELDS"
    lines = [
        line if line.endswith(b"\n") else line + b"\r\n"
        for name, line in field_lines(header, 0, len(header))
        if (name in names) is wanted
    ]
    return b"".join((*lines, b"\r\n"))
