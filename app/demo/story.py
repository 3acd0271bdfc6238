"""`keyturn demo`: the terminal UI on a stage of its own, or without a terminal a walk through the same story."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from app import logs
from app.demo.shop import PLACE, Target, Values
from app.demo.shop_database import ADMIN, DATABASE, USERS
from app.demo.stage import Stage, stage
from app.errors import EXIT_FAILED, KeyturnError, explain
from app.terminal import terminal_problem

if TYPE_CHECKING:
    from app.demo.load import Clients
    from app.service import Service

Say = Callable[[str], None]

ROTATIONS = 3
_CACHED_SECONDS = 5.0
_PIPE_CLOSED = 141
_TRIES = 5
"""How often each client logs in before and after each rotation."""


class Mismatch(KeyturnError):
    """Something is not as Keyturn says, or a login failed."""


def say(text: str) -> None:
    print(text, flush=True)


def run_demo(environ: Mapping[str, str]) -> int:
    """Play it and return the exit code. Raises KeyturnError, for a failed login or a mismatch too.

    `environ`: how the terminal UI looks, and whether it takes the mouse.
    """
    try:
        if terminal_problem() is None:
            return _in_terminal(environ)
        with stage() as built, logs.kept(built.settings.log_file, logs.Lines()):
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


def _in_terminal(environ: Mapping[str, str]) -> int:
    from app.demo.load import Clients
    from app.tui import run_tui

    say("Starting PostgreSQL and stand-ins for AWS and Entra; nothing stays behind.")
    with stage(environ) as built:
        asyncio.run(_prepared(built))
        with Clients(built, cache_seconds=_CACHED_SECONDS) as clients:
            code = run_tui(
                built.settings, status_line=lambda: status_line(clients, built.missing), first_start_notice=False
            )
    tally = clients.tally
    say(f"The demo and all it made are gone. Its clients:\n{tally}.")
    if built.missing:
        say(f"There was {built.missing}.")
    return code or (EXIT_FAILED if tally.failed else 0)


def status_line(clients: Clients, missing: str = "") -> str:
    """The wizard lists what there is at AWS and Entra; the database users have to be entered."""
    tally = clients.tally
    if tally.ok + tally.failed:
        return f"Demo: {tally}"
    return f"Demo: {missing or 'its clients wait for a rotation (n)'}; users {USERS[0]} and {USERS[1]}"


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
    """For each target create, show, rotate under load, check. Raises Mismatch for the first thing wrong."""
    from app.demo.load import Clients
    from app.service import open_service

    server = built.server
    say(f"Started a private PostgreSQL {server.version} on {server.host}:{server.port}; it is removed at the end.")
    say(f"Stand-ins for {' and '.join(target.label for target in built.targets[1:])} start beside it, and go with it.")
    if built.missing:
        say(f"There is {built.missing}.")
    service = open_service(built.settings, "demo")
    try:
        shared = await built.set_up(service)
        say(f"Made the database {DATABASE}: {USERS[0]} and {USERS[1]} share {shared}, which owns its tables.")
        say(f"Keyturn acts there as {ADMIN}, who is no superuser.")
        say("Clients log in over and over, half of them with values that they fetched before a rotation.")
        with Clients(built, pause=0.02) as clients:
            for target in built.targets:
                await _play(service, clients, target, say)
        _expect_no_failure(clients)
        say(f"All done: {clients.tally}.")
    finally:
        await service.aclose()


async def _play(service: Service, clients: Clients, target: Target, say: Say) -> None:
    say(f"--- {target.label} ---")
    await _create(service, target, say)
    await _show(service, target, say)
    for number in range(1, ROTATIONS + 1):
        await _rotate_under_load(service, clients, target, number, say)
    await _check(service, target, say)


async def _create(service: Service, target: Target, say: Say) -> None:
    tested = await service.connections.test(target.connection)
    if not tested.ok:
        raise Mismatch(f"The connection {target.connection} does not work: {tested.text}", remedy=tested.remedy)
    say(f"Connection {target.connection}: {tested.text}.")
    created = (await service.creation.create(target.type, target.rotation_body)).rotation
    values = await _expect_active(service, target, 0)
    say(f"Created the rotation {created.name}: {target.told(values)} is published.")


async def _show(service: Service, target: Target, say: Say) -> None:
    detail = await service.rotations.detail(target.rotation)
    project, environment, path = PLACE
    say(f"  status    {detail.row.status}")
    say(f"  next run  {detail.next_rotation_at:%Y-%m-%d %H:%M} UTC, every {detail.interval_days} days")
    say(f"  secrets   {project} {environment} {path}")
    for secret in detail.secrets:
        say(f"    {secret.name}  version {secret.version}{'  (masked)' if secret.secret else ''}")


async def _rotate_under_load(service: Service, clients: Clients, target: Target, number: int, say: Say) -> None:
    # What is cached now is replaced by this rotation, and must work until the next one.
    clients.drop_caches()
    await clients.all_try(_TRIES, target)
    before, published = clients.tally.of[target.label].ok, await _published(service, target)
    await service.rotations.rotate(target.rotation)
    values = await _expect_active(service, target, number % 2)
    if values == published:
        raise Mismatch(f"{target.rotation} was rotated, and still publishes what it published before.")
    latest = (await service.rotations.history(target.rotation, limit=1))[0]
    steps = ", ".join(f"{step.step} {step.ms:.0f} ms" for step in latest.steps)
    say(f"Rotated {number} of {ROTATIONS}: {target.told(values)} is published ({steps}).")
    await clients.all_try(_TRIES, target)
    _expect_no_failure(clients)
    counts = clients.tally.of[target.label]
    say(f"  {counts.ok - before} logins during and after it, {counts.failed} failed")


async def _check(service: Service, target: Target, say: Say) -> None:
    for check in await service.rotations.check(target.rotation):
        say(f"Checked slot {check.slot}{' (published)' if check.active else ''}: {check.text}.")
        if not check.ok:
            raise Mismatch(f"The stored credential {check.slot} of {target.rotation} does not work: {check.text}")


def _expect_no_failure(clients: Clients) -> None:
    tally = clients.tally
    if tally.failed or tally.expired:
        raise Mismatch(f"A client was refused ({tally}): {tally.last_failure or 'it cached a value for too long'}")


async def _published(service: Service, target: Target) -> Values:
    from app.views import Place

    values = await service.secrets.values(Place(*PLACE))
    return {field: values[name] for field, name in target.mapping.items()}


async def _expect_active(service: Service, target: Target, slot: int) -> Values:
    """The rotation, its slots and the secrets must all tell of the same credential, which this returns."""
    shown = [view.slot for view in (await service.rotations.detail(target.rotation)).slots if view.active]
    held = await service.rotations.credentials(target.rotation)
    values = await _published(service, target)
    if shown != [slot] or held.active_index != slot:
        raise Mismatch(f"Slot {slot} of {target.rotation} should be active; it is {held.active_index}.")
    if values != {field: held.generated_credentials[slot].get(field) for field in target.mapping}:
        raise Mismatch(f"The secrets of {target.rotation} do not hold the credential of its active slot.")
    return values
