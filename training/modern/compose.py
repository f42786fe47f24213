"""From scenarios to raw mails. Deterministic by seed; legitimate and malicious mails pass through the same renderer."""

import html
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cache
from importlib import resources

from training.corpus.sample import Label, Mail
from training.modern.slots import Slots, fill, slug

SOURCE = "modern"

#: Never trained on. Chosen before the first measurement, to span kinds of mail, labels and languages.
HELD_OUT = frozenset(
    (
        *("subscription", "quota", "tax", "ticket", "school", "survey", "social", "payroll", "sales", "extortion"),
        *("order", "document", "amt", "bankcard", "travel", "job"),
    )
)

_FOOTERS = {
    "en": (
        "You receive this mail because you have an account with us. {brand}, {street}, {city}.",
        "This is an automatic message, please do not reply. {brand} customer service",
        "© {brand}. All rights reserved. Privacy - Terms - Contact",
        "",
        "",
    ),
    "de": ("Dies ist eine automatische Nachricht, bitte nicht antworten. {brand}", "{brand}, {street}, {city}", ""),
    "nl": ("Dit is een automatisch bericht, u kunt niet antwoorden. {brand}", "{brand}, {street}, {city}", ""),
    "fr": ("Ceci est un message automatique, merci de ne pas y répondre. {brand}", "{brand}, {street}, {city}", ""),
    "es": ("Mensaje automático, por favor no responda. {brand}", "{brand}, {street}, {city}", ""),
    "it": ("Messaggio automatico, si prega di non rispondere. {brand}", "{brand}, {street}, {city}", ""),
    "pt": ("Mensagem automática, por favor não responda. {brand}", "{brand}, {street}, {city}", ""),
    "pl": ("Wiadomość automatyczna, prosimy nie odpowiadać. {brand}", "{brand}, {street}, {city}", ""),
}
_UNSUBSCRIBE = {
    "en": "Unsubscribe",
    "de": "Abmelden",
    "nl": "Afmelden",
    "fr": "Se désabonner",
    "es": "Darse de baja",
    "it": "Annulla iscrizione",
    "pt": "Cancelar subscrição",
    "pl": "Wypisz się",
}
_COLOURS = ("#0a58ca", "#d35400", "#198754", "#6f42c1", "#b02a37", "#333333", "#ffcc00")


