"""The live-use guard in words: what a run does when the credential that it is about to replace is still in use."""

from __future__ import annotations

POLICIES = WARN, WAIT, OFF = "warn", "wait", "off"


def choices() -> list[tuple[str, str]]:
    """For a list to choose from: what it does, and the policy."""
    return [
        ("warn, by name, and go on", WARN),
        ("wait until nobody uses it, then go on", WAIT),
        ("do not look", OFF),
    ]


def briefly(policy: str, hours: str) -> str:
    """What happens, in a few words."""
    waiting = f"a run waits up to {hours} h, then warns and goes on"
    return {WARN: "a run warns and goes on", WAIT: waiting, OFF: "nobody looks"}.get(policy, policy)


def sentence(policy: str, hours: int) -> str:
    if policy == OFF:
        return "A run replaces the inactive credential without looking whether it is still in use."
    does = f"waits up to {hours} h, then warns and goes on" if policy == WAIT else "warns and goes on"
    return f"If what a run is about to replace is still in use, it {does}."
