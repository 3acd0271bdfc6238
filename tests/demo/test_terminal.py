"""`keyturn demo` in a terminal: the real interface on a throw-away store, with the clients' count under its title."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from app.service import open_service
from app.settings import load_settings
from tests.demo.conftest import KEYTURN, Yard, all_gone, descendants
from tests.terminal import Terminal
from tests.test_private_server import eventually

MOUSE_ON = b"\x1b[?1000h"
TYPES = ("postgres-credentials", "aws-iam-user-secret", "azure-client-secret")
BODIES = {
    "shop-db": {"parameters": {"username1": "app_user_1", "username2": "app_user_2"}},
    "shop-aws": {"secretsMapping": {"accessKeyId": "AWS_ID", "secretAccessKey": "AWS_SECRET"}},
    "shop-entra": {"secretsMapping": {"clientId": "AZURE_ID", "clientSecret": "AZURE_SECRET"}},
}


async def create_rotations(home: Path) -> None:
    """As another process would, on the store that the demo made, with what there is to be picked."""
    service = open_service(load_settings({"KEYTURN_HOME": str(home)}), "test")
    try:
        for kind, (connection, given) in zip(TYPES, BODIES.items(), strict=True):
            body: dict[str, Any] = {
                "name": f"{connection}-rotation",
                "projectId": "default",
                "connectionId": connection,
                "environment": "prod",
                "secretPath": "/",
                "rotationInterval": 30,
                "secretsMapping": {"username": "DB_USER", "password": "DB_PASSWORD"},
                **given,
            }
            if "parameters" not in body:
                (pick,) = await service.creation.picks(kind, connection, "shop")
                body["parameters"] = dict(pick.fills)
            await service.creation.create(kind, body)
    finally:
        await service.aclose()


@pytest.mark.soak
async def test_it_counts_logins_on_screen_and_leaves_nothing(yard: Yard) -> None:
    with Terminal([str(KEYTURN), "--no-mouse", "demo"], yard.environ) as terminal:
        terminal.wait_for("its clients wait for a rotation (n)")
        terminal.wait_for("No rotations yet")
        family = descendants(terminal.pid)
        (home,) = yard.tmp.glob("keyturn-pg-*/keyturn")
        await create_rotations(home)
        for connection in BODIES:
            terminal.wait_for(f"{connection}-rotation")
        for label in ("PostgreSQL", "AWS", "Azure"):
            terminal.wait_for(f" {label} ")
        terminal.wait_for(" ok; 0 failed")
        terminal.send(b"q")
        assert terminal.wait() == 0
        assert terminal.shows("The demo and all it made are gone.", " ok; 0 failed.")
    assert MOUSE_ON not in b"".join(chunk for _, chunk in terminal.chunks)
    assert all_gone(family)
    assert eventually(yard.is_clean)


ENDINGS = [
    pytest.param(signal.SIGTERM, 143, id="SIGTERM", marks=pytest.mark.soak),
    pytest.param(signal.SIGHUP, 129, id="SIGHUP", marks=pytest.mark.soak),
    pytest.param(signal.SIGKILL, -9, id="SIGKILL", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("number", "status"), ENDINGS)
def test_nothing_is_left_of_one_that_is_ended(number: signal.Signals, status: int, yard: Yard) -> None:
    with Terminal([str(KEYTURN), "demo"], yard.environ) as terminal:
        terminal.wait_for("No rotations yet")
        family = descendants(terminal.pid)
        terminal.signal(number)
        assert terminal.wait() == status
    assert MOUSE_ON in b"".join(chunk for _, chunk in terminal.chunks)
    assert all_gone(family)
    assert eventually(yard.is_clean)
