"""The key is wrong or gone, a row was tampered with: it is said, others go on, the target is left alone."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.errors import RotationFailed, explain
from app.service import Service
from app.views import Status
from store.database import Tx
from store.errors import SealBroken, StoreError
from store.keyring import create_key_file, load_key_ring, replace_key_file, with_new_primary
from tests.faults.story import assert_whole, job_of, make_due, message_of, runs_for
from tests.faults.test_disk import run_loop
from tests.rotation.conftest import PLACE, Clock, Ground, published
from tests.rotation.model import World, lost_answer

OTHER_NAMES = {"username": "OTHER_USER", "password": "OTHER_PASSWORD"}
OTHER_USERS = {"username1": "other_1", "username2": "other_2"}


@pytest.fixture
def key(ground: Ground) -> Path:
    return ground.home / "keyturn.key"


def another_key(tmp_path: Path) -> Path:
    """The key file of some other store."""
    path = tmp_path / secrets.token_hex(4) / "keyturn.key"
    create_key_file(path)
    return path


def content(key: Path) -> bytes:
    return key.read_bytes()


def put_back(key: Path, good: bytes) -> None:
    key.write_bytes(good)
    key.chmod(0o600)


def spoil(key: Path, how: str, tmp_path: Path) -> None:
    key.unlink()
    if how == "another store's":
        shutil.copyfile(another_key(tmp_path), key)
        key.chmod(0o600)
    elif how == "garbage":
        key.write_bytes(b"\x00\xff not a key")
        key.chmod(0o600)


SPOILT = ["gone", "another store's", "garbage"]


@pytest.mark.parametrize("how", SPOILT)
async def test_what_runs_goes_on_with_the_key_it_has_and_a_new_start_is_refused_until_it_is_back(
    ground: Ground, service: Service, world: World, clock: Clock, key: Path, tmp_path: Path, how: str
) -> None:
    created = await ground.create(service)
    good = content(key)
    spoil(key, how, tmp_path)
    due = make_due(service, created.id, clock)
    assert await run_loop(service) == ""
    assert runs_for(service, created.id, due) == 1
    after = await assert_whole(service, world, created.id)
    with pytest.raises(StoreError) as refused:
        ground.start()
    assert "key" in refused.value.message
    assert refused.value.remedy
    put_back(key, good)
    restarted = ground.start()
    assert await published(restarted) == after
    await restarted.rotations.rotate("app")
    await assert_whole(restarted, world, created.id)


@pytest.mark.parametrize("how", SPOILT)
async def test_a_running_process_never_takes_a_key_that_is_not_the_stores(
    ground: Ground, service: Service, world: World, clock: Clock, key: Path, tmp_path: Path, how: str
) -> None:
    """It looks for the key again when it meets a value that another one seals."""
    created = await ground.create(service)
    good, ring = content(key), service.store.keys
    make_due(service, created.id, clock)
    sealed_anew(service, created.id, secrets.token_bytes(4).hex())
    spoil(key, how, tmp_path)
    issued = world.count("issue")
    said = await run_loop(service)
    assert "key" in said
    assert world.count("issue") == issued
    assert service.store.keys == ring, "it took another store's key, and would have sealed with it"
    put_back(key, good)
    other = await ground.create(service, name="other", secretsMapping=OTHER_NAMES, parameters=OTHER_USERS)
    await assert_whole_of_other(ground.start(), world, other.id)


def sealed_anew(service: Service, rotation_id: str, kid: str) -> None:
    """One credential now says that it is sealed with a key of that name, which is in no ring."""

    def work(tx: Tx) -> None:
        connection = tx.session.connection()
        row = connection.execute(
            text("SELECT id, sealed_values FROM credential WHERE rotation_id = :r AND slot = 0"), {"r": rotation_id}
        ).one()
        length = row.sealed_values[3]
        changed = row.sealed_values[:4] + kid.rjust(length, "0").encode() + row.sealed_values[4 + length :]
        connection.execute(text("UPDATE credential SET sealed_values = :v WHERE id = :i"), {"v": changed, "i": row.id})

    service.store.write(work)


async def assert_whole_of_other(service: Service, world: World, rotation_id: str) -> None:
    job = job_of(service, rotation_id)
    values = await service.secrets.values(PLACE)
    now = {"username": values["OTHER_USER"], "password": values["OTHER_PASSWORD"]}
    assert dict(job.credentials[job.rotation.active_index].values) == now
    assert world.works(now)


async def test_a_key_that_another_process_added_is_found_while_running(
    ground: Ground, service: Service, world: World, clock: Clock, key: Path
) -> None:
    created = await ground.create(service)
    other = ground.start()
    before = load_key_ring(other.store._places)
    assert before is not None
    from store import rekey

    replace_key_file(key, with_new_primary(before.ring))
    assert other.store.reload_keys()
    other.store.write(rekey.vouch)
    while other.store.write(lambda tx: rekey.rewrap_some(tx, 100)):
        pass
    due = make_due(service, created.id, clock)
    assert await run_loop(service) == ""
    assert runs_for(service, created.id, due) == 1
    await assert_whole(ground.start(), world, created.id)


TAMPERED: dict[str, tuple[str, str]] = {
    "a credential": ("credential", "sealed_values"),
    "the candidate": ("attempt", "sealed_candidate"),
    "the connection": ("connection", "sealed_credentials"),
}


def flip(column: str) -> str:
    """SQL for the value with its last byte changed: the part that is authenticated."""
    return (
        f"CAST(substr({column}, 1, length({column}) - 1) || "
        f"CASE WHEN substr({column}, -1) = x'00' THEN x'01' ELSE x'00' END AS BLOB)"
    )


def execute(service: Service, statement: str, **values: Any) -> None:
    service.store.write(lambda tx: tx.session.connection().execute(text(statement), values))


@pytest.mark.parametrize("what", TAMPERED)
async def test_a_sealed_value_that_was_tampered_with_stops_its_rotation_alone(
    ground: Ground, service: Service, world: World, clock: Clock, what: str
) -> None:
    created = await ground.create(service)
    if what == "the connection":
        name = next(iter(await service.connections.views())).name
        assert name == "model"
        body = await connection_body(service, world)
        await service.connections.add("model", {**body, "name": "another"})
    connection = "another" if what == "the connection" else "model"
    other = await ground.create(
        service, name="other", secretsMapping=OTHER_NAMES, parameters=OTHER_USERS, connectionId=connection
    )
    if what == "the candidate":
        world.fail("issue", lost_answer(), when="before")
        with pytest.raises(RotationFailed):
            await service.rotations.rotate("app")
    before, calls = await published(service), list(world.calls)
    make_due(service, created.id, clock)
    other_due = make_due(service, other.id, clock)
    table, column = TAMPERED[what]
    where = {
        "credential": "rotation_id = :r AND slot = 1",
        "attempt": "rotation_id = :r AND state = 'open'",
        "connection": "name = 'model' AND :r = :r",
    }[table]
    execute(service, f"UPDATE {table} SET {column} = {flip(column)} WHERE {where}", r=created.id)
    said = await run_loop(service)
    assert f"{table}.{column}" in said
    assert "was changed, or moved there from another place" in said
    assert runs_for(service, other.id, other_due) == 1
    await assert_whole_of_other(service, world, other.id)
    touched = [user for _, user in world.calls[len(calls) :]]
    assert not {"app_1", "app_2"} & set(touched), "something was done at the target"
    assert await published(service) == before
    assert world.works(await published(service))
    assert (await service.rotations.detail("app")).row.status is Status.FAILING
    assert f"{table}.{column}" in await message_of(service)
    told = [event.message for event in await service.history.recent(rotation=created.id)]
    assert any(f"{table}.{column}" in message for message in told)
    for secret in (*before.values(), "admin-token-1"):
        assert secret == before["username"] or secret not in said + "".join(told)
    with pytest.raises(SealBroken, match=table) as refused:
        await service.rotations.rotate("app")
    assert "Restore the store from a backup" in refused.value.remedy


async def connection_body(service: Service, world: World) -> dict[str, Any]:
    from tests.rotation.model import WORLDS

    name = next(name for name, found in WORLDS.items() if found is world)
    return {"name": "model", "method": "token", "credentials": {"world": name, "token": "admin-token-1"}}


async def test_a_value_moved_from_another_rotation_does_not_pass(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    created = await ground.create(service)
    other = await ground.create(service, name="other", secretsMapping=OTHER_NAMES, parameters=OTHER_USERS)
    before = await published(service)
    make_due(service, created.id, clock)
    due = make_due(service, other.id, clock)
    execute(
        service,
        "UPDATE credential SET sealed_values = (SELECT sealed_values FROM credential WHERE rotation_id = :o"
        " AND slot = 1) WHERE rotation_id = :r AND slot = 1",
        o=other.id,
        r=created.id,
    )
    assert "moved there from another place" in await run_loop(service)
    assert runs_for(service, other.id, due) == 1
    assert await published(service) == before


async def test_a_published_value_that_was_tampered_with_is_told_to_who_reads_it_and_replaced_by_the_next_run(
    ground: Ground, service: Service, world: World, clock: Clock
) -> None:
    created = await ground.create(service)
    execute(service, f"UPDATE secret_version SET sealed_value = {flip('sealed_value')}")
    for read in (service.secrets.values(PLACE), service.secrets.value(PLACE, "DB_PASSWORD")):
        with pytest.raises(SealBroken, match="secret_version") as told:
            await read
        assert "Restore" in told.value.remedy
    make_due(service, created.id, clock)
    assert await run_loop(service) == ""
    await assert_whole(service, world, created.id)


NONSENSE: dict[str, tuple[str, str]] = {
    "parameters are no JSON": ("rotation", "parameters = '{\"username1\": '"),
    "parameters are another's": ("rotation", "parameters = '{\"x\": 1}'"),
    "parameters are a list": ("rotation", "parameters = '[1]'"),
    "the mapping is no JSON": ("rotation", "secrets_mapping = 'x'"),
    "the type is unknown": ("rotation", "type = 'nonsense'"),
    "the interval is a text": ("rotation", "rotation_interval = 'soon'"),
    "the interval is negative": ("rotation", "rotation_interval = -1"),
    "the time of day does not exist": ("rotation", "rotate_at_hours = 99"),
    "the active slot does not exist": ("rotation", "active_index = 7"),
    "the last run was never": ("rotation", "last_rotated_at = 'yesterday'"),
    "the guard is unknown": ("rotation", "guard = 'nonsense'"),
    "the connection's settings are no JSON": ("connection", "settings = x'ff'"),
    "the connection's settings are empty": ("connection", "settings = '{}'"),
    "the connection's method is unknown": ("connection", "method = 'nonsense'"),
    "the connection's app is unknown": ("connection", "app = 'nonsense'"),
}


@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_in_a_plain_column_is_said_and_stops_its_rotation_alone(
    ground: Ground, service: Service, world: World, clock: Clock, what: str
) -> None:
    created = await ground.create(service)
    await service.connections.add("model", {**await connection_body(service, world), "name": "another"})
    other = await ground.create(
        service, name="other", secretsMapping=OTHER_NAMES, parameters=OTHER_USERS, connectionId="another"
    )
    make_due(service, created.id, clock)
    due = make_due(service, other.id, clock)
    table, change = NONSENSE[what]
    where = "name = 'app'" if table == "rotation" else "name = 'model'"
    execute(service, f"UPDATE {table} SET {change} WHERE {where}")
    said = await run_loop(service)
    assert runs_for(service, other.id, due) == 1
    assert "nexpected" not in said, said
    assert world.works(await published(service))
    for call in (service.rotations.rotate("app"), service.rotations.snapshot(), service.rotations.documents()):
        found = (await asyncio.gather(call, return_exceptions=True))[0]
        assert not isinstance(found, BaseException) or explain(found) is not None, repr(found)
    assert world.works(await published(service))
