"""FETCH: which mails, and what of them. RFC 3501 §6.4.5, RFC 7162 §3.1.4."""

import re
from dataclasses import dataclass
from enum import Enum

from protocols.imap.numbers import NumberSet
from protocols.imap.refusal import BadCommand
from protocols.imap.scanner import Scanner
from store.message.sections import SectionSpec

MAX_ITEMS = 200
MAX_SECTION_DEPTH = 60
_SECTION = re.compile(
    r"(?P<part>[1-9][0-9]{0,4}(?:\.[1-9][0-9]{0,4})*)?(?:(?:(?<=[0-9])\.|(?<![0-9]))"
    r"(?P<text>HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME))?"
)


class Item(Enum):
    """What a mail has exactly one of."""

    FLAGS = b"FLAGS"
    UID = b"UID"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    MODSEQ = b"MODSEQ"


@dataclass(frozen=True, slots=True)
class Octets:
    """Octets of the mail. ``start`` and ``length`` are a partial FETCH; ``length`` None means all."""

    spec: SectionSpec
    label: bytes  #: how the answer names it
    is_peek: bool
    start: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    messages: NumberSet
    by_uid: bool
    items: tuple[Item | Octets, ...]
    changed_since: int | None = None


_FAST = (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)
_MACROS: dict[bytes, tuple[Item, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Item.ENVELOPE),
    b"FULL": (*_FAST, Item.ENVELOPE, Item.BODY),
}
_OLD_NAMES = {
    b"RFC822": Octets(SectionSpec(), b"RFC822", is_peek=False),
    b"RFC822.HEADER": Octets(SectionSpec(text="HEADER"), b"RFC822.HEADER", is_peek=True),
    b"RFC822.TEXT": Octets(SectionSpec(text="TEXT"), b"RFC822.TEXT", is_peek=False),
}


def fetch(scan: Scanner, *, by_uid: bool) -> Fetch:
    scan.space()
    messages = scan.numbers()
    scan.space()
    items = _items(scan)
    changed_since = _modifier(scan) if scan.take_if(b" (") else None
    if by_uid and Item.UID not in items:
        items = (Item.UID, *items)
    if changed_since is not None and Item.MODSEQ not in items:
        items = (*items, Item.MODSEQ)
    return Fetch(messages, by_uid, items, changed_since)


def _items(scan: Scanner) -> tuple[Item | Octets, ...]:
    if scan.next_is(b"("):
        items = scan.list_of(lambda: _item(scan, None))
    else:
        name = scan.name()
        if name in _MACROS:
            return _MACROS[name]
        items = [_item(scan, name)]
    if len(items) > MAX_ITEMS:
        raise BadCommand("too many items")
    return tuple(dict.fromkeys(items))


def _item(scan: Scanner, name: bytes | None) -> Item | Octets:
    name = name or scan.name()
    if name in (b"BODY", b"BODY.PEEK") and scan.take_if(b"["):
        return _octets(scan, is_peek=name == b"BODY.PEEK")
    old = _OLD_NAMES.get(name)
    if old is not None:
        return old
    try:
        return Item(name)
    except ValueError:
        raise BadCommand("unknown item") from None


def _octets(scan: Scanner, *, is_peek: bool) -> Octets:
    written = "" if scan.next_is(b"]") else scan.name().decode("ascii")
    match = _SECTION.fullmatch(written)
    if match is None:
        raise BadCommand("unknown section")
    part, text = match["part"] or "", match["text"] or ""
    if part.count(".") > MAX_SECTION_DEPTH or (text == "MIME" and not part):
        raise BadCommand("unknown section")
    label = b"BODY[" + written.encode("ascii")
    fields: tuple[str, ...] = ()
    if text.startswith("HEADER.FIELDS"):
        scan.space()
        names = scan.list_of(scan.astring)
        fields = tuple(name.decode("ascii", "replace") for name in names)
        label += b" (" + b" ".join(_shown(name) for name in names) + b")"
    scan.expect(b"]")
    label += b"]"
    spec = SectionSpec(part, text, fields)
    if not scan.take_if(b"<"):
        return Octets(spec, label, is_peek)
    start = scan.number()
    scan.expect(b".")
    length = scan.number()
    scan.expect(b">")
    if length == 0:
        raise BadCommand("a part of no octets")
    return Octets(spec, label + b"<%d>" % start, is_peek, start, length)


def _shown(name: bytes) -> bytes:
    """A field name as the answer repeats it. Raises BadCommand for what cannot be one (RFC 5322 §2.2)."""
    if not re.fullmatch(rb"[!-9;-~]{1,200}", name):
        raise BadCommand("not a field name")
    if re.fullmatch(rb"[A-Za-z0-9_.-]+", name):
        return name
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _modifier(scan: Scanner) -> int:
    if scan.word() != b"CHANGEDSINCE":
        raise BadCommand("unknown fetch modifier")
    scan.space()
    since = scan.number(most=(1 << 63) - 1)
    scan.expect(b")")
    return since
