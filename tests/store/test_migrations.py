"""The migrations make exactly the tables that the models describe, on both databases."""

from __future__ import annotations

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from store import engines, revision, setup
from store.database import Store


def script_directory() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(setup.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_head_is_the_newest_migration() -> None:
    assert script_directory().get_heads() == [revision.HEAD]


def test_models_and_migrations_agree(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_every_constraint_has_the_name_of_the_convention(store: Store) -> None:
    """compare_metadata looks at names of indexes only, and Conflict promises them all."""
    found = inspect(store.engine)
    for table in SQLModel.metadata.sorted_tables:
        unique = {str(item["name"]) for item in found.get_unique_constraints(table.name)}
        foreign = {str(item["name"]) for item in found.get_foreign_keys(table.name)}
        names = {str(constraint.name) for constraint in table.constraints}
        primary = str(found.get_pk_constraint(table.name)["name"])
        assert unique | foreign | {primary} == names


def test_cascades_are_those_of_the_models(store: Store) -> None:
    found = inspect(store.engine)
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
