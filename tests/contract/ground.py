"""The documented bodies, as the reference pages print them, and what their shapes are."""

from __future__ import annotations

import re
import uuid
from typing import Any

SAMPLE_ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"

# The sample request of the page about PostgreSQL rotations.
SAMPLE_REQUEST: dict[str, Any] = {
    "name": "my-pg-rotation",
    "projectId": SAMPLE_ID,
    "description": "my database credentials rotation",
    "connectionId": SAMPLE_ID,
    "environment": "dev",
    "secretPath": "/",
    "isAutoRotationEnabled": True,
    "rotationInterval": 30,
    "rotateAtUtc": {"hours": 0, "minutes": 0},
    "parameters": {"username1": "infisical_user_1", "username2": "infisical_user_2"},
    "secretsMapping": {"username": "POSTGRES_DB_USERNAME", "password": "POSTGRES_DB_PASSWORD"},
}

# Its sample response, and with `isLastRotationManual` that of the endpoint's reference page.
SAMPLE_RESPONSE: dict[str, Any] = {
    "id": SAMPLE_ID,
    "name": "my-pg-rotation",
    "description": "my database credentials rotation",
    "secretsMapping": {"username": "POSTGRES_DB_USERNAME", "password": "POSTGRES_DB_PASSWORD"},
    "isAutoRotationEnabled": True,
    "activeIndex": 0,
    "folderId": SAMPLE_ID,
    "connectionId": SAMPLE_ID,
    "createdAt": "2023-11-07T05:31:56Z",
    "updatedAt": "2023-11-07T05:31:56Z",
    "rotationInterval": 30,
    "rotationStatus": "success",
    "lastRotationAttemptedAt": "2023-11-07T05:31:56Z",
    "lastRotatedAt": "2023-11-07T05:31:56Z",
    "lastRotationJobId": SAMPLE_ID,
    "nextRotationAt": "2023-11-07T05:31:56Z",
    "isLastRotationManual": True,
    "connection": {"app": "postgres", "name": "my-pg-connection", "id": SAMPLE_ID},
    "environment": {"slug": "dev", "name": "Development", "id": SAMPLE_ID},
    "projectId": SAMPLE_ID,
    "folder": {"id": SAMPLE_ID, "path": "/"},
    "rotateAtUtc": {"hours": 0, "minutes": 0},
    "lastRotationMessage": None,
    "type": "postgres-credentials",
    "parameters": {"username1": "infisical_user_1", "username2": "infisical_user_2"},
}

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def differences(sample: Any, found: Any, path: str = "") -> list[str]:
    """Where a response has not the fields and types of the sample, or other values where they are no id and no time."""
    if isinstance(sample, dict):
        if not isinstance(found, dict):
            return [f"{path} is no object"]
        missing = [f"{path}.{key} is missing" for key in sample if key not in found]
        present = [difference for key in sample if key in found for difference in _inside(sample, found, path, key)]
        return missing + present
    if isinstance(sample, str) and sample == SAMPLE_ID:
        return [] if _is_uuid(found) else [f"{path} is no UUID: {found!r}"]
    if isinstance(sample, str) and _MOMENT.fullmatch(sample):
        return [] if isinstance(found, str) and _MOMENT.fullmatch(found) else [f"{path} is no UTC time: {found!r}"]
    same = type(found) is type(sample) and found == sample
    return [] if same else [f"{path} is {found!r} instead of {sample!r}"]


def _inside(sample: dict[str, Any], found: dict[str, Any], path: str, key: str) -> list[str]:
    return differences(sample[key], found[key], f"{path}.{key}")


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False
