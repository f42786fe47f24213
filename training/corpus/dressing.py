"""A whole mail around a text or a page that a public program sends: headers, a MIME shape, filled gaps.

The values and the shape come from a seed made of the file and the key alone, so that anyone gets the same octets.
"""

import html
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from training.corpus.placeholders import Cast
from training.modern.slots import slug
from training.modern.transport import home_of

_MARKUP = re.compile(r"<(?:p|br|a|div|table|td|strong|b|html|body|ul|h[1-4])\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(
    r"<(?:style|script|head|title)\b.*?</(?:style|script|head|title)\s*>|<!--.*?-->|<[^<>]{0,4000}>",
    re.IGNORECASE | re.DOTALL,
)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li|/table)\b[^>]*>", re.IGNORECASE)
_MJ = re.compile(r"<(/?)mj-(\w+)", re.IGNORECASE)
_MJ_TAGS = {"button": "a", "text": "p", "image": "img", "link": "a"}
_MJ_TAGS |= {name: name for name in ("body", "head", "style", "title")}
_JSX = re.compile(r"<(/?)(Text|Section|Button|Link|Heading|Img|Preview|Container|Column|Row|Hr|Body|Head|Html)\b")
_JSX_LOGIC = re.compile(
    r"\{/\*.*?\*/\}|\{[^{}<>]{0,120}=>\s*\{?\(?|\{[^{}<>]{0,80}[?&]\s*\(|\)\s*:\s*null\}|\)\)\}"
    r"|\)\s*:\s*\(|\{\s*[\"']\s*[\"']\s*\}|[{}]?`[{}]?",
    re.DOTALL,
)
_JSX_TEXT = re.compile(r"\{\s*(['\"])([^{}'\"]*)\1\s*\}")
_JSX_TAGS = {"Text": "p", "Button": "a", "Link": "a", "Heading": "h2"}
_JSX_TAGS |= {name: name.lower() for name in ("Img", "Hr", "Body", "Head", "Html")}
_FIRST = datetime(2022, 1, 3, 7, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a source gives: a text or a page with gaps, and what it may know of the subject."""

    seed: str
    body: str
    subject: str = ""
    language: str = "en"
    personal: bool = False  #: from a person and not from a service
    unwanted: bool = False  #: links lead to a stranger's host


def is_markup(text: str) -> bool:
    """True for a text with HTML tags in it."""
    return _MARKUP.search(text) is not None


def as_text(page: str) -> str:
    """A page as plain text, as the senders of such mail make it: tags out, blocks on lines of their own."""
    broken = _BREAK.sub("\n", re.sub(r"\s+", " ", page))
    lines = (line.strip() for line in html.unescape(_TAG.sub("", broken)).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def plain_tags(page: str) -> str:
    """MJML and React elements as the HTML they become."""
    page = _MJ.sub(lambda m: f"<{m[1]}{_MJ_TAGS.get(m[2].lower(), 'div')}", page)
    if "className=" in page:
        page = _JSX_LOGIC.sub("", _JSX_TEXT.sub(r"\2", page))
    return _JSX.sub(lambda m: f"<{m[1]}{_JSX_TAGS.get(m[2], 'div')}", page)


def dress(letter: Letter) -> bytes:
    """The raw mail of a letter. Equal letters give equal octets."""
    rng = random.Random(letter.seed)
    cast = Cast(rng, letter.language, unwanted=letter.unwanted)
    body = cast.complete(letter.body).strip()
    subject = " ".join(as_text(cast.complete(letter.subject)).split()) or _opening(body)
    host = home_of(cast.firm, cast.label, random.Random(letter.seed), unwanted=letter.unwanted)
    office = rng.choice(("no-reply", "info", "notifications", "support", "team", "mail", "office"))
    writer = cast.slots["friend"] + " " + cast.slots["last"]
    mail = EmailMessage()
    name, local = (writer, slug(writer) or "office") if letter.personal else (cast.firm, office)
    mail["From"] = Address(name, local, host)
    mail["To"] = cast.slots["email"]
    mail["Subject"] = subject[:200]
    sent = _FIRST + timedelta(minutes=rng.randrange(60 * 24 * 365 * 4))
    mail["Date"] = format_datetime(sent)
    mail["Message-ID"] = f"<{rng.getrandbits(80):020x}@{host}>"
    _write(mail, body, rng)
    for number, part in enumerate(p for p in mail.walk() if p.get_content_maintype() == "multipart"):
        part.set_boundary(f"=_{number}_{rng.getrandbits(64):016x}")
    return mail.as_bytes()


def _write(mail: EmailMessage, body: str, rng: random.Random) -> None:
    shape = rng.random()
    if is_markup(body):
        page = (
            body if "<html" in body.lower() else f'<html><head><meta charset="utf-8"></head><body>{body}</body></html>'
        )
        if shape < 0.5:
            mail.set_content(as_text(page) + "\n")
            mail.add_alternative(page, subtype="html")
        else:
            mail.set_content(page, subtype="html")
        return
    text = "\n".join(line.strip("\t") for line in body.splitlines()) + "\n"
    mail.set_content(text)
    if shape < 0.35:
        mail.add_alternative(_page_of(text, rng), subtype="html")


def _page_of(text: str, rng: random.Random) -> str:
    """A plain text as the simple page that services send beside it."""
    linked = re.sub(r"https?://[^\s<>]+", lambda m: f'<a href="{m[0]}">{m[0]}</a>', html.escape(text, quote=False))
    blocks = [b.replace("\n", "<br>\n") for b in re.split(r"\n\s*\n", linked) if b.strip()]
    frame = rng.choice(
        (
            '<html><body style="font-family:Arial,sans-serif">{}</body></html>',
            '<div dir="ltr">{}</div>',
            '<html><body><table width="600"><tr><td style="padding:20px">{}</td></tr></table></body></html>',
        )
    )
    return frame.format("\n".join(f"<p>{b}</p>" for b in blocks))


def _opening(body: str) -> str:
    """A subject for a mail that comes without one: its first sentence after the greeting."""
    lines = (as_text(body) if is_markup(body) else body).splitlines()
    said = [line for line in (line.strip("*=-#> ") for line in lines) if len(line) > 3] or ["Info"]
    greets = len(said) > 1 and len(said[0]) < 40 and said[0].endswith((",", "!", ":", "،", "，"))
    return re.split(r"(?<=[.!?。])\s", said[greets])[0][:78]
