"""SQL compiled once for all the stores of a test run: each test opens a store or two, and compiling takes longer than
most of them.
"""

from __future__ import annotations

from sqlalchemy import Engine, event
from sqlalchemy.engine import URL

from store import engines


def share() -> None:
    """Let every engine of this process use the dialect, and with it the compiled statements, of the first that
    connected to the same server, or to any file.
    """
    make_engine, known = engines.make_engine, dict[object, Engine]()

    def sharing(url: URL, *, busy_timeout: float, threads: int) -> Engine:
        engine, server = make_engine(url, busy_timeout=busy_timeout, threads=threads), (url.drivername, url.port)
        if first := known.get(server):
            engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
        else:  # a dialect is complete after its first connection
            event.listen(engine, "connect", lambda *_: known.setdefault(server, engine))
        return engine

    engines.make_engine = sharing
