"""The shop whose credentials the demo rotates: what is the same for its database, its AWS user and its application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Values = Mapping[str, str]
"""A credential by its fields, as the mapped secrets hold it."""


class Refused(Exception):
    """A login failed; the text says why and holds no secret."""


@dataclass(frozen=True, eq=False)
class Target:
    """One thing to rotate, and how the shop's programs use it."""

    label: str
    type: str
    app: str
    connection: str
    method: str
    credentials: Mapping[str, Any] = field(repr=False)
    """The connection's."""
    rotation: str
    """What the walk names the rotation."""
    parameters: Mapping[str, str]
    mapping: Mapping[str, str]
    told: Callable[[Values], str]
    """What is published, in words for people."""
    log_in: Callable[[Values, int], Awaitable[None]]
    """By the credential and the number of the client. Raises Refused."""
    clients: int
    pace: float = 1.0
    """How many times longer than the others its clients pause."""

    @property
    def connection_body(self) -> dict[str, Any]:
        return {"name": self.connection, "method": self.method, "credentials": dict(self.credentials)}

    @property
    def rotation_body(self) -> dict[str, Any]:
        project, environment, path = PLACE
        return {
            "name": self.rotation,
            "projectId": project,
            "connectionId": self.connection,
            "environment": environment,
            "secretPath": path,
            "rotationInterval": 30,
            "parameters": dict(self.parameters),
            "secretsMapping": dict(self.mapping),
        }


PLACE = ("default", "prod", "/")
"""Project, environment and folder of all secrets of the walk."""
