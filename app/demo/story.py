"""`keyturn demo`: the terminal UI on a stage of its own, or without a terminal a walk through the same story."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from app import logs
from app.demo.stage import ADMIN, CONNECTION, DATABASE, PARAMETERS, TYPE, USERS, Stage, stage
from app.errors import EXIT_FAILED, KeyturnError, explain
from app.terminal import terminal_problem

if TYPE_CHECKING:
    from app.contract import SecretRotation
    from app.demo.load import Clients
    from app.service import Service

Say = Callable[[str], None]

ROTATIONS = 3
_CACHED_SECONDS = 5.0
_NAME = "shop-db-users"
_PLACE = ("default", "prod", "/")
_MAPPING = {"username": "SHOP_DB_USERNAME", "password": "SHOP_DB_PASSWORD"}
_PIPE_CLOSED = 141
_TRIES = 5
"""How often each client logs in before and after each rotation."""


class Mismatch(KeyturnError):
    """Something is not as Keyturn says, or a login failed."""


def say(text: str) -> None:
    print(text, flush=True)


def run_demo() -> int:
    """Play it and return the exit code. Raises KeyturnError, for a failed login or a mismatch too."""
    try:
        if terminal_problem() is None:
            return _in_terminal()
        with stage() as built, logs.kept(built.settings.log_file, lines=True):
            return asyncio.run(_until_signalled(walk(built, say)))
    except KeyboardInterrupt:
        print("Interrupted; the demo and all it made are gone.", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # nobody reads on: let nothing complain about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _PIPE_CLOSED
    except Exception as error:
        if explain(error) is not None:
            raise
        # A defect is told here: the log file that it would go to is the person's own, and not the demo's business.
        print(f"Unexpected error, a defect of the demo:\n{logs.frames_of(error)}", file=sys.stderr)
        return EXIT_FAILED


def _in_terminal() -> int:
    from app.demo.load import Clients
    from app.tui import run_tui

    say("Starting a private PostgreSQL; it is removed when you leave.")
    with stage() as built:
        asyncio.run(_prepared(built))
        with Clients(built, cache_seconds=_CACHED_SECONDS) as clients:
            code = run_tui(built.settings, status_line=lambda: status_line(clients), first_start_notice=False)
            tally = clients.tally
    say(f"The demo and all it made are gone. Its clients: {tally}.")
    return code or (EXIT_FAILED if tally.failed else 0)


def status_line(clients: Clients) -> str:
    tally = clients.tally
    if not tally.ok + tally.failed:
        return f"Demo: users {USERS[0]} and {USERS[1]}; its clients wait for a rotation (n)"
    return f"Demo: users {USERS[0]} and {USERS[1]}; {tally}"


async def _prepared(built: Stage) -> None:
    from app.service import open_service

    service = open_service(built.settings, "demo")
    try:
        await built.set_up(service)
    finally:
        await service.aclose()


async def _until_signalled(work: Coroutine[Any, Any, None]) -> int:
    """Cancel the work on SIGTERM and SIGHUP, so that everything is tidied up; the exit code."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    try:
        await task
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]
    return 0


async def walk(built: Stage, say: Say) -> None:
    """Create, show, rotate under load, check: each with what came of it. Raises Mismatch for the first thing wrong."""
    from app.demo.load import Clients
    from app.service import open_service

    server = built.server
    say(f"Started a private PostgreSQL {server.version} on {server.host}:{server.port}; it is removed at the end.")
    service = open_service(built.settings, "demo")
    try:
        shared = await built.set_up(service)
        say(f"Made the database {DATABASE}: {USERS[0]} and {USERS[1]} share {shared}, which owns its tables.")
        say(f"Connected as {ADMIN}, who is no superuser: connection {CONNECTION}.")
        await _create(service, say)
        await _show(service, say)
        with Clients(built, pause=0.02) as clients:
            await _rotate_under_load(service, clients, say)
            await _check(service, say)
        _expect_no_failure(clients)
        say(f"All done: {clients.tally}.")
    finally:
        await service.aclose()


async def _create(service: Service, say: Say) -> None:
    project, environment, path = _PLACE
    body = {
        "name": _NAME,
        "projectId": project,
        "connectionId": CONNECTION,
        "environment": environment,
        "secretPath": path,
        "rotationInterval": 30,
        "parameters": PARAMETERS,
        "secretsMapping": _MAPPING,
    }
    created = (await service.creation.create(TYPE, body)).rotation
    say(
        f"Created the rotation {created.name}: both users have new passwords, {await _published(service)} is published."
    )
    await _expect_active(service, created, USERS[0])


async def _show(service: Service, say: Say) -> None:
    detail = await service.rotations.detail(_NAME)
    project, environment, path = _PLACE
    say(f"  status    {detail.row.status}")
    say(f"  next run  {detail.next_rotation_at:%Y-%m-%d %H:%M} UTC, every {detail.interval_days} days")
    say(f"  secrets   {project} {environment} {path}")
    for secret in detail.secrets:
        say(f"    {secret.name}  version {secret.version}{'  (masked)' if secret.secret else ''}")


async def _rotate_under_load(service: Service, clients: Clients, say: Say) -> None:
    say("Clients log in over and over, half of them with values that they fetched before the rotation.")
    for number in range(1, ROTATIONS + 1):
        # What is cached now is replaced by this rotation, and must work until the next one.
        clients.drop_caches()
        await clients.all_try(_TRIES)
        before = clients.tally.ok
        rotated = await service.rotations.rotate(_NAME)
        await _expect_active(service, rotated, USERS[number % 2])
        latest = (await service.rotations.history(_NAME, limit=1))[0]
        steps = ", ".join(f"{step.step} {step.ms:.0f} ms" for step in latest.steps)
        say(f"Rotated {number} of {ROTATIONS}: {latest.identity} is published ({steps}).")
        await clients.all_try(_TRIES)
        _expect_no_failure(clients)
        say(f"  {clients.tally.ok - before} logins during and after it, {clients.tally.failed} failed")


async def _check(service: Service, say: Say) -> None:
    for check in await service.rotations.check(_NAME):
        say(f"Checked {check.identity}{' (published)' if check.active else ''}: {check.text}.")
        if not check.ok:
            raise Mismatch(f"The stored credential of {check.identity} does not log in: {check.text}")


def _expect_no_failure(clients: Clients) -> None:
    tally = clients.tally
    if tally.failed or tally.expired:
        raise Mismatch(f"A client was refused ({tally}): {tally.last_failure or 'it cached a value for too long'}")


async def _published(service: Service) -> str:
    from app.views import Place

    values = await service.secrets.values(Place(*_PLACE))
    return values[_MAPPING["username"]]


async def _expect_active(service: Service, rotation: SecretRotation, user: str) -> None:
    """The document, the slots and the secrets must all name the same user."""
    active = next(slot.identity for slot in (await service.rotations.detail(_NAME)).slots if slot.active)
    named = {USERS[rotation.active_index], active, await _published(service)}
    if named != {user}:
        raise Mismatch(f"{user} should be published, but Keyturn names {', '.join(sorted(named))}.")
