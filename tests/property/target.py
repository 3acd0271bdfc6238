"""The model of a target once more, where anything may go wrong at any moment, and which remembers who did what.

A moment is the time before or after one outside call or one write to the store. `Troubles` waits for the n-th moment
from now and lets something happen there: a death, a lost answer, a refusal, a duplicated call, somebody's hand.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import EntryPoint
from typing import Any

from providers.base import Credential, CredentialRefused, Issue, TargetRefused, Use
from store.errors import StoreUnavailable
from tests.rotation.model import KeyProvider, PasswordProvider, World, forbidden, lost_answer, unreachable

Login = tuple[str, str]
"""User and password, or user and key."""


class Death(BaseException):
    """The process is gone: no handler of its own runs to any effect."""


die_here: contextvars.ContextVar[Callable[[], None]] = contextvars.ContextVar("die_here")
"""Marks the process that is working now as dead."""

CALL, WRITE = "call", "write"
BEFORE, AFTER = "before", "after"
EVERYWHERE = frozenset({(CALL, BEFORE), (CALL, AFTER), (WRITE, BEFORE), (WRITE, AFTER)})
KINDS: Mapping[str, frozenset[tuple[str, str]]] = {
    "death": EVERYWHERE,
    "lost answer": EVERYWHERE,
    "defect": frozenset({(CALL, BEFORE), (CALL, AFTER)}),
    "unreachable": frozenset({(CALL, BEFORE)}),
    "forbidden": frozenset({(CALL, BEFORE)}),
    "twice": frozenset({(CALL, AFTER)}),
    "changed by hand": frozenset({(CALL, AFTER)}),
}
"""What may happen, and where."""


@dataclass
class Troubles:
    """What is going to happen, by the number of moments that pass before it."""

    waiting: list[tuple[int, str]] = field(default_factory=list)

    def arm(self, moments: int, kind: str) -> None:
        self.waiting.append((moments, kind))

    def at(self, where: str, when: str) -> str | None:
        """Let one moment pass; what happens there, if anything."""
        self.waiting = [(left - 1, kind) for left, kind in self.waiting]
        for item in self.waiting:
            if item[0] < 0 and (where, when) in KINDS[item[1]]:
                self.waiting.remove(item)
                return item[1]
        return None

    def at_write(self, when: str) -> None:
        kind = self.at(WRITE, when)
        if kind == "death":
            die()
        elif kind is not None:
            raise StoreUnavailable("The store model cannot be reached.")


def die() -> None:
    die_here.get()()
    raise Death


@dataclass
class Place(World):
    """`ours`: every login that Keyturn ever made here. `foreign`: those it must never touch."""

    troubles: Troubles = field(default_factory=Troubles)
    ours: set[Login] = field(default_factory=set)
    others: set[Login] = field(default_factory=set)
    broken: set[Login] = field(default_factory=set)
    """Logins that somebody's hand, not Keyturn, made useless."""
    verified: set[Login] = field(default_factory=set)
    struck: set[Login] = field(default_factory=set)
    """Logins that worked when they were tried in this step, and were broken later in it."""
    hands: int = 0

    def alive(self, login: Login) -> bool:
        return login[1] in self.logins.get(login[0], set())

    def give(self, login: Login) -> None:
        """A login that is not Keyturn's."""
        self.logins.setdefault(login[0], set()).add(login[1])
        self.others.add(login)

    def take(self, user: str, values: set[str]) -> None:
        """Somebody's hand removes logins."""
        broken = {(user, value) for value in values & self.logins.get(user, set())}
        self.broken |= broken
        self.struck |= broken & self.verified
        self.logins[user] = self.logins.get(user, set()) - values

    def change_by_hand(self, user: str) -> None:
        self.take(user, set(self.logins.get(user, ())))
        self.hands += 1
        self.logins[user] = {f"by hand {self.hands}"}

    async def call(self, name: str, user: str, effect: Callable[[], None], *, repeatable: bool = True) -> None:
        """One outside call with what befalls it."""
        self.calls.append((name, user))
        await asyncio.sleep(0)
        self._befall_call(self.troubles.at(CALL, BEFORE))
        effect()
        kind = self.troubles.at(CALL, AFTER)
        if kind == "twice":
            if repeatable:
                effect()
        elif kind == "changed by hand":
            if name == "issue" and repeatable:
                self.change_by_hand(user)
        else:
            self._befall_call(kind)

    def _befall_call(self, kind: str | None) -> None:
        match kind:
            case "death":
                die()
            case "lost answer":
                raise lost_answer()
            case "unreachable":
                raise unreachable()
            case "forbidden":
                raise forbidden()
            case "defect":
                raise ZeroDivisionError


