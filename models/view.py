"""The one normalised view of a mail that every model and every content check reads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """Something a reader could follow."""

    href: str  #: as written in the mail, at most 2,048 characters
    text: str  #: what the reader sees, "" for pictures and bare forms
    kind: str  #: "a", "area", "form", "img", "text", "base", "meta"


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
    tokens: tuple[str, ...]  #: structural tokens for the models, such as "has:form" or "type:application/pdf"
