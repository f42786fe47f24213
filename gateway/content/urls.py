"""Takes web addresses apart the way a browser would, however they are written. WHATWG URL §4.4, RFC 3986.

Backslashes count as slashes, missing or extra slashes are forgiven, tabs and line breaks vanish: a mail that relies
on one of these shows the reader one host and sends the browser to another.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from gateway.content.facts import Url
from gateway.content.hosts import ip_literal, to_ascii, to_unicode
from gateway.content.psl import registrable
from models.links import Link

LONGEST = 2_048  #: characters of one address
TEXT = 300  #: characters of a link's text

_WEB = frozenset({"http", "https", "ftp"})
_OPAQUE = frozenset({"data", "javascript", "vbscript", "file", "blob"})
_SOURCES = {
    "a": "html",
    "area": "html",
    "base": "html",
    "meta": "meta",
    "form": "form",
    "img": "img",
    "text": "text",
    "qr": "qr",
    "pdf": "pdf",
}
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]{0,30}):")
_VANISHING = str.maketrans("", "", "\t\r\n\u200b\u00ad\ufeff")
_BARE_END = re.compile(r"\.[A-Za-z]{2,24}/[^\s<>\"'()\[\]]{0,500}")
_BARE_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,200}\Z")
_BARE_MOST = 50  #: addresses without a scheme that are looked for in the text
_HOST = 260  #: characters of a host; a name has at most 253


def urls_of(links: Iterable[Link], text: str, most: int) -> tuple[Url, ...]:
    """Each distinct address once, at most ``most``, in the order of the mail. Pure, linear."""
    found: dict[tuple[str, str], Url] = {}
    for link in links:
        if len(found) >= most:
            break
        shown = "" if link.kind == "text" else link.text[:TEXT]
        if (link.href, shown) in found:
            continue
        url = take_apart(link.href, shown, _SOURCES.get(link.kind, link.kind))
        if url is not None:
            found[(link.href, shown)] = url
    for written in _without_scheme(text):
        if len(found) >= most:
            break
        if (written, "") not in found and (url := take_apart("http://" + written, "", "text")) is not None:
            found[(written, "")] = url
    return tuple(found.values())


def take_apart(href: str, text: str, source: str) -> Url | None:
    """One address, or None when it leads nowhere outside the mail (an anchor, cid:, mailto:, a relative path)."""
    raw = href[:LONGEST]
    bare = raw.strip("\x00 \x01\x02\x03\x04\x05\x06\x07\x08\t\r\n\f\v\xa0").translate(_VANISHING)
    scheme, rest = _scheme(bare)
    if scheme in _OPAQUE:
        return Url(raw, scheme, "", "", "", None, rest[:200], False, text, source)
    if scheme not in _WEB:
        return None
    rest = rest.replace("\\", "/").lstrip("/")
    cut = min((i for i in (rest.find(c) for c in "/?#") if i >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    user, at, host = authority.rpartition("@")
    name, port = _host_and_port(host)
    if not name:
        return None
    address = ip_literal(name)
    ascii_host = address or to_ascii(name)
    return Url(
        raw=raw,
        scheme=scheme,
        host=ascii_host,
        host_unicode=address or to_unicode(ascii_host),
        domain="" if address else registrable(ascii_host),
        port=port,
        path=path,
        has_userinfo=bool(at and user),
        text=text,
        source=source,
    )


def _scheme(bare: str) -> tuple[str, str]:
    """Scheme in lower case and what follows; "http" where a reader's program would supply it."""
    if bare[:2] in ("//", "\\\\", "/\\"):
        return "http", bare
    if bare[:4].lower() == "www.":
        return "http", bare
    found = _SCHEME.match(bare)
    if found is None:
        return "", bare
    return found[1].lower(), bare[found.end() :]


def _host_and_port(host: str) -> tuple[str, int | None]:
    if host.startswith("["):
        inside, _, after = host[1:].partition("]")
        return inside[:_HOST], _port(after.removeprefix(":"))
    name, _, port = host.partition(":")
    if "%" in name:
        name = unquote(name, errors="replace")
    return name[:_HOST].strip(" ."), _port(port)


def _port(digits: str) -> int | None:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else None


def _without_scheme(text: str) -> list[str]:
    """Addresses like "example.test/login" that most mail programs turn into links."""
    found: list[str] = []
    for end in _BARE_END.finditer(text):
        before = text[max(0, end.start() - 210) : end.start()]
        host = _BARE_HOST.search(before)
        if (
            host is None
            or host[0][:4].lower() == "www."
            or before[: host.start()].endswith(("/", "@", "\\", "_", "=", "%"))
        ):
            continue
        if not registrable((host[0] + end[0].partition("/")[0]).lower()):
            continue
        found.append(host[0] + end[0].rstrip(".,;:!?*_"))
        if len(found) >= _BARE_MOST:
            break
    return found
