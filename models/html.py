"""HTML as a person sees it: visible text, hidden text, links, pictures. Bounded for hostile input.

A tree builder takes quadratic time on deep or misnested markup (500 KB of nested ``<div>``: 40 s), so ``too_deep``
looks first, with one linear regex, and such a mail goes through a stripper that builds no tree.
"""

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from models import css
from models.links import Link
from store.message.harmless import unescape

DEPTH = 256  #: open elements; the deepest mail of a corpus of 6,000 has 41
_TAGS = 60_000  #: of one mail; beyond it no tree is built
_WORK = 2_000_000  #: tags times open formatting elements: what misnesting can multiply to
_NODES = 150_000  #: of the tree that are walked

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:]{0,30})")


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_VOID = _names("area base br col embed hr img input link meta param source track wbr")
_IMPLIED_END = _names("p li dt dd td th tr thead tbody tfoot option optgroup colgroup html head body rp rt")
_FORMATTING = _names("a b big code em font i nobr s small strike strong tt u")
_BLOCK = _names(
    "address article aside blockquote body br button caption center dd div dl dt fieldset figcaption figure footer "
    "form h1 h2 h3 h4 h5 h6 header hr legend li main nav ol option p pre section select table tbody td tfoot th "
    "thead tr ul"
)
_UNSEEN = _names("script style title template noframes object applet audio video canvas datalist head")

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style|title)\b.*?(?:</\1\s*>|\Z)", re.S | re.I)
_ANY_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)[^<>]*+>?|<[!?][^<>]*+>?")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n\s*")  # blanks are single by then: a run of them before no line break costs nothing


@dataclass(slots=True)
class Page:
    """What one HTML body shows."""

    text: str = ""
    hidden: str = ""
    links: list[Link] = field(default_factory=list)
    images: int = 0
    remote_images: int = 0
    forms: int = 0
    scripts: int = 0
    too_deep: bool = False


def too_deep(markup: str) -> bool:
    """True when a tree builder might need more than linear time. One pass, no tree."""
    if markup.count("<") <= DEPTH:
        return False
    open_now: dict[str, int] = {}
    depth = formatting = most_formatting = tags = 0
    for slash, written in _TAG.findall(markup):
        tags += 1
        name = written.lower()
        if name in _VOID or name in _IMPLIED_END:
            continue
        if not slash:
            open_now[name] = open_now.get(name, 0) + 1
            depth += 1
            formatting += name in _FORMATTING
            most_formatting = max(most_formatting, formatting)
            if depth > DEPTH:
                return True
        elif open_now.get(name, 0):
            open_now[name] -= 1
            depth -= 1
            formatting -= name in _FORMATTING
    return tags > _TAGS or tags * most_formatting > _WORK


def strip_tags(markup: str) -> str:
    """Text of HTML in linear time, without a tree: tags out, block tags become line breaks, entities decoded."""
    bare = _ANY_TAG.sub(lambda m: "\n" if (m[2] or "").lower() in _BLOCK else "", _COMMENT.sub(" ", markup))
    return tidy(unescape(bare))


def tidy(text: str) -> str:
    """Runs of blanks to one, empty lines out."""
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def tidy_lines(text: str) -> str:
    """Plain text without carriage returns and trailing blanks; its line breaks stay."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def read_html(markup: str, max_links: int) -> Page:
    """Everything the view needs from one HTML body. Never raises; linear in the length of the markup."""
    if too_deep(markup):
        lower = markup.lower()
        return Page(
            text=strip_tags(markup),
            too_deep=True,
            images=lower.count("<img"),
            forms=lower.count("<form"),
            scripts=lower.count("<script"),
            links=[Link(unescape(h)[:2_048], "", "a") for h in _HREF.findall(markup)[:max_links]],
        )
    return _Walk(max_links).run(LexborHTMLParser(markup))


_HREF = re.compile(r"href\s*=\s*[\"']?([^\"'\s<>]{4,2048})", re.I)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the open elements say about the text inside them."""

    gone: bool = False
    invisible: bool = False
    tiny: bool = False
    colour: css.Colour | None = None
    background: css.Colour | None = (255, 255, 255)

    @property
    def hides(self) -> bool:
        if self.gone or self.invisible or self.tiny:
            return True
        return self.colour is not None and self.background is not None and css.alike(self.colour, self.background)


