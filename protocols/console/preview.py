"""A hostile mail made safe to look at. Nothing is fetched, no script runs, no link leads anywhere.

The HTML passes four doors: the depth guard (a tree builder is quadratic on nested markup), nh3's allow list, our
own removal of links and remote pictures, and the browser's sandbox with a policy that loads nothing.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape, unescape

import nh3

from models import html as markup
from models import links as model_links
from protocols.console import text
from store.message import body
from store.message.mime import parse_message
from store.message.model import Message, Part

VIEWS = ("text", "html", "links", "parts", "source")
HTML_CHARS = 400_000  #: of HTML that is sanitised; the rest is cut with a note
TEXT_CHARS = 60_000
SOURCE_OCTETS = 128 * 1024
MAX_LINKS = 200
MAX_PARTS = 300
INLINE_OCTETS = 512 * 1024  #: of one picture that came with the mail
INLINE_TOTAL_OCTETS = 2 * 1024 * 1024

#: The frame's own policy. "style-src" is for the mail's own style attributes, of which few properties are left.
CSP = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_TAG_NAMES = (
    "a abbr address article b big blockquote br caption center cite code col colgroup dd del div dl dt em figcaption "
    "figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark ol p pre q s samp section small span "
    "strike strong sub sup table tbody td tfoot th thead tr tt u ul var"
)
_TAGS = frozenset(_TAG_NAMES.split())
_GONE_WITH_CONTENT = frozenset({"script", "style", "title", "head", "noscript", "template", "iframe", "object", "svg"})
_EVERYWHERE = frozenset({"style", "align", "valign", "bgcolor", "width", "height", "dir"})
_ATTRIBUTES = {
    "*": set(_EVERYWHERE),
    "a": {"href"},
    "img": {"src", "alt"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "table": {"border", "cellpadding", "cellspacing"},
    "font": {"color", "size", "face"},
    "ol": {"start"},
}
#: No display, visibility, position, opacity or text-indent: what the sender hid is seen in the preview.
_STYLE_NAMES = (
    "color background-color font-family font-size font-style font-weight text-align text-decoration line-height "
    "padding padding-top padding-right padding-bottom padding-left margin-top margin-bottom border border-top "
    "border-bottom border-color border-style border-width border-radius border-collapse width max-width vertical-align"
)
_STYLE = frozenset(_STYLE_NAMES.split())
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_ANCHOR = re.compile(r'<a(?: href="([^"]*)")?[^>]*>|</a>')


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A link as the table shows it: never something to click."""

    shown: str  #: what the reader of the mail sees
    href: str
    host: str  #: where it really leads, as it is spelled in the DNS
    host_unicode: str  #: the same as a person sees it, "" when that is no different
    kind: str
    is_lie: bool  #: the text names another host


@dataclass(frozen=True, slots=True)
class PartLine:
    number: str
    type: str
    filename: str
    disposition: str
    encoding: str
    charset: str
    octets: int


@dataclass(frozen=True, slots=True)
class Sight:
    """What one tab shows."""

    view: str
    text: str = ""
    hidden: str = ""  #: text the sender hid from the reader
    is_cut: bool = False
    has_html: bool = False
    is_too_deep: bool = False
    remote_images: int = 0
    tracking_pixels: int = 0
    forms: int = 0
    scripts: int = 0
    links: tuple[LinkLine, ...] = ()
    parts: tuple[PartLine, ...] = ()
    defects: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def look(octets: bytes, view: str) -> Sight:
    """Read a mail for one tab. Pure, bounded, never raises for bad mail."""
    if view == "source":
        cut = octets[:SOURCE_OCTETS]
        return Sight(view, cut.decode("utf-8", "replace").replace("\r\n", "\n"), is_cut=len(octets) > SOURCE_OCTETS)
    message = parse_message(octets)
    if view == "parts":
        return _parts(message)
    if view == "links":
        return Sight(view, links=_links(message))
    html = _html_of(message)
    page = markup.read_html(html, 0) if html else markup.Page()
    if view == "html":
        return Sight(
            view,
            hidden=page.hidden[:2_000],
            is_cut=len(html) >= HTML_CHARS,
            has_html=bool(html),
            is_too_deep=page.too_deep,
            remote_images=page.remote_images,
            tracking_pixels=_pixels(html),
            forms=page.forms,
            scripts=page.scripts,
        )
    said = _text_of(message)
    return Sight(
        view,
        said[:TEXT_CHARS],
        hidden=page.hidden[:2_000],
        is_cut=len(said) > TEXT_CHARS,
        has_html=bool(html),
        headers=tuple((name, message.headers.text(name)) for name in ("From", "Reply-To", "To", "Subject", "Date")),
    )


def document(octets: bytes) -> str:
    """The mail's HTML (or its text) as a page for the sandboxed frame."""
    message = parse_message(octets)
    html = _html_of(message)
    if not html:
        inner = f"<pre>{text.shown_lines(_text_of(message), TEXT_CHARS)}</pre>"
    elif markup.too_deep(html):
        inner = (
            "<p><strong>This HTML is nested too deep to be shown safely. Its text:</strong></p>"
            f"<pre>{text.shown_lines(markup.strip_tags(html), TEXT_CHARS)}</pre>"
        )
    else:
        inner = sanitise(html, _inline_pictures(message))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mail</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root{color-scheme:light}body{margin:12px;background:#fff;color:#111;font:15px/1.45 sans-serif;"
        "overflow-wrap:anywhere}img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}"
        ".to{color:#8a1c1c;font:12px monospace;background:#fdeeee;border-radius:3px;padding:0 3px}</style></head>"
        f"<body>{inner}</body></html>"
    )


