"""A process that is killed around a delivery: another one makes it, nothing is lost, and the order stays."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from app.service import Service
from store.tables import Delivery
from tests.cli.ground import Ran, process
from tests.notify.ground import Ground, add_hook, deliver, outbox
from tests.notify.receiver import OK, Receiver
from tests.rotation.conftest import Clock
from tests.variants import few

DURING = "while it is under way"
TOLD_BEFORE = {"deliver.taken": 0, DURING: 1, "deliver.called": 1, "deliver.recorded": 1}
"""Where the process dies, and how many of three deliveries were made by then."""
EACH_COMMAND = ["deliver.taken", DURING, "deliver.called", pytest.param("deliver.recorded", marks=pytest.mark.soak)]
EACH_WEBHOOK = [
    pytest.param("deliver.taken", marks=pytest.mark.soak),
    DURING,
    pytest.param("deliver.called", marks=pytest.mark.soak),
    pytest.param("deliver.recorded", marks=pytest.mark.soak),
]


async def three_deliveries(
    ground: Ground, service: Service, clock: Clock, *, command: str = "", webhook: str = ""
) -> list[str]:
    """Their event ids. The rotation is paused, so that a process that knows no such type leaves it alone."""
    clock.now = datetime.now(UTC)
    await ground.create(service)
    await add_hook(service, "published", command=command, webhook=webhook)
    for _ in range(3):
        await service.rotations.rotate("app")
    await service.rotations.pause("app")
    return [row.event_id for row in await outbox(service)]


def loop_dies(ground: Ground, at: str) -> None:
    armed = {} if at == DURING else {"KEYTURN_FAILPOINT": at}
    ran: Ran = process("--run-scheduler", "--once", KEYTURN_HOME=str(ground.home), **ground.environ, **armed)
    assert ran.code == -signal.SIGKILL, ran.said


async def carried_on(service: Service, ids: list[str], at: str, told: Callable[[], list[str]]) -> None:
    """What came of it once others carry on."""
    begun = TOLD_BEFORE[at]
    again = at != "deliver.recorded"
    assert told() == ids[:begun]
    await deliver(service)
    if again:
        assert told() == ids[:begun], "who has the delivery may still be at it, and the others wait behind it"
        expired = update(Delivery).values(lease_until=1.0)  # as if as long had passed
        service.store.write(lambda tx: tx.connection.execute(expired))
        await deliver(service)
    assert told() == ids[:begun] + (ids if again else ids[1:])
    rows = await outbox(service)
    assert [(row.state, row.attempts) for row in rows] == [("done", 2 if again else 1), ("done", 1), ("done", 1)]
    await deliver(service)
    assert len(told()) == begun + len(ids if again else ids[1:])


@pytest.mark.parametrize("kind_of_store", few(["sqlite", "postgresql"]))
@pytest.mark.parametrize("at", EACH_COMMAND)
async def test_a_command_is_carried_out_by_another(
    ground: Ground, service: Service, clock: Clock, tmp_path: Path, at: str
) -> None:
    told, killed = tmp_path / "told", tmp_path / "killed"
    kill = f'mkdir "{killed}" 2>/dev/null && kill -KILL $PPID; ' if at == DURING else ""
    words = f'echo $KEYTURN_EVENT_ID >> "{told}"; {kill}exit 0'
    ids = await three_deliveries(ground, service, clock, command=f"sh -c {shlex.quote(words)}")
    loop_dies(ground, at)
    await carried_on(service, ids, at, lambda: told.read_text().split() if told.exists() else [])


@pytest.mark.parametrize("at", EACH_WEBHOOK)
async def test_a_webhook_is_called_by_another(
    ground: Ground, service: Service, clock: Clock, receiver: Receiver, tmp_path: Path, at: str
) -> None:
    ids = await three_deliveries(ground, service, clock, webhook=receiver.url)
    if at == DURING:

        def kill_who_calls(connection: socket.socket) -> None:
            os.kill(caller_of(connection), signal.SIGKILL)
            connection.recv(1)  # until it is gone

        receiver.answers = [kill_who_calls, OK]
    loop_dies(ground, at)
    await carried_on(service, ids, at, lambda: [got.json["id"] for got in receiver.got])


def caller_of(connection: socket.socket) -> int:
    """The process at the other end of a connection."""
    port = connection.getpeername()[1]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = (words[9] for words in lines if int(words[1].partition(":")[2], 16) == port and words[3] == "01")
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(entry.readlink()) == f"socket:[{inode}]":
                return int(entry.parts[2])
        except OSError:
            continue
    raise AssertionError("nobody has it open")
