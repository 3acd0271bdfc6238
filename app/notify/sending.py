"""Carrying one delivery out, by whichever kind its hook is. Blocking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.notify import by_apprise, command, message, webhook
from app.notify.answer import Answer

COMMAND, WEBHOOK, APPRISE = "command", "webhook", "apprise"


def send(
    kind: str,
    action: Mapping[str, Any],
    facts: message.Facts,
    secrets: Iterable[str],
    *,
    time_out: float,
    stopping: Callable[[], bool] = lambda: False,
) -> Answer:
    """`action` is what the hook keeps sealed; `secrets` must not show up in the answer. No exception leaves."""
    if kind == COMMAND:
        environment = message.environment(facts)
        return command.send(action["command"], environment, secrets, time_out=time_out, stopping=stopping)
    if kind == WEBHOOK:
        post = webhook.Post(action["url"], action["signing_key"], facts["id"], message.body(facts), int(time.time()))
        return webhook.send(post, time_out=time_out)
    return by_apprise.send(action["url"], message.title(facts), message.words(facts))
