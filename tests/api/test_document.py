"""The OpenAPI document: what it promises is what is answered, whatever is sent."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.contract import CreateRotation
from tests.api.ground import Api, create, opened
from tests.cli.ground import Ground

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import Case, GenerationMode
    from schemathesis.checks import load_all_checks
    from schemathesis.core.result import Ok
    from schemathesis.specs.openapi import checks

load_all_checks()
FEW = 3
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@dataclass(frozen=True)
class Stage:
    runner: asyncio.Runner
    api: Api
    client: httpx.AsyncClient
    known: dict[str, str]
    """What there is, by the names of parameters."""

    def send(self, case: Case[Any]) -> httpx.Response:
        wanted = case.as_transport_kwargs(base_url="http://keyturn")
        content = {key: wanted[key] for key in ("json", "data", "content") if wanted.get(key) is not None}
        if isinstance(content.get("data"), bytes):
            content["content"] = content.pop("data")
        headers = httpx.Headers(wanted.get("headers"))
        headers.update(self.client.headers)
        call = self.client.request(
            wanted["method"], wanted["url"], params=wanted.get("params"), headers=headers, **content
        )
        return self.runner.run(call)

    def point(self, case: Case[Any]) -> None:
        """Ask about what there is, so that more than "not found" is answered."""
        for part in (case.path_parameters, case.query):
            if isinstance(part, dict):
                part.update({name: value for name, value in self.known.items() if name in part})


@pytest.fixture
def stage(connected: Ground) -> Iterator[Stage]:
    with asyncio.Runner() as runner:
        opening = opened()
        api = runner.run(opening.__aenter__())
        ci = runner.run(api.caller())
        made = runner.run(create(ci, connected))
        known = {
            "type": "postgres-credentials",
            "app": "postgres",
            "rotationId": made["id"],
            "connectionId": made["connectionId"],
            "connectionName": "my-pg-connection",
            "rotationName": made["name"],
            "projectId": "default",
            "workspaceId": "default",
            "environment": "dev",
            "secretPath": "/",
        }
        yield Stage(runner, api, ci.client, known)
        runner.run(opening.__aexit__(None, None, None))


def document(stage: Stage) -> dict[str, Any]:
    answer = stage.runner.run(stage.api.stranger.get("/api/docs/json"))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_it_tells_everybody_what_bodies_hold(stage: Stage) -> None:
    paths = document(stage)["paths"]
    create_body = paths["/api/v2/secret-rotations/{type}"]["post"]["requestBody"]["content"]["application/json"]
    fields = {info.alias for info in CreateRotation.model_fields.values()}
    assert create_body["schema"]["properties"].keys() == fields
    assert {"name", "connectionId", "parameters", "secretsMapping"} <= set(create_body["schema"]["required"])
    assert create_body["examples"].keys() == {"postgres-credentials", "aws-iam-user-secret", "azure-client-secret"}
    for path, methods in paths.items():
        for method, operation in methods.items():
            wanted = path not in ("/api/status", "/api/v1/auth/universal-auth/login", "/api/v1/auth/token/renew")
            assert ("security" in operation) == wanted, (method, path)
            assert operation["summary"]
            assert {"401", "400"} <= operation["responses"].keys() or not wanted  # 400: an id of another type, say


def every_answer_is_documented(stage: Stage, examples: int) -> None:
    schema = schemathesis.openapi.from_dict(document(stage))
    statuses = set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path.startswith("/api/v4/") and examples < FEW:
            continue  # the same handlers as below v3
        writes_connection = "app-connections" in operation.path and operation.method in ("post", "patch")
        modes = [GenerationMode.NEGATIVE] if writes_connection else [GenerationMode.POSITIVE]
        modes += [GenerationMode.NEGATIVE] if operation.body and not writes_connection else []
        for mode in modes:
            for status in _tried(stage, operation, mode, examples):
                statuses.add(status)
    assert {200, 422} <= statuses


def _tried(stage: Stage, operation: Any, mode: GenerationMode, examples: int) -> set[int]:
    statuses: set[int] = set()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode), st.booleans())
    def send(case: Case[Any], pointed: bool) -> None:
        if pointed and case.method.lower() != "delete":
            stage.point(case)
        _keep_to_loopback(case)
        answer = stage.send(case)
        statuses.add(answer.status_code)
        assert answer.status_code != 500, answer.text
        case.validate_response(answer, checks=CHECKS)

    send()
    return statuses


def _keep_to_loopback(case: Case[Any]) -> None:
    """Whatever host was made up: nothing listens here."""
    credentials = case.body.get("credentials") if isinstance(case.body, dict) else None
    if isinstance(case.body, dict) and isinstance(credentials, dict):
        credentials.update({"host": "127.0.0.1", "port": 9})
        case.body["method"] = "username-and-password"


def test_every_answer_is_documented(stage: Stage) -> None:
    every_answer_is_documented(stage, FEW - 1)


@pytest.mark.soak
def test_every_answer_is_documented_for_long(stage: Stage) -> None:
    every_answer_is_documented(stage, 200)
