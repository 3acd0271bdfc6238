"""A restore that is killed at any moment leaves the store as it was, or as it was to be, and nothing for ever."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from store import draft_files, health
from tests.cli.ground import Ran, done, finished, with_service
from tests.cli.test_backup import note_down, subjects
from tests.processes import Process
from tests.variants import few

# It dies as it copies the so-manieth few pages, or is about to link, rename or remove the so-manieth file.
SCRIPT = """
import os, signal, sqlite3, sys
moment, seen = int(sys.argv[1]), []
def pass_by(name):
    seen.append(name)
    if len(seen) == moment:
        os.kill(os.getpid(), signal.SIGKILL)
class Watched(sqlite3.Connection):
    def backup(self, target, **more):
        super().backup(target, pages=4, progress=lambda *_: pass_by("copy"), **more)
connect = sqlite3.connect
sqlite3.connect = lambda *args, **more: connect(*args, **{"factory": Watched, **more})
sys.addaudithook(lambda name, _: pass_by(name) if name in ("os.link", "os.rename", "os.remove") else None)
from app.cli import main
code = main(["restore", sys.argv[2], "--yes"])
print(*seen, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def file(ready: Path, tmp_path: Path) -> Path:
    """A backup of a store in which something happened since."""
    note_down("saved")
    done("backup", str(tmp_path / "backup.db"))
    note_down("later")
    return tmp_path / "backup.db"


def restored(file: Path, moment: int) -> Ran:
    return finished([sys.executable, "-c", SCRIPT, str(moment), str(file)], begin=Process)


@pytest.mark.parametrize("step", few([10, 1], keep=1))
def test_a_death_leaves_the_old_store_or_the_new_one(file: Path, ready: Path, step: int) -> None:
    """At every `step`th moment, each time from the same beginning."""
    beginning = ready.with_name("beginning")
    shutil.copytree(ready, beginning)
    moments = restored(file, 0).err.split()
    assert {"copy", "os.link", "os.remove"} <= set(moments)
    outcomes = set()
    for moment in range(len(moments) // step, 0, -1):
        shutil.rmtree(ready)
        shutil.copytree(beginning, ready)
        assert restored(file, moment * step).code == -9
        found = subjects(ready / "keyturn.db")
        # The event of the backup is in the old one, that of the restore in the new one.
        assert found in (["saved", "backup.db", "later"], ["saved", "backup.db"])
        assert health.damage(ready / "keyturn.db") == []
        outcomes.add(len(found))
        with_service(lambda service: None)  # the next start
        assert [path.name for path in ready.iterdir() if path.name.startswith(".")] == []
    done("restore", str(file), "--yes")
    assert "later" not in subjects(ready / "keyturn.db")
    assert outcomes == {2, 3} or step > 1


def test_a_draft_that_somebody_is_writing_and_what_is_not_ours_stay(ready: Path) -> None:
    store = ready / "keyturn.db"
    left = [ready / f".keyturn.db{kept}.0123456789abcdef" for kept in ("", ".before-restore-20261121T101112Z-2")]
    others = [
        ready / name for name in (".keyturn.db.mine", ".other.db.0123456789abcdef", "keyturn.db.0123456789abcdef")
    ]
    linked = ready / ".keyturn.db.fedcba9876543210"  # it had its name, and was killed before it gave up this one
    with draft_files.beside(store) as draft:
        for path in (*left, *others, left[0].with_name(f"{left[0].name}-wal")):
            path.write_bytes(b"sealed")
        linked.hardlink_to(store)
        done("connections", "list")
        assert draft.exists()
        assert all(path.exists() for path in others)
        hidden = {path.name for path in ready.iterdir() if path.name.startswith(".")}
        assert hidden == {draft.name, *(path.name for path in others if path.name.startswith("."))}
    assert not draft.exists()
