"""Makes a digest fit the row it goes into: a mail with 5,000 recipients or 2,000 parts is no reason to refuse it.

What IMAP says about a mail can be rendered again from its octets, so that goes first and nothing is lost by it.
Lists are cut only when that is not enough.
"""

from collections.abc import Callable
from dataclasses import replace

import msgspec
from msgspec.structs import replace as with_fields

from store.mail.digest import Digest
from store.message.model import Address

ROW_OCTETS = 90_000  #: of the facts of a mail; the rest of its row is small (store.kv.contract.MAX_VALUE_OCTETS)

_MOST_ADDRESSES = 200
_FEW_ADDRESSES = 10
_ADDRESS_CHARS = 100
_IDS = 10
_ID_CHARS = 250

_encoder = msgspec.msgpack.Encoder()


def fitted(digest: Digest) -> Digest:
    """The same digest, or what of it fits. An empty ``imap_*`` field means: render it from the octets."""
    for step in _STEPS:
        if len(_encoder.encode(digest)) <= ROW_OCTETS:
            return digest
        digest = step(digest)
    return digest


def _without_structures(digest: Digest) -> Digest:
    return replace(digest, imap_body=b"", imap_bodystructure=b"")


def _without_envelope(digest: Digest) -> Digest:
    return replace(digest, imap_envelope=b"")


def _few_ids(digest: Digest) -> Digest:
    """The newest ids: threads are followed by those."""

    def kept(ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one for one in ids if len(one) <= _ID_CHARS)[-_IDS:]

    return replace(
        digest,
        message_ids=kept(digest.message_ids),
        in_reply_to=kept(digest.in_reply_to),
        references=kept(digest.references),
    )


def _fewer_addresses(digest: Digest) -> Digest:
    return replace(digest, addresses={name: found[:_MOST_ADDRESSES] for name, found in digest.addresses.items()})


def _without_parts(digest: Digest) -> Digest:
    """A multipart without parts: whoever wants one reads the octets."""
    return replace(digest, structure=with_fields(digest.structure, children=()))


def _few_addresses(digest: Digest) -> Digest:
    def kept(found: tuple[Address, ...]) -> tuple[Address, ...]:
        return tuple(Address(a.name[:_ADDRESS_CHARS], a.email[:_ADDRESS_CHARS]) for a in found[:_FEW_ADDRESSES])

    return replace(digest, addresses={name: kept(found) for name, found in digest.addresses.items()})


_STEPS: tuple[Callable[[Digest], Digest], ...] = (
    _without_structures,
    _without_envelope,
    _few_ids,
    _fewer_addresses,
    _without_parts,
    _few_addresses,
)
