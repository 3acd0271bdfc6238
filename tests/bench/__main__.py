"""`make bench`: one table of ratios; the exit code tells only whether everything could be measured."""

from __future__ import annotations

import asyncio
import compileall
import os
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.bench import frame, http, rotation, startup
from tests.bench.measure import CannotMeasure, Comparison, busy_with_others, table

_PACKAGES = ("app", "screens", "providers", "store", "tests/bench")


def main() -> int:
    """Measure everything there is; what cannot be measured is told and makes it fail."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in _PACKAGES:
        # Without bytecode every start would compile: neither side does, as after `make install`.
        compileall.compile_dir(package, quiet=1)
    failed = False
    comparisons: list[Comparison] = []
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder:
        environ = startup.environment(Path(folder))
        measurements: list[Callable[[], Awaitable[list[Comparison]]]] = [
            lambda: startup.compare(environ),
            lambda: frame.compare(environ),
            rotation.compare,
            http.compare,
        ]
        with busy_with_others() as others:
            for measure in measurements:
                try:
                    comparisons += asyncio.run(_all(measure))
                except CannotMeasure as error:
                    failed = True
                    print(f"not measured: {error}", file=sys.stderr)
                except Exception:
                    failed = True
                    traceback.print_exc()
        spent = startup.profile(environ)
    print(table(comparisons))
    print("Medians, in milliseconds unless it says MiB, with the least and the most; all in turn, in the same run.")
    print(spent)
    if others.share > 0.1:
        print(f"Other programs kept {others.share:.0%} of the processors busy meanwhile: run it again when they rest.")
    return 1 if failed else 0


async def _all(measure: Callable[[], Awaitable[list[Comparison]]]) -> list[Comparison]:
    return await measure()


if __name__ == "__main__":
    sys.exit(main())
