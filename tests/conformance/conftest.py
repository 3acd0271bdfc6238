"""Puts every rotation type of ours, or those named by `--subject`, through the suite."""

from __future__ import annotations

import asyncio
import pkgutil
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.service import open_service
from app.settings import load_settings
from providers import registry
from tests.conformance.bench import Bench, Calls, calls_of
from tests.conformance.subject import Stand, Subject

EXAMPLE = Path(__file__).parent / "example"
_STRANGER = "keybox-key"
OURS = {
    "postgres-credentials": "tests.conformance.subjects.postgres:SUBJECT",
    "aws-iam-user-secret": "tests.conformance.subjects.aws:SUBJECT",
    "azure-client-secret": "tests.conformance.subjects.azure:SUBJECT",
    _STRANGER: "tests.conformance.example.keybox_subject:SUBJECT",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--subject",
        action="append",
        metavar="MODULE:NAME",
        help="try this rotation type in place of ours; may be given more than once",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        given = metafunc.config.getoption("--subject", default=None)
        chosen = {name: name for name in given} if given else OURS
        metafunc.parametrize("subject", list(chosen.values()), ids=list(chosen), indirect=True)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    """Its module is imported only now: it may bring a whole SDK along."""
    if request.param == OURS[_STRANGER]:
        request.getfixturevalue("installed")
    found = pkgutil.resolve_name(request.param)
    assert isinstance(found, Subject)
    return found


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pip makes of the example: its module, and the .dist-info of the wheel that its backend built.

    Nothing is fetched: the backend is hatchling, with which Keyturn itself is built.
    """
    made = tmp_path_factory.mktemp("wheel")
    shutil.copytree(EXAMPLE, made / "source", ignore=shutil.ignore_patterns("__pycache__"))
    building = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", building, str(made)],
        cwd=made / "source",
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(made / built.stdout.split()[-1]) as archive:
        archive.extractall(made / "site")
    return made / "site"


@pytest.fixture
def installed(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example is a distribution that this process finds, and the processes that it starts."""
    monkeypatch.syspath_prepend(wheel)
    monkeypatch.setenv("PYTHONPATH", str(wheel))
    registry._registered.cache_clear()
    yield wheel
    registry._registered.cache_clear()


@pytest.fixture
async def stand(subject: Subject, request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    async with subject.stand(request) as made:
        yield made


@pytest.fixture
async def calls(subject: Subject, stand: Stand) -> AsyncIterator[Calls]:
    """The provider alone."""
    made = calls_of(subject, stand)
    yield made
    await made.target.close()


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A KEYTURN_HOME after its first start. Copy it."""
    path = tmp_path_factory.mktemp("fresh") / "home"
    service = open_service(load_settings({"KEYTURN_HOME": str(path)}), "test")
    asyncio.run(service.aclose())
    return path


@pytest.fixture
async def bench(subject: Subject, stand: Stand, fresh_store: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    """The service, with the connection in place."""
    shutil.copytree(fresh_store, tmp_path / "home")
    made = Bench(registry.provider(subject.type), stand, tmp_path / "home")
    await made.connect()
    yield made
    for service in made.services:
        await service.aclose()
