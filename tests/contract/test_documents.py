"""The documented sample request is accepted as it stands, and what comes back is the documented sample response."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from tests.cli.ground import Ground, done
from tests.conftest import Database
from tests.contract.ground import SAMPLE_REQUEST, SAMPLE_RESPONSE, differences

USERS = ("infisical_user_1", "infisical_user_2")


@pytest.fixture
def documented(ground: Ground, pg: Database) -> Iterator[Ground]:
    """What the page says to prepare: its two users, under the names they have there."""
    for user in USERS:
        pg.execute(sql.SQL("CREATE USER {} WITH PASSWORD 'temporary_password'").format(sql.Identifier(user)))
    ground.connect()
    yield ground
    for user in USERS:
        pg.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


def ids(document: dict[str, Any]) -> dict[str, Any]:
    """What stands in the sample for ids of one's own."""
    return {"connectionId": document["connection"]["id"], "projectId": document["projectId"]}


def create(body: dict[str, Any]) -> dict[str, Any]:
    ran = done("rotations", "create", "postgres-credentials", "--file", "-", "--json", stdin=json.dumps(body))
    assert ran.err == ""  # no warning: every key of the sample is known
    assert list(ran.json) == ["secretRotation"]
    document: dict[str, Any] = ran.json["secretRotation"]
    return document


def connection_id() -> str:
    found: str = done("connections", "show", "my-pg-connection", "--json").json["appConnection"]["id"]
    return found


def test_the_sample_request_gives_the_sample_response(documented: Ground) -> None:
    by_slug = create({**SAMPLE_REQUEST, "connectionId": connection_id(), "projectId": "default"})
    assert differences(SAMPLE_RESPONSE, by_slug) == []
    assert not set(SAMPLE_RESPONSE) - set(by_slug)
    done("rotations", "delete", "my-pg-rotation", "--delete-secrets", "--yes")

    by_id = create({**SAMPLE_REQUEST, **ids(by_slug)})
    assert differences(SAMPLE_RESPONSE, by_id) == []
    assert by_id["projectId"] == by_slug["projectId"]
    assert by_id["connectionId"] == by_id["connection"]["id"] == connection_id()
    assert by_id["folderId"] == by_id["folder"]["id"]

    for words in (["show", "my-pg-rotation"], ["rotate", "my-pg-rotation"], ["pause", "my-pg-rotation"]):
        document = done("rotations", *words, "--json").json["secretRotation"]
        expected = {**SAMPLE_RESPONSE}
        if words[0] != "show":
            expected["activeIndex"] = 1
        if words[0] == "pause":
            expected |= {"isAutoRotationEnabled": False, "nextRotationAt": None}
        assert differences(expected, document) == []


def test_optional_fields_have_the_documented_defaults(documented: Ground) -> None:
    optional = {"description", "isAutoRotationEnabled", "rotateAtUtc"}
    required = {key: value for key, value in SAMPLE_REQUEST.items() if key not in optional}
    document = create({**required, "connectionId": connection_id(), "projectId": "default"})
    assert differences({**SAMPLE_RESPONSE, "description": None}, document) == []


def test_the_comparison_sees_what_is_missing_or_of_another_type() -> None:
    assert differences(SAMPLE_RESPONSE, SAMPLE_RESPONSE) == []
    assert differences(SAMPLE_RESPONSE, {**SAMPLE_RESPONSE, "extra": 1}) == []
    for key in SAMPLE_RESPONSE:
        assert differences(SAMPLE_RESPONSE, {k: v for k, v in SAMPLE_RESPONSE.items() if k != key}), key
        assert differences(SAMPLE_RESPONSE, {**SAMPLE_RESPONSE, key: object()}), key
    assert differences(SAMPLE_RESPONSE, {**SAMPLE_RESPONSE, "activeIndex": False})
    assert differences(SAMPLE_RESPONSE, {**SAMPLE_RESPONSE, "createdAt": "2023-11-07T05:31:56+00:00"})
