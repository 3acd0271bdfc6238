"""What goes wrong with a database is said in our words, with a way out, and without a single bound value."""

from __future__ import annotations

import os
import socket
import sqlite3
import tempfile
import traceback
from collections.abc import Callable, Iterator
from operator import methodcaller
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url

from app.demo.server import PrivateServer
from store import connections, drafts, events, rotations
from store.database import Store, Tx
from store.errors import Conflict, StoreUnavailable
from store.keyring import KeyPlaces
from store.tables import Event
from tests.conftest import Database
from tests.store.conftest import Opener, postgresql_url
from tests.store.ground import PRELUDE, START, Child, Ids, add_connection, add_rotation, now

SECRET = "hunter2-never-shown"

OPEN_AND_TELL = (
    PRELUDE
    + """
os.chdir(sys.argv[1])
become_nobody()
try:
    open_at("sqlite:///keyturn.db", "keyturn.key")
    print("opened")
except StoreError as error:
    print(type(error).__name__ + ": " + error.message + " " + error.remedy)
"""
)


def give_to_nobody(directory: Path) -> None:
    """What was made by root belongs to the child's user."""
    if os.geteuid() == 0:
        for path in (directory, *directory.iterdir()):
            os.chown(path, 65534, 65534)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Unlike pytest's own directories, an ordinary user can get there."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        Path(name).chmod(0o700)


@pytest.fixture
def closed_store(open_directory: Path, opener: Opener) -> Path:
    """The directory of a store that nobody has open, of an ordinary user."""
    opener(f"sqlite:///{open_directory}/keyturn.db", key=KeyPlaces(open_directory / "keyturn.key")).close()
    give_to_nobody(open_directory)
    return open_directory


def test_an_ordinary_user_opens_its_store(closed_store: Path) -> None:
    assert Child(OPEN_AND_TELL, str(closed_store)).finish() == "opened"


def test_a_read_only_file(closed_store: Path) -> None:
    (closed_store / "keyturn.db").chmod(0o400)
    said = Child(OPEN_AND_TELL, str(closed_store)).finish()
    assert said.startswith("StoreUnavailable: The store keyturn.db is read-only for this user. Run Keyturn as")


def test_a_read_only_directory(closed_store: Path) -> None:
    closed_store.chmod(0o500)
    said = Child(OPEN_AND_TELL, str(closed_store)).finish()
    assert said.startswith("StoreUnavailable: The store keyturn.db is read-only for this user.")


def test_a_directory_without_rights(open_directory: Path) -> None:
    give_to_nobody(open_directory)
    open_directory.chmod(0o500)
    said = Child(OPEN_AND_TELL, str(open_directory)).finish()
    assert said.startswith("StoreUnavailable: The store keyturn.db cannot be created: Permission denied.")
    assert "KEYTURN_HOME" in said


def test_a_file_that_turns_read_only_while_open(sqlite_store: Store) -> None:
    @event.listens_for(sqlite_store.engine, "begin")
    def on_begin(connection: Connection) -> None:
        # What SQLite itself answers on a file system that was remounted read-only.
        connection.exec_driver_sql("PRAGMA query_only = ON")

    with pytest.raises(StoreUnavailable, match="is read-only") as caught:
        sqlite_store.write(lambda tx: add_connection(tx))
    assert "mounted writable" in caught.value.remedy


@pytest.mark.parametrize("content", [b"This is no database, but long enough to be looked at." * 40, b"short"])
def test_a_file_that_is_no_database(home_directory: Path, sqlite_url: str, opener: Opener, content: bytes) -> None:
    home_directory.mkdir()
    (home_directory / "keyturn.db").write_bytes(content)
    with pytest.raises(StoreUnavailable, match="is not a Keyturn store") as caught:
        opener(sqlite_url)
    assert "restore" in caught.value.remedy
    assert (home_directory / "keyturn.db").read_bytes() == content


def test_a_directory_in_the_place_of_the_file(home_directory: Path, sqlite_url: str, opener: Opener) -> None:
    (home_directory / "keyturn.db").mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        opener(sqlite_url)


def test_a_damaged_database(home_directory: Path, sqlite_url: str, opener: Opener) -> None:
    opener(sqlite_url).close()
    path = home_directory / "keyturn.db"
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xaa" * (len(content) - 100))
    with pytest.raises(StoreUnavailable, match="is damaged") as caught:
        opener(sqlite_url)
    assert "backup" in caught.value.remedy


