"""The store and its key: whether they are there, whole, and open each other."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from app.operations.backup import ACTION
from app.operations.context import Context
from providers.base import Check, CheckResult
from store import health, rekey, rotations, trail
from store.database import Store, Tx
from store.errors import KeyMissing, KeyUnusable, StoreError, WrongKey
from store.keyring import KeyPlaces, load_key_ring

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED
BEHIND, FAR_BEHIND = 5.0, 60.0
"""Seconds between two clocks that are worth a warning, or that rotations suffer from."""
STALE_DAYS = 7
"""How old a backup may be."""


def no_store(file: Path, places: KeyPlaces) -> list[Check]:
    """What to say where there is nothing to look into."""
    text = f"there is no store at {file} yet"
    try:
        key = load_key_ring(places)
    except StoreError as error:
        return [refused(error), Check("store", WARNING, text)]
    if key is None:
        create = "The first command creates it with its key: keyturn connections list"
        return [Check("key", PASSED, "none yet; it is created with the store"), Check("store", WARNING, text, create)]
    found = f"{key.source.text} (id {key.ring.primary}) is there, the store that it opens is not"
    remedy = "If it was lost: keyturn restore FILE. If it is elsewhere: set KEYTURN_HOME or KEYTURN_DATABASE_URL."
    return [Check("key", PASSED, found), Check("store", WARNING, text, remedy)]


def integrity(file: Path) -> Check:
    """Of a SQLite file, whether or not it opens as a store."""
    try:
        damage = health.damage(file)
    except StoreError as error:
        return Check("integrity", FAILED, error.message, error.remedy)
    if not damage:
        return Check("integrity", PASSED, "the database file is whole, and no row refers to one that is gone")
    return Check(
        "integrity",
        FAILED,
        "the database file is damaged: " + "; ".join(damage),
        "Restore it from a backup: keyturn restore FILE. Then check its disk.",
    )


def refused(error: StoreError) -> Check:
    """What kept the store from being opened."""
    title = "key" if isinstance(error, KeyMissing | KeyUnusable | WrongKey) else "store"
    return Check(title, FAILED, error.message, error.remedy)


def unopened(error: StoreError, places: KeyPlaces) -> list[Check]:
    """The same, and whether there is a key at all."""
    found = refused(error)
    if found.title == "key":
        return [found]
    try:
        key = load_key_ring(places)
    except StoreError as trouble:
        return [refused(trouble), found]
    if key is None:
        remedy = f"Put it back to {places.new_file} from the copy you kept, or set KEYTURN_KEY or KEYTURN_KEY_COMMAND."
        return [Check("key", WARNING, "there is none", remedy), found]
    text = f"{key.source.text} (id {key.ring.primary}) is there; whether it opens the store could not be tried"
    return [Check("key", PASSED, text), found]


def opened(store: Store) -> list[Check]:
    """The key opened the store's canary, or we would not be here."""
    former = len(store.keys.keys) - 1
    more = f", {former} former key{'s' if former > 1 else ''} in the ring" if former else ""
    return [
        Check("key", PASSED, f"{store.key_source.text} opens the store (id {store.keys.primary}{more})"),
        Check("store", PASSED, f"{store.location} has the format of this version"),
    ]


def sealed_values(tx: Tx) -> Check:
    broken = rekey.unreadable(tx)
    if not broken:
        return Check("sealed values", PASSED, "all of them open where they stand")
    named = ", ".join(broken[: health.MOST_NAMED])
    more = f" and {len(broken) - health.MOST_NAMED} more" if len(broken) > health.MOST_NAMED else ""
    return Check(
        "sealed values",
        FAILED,
        f"{len(broken)} of them were changed or moved and do not open: {named}{more}",
        "Restore the store from a backup: keyturn restore FILE. If nobody touched the database, check its disk.",
    )


def key_ring(tx: Tx) -> Check:
    if not rekey.unfinished(tx):
        return Check("key ring", PASSED, "everything is sealed with the present key")
    text = "a new key was made, and not everything has moved to it yet"
    return Check("key ring", WARNING, text, "Finish that: keyturn key rotate")


def history(tx: Tx) -> Check:
    verdict = trail.verify(tx)
    if not verdict.broken:
        return Check("history", PASSED, f"all {verdict.count} events are as they were written")
    remedy = "Somebody changed the database. Compare with a backup, and see who may write to it: keyturn events verify"
    return Check("history", FAILED, f"intact up to event {verdict.count}: {verdict.broken}", remedy)


def backups(tx: Tx, now: datetime) -> list[Check]:
    """Whether there is one that is not too old, once there is something to lose."""
    if not rotations.list_all(tx):
        return []
    newest = health.newest_event(tx, ACTION)
    remedy = "keyturn backup FILE, every day and after every new rotation; keep the key apart from it."
    if newest is None:
        return [Check("backup", WARNING, "the history knows of none made with keyturn backup", remedy)]
    days = (now - newest).days
    text = f"the newest one is of {newest:%Y-%m-%d %H:%M} UTC"
    return [Check("backup", PASSED, text) if days < STALE_DAYS else Check("backup", WARNING, text, remedy)]


def clock(tx: Tx, context: Context) -> Check:
    now = context.clock()
    remedy = "Set the clocks right (chrony or systemd-timesyncd): dates of rotations and leases depend on them."
    if tx.dialect == "postgresql":
        ahead = health.clock_ahead(tx, now)
        text = f"the database's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        return _clock(abs(ahead), text, remedy)
    newest = health.newest_event(tx)
    back = _seconds_since(now, newest)
    if newest is None or back <= BEHIND:
        return Check("clock", PASSED, "no event is dated later than now")
    text = f"the clock was set back: the newest event is of {newest:%Y-%m-%d %H:%M:%S} UTC, {back:.0f} s from now"
    return _clock(back, text, remedy)


def _clock(seconds: float, text: str, remedy: str) -> Check:
    if seconds <= BEHIND:
        return Check("clock", PASSED, text)
    return Check("clock", FAILED if seconds > FAR_BEHIND else WARNING, text, remedy)


def _seconds_since(now: datetime, moment: datetime | None) -> float:
    return (moment - now).total_seconds() if moment else 0.0
