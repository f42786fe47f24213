"""Where a link really goes: gateways and proxies that lend their name, chains of redirectors, files at the end."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from gateway.checks.url import SIGN_IN
from gateway.content.facts import Url
from gateway.content.hosts import to_ascii
from gateway.content.psl import registrable, same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts

INVISIBLE = Signal("url.invisible", "A link's address holds characters that nobody can see: {detail}", "phish")
WEB3 = Signal("url.web3-gateway", "A link leads to a page that nobody can take down: {detail}", "phish")
BORROWED = Signal("url.borrowed-host", "A link shows a stranger's page under a famous name: {detail}", "phish")
CHAIN = Signal("url.redirect-chain", "A link bounces through several unrelated sites: {detail}", "phish")
HACKED = Signal("url.hacked-site", "A link leads to a page hidden inside somebody's web site: {detail}", "phish")
ONION = Signal("url.onion", "A link leads to a hidden service: {detail}", "spam")
PROGRAM = Signal("url.download", "A link downloads a program from a stranger: {detail}", "malware")
BRAND_PATH = Signal("url.brand-in-path", "A stranger's sign-in page bears a well-known name: {detail}", "phish")

EMITS = frozenset({INVISIBLE, WEB3, BORROWED, CHAIN, HACKED, ONION, PROGRAM, BRAND_PATH})

_NO_WIDTH = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_GATEWAYS = re.compile(
    r"(?:^|\.)(?:ipfs\.io|dweb\.link|cloudflare-ipfs\.com|cf-ipfs\.com|w3s\.link|nftstorage\.link|ipfs\.tech|"
    r"4everland\.io|fleek\.(?:co|cool|xyz)|on-fleek\.app|eth\.limo|eth\.link|arweave\.net|ar\.io|pinata\.cloud|"
    r"mypinata\.cloud|infura-ipfs\.io|gateway\.ipfs\.io|ipfs\.[a-z0-9-]{1,40}\.[a-z]{2,12}|icp0\.io|ic0\.app)\Z"
)
_CONTENT_ID = re.compile(r"/(?:ipfs|ipns)/(?:Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{50,70}|k51[a-z0-9]{50,70})")
_PROXIES = re.compile(
    r"(?:^|\.)(?:translate\.goog|cdn\.ampproject\.org|webcache\.googleusercontent\.com|microsofttranslator\.com|"
    r"translatetheweb\.com|translate\.yandex\.(?:net|com)|archive\.ph|archive\.is)\Z"
)
_PROXY_PATHS = (("google.com", "/amp/s/"), ("google.com", "/translate?"), ("bing.com", "/ck/a?"), ("bing.com", "/amp/"))
_HOPS = re.compile(r"(?:https?:)?//([^/?&#\s@%]{4,120})", re.I)
#: Services that rewrite every link of a company's mail, and so stand before the first hop honestly.
_REWRITERS = frozenset(
    {"outlook.com", "proofpoint.com", "urldefense.com", "mimecast.com", "mimecastprotect.com", "barracudanetworks.com"}
    | {"fireeye.com", "trendmicro.com", "sophos.com", "cudasvc.com", "mailguard.com.au", "avanan.net", "avanan.click"}
)
_HIDDEN = re.compile(
    r"/(?:wp-(?:includes|admin)/|wp-content/(?:plugins|themes|upgrade|languages)/)[^?#]{0,200}(?:/|\.(?:php|html?))(?:[?#]|\Z)"
    r"|/\.(?!well-known/)[a-z0-9_-]{2,30}/|/\.well-known/(?:acme-challenge|pki-validation)/[^?#]{1,100}\.(?:html?|php)",
    re.I,
)
_PROGRAMS = re.compile(
    r"[^/]{1,200}\.(?:exe|scr|msi|jar|js|jse|vbs|vbe|wsf|hta|ps1|bat|cmd|iso|img|vhdx?|lnk|apk|dmg|cab|one|url)(?:[?#]|\Z)",
    re.I,
)
_IN_PATH = re.compile(
    r"(?:^|[/._-])(paypal|netflix|dhl|fedex|usps|docusign|coinbase|binance|metamask|hsbc|santander|wellsfargo|"
    r"bankofamerica|americanexpress|mastercard|office365|onedrive|sharepoint|outlook)(?:$|[/._-])",
    re.I,
)


def look(facts: DataFacts) -> list[Evidence]:
    found: dict[str, Evidence] = {}
    sender = to_ascii(facts.content.from_domain)
    for url in facts.content.urls:
        if url.source == "img" or not url.host:
            continue
        for evidence in _one(url, sender):
            found.setdefault(evidence.signal.name, evidence)
    return list(found.values())


def _one(url: Url, sender: str) -> Iterator[Evidence]:
    shown = f"{url.host}{url.path}"[:120]
    if not url.raw.isascii() and _NO_WIDTH.search(url.raw.strip()):
        yield Evidence(INVISIBLE, _NO_WIDTH.sub("\ufffd", shown))
    if url.host.endswith(".onion"):
        yield Evidence(ONION, url.host[:100])
    path = url.path[:1_000]
    if _GATEWAYS.search(url.host) or ("/ip" in path and _CONTENT_ID.search(path)):
        yield Evidence(WEB3, shown)
    elif _is_proxy(url, path):
        yield Evidence(BORROWED, shown)
    if same_organisation(url.host, sender):
        return
    if "//" in path or "%2f" in path or "%2F" in path:
        yield from _chain(url, sender)
    if len(path) > 4:
        yield from _ends(url.domain, path, shown)


def _is_proxy(url: Url, path: str) -> bool:
    if _PROXIES.search(url.host):
        return True
    return any(url.domain == domain and path.startswith(start) for domain, start in _PROXY_PATHS)


def _chain(url: Url, sender: str) -> Iterator[Evidence]:
    """One redirector is what mailing services do; a second stranger behind it is there to wear filters out."""
    hops = [url.domain, *(registrable(to_ascii(h).partition(":")[0]) for h in _HOPS.findall(_decoded(url.path))[:8])]
    known = [h for h in hops if h and h not in _REWRITERS and not same_organisation(h, sender)]
    distinct = list(dict.fromkeys(known))
    if len(distinct) > 2:
        yield Evidence(CHAIN, " to ".join(distinct)[:200])


def _decoded(path: str) -> str:
    """Twice decoded: a link inside a link inside a link."""
    return unquote(unquote(path[:2_000]))


def _ends(domain: str, path: str, shown: str) -> Iterator[Evidence]:
    if _HIDDEN.search(path):
        yield Evidence(HACKED, shown)
    if "." in path and _PROGRAMS.search(path):
        yield Evidence(PROGRAM, shown)
    if (brand := _IN_PATH.search(path)) and SIGN_IN.search(path) and brand[1].lower() not in domain:
        yield Evidence(BRAND_PATH, shown)


CHECK: PureCheck[DataFacts] = PureCheck("url_route", look, EMITS)
