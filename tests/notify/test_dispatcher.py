"""From the outbox to the receivers: once each by any number of processes, in order, for a day, and never in the way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator

from app.notify.dispatcher import Dispatcher
from app.service import Service
from store import deliveries
from tests.notify.ground import Ground, add_hook, deliver, on_both_stores, outbox
from tests.notify.receiver import OK, Receiver
from tests.rotation.conftest import Clock

DEADLINE = 30.0
ANGRY = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"


@contextlib.asynccontextmanager
async def looping(service: Service) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(service.scheduler().run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(service: Service, *states: str) -> None:
    """Until the outbox looks like this, oldest first."""
    async with asyncio.timeout(DEADLINE):
        while [row.state for row in await outbox(service)] != list(states):
            await asyncio.sleep(0.02)


@on_both_stores
async def test_a_loop_delivers_what_another_process_wrote(ground: Ground, service: Service, receiver: Receiver) -> None:
    await ground.create(service)
    await add_hook(service, "published", webhook=receiver.url)
    other = ground.start()
    async with looping(service):
        await other.rotations.rotate("app")
        await until(service, "done")
    assert len(receiver.got) == 1


@on_both_stores
async def test_of_several_processes_one_delivers(ground: Ground, service: Service, receiver: Receiver) -> None:
    await ground.create(service)
    await add_hook(service, "published", webhook=receiver.url)
    for _ in range(5):
        await service.rotations.rotate("app")
    others = [service, *(ground.start() for _ in range(3))]
    await asyncio.gather(*(deliver(one) for one in others))
    await deliver(service)
    assert [got.json["id"] for got in receiver.got] == [row.event_id for row in await outbox(service)]


@on_both_stores
async def test_what_failed_keeps_its_place(ground: Ground, service: Service, receiver: Receiver, clock: Clock) -> None:
    await ground.create(service)
    await add_hook(service, "published", webhook=receiver.url)
    receiver.answers = [ANGRY, OK]
    for _ in range(2):
        await service.rotations.rotate("app")
    await deliver(service)
    first, second = await outbox(service)
    assert (first.state, first.answer, first.attempts) == ("retrying", "500 No", 1)
    assert (second.state, second.attempts) == ("waiting", 0)
    clock.advance(seconds=13)
    await deliver(service)
    assert [got.json["id"] for got in receiver.got] == [first.event_id, first.event_id, second.event_id]
    assert [row.state for row in await outbox(service)] == ["done", "done"]


async def test_after_a_day_it_is_given_up_and_told(
    ground: Ground, service: Service, receiver: Receiver, clock: Clock
) -> None:
    await ground.create(service)
    await add_hook(service, "published", webhook=receiver.url)
    receiver.answers = [ANGRY]
    await service.rotations.rotate("app")
    (row,) = await outbox(service)
    began, pauses = clock.now, list[float]()
    while row.next_at is not None:
        before = clock.now
        clock.now = max(row.next_at, clock.now)
        await deliver(service)
        (row,) = await outbox(service)
        pauses.append((clock.now - before).total_seconds())
    assert row.state == "given up"
    assert (clock.now - began).total_seconds() >= 86400
    assert len(receiver.got) == row.attempts
    assert 8 <= pauses[1] <= 12
    assert max(pauses) <= 4320
    newest = (await service.history.recent(1))[0]
    assert (newest.action, newest.result, newest.subject) == ("hook-delivery", "failed", "hook")
    assert "500 No" in newest.message
    receiver.answers = [OK]
    await service.deliveries.retry(row.id)
    await deliver(service)
    assert [one.state for one in await outbox(service)] == ["done"]


async def test_it_waits_as_long_as_the_receiver_asks(
    ground: Ground, service: Service, receiver: Receiver, clock: Clock
) -> None:
    await ground.create(service)
    await add_hook(service, "published", webhook=receiver.url)
    receiver.answers = [b"HTTP/1.1 503 Busy\r\nRetry-After: 900\r\nContent-Length: 0\r\n\r\n", OK]
    await service.rotations.rotate("app")
    await deliver(service)
    clock.advance(minutes=14)
    await deliver(service)
    assert len(receiver.got) == 1
    clock.advance(minutes=2)
    await deliver(service)
    assert len(receiver.got) == 2


async def test_one_that_hangs_holds_up_no_other_and_no_rotation(
    ground: Ground, service: Service, receiver: Receiver
) -> None:
    await ground.create(service)
    reached = threading.Event()

    def hang(connection: socket.socket) -> None:
        reached.set()
        receiver.ended.wait()

    receiver.answers = [hang]
    with Receiver() as other:
        await add_hook(service, "published", name="hangs", webhook=receiver.url)
        await add_hook(service, "published", name="works", webhook=other.url)
        async with looping(service):
            await service.rotations.rotate("app")
            await until(service, "waiting", "done")
            assert await asyncio.to_thread(reached.wait, DEADLINE)
            await service.rotations.rotate("app")
            await until(service, "waiting", "done", "waiting", "done")
    first, *_ = await outbox(service)
    assert (first.state, first.answer) == ("retrying", "Keyturn was ended meanwhile")


@on_both_stores
async def test_what_a_dead_process_took_is_delivered_by_another(
    ground: Ground, service: Service, receiver: Receiver
) -> None:
    await ground.create(service)
    await add_hook(service, "published", webhook=receiver.url)
    await service.rotations.rotate("app")
    (row,) = await outbox(service)
    service.store.write(lambda tx: deliveries.take(tx, row.id, "a dead one", -60.0))
    await deliver(service)
    (row,) = await outbox(service)
    assert (row.state, row.attempts, len(receiver.got)) == ("done", 2, 1)


@on_both_stores
async def test_a_late_word_of_who_lost_the_delivery_changes_nothing(ground: Ground, service: Service) -> None:
    await ground.create(service)
    await add_hook(service, "published")
    await service.rotations.rotate("app")
    (row,) = await outbox(service)
    taken = service.store.write(lambda tx: deliveries.take(tx, row.id, "slow", -60.0))
    assert taken is not None
    await deliver(service)
    late = taken[0]
    now = service.context.clock()
    assert not service.store.write(lambda tx: deliveries.over(tx, late, deliveries.GIVEN_UP, "too late", now))
    assert [one.state for one in await outbox(service)] == ["done"]


@on_both_stores
async def test_what_waits_while_a_hook_is_paused_goes_out_when_it_is_resumed(
    ground: Ground, service: Service, clock: Clock
) -> None:
    await ground.create(service)
    await add_hook(service, "published")
    await service.hooks.pause("hook")
    await service.rotations.rotate("app")
    clock.advance(days=3)
    await deliver(service)
    assert [row.state for row in await outbox(service)] == ["paused"]
    await service.hooks.resume("hook")
    await deliver(service)
    assert [row.state for row in await outbox(service)] == ["done"]


@on_both_stores
async def test_what_is_dropped_is_not_delivered_and_lets_the_next_one_pass(
    ground: Ground, service: Service, receiver: Receiver
) -> None:
    await ground.create(service)
    await add_hook(service, "published", webhook=receiver.url)
    for _ in range(2):
        await service.rotations.rotate("app")
    first, second = await outbox(service)
    await service.deliveries.drop(first.id)
    await deliver(service)
    assert [got.json["id"] for got in receiver.got] == [second.event_id]


@on_both_stores
async def test_what_is_over_is_forgotten_after_a_month(ground: Ground, service: Service, clock: Clock) -> None:
    await ground.create(service)
    await add_hook(service, "published")
    await service.rotations.rotate("app")
    await deliver(service)
    clock.advance(days=29)
    await deliver(service)
    assert len(await outbox(service)) == 1
    clock.advance(days=2)
    await Dispatcher(service.context).once()
    assert await outbox(service) == []
