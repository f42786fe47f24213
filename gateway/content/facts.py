"""What the body holds, computed once before any check reads it."""

from dataclasses import dataclass

from store.message.model import Address


@dataclass(frozen=True, slots=True)
class Url:
    """One distinct address a reader could follow, taken apart."""

    raw: str  #: as written, at most 2,048 characters
    scheme: str
    host: str  #: lower case, ASCII (punycode kept); an IP literal without brackets
    host_unicode: str  #: the host as a person sees it
    domain: str  #: registrable domain by the public suffix list, ASCII; "" for IP hosts
    port: int | None
    path: str
    has_userinfo: bool
    text: str  #: the link text shown, "" when none
    source: str  #: "html", "text", "form", "img", "meta" (a refresh), "qr" (a QR code in a picture), "pdf"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One part that a mail program would offer to save."""

    part: str  #: section number
    filename: str  #: decoded, control characters kept for the checks to see
    extension: str  #: lower case, without the dot, after stripping direction marks
    declared_type: str
    true_type: str  #: by content: "zip", "pdf", "exe", "ole", "html", "png", ... "" when unknown
    size: int  #: decoded octets looked at
    members: tuple[str, ...] = ()  #: names inside an archive, at most the configured count
    is_encrypted: bool = False
    is_bomb: bool = False  #: claims to unpack beyond the ratio or size limit
    is_unopened: bool = False  #: the limits of a mail were reached: only its name was read
    links: tuple[str, ...] = ()  #: addresses a document leads to
    markers: tuple[str, ...] = ()  #: "macro", "object", "javascript", "launch", "form", "password", "script", ...


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """Everything the content checks look at beside the view."""

    from_: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    sender: tuple[Address, ...]
    urls: tuple[Url, ...]
    attachments: tuple[Attachment, ...]
    broken: tuple[str, ...] = ()  #: readers that broke down: "pictures", "attachments"

    @property
    def from_domain(self) -> str:
        """Domain of the first From address, lower case, "" when there is none."""
        return self.from_[0].email.rpartition("@")[2].lower() if self.from_ else ""
