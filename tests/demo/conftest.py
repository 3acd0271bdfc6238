"""A demo of one's own: nobody else's processes and directories count, and none of its may be left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.test_private_server import alive, eventually

ROOT = Path(__file__).parents[2]
KEYTURN = Path(sys.executable).with_name("keyturn")
# What a shell may say of clouds and proxies, none of which the demo may follow. Nobody listens on port 9.
NOWHERE = "http://127.0.0.1:9"
FOREIGN_CLOUDS = {
    "AWS_PROFILE": "nobody",
    "AWS_ENDPOINT_URL": NOWHERE,
    "AZURE_AUTHORITY_HOST": NOWHERE,
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
}


@dataclass
class Yard:
    """Where a demo could leave things: its TMPDIR, its user's home, and a store that is none of its business.

    `user` is who runs it, None for oneself.
    """

    tmp: Path
    home: Path
    store: Path
    prefix: list[str] = field(default_factory=list)
    user: int | None = None

    @property
    def environ(self) -> dict[str, str]:
        mine = {"KEYTURN_HOME": str(self.store), "KEYTURN_DATABASE_URL": "nonsense", "KEYTURN_KEY": "nonsense"}
        return {**os.environ, "TMPDIR": str(self.tmp), "HOME": str(self.home), **mine, **FOREIGN_CLOUDS}

    def start(self) -> subprocess.Popen[str]:
        """The walk, as a process of its own with its output in pipes."""
        return subprocess.Popen(
            [*self.prefix, str(KEYTURN), "demo"],
            env=self.environ,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=self.user,
            group=self.user,
        )

    def is_clean(self) -> bool:
        return not [*self.tmp.iterdir(), *self.home.iterdir(), *self.store.iterdir()]


@pytest.fixture
def yard() -> Iterator[Yard]:
    # Below /tmp itself: pytest's own directories are closed to the ordinary users that a server may run as.
    base = Path(tempfile.mkdtemp(prefix="keyturn-yard-"))
    made = Yard(base / "tmp", base / "home", base / "store")
    for path in (base, made.tmp, made.home, made.store):
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
    yield made
    shutil.rmtree(base)


def descendants(process: int) -> list[int]:
    return [child.pid for child in psutil.Process(process).children(recursive=True)]


def all_gone(processes: list[int]) -> bool:
    return eventually(lambda: not any(map(alive, processes)))
