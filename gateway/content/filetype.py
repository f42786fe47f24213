"""What a file is by its first octets, whatever it is called."""

import re

_AT_START: tuple[tuple[bytes, str], ...] = (
    (b"MZ", "exe"),
    (b"\x7fELF", "elf"),
    (b"\xfe\xed\xfa\xce", "macho"),
    (b"\xfe\xed\xfa\xcf", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"\xca\xfe\xba\xbe", "class"),
    (b"\x4c\x00\x00\x00\x01\x14\x02\x00", "lnk"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", "onenote"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"MSCF", "cab"),
    (b"ISc(", "cab"),
    (b"ITSF", "chm"),
    (b"MSWIM\x00\x00\x00", "wim"),
    (b"vhdxfile", "vhd"),
    (b"conectix", "vhd"),
    (b"{\\rt", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"\x00asm", "wasm"),
    (b"OggS", "ogg"),
    (b"ID3", "mp3"),
    (b"#!", "script"),
    (b"BEGIN:VCALENDAR", "calendar"),
    (b"BEGIN:VCARD", "vcard"),
)
_ISO_AT = 32_769  #: where an ISO 9660 volume says so (ECMA-119 §8)
_TEXT_START = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,200}(?:<!--.{0,500}?-->\s{0,50})?(<[!?]?[a-zA-Z]{1,12})", re.DOTALL)
_HTML_TAGS = frozenset(
    {
        b"<!doctype",
        b"<html",
        b"<head",
        b"<body",
        b"<script",
        b"<title",
        b"<table",
        b"<form",
        b"<iframe",
        b"<meta",
        b"<div",
    }
)

#: Types that run when opened, on some system in common use.
EXECUTABLE = frozenset({"exe", "elf", "macho", "lnk", "chm", "class", "jar"})
#: Types that hold other files.
ARCHIVES = frozenset({"zip", "rar", "7z", "gzip", "bzip2", "xz", "cab", "zstd", "tar", "iso", "vhd", "wim"})
#: Disk images, which hide from a system that a file came from a stranger.
IMAGES_OF_DISKS = frozenset({"iso", "vhd", "wim"})


def true_type(octets: bytes) -> str:
    """Short name of the type, "" when unknown. Looks at no more than the first 33 KB."""
    for start, kind in _AT_START:
        if octets.startswith(start):
            return kind
    if octets[_ISO_AT : _ISO_AT + 5] == b"CD001":
        return "iso"
    if octets[:4] == b"RIFF" and octets[8:12] == b"WEBP":
        return "webp"
    if octets[:2] == b"BM" and len(octets) > 26 and octets[14:16] in (b"\x28\x00", b"\x0c\x00", b"\x7c\x00"):
        return "bmp"
    if octets[4:8] == b"ftyp":
        return "mp4"
    if octets[257:262] == b"ustar":
        return "tar"
    if b"%PDF-" in octets[:1_024]:
        return "pdf"
    return _marked_up(octets[:2_048])


def _marked_up(start: bytes) -> str:
    found = _TEXT_START.match(start)
    if found is None:
        return ""
    tag = found[1].lower()
    if tag == b"<svg" or (tag == b"<?xml" and b"<svg" in start.lower()):
        return "svg"
    if tag == b"<?xml":
        return "html" if b"<html" in start.lower() else "xml"
    if tag == b"<!doctype" and b"svg" in start[found.end() : found.end() + 8].lower():
        return "svg"
    return "html" if tag in _HTML_TAGS else ""
