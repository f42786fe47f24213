"""Body parts: structure, the lists a client shows, and decoded values. RFC 8621 §4.1.4."""

import codecs
from dataclasses import dataclass, field
from typing import Any

from protocols.jmap import ids
from protocols.jmap.email_headers import HeaderProperty, all_raw, read_headers, value_of
from store.blob.contract import BlobId
from store.mail.model import PartRow
from store.message import body
from store.message.charsets import codec_name
from store.message.model import Headers, Message, Part

_NO_HEADERS = Headers(())
_KNOWN_ENCODINGS = body.IDENTITY_ENCODINGS | body.UUENCODED | {"base64", "quoted-printable"}

DEFAULT_PROPERTIES = (
    "partId",
    "blobId",
    "size",
    "name",
    "type",
    "charset",
    "disposition",
    "cid",
    "language",
    "location",
)
PROPERTIES = frozenset((*DEFAULT_PROPERTIES, "headers", "subParts"))


def part_of(row: PartRow, shift: int = 0) -> Part:
    """A parsed part again, as far as the row remembers. ``shift`` is where the octets at hand begin in the mail."""
    return Part(
        number=row.number or ("" if row.children else "1"),
        type=row.type,
        params={"charset": row.charset} if row.charset else {},
        disposition=row.disposition,
        disposition_params={"filename": row.filename} if row.filename else {},
        encoding=row.encoding,
        content_id=row.content_id,
        headers=_NO_HEADERS,
        header_start=row.header_start - shift,
        body_start=row.body_start - shift,
        body_end=row.body_end - shift,
        children=tuple(part_of(child, shift) for child in row.children),
    )


def find_row(row: PartRow, number: str) -> PartRow | None:
    """The leaf with this section number."""
    waiting = [row]
    while waiting:
        one = waiting.pop()
        if not one.children and (one.number or "1") == number:
            return one
        waiting.extend(one.children)
    return None


@dataclass(slots=True)
class BodyView:
    """One mail's body being shown. ``octets`` may be empty when nothing asked for needs them."""

    blob: BlobId
    structure: PartRow
    octets: bytes
    properties: list[str]
    headers: dict[str, HeaderProperty]  #: the "header:" ones among the properties
    _message: Message = field(init=False)
    _rows: dict[str, PartRow] = field(init=False)

    def __post_init__(self) -> None:
        self._message = Message(self.octets, part_of(self.structure))
        self._rows = {}
        waiting = [self.structure]
        while waiting:
            row = waiting.pop()
            self._rows[row.number or ("" if row.children else "1")] = row
            waiting.extend(row.children)

    def structure_json(self) -> dict[str, Any]:
        return self._part_json(self._message.root, with_parts=True)

    def text_json(self) -> list[dict[str, Any]]:
        return [self._part_json(part) for part in body.text_bodies(self._message)]

    def html_json(self) -> list[dict[str, Any]]:
        return [self._part_json(part) for part in body.html_bodies(self._message)]

    def attachments_json(self) -> list[dict[str, Any]]:
        return [self._part_json(part) for part in body.attachments(self._message)]

    def values_json(self, wanted: "ValuesWanted", budget: "ValueBudget") -> dict[str, Any]:
        """The bodyValues property."""
        parts: dict[str, Part] = {}
        if wanted.text:
            parts.update((part.number, part) for part in body.text_bodies(self._message))
        if wanted.html:
            parts.update((part.number, part) for part in body.html_bodies(self._message))
        if wanted.all:
            leaves = (part for part in self._message.root.walk() if not part.children)
            parts.update((part.number, part) for part in leaves)
        return {
            number: self._value(part, wanted.max_octets, budget)
            for number, part in parts.items()
            if body.shown_type(part).startswith("text/")
        }

    def _value(self, part: Part, max_octets: int, budget: "ValueBudget") -> dict[str, Any]:
        limit = min(max_octets or budget.left, budget.left)
        text = body.part_text(self._message, part, limit + 1)
        shown = truncated(text, limit, is_html=part.type == "text/html")
        budget.left = max(0, budget.left - len(shown.encode()))
        return {
            "value": shown,
            "isEncodingProblem": part.encoding not in _KNOWN_ENCODINGS or not self._is_in_charset(part, limit),
            "isTruncated": len(shown) < len(text),
        }

    def _is_in_charset(self, part: Part, limit: int) -> bool:
        """Whether the octets are text in the charset their label names."""
        codec = codec_name(part.charset or "us-ascii")
        if not codec:
            return False
        try:
            codecs.getincrementaldecoder(codec)().decode(body.decode_part(self._message, part, limit + 1))
        except (UnicodeError, ValueError):
            return False
        return True

    def _part_json(self, part: Part, *, with_parts: bool = False) -> dict[str, Any]:
        row = self._rows[part.number]
        shown = {name: self._property(name, part, row) for name in self.properties}
        if with_parts and part.children:
            shown["subParts"] = [self._part_json(child, with_parts=True) for child in part.children]
        return shown

    def _property(self, name: str, part: Part, row: PartRow) -> Any:
        match name:
            case "partId":
                return None if part.children else part.number
            case "blobId":
                return None if part.children else ids.blob_id(self.blob, part.number)
            case "size":
                return self._size(part)
            case "name":
                return row.filename or None
            case "type":
                return body.shown_type(part)
            case "charset":
                return row.charset or ("us-ascii" if body.shown_type(part).startswith("text/") else None)
            case "disposition":
                return row.disposition or None
            case "cid":
                return row.content_id or None
            case "language":
                return [tag.strip() for tag in row.language.split(",")] if row.language else None
            case "location":
                return row.location or None
            case "subParts":
                return [self._part_json(child, with_parts=True) for child in part.children] or None
            case "headers":
                return all_raw(self._part_headers(part))
            case _:
                return value_of(self.headers[name], self._part_headers(part))

    def _size(self, part: Part) -> int:
        """Octets after decoding, which is what a download gives."""
        if part.children or part.encoding in body.IDENTITY_ENCODINGS:
            return part.body_end - part.body_start
        return len(body.decode_part(self._message, part))

    def _part_headers(self, part: Part) -> Headers:
        return read_headers(self.octets[part.header_start : part.body_start])


@dataclass(frozen=True, slots=True)
class ValuesWanted:
    """Which body values. RFC 8621 §4.2."""

    text: bool
    html: bool
    all: bool
    max_octets: int  #: of each, 0 for no limit

    @property
    def any(self) -> bool:
        return self.text or self.html or self.all


@dataclass(slots=True)
class ValueBudget:
    """Octets of body values one method call may still return."""

    left: int


def needs_octets(structure: PartRow, properties: list[str]) -> bool:
    """Whether these part properties can only be answered from the mail itself."""
    if any(name == "headers" or name.startswith("header:") for name in properties):
        return True
    return "size" in properties and _has_encoded_part(structure)


def _has_encoded_part(row: PartRow) -> bool:
    if row.children:
        return any(_has_encoded_part(child) for child in row.children)
    return row.encoding not in body.IDENTITY_ENCODINGS


def truncated(text: str, max_octets: int, *, is_html: bool) -> str:
    """At most so many octets of UTF-8, whole characters, and not within a tag. RFC 8621 §4.2."""
    octets = text.encode("utf-8", "replace")
    if len(octets) <= max_octets:
        return text
    shown = octets[:max_octets].decode("utf-8", "ignore")
    if is_html and shown.rfind("<") > shown.rfind(">"):
        shown = shown[: shown.rfind("<")]
    return shown
