"""Creating rotations and connections by questions on a real terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Self

import pytest

from tests.cli.ground import DEADLINE, Ground, command, done, keyturn
from tests.processes import ForkingTerminal
from tests.standins.iam import Aws


class Talk(ForkingTerminal):
    """A command that asks: each answer is typed once its question stands there."""

    def __init__(self, *words: str, before: list[str] | None = None) -> None:
        super().__init__([*(before or []), *command(*words)], os.environ)
        self._heard = 0

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    @property
    def said(self) -> str:
        return b"".join(chunk for _, chunk in self.chunks).decode()

    def hear(self, text: str) -> str:
        """What was said up to a text that has not been heard yet, included."""
        end = time.monotonic() + DEADLINE
        while (at := self.said.find(text, self._heard)) < 0:
            came = self.read(0.2)
            ended = not came and self.poll() is not None
            if ended or time.monotonic() > end:
                raise AssertionError(f"never said {text!r}:\n{self.said[self._heard :]}")
        part = self.said[self._heard : at + len(text)]
        self._heard = at + len(text)
        return part

    def answer(self, question: str, text: str) -> str:
        heard = self.hear(question)
        self.send(f"{text}\n".encode())
        return heard

    def answers(self, *pairs: tuple[str, str]) -> None:
        for question, text in pairs:
            self.answer(question, text)


def access(ground: Ground) -> list[tuple[str, str]]:
    return [
        ("Host: ", ground.pg.host),
        ("Port [5432]: ", str(ground.pg.port)),
        ("Database: ", ground.pg.database),
        ("Username: ", ground.pg.admin_user),
    ]


def test_a_rotation_with_its_connection_from_questions_alone(ground: Ground, tmp_path: Path) -> None:
    with Talk("rotations", "create", "postgres-credentials") as talk:
        talk.hear("There is no connection to PostgreSQL yet.")
        talk.answer("Name: ", "Not A Slug")
        assert "must be slug-friendly" in talk.answer("Name: ", "shop-db")
        talk.answer("Description (optional): ", "")
        talk.answers(*access(ground))
        talk.answer("Password: ", "wrong")
        talk.answers(("[Y/n]: ", "n"), ("[Y/n]: ", "n"), ("holds it (optional): ", str(tmp_path / "none.pem")))
        assert "none.pem cannot be read: No such file" in talk.answer("holds it (optional): ", "")
        assert "Not kept: " in talk.answer("Change an answer, and try again [Y/n]: ", "")
        assert re.search(r"7  Password +\(not shown\)", talk.hear("Which answer is to be changed: "))
        talk.send(b"credentials.password\n")
        talk.answer("Password: ", ground.pg.admin_password)
        talk.answer("Rotation interval, in days [30]: ", "0")
        assert "must be at least 1" in talk.answer("Rotation interval, in days [30]: ", "14")
        talk.answer("Rotate at, in UTC [00:00]: ", "25:00")
        assert "must be a time of day from 00:00 to 23:59" in talk.answer("Rotate at, in UTC [00:00]: ", "03:30")
        talk.answers(("[Y/n]: ", ""), ("If still in use [warn]: ", "2"), ("Wait at most, in hours [24]: ", "12"))
        talk.answer("First username: ", ground.users[0])
        talk.answer("Second username: ", ground.users[0])
        assert "The two users must differ" in talk.answer("Second username: ", ground.users[1])
        talk.answers(("[y/N]: ", "y"), ("the file that holds it (optional): ", ""))
        talk.answer("Length [48]: ", "64")
        for _ in range(5):
            talk.hear(": ")
            talk.send(b"\n")
        talk.answers(("Project [default]: ", ""), ("Environment [dev]: ", "prod"), ("Path [/]: ", "billing"))
        talk.answers(("Username in [POSTGRES_DB_USERNAME]: ", "DB_USER"), ("Password in [POSTGRES_DB_PASSWORD]: ", ""))
        talk.answers(("Name: ", "billing"), ("Description (optional): ", "for the shop"))
        review = talk.hear("What now: ")
        assert "Rotation interval, in days" in review
        assert "What happens" in review
        assert "Preflight" in review
        assert "ok  " in review
        talk.send(b"1\n")
        talk.answer("Create billing now [y/n]: ", "y")
        talk.hear("Created billing.")
        assert talk.wait() == 0
        assert ground.pg.admin_password not in talk.said
    document = done("rotations", "show", "billing", "--json").json["secretRotation"]
    assert document["connection"]["name"] == "shop-db"
    assert document["rotationInterval"] == 14
    assert document["rotateAtUtc"] == {"hours": 3, "minutes": 30}
    assert document["guard"] == {"policy": "wait", "waitHours": 12}
    assert document["parameters"]["passwordRequirements"]["length"] == 64
    assert (document["environment"]["slug"], document["folder"]["path"]) == ("prod", "/billing")
    assert document["secretsMapping"] == {"username": "DB_USER", "password": "POSTGRES_DB_PASSWORD"}
    assert document["description"] == "for the shop"


def test_what_the_target_has_is_picked_by_number(ready: Path, aws: Aws, tmp_path: Path) -> None:
    done("connections", "add", "aws", "--file", "-", stdin=json.dumps(aws.connection_body))
    printed = tmp_path / "printed.json"
    shell = ["/bin/sh", "-c", 'exec "$@" > "$0"', str(printed)]
    with Talk("rotations", "create", "aws-iam-user-secret", "--json", before=shell) as talk:
        listed = talk.answer("Connection [my-aws-connection]: ", "")
        assert "a new one" in listed
        talk.answers(("in days [30]: ", ""), ("in UTC [00:00]: ", ""), ("[Y/n]: ", ""), ("in use [warn]: ", ""))
        assert aws.user in talk.answer("Which one (optional): ", "nobody-like-this")
        talk.hear("Nothing found for nobody-like-this.")
        talk.answer("Which one (optional): ", aws.user)
        found = talk.hear("Which one (optional): ")
        number = re.search(rf"(\d+)  {aws.user}", found)
        assert number is not None
        talk.send(f"{number[1]}\n".encode())
        talk.answers(("[y/N]: ", ""), ("Project [default]: ", ""), ("Environment [dev]: ", ""), ("Path [/]: ", ""))
        talk.answers(("[AWS_ACCESS_KEY_ID]: ", ""), ("[AWS_SECRET_ACCESS_KEY]: ", ""))
        talk.answers(("Name: ", "keys"), ("Description (optional): ", ""), ("What now: ", "2"))
        assert re.search(r"Name +keys", talk.hear("Which answer is to be changed: "))
        talk.send(b"name\n")
        talk.answers(("Name [keys]: ", "billing-keys"), ("What now: ", "create"), ("[y/n]: ", "y"))
        assert talk.wait() == 0
    created = json.loads(printed.read_text())["secretRotation"]
    assert (created["name"], created["parameters"]["userName"]) == ("billing-keys", aws.user)


@pytest.mark.parametrize("leaving", [b"\x03", b"\x04", signal.SIGTERM], ids=["ctrl+c", "ctrl+d", "SIGTERM"])
def test_leaving_in_the_middle_leaves_nothing_behind(connected: Ground, leaving: bytes | signal.Signals) -> None:
    with Talk("rotations", "create", "postgres-credentials") as talk:
        talk.answers(("Connection [my-pg-connection]: ", ""), ("in days [30]: ", "14"))
        talk.hear("in UTC [00:00]: ")
        if isinstance(leaving, bytes):
            talk.send(leaving)
            talk.hear("No rotation was created.")
            assert talk.wait() == 1
        else:
            talk.signal(leaving)
            assert talk.wait() == 143
    assert done("rotations", "list", "--json").json == {"secretRotations": []}
    assert done("secrets", "list", "--json").json == {"secrets": []}


def test_without_a_terminal_it_names_the_file(home: Path) -> None:
    for words in (("rotations", "create", "postgres-credentials"), ("connections", "add", "postgres")):
        ran = keyturn(*words)
        assert (ran.code, ran.out) == (2, "")
        assert "--file body.json" in ran.err
    assert not home.exists()


def test_an_unknown_type_is_told_before_any_question(ready: Path) -> None:
    with Talk("rotations", "create", "nonsense") as talk:
        talk.hear("nonsense")
        assert talk.wait() == 2


def test_users_that_are_missing_are_made_on_the_way(connected: Ground) -> None:
    users = [connected.pg.role_name(f"made_{n}") for n in (1, 2)]
    with Talk("rotations", "create", "postgres-credentials") as talk:
        talk.answers(("Connection [my-pg-connection]: ", ""), ("in days [30]: ", ""), ("in UTC [00:00]: ", ""))
        talk.answers(("[Y/n]: ", ""), ("in use [warn]: ", ""), ("First username: ", users[0]))
        talk.answers(("Second username: ", users[1]), ("[y/N]: ", ""), ("Project [default]: ", ""))
        talk.answers(("Environment [dev]: ", ""), ("Path [/]: ", ""), ("_USERNAME]: ", ""), ("_PASSWORD]: ", ""))
        talk.answers(("Name: ", "made"), ("Description (optional): ", ""))
        asked = talk.answer("What now [look]: ", "prepare")
        assert "FAIL" in asked
        assert "create it" not in asked
        assert "CREATE ROLE" in talk.answer("all of it or nothing [y/N]: ", "y")
        talk.answers(("What now: ", "create"), ("Create made now [y/n]: ", "y"))
        assert talk.wait() == 0
    assert done("rotations", "check", "made").code == 0
