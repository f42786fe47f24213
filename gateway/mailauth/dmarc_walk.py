"""Finds DMARC records and organisational domains by walking up the DNS. RFC 9989 §4.10."""

import asyncio
from dataclasses import dataclass

from gateway.dns.resolver import Answer, Resolver
from gateway.mailauth.dmarc_record import DmarcRecord, is_dmarc, is_loaded, read_record

MAX_QUERIES = 8  #: RFC 9989 §4.10
_KEPT_LABELS = MAX_QUERIES - 1


@dataclass(frozen=True, slots=True)
class Found:
    """A record and the domain that publishes it."""

    domain: str
    record: DmarcRecord


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk from ``start`` up to the root met."""

    start: str
    found: tuple[Found, ...] = ()  #: the longest domain first
    is_unknown: bool = False  #: some step could not be answered
    start_is_unknown: bool = False  #: the first step could not be answered
    start_exists: bool = True  #: the first step did not say that nothing is there
    start_is_unusable: bool = False  #: the first step met one record that asks for nothing (RFC 9989 §4.10.1)

    @property
    def has_record(self) -> bool:
        return bool(self.found)

    @property
    def organisational_domain(self) -> str:
        """RFC 9989 §4.10.2."""
        for one in self.found:
            if one.record.psd == "n":
                return one.domain
            if one.record.psd == "y" and one.domain != self.start:
                return _one_below(one.domain, self.start)
        return self.found[-1].domain if self.found else self.start

    def policy_record(self) -> Found | None:
        """Of the author's domain, else the organisational domain's, else the suffix operator's. RFC 9989 §4.10.1."""
        by_domain = {one.domain: one for one in self.found}
        operator = next((one for one in self.found if one.record.psd == "y"), None)
        return by_domain.get(self.start) or by_domain.get(self.organisational_domain) or operator


def targets(domain: str) -> tuple[str, ...]:
    """Domains to ask, at most eight, however many labels the name has."""
    labels = domain.split(".")
    above = [".".join(labels[-count:]) for count in range(min(len(labels) - 1, _KEPT_LABELS), 0, -1)]
    return (domain, *above)


async def walk(start: str, resolver: Resolver) -> Walk:
    """Walk up from a normal name. Never raises for what the DNS says."""
    found: list[Found] = []
    start_status: Answer | None = None
    is_unknown = False
    for domain in targets(start):
        answer = await resolver.query(f"_dmarc.{domain}", "TXT")
        start_status = start_status or answer
        is_unknown = is_unknown or answer.is_temporary
        text = _only_text(answer)
        record = await _read(text) if text else None
        if record is None and text and domain == start:
            return Walk(start, start_is_unusable=True)
        if record is not None:
            found.append(Found(domain, record))
            if record.psd in ("y", "n"):
                break
    assert start_status is not None
    return Walk(start, tuple(found), is_unknown, start_status.is_temporary, start_status.status.value != "nxdomain")


def _only_text(answer: Answer) -> bytes:
    """The record of a name, b"" without one; a name with several has none. RFC 9989 §4.10, step 2."""
    texts = [text for text in answer.txt() if is_dmarc(text)]
    return texts[0] if len(texts) == 1 else b""


async def _read(text: bytes) -> DmarcRecord | None:
    if is_loaded():
        return read_record(text)
    return await asyncio.to_thread(read_record, text)  # imports checkdmarc, which takes up to a second


def _one_below(parent: str, start: str) -> str:
    """The ancestor of ``start``, or itself, that is one label longer than ``parent``."""
    count = parent.count(".") + 2
    return ".".join(start.split(".")[-count:])
