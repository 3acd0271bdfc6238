"""Where the drill of each rotation type is played when nobody names a target: on one that it starts itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from app.drill.gate import Access
from app.drill.scenarios import Scenario
from app.drill.scenarios_keys import KEYS
from app.drill.scenarios_passwords import PASSWORDS
from app.drill.scratch import Scratch


@dataclass(frozen=True)
class Stand:
    """`start` starts a target with so many parts. `pause`: between two logins of an application, in seconds."""

    type: str
    start: Callable[[int], AbstractContextManager[Sequence[Scratch]]]
    scenarios: Sequence[Scenario]
    pause: float = 0.0


@contextlib.contextmanager
def _postgres(parts: int) -> Iterator[Sequence[Scratch]]:
    """Raises ServerError."""
    from app.demo.server import PrivateServer
    from app.drill.postgres import postgres_scratch

    with PrivateServer(settings={"max_connections": "200"}) as server:
        access = Access.to(server.host, server.port, server.superuser, server.password)
        yield [postgres_scratch(access) for _ in range(parts)]


@contextlib.contextmanager
def _aws(parts: int) -> Iterator[Sequence[Scratch]]:
    """Raises IamError."""
    from app.demo.iam import IamAccount
    from app.drill.aws import aws_scratch

    with IamAccount() as account:
        yield [aws_scratch(account) for _ in range(parts)]


@contextlib.contextmanager
def _azure(parts: int) -> Iterator[Sequence[Scratch]]:
    from app.demo.entra import Entra
    from app.drill.azure import azure_scratch

    with Entra() as entra:
        yield [azure_scratch(entra) for _ in range(parts)]


_PAUSE = 0.1
"""A login at one of the clouds' stand-ins costs as much as fifty at PostgreSQL."""

STANDS = (
    Stand("postgres-credentials", _postgres, PASSWORDS),
    Stand("aws-iam-user-secret", _aws, KEYS, _PAUSE),
    Stand("azure-client-secret", _azure, KEYS, _PAUSE),
)


def stands(rotation_type: str | None, only: str) -> Sequence[Stand]:
    """Those of a type, all without one; of these, those with a scenario that `only` speaks of."""
    wanted = [stand for stand in STANDS if rotation_type in (None, stand.type)]
    found = [stand for stand in wanted if any(s.name in only for s in stand.scenarios)]
    return found or wanted
