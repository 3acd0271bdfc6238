"""The connection app against a tenant on loopback: signing in by both methods, and every way in which that fails."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.demo.entra_tenant import DOMAIN, Certificate, Fault, lost_answer, page, throttled
from providers.azure import CERTIFICATE, CLIENT_SECRET, AzureSecretCredentials, AzureTarget
from providers.azure_pem import unfolded
from providers.base import TargetError, TargetRefused, TargetUnavailable
from providers.registry import connection_app
from tests.entra import Standing, certificate_and_key, standing

Open = Callable[..., AzureTarget]
VARIABLES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]


@pytest.fixture
def entra() -> Iterator[Standing]:
    yield from standing()


@pytest.fixture
async def opened(entra: Standing) -> AsyncIterator[Open]:
    targets: list[AzureTarget] = []

    def open_target(method: str = CLIENT_SECRET, **different: Any) -> AzureTarget:
        app = connection_app("azure-client-secrets")
        target = app.open(method, app.methods[method].model_validate(entra.credentials(**different)))
        assert isinstance(target, AzureTarget)
        targets.append(target)
        return target

    yield open_target
    for target in targets:
        await target.close()


def by_certificate(entra: Standing, certificate: str, key: str) -> dict[str, Any]:
    given = entra.credentials(certificateBody=certificate, privateKey=key)
    del given["clientSecret"]
    return given


def opened_by_certificate(entra: Standing, certificate: str, key: str) -> AzureTarget:
    app = connection_app("azure-client-secrets")
    credentials = app.methods[CERTIFICATE].model_validate(by_certificate(entra, certificate, key))
    target = app.open(CERTIFICATE, credentials)
    assert isinstance(target, AzureTarget)
    return target


# -- declarations ------------------------------------------------------------------------------------------------


def test_the_documented_fields_come_first(entra: Standing) -> None:
    methods = connection_app("azure-client-secrets").methods
    assert [list(model.model_fields)[:4] for model in methods.values()] == [
        ["tenant_id", "client_id", "client_secret", "authority"],
        ["tenant_id", "client_id", "certificate_body", "private_key"],
    ]


@pytest.mark.parametrize(
    ("different", "field", "message"),
    [
        ({"tenantId": "common"}, "tenantId", "stands for many tenants"),
        ({"tenantId": "my tenant"}, "tenantId", "the directory (tenant) ID, or one of the tenant's domains"),
        ({"clientId": "Keyturn"}, "clientId", "looks like 00000000-"),
        ({"clientSecret": " "}, "clientSecret", "Fill this in."),
        ({"clientSecret": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}, "clientSecret", "the secret's ID"),
        ({"clientSecret": "pässword"}, "clientSecret", "printable ASCII"),
        ({"authority": "http://login.example.com"}, "authority", "begins with https://"),
        ({"graphUrl": "https://"}, "graphUrl", "begins with https://"),
        ({"graphUrl": "https://graph.example.com:x"}, "graphUrl", "begins with https://"),
    ],
)
def test_wrong_fields_are_explained(entra: Standing, different: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AzureSecretCredentials.model_validate(entra.credentials(**different))
    [problem] = caught.value.errors()
    assert problem["loc"] == (field,)
    assert message in problem["msg"]
    assert "pässword" not in str(caught.value)


def test_other_clouds_have_a_graph_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"tenantId": DOMAIN, "clientId": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "clientSecret": "~x"}
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    public = AzureSecretCredentials.model_validate(given)
    assert (public.authority_url, public.graph_base) == (
        "https://login.microsoftonline.com",
        "https://graph.microsoft.com/v1.0",
    )
    assert public.scope == "https://graph.microsoft.com/.default"
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "login.microsoftonline.us")
    assert public.graph_base == "https://graph.microsoft.us/v1.0"
    named = AzureSecretCredentials.model_validate({**given, "authority": "login.partner.microsoftonline.cn/"})
    assert named.scope == "https://microsoftgraph.chinacloudapi.cn/.default"


def test_pem_texts_are_mended() -> None:
    certificate, key = certificate_and_key()
    assert unfolded(certificate) == certificate
    assert unfolded(key.replace("\n", " ")) == key
    assert unfolded(key.replace("\n", "\\n")) == key
    assert unfolded(" something else ") == "something else"


def test_a_key_that_cant_be_used_is_explained(entra: Standing) -> None:
    certificate, key = certificate_and_key()
    model = connection_app("azure-client-secrets").methods[CERTIFICATE]
    for different, message in [
        ({"privateKey": certificate_and_key()[1]}, "belongs to another certificate"),
        ({"privateKey": "-----BEGIN ENCRYPTED PRIVATE KEY-----"}, "is encrypted"),
        ({"privateKey": certificate}, "no private key"),
        ({"certificateBody": key}, "no certificate"),
        ({"certificateBody": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "can't be read"),
    ]:
        with pytest.raises(ValidationError, match=message) as caught:
            model.model_validate({**by_certificate(entra, certificate, key), **different})
        assert key.splitlines()[1] not in str(caught.value)


# -- signing in --------------------------------------------------------------------------------------------------


async def test_a_client_secret_signs_in(entra: Standing, opened: Open) -> None:
    said = await opened().test()
    assert said == (
        f"Microsoft Graph at 127.0.0.1 for tenant {entra.entra.tenant.id} as application {entra.keyturn.client_id}"
    )
    assert entra.entra.logins == [(entra.keyturn.client_id, "ok")]


async def test_each_test_signs_in_anew(entra: Standing, opened: Open) -> None:
    target = opened()
    await target.test()
    entra.keyturn.secrets.clear()
    with pytest.raises(TargetRefused, match="AADSTS7000215"):
        await target.test()


async def test_a_tenant_may_be_given_by_its_domain(opened: Open) -> None:
    assert DOMAIN in await opened(tenantId=DOMAIN.upper()).test()


async def test_a_certificate_signs_in(entra: Standing) -> None:
    certificate, key = certificate_and_key()
    entra.keyturn.certificates.append(Certificate(certificate))
    target = opened_by_certificate(entra, certificate.replace("\n", " "), key.replace("\n", " "))
    assert "Microsoft Graph" in await target.test()
    await target.close()


async def test_a_clock_that_is_wrong_is_named(entra: Standing) -> None:
    certificate, key = certificate_and_key()
    entra.keyturn.certificates.append(Certificate(certificate))
    entra.entra.tenant.clock = lambda: datetime.now(UTC) - timedelta(hours=1)
    target = opened_by_certificate(entra, certificate, key)
    with pytest.raises(TargetRefused, match="this machine's clock is wrong") as caught:
        await target.test()
    assert "Set the clock" in caught.value.remedy
    await target.close()


async def test_a_certificate_that_was_not_uploaded_is_named(entra: Standing) -> None:
    target = opened_by_certificate(entra, *certificate_and_key())
    with pytest.raises(TargetRefused, match="AADSTS700027"):
        await target.test()
    await target.close()


async def refused(target: AzureTarget) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await target.test()
    for secret in ("~", "eyJ"):
        assert secret not in caught.value.message + caught.value.remedy
    return caught.value


async def test_refusals_say_what_to_do(entra: Standing, opened: Open) -> None:
    nobody = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    expired = entra.entra.tenant.add_secret(entra.keyturn, end=datetime.now(UTC) - timedelta(days=1))
    for different, message, remedy in [
        ({"clientSecret": "~wrong"}, "does not accept the client secret", "not the secret's ID"),
        ({"clientSecret": expired.text}, "has expired. (AADSTS7000222)", "Make a new one"),
        ({"clientId": nobody}, f"no application {nobody} in tenant", "not the object ID"),
        ({"tenantId": "nowhere.example"}, "There is no tenant nowhere.example.", "tenant's ID or domain"),
    ]:
        error = await refused(opened(**different))
        assert type(error) is TargetRefused
        assert message in error.message
        assert remedy in error.remedy


async def test_a_missing_permission_is_named(entra: Standing, opened: Open) -> None:
    entra.keyturn.permissions.clear()
    error = await refused(opened())
    assert type(error) is TargetRefused
    assert "Authorization_RequestDenied" in error.message
    assert "Application.ReadWrite.OwnedBy" in error.remedy
    assert "Application.ReadWrite.All" in error.remedy


@pytest.mark.parametrize(
    ("call", "fault", "message"),
    [
        ("token", page(), "127.0.0.1 is not Microsoft: probably a proxy's page."),
        ("token", page(502), "is not Microsoft: probably a proxy's page"),
        ("token", page(302), "is not Microsoft"),
        ("token", lost_answer(), "127.0.0.1 can't be reached"),
        ("token", Fault(503, "90033", "A transient error has occurred."), "AADSTS90033: A transient error"),
        ("list", page(), "is not Microsoft: probably a proxy's page."),
        ("list", page(403), "is not Microsoft: probably a proxy's page, status 403."),
        ("list", page(302), "is not Microsoft"),
        ("list", lost_answer(), "can't be reached"),
        ("list", Fault(503, "serviceNotAvailable", "Down."), "Microsoft Graph fails: Down."),
        ("list", throttled(60), "throttling"),
    ],
)
async def test_what_passes_is_told_from_what_stays(
    entra: Standing, opened: Open, call: str, fault: Fault, message: str
) -> None:
    entra.entra.tenant.fail(call, Fault(**{**vars(fault), "after": False}))
    error = await refused(opened())
    assert isinstance(error, TargetUnavailable)
    assert message in error.message
    assert await opened().test()


async def test_throttling_is_waited_out(entra: Standing, opened: Open) -> None:
    entra.entra.tenant.fail("list", throttled(), throttled())
    await opened().test()
    assert entra.calls("applications") == 3


async def test_an_unknown_ca_is_named(opened: Open) -> None:
    error = await refused(opened(caFile=None))
    assert isinstance(error, TargetUnavailable)
    assert error.message == "The certificate of 127.0.0.1 is not trusted."
    assert "SSL_CERT_FILE" in error.remedy


@pytest.mark.parametrize("variable", VARIABLES)
async def test_a_ca_may_come_from_the_environment(
    entra: Standing, opened: Open, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, entra.entra.ca_file)
    assert await opened(caFile=None).test()


async def test_a_ca_file_that_is_none_is_named(opened: Open, tmp_path: Path) -> None:
    assert "No such file" in (await refused(opened(caFile=str(tmp_path / "none.pem")))).message
    assert "no regular file" in (await refused(opened(caFile=os.devnull))).message
    (tmp_path / "empty.pem").write_text("nothing")
    assert "can't be used" in (await refused(opened(caFile=str(tmp_path / "empty.pem")))).message


async def test_the_authority_may_come_from_the_environment(
    entra: Standing, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", entra.entra.url)
    assert await opened(authority=None).test()


async def test_nobody_listens(entra: Standing, opened: Open) -> None:
    error = await refused(opened(authority="https://127.0.0.1:1"))
    assert isinstance(error, TargetUnavailable)
    assert "can't be reached" in error.message


async def test_a_proxy_is_used_and_its_password_is_not_told(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    monkeypatch.setenv("HTTPS_PROXY", f"http://anna:hunter2@127.0.0.1:{address[1]}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    error = await refused(opened())
    server.close()
    assert isinstance(error, TargetUnavailable)
    assert heard[0].startswith(b"CONNECT 127.0.0.1")
    assert "hunter2" not in error.message


def test_declarations_import_no_sdk() -> None:
    script = (
        "import sys; import providers.azure, providers.azure_client_secret; "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"azure", "msgraph", "httpx", "aiohttp", "kiota_http", "cryptography"} & set(found)
