"""What a parsed mail is: offsets into its octets, defects recorded, never raised. RFC 5322, RFC 2045."""

from collections.abc import Iterator, KeysView
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a hostile mail is looked at. Beyond a limit parsing goes on with a defect noted."""

    header_octets: int = 256 * 1024  #: of one header block
    header_fields: int = 2_000
    parts: int = 2_000  #: MIME parts in one mail
    depth: int = 50  #: nested multiparts and messages
    parameters: int = 64  #: of one Content-Type or Content-Disposition
    addresses: int = 2_000  #: of one address field


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of an address field. ``email`` is "" when there is none; group names are dropped."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One header field. ``raw`` is the value as sent, folding and all, without the final CRLF."""

    name: str  #: as written, ASCII with surrogateescape never: undecodable octets become U+FFFD
    raw: bytes

    def text(self) -> str:
        """Unfolded and decoded (RFC 2047, then UTF-8, then windows-1252). Never raises."""
        from store.message.headers import decode_unstructured

        return decode_unstructured(self.raw)

    def addresses(self) -> tuple[Address, ...]:
        """The value read as an address list. Never raises; garbage yields what can be read."""
        from store.message.headers import parse_addresses

        return parse_addresses(self.raw)


@dataclass(frozen=True, slots=True)
class Headers:
    """A header block in the order it was sent."""

    fields: tuple[HeaderField, ...]
    _named: dict[str, tuple[HeaderField, ...]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        many: dict[str, list[HeaderField]] = {}
        for each in self.fields:
            many.setdefault(each.name.lower(), []).append(each)
        self._named.update({name: tuple(fields) for name, fields in many.items()})

    @property
    def names(self) -> KeysView[str]:
        """The names of all fields in lower case, each once, in the order of the mail."""
        return self._named.keys()

    def first(self, name: str) -> HeaderField | None:
        found = self._named.get(name.lower())
        return found[0] if found is not None else None

    def all(self, name: str) -> tuple[HeaderField, ...]:
        return self._named.get(name.lower(), ())

    def text(self, name: str) -> str:
        """Decoded value of the first such field, "" when there is none."""
        found = self.first(name)
        return found.text() if found else ""


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME part as offsets into the mail's octets."""

    number: str  #: IMAP section number: "" for the root, "1", "2.1" (RFC 3501 §6.4.5)
    type: str  #: "text/plain", lower case; "application/octet-stream" when unreadable
    params: dict[str, str]  #: Content-Type parameters, lower-case names, RFC 2231 decoded
    disposition: str  #: "inline", "attachment" or ""
    disposition_params: dict[str, str]
    encoding: str  #: "7bit", "8bit", "binary", "quoted-printable", "base64" or what was written, lower case
    content_id: str
    headers: Headers
    header_start: int
    body_start: int
    body_end: int
    children: tuple["Part", ...] = ()  #: of a multipart
    message: "Part | None" = None  #: root of the mail inside a message/rfc822 part

    @property
    def filename(self) -> str:
        """From Content-Disposition, else the Content-Type name parameter; decoded, "" when none."""
        return self.disposition_params.get("filename", "") or self.params.get("name", "")

    @property
    def charset(self) -> str:
        return self.params.get("charset", "")

    def walk(self) -> Iterator["Part"]:
        """This part and all below it, in the order of the octets, attached messages included."""
        yield self
        for child in self.children:
            yield from child.walk()
        if self.message is not None:
            yield from self.message.walk()


@dataclass(frozen=True, slots=True)
class Defect:
    """Something a well-behaved sender would not write."""

    name: str  #: "header.nul", "mime.depth", "mime.boundary-missing", "base64.damaged", ...
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A mail and its structure. Signatures, BODY[] and hashes are computed over ``octets`` as stored."""

    octets: bytes
    root: Part
    defects: tuple[Defect, ...] = field(default=())

    @property
    def headers(self) -> Headers:
        return self.root.headers
