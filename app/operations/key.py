"""The key of the store: where it comes from, and moving everything to a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.errors import Busy, UsageError
from app.operations.context import Context
from app.rotation.failpoints import reached
from store import events, rekey
from store.database import Tx
from store.keyring import (
    KeyOrigin,
    changing_key_file,
    replace_key_file,
    with_new_primary,
    write_key_file,
)

ACTION = "rotate-store-key"
BATCH = 200
"""How many values move in one transaction: others have their turn in between."""

PLACES = {
    KeyOrigin.ENVIRONMENT: "in KEYTURN_KEY, wherever that is set",
    KeyOrigin.COMMAND: "where the command in KEYTURN_KEY_COMMAND reads it",
    KeyOrigin.SYSTEMD: "in the systemd credential (systemd-creds encrypt --name=keyturn.key FILE ...)",
    KeyOrigin.FILE: "in the key file of every machine",
}


@dataclass(frozen=True)
class KeyView:
    """Never the key itself. `id` is its fingerprint; `values`: how many values each key seals."""

    origin: str
    where: str
    id: str
    former: tuple[str, ...]
    """Still in the ring: what they sealed, such as older backups, can be opened."""
    values: Mapping[str, int]
    finished: bool
    """False while something in the store needs a former key."""


@dataclass(frozen=True)
class Rotated:
    """`id`: the present key's. `values`: how many values were moved to it. `resumed`: what was begun was finished."""

    id: str
    former: tuple[str, ...]
    values: int
    resumed: bool


async def show(context: Context) -> KeyView:
    store = context.store
    values = await store.aread(rekey.sealed_with)
    ring, source = store.keys, store.key_source
    return KeyView(
        origin=source.origin.value,
        where=source.text,
        id=ring.primary,
        former=tuple(kid for kid in ring.keys if kid != ring.primary),
        values=values,
        finished=set(values) == {ring.primary},
    )


def rotate(context: Context) -> Rotated:
    """A new key for everything; or, where that was begun, the rest of it. May die anywhere: every value opens with the
    ring at every moment, and the next call goes on.

    Raises UsageError where the key is not in a file that may be written, Busy, StoreError.
    """
    store = context.store
    path = store.key_source.path
    if path is None:
        if store.read(rekey.unfinished):
            return _finish(context, resumed=True)
        raise _by_hand(store.key_source.origin)
    with changing_key_file(path) as alone:
        if not alone:
            raise Busy("Somebody else is rotating the key right now; nothing was done.", remedy="Wait for that to end.")
        store.reload_keys()
        if store.read(rekey.unfinished):
            return _finish(context, resumed=True)
        replace_key_file(path, with_new_primary(store.keys))
        reached("key.replaced")
        store.reload_keys()
        return _finish(context, resumed=False)


def prepare(context: Context, file: Path) -> str:
    """Write a ring with a new key to a file, for a place that Keyturn cannot write to; what is to be done with it.

    Raises UsageError, KeyUnusable.
    """
    store = context.store
    if store.read(rekey.unfinished):
        raise UsageError(
            "A new key is in use already, but not all values have moved to it.", remedy="keyturn key rotate"
        )
    ring = with_new_primary(store.keys)
    if not write_key_file(file.absolute(), ring):
        raise UsageError(f"{file} is there already.", remedy="Take another name.")
    place = PLACES[store.key_source.origin]
    return (
        f"Wrote a key ring with the new key {ring.primary} to {file}; it holds the present key as well.\n"
        f"1. Put its content {place}.\n"
        "2. Run keyturn key rotate once: it moves everything to the new key. Then restart whatever runs.\n"
        f"3. Delete {file}."
    )


def _finish(context: Context, *, resumed: bool) -> Rotated:
    store = context.store
    store.write(rekey.vouch)
    moved = 0
    while count := store.write(lambda tx: rekey.rewrap_some(tx, BATCH)):
        moved += count
        reached("key.moved")
    former = tuple(kid for kid in store.keys.keys if kid != store.keys.primary)

    def end(tx: Tx) -> None:
        for kid in former:
            rekey.forget(tx, kid)
        events.append(
            tx,
            at=context.clock(),
            actor=context.actor,
            action=ACTION,
            result="success",
            subject=store.keys.primary,
            message=f"Everything is sealed with the key {store.keys.primary} now.",
        )

    store.write(end)
    reached("key.done")
    return Rotated(store.keys.primary, former, moved, resumed)


def _by_hand(origin: KeyOrigin) -> UsageError:
    return UsageError(
        f"The key comes from a place that Keyturn cannot write to ({origin.value}).",
        remedy="Write a ring with a new key to a file: keyturn key rotate --to FILE\n"
        f"Put its content {PLACES[origin]}, then run keyturn key rotate again.",
    )
