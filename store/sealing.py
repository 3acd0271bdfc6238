"""Sealing of values at rest: AES-256-GCM, a key of its own for every value, wrapped by a key of the ring.

Pure: bytes in, bytes out. A sealed value opens only at the place it was sealed for, so whoever writes to the
database cannot pass one value off as another. Layout:

    "KT1" | length of key id | key id | nonce 12 | wrapped data key 48 | nonce 12 | ciphertext and tag

Re-wrapping replaces all before the second nonce; the data itself stays as it is.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from store.errors import SealBroken, WrongKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
KEY_ID_MAX = 32
_MAGIC = b"KT1"
_NONCE = 12
_WRAPPED = KEY_BYTES + 16


@dataclass(frozen=True)
class KeyRing:
    """The keys that may open values, by key id; new values are sealed with the primary one."""

    keys: Mapping[str, bytes] = field(repr=False)
    primary: str

    def __post_init__(self) -> None:
        if self.primary not in self.keys:
            raise ValueError("the primary key is not among the keys")
        for kid, key in self.keys.items():
            if not (kid.isascii() and kid.isprintable() and 1 <= len(kid) <= KEY_ID_MAX):
                raise ValueError(f"a key id is 1 to {KEY_ID_MAX} plain characters")
            if len(key) != KEY_BYTES:
                raise ValueError(f"key {kid} is not {KEY_BYTES} bytes long")

    @functools.cached_property
    def ciphers(self) -> Mapping[str, AESGCM]:
        """By key id; made once, since making one takes longer than using it."""
        return {kid: _aead()(key) for kid, key in self.keys.items()}


@dataclass(frozen=True)
class Place:
    """Where a sealed value stands: table, primary key of the row, column."""

    table: str
    row: str
    field: str

    def __str__(self) -> str:
        return f"{self.table}.{self.field} of {self.row}"


class _Parts(NamedTuple):
    kid: str
    header: bytes
    wrap_nonce: bytes
    wrapped: bytes
    body: bytes


def seal(ring: KeyRing, plaintext: bytes, place: Place) -> bytes:
    data_key, nonce = os.urandom(KEY_BYTES), os.urandom(_NONCE)
    body = nonce + _aead()(data_key).encrypt(nonce, plaintext, _bound(b"value", _MAGIC, place))
    return _wrap(ring, data_key, place) + body


def unseal(ring: KeyRing, sealed: bytes, place: Place) -> bytes:
    """Raises WrongKey when the ring lacks the key, SealBroken when the value was changed or moved here."""
    parts = _split(sealed, place)
    data_key = _unwrap(ring, parts, place)
    nonce, ciphertext = parts.body[:_NONCE], parts.body[_NONCE:]
    try:
        return _aead()(data_key).decrypt(nonce, ciphertext, _bound(b"value", _MAGIC, place))
    except _invalid_tag():
        raise _broken(place) from None


def rewrap(ring: KeyRing, sealed: bytes, place: Place) -> bytes:
    """The same value under the ring's primary key. The value itself is never decrypted."""
    parts = _split(sealed, place)
    return _wrap(ring, _unwrap(ring, parts, place), place) + parts.body


def header_of(kid: str) -> bytes:
    """What every value sealed with this key begins with."""
    encoded = kid.encode("ascii")
    return _MAGIC + bytes([len(encoded)]) + encoded


def _wrap(ring: KeyRing, data_key: bytes, place: Place) -> bytes:
    header = header_of(ring.primary)
    nonce = os.urandom(_NONCE)
    return header + nonce + ring.ciphers[ring.primary].encrypt(nonce, data_key, _bound(b"key", header, place))


def _unwrap(ring: KeyRing, parts: _Parts, place: Place) -> bytes:
    cipher = ring.ciphers.get(parts.kid)
    if cipher is None:
        raise WrongKey(
            f"The key ring lacks the key {parts.kid!r} that {place} is sealed with.",
            remedy="Use the key ring of this store; it must still hold every key it ever had.",
        )
    try:
        return cipher.decrypt(parts.wrap_nonce, parts.wrapped, _bound(b"key", parts.header, place))
    except _invalid_tag():
        raise _broken(place) from None


def _split(sealed: bytes, place: Place) -> _Parts:
    start = len(_MAGIC) + 1
    if sealed[: len(_MAGIC)] != _MAGIC or len(sealed) < start:
        raise _broken(place)
    end = start + sealed[start - 1]
    kid = sealed[start:end]
    shortest = end + _NONCE + _WRAPPED + _NONCE + 16
    if not kid.isascii() or len(sealed) < shortest:
        raise _broken(place)
    cut = end + _NONCE
    return _Parts(
        kid.decode("ascii"),
        sealed[:end],
        sealed[end:cut],
        sealed[cut : cut + _WRAPPED],
        sealed[cut + _WRAPPED :],
    )


def _bound(purpose: bytes, header: bytes, place: Place) -> bytes:
    # Each part is preceded by its length, so no two places share their bytes.
    parts = (purpose, header, place.table.encode(), place.row.encode(), place.field.encode())
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


@functools.cache
def _aead() -> type[AESGCM]:
    """Imported on use, once: most runs of Keyturn open nothing, and a server opens values all the time."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag


def _broken(place: Place) -> SealBroken:
    return SealBroken(
        f"The sealed value {place} does not open: it was changed, or moved there from another place.",
        remedy="Restore the store from a backup. If nobody touched the database, check its disk.",
    )
