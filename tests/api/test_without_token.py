"""Without a token nobody finds out whether a thing exists."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.ground import Api, create, opened
from tests.cli.ground import Ground

WORDS = [
    "api",
    "v1",
    "v2",
    "v3",
    "v4",
    "secret-rotations",
    "postgres-credentials",
    "aws-iam-user-secret",
    "rotation-name",
    "my-pg-rotation",
    "generated-credentials",
    "rotate-secrets",
    "move",
    "options",
    "app-connections",
    "postgres",
    "available",
    "connection-name",
    "my-pg-connection",
    "secrets",
    "raw",
    "folders",
    "POSTGRES_DB_PASSWORD",
    "ID",
    "",
]
PARTS = st.sampled_from(WORDS) | st.text(max_size=12).map(lambda text: quote(text.encode("utf-8", "replace"), safe=""))
ROOTS = [
    "/api",
    "/api/v2/secret-rotations",
    "/api/v2/secret-rotations/postgres-credentials",
    "/api/v2/secret-rotations/postgres-credentials/ID",
    "/api/v2/secret-rotations/postgres-credentials/rotation-name/my-pg-rotation",
    "/api/v1/app-connections",
    "/api/v1/app-connections/postgres",
    "/api/v1/app-connections/postgres/connection-name/my-pg-connection",
    "/api/v3/secrets/raw",
    "/api/v3/secrets/raw/id",
    "/api/v3/secrets/batch",
    "/api/v4/secrets",
    "/api/v1/folders",
]
"""Most of what is tried begins so: of words alone hardly any would be an address."""
PATHS = st.tuples(st.sampled_from(ROOTS), st.lists(PARTS, max_size=3)).map(lambda path: "/".join([path[0], *path[1]]))
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "x-forwarded-for", "content-type", "accept", "cookie", "if-none-match", "host"]),
    st.sampled_from(["Bearer kt_x", "Bearer ", "Basic YTpi", "Bearer st.x.y", "application/json", "*"]) | TEXTS,
)
QUERIES = st.dictionaries(st.sampled_from(["projectId", "workspaceId", "environment", "secretPath"]), TEXTS, max_size=4)
PUBLIC = {"/api/docs/json", "/api/status"}


class Asking:
    """One store for all examples: nothing may change there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, api: Api) -> None:
        self.loop, self.api = loop, api

    def __call__(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, object]]:
        answer = self.loop.run_until_complete(self.api.stranger.request(method, f"http://keyturn{path}", **more))
        return answer.status_code, {key: value for key, value in answer.json().items() if key != "reqId"}


@pytest.fixture
def asking(connected: Ground) -> Iterator[tuple[Asking, dict[str, str]]]:
    with asyncio.Runner() as runner:
        stage = opened()
        api = runner.run(stage.__aenter__())
        created = runner.run(_created(api, connected))
        yield Asking(runner.get_loop(), api), created
        runner.run(stage.__aexit__(None, None, None))


async def _created(api: Api, ground: Ground) -> dict[str, str]:
    document = await create(await api.caller(), ground)
    return {"rotation": document["id"], "connection": document["connectionId"]}


def nothing_is_told(asking: tuple[Asking, dict[str, str]], examples: int, *, derandomize: bool) -> None:
    ask, ids = asking
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=examples, deadline=None, derandomize=derandomize, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT"]), PATHS, HEADERS, QUERIES)
    def anything(method: str, path: str, headers: dict[str, str], query: dict[str, str]) -> None:
        status, said = ask(method, path.replace("ID", ids["rotation"]), headers=headers, params=query)
        statuses[status] += 1
        assert status in (401, 404) or path in PUBLIC
        assert not [name for name in ids.values() if name in str(said)]

    anything()
    assert statuses[401] > examples / 10  # not for lack of an address


def test_no_path_and_no_header_tells_what_there_is(asking: tuple[Asking, dict[str, str]]) -> None:
    nothing_is_told(asking, 150, derandomize=True)


@pytest.mark.soak
def test_no_path_and_no_header_tells_what_there_is_for_long(asking: tuple[Asking, dict[str, str]]) -> None:
    nothing_is_told(asking, 5000, derandomize=False)


def test_what_exists_and_what_does_not_are_answered_alike(asking: tuple[Asking, dict[str, str]], home: Path) -> None:
    ask, ids = asking
    rotations, connections = "/api/v2/secret-rotations", "/api/v1/app-connections"
    place = "&environment=dev&secretPath=/"
    pairs = [
        (f"{rotations}/postgres-credentials/{ids['rotation']}", f"{rotations}/postgres-credentials/nothing"),
        (f"{connections}/postgres/{ids['connection']}", f"{connections}/postgres/nothing"),
        (f"{connections}/postgres/connection-name/my-pg-connection", f"{connections}/postgres/connection-name/nothing"),
        (f"{rotations}?projectId=default", f"{rotations}?projectId=nothing"),
        (f"/api/v3/secrets/raw?workspaceId=default{place}", "/api/v3/secrets/raw?workspaceId=x&environment=y"),
        (f"/api/v3/secrets/raw/POSTGRES_DB_USERNAME?workspaceId=default{place}", "/api/v3/secrets/raw/x?workspaceId=y"),
    ]
    for there, nowhere in pairs:
        for headers in ({}, {"authorization": "Bearer kt_wrong"}):
            for method in ("GET", "PATCH", "DELETE"):
                assert ask(method, there, headers=headers) == ask(method, nowhere, headers=headers)
