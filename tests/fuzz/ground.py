"""What every door is held against: a store with a connection and a rotation, and what may never be said."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from app.service import Service, open_service
from app.settings import load_settings
from tests.cli.ground import Ran
from tests.rotation.conftest import PLACE, body

TOKEN = "hunter2-admin-token"
ALIEN = "hunter2-entered-by-mistake"
EXITS = {0, 1, 2, 3, 4}


def effort(examples: int) -> settings:
    """Always the same examples, so that a failure comes again; nothing is kept between runs."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class House:
    """One store that all examples of a test share. What is refused leaves it as it was."""

    home: Path
    world: str
    secrets: list[str] = field(default_factory=list)
    """What may be in no message."""

    @property
    def connection(self) -> dict[str, Any]:
        return {
            "name": "another",
            "method": "token",
            "description": "",
            "credentials": {"world": self.world, "token": TOKEN},
        }

    def state(self) -> list[str]:
        """Every row there is."""
        with contextlib.closing(sqlite3.connect(self.home / "keyturn.db")) as store:
            return [*store.iterdump()]

    def silent(self, text: str) -> None:
        assert not [secret for secret in [*self.secrets, ALIEN] if secret in text], text

    def refused_or_done(self, ran: Ran, before: list[str]) -> None:
        assert ran.code in EXITS, ran
        assert "Traceback" not in ran.said
        assert "nexpected" not in ran.err, ran.err
        if ran.code:
            self.silent(ran.err)
            assert self.state() == before, f"refused, but something was written: {ran.err}"
            assert ran.err.strip(), "it said nothing"


@contextlib.contextmanager
def at_home(runner: asyncio.Runner) -> Iterator[Service]:
    service = open_service(load_settings(os.environ), "fuzz")
    try:
        yield service
    finally:
        runner.run(service.aclose())


def furnish(house: House) -> None:
    """A connection, and a rotation through it; learn what is secret."""
    with asyncio.Runner() as runner, at_home(runner) as service:

        async def work() -> None:
            await service.connections.add("model", {**house.connection, "name": "model"})
            await service.creation.create("model-passwords", body())
            values = await service.secrets.values(PLACE)
            credentials = await service.rotations.credentials("app")
            house.secrets += [TOKEN, values["DB_PASSWORD"]]
            house.secrets += [item["password"] for item in credentials.generated_credentials]

        runner.run(work())


words = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(categories=["Cc", "Zs", "Po", "Sm", "Lo"], exclude_characters="\ud800"), max_size=6),
    st.sampled_from(
        ["", " ", "app", "model", "default", "dev", "prod", "/", "/../x", "a" * 65, "n" * 400, "[/]", "{{username}}"]
    ),
    st.sampled_from(["'; DROP TABLE rotation; --", "\x1b[2J", "%s", "\0", "-1", "1e999", "٣", "\u202e"]),
)
numbers = st.one_of(st.integers(), st.integers(-2, 4000), st.floats(), st.sampled_from([10**39, -(10**39), 2**63]))
leaves = st.one_of(st.none(), st.booleans(), numbers, words)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))


def paths(good: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All keys in it, those of inner objects too."""
    found: list[tuple[str, ...]] = []
    for key, value in good.items():
        found.append((*prefix, key))
        if isinstance(value, dict):
            found += paths(value, (*prefix, key))
    return found


@st.composite
def spoilt(draw: st.DrawFn, good: dict[str, Any], kept: tuple[str, ...] = ()) -> Any:
    """A good body with some of it replaced, removed or added; sometimes something else altogether."""
    if draw(st.integers(0, 19)) == 0:
        return draw(values)
    made = copy.deepcopy(good)
    for path in draw(st.lists(st.sampled_from([p for p in paths(good) if p[-1] not in kept]), max_size=3)):
        inner: Any = made
        for key in path[:-1]:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if not isinstance(inner, dict):
            continue
        match draw(st.integers(0, 5)):
            case 0:
                inner.pop(path[-1], None)
            case 1:
                inner[draw(words)] = draw(values)
            case _:
                inner[path[-1]] = draw(values)
    return made
