"""Deleting a rotation: journaled first, the credentials revoked when asked, then the rows."""

from __future__ import annotations

from app.errors import RotationFailed
from app.rotation import schedule
from app.rotation.failpoints import reached
from app.rotation.redact import redact
from app.rotation.surroundings import Surroundings, secrets_of
from providers.base import Credential, CredentialRefused, Outcome, TargetError
from store import lifecycle
from store.database import Tx


async def delete(around: Surroundings, actor: str) -> None:
    """Carry out the deletion that the rotation's row asks for; resumable, since revoking may be repeated.

    Raises RotationFailed when revoking failed: the rotation stays, and what was asked stays recorded.
    """
    job, lease = around.job, around.held.lease
    assert job.rotation.deletion is not None
    if job.rotation.deletion["revoke"]:
        await _revoke(around, actor)
    reached("delete.before")
    delete_secrets, now = job.rotation.deletion["delete_secrets"], around.clock()

    def gone(tx: Tx) -> None:
        lifecycle.delete(tx, lease, delete_secrets=delete_secrets, actor=actor, now=now)
        reached("delete.uncommitted")

    await around.store.awrite(gone)
    around.held.returned = True
    reached("delete.recorded")


async def _revoke(around: Surroundings, actor: str) -> None:
    """What is published dies last: when the target refuses half way, the rotation can go on."""
    job, models = around.job, around.provider.parameters.model_validate
    doomed = [
        (attempt.previous, models(attempt.row.previous_parameters or attempt.row.parameters))
        for attempt in job.retiring
        if attempt.previous
    ]
    if job.open:  # whether a candidate was issued, a process that died could not say
        doomed.append((job.open.issued or job.open.candidate, models(job.open.row.parameters)))
    by_slot = sorted(job.credentials, key=lambda slot: slot == job.rotation.active_index)
    doomed += [(job.credentials[slot], models(job.credential_parameters[slot])) for slot in by_slot]
    try:
        for stored, parameters in doomed:
            around.held.assert_fresh()
            credential = Credential(stored.values, stored.expires_at)
            reached("revoke.before")
            await around.provider.revoke(around.target, parameters, credential)
            reached("revoke.called")
    except TargetError as error:
        await _record_failure(around, error, actor)


async def _record_failure(around: Surroundings, error: TargetError, actor: str) -> None:
    """Transient: the loop goes on later. Permanent: withdrawn, so that a person can decide anew, unless it is too
    late for that.
    """
    now, rotation, lease = around.clock(), around.job.rotation, around.held.lease
    message = redact(error.message, secrets_of(around.job, around.provider))
    retry_at, too_late = None, await _published_is_gone(around)
    if error.transient or error.outcome is Outcome.UNKNOWN or too_late:
        retry_at = now + schedule.backoff(rotation.failures + 1, around.random.uniform)
    await around.store.awrite(
        lambda tx: lifecycle.deletion_failed(tx, lease, message=message, retry_at=retry_at, actor=actor, now=now)
    )
    around.held.returned = True
    outlook = "The rotation was kept and goes on as before. Delete without revoking, or mend this first."
    if retry_at:
        gone = "The published credential is revoked already. " if too_late else ""
        outlook = f"{gone}The deletion stays recorded and is tried again at {retry_at:%Y-%m-%d %H:%M:%S} UTC."
    raise RotationFailed(f"Not deleted: {message}", remedy=f"{error.remedy}\n{outlook}".strip()) from None


async def _published_is_gone(around: Surroundings) -> bool:
    """An earlier try, whose answer was lost, may have got that far."""
    job, active = around.job, around.job.rotation.active_index
    if job.rotation.last_rotated_at is None:
        return False
    held, parameters = job.credentials[active], job.credential_parameters[active]
    credential = Credential(held.values, held.expires_at)
    try:
        await around.provider.verify(around.target, around.provider.parameters.model_validate(parameters), credential)
    except CredentialRefused:
        return True
    except TargetError:
        return False
    return False
