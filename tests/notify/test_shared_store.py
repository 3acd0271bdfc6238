"""The same on a store in PostgreSQL, shared by several processes."""

from __future__ import annotations

import asyncio

import pytest

from app.errors import RotationFailed
from tests.conftest import Database
from tests.notify.ground import add_hook, deliver, outbox
from tests.notify.receiver import OK, Receiver
from tests.rotation.conftest import Clock, Ground
from tests.rotation.model import World, forbidden


async def test_each_delivery_is_made_by_one_in_order_tried_again_dropped_and_forgotten(
    ground: Ground, world: World, clock: Clock, receiver: Receiver, pg: Database
) -> None:
    url = f"postgresql+psycopg://{pg.admin_user}:{pg.admin_password}@{pg.host}:{pg.port}/{pg.database}"
    service, *others = [ground.start(KEYTURN_DATABASE_URL=url) for _ in range(3)]
    await ground.connect(service)
    await ground.create(service)
    await add_hook(service, "published,failed", webhook=receiver.url)
    for _ in range(3):
        await service.rotations.rotate("app")
    for _ in range(2):
        world.fail("issue", forbidden())
        with pytest.raises(RotationFailed):
            await service.rotations.rotate("app")
    await asyncio.gather(*(deliver(one) for one in (service, *others)))
    await deliver(service)
    rows = await outbox(service)
    assert [(row.state, row.event, row.count) for row in rows] == [
        *[("done", "published", 1)] * 3,
        ("done", "failed", 2),
    ]
    assert [got.json["id"] for got in receiver.got] == [row.event_id for row in rows]
    receiver.answers = [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", OK]
    await service.rotations.rotate("app")
    await deliver(service)
    newest = (await outbox(service))[-1]
    assert newest.state == "retrying"
    await others[0].deliveries.drop(newest.id)
    clock.advance(days=31)
    await deliver(service)
    assert await outbox(service) == []
