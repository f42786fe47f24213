"""Names for people in the audit trail: a random token each, whose meaning can be erased while the seals still hold."""

import base64
import re
import secrets
from collections.abc import Iterator

from store.kv.contract import ReadTxn, WriteTxn
from store.schema import keys

_TOKEN_OCTETS = 16
_LONGEST = 320  #: characters of an address that tell one person from another
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'@]+@[^\s<>()\[\],;:\"'@]+")
_TOKEN = re.compile(r"p:[a-z2-7]{26}")


def pseudonym(txn: WriteTxn, address: str) -> str:
    """The person's token, made at the first mention; it says nothing without the row that leads back."""
    who = _clean(address).lower()[:_LONGEST]
    token = txn.get(keys.PSEUDONYM + who.encode())
    if token is None:
        token = secrets.token_bytes(_TOKEN_OCTETS)
        txn.put(keys.PSEUDONYM + who.encode(), token)
        txn.put(keys.PERSON + token, who.encode())
    return _text(token)


def known_pseudonym(txn: ReadTxn, address: str) -> str | None:
    """The person's token; None when the trail does not know them (any more)."""
    token = txn.get(keys.PSEUDONYM + _clean(address).lower()[:_LONGEST].encode())
    return _text(token) if token is not None else None


def hide(txn: WriteTxn, text: str) -> str:
    """A text with every address in it replaced by its token: whatever a caller writes, no address is sealed."""
    return _ADDRESS.sub(lambda found: pseudonym(txn, found[0]), _clean(text)) if "@" in text else _clean(text)


def tell(txn: ReadTxn, text: str) -> str:
    """A text with its tokens replaced by addresses, as far as they may still be told."""

    def name(found: re.Match[str]) -> str:
        who = txn.get(keys.PERSON + _token(found[0]))
        return who.decode() if who is not None else f"(erased {found[0][2:8]})"

    return _TOKEN.sub(name, text) if "p:" in text else text


def known(txn: ReadTxn) -> Iterator[tuple[str, bytes]]:
    """Everybody the trail can name, with their tokens."""
    for key, token in txn.scan(keys.PSEUDONYM, keys.prefix_end(keys.PSEUDONYM)):
        yield key[len(keys.PSEUDONYM) :].decode(), token


def erase(txn: WriteTxn, address: str) -> bool:
    """Forget whom a token means, for good; False when nobody knew. The next mention makes a new token."""
    key = keys.PSEUDONYM + address.encode()
    token = txn.get(key)
    if token is not None:
        txn.delete(key)
        txn.delete(keys.PERSON + token)
    return token is not None


def _text(token: bytes) -> str:
    return "p:" + base64.b32encode(token).decode().rstrip("=").lower()


def _token(text: str) -> bytes:
    return base64.b32decode(text[2:].upper() + "=" * 6)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
