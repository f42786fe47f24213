"""The one normalised view of a mail that every model and every content check reads.

``view_of`` walks the parts once. HTML goes through ``models.html`` (guarded), text through ``models.normalise``, and
what is known of the structure becomes tokens (``models.structure``). Nothing here raises on a mail, however broken.
"""

from dataclasses import dataclass

from models import authorship, html, links, structure
from models.links import Link
from models.normalise import normalise, visible
from store.message.body import html_bodies, part_text, shown_type, text_bodies
from store.message.model import Message, Part

__all__ = ["DEFAULT_LIMITS", "Link", "MailView", "ViewLimits", "view_of"]


@dataclass(frozen=True, slots=True)
class ViewLimits:
    """How much of a mail is read. What lies beyond is not seen by any model."""

    text: int = 20_000  #: characters of visible text, and of each alternative
    hidden: int = 2_000  #: characters of hidden text
    html: int = 400_000  #: characters of HTML markup that are parsed, of one part
    html_in_all: int = 1_200_000  #: of all of them
    body_parts: int = 20  #: text parts that are read
    links: int = 500
    subject: int = 500


@dataclass(frozen=True, slots=True)
class MailView:
    """Visible text and structure, bounded. Built once by ``view_of``; read by checks, Bayes and language model."""

    subject: str
    text: str  #: as a person reads it: visible text of the chosen body, at most 20,000 characters
    normal: str  #: subject and text after NFKC, zero-width removal, UTS #39 folding, spaced letters joined, lower case
    plain_text: str  #: of the text/plain alternative, "" when none
    html_text: str  #: visible text of the text/html alternative, "" when none
    links: tuple[Link, ...]
    hidden_text: str  #: text a reader cannot see (display:none, zero size, same colour), at most 2,000 characters
    image_count: int
    remote_image_count: int
    form_count: int
    script_count: int
    has_html: bool
    html_too_deep: bool  #: nesting beyond the guard; a linear stripper was used instead of a parser
    tokens: tuple[
        str, ...
    ]  #: structural tokens for the models, such as "has:form"; header tokens, such as "head:has:x-mailer"
    unread: tuple[str, ...] = ()  #: "text", "parts", "links": what there is far more of than is read


DEFAULT_LIMITS = ViewLimits()


def view_of(message: Message, limits: ViewLimits = DEFAULT_LIMITS) -> MailView:
    """Read a mail once for all models and content checks. Pure, bounded, linear; never raises on a mail."""
    subject = visible(message.headers.text("Subject"))[: limits.subject]
    as_text, as_html = text_bodies(message), html_bodies(message)
    pages, is_cut = _pages(message, as_html, limits)
    plain = _plain(message, as_text, limits)
    html_text = visible("\n".join(p.text for p in pages)[: limits.text])
    text = html_text if html_text.strip() else plain
    hidden = visible("\n".join(p.hidden for p in pages if p.hidden)[: limits.hidden])
    found = [link for page in pages for link in page.links]
    found += _written(found, plain if not pages else f"{html_text}\n{plain}", limits.links)
    shape = structure.Shape(
        links=tuple(found[: limits.links]),
        has_hidden_text=bool(hidden.strip()),
        words=text.count(" "),
        images=sum(p.images for p in pages),
        forms=sum(p.forms for p in pages),
        scripts=sum(p.scripts for p in pages),
        too_deep=any(p.too_deep for p in pages),
        has_html=bool(pages),
    )
    return MailView(
        subject=subject,
        text=text,
        normal=normalise(f"{subject}\n{text}"),
        plain_text=plain,
        html_text=html_text,
        links=shape.links,
        hidden_text=hidden,
        image_count=shape.images,
        remote_image_count=sum(p.remote_images for p in pages),
        form_count=shape.forms,
        script_count=shape.scripts,
        has_html=shape.has_html,
        html_too_deep=shape.too_deep,
        tokens=(*structure.tokens(message, shape), *authorship.tokens(message)),
        unread=_unread((*as_text, *as_html), limits, is_cut, len(found)),
    )


def _pages(message: Message, parts: tuple[Part, ...], limits: ViewLimits) -> tuple[list[html.Page], bool]:
    """The HTML bodies, and whether markup was left out."""
    pages: list[html.Page] = []
    left, is_cut = limits.html_in_all, False
    for part in parts[: limits.body_parts]:
        if part.type == "text/html":
            most = min(limits.html, left)
            markup = _text(message, part, most)
            left -= len(markup)
            is_cut = is_cut or len(markup) == most
            pages.append(html.read_html(markup, limits.links))
    return pages, is_cut


def _unread(shown: tuple[Part, ...], limits: ViewLimits, is_cut: bool, links_found: int) -> tuple[str, ...]:
    """A long letter is no trick, though its end is not read; what nobody writes or reads to the end may be one."""
    texts = {part.number: part.body_end - part.body_start for part in shown if shown_type(part).startswith("text/")}
    found = {
        "text": is_cut or sum(texts.values()) > limits.html_in_all * 2,  # encoded text takes more octets
        "parts": len(texts) > limits.body_parts * 2,
        "links": links_found >= limits.links,
    }
    return tuple(name for name, is_so in found.items() if is_so)


def _text(message: Message, part: Part, most: int) -> str:
    return part_text(message, part, most)


def _plain(message: Message, shown: tuple[Part, ...], limits: ViewLimits) -> str:
    """The text/plain bodies as one text, and nothing of the HTML."""
    parts = [p for p in shown[: limits.body_parts] if shown_type(p) == "text/plain"]
    whole = "\n".join(_text(message, part, limits.text) for part in parts)
    return visible(html.tidy_lines(whole[: limits.text]))


def _written(already: list[Link], text: str, most: int) -> list[Link]:
    """Addresses in the text that are not the text or the target of a link already found."""
    known = {link.text for link in already} | {link.href for link in already}
    return [link for link in links.in_text(text, most) if link.href not in known]
