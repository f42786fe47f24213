"""The demo's little world: who is in it, what the DNS says, and the mails that are sent, in their order.

Client addresses are those of documentation (RFC 5737, RFC 3849), names end in .example and .test (RFC 2606), so
nothing here belongs to anybody. What is signed is really signed, with keys made at the moment.
"""

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from gateway.demo.signing import Key, Signer, arc_seal, dkim_sign, ed25519_key, rsa_key
from gateway.demo.templates import load
from gateway.dns.zone import Zone

_LIST = "River Crew <crew.lists.rivercrew.test>"
_FOOTER = b"\r\n-- \r\nRiver Crew, the list of the rowing club\r\nhttps://lists.rivercrew.test/crew\r\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail with what SMTP says about it, and what a good gateway makes of it."""

    name: str  #: as its file in ``samples/``, such as "35-gift-cards"
    title: str
    mail_from: str | None  #: None is the null sender
    rcpt_to: tuple[str, ...]
    client_ip: str
    helo: str
    octets: bytes
    wave: str  #: "ham", "bulk", "grey", "planted", "spam", "phish", "bec", "malware", "auth" or "trap"
    expect_action: tuple[str, ...]  #: any of "accept", "junk", "quarantine", "reject", "trap" (trap recipients only)
    expect_category: tuple[str, ...]  #: any of these
    expect_spf: str  #: of MAIL FROM
    expect_dkim: str  #: "pass" when any signature passes, "none" when there is none
    expect_dmarc: str
    expect_arc: str = "none"

    @property
    def is_planted(self) -> bool:
        """A good mail that is held on purpose, for somebody to find and release."""
        return self.wave == "planted"

    def is_met_by(self, action: str, category: str) -> bool:
        """Is this what a good gateway makes of the mail? ``action`` is "trap" when nobody but a trap was addressed."""
        return action in self.expect_action and category in self.expect_category


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody with a mailbox."""

    address: str
    name: str
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that the demo starts from."""

    samples: tuple[Sample, ...]
    zone: Zone
    zone_text: str  #: the same zone as TOML, for ``dns.zone``
    accounts: tuple[Account, ...]
    config: dict[str, Any]  #: for ``gateway.config.parse``, without folders and ports


def scenario(now: datetime, seed: int = 0) -> Scenario:
    """Build it all for this moment: mails are dated by ``now``, their identifiers follow from ``seed``."""
    now = now.astimezone(UTC)
    told = tomllib.loads(_text("scenario.toml"))
    zone_text, keys = _zone_with_keys(_text("zone.toml"))
    zone = Zone.parse(zone_text)
    signers = _Signers(zone, keys)
    return Scenario(
        tuple(_sample(row, now, seed, signers) for row in told["sample"]),
        zone,
        zone_text,
        tuple(Account(**row) for row in told["account"]),
        told["config"],
    )


@dataclass(frozen=True, slots=True)
class _Signers:
    """Finds the key that the zone publishes for a selector, so that the two cannot differ."""

    zone: Zone
    keys: tuple[Key, ...]

    def find(self, text: str) -> Signer:
        """ "s1@example.com" gives its signer. Raises KeyError for a selector without a record."""
        selector, _, domain = text.partition("@")
        name = f"{selector}._domainkey.{domain}"
        types = self.zone.names[name]
        records = types.get("TXT") or self.zone.names[types["CNAME"][0]]["TXT"]
        return Signer(selector, domain, next(key for key in self.keys if key.record == records[0]))


def _zone_with_keys(text: str) -> tuple[str, tuple[Key, ...]]:
    keys = {"@rsa@": rsa_key(), "@ed25519@": ed25519_key(), "@seal@": rsa_key()}
    for mark, key in keys.items():
        text = text.replace(mark, key.record)
    return text, tuple(keys.values())


def _sample(row: dict[str, Any], now: datetime, seed: int, signers: _Signers) -> Sample:
    octets = load(row["file"], now, seed, row.get("charset", "utf-8"))
    for name in row.get("sign", ()):
        octets = dkim_sign(octets, signers.find(name), now)
    if "list" in row:
        octets = _through_list(octets, signers.find(row["list"]), now)
    auth = row["auth"]
    return Sample(
        name=row["file"],
        title=row["title"],
        mail_from=row["from"] or None,
        rcpt_to=tuple(row["to"]),
        client_ip=row["client"],
        helo=row["helo"],
        octets=octets,
        wave=row["wave"],
        expect_action=tuple(row["action"]),
        expect_category=tuple(row["category"]),
        expect_spf=auth["spf"],
        expect_dkim=auth["dkim"],
        expect_dmarc=auth["dmarc"],
        expect_arc=auth.get("arc", "none"),
    )


def _through_list(octets: bytes, sealer: Signer, now: datetime) -> bytes:
    """As a list does it: a tag in the subject and a footer break the author's signature; the list seals what it saw."""
    changed = octets.replace(b"\r\nSubject: ", b"\r\nSubject: [crew] ", 1) + _FOOTER
    fields = (
        f"List-Id: {_LIST}\r\nList-Post: <mailto:crew@{sealer.domain}>\r\n"
        f"List-Unsubscribe: <mailto:crew-leave@{sealer.domain}>\r\nPrecedence: list\r\n"
    )
    seen = "spf=pass smtp.mailfrom=brightmail.test; dkim=pass header.d=brightmail.test; dmarc=pass"
    return arc_seal(fields.encode() + changed, sealer, now, f"{sealer.domain}; {seen}")


def _text(name: str) -> str:
    return (files("gateway.demo") / name).read_text("utf-8")