@dataclass(slots=True)
class Scenario:
    """One kind of mail: alternatives for each of its paragraphs."""

    family: str
    label: Label
    language: str
    subjects: list[str] = field(default_factory=list)
    paragraphs: list[list[str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    link_at: int = 0  #: paragraph before which the link stands
    attachments: list[str] = field(default_factory=list)
    unsubscribe: bool = False


@cache
def scenarios() -> tuple[Scenario, ...]:
    """All scenarios of the packaged files, in a stable order."""
    found: list[Scenario] = []
    folder = resources.files("training.modern") / "scenarios"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".txt"):
            found.extend(_parse(file.read_text("utf-8")))
    return tuple(found)


def _parse(text: str) -> Iterator[Scenario]:
    current: Scenario | None = None
    for line in text.splitlines():
        if line.startswith("== "):
            if current:
                yield current
            family, label, language = line[3:].split()
            current = Scenario(family, Label(label), language)
        elif current and line.strip() and not line.startswith("#"):
            _take(current, line)
    if current:
        yield current


def _take(scenario: Scenario, line: str) -> None:
    kind, _, rest = line.partition(":")
    choices = [c.strip() for c in (rest if kind in "SLAU" else line).split("|")]
    match kind:
        case "S":
            scenario.subjects = choices
        case "L":
            scenario.links, scenario.link_at = choices, len(scenario.paragraphs)
        case "A":
            scenario.attachments = choices
        case "U":
            scenario.unsubscribe = True
        case _:
            scenario.paragraphs.append(choices)


def mails(per_scenario: int, seed: int, *, held_out: bool) -> Iterator[Mail]:
    """Composed mails of the training families, or of the held-out ones."""
    for scenario in scenarios():
        if (scenario.family in HELD_OUT) is held_out:
            rng = random.Random(f"{seed}/{scenario.family}/{scenario.label}/{scenario.language}")
            for _ in range(per_scenario):
                yield Mail(compose(scenario, rng), scenario.label, SOURCE, scenario.family)


def compose(scenario: Scenario, rng: random.Random) -> bytes:
    """One mail of a scenario."""
    slots = fill(rng, scenario.language)
    brand = _brand(scenario, slots, rng)
    paragraphs = [rng.choice(choices).format_map(slots) for choices in scenario.paragraphs]
    if rng.random() < 0.25 and len(paragraphs) > 3:
        del paragraphs[rng.randrange(2, len(paragraphs))]
    footer = rng.choice(_FOOTERS[scenario.language]).format_map({**slots, "brand": brand})
    link = rng.choice(scenario.links).format_map(slots) if scenario.links else ""
    url = _url(scenario, brand, rng)
    mail = EmailMessage()
    mail["From"] = f"{brand if scenario.links else slots['person']} <office@{slug(brand)}.example>"
    mail["To"] = slots["email"]
    mail["Subject"] = rng.choice(scenario.subjects).format_map(slots)
    mail["Date"] = "Tue, 03 Mar 2026 09:12:00 +0000"
    page = _Page(paragraphs, min(scenario.link_at, len(paragraphs)), link, url, footer if scenario.links else "")
    if scenario.unsubscribe:
        mail["List-Unsubscribe"] = f"<https://{slug(brand)}.example/u/{rng.randrange(10**6)}>"
        page.unsubscribe = _UNSUBSCRIBE[scenario.language]
    shape = rng.random()
    if shape < 0.3 or (not scenario.links and shape < 0.7):
        mail.set_content(page.plain())
    elif shape < 0.8:
        mail.set_content(page.plain())
        mail.add_alternative(page.markup(rng), subtype="html")
    else:
        mail.set_content(page.markup(rng), subtype="html")
    for extension in [rng.choice(scenario.attachments)] if scenario.attachments else []:
        name = f"{slots['ref']}.{extension}"
        mail.add_attachment(b"%composed\n", maintype="application", subtype="octet-stream", filename=name)
    for number, part in enumerate(p for p in mail.walk() if p.is_multipart()):
        part.set_boundary(f"=_{number}_{slots['ref']}")  # the library's own boundaries come from an unseeded source
    return mail.as_bytes()


def _brand(scenario: Scenario, slots: Slots, rng: random.Random) -> str:
    """Who the mail says it is from: the first brand its text names."""
    text = " ".join(" ".join(c) for c in (scenario.subjects, *scenario.paragraphs))
    named = [slots[key] for key in ("carrier", "bank", "app", "shop", "company") if f"{{{key}}}" in text]
    return named[0] if named else slots[rng.choice(("company", "shop"))]


def _url(scenario: Scenario, brand: str, rng: random.Random) -> str:
    name, token = slug(brand), "".join(rng.choice("abcdef0123456789") for _ in range(rng.randrange(6, 24)))
    if not scenario.label.is_unwanted:
        host = rng.choice((f"www.{name}.example", f"{name}.example", f"click.{name}.example", "t.mailhub.example"))
        return f"https://{host}/{rng.choice(('t', 'track', 'a', 'view', 'n'))}/{token}"
    host = rng.choice(
        (
            f"{name}-{rng.choice(('verify', 'secure', 'support', 'account', 'pay'))}.example",
            f"{token[:8]}.sitebuilder.example",
            f"www.{rng.choice(('blumen-weber', 'kidsparty', 'oldmill', 'autoservice'))}.example",
            "short.example",
            "t.mailhub.example",
        )
    )
    return f"{rng.choice(('https', 'https', 'http'))}://{host}/{rng.choice((name, 't', 'login', 'a', 'view'))}/{token}"


@dataclass(slots=True)
class _Page:
    """Text and link of a mail, as plain text and as HTML."""

    paragraphs: list[str]
    link_at: int
    link: str
    url: str
    footer: str
    unsubscribe: str = ""

    def plain(self) -> str:
        lines = list(self.paragraphs)
        if self.link:
            lines.insert(self.link_at, f"{self.link}: {self.url}")
        if self.footer:
            lines.append(f"-- \n{self.footer}")
        if self.unsubscribe:
            lines.append(f"{self.unsubscribe}: {self.url}/u")
        return "\n\n".join(line for line in lines if line) + "\n"

    def markup(self, rng: random.Random) -> str:
        colour = rng.choice(_COLOURS)
        blocks = [f"<p>{html.escape(p)}</p>" for p in self.paragraphs]
        if self.link:
            style = f"background:{colour};color:#fff;padding:10px 18px;text-decoration:none"
            blocks.insert(self.link_at, f'<p><a href="{self.url}" style="{style}">{html.escape(self.link)}</a></p>')
        if self.footer:
            blocks.append(f'<p style="font-size:11px;color:#777">{html.escape(self.footer)}</p>')
        if self.unsubscribe:
            blocks.append(f'<p><a href="{self.url}/u">{html.escape(self.unsubscribe)}</a></p>')
        inner = "".join(blocks)
        if not self.link:
            return f"<html><body><div>{inner}</div></body></html>"
        head = (
            f'<div style="display:none;max-height:0">{html.escape(self.paragraphs[1])}</div>'
            if rng.random() < 0.4
            else ""
        )
        logo = '<img src="https://cdn.example/logo.png" alt="" width="120">' if rng.random() < 0.6 else ""
        return (
            f'<html><head><meta charset="utf-8"></head><body style="margin:0;background:#f4f4f4">{head}'
            f'<table width="600" align="center" bgcolor="#ffffff"><tr><td style="padding:24px;font-family:Arial">'
            f"{logo}{inner}</td></tr></table></body></html>"
        )
