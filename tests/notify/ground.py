"""Hooks and deliveries as the tests ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from app.notify.dispatcher import Dispatcher
from app.notify.rules import events_of
from app.operations.deliveries import DeliveryView
from app.operations.hooks import NewHook, Scope
from app.service import Service
from tests.rotation import conftest

on_both_stores = pytest.mark.parametrize("kind_of_store", ["sqlite", "postgresql"])
"""For tests of what SQL decides: who takes a delivery, in which order, and when again."""


@dataclass
class Ground(conftest.Ground):
    """`environ`: where the store is, for every process."""

    environ: dict[str, str] = field(default_factory=dict)

    def start(self, **environ: str) -> Service:
        return super().start(**{**self.environ, **environ})


async def add_hook(
    service: Service,
    on: str,
    *,
    webhook: str = "",
    command: str = "",
    name: str = "hook",
    time_out: int = 30,
    **of: str,
) -> str:
    """The signing key, if any."""
    kind, what = ("webhook", webhook) if webhook else ("command", command or "true")
    added = await service.hooks.add(NewHook(name, events_of(on), kind, what, Scope(**of), time_out))
    return added.signing_key


async def deliver(service: Service) -> None:
    """What is due now, each tried once."""
    await Dispatcher(service.context).once()


async def outbox(service: Service) -> list[DeliveryView]:
    """Oldest first."""
    return list(reversed(await service.deliveries.recent()))
