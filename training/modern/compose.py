"""From scenarios to raw mails. Deterministic by seed; legitimate and malicious mails pass through the same renderer."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cache
from importlib import resources

from training.corpus.sample import Label, Mail
from training.modern.page import Page
from training.modern.slots import Slots, fill, slug
from training.modern.transport import as_list, as_report, link_to, name_boundaries
from training.modern.voices import voice

SOURCE = "modern"

#: Never trained on. Chosen before the first measurement, to span kinds of mail, labels and languages.
HELD_OUT = frozenset(
    (
        *("subscription", "quota", "tax", "ticket", "school", "survey", "social", "payroll", "sales", "extortion"),
        *("order", "document", "amt", "bankcard", "travel", "job"),
    )
)

#: Written later for the same purpose; see scenarios/unseen.txt.
HELD_OUT_PREFIX = "unseen-"


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
    kind: str = ""  #: "bounce" for a delivery report, "list" for a mailing list


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
    choices = [c.strip() for c in (rest if kind in "SLAUK" else line).split("|")]
    match kind:
        case "S":
            scenario.subjects = choices
        case "L":
            scenario.links, scenario.link_at = choices, len(scenario.paragraphs)
        case "A":
            scenario.attachments = choices
        case "U":
            scenario.unsubscribe = True
        case "K":
            scenario.kind = rest.strip()
        case _:
            scenario.paragraphs.append(choices)


def is_held_out(family: str) -> bool:
    """True for families that no model may learn from."""
    return family in HELD_OUT or family.startswith(HELD_OUT_PREFIX)


def mails(per_scenario: int, seed: int, *, held_out: bool) -> Iterator[Mail]:
    """Composed mails of the training families, or of the held-out ones."""
    for scenario in scenarios():
        if is_held_out(scenario.family) is held_out:
            rng = random.Random(f"{seed}/{scenario.family}/{scenario.label}/{scenario.language}")
            for _ in range(per_scenario):
                yield Mail(compose(scenario, rng), scenario.label, SOURCE, scenario.family)


def compose(scenario: Scenario, rng: random.Random) -> bytes:
    """One mail of a scenario."""
    slots = fill(rng, scenario.language)
    brand = _brand(scenario, slots, rng)
    slots |= {"brand": brand, "slug": slug(brand) or "shop"}
    paragraphs = [rng.choice(choices).format_map(slots) for choices in scenario.paragraphs]
    if rng.random() < 0.25 and len(paragraphs) > 3:
        del paragraphs[rng.randrange(2, len(paragraphs))]
    mail = EmailMessage()
    mail["From"] = f"{brand if scenario.links else slots['person']} <office@{slots['slug']}.example>"
    mail["To"] = slots["email"]
    mail["Subject"] = rng.choice(scenario.subjects).format_map(slots)
    mail["Date"] = "Tue, 03 Mar 2026 09:12:00 +0000"
    page = Page(paragraphs, min(scenario.link_at, len(paragraphs)))
    _surround(page, scenario, slots, rng)
    if scenario.links:
        page.link = rng.choice(scenario.links).format_map(slots)
        page.url = link_to(slots["slug"], rng, unwanted=scenario.label.is_unwanted)
    if scenario.unsubscribe:
        page.url = page.url or link_to(slots["slug"], rng, unwanted=scenario.label.is_unwanted)
        mail["List-Unsubscribe"] = f"<https://{slots['slug']}.example/u/{rng.randrange(10**6)}>"
        page.unsubscribe = voice("unsubscribe", scenario.language, slots, rng)
    _write(mail, page, scenario, rng)
    for extension in [rng.choice(scenario.attachments)] if scenario.attachments else []:
        name = f"{slots['ref']}.{extension}"
        mail.add_attachment(b"%composed\n", maintype="application", subtype="octet-stream", filename=name)
    name_boundaries(mail, slots["ref"])
    return mail.as_bytes()


def _surround(page: Page, scenario: Scenario, slots: Slots, rng: random.Random) -> None:
    """Signature, small print, quoted mail, footer: by chance, and never by whether the mail is wanted."""
    language = scenario.language
    if scenario.links:
        page.footer = voice("footer", language, slots, rng)
        if rng.random() < 0.4:
            page.preheader = voice("pre", language, slots, rng) or page.paragraphs[-1]
    elif scenario.kind != "bounce":
        if rng.random() < 0.3:
            page.after.append(voice("sign", language, slots, rng))
        if rng.random() < 0.2:
            page.after.append(voice("fine", language, slots, rng))
        if rng.random() < 0.2:
            page.quote_head = voice("head", language, slots, rng)
            page.quote = voice("quote", language, slots, rng)
    if scenario.kind == "list":
        page.after.append(voice("list", language, slots, rng))


def _write(mail: EmailMessage, page: Page, scenario: Scenario, rng: random.Random) -> None:
    """Body in one of the usual shapes: text, both, or HTML alone."""
    shape = rng.random()
    if scenario.kind:
        mail.set_content(page.plain(rng))
        if scenario.kind == "bounce":
            as_report(mail, rng)
        else:
            as_list(mail, rng)
    elif shape < 0.3 or (not scenario.links and shape < 0.7):
        mail.set_content(page.plain(rng))
    elif shape < 0.8:
        mail.set_content(page.plain(rng))
        mail.add_alternative(page.markup(rng), subtype="html")
    else:
        mail.set_content(page.markup(rng), subtype="html")


def _brand(scenario: Scenario, slots: Slots, rng: random.Random) -> str:
    """Who the mail says it is from: the first brand its text names."""
    text = " ".join(" ".join(c) for c in (scenario.subjects, *scenario.paragraphs))
    named = [slots[key] for key in ("carrier", "bank", "app", "shop", "company") if f"{{{key}}}" in text]
    return named[0] if named else slots[rng.choice(("company", "shop"))]
