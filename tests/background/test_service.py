"""The loop as systemd's service, as a real process: readiness, reload, health, metrics, and its end."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from psycopg import sql
from sqlalchemy import update

from store.database import Tx
from store.keyring import key_id
from store.tables import Delivery
from tests.background.systemd import manager
from tests.cli.ground import Ground, Running, done, keyturn, make_due, until, with_service, without_secrets
from tests.conftest import Database
from tests.store.conftest import postgresql_url

NAME = "my-pg-rotation"
parse_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics.text_string_to_metric_families


def get(address: str, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def address_in(line: str) -> str:
    found = re.search(r"address=(\S+)", line)
    assert found, line
    return found[1]


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in parse_text(text)}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    found = [
        one.value
        for family in families.values()
        for one in family.samples
        if one.name == sample and labels.items() <= one.labels.items()
    ]
    assert len(found) == 1, (sample, labels, found)
    return found[0]


def deliveries() -> list[str]:
    return [one["state"] for one in done("deliveries", "--json").json["deliveries"]]


def age_deliveries(tx: Tx) -> None:
    """As if they had been over for three days."""
    tx.connection.execute(update(Delivery).values(finished_at=datetime.now(UTC) - timedelta(days=3)))


def test_a_service_says_how_it_is_and_takes_new_settings_while_it_runs(connected: Ground, tmp_path: Path) -> None:
    document = connected.create()
    done("hooks", "add", "h", "--on", "published", "--command", "true")
    make_due(document["id"])
    file = tmp_path / "keyturn" / "config.toml"
    file.write_text('metrics_address = "127.0.0.1:0"\nconcurrency = 3\n')
    flags = ("--log-level", "info")
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1200000"}
    with manager(tmp_path / "notify") as systemd, Running("--run-scheduler", *flags, **environment) as loop:
        address = address_in(loop.hear("event=listening"))
        systemd.hear("READY=1")
        loop.hear("event=done")
        assert systemd.hear("STATUS=1 rotation; next: my-pg-rotation at 20")
        for _ in range(3):
            systemd.hear("WATCHDOG=1")
        assert get(address, "/healthz") == (200, "ok\n")
        until(lambda: "keyturn_run_lateness_seconds_count 1.0" in get(address, "/metrics")[1])
        told = get(address, "/metrics")[1]
        look_at_metrics(families(told))
        assert without_secrets(told, [*connected.secrets, connected.published()["POSTGRES_DB_PASSWORD"]])
        assert list(parse_openmetrics(get(address, "/metrics", Accept="application/openmetrics-text")[1]))
        assert get(address, "/")[0] == 404

        until(lambda: deliveries() == ["done"])
        with_service(lambda service: service.store.write(age_deliveries))

        # Another file: what is taken over at once is said, and so is what waits for the next start.
        file.write_text(
            f'metrics_address = "{address}"\nconcurrency = 5\nlog_format = "json"\nlog_level = "error"\n'
            'lease_seconds = 9\ndeliveries_days = 2\nlog_fromat = "json"\n'
        )
        loop.signal(signal.SIGHUP)
        begun = systemd.hear("RELOADING=1")
        assert re.fullmatch(r"MONOTONIC_USEC=\d+", begun[1])
        assert int(begun[1].partition("=")[2]) <= time.monotonic_ns() // 1000
        systemd.hear("READY=1")
        assert "log_format" in json.loads(loop.hear('"event": "settings"'))["message"]
        changed = json.loads(loop.hear('"event": "reloaded"'))["changed"]
        assert "concurrency 3 -> 5" in changed
        assert "lease_seconds 30 -> 9 (from the next start on)" in changed
        assert "deliveries_days 30 -> 2" in changed.split("; ")
        until(lambda: deliveries() == [])
        assert "log_level" not in changed  # the flag stays above the file

        # A broken file, and an address that is taken, leave everything as it was.
        taken = socket.create_server(("127.0.0.1", 0))
        for text, said in (
            ("concurrency = [", "line 1, column"),
            (f'metrics_address = "127.0.0.1:{taken.getsockname()[1]}"\nlog_format = "text"', "cannot be served"),
            ('metrics_address = "0.0.0.0:0"', "--metrics-public"),
        ):
            file.write_text(text)
            loop.signal(signal.SIGHUP)
            assert said in json.loads(loop.hear('"event": "not reloaded"'))["message"]
            systemd.hear("READY=1")
            assert get(address, "/healthz") == (200, "ok\n")
        taken.close()

        # A key ring that cannot be understood is not taken; one with a further key is.
        key = tmp_path / "keyturn" / "keyturn.key"
        ring = json.loads(key.read_text())
        key.write_text("{")
        file.write_text(f'metrics_address = "{address}"\nlog_format = "json"\n')
        loop.signal(signal.SIGHUP)
        assert "cannot be understood" in json.loads(loop.hear('"event": "key ring kept"'))["message"]
        further = base64.b64encode(bytes(32)).decode()
        key.write_text(json.dumps(ring | {"keys": ring["keys"] | {key_id(bytes(32)): further}}))
        loop.signal(signal.SIGHUP)
        assert str(key) in json.loads(loop.hear('"event": "key ring reloaded"'))["source"]

        # Without an address nothing listens any more.
        file.write_text("")
        loop.signal(signal.SIGHUP)
        assert "log_format json -> text" in loop.hear("event=reloaded")
        host, port = address.split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=30)
        loop.signal(signal.SIGTERM)
        systemd.hear("STOPPING=1")
        assert loop.finish().code == 0
    assert connected.published_logs_in()


def look_at_metrics(found: dict[str, Metric]) -> None:
    assert value(found, "keyturn_runs_total", result="done") == 1
    assert value(found, "keyturn_runs_total", result="failed") == 0
    for step in ("plan", "guard", "issue", "verify", "publish"):
        assert value(found, "keyturn_attempt_steps_total", step=step, result="done") == 1
        assert value(found, "keyturn_attempt_step_duration_seconds_count", step=step) == 1
    assert value(found, "keyturn_run_lateness_seconds_sum") >= 3600  # it had been due for an hour
    assert value(found, "keyturn_rotations", status="healthy") == 1
    assert value(found, "keyturn_rotations", status="failing") == 0
    assert value(found, "keyturn_rotations_expiring_soon") == 0
    assert value(found, "keyturn_healthy") == 1
    assert value(found, "keyturn_loop_heartbeat_age_seconds") < 20
    assert value(found, "keyturn_next_run_timestamp_seconds") > time.time()
    age = value(found, "keyturn_oldest_credential_age_seconds", rotation=NAME, environment="dev", path="/")
    assert 0 <= age < 3600
    assert found["keyturn_build_info"].samples[0].labels["version"]
    for family in found.values():
        # As promtool's linter has it.
        assert family.documentation.endswith(".")
        assert re.fullmatch(r"keyturn_[a-z_]+", family.name)
        if family.type == "counter":
            assert all(one.name.endswith(("_total", "_created")) for one in family.samples)
        elif family.type == "gauge":
            assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert not re.search(r"_(ms|milliseconds|minutes|hours|days)$", family.name)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_complain_of(connected: Ground) -> None:
    connected.create()
    with Running("--run-scheduler", "--metrics-address", "127.0.0.1:0") as loop:
        address = address_in(loop.hear("event=listening"))
        until(lambda: "keyturn_rotations" in get(address, "/metrics")[1])
        checked = subprocess.run(
            ["promtool", "check", "metrics"],
            check=False,
            input=get(address, "/metrics")[1],
            text=True,
            capture_output=True,
        )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_store_that_is_away_is_an_illness_until_it_is_back(
    ready: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTURN_DATABASE_URL", postgresql_url(pg))
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    name = sql.Identifier(pg.database)
    with Running("--run-scheduler", "--metrics-address", "127.0.0.1:0") as loop:
        address = address_in(loop.hear("event=listening"))
        until(lambda: get(address, "/healthz")[0] == 200)
        with pg.server.connect() as admin:
            admin.execute(allow.format(name, sql.Literal(False)))
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [pg.database])
            until(lambda: get(address, "/healthz")[0] == 503)
            told = get(address, "/healthz")[1]
            metrics = families(get(address, "/metrics")[1])
            admin.execute(allow.format(name, sql.Literal(True)))
        assert len(told) > 10
        assert pg.admin_password not in told
        assert value(metrics, "keyturn_healthy") == 0
        until(lambda: get(address, "/healthz") == (200, "ok\n"))
        loop.signal(signal.SIGTERM)
        assert loop.finish().code == 0


def test_an_address_that_is_taken_holds_no_rotation_up(connected: Ground) -> None:
    """It is tried again after each rotation, and every few seconds."""
    rotation = connected.create()
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        loop = stack.enter_context(Running("--run-scheduler", "--metrics-address", address))
        said = loop.hear('event="not listening"', "level=error")
        assert address in said
        assert "address already in use" in said
        make_due(rotation["id"])
        loop.hear("event=done")
        taken.close()
        make_due(rotation["id"])
        loop.hear("event=listening")
        assert get(address, "/healthz") == (200, "ok\n")


def test_an_address_that_never_may_be_had_ends_the_start(ready: Path) -> None:
    ran = keyturn("--run-scheduler", "--metrics-address", "0.0.0.0:9187")
    assert ran.code == 1
    assert "--metrics-public" in ran.err
    ran = keyturn("--run-scheduler", "--metrics-address", "no.such.host.invalid:1", "--metrics-public")
    assert ran.code == 1
    assert "cannot be served" in ran.err
    assert done("rotations", "list").code == 0
