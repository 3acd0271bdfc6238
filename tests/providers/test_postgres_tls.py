"""TLS to PostgreSQL: who is believed, and that it is never silently left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from providers.base import TargetRefused
from providers.postgres import PostgresTarget
from tests.conftest import Database, ServerPool
from tests.providers.conftest import credentials, parameters, rotate, superuser_of
from tests.providers.line import Authority, line_to


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


async def test_tls_with_a_given_authority(pg: Database, authority: Authority, tmp_path: Path) -> None:
    user = pg.create_role("app")
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "127.0.0.1")) as line:
        encrypted = {"port": line.port, "sslEnabled": True, "sslCertificate": authority.certificate}
        target = PostgresTarget(credentials(pg, **encrypted))
        assert (await target.test()).endswith(", TLS")
        await rotate(target, parameters(user))
        await target.close()
    assert line.connections == 2
    assert b"ALTER ROLE" in line.sent


async def test_a_certificate_for_another_name_is_refused(pg: Database, authority: Authority, tmp_path: Path) -> None:
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "db.example.com")) as line:
        encrypted = {"port": line.port, "sslEnabled": True, "sslCertificate": authority.certificate}
        with pytest.raises(TargetRefused, match="certificate is for another name") as caught:
            await PostgresTarget(credentials(pg, **encrypted)).test()
    assert "host" in caught.value.remedy


@pytest.mark.parametrize("given_", [{}, {"sslCertificate": Authority.create().certificate}], ids=["system", "other"])
async def test_an_unknown_authority_is_refused(
    pg: Database, authority: Authority, tmp_path: Path, given_: dict[str, str]
) -> None:
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "127.0.0.1")) as line:
        with pytest.raises(TargetRefused, match="not signed by a trusted authority") as caught:
            await PostgresTarget(credentials(pg, port=line.port, sslEnabled=True, **given_)).test()
    assert "certificate" in caught.value.remedy


async def test_the_systems_authorities_are_used_without_a_certificate(
    pg: Database, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "127.0.0.1")) as line:
        target = PostgresTarget(credentials(pg, port=line.port, sslEnabled=True))
        assert await target.test()
        await target.close()


async def test_an_unverified_certificate_is_accepted_when_asked_for(
    pg: Database, authority: Authority, tmp_path: Path
) -> None:
    """Even with a root certificate in the home directory, which turns libpq's `require` into `verify-ca`."""
    home = Path(os.environ["HOME"]) / ".postgresql"
    home.mkdir()
    (home / "root.crt").write_text(Authority.create().certificate)
    async with line_to(pg.port, tls=authority.server_context(tmp_path, "elsewhere")) as line:
        unverified = {"port": line.port, "sslEnabled": True, "sslRejectUnauthorized": False}
        target = PostgresTarget(credentials(pg, **unverified))
        assert (await target.test()).endswith(", TLS")
        await target.close()


async def test_tls_is_never_silently_left_out(pg_servers: ServerPool, authority: Authority) -> None:
    """The wheel's own servers can't speak TLS."""
    with pytest.raises(TargetRefused, match="does not speak TLS"):
        await PostgresTarget(superuser_of(pg_servers.get("18"), sslEnabled=True)).test()
