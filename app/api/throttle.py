"""How often one may try to log in.

Wrong tries are counted by client and address and by address, right ones by client and address: so nobody who only knows
an address, or a client's id, keeps out those who know its secret. Counts are in memory: a server that was restarted, or
a second one beside it, allows a few tries more. A client secret has 256 random bits, so no number of tries finds it;
what the limit keeps off is load, and noise in the history.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable

from app.api.errors import TooMany

OF_CLIENT = (20, 60.0)
OF_ADDRESS = (100, 60.0)
"""So many tries at once, and again after so many seconds, little by little."""
_REMEMBERED = 10_000
_ROUNDING = 1e-6


class Throttle:
    """`clock`: seconds, which only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()
        """When each may try as often as at first."""

    def take(self, client: str, address: str, *, right: bool) -> None:
        """`right`: the client's secret came along. Raises TooMany."""
        now, origin = self._clock(), _origin(address)
        keys: dict[Hashable, tuple[int, float]] = {(right, client, origin): OF_CLIENT}
        if not right:
            keys[origin] = OF_ADDRESS
        waits = [self._wait(key, now, *limit) for key, limit in keys.items()]
        if (wait := max(waits)) > 0:
            raise TooMany("Too many logins; try again later.", retry_after=math.ceil(wait))
        for key, (most, seconds) in keys.items():
            self._full_at[key] = max(self._full_at.get(key, now), now) + seconds / most
            self._full_at.move_to_end(key)
        while len(self._full_at) > _REMEMBERED:
            self._full_at.popitem(last=False)

    def _wait(self, key: Hashable, now: float, most: int, seconds: float) -> float:
        """Seconds until one more is allowed."""
        each = seconds / most
        return max(0.0, self._full_at.get(key, now) - now - (seconds - each) - _ROUNDING)


def _origin(address: str) -> str:
    """Who has an IPv6 address has all 2 to the 64 of its network, which count as one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False))
