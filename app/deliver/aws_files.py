"""The AWS SDKs' shared credentials file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.deliver.sections import replaced
from app.deliver.source import Source


def credentials(source: Source, options: Mapping[str, Any], before: str) -> str:
    """The active key as one profile; other profiles stay."""
    active = source.credentials[0]
    values = {"aws_access_key_id": active["accessKeyId"], "aws_secret_access_key": active["secretAccessKey"]}
    return replaced(before, options.get("profile") or "default", values, " = ")
