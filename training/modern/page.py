"""Text, link and surroundings of a composed mail, as plain text and in the layouts that real senders use."""

import html
import random
from dataclasses import dataclass, field

COLOURS = ("#0a58ca", "#d35400", "#198754", "#6f42c1", "#b02a37", "#333333", "#ffcc00", "#00695c", "#111827")
FONTS = ("Arial,Helvetica,sans-serif", "'Segoe UI',Tahoma,sans-serif", "Georgia,serif", "Verdana,sans-serif")


@dataclass(slots=True)
class Page:
    """What a mail says, before it is laid out."""

    paragraphs: list[str]
    link_at: int = 0  #: paragraph before which the link stands
    link: str = ""
    url: str = ""
    after: list[str] = field(default_factory=list)  #: signature and small print of a person
    quote_head: str = ""
    quote: str = ""
    footer: str = ""
    unsubscribe: str = ""
    preheader: str = ""

    def plain(self, rng: random.Random) -> str:
        """The text/plain form; the link on its own line or behind its label."""
        lines = list(self.paragraphs)
        if self.link:
            lines.insert(
                self.link_at, rng.choice(("{}: {}", "{}\n{}", "{} <{}>", "{} ( {} )")).format(self.link, self.url)
            )
        lines += self.after
        if self.quote:
            lines.append(f"{self.quote_head}\n> {self.quote}")
        if self.footer:
            lines.append(rng.choice(("-- \n{}", "{}", "------\n{}")).format(self.footer))
        if self.unsubscribe:
            lines.append(f"{self.unsubscribe}: {self.url}/u")
        return "\n\n".join(line for line in lines if line) + "\n"

    def markup(self, rng: random.Random) -> str:
        """The text/html form: a letter when there is no link, else one of the layouts of bulk senders."""
        if not self.link:
            return rng.choice((_letter, _office, _webmail))(self)
        return rng.choice((_card, _card, _nested, _plain_page, _office))(self, rng)


def _letter(page: Page, rng: random.Random | None = None) -> str:
    return f"<html><body><div>{''.join(_blocks(page))}</div></body></html>"


def _office(page: Page, rng: random.Random | None = None) -> str:
    """As desktop office programs write."""
    blocks = _blocks(page, '<p class="MsoNormal"><span style="font-size:11pt">{}</span></p>')
    return (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta charset="utf-8"><style><!-- '
        "p.MsoNormal {margin:0cm;font-family:Calibri} --></style></head>"
        f'<body lang="x-none"><div class="WordSection1">{"<o:p>&nbsp;</o:p>".join(blocks)}</div></body></html>'
    )


def _webmail(page: Page, rng: random.Random | None = None) -> str:
    """As web mail writes: one division a line."""
    return f'<div dir="ltr">{"<div><br></div>".join(_blocks(page, "<div>{}</div>"))}</div>'


def _card(page: Page, rng: random.Random) -> str:
    head = _preheader(page.preheader)
    logo = '<img src="https://cdn.example/logo.png" alt="" width="120">' if rng.random() < 0.6 else ""
    inner = "".join(_blocks(page, button=_button(page, rng)))
    return (
        f'<html><head><meta charset="utf-8"></head><body style="margin:0;background:#f4f4f4">{head}'
        '<table width="600" align="center" bgcolor="#ffffff"><tr><td style="padding:24px;'
        f'font-family:{rng.choice(FONTS)}">{logo}{inner}</td></tr></table></body></html>'
    )


def _nested(page: Page, rng: random.Random) -> str:
    """Tables in tables, a coloured head, a small foot, a counting picture."""
    cell = f'<tr><td style="padding:8px 32px;font:15px/22px {rng.choice(FONTS)};color:#222">{{}}</td></tr>'
    rows = "".join(_blocks(page, cell, button=_button(page, rng)))
    colour = rng.choice(COLOURS)
    pixel = f'<img src="{page.url}/o.gif" width="1" height="1" alt="">' if rng.random() < 0.5 else ""
    return (
        "<!doctype html><html><head><title></title><style>a{color:inherit}@media(max-width:600px){.w{width:100%}}"
        f'</style></head><body style="margin:0">{_preheader(page.preheader)}'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">'
        f'<table class="w" role="presentation" width="600"><tr><td bgcolor="{colour}" style="padding:16px 32px">'
        f'<img src="https://img.cdn.example/h.png" alt="" height="32"></td></tr>{rows}</table></td></tr></table>{pixel}'
        "</body></html>"
    )


def _plain_page(page: Page, rng: random.Random) -> str:
    link = f'<a href="{page.url}">{html.escape(page.link)}</a>'
    return f'<html><body style="font-family:{rng.choice(FONTS)}">{"".join(_blocks(page, button=link))}</body></html>'


def _preheader(text: str) -> str:
    return f'<div style="display:none;max-height:0;overflow:hidden">{html.escape(text)}</div>' if text else ""


def _button(page: Page, rng: random.Random) -> str:
    colour = rng.choice(COLOURS)
    style = f"background:{colour};color:#fff;padding:10px 18px;text-decoration:none;border-radius:4px"
    return f'<a href="{page.url}" style="{style}">{html.escape(page.link)}</a>'


def _blocks(page: Page, block: str = "<p>{}</p>", button: str = "") -> list[str]:
    """Everything in reading order; ``block`` is written around each piece."""
    blocks = [block.format(html.escape(p)) for p in page.paragraphs if p]
    if page.link:
        shown = button or f'<a href="{page.url}">{html.escape(page.link)}</a>'
        blocks.insert(min(page.link_at, len(blocks)), block.format(shown))
    blocks += [block.format(html.escape(p)) for p in page.after if p]
    if page.quote:
        quoted = html.escape(page.quote)
        blocks.append(f"<div>{html.escape(page.quote_head)}<blockquote>{quoted}</blockquote></div>")
    small = '<span style="font-size:11px;color:#777">{}</span>'
    if page.footer:
        blocks.append(block.format(small.format(html.escape(page.footer))))
    if page.unsubscribe:
        blocks.append(block.format(small.format(f'<a href="{page.url}/u">{html.escape(page.unsubscribe)}</a>')))
    return blocks
