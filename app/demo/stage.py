"""What the demo plays on: a private server with a shop's database, stand-ins for AWS and Entra, and a throw-away store.

Everything is below the server's directory: whoever is left to remove that, even after a kill -9, removes all of it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.demo import shop_database
from app.demo.iam import IamAccount
from app.demo.server import BinariesMissing, PrivateServer, ServerError
from app.demo.shop import Target
from app.demo.shop_aws import aws_target, make_account
from app.demo.shop_entra import begin_tenant
from app.errors import KeyturnError
from app.operations.access import split
from app.settings import Settings, load_settings
from providers.registry import connection_app
from store import connections

if TYPE_CHECKING:
    from app.service import Service

# What the shell may say to a store of one's own, which the demo must not find.
_FOREIGN = ("KEYTURN_", "CREDENTIALS_DIRECTORY")
_OF_THE_TERMINAL = ("KEYTURN_ASCII", "KEYTURN_NO_MOUSE")
# What it may say to the SDKs: the stand-ins are all that they may talk to.
_FOREIGN_CLOUDS = ("AWS_", "AZURE_")
_NO_CLOUDS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_AWS_NEEDS = ("moto", "flask", "flask_cors")
_NICENESS = 5
"""The stand-ins give way to the terminal, above all while its first frame is drawn."""


@dataclass(frozen=True)
class Stage:
    """All that runs, and the settings of the store; gone when the server is. PostgreSQL is the first target.

    `missing`: what can't be played here and how to get it, as part of a sentence; empty when nothing is missing.
    """

    server: PrivateServer
    settings: Settings
    targets: tuple[Target, ...]
    missing: str = ""
    account: IamAccount | None = field(default=None, repr=False)

    async def set_up(self, service: Service) -> str:
        """Connect Keyturn to all targets, prepare the two database users; the role that owns what they share."""
        database, *others = self.targets
        await service.connections.add(database.app, database.connection_body)
        shared = await shop_database.prepare(service, self.server, database)
        for target in others:
            await _keep_connection(service, target)
        return shared


@contextlib.contextmanager
def stage(environ: Mapping[str, str] = os.environ, *, clouds: bool = True) -> Iterator[Stage]:
    """Start the server, and the stand-ins unless `clouds` is False; they come up while this goes on.

    Raises KeyturnError when there is no server to be had.
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_server())
        stack.enter_context(_private_environ())
        settings = load_settings(_environ(environ, server.directory / "keyturn"))
        targets, missing, account = [shop_database.make_database(server)], "", None
        if clouds and _have(_AWS_NEEDS):
            account, login = make_account()
            account.begin(complaints=server.directory / "iam.log", niceness=_NICENESS)
            stack.callback(account.stop)
            targets.append(aws_target(account, login))
        elif clouds:
            missing = "no AWS (pip install 'keyturn[demo]')"
        if clouds:
            tenant = begin_tenant(server.directory, niceness=_NICENESS)
            stack.callback(tenant.process.stop)
            targets.append(tenant.target)
        yield Stage(server, settings, tuple(targets), missing, account)


@contextlib.contextmanager
def _server() -> Iterator[PrivateServer]:
    try:
        server = PrivateServer()
        server.start()
    except BinariesMissing as error:
        remedy = "With pip: pip install 'keyturn[demo]'. In a checkout: make install"
        raise KeyturnError(
            "The demo needs a PostgreSQL server of its own, and there is none.", remedy=remedy
        ) from error
    except ServerError as error:
        raise KeyturnError(str(error)) from error
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def _private_environ() -> Iterator[None]:
    """For this process and its children: no proxy between them, nobody's account."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(_FOREIGN_CLOUDS):
            del os.environ[name]
    kept = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    direct = ",".join(filter(None, [kept, PrivateServer.host]))
    os.environ.update(_NO_CLOUDS, no_proxy=direct, NO_PROXY=direct)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _keep_connection(service: Service, target: Target) -> None:
    """Without trying it, as `add` would: what it leads to may still be on its way."""
    given = connection_app(target.app).methods[target.method].model_validate(dict(target.credentials))
    settings, secret = split(given)
    context = service.context
    await service.store.awrite(
        lambda tx: connections.add(
            tx,
            id=context.new_id(),
            name=target.connection,
            app=target.app,
            method=target.method,
            description=None,
            settings=settings,
            secrets=secret,
            now=context.clock(),
        )
    )


def _have(packages: tuple[str, ...]) -> bool:
    return all(importlib.util.find_spec(package) for package in packages)


def _environ(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """What the terminal UI may know of the terminal, and nothing of another store or key."""
    kept = {k: v for k, v in environ.items() if k in _OF_THE_TERMINAL or not k.startswith(_FOREIGN)}
    return {**kept, "KEYTURN_HOME": str(home)}
