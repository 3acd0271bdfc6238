"""`keyturn`, with a fault: what the drill must notice. The first argument names the fault."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.cli import main
from providers import aws_keys
from providers.aws_iam_user_secret import AwsIamUserSecretProvider
from providers.azure_client_secret import AzureClientSecretProvider
from providers.base import Credential, Issue
from providers.postgres_credentials import PROVIDER, PostgresCredentialsProvider

_issue = PostgresCredentialsProvider.issue
_issue_key = AwsIamUserSecretProvider.issue
_issue_secret = AzureClientSecretProvider.issue


async def _issue_to_the_published_one_too(
    self: PostgresCredentialsProvider, target: Any, parameters: Any, request: Issue
) -> Credential:
    issued = await _issue(self, target, parameters, request)
    if request.active is not None:
        await self._set_password(target, parameters, request.active.values["username"], "somebody-else-s")
    return issued


async def _issue_and_delete_the_published_one(
    self: AwsIamUserSecretProvider, target: Any, parameters: Any, request: Issue
) -> Credential:
    issued = await _issue_key(self, target, parameters, request)
    if request.active is not None:
        async with target.session(parameters.region, parameters.user_name) as session:
            await aws_keys.delete(session, parameters.user_name, request.active.values[aws_keys.KEY_ID])
    return issued


async def _issue_as_if_it_were_the_first_try(
    self: AzureClientSecretProvider, target: Any, parameters: Any, request: Issue
) -> Credential:
    return await _issue_secret(self, target, parameters, dataclasses.replace(request, again=False))


async def _issue_nothing(self: PostgresCredentialsProvider, target: Any, parameters: Any, request: Issue) -> Credential:
    return request.candidate


async def _verify_nothing(*_: Any) -> None:
    """Whatever it is, it is fine."""


async def _revoke_nothing(*_: Any) -> None:
    """Whoever has it may keep it."""


def _execute(statement: str) -> None:
    with sqlite3.connect(Path(os.environ["KEYTURN_HOME"]) / "keyturn.db") as store:
        store.execute(statement)
    store.close()


def sabotaged(fault: str, words: list[str]) -> int:
    match fault:
        case "changes the published password":
            patch.object(PostgresCredentialsProvider, "issue", _issue_to_the_published_one_too).start()
        case "deletes the published key":
            patch.object(AwsIamUserSecretProvider, "issue", _issue_and_delete_the_published_one).start()
        case "forgets what it may have sent":
            patch.object(AzureClientSecretProvider, "issue", _issue_as_if_it_were_the_first_try).start()
        case "issues nothing":
            patch.object(PostgresCredentialsProvider, "issue", _issue_nothing).start()
            patch.object(PostgresCredentialsProvider, "verify", _verify_nothing).start()
        case "revokes nothing":
            patch.object(PostgresCredentialsProvider, "revoke", _revoke_nothing).start()
    code = main(words)
    match fault:
        case "breaks a seal":
            _execute("UPDATE secret_version SET sealed_value = zeroblob(60) WHERE version = 1")
        case "forgets the schedule":
            _execute("UPDATE rotation SET next_rotation_at = NULL")
        case "publishes twice":
            code = code or main(words)
    return code


if __name__ == "__main__":
    assert PROVIDER.type == "postgres-credentials"
    sys.exit(sabotaged(sys.argv[1], sys.argv[2:]))
