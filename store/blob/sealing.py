"""Frames under a key that only the server holds: AES-256-GCM, each frame bound to its place in its blob.

A sealed frame: the octet 2, the key's id (8 octets), a random nonce (12), the packed frame encrypted, its tag (16).
Authenticated with it are the blob's address, the frame's index and the number of frames, so that frames can be
neither swapped nor left out. Random nonces carry 2^32 frames a key (NIST SP 800-38D §8.3): change keys before.
"""

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.blob.contract import BlobId
from store.blob.frames import FrameDamaged
from store.kv.contract import StoreError

SEALED = 2  #: the first octet of a sealed frame; 0 and 1 are frames in clear
KEY_ID_OCTETS = 8
KEY_OCTETS = 32
_NONCE_OCTETS = 12
OVERHEAD_OCTETS = 1 + KEY_ID_OCTETS + _NONCE_OCTETS + 16
_PLACE = struct.Struct(">II")  # index, count
_WORD = "mailward-key"


class KeyFileWrong(StoreError):
    """The keys that were given cannot be used."""


class KeyMissing(StoreError):
    """Something is sealed under a key that was not given."""


class Keyring:
    """The keys of blobs. The first one writes, all of them read; without any, blobs are kept in clear."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self.current = key_id(keys[0]) if keys else b""  #: the id of the key that writes; empty: in clear

    @property
    def ids(self) -> frozenset[bytes]:
        return frozenset(self._ciphers)

    def seal(self, frame: bytes, blob: BlobId, index: int, count: int) -> bytes:
        """A packed frame as it is kept: sealed under the current key, or as it is without one."""
        if not self.current:
            return frame
        nonce = os.urandom(_NONCE_OCTETS)
        sealed = self._ciphers[self.current].encrypt(nonce, frame, blob + _PLACE.pack(index, count))
        return bytes([SEALED]) + self.current + nonce + sealed

    def unseal(self, frame: bytes, blob: BlobId, index: int, count: int, *, may_be_clear: bool) -> bytes:
        """The packed frame. Raises FrameDamaged when it is not that frame of that blob, KeyMissing."""
        if frame[:1] != bytes([SEALED]):
            if not may_be_clear:
                raise FrameDamaged("it is not encrypted, and should be")
            return frame
        name, rest = frame[1 : 1 + KEY_ID_OCTETS], frame[1 + KEY_ID_OCTETS :]
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise KeyMissing(missing_sentence([name]))
        try:
            return cipher.decrypt(rest[:_NONCE_OCTETS], rest[_NONCE_OCTETS:], blob + _PLACE.pack(index, count))
        except (InvalidTag, ValueError) as error:
            raise FrameDamaged("it is not what was encrypted under its key") from error


IN_CLEAR = Keyring()


def missing_sentence(names: Sequence[bytes]) -> str:
    shown = ", ".join(sorted(name.hex() for name in names))
    return f"mail is encrypted under key {shown}, which is not among the keys given: put it back into store.key_file"


def key_of_frame(frame: bytes) -> bytes:
    """The id of the key a frame is sealed under; empty for one in clear."""
    return frame[1 : 1 + KEY_ID_OCTETS] if frame[:1] == bytes([SEALED]) else b""


def key_id(key: bytes) -> bytes:
    """A key's name, which tells nothing about it and so can stand in the store."""
    return hashlib.sha256(b"mailward blob key id\x00" + key).digest()[:KEY_ID_OCTETS]


def new_key() -> str:
    """A new key as a line for the key file: a word, its id, itself."""
    return written(os.urandom(KEY_OCTETS))


def written(key: bytes) -> str:
    return f"{_WORD} {key_id(key).hex()} {base64.b64encode(key).decode()}"


def read_keys(text: str) -> Keyring:
    """Keys as ``new_key`` writes them, one a line, the one that writes first; "#" begins a comment.

    Raises KeyFileWrong, which never shows a key.
    """
    keys: list[bytes] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            keys.append(_read_key(words, number))
    if not keys:
        raise KeyFileWrong("there is no key in it; `mailward store key` makes one")
    return Keyring(keys)


def _read_key(words: list[str], number: int) -> bytes:
    if len(words) != 3 or words[0] != _WORD:
        raise KeyFileWrong(f"line {number} is no key; `mailward store key` prints such a line")
    try:
        key = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_OCTETS or key_id(key).hex() != words[1]:
        raise KeyFileWrong(f"the key on line {number} is mistyped or cut: it is not the one its id {words[1]} names")
    return key
