"""What a receiver gets to see of an event: environment, JSON, or plain words. No secret value is among its facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]
TEST = "test"
_TITLES = {
    "published": "{name}: new values are published",
    "failed": "{name}: rotation failed",
    "recovered": "{name} works again",
    "overdue": "{name} is overdue",
    "expiring": "{name}: the credential expires",
    "guard": "{name}: still in use",
    "drift": "{name}: credential changed by somebody",
    TEST: "Test from Keyturn",
}


def environment(facts: Facts) -> dict[str, str]:
    """For a command: ids and names. NUL, which no environment takes, cannot be in a name."""
    rotation = facts["rotation"]
    return {
        "KEYTURN_EVENT": facts["event"],
        "KEYTURN_EVENT_ID": facts["id"],
        "KEYTURN_AT": facts["at"],
        "KEYTURN_ROTATION_ID": rotation["id"],
        "KEYTURN_ROTATION": rotation["name"],
        "KEYTURN_TYPE": rotation["type"],
        "KEYTURN_PROJECT": rotation["project"],
        "KEYTURN_ENVIRONMENT": rotation["environment"],
        "KEYTURN_PATH": rotation["path"],
        "KEYTURN_SECRETS": ",".join(facts["secrets"]),
        "KEYTURN_CHANGED": ",".join(facts["changed"]),
        "KEYTURN_COUNT": str(facts["count"]),
        "KEYTURN_MESSAGE": str(facts["message"]).replace("\0", ""),
    }


def body(facts: Facts) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def title(facts: Facts) -> str:
    return _TITLES.get(facts["event"], "{name}").format_map({"name": facts["rotation"]["name"]})


def words(facts: Facts) -> str:
    """Some lines that a person reads on a telephone."""
    rotation = facts["rotation"]
    where = " ".join(rotation[name] for name in ("project", "environment", "path") if rotation[name])
    lines = [str(facts["message"])]
    if facts["count"] > 1:
        lines.append(f"{facts['count']} times since {facts['at'][:16].replace('T', ' ')} UTC.")
    if facts["changed"]:
        lines.append(f"Changed: {', '.join(facts['changed'])}")
    lines.append(f"{rotation['name']} ({rotation['type']}) in {where}")
    return "\n".join(line for line in lines if line)


def test_facts(event_id: str, at: str, hook: str, actor: str) -> dict[str, Any]:
    """A message that is about nothing but the hook itself."""
    return {
        "id": event_id,
        "event": TEST,
        "at": at,
        "rotation": {"id": "", "name": "test", "type": "test", "project": "", "environment": "", "path": ""},
        "secrets": [],
        "changed": [],
        "message": f"The hook {hook} works.",
        "actor": actor,
        "count": 1,
    }
