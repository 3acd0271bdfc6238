"""A store restored from an old backup: what it believes and what is true at the target are different things.

A backup is taken at every commit of a rotation, so at every step of the journal; then life goes on for a while without
it: the rotation comes to its end and others follow. Then the backup comes back.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import Postponed
from app.service import Service
from app.views import Status
from providers.base import Use
from tests.faults.story import KINDS, after_each_commit, assert_whole, job_of, leases_run_out, make_due, message_of
from tests.rotation.conftest import Clock, Ground, published
from tests.rotation.model import KeyProvider, World
from tests.variants import few

APPLICATION = Use("billing", "10.0.0.7", 4)


def back_up(service: Service, path: Path) -> Path:
    """As `sqlite3 keyturn.db '.backup ...'` does."""
    with closing(sqlite3.connect(service.store.location)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return path


async def restore(ground: Ground, backup: Path) -> Service:
    """Everybody stops, the file is put in its place, one starts again."""
    for service in ground.services:
        await service.aclose()
    ground.services.clear()
    for leftover in ground.home.glob("keyturn.db-*"):
        leftover.unlink()
    shutil.copyfile(backup, ground.home / "keyturn.db")
    service = ground.start()
    leases_run_out(service)
    return service


class Watch:
    """Looks after each commit whether something new was published, and whether it logs in at that moment."""

    def __init__(self, service: Service, world: World, rotation_id: str) -> None:
        self.publications = 0
        self._service, self._world, self._rotation_id = service, world, rotation_id
        self._last = self._published()

    def _published(self) -> dict[str, str]:
        job = job_of(self._service, self._rotation_id)
        return dict(job.credentials[job.rotation.active_index].values)

    def look(self) -> None:
        now = self._published()
        if now != self._last:
            assert self._world.works(now), "published what does not log in"
            self.publications += 1
            self._last = now


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("later", few([2, 0, 1, 3]))
async def test_a_restored_store_never_publishes_what_does_not_log_in_and_gets_well_by_itself(
    ground: Ground,
    service: Service,
    world: World,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    later: int,
    kind: str,
) -> None:
    monkeypatch.setattr(KeyProvider, "verify_patience", 0.0)
    created = await ground.create(service, kind)
    await service.rotations.rotate("app")
    make_due(service, created.id, clock)
    backups: list[Path] = []

    def take() -> None:
        backups.append(back_up(service, tmp_path / f"{len(backups)}.db"))

    with after_each_commit(service, take):
        await service.scheduler().run_once()
    assert len(backups) >= 6
    for _ in range(later):
        clock.advance(days=1)
        await service.rotations.rotate("app")
    meanwhile = {name: set(keys) for name, keys in world.logins.items()}
    for backup in backups:
        world.logins = {name: set(keys) for name, keys in meanwhile.items()}
        restored = await restore(ground, backup)
        before, strangers = await published(restored), unknown_keys(restored, world, created.id)
        watch = Watch(restored, world, created.id)
        with after_each_commit(restored, watch.look):
            await restored.scheduler().run_once()
            if await published(restored) == before and not world.works(before):
                # Not due, so nothing was to be done; what is wrong is seen by looking.
                await restored.context.engine.checkup(created.id, "scheduler")
                assert (await restored.rotations.detail("app")).row.status is Status.FAILING
                assert "no longer logs in" in await message_of(restored)
                await restored.rotations.rotate("app")
            assert world.works(await published(restored))
            await restored.rotations.rotate("app")
            await restored.rotations.rotate("app")
            await assert_whole(restored, world, created.id)
        assert watch.publications >= 2
        assert strangers <= world.logins["app_1"], "a key that this store does not know was removed"


def unknown_keys(service: Service, world: World, rotation_id: str) -> set[str]:
    """Keys made after the backup. One that bears the open attempt's marker counts as known."""
    job = job_of(service, rotation_id)
    if job.rotation.type != "model-keys":
        return set()
    pending = (*job.retiring, *([job.open] if job.open else []))
    parts = [*job.credentials.values(), *(part for a in pending for part in (a.issued, a.previous) if part)]
    known = {part.values["password"] for part in parts}
    markers = tuple(attempt.row.id for attempt in pending)
    return {key for key in world.logins["app_1"] - known if not (markers and key.endswith(markers))}


async def test_what_applications_got_after_the_backup_is_not_taken_from_them_while_they_use_it(
    ground: Ground, service: Service, world: World, clock: Clock, tmp_path: Path
) -> None:
    created = await ground.create(service)
    backup = back_up(service, tmp_path / "backup.db")
    make_due(service, created.id, clock)
    await service.scheduler().run_once()
    in_use = await published(service)
    assert in_use["username"] == "app_2"

    restored = await restore(ground, backup)
    world.uses = [APPLICATION]
    before = await published(restored)
    assert world.works(before)
    assert before["username"] == "app_1"
    assert await restored.scheduler().run_once() == 0
    await restored.context.engine.checkup(created.id, "scheduler")
    with pytest.raises(Postponed, match="with a password that Keyturn did not set") as held_back:
        await restored.rotations.rotate("app")
    assert "restored from a backup" in held_back.value.message
    assert "What is published works" in held_back.value.remedy
    assert world.works(in_use)
    assert await published(restored) == before
    told = [event.message for event in await restored.history.recent()]
    assert any("app_2 is still in use by billing" in message for message in told)

    world.uses = []  # they have read what is published now
    clock.advance(minutes=16)
    assert await restored.scheduler().run_once() == 0
    assert (await published(restored))["username"] == "app_2"
    await assert_whole(restored, world, created.id)


async def test_the_loop_does_not_set_back_a_password_that_is_in_use(
    ground: Ground, service: Service, world: World, clock: Clock, tmp_path: Path
) -> None:
    created = await ground.create(service)
    backup = back_up(service, tmp_path / "backup.db")
    await service.rotations.rotate("app")
    in_use = await published(service)

    restored = await restore(ground, backup)
    world.uses = [APPLICATION]
    await restored.context.engine.checkup(created.id, "scheduler")
    assert world.works(in_use)
    assert (await restored.rotations.detail("app")).row.status is Status.FAILING
    assert "is still in use by billing" in await message_of(restored)

    world.uses = []
    await restored.context.engine.checkup(created.id, "scheduler")
    assert not world.works(in_use)
    assert (await restored.rotations.detail("app")).row.status is not Status.FAILING
    await assert_whole(restored, world, created.id)


async def test_force_rotates_at_once(ground: Ground, service: Service, world: World, tmp_path: Path) -> None:
    created = await ground.create(service)
    backup = back_up(service, tmp_path / "backup.db")
    await service.rotations.rotate("app")
    restored = await restore(ground, backup)
    world.uses = [APPLICATION]
    await restored.rotations.rotate("app", force=True)
    assert (await published(restored))["username"] == "app_2"
    await assert_whole(restored, world, created.id)
