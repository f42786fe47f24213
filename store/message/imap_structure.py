"""Renders ENVELOPE, BODY and BODYSTRUCTURE as they go on the wire; done once, at delivery. RFC 3501 §7.4.2.

Values are given as sent (encoded words and RFC 2231 sections stay), which is what clients decode. Size is
bounded: once ``STRINGS_OCTETS`` of strings are out, further ones are empty while the structure stays right.
"""

from dataclasses import dataclass, field

from store.message.addresses import Entry, Kind, read_entries
from store.message.body import shown_type
from store.message.folding import strip_comments, unfold
from store.message.model import Headers, Limits, Message, Part
from store.message.notes import Notes
from store.message.parameters import parse_parameterised

STRINGS_OCTETS = 512 * 1024  #: of one rendering
STRING_OCTETS = 16 * 1024  #: of one string
QUOTED_OCTETS = 1_000  #: longer strings go as literals
LANGUAGES = 20
_ADDRESS_FIELDS = ("from", "sender", "reply-to", "to", "cc", "bcc")
_NO_DOMAIN = ""  # NIL would begin a group


def envelope(message: Message) -> bytes:
    """ENVELOPE of the mail. Never raises."""
    return _Writer(message).envelope(message.root.headers)


def structures(message: Message) -> tuple[bytes, bytes]:
    """BODY and BODYSTRUCTURE, which is the same with extension data; in one walk over the parts. Never raises."""
    return _Writer(message).part(message.root)


@dataclass(slots=True)
class _Writer:
    """One rendering; counts the octets of its strings."""

    message: Message
    left: int = STRINGS_OCTETS
    notes: Notes = field(default_factory=Notes)

    def string(self, value: bytes) -> bytes:
        """A quoted string, or a literal where that is not allowed. RFC 3501 §4.3."""
        if len(value) > STRING_OCTETS or len(value) > self.left:
            value = value[: min(STRING_OCTETS, self.left)]
        if b"\0" in value:
            value = value.replace(b"\0", b"")
        self.left -= len(value)
        if value.isalnum():
            return b'"' + value + b'"'  # nearly all: types, charsets, encodings
        if len(value) <= QUOTED_OCTETS and value.isascii() and b"\r" not in value and b"\n" not in value:
            return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        return b"{%d}\r\n%b" % (len(value), value)

    def text(self, value: str) -> bytes:
        return self.string(value.encode("utf-8", "replace"))

    def nstring(self, headers: Headers, name: str) -> bytes:
        """The field's value on one line, NIL when there is no such field."""
        found = headers.first(name)
        return b"NIL" if found is None else self.string(unfold(found.raw))

    def envelope(self, headers: Headers) -> bytes:
        written = {name: headers.first(name) for name in _ADDRESS_FIELDS}
        lists = {name: self.addresses(found.raw) if found else b"NIL" for name, found in written.items()}
        for name in ("sender", "reply-to"):  # RFC 3501 §7.4.2: the server sets them from From
            if lists[name] == b"NIL":
                lists[name] = lists["from"]
        first = (self.nstring(headers, "date"), self.nstring(headers, "subject"))
        last = (self.nstring(headers, "in-reply-to"), self.nstring(headers, "message-id"))
        return b"(" + b" ".join((*first, *(lists[name] for name in _ADDRESS_FIELDS), *last)) + b")"

    def addresses(self, raw: bytes) -> bytes:
        entries = read_entries(raw)
        return b"(" + b"".join(self.address(entry) for entry in entries) + b")" if entries else b"NIL"

    def address(self, entry: Entry) -> bytes:
        """(name route mailbox host); NIL hosts mark where a group begins and ends."""
        if entry.kind is Kind.GROUP_END:
            return b"(NIL NIL NIL NIL)"
        if entry.kind is Kind.GROUP:
            return b"(NIL NIL " + self.text(entry.name) + b" NIL)"
        name, email = entry.name, entry.email
        if not email and " " not in name:
            name, email = "", name
        mailbox, _, host = email.rpartition("@") if "@" in email else (email, "", _NO_DOMAIN)
        shown = self.text(name) if name else b"NIL"
        return b"(" + shown + b" NIL " + self.text(mailbox) + b" " + self.text(host) + b")"

    def part(self, part: Part) -> tuple[bytes, bytes]:
        """Without and with extension data."""
        if part.children:
            return self.multipart(part)
        kind, subtype = _basic_type(part).split("/", 1)
        fields = [self.text(kind), self.text(subtype), self.parameters(part, "content-type")]
        fields += [self.nstring(part.headers, "content-id"), self.nstring(part.headers, "content-description")]
        fields += [self.text(part.encoding), b"%d" % (part.body_end - part.body_start)]
        short = extended = b" ".join(fields)
        lines = b" %d" % self.message.octets.count(b"\n", part.body_start, part.body_end)
        if kind == "text":
            short, extended = short + lines, extended + lines
        elif part.message is not None and part.type == "message/rfc822":
            envelope = self.envelope(part.message.headers)
            inside = self.part(part.message)
            short, extended = (b" ".join((short, envelope, inner)) + lines for inner in inside)
        more = (self.nstring(part.headers, "content-md5"), *self.extension(part))
        return b"(" + short + b")", b"(" + b" ".join((extended, *more)) + b")"

    def multipart(self, part: Part) -> tuple[bytes, bytes]:
        children = [self.part(child) for child in part.children]
        subtype = self.text(part.type.partition("/")[2])
        short = b"".join(child[0] for child in children) + b" " + subtype
        extended = (b"".join(child[1] for child in children), subtype, self.parameters(part, "content-type"))
        return b"(" + short + b")", b"(" + b" ".join((*extended, *self.extension(part))) + b")"

    def extension(self, part: Part) -> tuple[bytes, bytes, bytes]:
        """Disposition, language, location."""
        found = part.headers.first("content-disposition")
        disposition = b"NIL"
        if found is not None and part.disposition:
            kind = parse_parameterised(found.raw, Limits(), self.notes).value
            disposition = b"(" + self.text(kind) + b" " + self.parameters(part, "content-disposition") + b")"
        return disposition, self.language(part), self.nstring(part.headers, "content-location")

    def language(self, part: Part) -> bytes:
        found = part.headers.first("content-language")
        if found is None:
            return b"NIL"
        tags = [tag.strip() for tag in strip_comments(unfold(found.raw)).split(b",", LANGUAGES)[:LANGUAGES]]
        strings = [self.string(tag) for tag in tags if tag]
        return b"(" + b" ".join(strings) + b")" if strings else b"NIL"

    def parameters(self, part: Part, name: str) -> bytes:
        found = part.headers.first(name)
        if found is None or self.left <= 0:
            return b"NIL"
        pairs = parse_parameterised(found.raw, Limits(), self.notes).raw
        strings = [self.text(key) + b" " + self.string(value) for key, value in pairs]
        return b"(" + b" ".join(strings) + b")" if strings else b"NIL"


def _basic_type(part: Part) -> str:
    """A mail that could not be read as one is no message/rfc822 here, for that form needs an envelope."""
    if part.type == "message/rfc822" and part.message is None:
        return "application/octet-stream"
    return shown_type(part)
