"""What a reader could follow, and the two questions the models ask of it: which host, and does the text lie."""

import re
from dataclasses import dataclass

#: Begins with a set of letters instead of ignoring case, so that a search steps from one of these to the next.
_URL = re.compile(r"[hHwW](?:(?<=[hH])[tT][tT][pP][sS]?://|(?<=[wW])[wW][wW]\.)[^\s<>\"'()\[\]{}|\\^`]{3,2000}")
_SHOWN_HOST = re.compile(r"^\s*(?:https?://)?((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24})(?:[/:?#\s]|$)", re.I)
_HOST_END = re.compile(r"[/?#\\]")


@dataclass(frozen=True, slots=True)
class Link:
    """Something a reader could follow."""

    href: str  #: as written in the mail, at most 2,048 characters
    text: str  #: what the reader sees, "" for pictures and bare forms
    kind: str  #: "a", "area", "form", "img", "text", "base", "meta"


def in_text(text: str, most: int) -> list[Link]:
    """URLs a mail client would make clickable in plain text, at most ``most``."""
    if "://" not in text and "www." not in text and "WWW." not in text:
        return []
    links: list[Link] = []
    for found in _URL.finditer(text):
        if len(links) >= most:
            break
        url = found[0].rstrip(".,;:!?*_")
        links.append(Link(url, url, "text"))
    return links


def host_of(href: str) -> str:
    """Host name of a web address in lower case, without user and port; "" for anything else."""
    scheme, separator, rest = href.partition("//")
    if not separator:
        if href[:4].lower() != "www.":
            return ""
        rest = href
    elif scheme.lower() not in ("http:", "https:", ""):
        return ""
    authority = _HOST_END.split(rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.partition(":")[0].rstrip(".").lower()


def tail_of(host: str) -> str:
    """The last two labels: near enough to the registered domain for a token, without loading a suffix list."""
    return ".".join(host.rsplit(".", 2)[-2:])


def lies(link: Link) -> bool:
    """True when the text shows one web address and the link goes to another domain."""
    if link.kind != "a" or "." not in link.text:
        return False
    shown = _SHOWN_HOST.match(link.text)
    target = host_of(link.href)
    return bool(shown and target) and tail_of(shown[1].lower()) != tail_of(target) if shown else False
