"""What can be rotated, and what a client may begin with for each type."""

from __future__ import annotations

from typing import Any

from app.api.schemas import example_of
from app.contract import Body
from app.operations.catalog import RotationType
from app.service import Service
from providers.registry import provider

_ANY_DATABASE = {"database": "my_database", "username": "keyturn"}


class Option(Body):
    name: str
    type: str
    connection: str
    template: dict[str, Any]


class Options(Body):
    secret_rotation_options: list[Option]


def all_options(service: Service) -> Options:
    return Options(
        secret_rotation_options=[
            Option(name=kind.title, type=kind.type, connection=kind.app, template=_template(service, kind))
            for kind in service.catalog.rotation_types()
        ]
    )


def _template(service: Service, kind: RotationType) -> dict[str, Any]:
    """The prefilled names; for databases, the statements as they may look, too."""
    parameters = provider(kind.type).parameters
    template: dict[str, Any] = {"secretsMapping": {field.key: field.default for field in kind.mapping}}
    statement = parameters.model_fields.get("rotation_statement")
    if statement is not None and statement.examples:
        template["rotationStatement"] = statement.examples[0]
    if (script := service.creation.preparation(kind.type, example_of(parameters), _ANY_DATABASE)) is not None:
        template["createUserStatement"] = script.text
    return template