def sanitise(html: str, pictures: dict[str, str]) -> str:
    """HTML that only shows: allow-listed, links turned into text with their real host. Behind the depth guard only."""
    clean = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_GONE_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        attribute_filter=_filter(pictures),
        url_schemes={"http", "https", "mailto", "tel", "data", "cid", "ftp"},
        link_rel=None,
        filter_style_properties=set(_STYLE),
    )
    return _defang(clean)


def _filter(pictures: dict[str, str]) -> Callable[[str, str, str], str | None]:
    def keep(tag: str, attribute: str, value: str) -> str | None:
        if tag == "img" and attribute == "src":
            if value[:4].lower() == "cid:":
                return pictures.get(value[4:].strip("<> "))
            # SVG in a data: picture cannot run script in an <img>, but needs no parser of its own here either.
            return value if value.startswith(tuple(f"data:{kind};base64," for kind in _PICTURES)) else None
        return value[:2_048]

    return keep


def _defang(clean: str) -> str:
    """Replace anchors. nh3 writes ``<`` and ``>`` in attributes as entities, so every match is a real tag."""
    open_hosts: list[str] = []

    def swap(found: re.Match[str]) -> str:
        if found[0] != "</a>":
            open_hosts.append(_host(unescape(found[1] or "")))
            return '<span class="link"><u>'
        host = open_hosts.pop() if open_hosts else ""
        told = f' <span class="to">→ {escape(text.plain(host, 120))}</span>' if host else ""
        return f"</u>{told}</span>"

    return _ANCHOR.sub(swap, clean)


def _host(href: str) -> str:
    """Where a link leads, in a few words: a host as browsers read it, else what comes after "mailto:" and the like."""
    href = href.strip()
    host = model_links.host_of(href)
    if host:
        return host
    scheme, colon, rest = href.partition(":")
    return f"{scheme.lower()}:{rest[:80]}" if colon and scheme.isalnum() else ""


def _html_of(message: Message) -> str:
    """All HTML a reader would see, in order, cut."""
    found = [body.part_text(message, p, HTML_CHARS) for p in body.html_bodies(message) if p.type == "text/html"]
    return "\n<hr>\n".join(found[:20])[:HTML_CHARS]


def _text_of(message: Message) -> str:
    said: list[str] = []
    for part in body.text_bodies(message)[:50]:
        if part.type == "text/html":
            said.append(markup.read_html(body.part_text(message, part, HTML_CHARS), 0).text)
        elif body.shown_type(part).startswith("text/"):
            said.append(body.part_text(message, part, TEXT_CHARS + 1))
    return "\n\n".join(said)


def _inline_pictures(message: Message) -> dict[str, str]:
    """Pictures that came inside the mail and that its HTML may name by Content-ID, as data: URLs."""
    pictures: dict[str, str] = {}
    total = 0
    for part in message.root.walk():
        if part.content_id and part.type in _PICTURES:
            octets = body.decode_part(message, part, INLINE_OCTETS + 1)
            if len(octets) <= INLINE_OCTETS and total + len(octets) <= INLINE_TOTAL_OCTETS:
                total += len(octets)
                pictures[part.content_id] = f"data:{part.type};base64,{base64.b64encode(octets).decode()}"
    return pictures


_IMAGE = re.compile(r"<img\b[^<>]{0,4000}>", re.IGNORECASE)  # stops at "<", so that it stays linear
_TINY = re.compile(r"\b(?:width|height)\s*[=:]\s*[\"']?[01](?:px)?\b", re.IGNORECASE)


def _pixels(html: str) -> int:
    """Remote pictures too small to be seen."""
    return sum(1 for tag in _IMAGE.findall(html) if _TINY.search(tag) and "http" in tag.lower())


def _parts(message: Message) -> Sight:
    lines = [_part_line(part) for _, part in zip(range(MAX_PARTS), message.root.walk(), strict=False)]
    defects = tuple(f"{d.name} {d.detail}".strip() for d in message.defects[:50])
    return Sight("parts", parts=tuple(lines), defects=defects)


def _part_line(part: Part) -> PartLine:
    octets = part.body_end - part.body_start
    return PartLine(
        part.number or "whole", part.type, part.filename, part.disposition, part.encoding, part.charset, octets
    )


def _links(message: Message) -> tuple[LinkLine, ...]:
    found: list[model_links.Link] = []
    html = _html_of(message)
    if html:
        found += markup.read_html(html, MAX_LINKS).links
    found += model_links.in_text(_text_of(message), MAX_LINKS) if not html else []
    return tuple(_link_line(link) for link in found[:MAX_LINKS])


def _link_line(link: model_links.Link) -> LinkLine:
    host = _host(link.href)
    try:
        person = host.encode("ascii").decode("idna") if "xn--" in host else ""
    except UnicodeError:
        person = ""
    return LinkLine(link.text, link.href, host, person, link.kind, link.text != "" and model_links.lies(link))
