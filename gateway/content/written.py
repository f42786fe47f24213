"""Everything that is written in a mail, also in files that are text or hold text: what rules about leaving mail read.

Office documents and archives are opened one level deep. Pictures, PDF and what is encrypted are not read.
"""

import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from models.view import MailView
from store.message.body import decode_part, part_text
from store.message.model import Message, Part

TEXT = 1_000_000  #: characters of a mail that are read
_PARTS = 100
_FILE = 8 * 1024 * 1024  #: octets of a file that is opened
_MEMBERS, _MEMBER = 40, 1024 * 1024  #: files within one, and octets unpacked of each
_TAG = re.compile(r"<[^<>]{0,2000}>")
#: Ends of what a reader sees apart: paragraphs, cells, rows.
_END = re.compile(r"</(?:w:p|a:p|si|v|c|row|t|text:p|p|td|tr|div|li|h[1-6])>|<br\b[^<>]{0,200}>", re.I)
_READABLE = re.compile(
    r"(?:word/[a-z]+\d*\.xml|xl/(?:sharedStrings|worksheets/sheet\d+)\.xml|ppt/(?:slides|notesSlides)/[a-zA-Z]+\d+\.xml|"
    r"content\.xml|.*\.(?:txt|csv|tsv|json|xml|html?|md|pem|key|env|ini|cfg|conf|ya?ml|sql|log))\Z",
    re.I | re.S,
)
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
)


def text_of(message: Message, view: MailView) -> str:
    """Subject, text parts (HTML also without its tags), names of files, and files that hold text. Bounded."""
    pieces = [view.subject, view.html_text]
    left = TEXT
    for part, _ in zip(message.root.walk(), range(_PARTS), strict=False):
        if left <= 0:
            break
        for text in _part(message, part, left):
            pieces.append(text[:left])
            left -= len(text)
    return "\n".join(pieces)


def _part(message: Message, part: Part, left: int) -> Iterator[str]:
    if part.filename:
        yield part.filename[:300]
    if part.children or part.message is not None:
        return
    if part.type.startswith("text/"):
        text = part_text(message, part, left)
        yield untagged(text) if part.type == "text/html" else text
    elif not part.type.startswith(("image/", "audio/", "video/")):
        yield from file_text(decode_part(message, part, _FILE))


def file_text(octets: bytes) -> Iterator[str]:
    """What is written in a file: by its content, whatever its name."""
    if octets.startswith(b"PK\x03\x04"):
        yield from _members(octets)
    elif b"\0" not in octets[:4096]:
        yield octets[:TEXT].decode("utf-8", "replace")


def _members(octets: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            wanted = [each for each in archive.infolist() if _READABLE.match(each.filename[:300])]
            for each in wanted[:_MEMBERS]:
                with archive.open(each) as member:
                    text = member.read(_MEMBER).decode("utf-8", "replace")
                yield untagged(text) if text.lstrip()[:1] == "<" else text
    except _BROKEN:
        return


def untagged(text: str) -> str:
    """Markup without its tags: words stay whole, what stands apart stays apart."""
    return html.unescape(_TAG.sub("", _END.sub("\n", text)))
