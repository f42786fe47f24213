"""Signed return paths: a report about mail we never sent cannot know the mark on our return addresses.

MAIL FROM ana@example.com leaves as prvs=KDDDSSSSSS=ana@example.com: K names the secret, DDD is the last day it is good
for, S a keyed digest (draft-levine-smtp-batv-01 §3; only we ever check it, so the digest is HMAC-SHA-256). Secrets are
kept in the store, which all nodes share, and change by themselves every thirty days.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from store.changes.engine import Store, StoreTxn
from store.kv.contract import ReadTxn
from store.schema import keys
from store.schema.rows import Reader, pack

DAY_MS = 86_400_000
CHANGE_MS = 30 * DAY_MS  #: how long one secret signs
KEPT = 6  #: secrets; more days than any mark is good for
_ROW = keys.meta("return-path-secrets")
_MARKED = re.compile(r"prvs=(\d)(\d{3})([0-9a-f]{6})=([^\x00-\x20\"]+)", re.IGNORECASE)
_LONGEST = 64 - len("prvs=0000000000=")  #: octets of a local part that leave room for a mark (RFC 5321 §4.5.3.1.1)

SIGNED, UNSIGNED, STRICT = "signed", "unsigned", "strict"


class Secret(msgspec.Struct, frozen=True, array_like=True):
    number: int  #: K
    octets: bytes
    since_ms: int


class Secrets(msgspec.Struct, frozen=True, array_like=True):
    """Newest first."""

    each: tuple[Secret, ...] = ()


_read = Reader(Secrets)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a forward path of ours says."""

    address: str  #: without a mark
    state: str = ""  #: of a report: signed, unsigned, strict (unsigned where such are refused); "" for other mail


class ReturnPaths:
    """Marks return addresses and reads the marks."""

    def __init__(self, store: Store, modes: Mapping[str, str], days: int, clock: Callable[[], datetime]) -> None:
        """``modes`` says "sign" or "strict" for each domain that takes part."""
        self._store = store
        self._modes = modes
        self._days = days
        self._clock = clock

    async def signed(self, mail_from: str) -> str:
        """The return address with its mark, or as it is where its domain takes no part. Raises StoreUnavailable."""
        local, _, domain = mail_from.rpartition("@")
        if domain.lower() not in self._modes or not _has_room(local):
            return mail_from
        now_ms = self._now_ms()
        secret = await self._store.read(lambda view: _newest(view.kv, now_ms))
        if secret is None:
            secret = await self._store.write(lambda txn: _changed(txn, now_ms))
        until = now_ms // DAY_MS + self._days
        return f"prvs={_mark(secret, until, mail_from)}={mail_from}"

    def look(self, kv: ReadTxn, address: str, *, is_report: bool) -> Looked:
        """Take the mark off an address of ours, and say what it is worth when the sender is the null sender."""
        local, _, domain = address.rpartition("@")
        mode = self._modes.get(domain.lower())
        if mode is None:
            return Looked(address)
        match = _MARKED.fullmatch(local)
        bare = f"{match[4]}@{domain}" if match else address
        if not is_report or not _has_room(bare.rpartition("@")[0]):
            return Looked(bare)
        if match and self._is_good(kv, match, bare):
            return Looked(bare, SIGNED)
        return Looked(bare, STRICT if mode == "strict" else UNSIGNED)

    def _is_good(self, kv: ReadTxn, match: re.Match[str], bare: str) -> bool:
        today = self._now_ms() // DAY_MS
        left = (int(match[2]) - today) % 1000
        known = [secret for secret in _known(kv).each if secret.number == int(match[1])]
        if not known or left > self._days:
            return False
        mark = _mark(known[0], today + left, bare)
        return hmac.compare_digest(mark.encode(), f"{match[1]}{match[2]}{match[3].lower()}".encode())

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


def _has_room(local: str) -> bool:
    return bool(local) and local.isascii() and '"' not in local and len(local) <= _LONGEST


def _known(kv: ReadTxn) -> Secrets:
    row = kv.get(_ROW)
    return _read(row) if row is not None else Secrets()


def _newest(kv: ReadTxn, now_ms: int) -> Secret | None:
    """The secret that signs now; None when it is time for another."""
    newest = next(iter(_known(kv).each), None)
    return newest if newest is not None and now_ms - newest.since_ms < CHANGE_MS else None


def _changed(txn: StoreTxn, now_ms: int) -> Secret:
    """A new secret, unless somebody else was first."""
    found = _newest(txn.kv, now_ms)
    if found is not None:
        return found
    known = _known(txn.kv).each
    number = (known[0].number + 1) % 10 if known else 0
    made = Secret(number, secrets.token_bytes(32), now_ms)
    txn.kv.put(_ROW, pack(Secrets((made, *known[: KEPT - 1]))))
    return made


def _mark(secret: Secret, until_day: int, address: str) -> str:
    head = f"{secret.number}{until_day % 1000:03}"
    digest = hmac.new(secret.octets, f"{head}{address.lower()}".encode(), hashlib.sha256).hexdigest()
    return head + digest[:6]
