"""What can be set up: rotation types, connection apps, and the fields each of them asks for."""

from __future__ import annotations

from dataclasses import dataclass

from app.forms import FormField, fields_of
from providers.base import Choosing, Preparable
from providers.registry import connection_app, connection_app_names, provider, providers

_DOCUMENTED = ("postgres", "aws", "azure-client-secrets")


def _rank(app: str) -> int:
    return _DOCUMENTED.index(app) if app in _DOCUMENTED else len(_DOCUMENTED)


@dataclass(frozen=True)
class RotationType:
    """`mapping` fields: key is the credential field, default the prefilled secret name."""

    type: str
    title: str
    app: str
    app_title: str
    name_max_length: int
    parameters: tuple[FormField, ...]
    mapping: tuple[FormField, ...]
    preparable: bool
    choosable: bool
    """Whether the target can be asked what there is to rotate."""


@dataclass(frozen=True)
class ConnectionForm:
    app: str
    title: str
    method: str
    methods: tuple[str, ...]
    fields: tuple[FormField, ...]


@dataclass(frozen=True)
class Catalog:
    def rotation_types(self) -> list[RotationType]:
        """All that load: the documented ones as the documents order them, then others' by title."""
        found = [self.rotation_type(name) for name in providers().found]
        return sorted(found, key=lambda kind: (_rank(kind.app), kind.title))

    def rotation_type(self, type_name: str) -> RotationType:
        """Raises UnknownType, PluginBroken."""
        kind = provider(type_name)
        return RotationType(
            type=kind.type,
            title=kind.title,
            app=kind.app,
            app_title=connection_app(kind.app).title,
            name_max_length=kind.name_max_length,
            parameters=tuple(fields_of(kind.parameters)),
            mapping=tuple(fields_of(kind.mapping)),
            preparable=isinstance(kind, Preparable),
            choosable=isinstance(kind, Choosing),
        )

    def connection_apps(self) -> list[tuple[str, str]]:
        """(app, title) of all that load, in the same order."""
        found = [(name, connection_app(name).title) for name in connection_app_names()]
        return sorted(found, key=lambda app: (_rank(app[0]), app[1]))

    def connection_form(self, app: str, method: str | None = None) -> ConnectionForm:
        """The fields of one method, the first one by default. Raises UnknownType, PluginBroken."""
        kind = connection_app(app)
        chosen = method or next(iter(kind.methods))
        return ConnectionForm(
            app=app,
            title=kind.title,
            method=chosen,
            methods=tuple(kind.methods),
            fields=tuple(fields_of(kind.methods[chosen])),
        )
