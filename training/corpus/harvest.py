"""From the files of a public repository to labelled raw mails, as the manifest says."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.view import view_of
from store.mailfiles import without_mbox_line
from store.message.mime import parse_message
from training.corpus import catalogues, clones, dressing, placeholders
from training.corpus.clones import Blob
from training.corpus.manifest import Source, Take
from training.corpus.split import Seen, body_key

_ACTION = re.compile(r"action|button|link|confirm|verify|sign-in|view|reset|cta")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?=[-_.@]|$)")


@dataclass(frozen=True, slots=True)
class Found:
    """A mail of a source, before it is written."""

    octets: bytes
    take: Take
    language: str
    family: str  #: mails from one template, in whatever language
    key: str  #: of the body
    origin: str  #: SHA-256 of what the source says, before gaps are filled
    text: str  #: what the source says: the visible text, without what gaps hold


def harvest(source: Source, root: Path, seen: Seen) -> Iterator[Found]:
    """The mails of a source that are no copies of mails seen before. Raises MissingClone and Unreadable."""
    clone = clones.locate(root, source.repository, source.commit)
    for take in source.take:
        found = []
        blobs = list(clones.files(clone, source.commit, take.paths, take.without))
        for blob in sorted(blobs, key=lambda b: (_language(take, b.path) != "en", b.path)):
            for mail in _of_file(source, take, blob):
                if not seen.is_copy(mail.origin, mail.origin, mail.text, mail.origin):
                    found.append(mail)
        yield from _capped(found, take.cap)


def _of_file(source: Source, take: Take, blob: Blob) -> Iterator[Found]:
    language = _language(take, blob.path)
    stem = f"{source.name}/{blob.path.rpartition('/')[2].partition('.')[0]}"
    if take.reader == "mails":
        octets = without_mbox_line(blob.octets.lstrip(b"\r\n"))
        text = view_of(parse_message(octets)).text
        yield from _found(octets, take, language, f"{source.name}/{blob.path}", text)
        return
    for name, letter in _letters(source, take, blob, language):
        text = placeholders.emptied(letter.body)
        text = dressing.as_text(text) if dressing.is_markup(text) else text
        yield from _found(dressing.dress(letter), take, language, f"{source.name}/{name}" if name else stem, text)


def _letters(source: Source, take: Take, blob: Blob, language: str) -> Iterator[tuple[str, dressing.Letter]]:
    """Family (or "") and letter of what a file holds."""
    seed = f"{source.name}/{blob.path}"
    unwanted = take.label.is_unwanted
    if take.reader == "catalogue":
        for name, subject, body in _mails_of(take, catalogues.read(blob.path, blob.octets)):
            yield name[:60], dressing.Letter(f"{seed}#{name}", body, subject, language, take.personal, unwanted)
        return
    text = blob.octets.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    text = re.sub(take.drop, "", text) if take.drop else text
    subject = ""
    if take.subject and (match := re.search(take.subject, text)):
        subject, text = match["subject"], text[: match.start()] + text[match.end() :]
    text = dressing.plain_tags(text) if take.reader == "pages" else text
    yield "", dressing.Letter(seed, text, subject, language, take.personal, unwanted)


def _mails_of(take: Take, texts: catalogues.Texts) -> Iterator[tuple[str, str, str]]:
    """Name, subject and body of each mail of a catalogue: keys with the same ``mail`` belong together."""
    pattern = re.compile(take.mail)
    parts: dict[str, tuple[list[str], list[str]]] = {}
    for key, text in texts:
        if match := pattern.search(key):
            part = (match.groupdict().get("part") or "").lower()
            subjects, bodies = parts.setdefault(match["mail"], ([], []))
            is_subject = "subject" in part or "title" in part
            (subjects if is_subject else bodies).append(_linked(part, text.strip()))
    for name, (subjects, bodies) in parts.items():
        if bodies:
            joint = "<br>\n<br>\n" if any(map(dressing.is_markup, bodies)) else "\n\n"
            yield name, (subjects or [""])[0], joint.join(bodies)


def _linked(part: str, text: str) -> str:
    """The label of a button with a link behind it: the link itself is in the program, not in the text."""
    if _ACTION.search(part) and len(text) < 60 and text == placeholders.emptied(text):
        return f"{text.rstrip(' :.')}: {{{{url}}}}"
    return text


def _found(octets: bytes, take: Take, language: str, family: str, text: str) -> Iterator[Found]:
    """The mail, unless it has too little to say."""
    letters = "".join(filter(str.isalpha, text.lower()))
    if len(letters) >= take.least:
        origin = hashlib.sha256(letters.encode("utf-8", "replace")).hexdigest()
        yield Found(octets, take, language, family, body_key(view_of(parse_message(octets)), octets), origin, text)


def _language(take: Take, path: str) -> str:
    if take.language:
        return take.language
    match = re.search(take.language_at, path)
    code = _LANGUAGE.match(match["language"]) if match else None
    return code[0].lower() if code else "mul"


def _capped(found: list[Found], cap: int) -> Iterator[Found]:
    """At most ``cap`` mails of each language: those with the smallest hash of family and language."""
    by_language: dict[str, list[Found]] = {}
    for mail in found:
        by_language.setdefault(mail.language, []).append(mail)
    for language in sorted(by_language):
        mails = by_language[language]
        if cap and len(mails) > cap:
            mails = sorted(mails, key=lambda m: hashlib.sha256(f"{m.family}/{m.language}".encode()).digest())[:cap]
        yield from mails
