"""Letters: mails of today that were written whole, one by one, and the mails that are made of them.

A file of ``letters/`` holds mails between lines ``== family label language``: headers, an empty line, the text. Lines
``-> text`` are links, ``> text`` quotations, ``* text`` items, ``| a | b |`` rows of a table. A known ``{slot}`` is
filled (``training.modern.slots``); other braces are text. ``python -m training.modern.letter FILE`` checks a file.
"""

import hashlib
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from importlib import resources
from pathlib import Path

from training.corpus.sample import Label, Mail
from training.modern.layout import Block, Kind, markup, plain
from training.modern.slots import Slots, fill, slug
from training.modern.transport import as_list, as_report, home_of, link_to, name_boundaries

_SLOT = re.compile(r"\{(\w+)\}")
_HEADERS = frozenset(("From", "Subject", "Attach", "Unsubscribe", "Kind"))
_MARKS = {"-> ": Kind.LINK, "> ": Kind.QUOTE, "* ": Kind.ITEM, "| ": Kind.ROW}


SOURCE = "letters"

#: Families of an author whose mails no model may learn from: another hand, and languages that no other author writes.
HELD_OUT_PREFIX = "held-"
_HELD_OUT_SHARE = 6  #: one family in so many of the other authors is never trained on


class BadLetter(ValueError):
    """A file of letters that cannot be read. The message names the line."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail as its author wrote it."""

    family: str
    label: Label
    language: str
    sender: str  #: display name
    subject: str
    body: tuple[Block, ...]
    attachments: tuple[str, ...] = ()
    unsubscribe: bool = False
    kind: str = ""  #: "bounce" for a delivery report, "list" for a mailing list


@cache
def letters() -> tuple[Letter, ...]:
    """All letters of the packaged files, in a stable order."""
    folder = resources.files("training.modern") / "letters"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".txt")), key=lambda f: f.name)
    return tuple(letter for file in files for letter in parse(file.read_text("utf-8"), file.name))


