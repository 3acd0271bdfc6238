"""`keyturn rotations`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable

from app.cli import output
from app.cli.body import read_body
from app.cli.questions import confirm_deletion
from app.cli.running import use
from app.contract import SecretRotation
from app.errors import EXIT_FAILED
from app.rotation.engine import nobody
from app.rotation.surroundings import Listener
from app.service import Service
from app.views import AttemptView, Progress, RotationDetail, SlotCheck, SlotView


def create(args: Namespace) -> int:
    if args.file is None:
        from app.cli import creating

        return creating.rotation(args)
    body = read_body(args.file)

    async def work(service: Service) -> int:
        created = await service.creation.create(args.type, body, listener_for(args))
        output.ignored(created.ignored)
        return await outcome(service, args, created.rotation, "Created")

    return use(work)


def show_all(args: Namespace) -> int:
    async def work(service: Service) -> int:
        documents = await service.rotations.documents(args.project)
        if args.json:
            output.json_line({"secretRotations": [output.model_json(document) for document in documents]})
            return 0
        wanted = {document.id for document in documents}
        snapshot = await service.rotations.snapshot()
        output.table(
            ("NAME", "STATUS", "ACTIVE", "NEXT RUN", "TYPE", "PLACE"),
            [
                (
                    row.name,
                    row.status.value,
                    row.active_identity,
                    output.distance(row.next_at, "by hand"),
                    row.type,
                    f"{row.project} {row.environment} {row.path}",
                )
                for row in snapshot.rows
                if row.id in wanted
            ],
            empty="There are no rotations. Create one: keyturn rotations create TYPE, such as postgres-credentials",
            yields=("TYPE", "PLACE"),
        )
        return 0

    return use(work)


def show(args: Namespace) -> int:
    async def work(service: Service) -> int:
        if args.json:
            _document(await service.rotations.document(args.name))
        else:
            output.pairs(_lines(await service.rotations.detail(args.name)))
        return 0

    return use(work)


def move(args: Namespace) -> int:
    body = {
        "destinationEnvironment": args.env,
        "destinationSecretPath": args.path,
        "overwriteDestination": args.overwrite,
    }
    return _switched(args, lambda service: service.edits.move(args.name, body), "Moved")


def rotate(args: Namespace) -> int:
    async def work(service: Service) -> int:
        rotation = await service.rotations.rotate(args.name, listener_for(args), force=args.force)
        return await outcome(service, args, rotation, "Rotated")

    return use(work)


def check(args: Namespace) -> int:
    async def work(service: Service) -> int:
        look = service.rotations.heal if args.heal else service.rotations.check
        checks = await look(args.name)
        good = bool(checks) and all(found.ok for found in checks)
        if args.json:
            drift = any(found.ok is False for found in checks)
            output.json_line({"checks": output.view_json(checks), "drift": drift})
        else:
            output.table(
                ("SLOT", "USER", "STATE", "LOGIN", "DETAIL"),
                [_check_cells(found) for found in checks],
                empty="Nothing has been issued yet.",
            )
        return 0 if good else EXIT_FAILED

    return use(work)


def credentials(args: Namespace) -> int:
    async def work(service: Service) -> int:
        found = await service.rotations.credentials(args.name)
        if args.json:
            output.json_line(output.model_json(found))
            return 0
        issued = [slot for slot in (await service.rotations.detail(args.name)).slots if slot.known]
        fields = dict.fromkeys(field for item in found.generated_credentials for field in item)
        output.table(
            ("SLOT", "STATE", *(field.upper() for field in fields)),
            [
                (str(slot.slot), _state(slot.active), *(item.get(field, "") for field in fields))
                for slot, item in zip(issued, found.generated_credentials, strict=True)
            ],
            empty="Nothing has been issued yet.",
            whole=[field.upper() for field in fields],
        )
        return 0

    return use(work)


def pause(args: Namespace) -> int:
    async def work(service: Service) -> SecretRotation:
        rotation = await service.rotations.pause(args.name)
        await warn_of_expiry(service, rotation.id)
        return rotation

    return _switched(args, work, "Paused")


async def warn_of_expiry(service: Service, ref: str) -> None:
    if warning := await service.rotations.expiry_warning(ref):
        output.complain(warning, "Resume it, rotate by hand before, or shorten the interval.")


def resume(args: Namespace) -> int:
    return _switched(args, lambda service: service.rotations.resume(args.name), "Resumed")


def history(args: Namespace) -> int:
    async def work(service: Service) -> int:
        attempts = await service.rotations.history(args.name, args.limit)
        if args.json:
            output.json_line({"attempts": output.view_json(attempts)})
            return 0
        output.table(
            ("STARTED", "USER", "STATE", "STEPS", "TRIGGER", "BY", "MESSAGE"),
            [_attempt_cells(attempt) for attempt in attempts],
            empty="It has not run yet.",
            yields=("STEPS", "BY", "TRIGGER"),
        )
        return 0

    return use(work)


def delete(args: Namespace) -> int:
    if not args.yes:
        # Asked between two sessions: inside one, ctrl+c could not end the waiting.
        detail = use(lambda service: service.rotations.detail(args.name))
        if not confirm_deletion(detail, revoke=args.revoke, delete_secrets=args.delete_secrets):
            output.note("Nothing was deleted.")
            return EXIT_FAILED

    async def work(service: Service) -> int:
        deleted = await service.rotations.delete(
            args.name, revoke=args.revoke, delete_secrets=args.delete_secrets, listener=listener_for(args)
        )
        if args.json:
            _document(deleted)
        else:
            output.line(output.clean(f"Deleted {deleted.name}."))
        return 0

    return use(work)


def _switched(args: Namespace, change: Callable[[Service], Awaitable[SecretRotation]], done: str) -> int:
    async def work(service: Service) -> int:
        return await outcome(service, args, await change(service), done)

    return use(work)


async def outcome(service: Service, args: Namespace, rotation: SecretRotation, done: str) -> int:
    if args.json:
        _document(rotation)
        return 0
    row = (await service.rotations.detail(rotation.id)).row
    active = f" Active: {row.active_identity}." if row.active_identity else ""
    following = f"Next run: {output.when(row.next_at)}." if row.next_at else "It does not run by itself."
    output.line(output.clean(f"{done} {row.name}.{active} {following}"))
    return 0


def _document(rotation: SecretRotation) -> None:
    output.json_line({"secretRotation": output.model_json(rotation)})


def listener_for(args: Namespace) -> Listener:
    return nobody if args.json else _tell_step


def _tell_step(progress: Progress) -> None:
    if progress.state != "started":
        ended = f"{progress.ms:.0f} ms" if progress.state == "done" else f"{progress.state} after {progress.ms:.0f} ms"
        told = f"  {progress.message}" if progress.message else ""
        output.note(output.clean(f"{progress.step:<8} {progress.identity}  {ended}{told}"))


def _lines(detail: RotationDetail) -> list[tuple[str, str]]:
    row = detail.row
    hours, minutes = detail.rotate_at
    every = "day" if detail.interval_days == 1 else f"{detail.interval_days} days"
    off = "" if detail.auto_rotation else " (auto-rotation is off)"
    return [
        ("name", row.name),
        ("id", row.id),
        ("type", row.type),
        ("description", detail.description),
        ("place", f"{row.project} {row.environment} {row.path}"),
        ("connection", row.connection),
        ("status", row.status.value),
        ("schedule", f"every {every} at {hours:02}:{minutes:02} UTC{off}"),
        ("guard", guard_text(detail.guard, detail.guard_wait_hours)),
        ("next run", output.when(row.next_at, "by hand")),
        ("last run", output.when(row.last_rotated_at, "never")),
        ("last result", row.last_result),
        ("emergency", f"under way since {output.when(since)}" if (since := detail.emergency_since) else ""),
        ("message", row.last_message),
        *(
            (name, output.json_text(value) if isinstance(value, dict) else str(value))
            for name, value in detail.parameters.items()
        ),
        *((f"slot {slot.slot}", _slot_text(slot)) for slot in detail.slots),
        *((f"{field} secret", name) for field, name in detail.mapping.items()),
    ]


def guard_text(policy: str, hours: int) -> str:
    """What happens while the credential about to die is still in use."""
    return {"warn": "warn and go on", "wait": f"wait up to {hours} h, then warn", "off": "off"}.get(policy, policy)


def _slot_text(slot: SlotView) -> str:
    if not slot.known:
        return f"{slot.identity}, nothing issued yet"
    parts = [slot.identity, _state(slot.active), f"issued {output.when(slot.issued_at)}"]
    if slot.expires_at:
        parts.append(f"expires {output.when(slot.expires_at)}")
    if slot.dies_at:
        parts.append(f"replaced {output.when(slot.dies_at)}")
    return ", ".join(parts)


def _check_cells(found: SlotCheck) -> tuple[str, ...]:
    login = {True: "ok", False: "refused", None: "unknown"}[found.ok]
    return str(found.slot), found.identity, _state(found.active), login, found.text


def _attempt_cells(attempt: AttemptView) -> tuple[str, ...]:
    steps = ", ".join(f"{step.step} {step.ms:.0f} ms" for step in attempt.steps)
    return (
        output.when(attempt.started_at),
        attempt.identity,
        attempt.state,
        steps,
        attempt.trigger,
        attempt.actor,
        attempt.message,
    )


def _state(active: bool) -> str:
    return "active" if active else "inactive"
