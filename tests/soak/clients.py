"""Clients that log in over and over with what is published, and count every login that failed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from app.errors import explain
from app.service import Service, open_service
from app.settings import load_settings
from app.views import Place
from tests.cli.ground import process

HERE = Place("default", "dev", "/")
PAUSE = 0.1
"""Between two logins, in seconds: sixteen without one leave a small machine no time for rotations."""

LogIn = Callable[[Mapping[str, str]], bool]
"""Whether the target lets these published values in, by credential field. It raises what is no answer."""


@dataclass
class Turn:
    """Moved on by whoever forces the next rotation: those who keep what they read must read again.

    That is the promise: what is replaced works for one more interval, until the next rotation but one.
    """

    number: int = 0


@dataclass
class Client:
    """`door` makes the way in, in the client's own thread; it is closed at its end. `mapping` is the names of its
    secrets by credential field; `who` is the field that names it. `keeps` what it has read for a whole turn; `shell`:
    it reads by the command line. `used` is the newest turn in which it read and logged in.
    """

    door: Callable[[], AbstractContextManager[LogIn]]
    who: str
    mapping: Mapping[str, str]
    turn: Turn
    keeps: bool
    shell: bool
    used: int = -1
    logins: int = 0
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def _live(self) -> None:
        service = open_service(load_settings(os.environ), "client")
        try:
            with self.door() as logs_in:
                self._use(service, logs_in)
        except Exception as error:  # to fall silent is a failure
            self.failures.append(f"gone: {_words(error)}")
        finally:
            asyncio.run(service.aclose())

    def _use(self, service: Service, logs_in: LogIn) -> None:
        held: dict[str, str] = {}
        read_in = -1
        while not self._stop.is_set():
            turn = self.turn.number
            if not self.keeps or read_in != turn:
                held, read_in = self._read(service), turn
            self.logins += 1
            try:
                if not logs_in(held):
                    self.failures.append(f"{held[self.who]} was refused")
            except Exception as error:
                self.failures.append(f"no login as {held[self.who]}: {_words(error)}")
            self.used = read_in
            self._stop.wait(PAUSE)

    def _read(self, service: Service) -> dict[str, str]:
        if self.shell:
            found = process("secrets", "export", "--format", "json").json
        else:
            found = asyncio.run(service.secrets.values(HERE))
        return {name: found[secret] for name, secret in self.mapping.items()}


def _words(error: Exception) -> str:
    known = explain(error)
    return known.message if known else f"{type(error).__name__} {str(error).splitlines()[:1]}"
