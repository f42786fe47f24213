"""Structural tokens: what a mail is built of, in words the models can weigh.

Only what a sender chooses today is a token. What merely dates a mail or names the list, host or collector it passed
through (List-Id, Precedence, mailer, charset of the age) says which corpus a training mail came from, not what it is,
so ``structure`` reports some of it for the checks and ``features`` leaves it out.
"""

from dataclasses import dataclass

from models.links import Link, host_of, lies
from store.message.model import Message, Part

_ORDINARY_CHARSETS = frozenset(("", "utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"))
_SAFE_TLD = 24  #: characters of the longest top-level domain taken
_PARTS = 100
_TOKENS = 120


@dataclass(frozen=True, slots=True)
class Shape:
    """What the walk over the bodies counted."""

    links: tuple[Link, ...]
    has_hidden_text: bool
    words: int  #: of visible text, near enough
    images: int
    forms: int
    scripts: int
    too_deep: bool
    has_html: bool


def tokens(message: Message, shape: Shape) -> tuple[str, ...]:
    """Each at most once, in a fixed order, at most 120."""
    found: dict[str, None] = {}
    for there, token in (
        (shape.forms, "has:form"),
        (shape.scripts, "has:script"),
        (shape.has_hidden_text, "hidden:text"),
        (shape.too_deep, "html:too-deep"),
        (shape.has_html, "has:html"),
        (shape.images and shape.words < 20, "image:only"),
        (any(map(lies, shape.links)), "link:mismatch"),
        (shape.words < 3 and not shape.images, "text:none"),
    ):
        if there:
            found[token] = None
    _of_links(shape.links, found)
    _of_headers(message, found)
    for count, part in enumerate(message.root.walk()):
        if count >= _PARTS:
            break
        _of_part(part, found)
    return tuple(found)[:_TOKENS]


def _of_links(links: tuple[Link, ...], found: dict[str, None]) -> None:
    clickable = [link for link in links if link.kind != "img"]
    found[f"link:count-{min(len(clickable), 32).bit_length()}"] = None
    for link in clickable[:60]:
        host = host_of(link.href)
        if not host:
            if link.href[:5].lower() == "data:":
                found["link:data"] = None
            continue
        last = host.rpartition(".")[2]
        if last.isdigit() or ":" in host:
            found["link:address"] = None
        elif last.isalnum() and len(last) <= _SAFE_TLD:
            found[f"tld:{last}"] = None
        if host.startswith("xn--") or ".xn--" in host:
            found["link:punycode"] = None


def _of_headers(message: Message, found: dict[str, None]) -> None:
    for name in message.headers.names:
        if name == "list-id":
            found["list:id"] = None
        elif name == "list-unsubscribe":
            found["list:unsubscribe"] = None
        elif name == "in-reply-to":
            found["reply:yes"] = None
    subject = message.headers.first("Subject")
    if subject is None or not subject.raw.strip():
        found["subject:none"] = None


def _of_part(part: Part, found: dict[str, None]) -> None:
    if not part.type.startswith("multipart/") and not part.type.startswith("text/"):
        found[f"type:{part.type[:60]}"] = None
    if part.type.startswith("text/") and part.charset.lower() not in _ORDINARY_CHARSETS:
        found[f"charset:{part.charset.lower()[:30]}"] = None
    name = part.filename
    if name and "." in name:
        extension = name.rpartition(".")[2].lower().strip()
        if extension.isalnum() and len(extension) <= 8:
            found[f"attach:{extension}"] = None
