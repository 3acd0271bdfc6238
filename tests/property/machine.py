"""The state machine: what people, schedulers, targets, clocks and accidents do to Keyturn, in any order."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlmodel import col, update

from app.errors import Busy, InvalidInput, Postponed, RotationFailed
from app.service import Service
from providers.base import Use
from store.database import Tx
from store.errors import LeaseBusy, LeaseLost, StoreUnavailable
from store.tables import Rotation
from tests.property.process import Process, fresh_home, memory, target_installed
from tests.property.target import KINDS, Death, Place, Troubles
from tests.property.truth import Truth
from tests.rotation.conftest import Clock
from tests.rotation.model import WORLDS

USERS = ("ann", "bob", "cid", "dan", "eve")
"""Of passwords; keys are made for the others."""
KEY_USERS = ("kay", "ken", "kim", "kit")
STRANGER = "zoe"
KINDS_OF_ROTATION = {"model-passwords": USERS, "model-keys": KEY_USERS}
PLACES = (("dev", "/"), ("prod", "/"), ("dev", "/deep/er"))
HOUR = timedelta(hours=1)
STEPS_FORWARD = tuple(HOUR * hours for hours in (0.02, 1, 12, 24, 24 * 8, 24 * 31, 24 * 100))
STEPS_BACK = tuple(HOUR * hours for hours in (0.02, 5, 24 * 40))
WORDS = ("USER", "PASSWORD", "LOGIN", "KEY")
REFUSALS = (RotationFailed, Postponed, Busy, LeaseBusy, InvalidInput, StoreUnavailable, LeaseLost, ZeroDivisionError)

picks = st.tuples(st.integers(0, 3), st.integers(1, 3)).map(lambda n: (n[0], (n[0] + n[1]) % 4))
"""Two different users, by their numbers."""
numbers = st.integers(0, 2)

Work = Callable[[Service], Coroutine[Any, Any, Any]]


async def outcome_of(process: Process, work: Work) -> BaseException | None:
    """What a process ended with, if that is a death or a refusal that may be."""
    try:
        await process.run(work)
    except (Death, *REFUSALS) as ended:
        return ended
    return None


def _parameters(kind: str, users: tuple[int, int]) -> dict[str, str]:
    names = KINDS_OF_ROTATION[kind]
    return {"username1": names[users[0]], "username2": names[users[1]]}


class Machine(RuleBasedStateMachine):
    """`schedules` counts how many were begun, `steps` how many steps they had."""

    schedules: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Machine.schedules += 1
        self._installed = target_installed()
        self._installed.__enter__()
        self._home = tempfile.TemporaryDirectory(prefix="keyturn-machine-", dir=memory())
        fresh_home(Path(self._home.name))
        self._runner = asyncio.Runner()
        self._runner.get_loop().set_exception_handler(lambda *_: None)  # the dead do not complain
        self.troubles = Troubles()
        self.place = Place(troubles=self.troubles)
        self.truth = Truth(self.place)
        self.clock = Clock()
        self.latest = self.clock.now
        self.dead: set[str] = set()
        self._seeds = itertools.count()
        self._names = itertools.count()
        WORLDS[self._world] = self.place
        for user in USERS:
            self.place.logins[user] = {"temporary"}
        for user in (STRANGER, *KEY_USERS):
            self.place.give((user, "a stranger's"))
        self.process = self._start()
        self.began = self.clock.now
        self._act(self._connect)

    @property
    def _world(self) -> str:
        return f"world-{id(self)}"

    def _start(self) -> Process:
        return Process(Path(self._home.name), self.clock, self.troubles, next(self._seeds))

    async def _connect(self, service: Service) -> None:
        body = {"name": "model", "method": "token", "credentials": {"world": self._world, "token": "admin-token-1"}}
        await service.connections.add("model", body)

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            self._runner.run(self.process.close())
            self._runner.close()
            self._home.cleanup()
            WORLDS.pop(self._world, None)
            self._installed.__exit__(None, None, None)

    # What may happen in one step.

    def _act(self, work: Work) -> BaseException | None:
        """Let the living process do something. What it refused with, if it is a refusal that may be."""
        outcome = self._runner.run(outcome_of(self.process, work))
        if isinstance(outcome, Busy | LeaseBusy):
            assert self.dead, "busy, and nobody else is there"
        self._after(self.process)
        return outcome

    def _after(self, process: Process) -> None:
        self._acted = True
        if process.dead or process.cut_off:  # it could not even give its lease back
            self.dead.add(process.owner)
        if process.dead and process is self.process:
            self._runner.run(process.close())
            self.process = self._start()

    def _rotations(self) -> list[str]:
        return sorted(self.truth.looks)

    def _pick(self, number: int) -> str:
        found = self._rotations()
        return found[number % len(found)]

    def _any(self) -> bool:
        return bool(self.truth.looks)

    @initialize(kind=st.sampled_from(["model-passwords", "model-keys"]), auto=st.booleans())
    def begin(self, kind: str, auto: bool) -> None:
        self._create(kind, (0, 1), 30, auto, "warn")

    @rule(
        kind=st.sampled_from(["model-passwords", "model-keys"]),
        users=picks,
        days=st.sampled_from([1, 7, 30]),
        auto=st.booleans(),
        guard=st.sampled_from(["warn", "wait", "off"]),
    )
    def create(self, kind: str, users: tuple[int, int], days: int, auto: bool, guard: str) -> None:
        if len(self.truth.looks) < 3:
            self._create(kind, users, days, auto, guard)

    def _create(self, kind: str, users: tuple[int, int], days: int, auto: bool, guard: str) -> None:
        number = next(self._names)
        body = {
            "name": f"app-{number}",
            "projectId": "default",
            "connectionId": "model",
            "environment": "dev",
            "secretPath": "/",
            "rotationInterval": days,
            "rotateAtUtc": {"hours": 12, "minutes": 0},
            "isAutoRotationEnabled": auto,
            "parameters": _parameters(kind, users),
            "secretsMapping": {"username": f"USER_{number}", "password": f"PASSWORD_{number}"},
            "guard": {"policy": guard},
        }
        self._act(lambda service: service.creation.create(kind, body))

    @rule()
    def loop(self) -> None:
        """The scheduler does what is due."""
        self._act(lambda service: service.scheduler().run_once())

    @rule()
    def two_loops(self) -> None:
        """Two schedulers at once."""
        other = self._start()

        async def both() -> None:
            await asyncio.gather(
                *(
                    outcome_of(process, lambda service: service.scheduler().run_once())
                    for process in (self.process, other)
                )
            )

        self._runner.run(both())
        self._after(other)
        self._after(self.process)
        self._runner.run(other.close())

    @precondition(_any)
    @rule(number=numbers)
    def a_process_sleeps_too_long(self, number: int) -> None:
        """It is suspended inside a call; a successor takes over; what the sleeper had called for happens after that."""
        rotation_id = self._pick(number)
        successor = self._start()
        hold = self.place.holds["issue"] = asyncio.Event()
        self.place.reached.clear()

        async def story() -> None:
            def work(service: Service) -> Coroutine[Any, Any, Any]:
                return service.rotations.rotate(rotation_id, force=True)

            sleeper = asyncio.create_task(outcome_of(self.process, work))
            asleep = asyncio.create_task(self.place.reached.wait())
            await asyncio.wait({sleeper, asleep}, return_when=asyncio.FIRST_COMPLETED)
            asleep.cancel()
            if not sleeper.done():
                self._let_leases_run_out({self.process.owner})
                await outcome_of(successor, work)
            hold.set()
            await sleeper

        self._runner.run(story())
        self.place.holds.clear()
        self._after(successor)
        self._after(self.process)
        self._runner.run(successor.close())

    @precondition(_any)
    @rule(number=numbers, force=st.booleans())
    def rotate(self, number: int, force: bool) -> None:
        rotation_id = self._pick(number)
        self._act(lambda service: service.rotations.rotate(rotation_id, force=force))

    @precondition(_any)
    @rule(
        number=numbers,
        change=st.one_of(
            st.fixed_dictionaries({"rotationInterval": st.sampled_from([1, 7, 30])}),
            st.fixed_dictionaries({"rotateAtUtc": st.fixed_dictionaries({"hours": st.integers(0, 23)})}),
            st.fixed_dictionaries({"isAutoRotationEnabled": st.booleans()}),
            st.permutations(WORDS).map(lambda w: {"secretsMapping": {"username": w[0], "password": w[1]}}),
            st.fixed_dictionaries({"parameters": picks}),
            st.fixed_dictionaries({"parameters": picks, "rotationInterval": st.sampled_from([1, 7])}),
        ),
    )
    def edit(self, number: int, change: dict[str, Any]) -> None:
        rotation_id = self._pick(number)
        if "parameters" in change:
            kind = self.truth.looks[rotation_id].row.type
            change = {**change, "parameters": _parameters(kind, change["parameters"])}
        self._act(lambda service: service.edits.edit(rotation_id, change))

    @precondition(_any)
    @rule(number=numbers, where=st.sampled_from(PLACES))
    def move(self, number: int, where: tuple[str, str]) -> None:
        rotation_id = self._pick(number)
        body = {"destinationEnvironment": where[0], "destinationSecretPath": where[1]}
        self._act(lambda service: service.edits.move(rotation_id, body))

    @precondition(_any)
    @rule(number=numbers)
    def check(self, number: int) -> None:
        rotation_id = self._pick(number)
        self._act(lambda service: service.rotations.check(rotation_id))

    @precondition(_any)
    @rule(number=numbers, when_asked=st.booleans())
    def look_after(self, number: int, when_asked: bool) -> None:
        rotation_id = self._pick(number)

        passwords = self.truth.looks[rotation_id].row.type == "model-passwords"

        async def work(service: Service) -> None:
            if when_asked and passwords:
                await service.rotations.heal(rotation_id)
            else:
                await service.context.engine.checkup(rotation_id, "scheduler")

        self._act(work)

    @precondition(_any)
    @rule(number=numbers, revoke=st.booleans(), delete_secrets=st.booleans())
    def delete(self, number: int, revoke: bool, delete_secrets: bool) -> None:
        rotation_id = self._pick(number)
        look = self.truth.looks[rotation_id]
        if revoke:
            self.truth.revoked |= look.known
        else:
            self.truth.release(look.users)
        self._act(lambda service: service.rotations.delete(rotation_id, revoke=revoke, delete_secrets=delete_secrets))

    @rule(by=st.sampled_from(STEPS_FORWARD))
    def time_passes(self, by: timedelta) -> None:
        self.clock.now += by

    @rule(by=st.sampled_from(STEPS_BACK))
    def the_clock_is_set_back(self, by: timedelta) -> None:
        self.latest = max(self.latest, self.clock.now)
        self.clock.now -= by
        self.truth.time_went_back()

    @rule(moments=st.integers(0, 16), kind=st.sampled_from(sorted(KINDS)))
    def trouble_ahead(self, moments: int, kind: str) -> None:
        self.troubles.arm(moments, kind)

    @precondition(lambda self: bool(self.dead))
    @rule()
    def leases_run_out(self) -> None:
        """The leases of the dead, by the database's clock."""
        self._let_leases_run_out(self.dead)

    def _let_leases_run_out(self, owners: set[str]) -> None:
        def work(tx: Tx) -> None:
            mine = col(Rotation.lease_owner).in_(owners)
            tx.session.execute(update(Rotation).where(mine).values(lease_until=1.0))

        self.process.service.store.write(work)

    @rule()
    def restart(self) -> None:
        self._runner.run(self.process.close())
        self.process = self._start()

    @rule(user=st.sampled_from(USERS + KEY_USERS))
    def somebody_changes_a_login(self, user: str) -> None:
        foreign = {value for name, value in self.place.others if name == user}
        if foreign:
            self.place.take(user, set(self.place.logins[user]) - foreign)
        else:
            self.place.change_by_hand(user)

    @rule(used=st.booleans())
    def somebody_uses_it(self, used: bool) -> None:
        self.place.uses[:] = [Use("reports", "10.0.0.7")] if used else []

    # What must hold after each of them.

    @invariant()
    def nothing_is_lost(self) -> None:
        Machine.steps += 1
        if self._acted:
            self.truth.look(self.process.service.store)
            self._acted = False
        self.truth.check(self.began, self.clock.now, self.dead)
        self.began = self.clock.now

    def _settle(self) -> None:
        """When nothing goes wrong any more, all that was begun comes to its end and every rotation works."""
        self.troubles.waiting.clear()
        self.place.uses.clear()
        self.leases_run_out()
        self.clock.now = max(self.latest, self.clock.now) + timedelta(days=1)
        for _ in range(3):
            self.loop()
            self.nothing_is_lost()
            self.clock.now += timedelta(days=1)
        for rotation_id in self._rotations():
            assert self._act(lambda service, it=rotation_id: service.rotations.rotate(it, force=True)) is None  # type: ignore[misc]
        self.loop()
        self.nothing_is_lost()
        for look in self.truth.looks.values():
            assert look.created, "a creation that is never finished"
            assert look.job.open is None, "an attempt that is never finished"
            active = look.slot(look.row.active_index)
            assert active is not None
            assert self.place.alive(active), "rotating does not heal"


def forget_counts() -> None:
    Machine.schedules = Machine.steps = 0
