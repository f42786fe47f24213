"""Looks into what a mail program would offer to save: true type, names inside, and what would run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gateway.content import archives, pdf
from gateway.content.archives import ArchiveLimits, Contents
from gateway.content.facts import Attachment
from gateway.content.filetype import true_type
from gateway.content.windows import is_in
from store.message.body import decode_part
from store.message.model import Message, Part

_HEAD = 33 * 1024  #: octets that tell every type
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad\x00-\x1f\x7f]")
_WHOLE = frozenset({"zip", "ole", "rtf", "pdf", "html", "svg", "7z"})  #: types that are read beyond their head
_FILENAME = 255
_PAGE = 4 * 1024 * 1024  #: octets of a page in which marks are looked for
_OFFICE = frozenset({"docx", "xlsx", "pptx", "ooxml"})

_MARKS: dict[str, tuple[tuple[str, re.Pattern[bytes]], ...]] = {
    "html": (
        ("form", re.compile(rb"<form\b", re.I)),
        ("password", re.compile(rb"type\s{0,5}=\s{0,5}[\"']?password", re.I)),
        ("script", re.compile(rb"<script\b|\bon(?:load|error|click)\s{0,5}=|javascript:", re.I)),
        ("redirect", re.compile(rb"http-equiv\s{0,5}=\s{0,5}[\"']?refresh|location\.(?:href|replace|assign)\b", re.I)),
        (
            "smuggling",
            re.compile(rb"msSave(?:OrOpen)?Blob|new\s{1,5}Blob\s{0,5}\(|createObjectURL|\batob\s{0,5}\(", re.I),
        ),
        (
            "payload",
            re.compile(
                rb"data:application/(?:octet-stream|zip|x-zip-compressed|java-archive|x-msdownload|vnd\.ms-[a-z.]{1,30})"
                rb"[^\"'<>\s,]{0,60},|\bdownload\s{0,5}=\s{0,5}[\"'][^\"'<>]{0,120}\.(?:zip|iso|img|exe|js|lnk|msi|vhd|hta)\b|"
                rb"[\"'](?:UEsDB|TVqQ|TVpQ|UmFyIR|N3q8r)[A-Za-z0-9+/]{80}",
                re.I,
            ),
        ),
        (
            "hidden code",
            re.compile(
                rb"(?:eval|document\.write(?:ln)?)\s{0,5}\(\s{0,5}(?:unescape|decodeURIComponent|atob|String\.fromCharCode)\b|"
                rb"unescape\s{0,5}\(\s{0,5}[\"']%3C|(?:String\.fromCharCode\s{0,5}\(\s{0,5}(?:\d{2,3}\s{0,3},\s{0,3}){20})|"
                rb"\[[\"']\\x[0-9a-f]{2}(?:\\x[0-9a-f]{2}){3}",
                re.I,
            ),
        ),
    ),
    "ole": (("macro", re.compile(rb"_\x00V\x00B\x00A\x00|V\x00B\x00A\x00_\x00|Attribut(?:e|\x00e\x00) ?VB_", re.S)),),
    "rtf": (
        ("object", re.compile(rb"\\obj(?:data|update|autlink)\b")),
        ("remote", re.compile(rb"\{\\\*\\template\s{1,5}(?:https?:|\\\\)", re.I)),
    ),
    "pdf": (
        ("javascript", re.compile(rb"/JavaScript\b|/JS\s{0,5}[(<\d]")),
        ("launch", re.compile(rb"/Launch\b")),
        ("encrypted", re.compile(rb"/Encrypt\s{1,5}\d")),
    ),
}
_MARKS["svg"] = _MARKS["html"]


_ARCHIVES = ArchiveLimits()


@dataclass(frozen=True, slots=True)
class AttachmentLimits:
    """How much of a mail's attachments is looked at."""

    parts: int = 60  #: that are opened
    names: int = 500  #: of parts; beyond ``parts`` nothing else is read of them
    octets: int = 12 * 1024 * 1024  #: decoded of one part
    total_octets: int = 24 * 1024 * 1024  #: decoded in all
    entries: int = 30_000  #: of all archives' directories together
    archive: ArchiveLimits = _ARCHIVES


