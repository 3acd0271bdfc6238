"""`keyturn aws-credential-process`: what the AWS SDKs ask a program for, by the profile's `credential_process`."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from app.cli import output
from app.deliver import quick
from app.errors import KeyturnError

if TYPE_CHECKING:
    from app.service import Service

_TYPE = "aws-iam-user-secret"
_KEY_ID, _SECRET = "accessKeyId", "secretAccessKey"


def credential_process(args: Namespace) -> int:
    """Print the active key. `Expiration` is when the SDK is to ask again, long before the key dies."""
    found = quick.of_rotation(args.name, _TYPE)
    if found is None or not {_KEY_ID, _SECRET} <= found.keys():
        found = _thoroughly(args.name)
    output.json_line(
        {
            "Version": 1,
            "AccessKeyId": found[_KEY_ID],
            "SecretAccessKey": found[_SECRET],
            "Expiration": _in_minutes(args.valid_for),
        }
    )
    return 0


def _thoroughly(ref: str) -> dict[str, str]:
    from app.cli.running import use

    async def ask(service: Service) -> dict[str, str]:
        return await service.secrets.of_rotation(ref, _TYPE)

    found = use(ask)
    if not {_KEY_ID, _SECRET} <= found.keys():
        raise KeyturnError(f"The rotation {ref} has published no access key yet.")
    return found


def _in_minutes(minutes: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds").replace("+00:00", "Z")
