"""Published values for a command: by the short way, or by the service, which also says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.deliver import quick
from app.views import Place

if TYPE_CHECKING:
    from app.service import Service


def values_at(place: Place) -> dict[str, str]:
    """Name to value. Raises as the service does."""
    found = quick.values(place)
    return _thoroughly(place) if found is None else found


def value_at(place: Place, name: str) -> str:
    """Raises NotFound, and as the service does."""
    found = quick.value(place, name)
    if found is not None:
        return found

    async def ask(service: Service) -> str:
        return await service.secrets.value(place, name)

    from app.cli.running import use

    return use(ask)


def _thoroughly(place: Place) -> dict[str, str]:
    from app.cli.running import use

    async def ask(service: Service) -> dict[str, str]:
        return await service.secrets.values(place)

    return use(ask)
