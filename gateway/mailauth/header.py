"""Results as header fields: Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 §9.1).

Both return a field's value, folded with CRLF and a tab, in ASCII. Everything in them that a stranger chose is
quoted or, in comments, stripped of what could end the comment.
"""

import re

from gateway.envelope import Envelope
from gateway.mailauth.results import ArcResult, AuthResults, DkimResult, DmarcResult, IprevResult, SpfResult
from gateway.mailauth.words import printable

_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")  #: RFC 2045 token
_IDENTITY = re.compile(r"[A-Za-z0-9._+-]*@[A-Za-z0-9.-]+")  #: [local-part] "@" domain-name
_FOLD = "\r\n\t"


def authentication_results(auth: AuthResults, authserv_id: str, client_ip: str = "") -> str:
    """Value of an Authentication-Results field. RFC 8601 §2.2."""
    clauses = [_spf(auth.spf_mailfrom), _spf(auth.spf_helo)]
    clauses += [_dkim(one) for one in auth.dkim] or ["dkim=none"]
    clauses += [_arc(auth.arc, client_ip), _dmarc(auth.dmarc), _iprev(auth.iprev, client_ip)]
    told = [clause for clause in clauses if clause]
    return f"{_value(authserv_id)};{_FOLD}" + f";{_FOLD}".join(told)


def received_spf(spf: SpfResult, envelope: Envelope, receiver: str) -> str:
    """Value of a Received-SPF field. RFC 7208 §9.1."""
    sender = envelope.mail_from or f"postmaster@{envelope.peer.helo}"
    pairs = [
        ("receiver", receiver),
        ("client-ip", str(envelope.peer.ip)),
        ("envelope-from", sender),
        ("helo", envelope.peer.helo),
        ("identity", "helo" if spf.scope == "helo" else "mailfrom"),
    ]
    if spf.mechanism:
        pairs.append(("mechanism", spf.mechanism))
    if spf.explanation and spf.result in ("temperror", "permerror"):
        pairs.append(("problem", spf.explanation))
    keys = f";{_FOLD}".join(f"{name}={_dot_atom(value)}" for name, value in pairs)
    about = f"{receiver}: {spf.domain or 'no domain'} and {envelope.peer.ip}: {spf.result}"
    return f"{spf.result} {_comment(about)}{_FOLD}{keys}"


def _spf(spf: SpfResult) -> str:
    if not spf.domain:
        return ""
    words = f" {_comment(spf.explanation)}" if spf.explanation else ""
    prop = "smtp.helo" if spf.scope == "helo" else "smtp.mailfrom"
    return f"spf={spf.result}{words} {prop}={_value(spf.domain)}"


def _dkim(dkim: DkimResult) -> str:
    told = dkim.reason or (f"{dkim.key_bits}-bit key" if dkim.key_bits else "")
    words = f" {_comment(told)}" if told else ""
    props = (
        ("header.d", dkim.domain),
        ("header.i", dkim.identity),
        ("header.s", dkim.selector),
        ("header.a", dkim.algorithm),
        ("header.b", dkim.signature_start),
    )
    return f"dkim={dkim.result}{words}" + "".join(f" {name}={_value(value)}" for name, value in props if value)


def _arc(arc: ArcResult, client_ip: str) -> str:
    if arc.result == "none":
        return ""
    told = f"i={arc.length}" + (f" sealed by {' '.join(arc.sealers)}" if arc.sealers else "")
    address = f" smtp.remote-ip={_value(client_ip)}" if client_ip else ""  # RFC 8617 §10.2
    return f"arc={_arc_word(arc)} {_comment(f'{told} {arc.reason}'.strip())}{address}"


def _arc_word(arc: ArcResult) -> str:
    """RFC 8617 §10.1 registers none, pass and fail only."""
    return arc.result if arc.result in ("pass", "fail") else "fail" if arc.result == "permerror" else "none"


def _dmarc(dmarc: DmarcResult) -> str:
    told = f"p={dmarc.policy} dis={dmarc.disposition}" if dmarc.policy else dmarc.reason
    words = f" {_comment(told)}" if told else ""
    author = f" header.from={_value(dmarc.from_domain)}" if dmarc.from_domain else ""
    policy = f" policy.dmarc={dmarc.disposition}" if dmarc.disposition else ""  # RFC 9989 §9.1
    return f"dmarc={dmarc.result}{words}{author}{policy}"


def _iprev(iprev: IprevResult, client_ip: str) -> str:
    if iprev.result == "none":
        return ""
    told = iprev.name or iprev.reason
    words = f" {_comment(told)}" if told else ""
    address = f" policy.iprev={_value(client_ip)}" if client_ip else ""
    return f"iprev={iprev.result}{words}{address}"


def _value(text: str) -> str:
    """A token where it is one, else a quoted string. RFC 8601 §2.2, pvalue."""
    plain = printable(text, 255)
    return plain if _PLAIN.fullmatch(plain) or _IDENTITY.fullmatch(plain) else _quoted(plain)


def _dot_atom(text: str) -> str:
    plain = printable(text, 320)
    return plain if _PLAIN.fullmatch(plain) else _quoted(plain)


def _quoted(plain: str) -> str:
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _comment(text: str) -> str:
    """A comment that cannot be left from inside. RFC 5322 §3.2.2."""
    return "(" + re.sub(r"[()\\]", " ", printable(text)) + ")"
