"""Arguments of MAIL FROM and RCPT TO, read strictly. RFC 5321 §4.1.2, RFC 6531 §3.3."""

import re
from dataclasses import dataclass

MAX_PATH_OCTETS = 256  # RFC 5321 §4.5.3.1.3; the angle brackets count
MAX_LOCAL_OCTETS = 64
MAX_DOMAIN_OCTETS = 255

#: Beyond ASCII: no C1 controls, and no surrogates, which stand for octets that were not UTF-8.
_WIDE = r"\u00a0-\ud7ff\ue000-\U0010ffff"
_ATEXT = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\-{_WIDE}]"
_LOCAL = rf'(?:{_ATEXT}+(?:\.{_ATEXT}+)*|"(?:[\x20-\x21\x23-\x5b\x5d-\x7e{_WIDE}]|\\[\x20-\x7e])*")'
_LABEL = rf"[A-Za-z0-9{_WIDE}](?:[A-Za-z0-9\-_{_WIDE}]*[A-Za-z0-9{_WIDE}])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Za-z:.\-]+\])"
_ROUTE = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"  # obsolete source route: accepted and ignored (§4.1.1.3)
_PATH = re.compile(
    rf"\s*<(?:{_ROUTE}(?P<local>{_LOCAL})@(?P<domain>{_DOMAIN})|(?P<bare>postmaster)?)>(?P<rest>(?:\s.*)?)", re.I | re.S
)
_QUOTED_ATOM = re.compile(rf'"({_ATEXT}+(?:\.{_ATEXT}+)*)"')
_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]*(?:=[\x21-\x3c\x3e-\x7e]+)?")


@dataclass(frozen=True, slots=True)
class Path:
    """A reverse or forward path with its ESMTP parameters (names in upper case)."""

    address: str  #: "" is the null path <>; "postmaster" alone may stand without a domain (§4.5.1)
    parameters: dict[str, str]


class BadPath(Exception):
    """The argument is not a path; ``enhanced`` is the RFC 3463 code that fits."""

    def __init__(self, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.enhanced = enhanced


def parse_path(argument: str, keyword: str) -> Path:
    """Read "FROM:<a@b> SIZE=1" given keyword "FROM". Raises BadPath."""
    malformed = "5.1.7" if keyword == "FROM" else "5.1.3"
    if argument[: len(keyword) + 1].upper() != keyword + ":":
        raise BadPath("5.5.4", f"syntax: {keyword}:<address>")
    if len(argument) > 2_000:
        raise BadPath("5.5.4", "path too long")
    match = _PATH.fullmatch(argument[len(keyword) + 1 :])
    if match is None or (match["bare"] and keyword == "FROM"):
        raise BadPath(malformed, "malformed address")
    local, domain = match["local"], (match["domain"] or "").rstrip(".").lower()
    if local is None:
        return Path((match["bare"] or "").lower(), _parameters(match["rest"]))
    quoted = _QUOTED_ATOM.fullmatch(local)
    if quoted is not None:
        local = quoted[1]  # the quotes mean nothing here (§4.1.2)
    octets = len(local.encode()), len(domain.encode())
    if octets[0] > MAX_LOCAL_OCTETS or octets[1] > MAX_DOMAIN_OCTETS or sum(octets) + len("<@>") > MAX_PATH_OCTETS:
        raise BadPath(malformed, "address too long")
    return Path(f"{local}@{domain}", _parameters(match["rest"]))


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
