"""The body of a letter as plain text and in the layouts that real senders use."""

import html
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from training.modern.page import COLOURS, FONTS


class Kind(Enum):
    """What a block is."""

    TEXT = auto()
    LINK = auto()
    QUOTE = auto()
    ITEM = auto()
    ROW = auto()


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a link, a quotation, a list or rows of a table; one line each where it has several."""

    kind: Kind
    text: str


def plain(body: Sequence[Block], url: str, rng: random.Random) -> str:
    """The text/plain form."""
    link = rng.choice(("{}: {}", "{}\n{}", "{} <{}>", "[{}]({})"))
    bullet = rng.choice(("- ", "* ", "  • "))
    pieces: list[str] = []
    for block in body:
        lines = block.text.split("\n")
        match block.kind:
            case Kind.LINK:
                pieces.append(link.format(block.text, url))
            case Kind.QUOTE:
                pieces.append("\n".join(f"> {line}" for line in lines))
            case Kind.ITEM:
                pieces.append("\n".join(bullet + line for line in lines))
            case Kind.ROW:
                pieces.append("\n".join("  ".join(_cells(line)) for line in lines))
            case Kind.TEXT:
                pieces.append(block.text)
    return "\n\n".join(pieces) + "\n"


def markup(body: Sequence[Block], url: str, rng: random.Random) -> str:
    """The text/html form: a letter when there is no link, else one of the layouts of bulk senders."""
    linked = any(block.kind is Kind.LINK for block in body)
    frame = rng.choice((_card, _bare, _nested) if linked else (_bare, _webmail))
    return frame(body, url, rng)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def _piece(block: Block, url: str, button: str) -> str:
    """One block as markup."""
    text = html.escape(block.text)
    match block.kind:
        case Kind.LINK:
            return f'<a href="{url}"{button}>{text}</a>'
        case Kind.QUOTE:
            return f"<blockquote>{text.replace(chr(10), '<br>')}</blockquote>"
        case Kind.ITEM:
            return "<ul>" + "".join(f"<li>{line}</li>" for line in text.split("\n")) + "</ul>"
        case Kind.ROW:
            rows = ("".join(f"<td>{cell}</td>" for cell in _cells(line)) for line in text.split("\n"))
            return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
        case Kind.TEXT:
            return text.replace("\n", "<br>\n")


def _bare(body: Sequence[Block], url: str, rng: random.Random) -> str:
    inner = "".join(f"<p>{_piece(b, url, '')}</p>" for b in body)
    return f'<html><body style="font-family:{rng.choice(FONTS)}">{inner}</body></html>'


def _webmail(body: Sequence[Block], url: str, rng: random.Random) -> str:
    """As web mail writes: one division a line."""
    inner = "<div><br></div>".join(f"<div>{_piece(b, url, '')}</div>" for b in body)
    return f'<div dir="auto">{inner}</div>'


def _card(body: Sequence[Block], url: str, rng: random.Random) -> str:
    button = f' style="background:{rng.choice(COLOURS)};color:#fff;padding:10px 18px;text-decoration:none"'
    logo = '<img src="https://cdn.example/logo.png" alt="" width="120">' if rng.random() < 0.6 else ""
    inner = "".join(f"<p>{_piece(b, url, button)}</p>" for b in body)
    return (
        '<html><head><meta charset="utf-8"></head><body style="margin:0;background:#f4f4f4">'
        '<table width="600" align="center" bgcolor="#ffffff"><tr><td style="padding:24px;'
        f'font-family:{rng.choice(FONTS)}">{logo}{inner}</td></tr></table></body></html>'
    )


def _nested(body: Sequence[Block], url: str, rng: random.Random) -> str:
    """Tables in tables, a coloured head, a counting picture; what comes first is repeated for the list of mails."""
    font = rng.choice(FONTS)
    cell = f'<tr><td style="padding:8px 32px;font:15px/22px {font};color:#222">{{}}</td></tr>'
    rows = "".join(cell.format(_piece(b, url, "")) for b in body)
    first = html.escape(body[0].text[:120])
    shown = f'<div style="display:none;max-height:0;overflow:hidden">{first}</div>' if rng.random() < 0.4 else ""
    pixel = f'<img src="{url}/o.gif" width="1" height="1" alt="">' if rng.random() < 0.5 else ""
    return (
        "<!doctype html><html><head><title></title><style>a{color:inherit}@media(max-width:600px){.w{width:100%}}"
        f'</style></head><body style="margin:0">{shown}<table role="presentation" width="100%"><tr><td align="center">'
        f'<table class="w" role="presentation" width="600"><tr><td bgcolor="{rng.choice(COLOURS)}">'
        f'<img src="https://img.cdn.example/h.png" alt="" height="32"></td></tr>{rows}</table></td></tr></table>{pixel}'
        "</body></html>"
    )
