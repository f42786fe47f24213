"""Files that run, hide what they are, or hide what they hold."""

import re
from collections.abc import Iterator

from gateway.content.attachments import extension_of, has_direction_mark
from gateway.content.facts import Attachment
from gateway.content.filetype import EXECUTABLE, IMAGES_OF_DISKS
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

PROGRAM = Signal("attachment.executable", "An attached file is a program: {detail}", "malware")
SCRIPT = Signal("attachment.script", "An attached file is a script that runs when opened: {detail}", "malware")
DOUBLE = Signal("attachment.double-extension", "An attached program pretends to be a document: {detail}", "malware")
REORDERED = Signal(
    "attachment.direction-mark", "An attached file's name is written to read backwards: {detail}", "malware"
)
MACRO = Signal("attachment.macro", "An attached document holds macros: {detail}", "malware")
ACTIVE = Signal("attachment.active-content", "An attached document acts when opened: {detail}", "malware")
ENCRYPTED = Signal("attachment.encrypted", "An attached archive cannot be looked into: {detail}", "malware")
PASSWORD = Signal(
    "attachment.password-in-text", "The text gives the password of an encrypted archive: {detail}", "malware"
)
INSIDE = Signal("attachment.executable-in-archive", "An attached archive holds a program: {detail}", "malware")
BOMB = Signal("attachment.bomb", "An attached archive would unpack to a flood: {detail}", "malware")
NESTED = Signal("attachment.nested-archive", "An attached archive holds another archive: {detail}", "malware")
PAGE = Signal("attachment.html", "An attached web page asks for input or runs a script: {detail}", "phish")
DISK = Signal("attachment.disk-image", "An attached file is a disk image: {detail}", "malware")
SHORTCUT = Signal("attachment.shortcut", "An attached file is a shortcut that starts a program: {detail}", "malware")
LIES = Signal("attachment.type-mismatch", "An attached file is not what its name says: {detail}", "malware")
NOTEBOOK = Signal("attachment.onenote", "An attached notebook can hold programs: {detail}", "malware")
REMOTE = Signal(
    "attachment.remote-template", "An attached document fetches code from elsewhere when opened: {detail}", "malware"
)
SMUGGLING = Signal(
    "attachment.smuggling", "An attached web page builds a file or unpacks hidden code: {detail}", "malware"
)
RARE = Signal("attachment.rare-archive", "An attached archive is of a kind only malware uses: {detail}", "malware")
UNOPENED = Signal("attachment.unopened", "The mail carries more files than are looked into: {detail}", "malware")
PADDED = Signal("attachment.padded-name", "A long gap hides how an attached file's name ends: {detail}", "malware")

EMITS = frozenset(
    {
        *(PROGRAM, SCRIPT, DOUBLE, REORDERED, MACRO, ACTIVE, ENCRYPTED, PASSWORD, INSIDE, BOMB, NESTED),
        *(PAGE, DISK, SHORTCUT, LIES, NOTEBOOK, REMOTE, SMUGGLING, RARE, PADDED, UNOPENED),
    }
)

