"""SQL compiled once for all the stores of a test run: each test opens a store or two, and compiling takes longer than
most of them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url

from store import engines


def share() -> None:
    """Let every SQLite engine of this process use the dialect, and with it the compiled statements, of one."""
    make_engine = engines.make_engine
    with tempfile.TemporaryDirectory(prefix="keyturn-sql-") as directory:
        first = make_engine(make_url(f"sqlite:///{Path(directory) / 'first.db'}"), busy_timeout=1.0, threads=1)
        first.connect().close()  # a dialect is complete after its first connection
        first.dispose()

    def sharing(url: URL, *, busy_timeout: float, threads: int) -> Engine:
        engine = make_engine(url, busy_timeout=busy_timeout, threads=threads)
        if url.drivername == "sqlite":
            engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
        return engine

    engines.make_engine = sharing
