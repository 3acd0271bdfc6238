"""The stand-ins of the demo: early callers wait for them, and what can't be played is told."""

from __future__ import annotations

import asyncio
import importlib.util
import signal

import psutil
import pytest

from app.demo import story
from app.demo.load import Clients
from app.demo.stage import stage
from app.service import open_service
from app.views import ConnectionTest


async def stand_in(module: str) -> psutil.Process:
    """The newest of this process's children that plays it; one that has just begun has no command line for a moment."""
    found: list[psutil.Process] = []
    async with asyncio.timeout(30):
        while not found:
            await asyncio.sleep(0.01)
            found = [child for child in psutil.Process().children() if f"app.demo.{module}" in child.cmdline()]
    return max(found, key=lambda child: child.create_time())


async def test_a_connection_waits_for_its_stand_in_and_tells_when_that_is_gone() -> None:
    with stage() as built:
        processes = [await stand_in("iam_server"), await stand_in("entra_server")]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        service = open_service(built.settings, "test")
        try:
            await built.set_up(service)
            names = [target.connection for target in built.targets[1:]]

            def asked() -> asyncio.Future[list[ConnectionTest]]:
                return asyncio.gather(*(service.connections.test(name) for name in names))

            early = asked()
            await asyncio.wait({early}, timeout=0.3)
            for process in processes:
                process.send_signal(signal.SIGCONT)
            assert [test.ok for test in await early] == [True, True]
            for process in processes:
                process.kill()
                process.wait()
            for test in await asked():
                assert not test.ok
                assert "127.0.0.1" in test.text
                assert test.remedy
        finally:
            await service.aclose()


def test_what_is_missing_is_told_and_the_rest_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "moto" else known(name))
    with stage() as built:
        assert [target.label for target in built.targets] == ["PostgreSQL", "Azure"]
        assert "pip install 'keyturn[demo]'" in built.missing
        line = story.status_line(Clients(built), built.missing)
    assert built.missing in line
    assert len(line) <= 80
