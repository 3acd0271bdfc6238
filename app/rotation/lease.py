"""Holding a lease while working: renewed in time, given back at the end, the work stopped when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from store import leases
from store.database import Store, Tx
from store.errors import LeaseLost, StoreError, StoreUnavailable
from store.leases import Lease

T = TypeVar("T")


def elapsed() -> float:
    """Seconds since whenever, those included for which the machine slept: `time.monotonic` leaves them out on Linux."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass
class Held:
    """A lease in use. `seconds` is its length; `returned`: it went back to the store together with the last write."""

    lease: Lease
    seconds: float
    returned: bool = False
    lost: bool = False
    renewed_at: float = field(default_factory=elapsed)

    def assert_fresh(self) -> None:
        """Before an outside call: a process that was suspended past its lease must not act. Raises LeaseLost."""
        if elapsed() - self.renewed_at > self.seconds:
            raise LeaseLost("This process was suspended past its lease; a successor carries on.")


@contextlib.asynccontextmanager
async def holding(store: Store, lease: Lease, seconds: float) -> AsyncIterator[Held]:
    """Raises LeaseLost from the body when somebody else took over."""
    held = Held(lease, seconds)
    work = asyncio.current_task()
    assert work is not None
    renewing = asyncio.create_task(_renew(store, held, work))
    try:
        yield held
    except asyncio.CancelledError:
        if not held.lost:
            raise
        work.uncancel()
        raise LeaseLost("The lease ran out while working; a successor carries on.") from None
    finally:
        renewing.cancel()
        if not held.returned:
            with contextlib.suppress(StoreUnavailable):  # it expires by itself
                await asyncio.shield(store.awrite(lambda tx: leases.release(tx, lease), durable=False))


async def claiming(
    store: Store, claim: Callable[[Tx], T], held: Callable[[T], Iterable[Lease]], *, durable: bool = True
) -> T:
    """Take leases in a transaction of the caller's. Whoever is cancelled meanwhile leaves none behind."""
    writing = asyncio.ensure_future(store.awrite(claim, durable=durable))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        with contextlib.suppress(StoreError):
            for lease in held(await writing):
                await store.awrite(partial(leases.release, lease=lease))
        raise


async def _renew(store: Store, held: Held, work: asyncio.Task[Any]) -> None:
    while True:
        await asyncio.sleep(held.seconds / 3)
        try:
            started = elapsed()
            await store.awrite(lambda tx: leases.renew(tx, held.lease, held.seconds), durable=False)
            held.renewed_at = started
        except LeaseLost:
            if held.returned or not await store.aread(partial(leases.taken_over, lease=held.lease)):
                return
            held.lost = True
            work.cancel()
            return
        except StoreUnavailable:
            continue  # a store that is away for a moment; assert_fresh guards the rest