def fill(tx: Tx) -> None:
    for number in range(200):
        event_ = Event(at=START, actor="a", action="b", result="c", subject="d", message="x" * 1000, hash=b"")
        tx.session.add(event_)
        if number % 20 == 0:
            tx.session.flush()


def test_a_full_database_loses_the_transaction_alone(sqlite_store: Store) -> None:
    pages = sqlite_store.read(lambda tx: tx.session.execute(text("PRAGMA page_count")).scalar_one())

    @event.listens_for(sqlite_store.engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}")

    sqlite_store.write(lambda tx: add_connection(tx, "before"))
    with pytest.raises(StoreUnavailable, match="the disk is full") as caught:
        sqlite_store.write(fill)
    assert "Free some space" in caught.value.remedy
    assert sqlite_store.read(lambda tx: events.recent(tx, 10)) == []
    sqlite_store.write(lambda tx: add_connection(tx, "after"))
    assert sqlite_store.read(lambda tx: [c.name for c in connections.list_all(tx)]) == ["after", "before"]


def test_a_disk_that_refuses_to_write(sqlite_url: str, opener: Opener, places: KeyPlaces) -> None:
    store = opener(sqlite_url)
    script = (
        PRELUDE
        + """
import resource
from tests.store.test_failures import fill
store = open_at(sys.argv[1], sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
try:
    store.write(fill)
except StoreError as error:
    print(type(error).__name__ + ": " + error.message)
"""
    )
    said = Child(script, sqlite_url, str(places.default_file)).finish()
    assert said.startswith("StoreUnavailable: ")
    assert "disk" in said
    assert store.read(lambda tx: events.recent(tx, 10)) == []
    store.write(lambda tx: add_connection(tx))


def test_a_store_that_another_process_holds(sqlite_url: str, opener: Opener) -> None:
    store = opener(sqlite_url, busy_timeout=0.2)
    holder = sqlite3.connect(store.location, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreUnavailable, match="is locked") as caught:
            store.write(lambda tx: add_connection(tx))
        assert "Another process" in caught.value.remedy
        assert store.read(connections.list_all) == []  # readers wait for no writer
    finally:
        holder.close()
    store.write(lambda tx: add_connection(tx))


def test_a_row_that_another_session_holds(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg), busy_timeout=0.2)
    store.write(lambda tx: add_rotation(tx))
    with pg.connect() as holder, holder.transaction():
        holder.execute("SELECT * FROM rotation FOR UPDATE")
        with pytest.raises(StoreUnavailable, match=r"is locked \(SQLSTATE 55P03\)"):
            store.write(lambda tx: rotations.update_fields(tx, "r1", failures=1))
        assert store.read(lambda tx: len(rotations.list_all(tx))) == 1
    store.write(lambda tx: rotations.update_fields(tx, "r1", failures=1))


def test_no_server_at_all(opener: Opener) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else answers there
        port = taken.getsockname()[1]
        with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
            opener(f"postgresql://me:{SECRET}@127.0.0.1:{port}/keyturn")
    assert str(port) in caught.value.message
    assert SECRET not in caught.value.message
    assert "KEYTURN_DATABASE_URL" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (methodcaller("set", password=SECRET), "password authentication failed"),
        (methodcaller("set", database="nowhere"), "does not exist"),
    ],
)
def test_a_server_that_refuses(pg: Database, opener: Opener, change: Callable[[URL], URL], reason: str) -> None:
    url = change(make_url(postgresql_url(pg)))
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        opener(url.render_as_string(hide_password=False))
    assert SECRET not in caught.value.message + caught.value.remedy


def test_a_text_that_postgresql_cannot_hold(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg))
    with pytest.raises(StoreUnavailable, match=r"refused a statement \(DataError\)") as caught:
        store.write(lambda tx: add_connection(tx, f"{SECRET}\0"))
    assert SECRET not in caught.value.message


def test_a_user_without_rights(pg: Database, opener: Opener) -> None:
    user = pg.create_role("reader", SECRET)
    url = make_url(postgresql_url(pg)).set(username=user, password=SECRET)
    with pytest.raises(StoreUnavailable, match=r"refused for lack of rights \(SQLSTATE 42501\)"):
        opener(url.render_as_string(hide_password=False))


def test_a_read_only_server(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg))
    store.close()
    pg.execute(f'ALTER DATABASE "{pg.database}" SET default_transaction_read_only = on')
    with pytest.raises(StoreUnavailable, match="is read-only") as caught:
        opener(postgresql_url(pg)).write(lambda tx: add_connection(tx))
    assert "primary" in caught.value.remedy


