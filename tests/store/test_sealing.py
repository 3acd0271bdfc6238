"""A sealed value opens with its key, at its place, unchanged, and in no other way."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import SealBroken, StoreError, WrongKey
from store.sealing import KeyRing, Place, header_of, rewrap, seal, unseal
from tests.store.ground import ROOT

OLD = b"o" * 32
NEW = b"n" * 32
RING = KeyRing({"old": OLD}, "old")
BOTH = KeyRing({"old": OLD, "new": NEW}, "new")
PLACE = Place("credential", "row-1", "sealed_values")
TEXT = "pässword \0 of some length".encode()


@given(st.binary(max_size=300))
def test_what_was_sealed_opens(plaintext: bytes) -> None:
    sealed = seal(RING, plaintext, PLACE)
    assert unseal(RING, sealed, PLACE) == plaintext
    assert len(plaintext) < 4 or plaintext not in sealed


def test_the_same_value_never_looks_the_same_twice() -> None:
    assert seal(RING, TEXT, PLACE) != seal(RING, TEXT, PLACE)


@pytest.mark.parametrize("change", [{"table": "secret"}, {"row": "row-2"}, {"field": "public"}])
def test_a_value_moved_elsewhere_does_not_open_and_the_error_names_the_place(change: dict[str, str]) -> None:
    elsewhere = dataclasses.replace(PLACE, **change)
    with pytest.raises(SealBroken, match=f"{elsewhere.table}.{elsewhere.field} of {elsewhere.row}") as caught:
        unseal(RING, seal(RING, TEXT, PLACE), elsewhere)
    assert caught.value.remedy
    with pytest.raises(SealBroken):
        rewrap(BOTH, seal(RING, TEXT, PLACE), elsewhere)


def test_places_that_read_the_same_when_joined_are_different_places() -> None:
    sealed = seal(RING, TEXT, Place("ab", "c", "d"))
    with pytest.raises(SealBroken):
        unseal(RING, sealed, Place("a", "bc", "d"))


def test_every_single_byte_counts() -> None:
    sealed = seal(RING, TEXT, PLACE)
    for at in range(len(sealed)):
        for flip in (0x01, 0x80):
            forged = sealed[:at] + bytes([sealed[at] ^ flip]) + sealed[at + 1 :]
            with pytest.raises(StoreError) as caught:
                unseal(RING, forged, PLACE)
            # With another key id, or length of it, it asks for a key that nobody has.
            assert isinstance(caught.value, SealBroken | WrongKey)
            assert isinstance(caught.value, SealBroken) or 3 <= at < 4 + len("old")


def test_a_shortened_or_lengthened_value_does_not_open() -> None:
    sealed = seal(RING, TEXT, PLACE)
    for end in range(len(sealed)):
        with pytest.raises(SealBroken):
            unseal(RING, sealed[:end], PLACE)
    with pytest.raises(SealBroken):
        unseal(RING, sealed + b"\0", PLACE)


def test_parts_of_two_values_at_the_same_place_do_not_make_a_third() -> None:
    first, second = seal(RING, TEXT, PLACE), seal(RING, TEXT, PLACE)
    cut = len(header_of("old")) + 12 + 48
    with pytest.raises(SealBroken):
        unseal(RING, first[:cut] + second[cut:], PLACE)


def test_an_unknown_key_id_is_a_wrong_key_and_a_false_key_of_that_id_a_broken_seal() -> None:
    sealed = seal(RING, TEXT, PLACE)
    with pytest.raises(WrongKey, match="'old'"):
        unseal(KeyRing({"new": NEW}, "new"), sealed, PLACE)
    with pytest.raises(SealBroken):
        unseal(KeyRing({"old": NEW}, "old"), sealed, PLACE)


def test_rewrapped_values_need_the_new_key_alone_and_keep_their_data() -> None:
    sealed = seal(RING, TEXT, PLACE)
    again = rewrap(BOTH, sealed, PLACE)
    only_new = KeyRing({"new": NEW}, "new")
    assert unseal(only_new, again, PLACE) == TEXT
    assert again.startswith(header_of("new"))
    data = len(sealed) - len(header_of("old")) - 60
    assert again[-data:] == sealed[-data:]
    with pytest.raises(WrongKey):
        unseal(RING, again, PLACE)


def test_a_ring_shows_no_key() -> None:
    shown = repr(BOTH) + str(BOTH)
    assert "ooo" not in shown
    assert "nnn" not in shown
    assert "new" in shown


@pytest.mark.parametrize(
    ("keys", "primary"),
    [({"a": OLD}, "b"), ({"a": OLD[:31]}, "a"), ({"": OLD}, ""), ({"x" * 33: OLD}, "x" * 33), ({"ä": OLD}, "ä")],
)
def test_an_impossible_ring_is_refused(keys: dict[str, bytes], primary: str) -> None:
    with pytest.raises(ValueError, match="key"):
        KeyRing(keys, primary)


def test_tables_are_imported_without_cryptography() -> None:
    script = "import sys, store.tables, store.sealing; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
