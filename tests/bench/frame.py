"""How soon the terminal UI is there, how soon a key shows, and how much memory it takes, in a real pty.

Beside it in the same run: the smallest Textual application with as many rows, and two that people like (posting and
harlequin), from environments of their own that `make bench` fills.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench import filling
from tests.bench.measure import CannotMeasure, Comparison
from tests.bench.startup import KEYTURN
from tests.terminal import Terminal

ROUNDS = 6
WARM_UP = 1
FEW, MANY = 100, 10_000
PEERS = Path(__file__).parents[2] / ".tools" / "peers"
_KEYS = 7
_QUIET, _AT_REST = 0.2, 1.2
_DOWN, _CTRL_C, _CTRL_Q = b"\x1b[B", b"\x03", b"\x11"


@dataclass(frozen=True)
class Program:
    """`first` can be read in its first frame, `filled` once its rows are there."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    first: tuple[str, ...]
    filled: tuple[str, ...]
    key: bytes = _DOWN
    leave: bytes = _CTRL_Q


@dataclass(frozen=True)
class Seen:
    """One run: milliseconds until the first frame, until the rows, from a key to the last change of the screen; MiB."""

    first: float
    filled: float
    key: float
    memory: float


async def compare(environ: dict[str, str]) -> list[Comparison]:
    """Every program in turn, round by round. Raises CannotMeasure when one never shows what it should."""
    programs = [*(await _ours_and_smallest(environ)), *_peers(environ)]
    seen: dict[str, list[Seen]] = {program.name: [] for program in programs}
    for number in range(-WARM_UP, ROUNDS):
        for program in programs:
            run = _run(program)
            if number >= 0:
                seen[program.name].append(run)
    return [comparison for rows in (FEW, MANY) for comparison in _compared(rows, seen)]


def _compared(rows: int, seen: Mapping[str, list[Seen]]) -> list[Comparison]:
    ours, floor = f"keyturn, {rows} rotations", f"smallest, {rows} rows"
    peers = [name for name in seen if name in ("posting", "harlequin")]
    asked = [
        (f"first frame, {rows} rotations", "first", floor, 1.5),
        *((f"first frame, {rows} rotations", "first", peer, 0.5) for peer in peers),
        (f"rows to read, {rows} rotations", "filled", floor, None),
        (f"key to repaint, {rows} rotations", "key", floor, 2.0),
        *((f"key to repaint, {rows} rotations", "key", peer, None) for peer in peers),
        (f"peak memory in MiB, {rows} rotations", "memory", floor, None),
        *((f"peak memory in MiB, {rows} rotations", "memory", peer, None) for peer in peers),
    ]
    return [
        Comparison(what, other, budget, *([getattr(run, figure) for run in seen[name]] for name in (other, ours)))
        for what, figure, other, budget in asked
    ]


async def _ours_and_smallest(environ: dict[str, str]) -> list[Program]:
    programs = []
    for rows in (FEW, MANY):
        home = {**environ, "KEYTURN_HOME": f"{environ['KEYTURN_HOME']}-{rows}"}
        await filling.fill(home, rows)
        first = filling.name(0)
        programs += [
            Program(f"keyturn, {rows} rotations", (str(KEYTURN),), home, ("Keyturn", "Quit"), (first,)),
            Program(
                f"smallest, {rows} rows",
                (sys.executable, "-m", "tests.bench.smallest", str(rows)),
                environ,
                ("row-00000",),
                ("row-00000",),
            ),
        ]
    return programs


def _peers(environ: dict[str, str]) -> list[Program]:
    """Those that are there; what is missing is told."""
    collection = Path(environ["HOME"]) / "collection"
    collection.mkdir(exist_ok=True)
    posting, harlequin = (PEERS / name / "bin" / name for name in ("posting", "harlequin"))
    programs = [
        # The key moves the focus in one and types in the other: the cheapest that each of them shows.
        Program(
            "posting",
            (str(posting), "--collection", str(collection)),
            environ,
            ("Collection is empty", "Send"),
            ("Collection is empty",),
            key=b"x",
            leave=_CTRL_C,
        ),
        Program(
            "harlequin", (str(harlequin), ":memory:"), environ, ("Data Catalog", "Run Query"), ("memory",), key=b"x"
        ),
    ]
    for program in programs:
        if not Path(program.command[0]).exists():
            print(f"not measured: {program.name} is not in {PEERS.parent.name}/{PEERS.name}", file=sys.stderr)
    return [program for program in programs if Path(program.command[0]).exists()]


def _run(program: Program) -> Seen:
    """The screen is only looked at once all has come."""
    with Terminal(program.command, program.environ) as terminal:
        terminal.read_past(program.filled[-1].encode(), at_most=30)
        # The rest of its rows comes later, and a cursor that blinks never rests.
        terminal.read_until_quiet(_AT_REST, at_most=3 * _AT_REST)
        key = median(_key(terminal, program.key) for _ in range(_KEYS))
        memory = _peak_memory(terminal.pid)
        terminal.send(program.leave)
        terminal.wait(20)
        first, filled = (terminal.milliseconds_until(*texts) for texts in (program.first, program.filled))
        if first is None or filled is None:
            shown = "\n".join(terminal.display())
            raise CannotMeasure(f"{program.name} never showed {program.first} and {program.filled}:\n{shown}")
    return Seen(first, filled, key, memory)


def _key(terminal: Terminal, key: bytes) -> float:
    """Milliseconds from a key to the last that it changed on the screen."""
    pressed = time.perf_counter()
    terminal.send(key)
    if not terminal.read(5):
        raise CannotMeasure(f"a key changed nothing in:\n{chr(10).join(terminal.display())}")
    terminal.read_until_quiet(_QUIET, at_most=5)
    return (terminal.moment(-1) - pressed) * 1000


def _peak_memory(pid: int) -> float:
    """MiB that the process ever held at once; 0 where there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