class _Walk:
    """One pass over the tree, in the order of the text, without recursion."""

    def __init__(self, max_links: int) -> None:
        self.page = Page()
        self.max_links = max_links
        self.seen: list[str] = []
        self.hidden: list[str] = []
        self.classes: dict[str, css.Style] = {}

    def run(self, tree: LexborHTMLParser) -> Page:
        page = self.page
        sheets = [n.text() for n in tree.css("style")[:20]]
        if sheets:
            self.classes = css.read_sheet("\n".join(sheets))
        page.scripts = len(tree.css("script"))
        if tree.head is not None:
            self._head(tree.head)
        if tree.body is not None:
            self._body(tree.body)
        page.text = tidy("".join(self.seen))
        page.hidden = tidy(" ".join(self.hidden))
        return page

    def _head(self, head: LexborNode) -> None:
        for node in head.css("base[href]")[:4]:
            self._link(node.attributes.get("href") or "", "", "base")
        for node in head.css("meta[http-equiv]")[:10]:
            if (node.attributes.get("http-equiv") or "").lower() == "refresh":
                self._link((node.attributes.get("content") or "").partition("=")[2], "", "meta")

    def _body(self, body: LexborNode) -> None:
        sight = self._look(body, _Sight())
        outer: list[tuple[LexborNode, _Sight, int, str]] = []  # open element, sight outside it, text start, href
        node: LexborNode | None = body.first_child
        for _ in range(_NODES):
            while node is None:
                if not outer:
                    return
                closed, sight, start, href = outer.pop()
                self._leave(closed, start, href)
                node = closed.next
            tag = node.tag or ""
            if tag == "-text":
                if text := node.text_content:
                    (self.hidden if sight.hides else self.seen).append(text)
            elif tag[0] not in "-!" and tag not in _UNSEEN:
                href = self._enter(node, tag)
                if (child := node.first_child) is not None:
                    outer.append((node, sight, len(self.seen), href))
                    sight = self._look(node, sight)
                    node = child
                    continue
                self._leave(node, len(self.seen), href)
            node = node.next

    def _enter(self, node: LexborNode, tag: str) -> str:
        """Count the element and break the line at a block. The href of an anchor, else ""."""
        page = self.page
        if tag in _BLOCK:
            self.seen.append("\n")
        if tag == "a":
            return (node.attributes.get("href") or "").strip()
        if tag == "img":
            page.images += 1
            attributes = node.attributes
            source = (attributes.get("src") or "").strip()
            if source.lower().startswith(("http:", "https:", "//")):
                page.remote_images += 1
                self._link(source, "", "img")
            if alt := attributes.get("alt"):
                self.seen.append(f" {alt[:120]} ")
        elif tag == "area":
            self._link(node.attributes.get("href") or "", "", "area")
        elif tag == "form":
            page.forms += 1
            self._link(node.attributes.get("action") or "", "", "form")
        elif tag == "base":
            self._link(node.attributes.get("href") or "", "", "base")
        elif tag == "input":
            self.seen.append(f" {(node.attributes.get('value') or '')[:60]} ")
        return ""

    def _leave(self, node: LexborNode, start: int, href: str) -> None:
        tag = node.tag or ""
        if href:
            self._link(href, tidy("".join(self.seen[start:][:200]))[:300], "a")
        if tag in _BLOCK:
            self.seen.append("\n" if tag not in ("td", "th") else " ")

    def _link(self, href: str, text: str, kind: str) -> None:
        if href and len(self.page.links) < self.max_links:
            self.page.links.append(Link(href[:2_048], text, kind))

    def _look(self, node: LexborNode, sight: _Sight) -> _Sight:
        """Sight inside this element, from its own attributes and classes."""
        attributes = node.attributes
        if not attributes:
            return sight
        for name in (attributes.get("class") or "").split()[:8] if self.classes else ():
            if (style := self.classes.get(name)) is not None:
                sight = _applied(sight, style)
        if written := attributes.get("style"):
            sight = _applied(sight, css.read_style(written[:600]))
        if "hidden" in attributes:
            sight = _applied(sight, css.Style(gone=True))
        if ground := attributes.get("bgcolor"):
            sight = _applied(sight, css.Style(background=css.colour(ground), background_unknown=True))
        if attributes.get("background"):
            sight = _applied(sight, css.Style(background_unknown=True))
        if node.tag in ("font", "body") and (ink := attributes.get("color") or attributes.get("text")):
            sight = _applied(sight, css.Style(colour=css.colour(ink)))
        return sight


def _applied(sight: _Sight, style: css.Style) -> _Sight:
    if style is css.PLAIN:
        return sight
    background = sight.background
    if style.background is not None or style.background_unknown:
        background = style.background
    return _Sight(
        gone=sight.gone or style.gone,
        invisible=sight.invisible if style.invisible is None else style.invisible,
        tiny=sight.tiny if style.tiny is None else style.tiny,
        colour=style.colour or sight.colour,
        background=background,
    )