def parse(text: str, name: str = "") -> Iterator[Letter]:
    """The letters of one file. Raises BadLetter."""
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith("== ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        try:
            yield _letter(lines[start][3:].split(), lines[start + 1 : end])
        except ValueError as error:
            raise BadLetter(f"{name}, line {start + 1}: {error}") from error


def _letter(title: list[str], lines: list[str]) -> Letter:
    if len(title) != 3:
        raise ValueError("expected: == family label language")
    headers: list[tuple[str, str]] = []
    rest = iter(lines)
    for line in rest:
        if not line.strip():
            if headers:
                break
            continue
        name, colon, value = line.partition(":")
        if not colon or name not in _HEADERS:
            raise ValueError(f"not a header of a letter: {line[:60]!r} (an empty line ends the headers)")
        headers.append((name, value.strip()))
    named = dict(headers)
    body = tuple(_blocks(rest))
    if "From" not in named or "Subject" not in named or not body:
        raise ValueError("a letter needs From, Subject and a text")
    return Letter(
        family=title[0],
        label=Label(title[1]),
        language=title[2],
        sender=named["From"],
        subject=named["Subject"],
        body=body,
        attachments=tuple(value for name, value in headers if name == "Attach"),
        unsubscribe=named.get("Unsubscribe", "").lower() == "yes",
        kind=named.get("Kind", ""),
    )


def _blocks(lines: Iterator[str]) -> Iterator[Block]:
    """Paragraphs and marked lines; neighbouring lines of one kind belong together."""
    held: list[str] = []
    now = Kind.TEXT
    for line in lines:
        kind = next((k for mark, k in _MARKS.items() if line.startswith(mark)), Kind.TEXT)
        text = line if kind is Kind.TEXT else line[2:].removeprefix(" ")
        if held and (kind is not now or not line.strip() or kind is Kind.LINK):
            yield Block(now, "\n".join(held))
            held = []
        now = kind
        if text.strip():
            held.append(text.strip() if kind is not Kind.TEXT else text.rstrip())
    if held:
        yield Block(now, "\n".join(held))


def is_held_out(family: str) -> bool:
    """True for families that no model may learn from. Decided by the name alone, before any mail of it is read."""
    if family.startswith(HELD_OUT_PREFIX):
        return True
    return int(hashlib.sha256(f"letters/{family}".encode()).hexdigest()[:8], 16) % _HELD_OUT_SHARE == 0


def mails(copies: int, seed: int, *, held_out: bool) -> Iterator[Mail]:
    """All letters of the training families, or of the held-out ones, each laid out and filled in several ways."""
    for letter in letters():
        if is_held_out(letter.family) is held_out:
            rng = random.Random(f"{seed}/{letter.family}/{letter.label}/{letter.sender}/{letter.subject}")
            source = f"{SOURCE}, {letter.family.split('-')[0]}" if held_out else SOURCE
            for _ in range(copies):
                yield Mail(compose(letter, rng), letter.label, source, letter.family)


def compose(letter: Letter, rng: random.Random) -> bytes:
    """One mail of a letter."""
    slots = fill(rng, letter.language)
    sender = _filled(letter.sender, slots)
    host = slug(sender)[:30] or slug(slots["company"]) or "post"
    slots |= {"slug": host, "brand": sender}
    mail = EmailMessage()
    named = sender.replace('"', "")
    road = random.Random(f"{sender}/{letter.subject}")
    unwanted = letter.label.is_unwanted
    home = home_of(sender, slots["company"], road, unwanted=unwanted)
    mail["From"] = f'"{named}" <{rng.choice(("info", "office", "noreply", "mail"))}@{home}>'
    mail["To"] = slots["email"]
    mail["Subject"] = _filled(letter.subject, slots)
    mail["Date"] = f"Tue, {rng.randrange(1, 29)} Mar 2026 09:12:00 +0000"
    mail["Message-ID"] = f"<{road.randrange(10**12):012d}@{home}>"
    url = link_to(host, rng, unwanted=unwanted, domain=home)
    if letter.unsubscribe:
        mail["List-Unsubscribe"] = f"<https://{home}/u/{rng.randrange(10**6)}>"
    body = [Block(b.kind, _filled(b.text, slots)) for b in letter.body]
    _write(mail, letter, body, url, rng)
    for name in letter.attachments:
        kind = "octet-stream"
        mail.add_attachment(b"%composed\n", maintype="application", subtype=kind, filename=_filled(name, slots))
    name_boundaries(mail, slots["ref"])
    return mail.as_bytes()


def _write(mail: EmailMessage, letter: Letter, body: list[Block], url: str, rng: random.Random) -> None:
    """Text, both, or HTML alone, as senders of this kind do."""
    shape = rng.random()
    linked = any(b.kind in (Kind.LINK, Kind.ROW) for b in body)
    if letter.kind:
        mail.set_content(plain(body, url, rng))
        (as_report if letter.kind == "bounce" else as_list)(mail, rng)
    elif shape < 0.2 or (not linked and shape < 0.6):
        mail.set_content(plain(body, url, rng))
    elif shape < 0.7:
        mail.set_content(plain(body, url, rng))
        mail.add_alternative(markup(body, url, rng), subtype="html")
    else:
        mail.set_content(markup(body, url, rng), subtype="html")


def _filled(text: str, slots: Slots) -> str:
    return _SLOT.sub(lambda m: slots.get(m[1], m[0]), text)


def main() -> None:
    """Check the files named and say what is in them."""
    for name in sys.argv[1:]:
        try:
            found = list(parse(Path(name).read_text("utf-8"), name))
        except BadLetter as error:
            sys.exit(str(error))
        for letter in found:
            compose(letter, random.Random(1))
        labels = Counter(letter.label.value for letter in found)
        counts = ", ".join(f"{count} {label}" for label, count in sorted(labels.items()))
        print(f"{name}: {len(found)} letters ({counts}), {len({f.family for f in found})} families")


if __name__ == "__main__":
    main()
