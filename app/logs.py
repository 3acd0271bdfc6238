"""Log lines (time, level, event and fields, as key=value or JSON) and the log file that takes the details.

No secret gets here: of an error only its type and its frames are written, never its text or its local variables, and
of other libraries' messages only where they come from, since they may quote what they were given.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from app import __version__

OURS = "keyturn"
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
"""As syslog numbers them."""
_PLAIN = re.compile(r"[^\s\"=\\]+")

log = logging.getLogger(OURS)


def frames_of(error: BaseException) -> str:
    """Type and frames of an error and of those behind it; no text, no values."""
    lines: list[str] = []
    seen: set[int] = set()
    waiting: list[tuple[str, BaseException]] = [("", error)]
    while waiting:
        relation, current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        lines += [f"{relation}{type(current).__module__}.{type(current).__qualname__}", *_frames(current.__traceback__)]
        if current.__cause__ is not None:
            waiting.append(("caused by ", current.__cause__))
        elif current.__context__ is not None:
            waiting.append(("while handling ", current.__context__))
        if isinstance(current, BaseExceptionGroup):
            waiting += [("containing ", member) for member in current.exceptions]
    return "\n".join(lines)


def _frames(start: TracebackType | None) -> list[str]:
    return [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(start)]


def formatted(record: logging.LogRecord, style: str = "text") -> tuple[str, str]:
    """A record as one line, "text" or "json", and the details that go to the log file alone."""
    fields: dict[str, Any] = {"time": _time(record.created), "level": record.levelname.lower()}
    details: list[str] = []
    if record.name == OURS or record.name.startswith(f"{OURS}."):
        event, *details = record.getMessage().splitlines() or [""]
        fields |= {"event": event, **getattr(record, "fields", {})}
    else:
        fields |= {"event": f"message of {record.name}", "at": f"{record.pathname}:{record.lineno}"}
    if record.exc_info and record.exc_info[1] is not None:
        details.append(frames_of(record.exc_info[1]))
    return (_as_json if style == "json" else _as_text)(fields), "\n".join(details)


def _as_text(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in fields.items())


def _as_json(fields: Mapping[str, Any]) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 1)
        return value if isinstance(value, int | None) else str(value)

    # Readers of lines know more ends of a line than JSON does.
    text = json.dumps({name: plain(value) for name, value in fields.items()}, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(json.loads(text))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


class LogFile(logging.Handler):
    """Appends to a file of ours alone, created when there is something to say. `written`: there was."""

    def __init__(self, path: Path, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self.path = path
        self.written = False

    def emit(self, record: logging.LogRecord) -> None:
        line, details = formatted(record)
        text = "".join(f"  {part}\n" for part in details.splitlines())
        with contextlib.suppress(OSError):  # a log that cannot be written must not stop the work
            append(self.path, f"{line}\n{text}")
            self.written = True


class Lines(logging.Handler):
    """One line for each record on standard error. What needs more lines goes to the log file."""

    def __init__(self, style: str = "text", level: str = "info") -> None:
        super().__init__()
        self.journal = in_journal(os.environ)
        self.choose(style, level)

    def choose(self, style: str, level: str) -> None:
        """`style`: "text" or "json"; `level`: the least that is written."""
        self.style = style
        self.setLevel(level.upper())

    def emit(self, record: logging.LogRecord) -> None:
        line, _ = formatted(record, self.style)
        priority = f"<{_PRIORITIES.get(record.levelno, 6)}>" if self.journal else ""
        with contextlib.suppress(OSError, AttributeError):  # nobody reads it any more: the work goes on
            sys.stderr.write(f"{priority}{line}\n")
            sys.stderr.flush()


def in_journal(environ: Mapping[str, str]) -> bool:
    """Whether standard error is a stream to systemd's journal, which then takes priorities from the lines."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        here = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(here.st_dev), str(here.st_ino))


def append(path: Path, text: str) -> None:
    """In one write, so that lines of several processes don't mix. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode("utf-8", "backslashreplace"))
    finally:
        os.close(descriptor)


def record_defect(error: BaseException, path: Path) -> None:
    """Write where a defect struck. Raises OSError."""
    text = "".join(f"  {line}\n" for line in frames_of(error).splitlines())
    now = _time(datetime.now(UTC).timestamp())
    append(path, f"time={now} level=critical event=defect version={__version__} pid={os.getpid()}\n{text}")


@contextlib.contextmanager
def kept(path: Path, lines: Lines | None = None) -> Iterator[LogFile]:
    """Send all logging to the file, and to `lines` as well.

    Errors that nobody caught (in threads, in destructors) go there too instead of to the terminal.
    """
    file = LogFile(path)
    handlers: list[logging.Handler] = [file, *([lines] if lines else [])]
    # For the whole process, and for good: what no line of ours tells need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    before = root.handlers[:], log.level, threading.excepthook, sys.unraisablehook
    root.handlers[:] = handlers
    log.setLevel(logging.DEBUG if lines else logging.INFO)  # of lines, their handler chooses
    threading.excepthook = lambda args: _uncaught(args.exc_value)
    sys.unraisablehook = lambda args: _uncaught(args.exc_value)
    try:
        yield file
    finally:
        root.handlers[:], level, threading.excepthook, sys.unraisablehook = before
        log.setLevel(level)


def _uncaught(error: BaseException | None) -> None:
    if error is not None:
        log.error("uncaught %s", type(error).__name__, exc_info=error)
