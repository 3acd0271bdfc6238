"""The migrations make exactly the tables that the models describe, on both databases, and a new store has them too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect, select, text
from sqlmodel import SQLModel

from store import engines, revision, setup
from store.database import Store


@pytest.fixture
def migrated(url: str, home_directory: Path) -> Iterator[Engine]:
    """An empty database that went through all migrations."""
    home_directory.mkdir()
    engine = engines.make_engine(engines.parse_url(url), busy_timeout=10.0, threads=1)
    with engine.execution_options(**engines.MIGRATING).connect() as connection:
        connection.detach()
        with connection.begin():
            setup.migrate(connection)
    yield engine
    engine.dispose()


def script_directory() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(setup.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_head_is_the_newest_migration() -> None:
    assert script_directory().get_heads() == [revision.HEAD]


def test_models_and_migrations_agree(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_a_new_store_is_what_the_migrations_make(migrated: Engine) -> None:
    """It is made without them, to the last index and the rows that they put in."""
    with migrated.connect() as connection, connection.begin():
        by_migrations = _shape(connection), _rows(connection)
        tables = MetaData()
        tables.reflect(connection)
        tables.drop_all(connection)
        setup.create_tables(connection)
        assert (_shape(connection), _rows(connection)) == by_migrations


def _shape(connection: Connection) -> dict[str, Any]:
    found = inspect(connection)
    return {
        table: {
            "columns": sorted(str(item | {"type": str(item["type"])}) for item in found.get_columns(table)),
            "primary key": found.get_pk_constraint(table),
            "unique": sorted(map(str, found.get_unique_constraints(table))),
            "foreign keys": sorted(map(str, found.get_foreign_keys(table))),
            "indexes": sorted(_index(item) for item in found.get_indexes(table)),
        }
        for table in found.get_table_names()
    }


def _index(item: Any) -> str:
    options = {key: str(value) for key, value in item.pop("dialect_options", {}).items()}
    return str(item | options)


def _rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    tables = MetaData()
    tables.reflect(connection)
    return {table.name: [tuple(row) for row in connection.execute(select(table))] for table in tables.sorted_tables}


def test_every_constraint_has_the_name_of_the_convention(migrated: Engine) -> None:
    """compare_metadata looks at names of indexes only, and Conflict promises them all."""
    found = inspect(migrated)
    for table in SQLModel.metadata.sorted_tables:
        unique = {str(item["name"]) for item in found.get_unique_constraints(table.name)}
        foreign = {str(item["name"]) for item in found.get_foreign_keys(table.name)}
        names = {str(constraint.name) for constraint in table.constraints}
        primary = str(found.get_pk_constraint(table.name)["name"])
        assert unique | foreign | {primary} == names


def test_cascades_are_those_of_the_models(migrated: Engine) -> None:
    found = inspect(migrated)
    for table in SQLModel.metadata.sorted_tables:
        actual = {
            (key["constrained_columns"][0], key["options"].get("ondelete"))
            for key in found.get_foreign_keys(table.name)
        }
        assert actual == {(key.parent.name, key.ondelete) for key in table.foreign_keys}


def test_the_way_back_leaves_nothing(store: Store) -> None:
    config = Config()
    config.set_main_option("script_location", str(setup.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(store.engine).get_table_names() == ["alembic_version"]


def test_a_migration_runs_with_foreign_keys_off_and_later_transactions_with_them_on(sqlite_store: Store) -> None:
    """Rebuilding a table under SQLite drops it, which would delete the rows that refer to it."""

    def pragma(options: dict[str, object]) -> object:
        with sqlite_store.engine.execution_options(**options).connect() as connection:
            connection.detach()
            return connection.execute(text("PRAGMA foreign_keys")).scalar()

    assert pragma(engines.MIGRATING) == 0
    assert pragma({}) == 1
    assert sqlite_store.write(lambda tx: tx.session.execute(text("PRAGMA foreign_keys")).scalar()) == 1