def test_a_server_that_restarts_is_found_again(opener: Opener) -> None:
    with PrivateServer() as server:
        address = f"postgresql://{server.superuser}:{server.password}@{server.host}:{server.port}/postgres"
        store = opener(address)
        store.write(lambda tx: add_connection(tx, "before"))
        port = server.port
        server.halt()
        with pytest.raises(StoreUnavailable) as caught:
            store.write(lambda tx: add_connection(tx, "between"))
        assert server.password not in caught.value.message
        server.start()
        assert server.port == port
        store.write(lambda tx: add_connection(tx, "then"))
        server.restart()  # and this time nobody saw it go
        store.write(lambda tx: add_connection(tx, "after"))
        assert store.read(lambda tx: [c.name for c in connections.list_all(tx)]) == ["after", "before", "then"]


def test_a_session_ended_by_the_server_leaves_nothing(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg))

    def cut_off(tx: Tx) -> None:
        add_connection(tx)
        pid = tx.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        pg.execute("SELECT pg_terminate_backend(%s)", pid)
        connections.list_all(tx)

    with pytest.raises(StoreUnavailable):
        store.write(cut_off)
    assert store.read(connections.list_all) == []


def test_a_taken_name_is_a_conflict_with_the_name_of_the_rule(store: Store) -> None:
    store.write(lambda tx: add_connection(tx, "main"))

    def again(tx: Tx) -> None:
        add_connection(tx, "other")
        connections.update_details(tx, "id-of-other", name="main", description=None, now=START)

    with pytest.raises(Conflict) as caught:
        store.write(again)
    assert caught.value.constraint == "uq_connection_name"
    assert store.read(lambda tx: [c.name for c in connections.list_all(tx)]) == ["main"]


def test_a_rule_over_two_columns_and_a_primary_key(store: Store) -> None:
    folder_id = store.write(lambda tx: add_rotation(tx, "r1")).folder_id

    def same_name(tx: Tx) -> None:
        add_rotation(tx, "r2")
        rotations.update_fields(tx, "r2", name="r1")

    with pytest.raises(Conflict) as caught:
        store.write(same_name)
    assert caught.value.constraint == "uq_rotation_folder_id_name"
    assert folder_id not in caught.value.message

    with pytest.raises(Conflict) as caught:
        store.write(lambda tx: tx.session.execute(text("INSERT INTO canary VALUES ('k', 'x'), ('k', 'x')")))
    assert caught.value.constraint == "pk_canary"


def test_a_connection_in_use_cannot_be_removed(store: Store) -> None:
    store.write(lambda tx: add_rotation(tx, "r1"))
    with pytest.raises(Conflict, match="depends on this") as caught:
        store.write(lambda tx: connections.remove(tx, "id-of-for-r1"))
    assert caught.value.constraint in {"fk_rotation_connection_id", "foreign key"}


def whole_text(error: BaseException) -> str:
    """All that a traceback or a log line could show of it."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error.__dict__)


def test_no_bound_value_gets_into_an_error(store: Store) -> None:
    def break_a_rule(tx: Tx) -> None:
        add_connection(tx, SECRET)
        add_connection(tx, SECRET)

    def break_the_statement(tx: Tx) -> None:
        tx.session.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": SECRET})

    for broken in (break_a_rule, break_the_statement):
        with pytest.raises((Conflict, StoreUnavailable)) as caught:
            store.write(broken)
        assert SECRET not in whole_text(caught.value)


def test_no_value_that_postgresql_repeats_gets_into_an_error(pg: Database, opener: Opener) -> None:
    store = opener(postgresql_url(pg))
    with pytest.raises(StoreUnavailable, match="22P02") as caught:
        store.write(lambda tx: tx.session.execute(text("SELECT CAST(:x AS INTEGER)"), {"x": SECRET}))
    assert SECRET not in whole_text(caught.value)


def test_parameters_are_hidden_from_logs_and_foreign_errors(store: Store) -> None:
    assert store.engine.hide_parameters
    draft = {"password": SECRET, "naive": now().replace(tzinfo=None)}
    with pytest.raises(Exception, match=r"SQL|serializable") as caught:
        store.write(lambda tx: drafts.save(tx, "wizard", step=1, data=draft, now=now(), new_id=Ids()))
    assert SECRET not in str(caught.value)


def test_an_error_of_the_caller_passes_through_and_rolls_back(store: Store) -> None:
    def give_up(tx: Tx) -> None:
        add_connection(tx)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        store.write(give_up)
    assert store.read(connections.list_all) == []
