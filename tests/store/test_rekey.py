"""Moving to a new key leaves nothing behind that needs the old one."""

from __future__ import annotations

import pytest

from store import connections, rekey, rotations, secrets
from store.database import Store, Tx
from store.errors import Conflict, SealBroken, WrongKey
from store.keyring import KeyPlaces, replace_key_file, with_new_primary
from store.sealing import KeyRing
from tests.store.conftest import Opener
from tests.store.ground import START, Ids, add_rotation, new_attempt, root_folder


def fill(tx: Tx) -> None:
    """Something in every sealed column."""
    add_rotation(tx)
    rotations.put_credential(
        tx,
        id="c0",
        rotation_id="r1",
        slot=0,
        public={},
        values={"password": "pw"},
        issued_at=START,
        expires_at=None,
        attempt_id="a1",
    )
    attempt = new_attempt(tx, "a1", "r1", 1)
    attempt.sealed_issued = tx.seal("issued", "attempt", "a1", "sealed_issued")
    new_attempt(tx, "a2", "r1", 2)
    secrets.reserve(tx, root_folder(tx).id, "r1", {"password": "PW"}, new_id=Ids(), now=START)
    secrets.put_values(tx, "r1", {"password": "first"}, "a1", START, new_id=Ids())
    secrets.put_values(tx, "r1", {"password": "second"}, "a1", START, new_id=Ids())


def everything(tx: Tx) -> list[object]:
    attempts = rotations.attempts(tx, "r1", 9)
    return [
        [connections.secret_credentials(tx, connection) for connection in connections.list_all(tx)],
        [rotations.credential_values(tx, row) for row in rotations.credentials(tx, "r1").values()],
        [tx.unseal(a.sealed_candidate, "attempt", a.id, "sealed_candidate") for a in attempts],
        [tx.unseal(a.sealed_issued, "attempt", a.id, "sealed_issued") for a in attempts if a.sealed_issued],
        secrets.values(tx, root_folder(tx).id),
    ]


@pytest.fixture
def former(store: Store, places: KeyPlaces) -> KeyRing:
    """The ring of a filled store, which then got a new primary key."""
    store.write(fill)
    ring = store.keys
    replace_key_file(places.default_file, with_new_primary(ring))
    assert store.reload_keys()
    assert not store.reload_keys()
    return ring


def rewrap_all(store: Store, limit: int) -> list[int]:
    done = []
    while count := store.write(lambda tx: rekey.rewrap_some(tx, limit)):
        done.append(count)
    return done


def test_all_values_move_in_batches_and_stay_what_they_were(
    store: Store, former: KeyRing, url: str, opener: Opener, places: KeyPlaces
) -> None:
    before = store.read(everything)
    store.write(rekey.vouch)
    store.write(rekey.vouch)
    assert rewrap_all(store, 2) == [2, 2, 2]
    assert store.read(everything) == before
    store.write(lambda tx: rekey.forget(tx, former.primary))

    primary = store.keys.primary
    replace_key_file(places.default_file, KeyRing({primary: store.keys.keys[primary]}, primary))
    assert opener(url).read(everything) == before
    replace_key_file(places.default_file, former)
    with pytest.raises(WrongKey):
        opener(url)


def test_a_key_in_use_is_not_forgotten(store: Store, former: KeyRing) -> None:
    store.write(rekey.vouch)
    store.write(lambda tx: rekey.rewrap_some(tx, 5))
    with pytest.raises(Conflict, match=former.primary):
        store.write(lambda tx: rekey.forget(tx, former.primary))
    with pytest.raises(ValueError, match="primary"):
        store.write(lambda tx: rekey.forget(tx, store.keys.primary))


def test_a_broken_value_stops_the_move_and_is_named(store: Store, former: KeyRing) -> None:
    def damage(tx: Tx) -> None:
        row = rotations.credentials(tx, "r1")[0]
        row.sealed_values = row.sealed_values[:40] + b"\0\0\0" + row.sealed_values[43:]

    store.write(damage)
    with pytest.raises(SealBroken, match=r"credential\.sealed_values of c0"):
        rewrap_all(store, 100)
