"""What must be true at the end of every point, as complaints about what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.drill.ground import INTERVAL, NAME, RENAMED, Ground
from app.drill.look import Look
from app.drill.scenarios import Scenario

Credentials = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Story:
    """The store before the process was started, at its death, and at the end."""

    scenario: Scenario
    before: Look
    at_death: Look
    end: Look
    extra: int = 0
    """Rotations that the drill itself carried out in between."""


async def complaints(ground: Ground, story: Story) -> list[str]:
    found = [f"a sealed value does not open: {place}" for place in story.end.unreadable]
    if story.scenario.deletes:
        return [*found, *await _about_the_deleted(ground, story)]
    if story.end.job is None:
        return [*found, "the rotation is gone"]
    found += [*_about_the_work(story), *_about_the_values(ground, story)]
    found += [*_about_the_schedule(story), *_about_the_place(ground, story)]
    checks = await ground.service.rotations.check(story.end.row.id)
    found += [f"slot {c.slot}, {c.identity}, does not log in: {c.text}" for c in checks if not c.ok]
    found += await ground.scratch.complaints(ground.held(story.end))
    return [*found, *await _about_former_users(ground, story)]


async def _about_the_deleted(ground: Ground, story: Story) -> list[str]:
    if story.end.job is not None:
        return ["the rotation is still there"]
    found = [f"{story.end.remains} rows of the rotation are left"] if story.end.remains else []
    known = [*story.before.credentials, *story.at_death.credentials]
    alive = await _alive(ground, known, "a credential of a deleted rotation")
    return [*found, *alive, *await ground.scratch.complaints([])]


async def _about_former_users(ground: Ground, story: Story) -> list[str]:
    """What waits for its end still logs in; what was waiting does no more, unless a slot holds it again."""
    assert story.end.job is not None
    promised = [dict(a.previous.values) for a in story.end.job.retiring if a.previous]
    held = [dict(credential.values) for credential in story.end.job.credentials.values()]
    found = [f"{ground.who(c)} was promised more time" for c in promised if not await ground.gate.opens(c)]
    former = story.before.job.retiring if story.before.job else ()
    waiting = [dict(attempt.previous.values) for attempt in former if attempt.previous]
    ended = [credential for credential in waiting if credential not in [*promised, *held]]
    return [*found, *await _alive(ground, ended, "a former credential")]


async def _alive(ground: Ground, credentials: Credentials, what: str) -> list[str]:
    return [
        f"{what} still logs in: {ground.who(credential)}"
        for credential in credentials
        if ground.complete(credential) and await ground.gate.opens(credential)
    ]


def _about_the_work(story: Story) -> Iterator[str]:
    """Everything was brought to its end, once."""
    job, row = story.end.job, story.end.row
    assert job is not None
    if job.open:
        yield f"an attempt is still open, at step {job.open.row.step}"
    if row.succession is not None:
        yield "an edit is still unfinished"
    if story.end.leased:
        yield "a lease is still held"
    if row.rotation_status != "success" or row.failures:
        yield f"the rotation counts as failing: {row.last_rotation_message}"
    if len(job.retiring) != story.scenario.former:
        yield f"{len(job.retiring)} former credentials wait for their end, not {story.scenario.former}"
    done = story.end.publications - story.before.publications - story.extra
    if done != story.scenario.publications:
        yield f"it was published {done} times, not {story.scenario.publications}"
    if story.scenario.scheduled:
        due = story.before.row.next_rotation_at
        runs = sum(a.scheduled_for == due and a.state == "done" for a in story.end.attempts)
        if runs != 1:
            yield f"{runs} runs were carried out for the time that was due, not 1"


def _about_the_values(ground: Ground, story: Story) -> Iterator[str]:
    job, row = story.end.job, story.end.row
    assert job is not None
    users = ground.heirs if story.scenario.heirs else ground.users
    if dict(row.parameters) != dict(users):
        yield "it does not rotate the users that it should"
    holders = {slot: ground.owner(parameters, slot) for slot, parameters in job.credential_parameters.items()}
    wanted = {slot: ground.owner(users, slot) for slot in holders}
    if holders != wanted or len(job.credentials) != story.scenario.slots or row.active_index not in job.credentials:
        yield f"the slots hold credentials of {holders}"
        return
    active = job.credentials[row.active_index].values
    if story.end.published != {name: active[name] for name in ground.scratch.fields}:
        yield "the mapped secrets are not the active slot's"


def _about_the_schedule(story: Story) -> Iterator[str]:
    """At the time of day, a whole number of intervals after the last due time, and neither missed nor too soon."""
    now, row = datetime.now(UTC), story.end.row
    if row.next_rotation_at is None:
        yield "there is no next run"
        return
    ahead, at = row.next_rotation_at - now, row.next_rotation_at.astimezone(UTC)
    by_hand = not story.scenario.scheduled or story.extra
    soonest, latest = (INTERVAL * 0.99, INTERVAL * 2) if by_hand else (INTERVAL * 0.49, INTERVAL * 1.5)
    if not soonest <= ahead <= latest or (at.hour, at.minute, at.second) != (row.rotate_at_hours, 0, 0):
        yield f"the next run is at {at:%Y-%m-%d %H:%M:%S} UTC, {ahead} from now"


def _about_the_place(ground: Ground, story: Story) -> Iterator[str]:
    scenario, row = story.scenario, story.end.row
    if row.name != (RENAMED if scenario.renamed else NAME):
        yield f"it is named {row.name}"
    if row.secrets_mapping != (ground.new_mapping if scenario.renamed else ground.mapping):
        yield f"its secrets are named {row.secrets_mapping}"
    if story.before.job is not None and scenario.moved != (row.folder_id != story.before.row.folder_id):
        yield "it was not moved" if scenario.moved else "it was moved"
