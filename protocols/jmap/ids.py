"""Ids as clients see them. RFC 8620 §1.2 allows letters, digits, "-" and "_"."""

import re
from dataclasses import dataclass

from store.blob.contract import BlobId

_NUMBERED = re.compile(r"([AMET])([1-9][0-9]{0,18})")
_BLOB = re.compile(r"B([0-9a-f]{64})(?:-([0-9]{1,5}(?:_[0-9]{1,5}){0,100}))?")
_STATE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


def account_id(number: int) -> str:
    return f"A{number}"


def mailbox_id(number: int) -> str:
    return f"M{number}"


def email_id(number: int) -> str:
    return f"E{number}"


def thread_id(number: int) -> str:
    return f"T{number}"


def number_of(letter: str, text: str) -> int | None:
    """The number in an id of this kind, None for anything else."""
    match = _NUMBERED.fullmatch(text)
    return int(match[2]) if match and match[1] == letter else None


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A whole blob, or one decoded part of the mail in it."""

    blob: BlobId
    part: str = ""  #: section number such as "2.1", "" for all octets


def blob_id(blob: BlobId, part: str = "") -> str:
    return f"B{blob.hex()}-{part.replace('.', '_')}" if part else f"B{blob.hex()}"


def parse_blob_id(text: str) -> BlobRef | None:
    match = _BLOB.fullmatch(text)
    if match is None:
        return None
    return BlobRef(BlobId(bytes.fromhex(match[1])), (match[2] or "").replace("_", "."))


@dataclass(frozen=True, slots=True)
class State:
    """A point in the change log: after all of ``modseq``, or after its objects up to ``object_id`` only."""

    modseq: int
    object_id: int | None = None

    def __str__(self) -> str:
        return str(self.modseq) if self.object_id is None else f"{self.modseq}-{self.object_id}"


def parse_state(text: str) -> State | None:
    match = _STATE.fullmatch(text)
    if match is None:
        return None
    return State(int(match[1]), int(match[2]) if match[2] is not None else None)
