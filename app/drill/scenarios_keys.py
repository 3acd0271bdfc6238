"""What is played where a rotation makes new keys and removes old ones, all of one principal.

Each way of beginning and each call is covered once: what two scenarios have in common is played in one of them.
"""

from __future__ import annotations

from app.drill.scenarios import (
    Scenario,
    create,
    created,
    delete,
    half,
    hand_back,
    hand_over,
    handed_over,
    loop,
    move,
    nothing,
    once,
    overdue,
    rotate,
)
from app.drill.scratch import LOGIN

_ADDING = frozenset({"CreateAccessKey", "addPassword"})
_REMOVING = frozenset({"UpdateAccessKey", "DeleteAccessKey", "removePassword"})
_RUN = frozenset({"plan.recorded", "issue.called", "issue.recorded", "publish.uncommitted", "publish.recorded"})
_RESUMED = frozenset({"issue.before", "issue.called", "issue.recorded", "publish.recorded"})
_EDITED = frozenset({"edit.uncommitted", "edit.recorded", "issue.called", "publish.uncommitted", "publish.recorded"})
_RETIRED = frozenset({"retire.before", "retire.called", "retire.recorded", "retire.called#2"})
_MOVED = frozenset({"move.uncommitted", "move.recorded"})
_DELETED = frozenset({"delete.asked", "revoke.before", "revoke.called", "revoke.before#2", "revoke.called#2"})

KEYS = (
    Scenario(
        "create",
        nothing,
        create,
        intent="create.begun",
        only=_RUN | {"create.begun"},
        again=frozenset({"issue.called"}),
        calls=_ADDING,
        slots=1,
    ),
    Scenario(
        "scheduled run",
        overdue,
        loop,
        scheduled=True,
        loops=True,
        calls=_ADDING | _REMOVING | {LOGIN},
        asleep=("issue.called",),
    ),
    Scenario(
        "run by hand",
        created,
        rotate,
        intent="plan.recorded",
        only=_RUN,
        again=frozenset({"issue.called"}),
        asleep=("issue.before",),
    ),
    Scenario("resumed run", half(rotate), once, only=_RESUMED, calls=_ADDING | _REMOVING),
    Scenario(
        "edit to another one",
        created,
        hand_over,
        intent="edit.recorded",
        only=_EDITED,
        calls=_ADDING,
        heirs=True,
        former=2,
        slots=1,
    ),
    Scenario(
        "end of former keys",
        handed_over,
        loop,
        scheduled=True,
        loops=True,
        heirs=True,
        only=_RETIRED,
        calls=_REMOVING,
    ),
    Scenario(
        "edit back",
        handed_over,
        hand_back,
        intent="edit.recorded",
        only=_EDITED,
        former=1,
        slots=1,
    ),
    Scenario("move", created, move, intent="move.recorded", only=_MOVED, publications=0, moved=True),
    Scenario(
        "delete",
        created,
        delete,
        intent="delete.asked",
        only=_DELETED,
        again=frozenset({"revoke.called"}),
        calls=_REMOVING,
        publications=0,
        deletes=True,
        served=frozenset(
            {
                "delete.asked",
                "revoke.before",
                "revoke.called",
                "revoke.before#2",
                "UpdateAccessKey",
                "DeleteAccessKey",
                "removePassword",
            }
        ),
    ),
    Scenario(
        "delete half created",
        half(create),
        delete,
        intent="delete.asked",
        only=_DELETED,
        calls=_REMOVING,
        publications=0,
        deletes=True,
    ),
)
