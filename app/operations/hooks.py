"""Hooks: who is to be told of what. What is secret in them is sealed, and shown once at most."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.errors import NotFound, UsageError
from app.notify import rules
from app.operations.context import Context, environment_by, project_by, rotation_by
from store import deliveries, events, hooks, projects, rotations
from store.database import Tx
from store.tables import Hook

NAME_MAX, SHOWN_MAX, PATH_MAX = 64, 1024, 512
ON, PAUSED = "on", "paused"


@dataclass(frozen=True)
class Scope:
    """What a hook is told of: one rotation (name or id), or a place as far as it is given; else everything."""

    rotation: str | None = None
    project: str | None = None
    environment: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class NewHook:
    """`kind` as in store/tables.py; `what` is its command or address."""

    name: str
    events: Sequence[str]
    kind: str
    what: str = field(repr=False)
    scope: Scope = Scope()
    time_out: int = rules.TIME_OUT


@dataclass(frozen=True)
class HookView:
    """`to` is fit to be shown. `waiting`: how many deliveries do."""

    id: str
    name: str
    state: str
    kind: str
    events: tuple[str, ...]
    of: str
    to: str
    time_out: int
    waiting: int
    created_at: datetime


@dataclass(frozen=True)
class Added:
    """`signing_key` is shown this once; empty where nothing is signed."""

    hook: HookView
    signing_key: str = field(repr=False)


@dataclass(frozen=True)
class Tested:
    ok: bool
    answer: str


@dataclass(frozen=True)
class Hooks:
    """`ref` is a name or an id. All raise NotFound and UsageError."""

    context: Context

    async def add(self, wanted: NewHook) -> Added:
        _refuse_name(wanted.name)
        action, shown = await asyncio.to_thread(_action, wanted)

        def write(tx: Tx) -> HookView:
            if hooks.find(tx, wanted.name) is not None:
                raise UsageError(f"There is a hook {wanted.name!r} already.", remedy="Choose another name.")
            row = Hook(
                id=self.context.new_id(),
                name=wanted.name,
                kind=wanted.kind,
                events=list(wanted.events),
                shown=shown,
                sealed_action=b"",
                time_out=wanted.time_out,
                created_at=self.context.clock(),
                **_scope(tx, wanted.scope),
            )
            hooks.add(tx, row, action)
            self._record(tx, row, "add-hook", f"{row.kind} {row.shown} on {', '.join(row.events)}")
            return _view(tx, row)

        return Added(await self.context.store.awrite(write), action.get("signing_key", ""))

    async def list(self) -> list[HookView]:
        """By name."""
        return await self.context.store.aread(lambda tx: [_view(tx, row) for row in hooks.list_all(tx)])

    async def show(self, ref: str) -> HookView:
        return await self.context.store.aread(lambda tx: _view(tx, hook_by(tx, ref)))

    async def test(self, ref: str) -> Tested:
        """Send it a message of its own now, paused or not."""
        from app.notify import message
        from app.notify.sending import send

        def look(tx: Tx) -> tuple[Hook, dict[str, Any]]:
            row = hook_by(tx, ref)
            return row, hooks.action(tx, row)

        row, action = await self.context.store.aread(look)
        at = self.context.clock().isoformat()
        facts = message.test_facts(self.context.new_id(), at, row.name, self.context.actor)
        ending = False
        sent = asyncio.create_task(
            asyncio.to_thread(send, row.kind, action, facts, (), time_out=row.time_out, stopping=lambda: ending)
        )
        try:
            answer = await asyncio.shield(sent)
        except asyncio.CancelledError:
            ending = True
            raise
        result = "success" if answer.ok else "failed"
        await self.context.store.awrite(lambda tx: self._record(tx, row, "test-hook", answer.text, result))
        return Tested(answer.ok, answer.text)

    async def pause(self, ref: str) -> HookView:
        """Nothing is sent; what it would be told of waits."""
        return await self._switch(ref, paused=True)

    async def resume(self, ref: str) -> HookView:
        return await self._switch(ref, paused=False)

    async def remove(self, ref: str) -> HookView:
        """With its deliveries, those that wait as well."""

        def write(tx: Tx) -> HookView:
            row = hook_by(tx, ref)
            view = _view(tx, row)
            left = f"; {view.waiting} deliveries were not made" if view.waiting else ""
            self._record(tx, row, "remove-hook", f"{row.kind} {row.shown}{left}")
            hooks.remove(tx, row)
            return view

        return await self.context.store.awrite(write)

    async def _switch(self, ref: str, *, paused: bool) -> HookView:
        def write(tx: Tx) -> HookView:
            row = hook_by(tx, ref)
            if row.paused != paused:
                row.paused = paused
                tx.session.flush()
                if not paused:
                    deliveries.resumed(tx, row.id, self.context.clock())
                self._record(tx, row, "pause-hook" if paused else "resume-hook", "")
            return _view(tx, row)

        return await self.context.store.awrite(write)

    def _record(self, tx: Tx, row: Hook, action: str, message: str, result: str = "success") -> None:
        events.append(
            tx,
            at=self.context.clock(),
            actor=self.context.actor,
            action=action,
            result=result,
            subject=row.name,
            rotation_id=row.rotation_id,
            message=message,
        )


def hook_by(tx: Tx, ref: str) -> Hook:
    """Raises NotFound."""
    found = hooks.find(tx, ref)
    if found is None:
        raise NotFound(f"There is no hook {ref!r}.", remedy="keyturn hooks list shows all.")
    return found


def _action(wanted: NewHook) -> tuple[dict[str, Any], str]:
    """What is sealed, and what may be shown of it. Raises UsageError, and KeyturnError when Apprise is missing."""
    from app.notify import by_apprise, command, webhook
    from app.notify.sending import COMMAND, WEBHOOK

    if wanted.kind == COMMAND:
        command.words_of(wanted.what)
        return {"command": wanted.what}, _fitting("--command", wanted.what)
    if wanted.kind == WEBHOOK:
        url = webhook.checked(wanted.what)
        return {"url": url, "signing_key": secrets.token_urlsafe(32)}, _fitting("--webhook", webhook.shown(url))
    url = by_apprise.checked(wanted.what)
    return {"url": url}, _fitting("--notify", by_apprise.shown(url))


def _fitting(flag: str, text: str) -> str:
    if len(text) > SHOWN_MAX:
        raise UsageError(f"{flag} is longer than {SHOWN_MAX} characters.", remedy="Put it into a script of its own.")
    return text


def _refuse_name(name: str) -> None:
    if not name.strip() or len(name) > NAME_MAX or name != name.strip():
        raise UsageError(f"A hook's name has 1 to {NAME_MAX} characters, and no blank at its ends.")
    if any(unicodedata.category(c)[0] == "C" for c in name):
        raise UsageError("A hook's name holds no control characters.")


def _scope(tx: Tx, scope: Scope) -> dict[str, Any]:
    place = scope.project, scope.environment, scope.path
    if scope.rotation is not None:
        if any(part is not None for part in place):
            raise UsageError("--rotation stands for itself: leave out --project, --env and --path.")
        return {"rotation_id": rotation_by(tx, scope.rotation).id}
    if scope.path is not None and scope.environment is None:
        raise UsageError("--path needs --env.", remedy="Such as --env prod --path /billing")
    if scope.environment is not None:
        project, environment = environment_by(tx, scope.project or "default", scope.environment)
        path = None if scope.path is None else "/" + scope.path.strip("/")
        if path is not None and len(path) > PATH_MAX:
            raise UsageError(f"--path is longer than {PATH_MAX} characters.")
        return {"project_id": project.id, "environment_id": environment.id, "path": path}
    return {} if scope.project is None else {"project_id": project_by(tx, scope.project).id}


def _view(tx: Tx, row: Hook) -> HookView:
    return HookView(
        id=row.id,
        name=row.name,
        state=PAUSED if row.paused else ON,
        kind=row.kind,
        events=tuple(row.events),
        of=_of(tx, row),
        to=row.shown,
        time_out=row.time_out,
        waiting=deliveries.waiting(tx).get(row.id, 0),
        created_at=row.created_at,
    )


def _of(tx: Tx, row: Hook) -> str:
    """What it is told of, in words."""
    if row.rotation_id is not None:
        rotation = rotations.get(tx, row.rotation_id)
        return f"rotation {rotation.name}" if rotation else "a rotation that was deleted"
    if row.project_id is None:
        return "everything"
    project = projects.find_project(tx, row.project_id)
    slug = project.slug if project else row.project_id
    if row.environment_id is None:
        return f"project {slug}"
    known = projects.list_environments(tx, row.project_id)
    environment = next((one.slug for one in known if one.id == row.environment_id), row.environment_id)
    return " ".join(part for part in (slug, environment, row.path) if part)