def attachments_of(message: Message, limits: AttachmentLimits) -> tuple[Attachment, ...]:
    """Every part that is more than shown text, in the order of the mail. Bounded; never raises on a mail."""
    budget, entries = limits.total_octets, limits.entries
    found: list[Attachment] = []
    for part in islice(_candidates(message), limits.names):
        if len(found) >= limits.parts or budget <= 0 or entries <= 0:
            found.append(_unopened(part))
            continue
        head = decode_part(message, part, min(_HEAD, budget))
        kind = true_type(head)
        octets = head
        if kind in _WHOLE and len(head) == _HEAD:
            octets = decode_part(message, part, min(limits.octets, budget))
        budget -= len(octets)
        contents = archives.zip_contents(octets, limits.archive) if kind == "zip" else Contents()
        entries -= contents.entries
        found.append(_look(part, kind, octets, contents, limits.archive))
    return tuple(found)


def _unopened(part: Part) -> Attachment:
    """What the name tells of a part that the limits leave closed."""
    name = part.filename
    return Attachment(part.number, name[:_FILENAME], extension_of(name), part.type, "", 0, is_unopened=True)


def _candidates(message: Message) -> Iterator[Part]:
    for part in message.root.walk():
        if part.children or part.message is not None or part.type.startswith("multipart/"):
            continue
        shown = part.type in ("text/plain", "text/html") and part.disposition != "attachment" and not part.filename
        if not shown and not part.type.startswith("message/"):
            yield part


def _look(part: Part, kind: str, octets: bytes, contents: Contents, limits: ArchiveLimits) -> Attachment:
    members, encrypted, remote = contents.members, contents.is_encrypted, False
    if kind == "zip":
        kind = _kind_of_zip(members)
        if kind in _OFFICE and archives.remote_targets(octets, limits):
            remote = True
    elif kind == "rar":
        encrypted = archives.rar_is_encrypted(octets)
    elif kind == "7z":
        encrypted = archives.sevenzip_is_encrypted(octets)
    elif kind == "gzip" and (name := archives.gzip_name(octets)):
        members = (name,)
    searched = _ends(octets) if kind in ("html", "svg") else octets
    markers = [name for name, pattern in _MARKS.get(kind, ()) if is_in(pattern, searched)]
    if any(m.lower().endswith("vbaproject.bin") for m in members):
        markers.append("macro")
    if remote:
        markers.append("remote")
    if kind == "ole" and _utf16("EncryptedPackage") in octets:
        encrypted = True
    return Attachment(
        part=part.number,
        filename=part.filename[:_FILENAME],
        extension=extension_of(part.filename),
        declared_type=part.type,
        true_type=kind,
        size=len(octets),
        members=members,
        is_encrypted=encrypted or "encrypted" in markers,
        is_bomb=contents.is_bomb,
        links=pdf.links_in(octets) if kind == "pdf" else (),
        markers=tuple(m for m in markers if m != "encrypted"),
    )


def _ends(octets: bytes) -> bytes:
    """A page's start and end: patterns of script cost tens of milliseconds a megabyte."""
    return octets if len(octets) <= _PAGE else octets[: _PAGE * 3 // 4] + octets[-_PAGE // 4 :]


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def _kind_of_zip(members: tuple[str, ...]) -> str:
    """The document or program format that a ZIP is the shell of."""
    names = {m.lower() for m in members}
    if "[content_types].xml" in names:
        for folder, kind in (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx")):
            if any(n.startswith(folder) for n in names):
                return kind
        return "ooxml"
    if "androidmanifest.xml" in names:
        return "apk"
    if "meta-inf/manifest.mf" in names:
        return "jar"
    if "mimetype" in names and "content.xml" in names:
        return "odf"
    return "zip"


def extension_of(filename: str) -> str:
    """What the system will go by: direction marks, control characters, trailing dots and blanks do not count."""
    plain = _UNSEEN.sub("", filename).rstrip(". ")
    name, dot, extension = plain.rpartition(".")
    return extension.strip().lower()[:20] if dot and name else ""


def has_direction_mark(filename: str) -> bool:
    """Right-to-left overrides turn "gpj.exe" into "exe.jpg" on screen."""
    return any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in filename)