_PROGRAMS = frozenset(
    {"exe", "scr", "com", "pif", "cpl", "msi", "msp", "dll", "jar", "apk", "app", "gadget", "xll", "appx"}
)
_SCRIPTS = frozenset(
    {
        "js",
        "jse",
        "vbs",
        "vbe",
        "wsf",
        "wsh",
        "wsc",
        "hta",
        "ps1",
        "psm1",
        "bat",
        "cmd",
        "sct",
        "reg",
        "msh",
        "inf",
        "chm",
    }
    | {"application", "settingcontent-ms", "search-ms", "library-ms", "url", "website", "iqy", "slk", "rdp"}
)
_SHORTCUTS = frozenset({"lnk", "scf", "desktop"})
_DISKS = frozenset({"iso", "img", "vhd", "vhdx", "udf", "dmg", "wim"})
_MACRO_TYPES = frozenset({"docm", "dotm", "xlsm", "xlsb", "xltm", "xlam", "pptm", "potm", "ppsm", "ppam", "sldm"})
_DOCUMENTS = frozenset(
    {"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "rtf", "jpg", "jpeg", "png", "gif", "csv", "mp3", "mp4"}
)
_ARCHIVES = frozenset({"zip", "rar", "7z", "gz", "tar", "tgz", "cab", "ace", "arj", "bz2", "xz", "z", "lzh", "uue"})
_RARE = frozenset({"ace", "arj", "lzh", "lha", "uue", "xxe", "z", "r00", "r01", "jnlp", "zpaq", "zipx", "b64", "bz"})
_RUNS = _PROGRAMS | _SCRIPTS | _SHORTCUTS

#: What the content must be for a name's claim to hold; other types under such a name are a lie.
_HONEST: dict[str, frozenset[str]] = {
    "pdf": frozenset({"pdf"}),
    "docx": frozenset({"docx", "ooxml", "ole", "zip"}),
    "xlsx": frozenset({"xlsx", "ooxml", "ole", "zip"}),
    "pptx": frozenset({"pptx", "ooxml", "ole", "zip"}),
    "jpg": frozenset({"jpeg", "png", "gif", "webp", "bmp", "tiff", "mp4"}),
    "jpeg": frozenset({"jpeg", "png", "gif", "webp", "bmp", "tiff", "mp4"}),
    "png": frozenset({"jpeg", "png", "gif", "webp", "bmp"}),
    "gif": frozenset({"jpeg", "png", "gif", "webp", "bmp"}),
    "txt": frozenset({"xml", "calendar", "vcard", "script"}),
    "zip": frozenset({"zip", "ooxml", "docx", "xlsx", "pptx", "odf", "jar", "apk"}),
}
_GAP = re.compile(r"\S[\s\u00a0\u2000-\u200a\u3000]{8,}\S{0,20}\.\w|\S[\s\u00a0\u2000-\u200a\u3000]{8,}\.?\w{1,20}\Z")
_PASSWORD = re.compile(
    r"(?:password|passwort|kennwort|passcode|mot de passe|contrase[nñ]a|wachtwoord|senha|pwd|pass)\s{0,3}"
    r"(?:is|ist|est|es|[eé])?\s{0,3}[:=-]?\s{0,3}[\"'“„«]?([^\s\"'”“»<>]{3,24})"
)


def look(facts: DataFacts) -> list[Evidence]:
    found: list[Evidence] = []
    for attached in facts.content.attachments:
        found += _name(attached)
        found += _nature(attached)
        found += _inside(attached)
    if unopened := [a for a in facts.content.attachments if a.is_unopened]:
        found.append(Evidence(UNOPENED, f"{len(unopened)} of {len(facts.content.attachments)}"))
    if any(a.is_encrypted and a.true_type in ("zip", "rar", "7z") for a in facts.content.attachments):
        match = _PASSWORD.search(facts.view.normal[:6_000])
        if match and any(c.isdigit() for c in match[1]):
            found.append(Evidence(PASSWORD, match[0][:60]))
    return found


def _shown(attached: Attachment) -> str:
    """The name without characters that would reorder the sentence it is shown in."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in attached.filename)
    return (plain or f"part {attached.part}")[:100]


def _name(attached: Attachment) -> Iterator[Evidence]:
    if has_direction_mark(attached.filename):
        yield Evidence(REORDERED, _shown(attached))
    stem = attached.filename.rstrip(". ").rpartition(".")[0]
    if attached.extension in _RUNS and extension_of(stem.replace(" ", "")) in _DOCUMENTS:
        yield Evidence(DOUBLE, _shown(attached))
    if _GAP.search(attached.filename) and attached.extension:
        yield Evidence(PADDED, " ".join(_shown(attached).split()))
    if attached.extension in _SCRIPTS:
        yield Evidence(SCRIPT, _shown(attached))
    honest = _HONEST.get(attached.extension)
    if honest is not None and attached.true_type and attached.true_type not in honest:
        yield Evidence(LIES, f"{_shown(attached)} is {attached.true_type}")


def _nature(attached: Attachment) -> Iterator[Evidence]:
    kind, name = attached.true_type, _shown(attached)
    if kind == "lnk" or attached.extension in _SHORTCUTS:
        yield Evidence(SHORTCUT, name)
    elif kind in EXECUTABLE or kind == "apk" or attached.extension in _PROGRAMS:
        yield Evidence(PROGRAM, name)
    if kind in IMAGES_OF_DISKS or attached.extension in _DISKS:
        yield Evidence(DISK, name)
    if kind == "onenote" or attached.extension == "one":
        yield Evidence(NOTEBOOK, name)
    if "remote" in attached.markers:
        yield Evidence(REMOTE, name)
    if attached.extension in _RARE:
        yield Evidence(RARE, name)
    if "macro" in attached.markers or attached.extension in _MACRO_TYPES:
        yield Evidence(MACRO, name)
    if kind in ("html", "svg") or attached.extension in ("html", "htm", "shtml", "xhtml", "svg"):
        yield from _page(attached)
    elif active := [m for m in attached.markers if m in ("object", "javascript", "launch")]:
        yield Evidence(ACTIVE, f"{name}: {', '.join(active)}", 1.0 if "launch" in active else 0.6)


def _page(attached: Attachment) -> Iterator[Evidence]:
    marks = set(attached.markers)
    if not marks:
        return
    if hidden := [m for m in ("smuggling", "payload", "hidden code") if m in marks]:
        # One of them alone is found in honest single-page applications, too.
        sure = len(hidden) > 1 or "payload" in marks
        yield Evidence(SMUGGLING, f"{_shown(attached)}: {', '.join(hidden)}", 1.0 if sure else 0.5)
    worst = marks & {"password", "smuggling"} or {"form", "script"} <= marks
    yield Evidence(PAGE, f"{_shown(attached)}: {', '.join(attached.markers)}", 1.0 if worst else 0.5)


def _inside(attached: Attachment) -> Iterator[Evidence]:
    name = _shown(attached)
    if attached.is_bomb:
        yield Evidence(BOMB, name)
    if attached.is_encrypted:
        archive = attached.true_type in ("zip", "rar", "7z")
        yield Evidence(ENCRYPTED, name, 1.0 if archive else 0.4)
    if attached.true_type in ("jar", "apk", "docx", "xlsx", "pptx", "ooxml", "odf"):
        return
    for member in attached.members:
        if extension_of(member) in _RUNS or has_direction_mark(member):
            yield Evidence(INSIDE, f"{name}: {member[:80]}")
            return
    if inner := next((m for m in attached.members if extension_of(m) in _ARCHIVES | _DISKS), ""):
        yield Evidence(NESTED, f"{name}: {inner[:80]}")


CHECK: PureCheck[DataFacts] = PureCheck("attachment", look, EMITS)
