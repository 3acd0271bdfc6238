"""What happens when a store is opened: first start, migrations, and the check of the key."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement
from sqlmodel import Session, SQLModel, col

from store import engines, failures
from store.errors import KeyMissing, SealBroken, StoreNewer, StoreUnavailable, WrongKey
from store.keyring import KeyPlaces, LoadedKey, create_key_file, load_key_ring
from store.revision import HEAD
from store.sealing import KeyRing, Place, seal, unseal
from store.tables import Canary, Trail

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x6B657974  # "keyt"
CANARY_TEXT = b"keyturn"

# As alembic makes it.
_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
_VERSION.primary_key.name = "alembic_version_pkc"

ENVIRONMENTS = (("dev", "Development"), ("staging", "Staging"), ("prod", "Production"))


@dataclass(frozen=True)
class Opened:
    key: LoadedKey
    created: bool


def prepare(
    engine: Engine,
    places: KeyPlaces,
    *,
    location: str,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
) -> Opened:
    """Make the store ready for use, whatever state it is in. Usually that takes a few SELECTs."""
    with engine.execution_options(**engines.READING[engine.dialect.name]).connect() as connection:
        if _revision(connection) == HEAD:
            key = _existing_key(places, location)
            if vouched(connection, key, location):
                return Opened(key, created=False)
    with engine.execution_options(**engines.MIGRATING).connect() as connection:
        connection.detach()  # foreign keys are off on it, so it is not to be used again
        with connection.begin():
            return _prepare_alone(connection, places, location=location, now=now, new_id=new_id)


def recognise(engine: Engine, places: KeyPlaces, *, location: str) -> Opened:
    """The same for a store that is to stay as it is: neither created nor migrated.

    Raises StoreUnavailable for one that would have to be.
    """
    with engine.execution_options(**engines.READING[engine.dialect.name]).connect() as connection:
        revision = _revision(connection)
        if revision is None:
            raise failures.absent(location)
        if revision != HEAD:
            refuse_newer(revision, location)
            raise StoreUnavailable(
                f"The store {location} was written by an earlier version of Keyturn (its format is {revision!r}).",
                remedy="The next command that is no look brings it up to date, such as: keyturn connections list",
            )
        key = _existing_key(places, location)
        vouched(connection, key, location)
        return Opened(key, created=False)


def refuse_newer(revision: str, location: str) -> None:
    """Raises StoreNewer for a format that this version does not know."""
    known = {path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/*.py")}
    if revision not in known:
        raise StoreNewer(
            f"The store {location} was written by a later version of Keyturn (its format is {revision!r}).",
            remedy="Update Keyturn on this machine, or restore a backup made with this version.",
        )


def add_canary(session: Session, ring: KeyRing) -> None:
    """Vouch for the ring's primary key, so that a start without it is noticed."""
    session.add(Canary(key_id=ring.primary, sealed_text=seal(ring, CANARY_TEXT, _canary_place(ring.primary))))
    session.flush()


def _prepare_alone(
    connection: Connection,
    places: KeyPlaces,
    *,
    location: str,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
) -> Opened:
    """The same under a lock: of two first starts, the second one finds everything done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    revision = _revision(connection)
    created = revision is None
    _to_this_version(connection, revision, location)
    key = _first_key(places) if created else _existing_key(places, location)
    known = not created and vouched(connection, key, location)
    if not known:
        with Session(connection) as session:
            add_canary(session, key.ring)
            session.commit()
    if created:
        _add_default_project(connection, now(), new_id)
    return Opened(key, created)


def _revision(connection: Connection) -> str | None:
    """None for a database without our tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _existing_key(places: KeyPlaces, location: str) -> LoadedKey:
    key = load_key_ring(places)
    if key is None:
        raise KeyMissing(
            f"The store {location} is sealed, and its key is missing: there is none at {places.new_file}.",
            remedy=f"Restore the key file to {places.new_file} from the copy you kept, or set KEYTURN_KEY or"
            " KEYTURN_KEY_COMMAND. Without its key the store cannot be opened by anybody.",
        )
    return key


def _first_key(places: KeyPlaces) -> LoadedKey:
    return load_key_ring(places) or create_key_file(places.new_file)


def vouched(connection: Connection, key: LoadedKey, location: str) -> bool:
    """Whether the store knows the primary key. Every key it knows must be there, and be the right one."""
    rows = connection.execute(select(col(Canary.key_id), col(Canary.sealed_text))).all()
    if not rows:
        raise StoreUnavailable(
            f"The store {location} is damaged: what its key is checked with is gone.",
            remedy="Restore it from a backup: keyturn restore FILE.",
        )
    for row in rows:
        try:
            unseal(key.ring, row.sealed_text, _canary_place(row.key_id))
        except (SealBroken, WrongKey):
            raise WrongKey(
                f"The {key.source.text} is not the key of the store {location}, which asks for {row.key_id!r}.",
                remedy="Use the key ring that was in use with this store; look for a copy of its key file.",
            ) from None
    return any(row.key_id == key.ring.primary for row in rows)


def _canary_place(kid: str) -> Place:
    return Place("canary", kid, "sealed_text")


def bring_up_to_date(connection: Connection, location: str) -> bool:
    """Tables of this version, whatever was there; False when nothing was."""
    revision = _revision(connection)
    _to_this_version(connection, revision, location)
    return revision is not None


def create_tables(connection: Connection) -> None:
    """Empty tables of this version, without a key and without a project: what all the migrations would make.

    It takes a sixth of the time, and no alembic.
    """
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.execute(_VERSION.insert().values(version_num=HEAD))
    with Session(connection) as session:
        session.add(Trail(id=1, count=0, hash=bytes(32)))
        session.commit()


@functools.cache
def _statements(dialect_name: str) -> tuple[str, ...]:
    """What makes the tables, each before those that refer to it."""
    dialect = URL.create(dialect_name).get_dialect()()
    made: list[ExecutableDDLElement] = []
    for table in (*SQLModel.metadata.sorted_tables, _VERSION):
        made.append(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if where := index.info.get("where"):
                index.dialect_kwargs[f"{dialect_name}_where"] = text(where)
            made.append(CreateIndex(index))
    return tuple(str(one.compile(dialect=dialect)) for one in made)


def _to_this_version(connection: Connection, revision: str | None, location: str) -> None:
    if revision is None:
        create_tables(connection)
    elif revision != HEAD:
        refuse_newer(revision, location)
        migrate(connection)


def migrate(connection: Connection) -> None:
    """Whatever migrations are missing; all of them where there are no tables.

    Alembic is imported here alone: it costs more than all the rest of a start.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _add_default_project(connection: Connection, now: datetime, new_id: Callable[[], str]) -> None:
    project, environment, folder = (SQLModel.metadata.tables[name] for name in ("project", "environment", "folder"))
    project_id = new_id()
    connection.execute(insert(project).values(id=project_id, slug="default", name="Default", created_at=now))
    made = [
        {"id": new_id(), "project_id": project_id, "slug": slug, "name": name, "position": position}
        for position, (slug, name) in enumerate(ENVIRONMENTS)
    ]
    connection.execute(insert(environment), made)
    connection.execute(insert(folder), [{"id": new_id(), "environment_id": one["id"], "path": "/"} for one in made])
