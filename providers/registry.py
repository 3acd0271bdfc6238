"""Finds rotation types and connection apps, in-tree or from other distributions, by their entry points."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from providers.base import ConnectionApp, Provider

PROVIDERS = "keyturn.providers"
APPS = "keyturn.apps"

_HOME = "keyturn"
_WHAT = {PROVIDERS: "rotation type", APPS: "connection app"}
_KEY = {PROVIDERS: "type", APPS: "app"}

T = TypeVar("T")


class UnknownType(LookupError):
    """Nothing is registered under this name; the message lists what is."""

    def __init__(self, what: str, name: str, known: tuple[str, ...]) -> None:
        listed = ", ".join(known) or "none"
        super().__init__(f"There is no {what} {name!r}. Known: {listed}.")
        self.name = name
        self.known = known


class PluginBroken(RuntimeError):
    """A registered plug-in does not load; `reason` says why."""

    def __init__(self, what: str, name: str, source: str, reason: str) -> None:
        super().__init__(f"The {what} {name!r} from {source} can't be used: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Catalogue(Generic[T]):
    """Everything of one kind that loads, by name, and what does not."""

    found: Mapping[str, T]
    broken: tuple[PluginBroken, ...] = ()


def provider(type_: str) -> Provider:
    """Return the provider of a rotation type, loading no other. Raises UnknownType or PluginBroken."""
    return cast(Provider, _load(PROVIDERS, type_))


def connection_app(app: str) -> ConnectionApp:
    """Return a connection app, loading no other. Raises UnknownType or PluginBroken."""
    return cast(ConnectionApp, _load(APPS, app))


def providers() -> Catalogue[Provider]:
    """Load every rotation type. What fails to load is named in `broken` and hinders no other."""
    return _load_all(PROVIDERS)


def connection_apps() -> Catalogue[ConnectionApp]:
    """Load every connection app. What fails to load is named in `broken` and hinders no other."""
    return _load_all(APPS)


def provider_types() -> tuple[str, ...]:
    """Return the registered rotation types, sorted. Loads none."""
    return tuple(_registered(PROVIDERS))


def connection_app_names() -> tuple[str, ...]:
    """Return the registered connection apps, sorted. Loads none."""
    return tuple(_registered(APPS))


@functools.cache
def _registered(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name. Reading them from every distribution takes a while, so once.

    Nobody can take over a name of ours; between strangers the first found wins.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        if point.name not in found or _distribution(point) == _HOME:
            found[point.name] = point
    return dict(sorted(found.items()))


def _distribution(point: EntryPoint) -> str:
    return str(point.dist.name) if point.dist is not None else point.module


def _load(group: str, name: str) -> Any:
    registered = _registered(group)
    if name not in registered:
        raise UnknownType(_WHAT[group], name, tuple(registered))
    point = registered[name]
    try:
        loaded = point.load()
        declared = getattr(loaded, _KEY[group], None)
    except Exception as error:  # a stranger's module may raise anything at import
        raise _broken(group, point, f"{type(error).__name__}: {error}") from error
    if declared != name:
        raise _broken(group, point, f"it calls itself {declared!r}")
    return loaded


def _broken(group: str, point: EntryPoint, reason: str) -> PluginBroken:
    return PluginBroken(_WHAT[group], point.name, _distribution(point), reason)


def _load_all(group: str) -> Catalogue[Any]:
    found: dict[str, Any] = {}
    broken: list[PluginBroken] = []
    for name in _registered(group):
        try:
            found[name] = _load(group, name)
        except PluginBroken as error:
            broken.append(error)
    return Catalogue(found, tuple(broken))
