"""What can be done with a rotation that exists."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.contract import GeneratedCredentials, SecretRotation
from app.errors import Busy, NotFound, RotationFailed, UsageError
from app.operations import overview
from app.operations.context import Context, folder_by, project_by, rotation_by
from app.operations.documents import attempt_view, detail_of, document_of, documents_of, slots_of
from app.operations.edits import Edits
from app.rotation import expiry
from app.rotation.agenda import MANUAL
from app.rotation.engine import nobody
from app.rotation.failpoints import reached
from app.rotation.lease import claiming
from app.rotation.redact import redact
from app.rotation.surroundings import Listener, secrets_of
from app.rotation.trial import try_out
from app.views import AttemptView, Place, RotationDetail, SlotCheck, SlotView, Snapshot
from providers.base import Credential, CredentialRefused, TargetError
from providers.registry import provider as provider_of
from store import events, jobs, lifecycle, rotations
from store import overview as stored
from store.database import Tx
from store.errors import LeaseBusy
from store.jobs import Job
from store.leases import Lease
from store.tables import Rotation


@dataclass(frozen=True)
class Rotations:
    """`ref` is an id, or a name where that is unambiguous. All raise NotFound, and UsageError for ambiguous names."""

    context: Context

    async def snapshot(self, before: Snapshot | None = None) -> Snapshot:
        """All rotations for the dashboard; the one `before` saves most of the work."""
        now = self.context.clock()
        return await self.context.store.aread(lambda tx: overview.snapshot(tx, now, before))

    async def slots(self, ids: Collection[str]) -> dict[str, tuple[SlotView, ...]]:
        """What the two slots of each hold, without the values; what is gone is left out."""

        def look(tx: Tx) -> dict[str, tuple[SlotView, ...]]:
            return {row.id: slots_of(row, held) for row, held in stored.with_credentials(tx, ids)}

        return await self.context.store.aread(look)

    async def documents(self, project: str | None = None) -> list[SecretRotation]:
        """All, or those of one project. Raises NotFound for an unknown project: it is not an empty one."""

        def look(tx: Tx) -> list[SecretRotation]:
            project_id = None if project is None else project_by(tx, project).id
            return documents_of(tx, rotations.list_all(tx, project_id=project_id))

        return await self.context.store.aread(look)

    async def document(self, ref: str) -> SecretRotation:
        return await self.context.store.aread(lambda tx: document_of(tx, rotation_by(tx, ref)))

    async def by_id(self, rotation_id: str) -> SecretRotation:
        """By its id alone, never by a name."""

        def look(tx: Tx) -> SecretRotation:
            if (row := rotations.get(tx, rotation_id)) is None:
                raise NotFound(f"There is no rotation {rotation_id!r}.")
            return document_of(tx, row)

        return await self.context.store.aread(look)

    async def named(self, place: Place, name: str) -> SecretRotation:
        """The one of this name in a folder. NotFound also for an unknown project, environment or folder."""

        def look(tx: Tx) -> SecretRotation:
            row = rotations.find(tx, folder_by(tx, place).id, name)
            if row is None:
                raise NotFound(f"There is no rotation {name!r} at {place.environment} {place.path}.")
            return document_of(tx, row)

        return await self.context.store.aread(look)

    async def detail(self, ref: str) -> RotationDetail:
        now = self.context.clock()
        return await self.context.store.aread(lambda tx: detail_of(tx, rotation_by(tx, ref), now))

    async def history(self, ref: str, limit: int = 50) -> list[AttemptView]:
        def look(tx: Tx) -> list[AttemptView]:
            row = rotation_by(tx, ref)
            kind = provider_of(row.type)
            return [attempt_view(kind, row, a) for a in rotations.attempts(tx, row.id, limit)]

        return await self.context.store.aread(look)

    async def rotate(self, ref: str, listener: Listener = nobody, *, force: bool = False) -> SecretRotation:
        """Now, by hand; an unfinished attempt is resumed instead.

        `force` overrules a guard that waits. Raises Busy, RotationFailed, Postponed.
        """

        def claim(tx: Tx) -> Lease:
            row = rotation_by(tx, ref)
            if row.deletion is not None:
                raise RotationFailed(
                    f"{row.name} is being deleted; nothing was rotated.",
                    remedy="The loop finishes that; deleting it once more does so now.",
                )
            return engine.claim_in(tx, row.id)

        engine = self.context.engine
        try:
            rotation_id = await engine.rotate(claim, self.context.actor, listener, force=force)
        except LeaseBusy as error:
            raise Busy(error.message, remedy=error.remedy) from None
        return await self.document(rotation_id)

    async def pause(self, ref: str) -> SecretRotation:
        """Switch auto-rotation off. Raises Busy while an attempt runs."""
        return (await Edits(self.context).edit(ref, {"isAutoRotationEnabled": False})).rotation

    async def resume(self, ref: str) -> SecretRotation:
        """Switch auto-rotation on; what became due meanwhile runs at once. Raises Busy."""
        return (await Edits(self.context).edit(ref, {"isAutoRotationEnabled": True})).rotation

    async def expiry_warning(self, ref: str) -> str:
        """That the published credential expires before the next run, and when; empty when it does not."""

        def look(tx: Tx) -> str:
            row = rotation_by(tx, ref)
            return expiry.warning(row, rotations.expiry(tx, row)) if row.last_rotated_at else ""

        return await self.context.store.aread(look)

    async def credentials(self, ref: str) -> GeneratedCredentials:
        """The values of both slots, in the documented shape; an event says who looked."""

        def look(tx: Tx) -> GeneratedCredentials:
            row = rotation_by(tx, ref)
            held = rotations.credentials(tx, row.id)
            self._event(tx, "get-secret-rotation-generated-credentials", row)
            return GeneratedCredentials(
                generated_credentials=[rotations.credential_values(tx, held[slot]) for slot in sorted(held)],
                active_index=row.active_index,
                rotation_id=row.id,
                type=row.type,
            )

        return await self.context.store.awrite(look)

    async def check(self, ref: str) -> list[SlotCheck]:
        """Log in with what the store holds for each slot; changes nothing. Drift is a slot with `ok` False."""

        def look(tx: Tx) -> Job:
            return jobs.load(tx, rotation_by(tx, ref).id)

        job = await self.context.store.aread(look)
        results = [await self._check_slot(job, slot) for slot in sorted(job.credentials)]
        drifted = any(result.ok is False for result in results)
        message = "; ".join(f"{r.identity}: {r.text}" for r in results)
        await self.context.store.awrite(
            lambda tx: self._event(
                tx,
                "secret-rotation-check-credentials",
                job.rotation,
                result="failed" if drifted else "success",
                message=message,
            )
        )
        return results

    async def heal(self, ref: str, listener: Listener = nobody) -> list[SlotCheck]:
        """Set every password that somebody changed at the target back to what the store holds, then check again.

        Raises Busy, RotationFailed, UsageError where the target makes the credentials up.
        """
        row = await self.context.store.aread(lambda tx: rotation_by(tx, ref))
        if not provider_of(row.type).restores:
            raise UsageError(
                f"{provider_of(row.type).title} can't be set back: the target gives each of them out once.",
                remedy=f"Give out a new one: keyturn rotations rotate {row.name}",
            )
        try:
            await self.context.engine.checkup(row.id, self.context.actor, listener, heal_active=True)
        except LeaseBusy as error:
            raise Busy(error.message, remedy=error.remedy) from None
        return await self.check(ref)

    async def delete(
        self, ref: str, *, revoke: bool = False, delete_secrets: bool = False, listener: Listener = nobody
    ) -> SecretRotation:
        """The rotation as it was. Raises Busy, and RotationFailed when revoking failed (the rotation is kept)."""
        now = self.context.clock()

        def ask(tx: Tx) -> tuple[SecretRotation, Lease]:
            row = rotation_by(tx, ref)
            lease = engine.claim_in(tx, row.id)
            before = document_of(tx, row)
            lifecycle.ask_deletion(tx, lease, revoke=revoke, delete_secrets=delete_secrets, now=now)
            return before, lease

        engine = self.context.engine
        try:
            before, lease = await claiming(self.context.store, ask, lambda asked: [asked[1]])
        except LeaseBusy as error:
            raise Busy(error.message, remedy=error.remedy) from None
        reached("delete.asked")
        await engine.carry_out(lease, MANUAL, self.context.actor, listener)
        return before

    async def _check_slot(self, job: Job, slot: int) -> SlotCheck:
        kind = provider_of(job.rotation.type)
        parameters = kind.parameters.model_validate(job.rotation.parameters)
        held = job.credentials[slot]
        identity = kind.identity(parameters, slot)
        active = slot == job.rotation.active_index and job.rotation.last_rotated_at is not None
        target = await self.context.targets.get(job.connection, job.connection_secrets)
        try:
            how = await try_out(kind, target, parameters, Credential(held.values, held.expires_at), active=active)
        except CredentialRefused as error:
            return SlotCheck(slot, identity, active, False, _clean(error, job))
        except TargetError as error:
            return SlotCheck(slot, identity, active, None, _clean(error, job))
        return SlotCheck(slot, identity, active, True, how)

    def _event(self, tx: Tx, action: str, row: Rotation, *, result: str = "success", message: str = "") -> None:
        events.append(
            tx,
            at=self.context.clock(),
            actor=self.context.actor,
            action=action,
            result=result,
            subject=row.name,
            rotation_id=row.id,
            message=message,
        )


def _clean(error: TargetError, job: Job) -> str:
    return redact(error.message, secrets_of(job, provider_of(job.rotation.type)))
