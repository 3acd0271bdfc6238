"""Rotations of one type, and clients who log in with what they publish."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.drill.gate import gate
from app.drill.scratch import Held, Scratch
from providers.registry import provider
from store.jobs import Job
from tests.cli.ground import done, make_ground
from tests.conftest import Database
from tests.soak.clients import Client, LogIn, Turn


@dataclass(frozen=True)
class Crowd:
    """`fields`: what is published; the first one names it, the last one is secret. `strays`: what is wrong at the
    target when only this is known there.
    """

    type: str
    fields: tuple[str, ...]
    turn: Turn
    rotations: Sequence[str]
    clients: Sequence[Client] = field(repr=False)
    door: Callable[[], AbstractContextManager[LogIn]] = field(repr=False)
    strays: Callable[[Sequence[Held]], list[str]] = field(repr=False)


def postgres_crowd(pg: Database, rotations: int, clients: int) -> Crowd:
    ground = make_ground(pg)
    ground.connect()
    kind, fields = ground.create, ("username", "password")
    found = []
    for number in range(rotations):
        users = [pg.create_role(f"shop_{number}_{n}", "temporary") for n in (1, 2)]
        parameters = {"username1": users[0], "username2": users[1]}
        document = kind(name=f"shop-{number}", parameters=parameters, secretsMapping=_mapping(fields, number))
        found.append(document["id"])

    @contextmanager
    def door() -> Iterator[LogIn]:
        yield lambda values: pg.login(values["username"], values["password"])

    turn = Turn()
    made = _clients(door, fields, turn, rotations, clients)
    return Crowd("postgres-credentials", fields, turn, found, made, door, lambda _: [])


def crowd_at(scratch: Scratch, clients: int) -> Crowd:
    """Of the two principals of a part of a stand-in."""
    access = scratch.access
    body = {"name": "stand-in", "method": access.method, "credentials": dict(access.credentials)}
    done("connections", "add", access.app, "--file", "-", stdin=json.dumps(body))
    found = [_create(scratch, number, dict(each)) for number, each in enumerate((scratch.users, scratch.heirs))]

    @contextmanager
    def door() -> Iterator[LogIn]:
        with asyncio.Runner() as runner:
            way = gate(scratch.type, scratch.way_in, scratch.users)
            yield lambda values: runner.run(way.opens(values))
            runner.run(way.target.close())

    turn = Turn()
    made = _clients(door, scratch.fields, turn, len(found), clients)
    return Crowd(
        scratch.type, scratch.fields, turn, found, made, door, lambda known: asyncio.run(scratch.complaints(known))
    )


def known(job: Job) -> list[Held]:
    """The credentials in a rotation's slots."""
    kind = provider(job.rotation.type)
    return [
        Held(kind.identity(kind.parameters.model_validate(job.credential_parameters[slot]), slot), credential.values)
        for slot, credential in job.credentials.items()
    ]


def _create(scratch: Scratch, number: int, parameters: Mapping[str, Any]) -> str:
    body = {
        "name": f"shop-{number}",
        "projectId": "default",
        "connectionId": "stand-in",
        "environment": "dev",
        "secretPath": "/",
        "rotationInterval": 30,
        "parameters": parameters,
        "secretsMapping": _mapping(scratch.fields, number),
    }
    ran = done("rotations", "create", scratch.type, "--file", "-", "--json", stdin=json.dumps(body))
    return str(ran.json["secretRotation"]["id"])


def _mapping(fields: Sequence[str], number: int) -> dict[str, str]:
    return {name: f"{name.upper()}_{number}" for name in fields}


def _clients(
    door: Callable[[], AbstractContextManager[LogIn]], fields: Sequence[str], turn: Turn, rotations: int, count: int
) -> list[Client]:
    """Every other of a rotation's keeps what it reads; the last one of all reads by the command line."""
    return [
        Client(
            door,
            fields[0],
            _mapping(fields, n % rotations),
            turn,
            keeps=n // rotations % 2 == 1,
            shell=n == count - 1,
        )
        for n in range(count)
    ]