class Passwords(PasswordProvider):
    """Sets passwords, and refuses to touch the published one, as the contract asks."""

    async def issue(self, target: Any, parameters: Any, request: Issue) -> Credential:
        place, values = target.world, request.candidate.values
        user, password = values["username"], values["password"]
        if request.active is not None and request.active.values["username"] == user:
            raise TargetRefused(f"{user} is published.")

        def effect() -> None:
            place.logins[user] = {password}
            place.ours.add((user, password))
            place.broken.discard((user, password))

        await place.hang("issue")
        await place.call("issue", user, effect)
        return request.candidate

    async def verify(self, target: Any, parameters: Any, credential: Credential) -> None:
        place, values = target.world, credential.values

        def effect() -> None:
            if not place.works(values):
                raise CredentialRefused(f"Login as {values['username']} refused.")
            place.verified.add((values["username"], values["password"]))

        await place.call("verify", values["username"], effect)

    async def in_use(self, target: Any, parameters: Any, credential: Credential, since: datetime) -> list[Use]:
        await target.world.call("in use", credential.values["username"], lambda: None)
        return list(target.world.uses)

    async def revoke(self, target: Any, parameters: Any, credential: Credential) -> None:
        place, user = target.world, credential.values["username"]
        await place.call("revoke", user, lambda: place.logins.update({user: set()}))


class Keys(Passwords):
    """Makes keys, and removes them by id; before one is made again, what bears the attempt's marker goes."""

    type = "model-keys"
    title = "Model keys"
    initial_slots: tuple[int, ...] = (0,)
    verify_successes = 2
    retires = True
    restores = False
    identity = KeyProvider.identity
    candidate = KeyProvider.candidate

    async def issue(self, target: Any, parameters: Any, request: Issue) -> Credential:
        place, user, marker = target.world, parameters.username1, request.candidate.values["marker"]
        made = ""

        def effect() -> None:
            nonlocal made
            if request.again:
                remove_marked(place, user, marker)
            place.keys += 1
            made = f"key-{place.keys}-{marker}"
            place.logins.setdefault(user, set()).add(made)
            place.ours.add((user, made))

        # Not repeated by the line: a provider that makes keys must not let its client do so.
        await place.call("issue", user, effect, repeatable=False)
        return Credential({"username": user, "password": made})

    async def retire(self, target: Any, parameters: Any, credential: Credential) -> None:
        await self.revoke(target, parameters, credential)

    async def revoke(self, target: Any, parameters: Any, credential: Credential) -> None:
        place, user, values = target.world, parameters.username1, credential.values

        def effect() -> None:
            if "marker" in values:
                remove_marked(place, user, values["marker"])
            else:
                place.logins[values["username"]].discard(values["password"])

        await place.call("revoke", user, effect)


def remove_marked(place: Place, user: str, marker: str) -> None:
    place.logins[user] = {key for key in place.logins.get(user, set()) if not key.endswith(marker)}


PASSWORDS, KEYS = Passwords(), Keys()


def entry_points_of_the_target(group: str) -> dict[str, EntryPoint]:
    points = {
        "keyturn.apps": {"model": "tests.rotation.model:APP"},
        "keyturn.providers": {
            "model-passwords": "tests.property.target:PASSWORDS",
            "model-keys": "tests.property.target:KEYS",
        },
    }
    return {name: EntryPoint(name, value, group) for name, value in points[group].items()}
