"""History, and what an unfinished wizard leaves."""

from __future__ import annotations

from store import drafts, events
from store.database import Store, Tx
from store.tables import Event
from tests.store.ground import START, Ids, later


def add_events(store: Store, count: int) -> list[int]:
    def act(tx: Tx) -> list[int]:
        for number in range(count):
            events.append(
                tx,
                at=later(number),
                actor="scheduler",
                action="rotate",
                result="success",
                subject=f"s{number}",
                rotation_id="r1" if number % 2 else None,
            )
        return [row.id or 0 for row in reversed(events.recent(tx, count))]

    return store.write(act)


def subjects(found: list[Event]) -> list[str]:
    return [event.subject for event in found]


def test_the_newest_come_first(store: Store) -> None:
    ids = add_events(store, 5)
    assert subjects(store.read(lambda tx: events.recent(tx, 2))) == ["s4", "s3"]
    assert subjects(store.read(lambda tx: events.recent(tx, 9, rotation_id="r1"))) == ["s3", "s1"]
    assert subjects(store.read(lambda tx: events.recent(tx, 9, after_id=ids[2]))) == ["s4", "s3"]
    assert store.read(lambda tx: events.recent(tx, 9, after_id=ids[4])) == []


def test_an_event_outlives_its_rotation_and_keeps_its_time(store: Store) -> None:
    add_events(store, 2)
    (newest, _) = store.read(lambda tx: events.recent(tx, 9))
    assert newest.rotation_id == "r1"  # there is no such rotation
    assert newest.at == later(1)


def test_long_texts_are_cut_to_their_columns(store: Store) -> None:
    store.write(
        lambda tx: events.append(
            tx,
            at=START,
            actor="ä" * 100,
            action="b" * 100,
            result="c" * 100,
            subject="d" * 200,
            message="nul \0" + "e" * 2000,
        )
    )
    (event,) = store.read(lambda tx: events.recent(tx, 1))
    lengths = [len(text) for text in (event.actor, event.action, event.result, event.subject, event.message)]
    assert lengths == [64, 64, 16, 128, 1024]
    assert event.actor == "ä" * 63 + "…"
    assert event.message.startswith("nul e")


def save(store: Store, ids: Ids, kind: str, step: int, data: dict[str, object], minutes: float) -> None:
    store.write(lambda tx: drafts.save(tx, kind, step=step, data=data, now=later(minutes), new_id=ids))


def test_a_draft_is_kept_replaced_and_discarded_by_kind(store: Store) -> None:
    ids = Ids()
    assert store.read(lambda tx: drafts.load(tx, "create")) is None
    save(store, ids, "create", 1, {"name": "a"}, 0)
    save(store, ids, "edit", 4, {"name": "b"}, 0)
    save(store, ids, "create", 2, {"name": "ä", "list": [1, None]}, 1)
    draft = store.read(lambda tx: drafts.load(tx, "create"))
    assert draft is not None
    assert (draft.step, draft.data, draft.updated_at) == (2, {"name": "ä", "list": [1, None]}, later(1))
    store.write(lambda tx: drafts.discard(tx, "create"))
    store.write(lambda tx: drafts.discard(tx, "create"))
    assert store.read(lambda tx: drafts.load(tx, "create")) is None
    assert store.read(lambda tx: drafts.load(tx, "edit")) is not None
