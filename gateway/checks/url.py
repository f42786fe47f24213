"""Links that are built to mislead: by number, by user part, by what their text claims."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from gateway.content.facts import Url
from gateway.content.hosts import to_ascii
from gateway.content.psl import registrable, same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

IP_HOST = Signal("url.ip-host", "A link names a machine by its address instead of a name: {detail}", "phish")
OBSCURED_IP = Signal("url.obscured-ip", "A link writes a machine's address in a form no person uses: {detail}", "phish")
USERINFO = Signal("url.userinfo", "A link puts a false host before an @ sign: {detail}", "phish")
ODD_PORT = Signal("url.odd-port", "A link goes to an unusual port: {detail}", "spam")
SHORTENER = Signal("url.shortener", "A link hides its destination behind a shortening service: {detail}", "spam")
MISMATCH = Signal("url.text-mismatch", "A link shows one host and leads to another: {detail}", "phish")
SCRIPT = Signal("url.script", "A link runs a script instead of leading anywhere: {detail}", "phish")
DATA = Signal("url.data", "A link carries a whole page inside itself: {detail}", "phish")
DEEP = Signal("url.deep-subdomain", "A link's host stacks many names before the real domain: {detail}", "phish")
MANY = Signal("url.many-domains", "Links lead to many unrelated domains: {detail}", "spam")
CREDENTIALS = Signal(
    "url.credential-path", "A link to a domain unrelated to the sender asks to sign in: {detail}", "phish"
)
RECIPIENT = Signal(
    "url.recipient-in-link", "A link to a stranger carries the recipient's own address: {detail}", "phish"
)
REDIRECT = Signal("url.open-redirect", "A link uses one site to bounce the reader to another: {detail}", "phish")
BACKSLASH = Signal("url.backslash", "A link is written so that programs disagree about its host: {detail}", "phish")
QR = Signal("url.qr-code", "A QR code leads to a stranger, out of sight of filters: {detail}", "phish")
TUNNEL = Signal("url.free-hosting", "A link asks to sign in on a free hosting or form service: {detail}", "phish")

EMITS = frozenset(
    {
        *(IP_HOST, OBSCURED_IP, USERINFO, ODD_PORT, SHORTENER, MISMATCH, SCRIPT, DATA, DEEP, MANY),
        *(CREDENTIALS, RECIPIENT, REDIRECT, BACKSLASH, QR, TUNNEL),
    }
)

_PORTS = frozenset({80, 443, 8080, 8443, 21})
_MANY = 15  #: registrable domains in one mail
_DEEP = 5  #: labels before the registrable domain
_SHORTENERS = frozenset(
    {"bit.ly", "tinyurl.com", "t.ly", "is.gd", "v.gd", "ow.ly", "rebrand.ly", "cutt.ly", "shorturl.at", "rb.gy"}
    | {"tiny.cc", "goo.su", "s.id", "bl.ink", "qrco.de", "surl.li", "urlz.fr", "shorte.st", "adf.ly", "clck.ru"}
)
_FREE_HOSTS = frozenset(
    {"weebly.com", "wixsite.com", "web.app", "firebaseapp.com", "pages.dev", "workers.dev", "netlify.app", "vercel.app"}
    | {"glitch.me", "herokuapp.com", "github.io", "blogspot.com", "000webhostapp.com", "r2.dev", "trycloudflare.com"}
    | {"ngrok.io", "ngrok-free.app", "jotform.com", "typeform.com", "wufoo.com", "forms.gle", "square.site", "ipfs.io"}
)
SIGN_IN = re.compile(
    r"(?:^|[/\-_.?=&])(?:log-?in|sign-?in|signon|verify|verification|validate|webmail|owa|wp-login|account-?(?:update|verify)|"
    r"password-?(?:reset|update|expir\w{0,3})|secure-?(?:login|mail)|unlock|reactivate|confirm-?(?:account|identity)|"
    r"authenticate|2fa|mfa)(?:$|[/\-_.?=&])",
    re.I,
)
_SHOWN = re.compile(
    r"^\W{0,3}(?:https?://|www\.)?((?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24})(?:[/:?#]\S{0,300})?\W{0,3}$", re.I
)
_TARGET = re.compile(r"[?&#/=](?:https?:|)//([^/?&#\s@]{4,200})", re.I)
_FILES = frozenset(
    {"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "zip", "html", "htm", "png", "jpg", "csv"}
)


def look(facts: DataFacts) -> list[Evidence]:
    found: list[Evidence] = []
    sender = facts.content.from_domain
    recipients = [r.address.lower() for r in facts.envelope.rcpt_to[:20]]
    for url in facts.content.urls:
        if url.source == "img":
            continue
        found += _opaque(url) if not url.host else _host(url)
        if url.domain:
            found += _named(url, sender)
            found += _personal(url, sender, recipients)
    domains = {url.domain for url in facts.content.urls if url.domain and url.source not in ("img", "pdf")}
    if len(domains) >= _MANY:
        found.append(Evidence(MANY, f"{len(domains)} domains", min(2.0, len(domains) / _MANY)))
    return found


def _opaque(url: Url) -> Iterator[Evidence]:
    if url.scheme in ("javascript", "vbscript"):
        if url.path.strip(" ;").lower() not in ("", "void(0)", "void(0);"):
            yield Evidence(SCRIPT, url.raw[:80])
    elif url.scheme == "data" and not url.path.lower().startswith(("image/", "font/")):
        yield Evidence(DATA, url.raw[:80])


def _host(url: Url) -> Iterator[Evidence]:
    if not url.domain and (url.host[0].isdigit() or ":" in url.host):
        plain = f"//{url.host}" in url.raw or f"@{url.host}" in url.raw or "[" in url.raw
        yield Evidence(IP_HOST, url.host) if plain else Evidence(OBSCURED_IP, f"{url.raw[:80]} is {url.host}")
    if url.has_userinfo:
        user = url.raw.partition("//")[2].rpartition("@")[0]
        if "." in user or ":" in user:
            yield Evidence(USERINFO, url.raw[:120])
    if url.port is not None and url.port not in _PORTS:
        yield Evidence(ODD_PORT, f"{url.host}:{url.port}")
    if "\\" in url.raw[:300].partition("?")[0] or "\t" in url.raw.strip()[:60]:
        yield Evidence(BACKSLASH, url.raw[:120])


def _named(url: Url, sender: str) -> Iterator[Evidence]:
    if url.source == "qr" and not same_organisation(url.host, sender):
        yield Evidence(QR, f"{url.host}{url.path}"[:120])
    if url.host in _SHORTENERS or url.domain in _SHORTENERS:
        yield Evidence(SHORTENER, url.host)
    if url.host != url.domain and url.host.removesuffix(url.domain).count(".") >= _DEEP:
        yield Evidence(DEEP, url.host[:120])
    shown = shown_host(url.text)
    if shown and not same_organisation(shown, url.host):
        yield Evidence(MISMATCH, f"{shown} leads to {url.host}"[:200])
    target = _TARGET.search(unquote(url.path[:1_000]))
    if target and (where := registrable(to_ascii(target[1]).partition(":")[0])) and where != url.domain:
        yield Evidence(REDIRECT, f"{url.host} to {target[1]}"[:200], 0.5 if same_organisation(where, sender) else 1.0)
    if SIGN_IN.search(url.path[:300]) and not same_organisation(url.host, sender):
        if _on_free_host(url):
            yield Evidence(TUNNEL, f"{url.host}{url.path}"[:120])
        else:
            yield Evidence(CREDENTIALS, f"{url.host}{url.path}"[:120])


def _on_free_host(url: Url) -> bool:
    return url.domain in _FREE_HOSTS or url.domain.partition(".")[2] in _FREE_HOSTS


def _personal(url: Url, sender: str, recipients: list[str]) -> Iterator[Evidence]:
    """The reader's address in the link's tail fills in a fake sign-in page. Unsubscribing does so, too, honestly."""
    tail = unquote(url.path[:600]).lower()
    if "@" not in tail or "unsub" in tail or same_organisation(url.host, sender):
        return
    if any(address in tail for address in recipients):
        yield Evidence(RECIPIENT, url.host)


def shown_host(text: str) -> str:
    """The host a link's text claims to lead to, ASCII; "" when the text is no address."""
    if "." not in text or len(text) > 400:
        return ""
    match = _SHOWN.match(text.strip())
    if match is None or "@" in text:
        return ""
    host = to_ascii(match[1])
    if host.rpartition(".")[2] in _FILES and "/" not in text:
        return ""
    return host if registrable(host) else ""


CHECK: PureCheck[DataFacts] = PureCheck("url", look, EMITS)
