"""The pages beside the dashboard, and what is shown when something is wrong."""

from __future__ import annotations

from functools import partial

from app.service import Service
from app.settings import Settings
from store.errors import WrongKey
from tests.pictures import happenings, stock
from tests.pictures.frames import stocked
from tests.pictures.gallery import Gallery


async def test_connections(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await walk.press("2")
        await walk.reaches("ConnectionsScreen")
        await walk.sees("billing-db", "production")
        await gallery.hang("connections", walk)
        await walk.press("n")
        await walk.pilot.pause()
        await gallery.hang("connection-app", walk)
        await walk.press("escape", "e")
        await walk.reaches("ConnectionFormScreen")
        await gallery.hang("connection-form", walk)


async def test_no_connections(gallery: Gallery) -> None:
    async with stocked(None) as walk:
        await walk.press("2")
        await walk.reaches("ConnectionsScreen")
        await gallery.hang("connections-empty", walk)
        await walk.press("escape", "3")
        await walk.reaches("SecretsScreen")
        await gallery.hang("secrets-empty", walk)
        await walk.press("escape", "4")
        await walk.reaches("EventsScreen")
        await gallery.hang("events-empty", walk)
        await walk.press("escape", "5")
        await walk.reaches("DeliveriesScreen")
        await walk.sees("keyturn hooks add")
        await gallery.hang("deliveries-empty", walk)


async def test_deliveries_that_failed(gallery: Gallery) -> None:
    async with stocked(partial(happenings.tell, count=3)) as walk:
        await walk.press("5")
        await walk.reaches("DeliveriesScreen")
        await walk.sees("3 given up")
        await walk.press("down")
        await walk.sees("failed of ledger")
        await gallery.hang("deliveries", walk)


async def test_secrets_and_events(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await walk.press("3")
        await walk.reaches("SecretsScreen")
        await walk.sees("BILLING_PASSWORD")
        await gallery.hang("secrets", walk)
        await walk.press("4")
        await walk.reaches("EventsScreen")
        await walk.sees("ledger", "failed")
        await gallery.hang("events", walk)
        await walk.press("comma")
        await walk.reaches("SettingsScreen")
        await gallery.hang("settings", walk)


async def test_a_store_that_does_not_open(gallery: Gallery) -> None:
    def refused(settings: Settings) -> Service:
        raise WrongKey(
            "The key file is not the key of this store, which asks for 'k1'.",
            remedy="Use the key ring that was in use with this store; look for a copy of its key file.",
        )

    async with stocked(None, until_open=False, opening=refused) as walk:
        await walk.reaches("MessageScreen")
        await gallery.hang("store-not-opened", walk)


async def test_a_terminal_that_is_too_small(gallery: Gallery) -> None:
    async with stocked(stock.fill) as walk:
        await walk.sees("ledger")
        await walk.pilot.resize_terminal(40, 10)
        await walk.reaches("TooSmallScreen")
        await gallery.hang("too-small", walk, size=(40, 10))
