"""Arguments of MAIL FROM and RCPT TO, read strictly. RFC 5321 §4.1.2, RFC 6531 §3.3."""

import re
from dataclasses import dataclass

MAX_PATH_OCTETS = 256  # RFC 5321 §4.5.3.1.3; the angle brackets count
MAX_LOCAL_OCTETS = 64
MAX_DOMAIN_OCTETS = 255

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_LOCAL = rf'(?:{_ATEXT}+(?:\.{_ATEXT}+)*|"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*")'
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9\-_\u0080-\U0010ffff]*[A-Za-z0-9\u0080-\U0010ffff])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Za-z:.\-]+\])"
_ROUTE = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"  # obsolete source route: accepted and ignored (§4.1.1.3)
_PATH = re.compile(rf"\s*<{_ROUTE}(?P<address>(?P<local>{_LOCAL})@(?P<domain>{_DOMAIN}))?>(?P<rest>(?:\s.*)?)$")
_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]*(?:=[\x21-\x3c\x3e-\x7e]+)?")


@dataclass(frozen=True, slots=True)
class Path:
    """A reverse or forward path with its ESMTP parameters (names in upper case)."""

    address: str  #: "" is the null path <>
    parameters: dict[str, str]


class BadPath(Exception):
    """The argument is not a path; ``enhanced`` is the RFC 3463 code that fits."""

    def __init__(self, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.enhanced = enhanced


def parse_path(argument: str, keyword: str) -> Path:
    """Read "FROM:<a@b> SIZE=1" given keyword "FROM". Raises BadPath."""
    if argument[: len(keyword) + 1].upper() != keyword + ":":
        raise BadPath("5.5.4", f"syntax: {keyword}:<address>")
    if len(argument) > 2_000:
        raise BadPath("5.5.4", "path too long")
    match = _PATH.match(argument[len(keyword) + 1 :])
    if match is None:
        raise BadPath("5.1.7" if keyword == "FROM" else "5.1.3", "malformed address")
    address, local, domain = match["address"] or "", match["local"] or "", match["domain"] or ""
    if (
        len(local.encode("utf-8", "surrogateescape")) > MAX_LOCAL_OCTETS
        or len(domain.encode("utf-8", "surrogateescape")) > MAX_DOMAIN_OCTETS
    ):
        raise BadPath("5.1.3", "address too long")
    if address:
        address = f"{local}@{domain.rstrip('.').lower()}"
    return Path(address, _parameters(match["rest"]))


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in text.split():
        if not _PARAMETER.fullmatch(word):
            raise BadPath("5.5.4", "malformed parameter")
        name, _, value = word.partition("=")
        if name.upper() in found:
            raise BadPath("5.5.4", "parameter given twice")
        found[name.upper()] = value
    return found


def is_ascii(address: str) -> bool:
    return address.isascii()
