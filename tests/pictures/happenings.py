"""What happened beside the rotations themselves, written down for pictures: deliveries, and an emergency."""

from __future__ import annotations

from datetime import timedelta

from store import deliveries, hooks, outbox, rotations
from store.database import Tx
from store.jobs import EMERGENCY
from store.tables import Attempt, Delivery, Hook
from tests.pictures.stock import NOW, add_attempt


def tell(tx: Tx, count: int = 1) -> None:
    """A hook in a chat that no longer exists, and so many rounds of what was to be told to it, ten minutes apart."""
    hook = Hook(
        id="hook", name="ops-chat", kind="webhook", shown="https://chat.example.com", sealed_action=b"", created_at=NOW
    )
    hooks.add(tx, hook, {"url": "unused", "signing_key": ""})
    gone = "HTTP 410 Gone: this address is no longer in use"
    for number in reversed(range(count)):
        at = NOW - number * timedelta(minutes=10)
        for name, event, state, tries, answer in (
            ("billing", outbox.PUBLISHED, deliveries.DONE, 1, "HTTP 200"),
            ("deploy-bot", outbox.EXPIRING, deliveries.DROPPED, 2, gone),
            ("ledger", outbox.FAILED, deliveries.GIVEN_UP, 27, gone),
            ("checkout", outbox.PUBLISHED, outbox.WAITING, 3, gone),
        ):
            told = {"rotation": {"name": name}, "changed": [], "message": f"{name}: {event}", "count": 1}
            tx.session.add(
                Delivery(
                    hook_id=hook.id,
                    rotation_id="gone",
                    event=event,
                    event_id="",
                    at=at,
                    facts=told,
                    state=state,
                    attempts=tries,
                    since=at,
                    due_at=NOW + timedelta(minutes=8),
                    answer=answer,
                )
            )
    tx.session.flush()


def renew_both(tx: Tx, name: str) -> None:
    """An emergency, two minutes ago: one session could not be ended."""
    rotation = next(row for row in rotations.list_all(tx) if row.name == name)
    asked_at = NOW - timedelta(minutes=2)
    psql = {"who": "psql", "where": "10.0.0.7", "count": 2, "since": None}
    stays = {"who": "reporting", "where": "10.0.0.9", "count": 1, "since": None}
    mends = {"reason": "keyturn may not end sessions of others.", "remedy": "GRANT pg_signal_backend TO keyturn;"}
    for slot, identity, sessions in (
        (0, "app_user_1", {}),
        (1, "app_user_2", {"ended": [psql], "left": [stays], **mends}),
    ):
        at = asked_at + slot * timedelta(milliseconds=40)
        attempt = tx.session.get_one(Attempt, add_attempt(tx, rotation, slot, at, f"renewed-{slot}"))
        attempt.trigger, attempt.actor, attempt.scheduled_for = EMERGENCY, "tui:anna", asked_at
        plan, *rest = attempt.steps
        ended = {"step": "sessions", "started_at": at.isoformat(), "ms": 9.3, "tries": 1, "detail": sessions}
        attempt.steps = [
            {**plan, "detail": {"replaces": {"username": identity}}},
            *rest,
            *([ended] if sessions else []),
        ]
    tx.session.flush()
