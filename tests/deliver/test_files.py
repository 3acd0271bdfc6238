"""Writing a file: as a whole or not at all, whatever the disk does."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.deliver import files
from app.deliver.files import FileTrouble, Rights
from tests.cli.ground import ROOT

PRIVATE = Rights(0o600)


def put(path: Path, content: bytes, rights: Rights = PRIVATE) -> None:
    with files.folder_of(path) as folder:
        files.write(path, folder, content, rights)


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 50_000 for letter in b"abc"]
    put(path, contents[0])
    ended, seen = threading.Event(), set[bytes]()

    def read() -> None:
        while not ended.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        put(path, contents[number % 3])
    ended.set()
    reader.join()
    assert seen <= set(contents)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """As a limit of the process's own: a file system that is full answers a write in the same way."""
    path = tmp_path / "file"
    put(path, b"old")
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom app.deliver import files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\npath = Path(sys.argv[1])\n"
        "with files.folder_of(path) as folder:\n"
        "    try:\n        files.write(path, folder, b'n' * 5000, files.Rights(0o600))\n"
        "    except files.FileTrouble as error:\n        print(error.message, error.remedy)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "cannot be written: File too large." in ran.stdout
    assert "stands there still" in ran.stdout
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE) != (1000, 1000)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting, and giving files away, take root")
def test_a_small_file_system_that_is_full_and_an_owner(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(place)], check=False)
    if mounted.returncode != 0:
        pytest.skip("no mounts here")
    try:
        path = place / "file"
        put(path, b"old", Rights(0o640, (65534, 65534)))
        assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (65534, 65534, 0o640)
        with pytest.raises(FileTrouble, match="No space left on device"):
            put(path, b"n" * 100_000)
        assert path.read_bytes() == b"old"
        assert [one.name for one in place.iterdir()] == ["file"]
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / ".file.keyturn-0badcafe").write_text("a secret")
    (tmp_path / ".other.keyturn-0badcafe").write_text("of somebody else")
    put(path, b"new")
    assert sorted(one.name for one in tmp_path.iterdir()) == [".other.keyturn-0badcafe", "file"]


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from app.deliver.source import Source
from app.deliver.target import Wanted, bring_up

path = Path(sys.argv[1])
wanted = Wanted("t", "dotenv", path, 0o600)
old, new = Source({"A": "old"}), Source({"A": "new"})

def dies_at(number):
    calls = itertools.count(1)
    def dying(call):
        def instead(*args, **more):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)
        return instead
    for name in ("open", "listdir", "fchmod", "fsync", "rename", "close"):
        setattr(os, name, dying(getattr(os, name)))

for number in itertools.count(1):
    for later in (old, new):
        bring_up(wanted, old, lambda: None)
        child = os.fork()
        if child == 0:
            dies_at(number)
            bring_up(wanted, new, lambda: None)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        left = len(list(path.parent.iterdir())) - 1
        found = path.read_text().strip()
        bring_up(wanted, later, lambda: None)
        print(status, found, left, path.read_text().strip() == "A=" + later.values["A"], os.listdir(path.parent))
    if status == 0:
        break
"""


def test_a_death_anywhere_in_a_write_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Before each call to the system. What it leaves beside the file goes with the next run, whatever that finds."""
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "file")], capture_output=True, text=True, cwd=ROOT, check=True
    )
    seen = [line.split(" ", 4) for line in ran.stdout.splitlines()]
    assert {(found, right, names) for _, found, _, right, names in seen} == {
        ("A=old", "True", "['file']"),
        ("A=new", "True", "['file']"),
    }
    assert {status for status, *_ in seen[:-2]} == {"9"}
    assert [status for status, *_ in seen[-2:]] == ["0", "0"]
    assert {left for _, _, left, *_ in seen} == {"0", "1"}, "some died while there was a draft"


def test_the_folder_belongs_to_one_writer_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.05)
    path = tmp_path / "file"
    with files.folder_of(path), pytest.raises(FileTrouble, match="Somebody else holds"), files.folder_of(path):
        pass
    with files.folder_of(path):
        pass


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2 << 20)
    with files.folder_of(path) as folder, pytest.raises(FileTrouble, match="larger than 1 MiB"):
        files.read(path, folder)
