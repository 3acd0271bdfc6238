"""Types and apps are found by entry points, one at a time, and a broken plug-in hurts nobody else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from providers import registry

IN_TREE = {
    "keyturn.providers": ("postgres-credentials", "providers.postgres_credentials:PROVIDER"),
    "keyturn.apps": ("postgres", "providers.postgres:APP"),
}

Register = Callable[..., None]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Have entry points besides one of ours."""

    def replace(group: str, **points: str) -> None:
        name, value = IN_TREE[group]
        found = [EntryPoint(name.replace("_", "-"), value, group) for name, value in points.items()]
        found.append(EntryPoint(name, value, group))
        monkeypatch.setattr(registry, "entry_points", lambda *, group: [p for p in found if p.group == group])
        registry._registered.cache_clear()
        monkeypatch.setattr(registry, "_registered", registry._registered.__wrapped__)

    return replace


def test_in_tree_types_are_registered_like_a_strangers() -> None:
    assert registry.provider("postgres-credentials").type == "postgres-credentials"
    assert registry.connection_app("postgres").app == "postgres"
    assert "postgres-credentials" in registry.provider_types()
    assert "postgres" in registry.connection_app_names()
    assert not registry.providers().broken
    assert not registry.connection_apps().broken


def test_every_provider_names_an_app_that_exists() -> None:
    apps = registry.connection_app_names()
    assert all(provider.app in apps for provider in registry.providers().found.values())


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(registry.UnknownType, match=r"no rotation type 'mysql'.*postgres-credentials"):
        registry.provider("mysql")
    with pytest.raises(registry.UnknownType, match=r"no connection app 'mysql'.*postgres"):
        registry.connection_app("mysql")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no.such.module:PROVIDER", "ModuleNotFoundError: No module named 'no'"),
        ("providers.postgres_credentials:NOTHING", "has no attribute 'NOTHING'"),
        ("providers.postgres_credentials:PROVIDER", "it calls itself 'postgres-credentials'"),
        ("tests.providers.test_registry:IN_TREE", "it calls itself None"),
    ],
)
def test_a_broken_plug_in_is_named_and_hinders_no_other(register: Register, value: str, reason: str) -> None:
    register("keyturn.providers", strange=value)
    catalogue = registry.providers()
    assert list(catalogue.found) == ["postgres-credentials"]
    assert [broken.name for broken in catalogue.broken] == ["strange"]
    assert reason in catalogue.broken[0].reason
    with pytest.raises(registry.PluginBroken, match="rotation type 'strange' from"):
        registry.provider("strange")
    assert registry.provider("postgres-credentials").type == "postgres-credentials"


def test_asking_for_one_loads_no_other(register: Register) -> None:
    register("keyturn.apps", strange="no.such.module:APP")
    assert registry.connection_app("postgres").app == "postgres"
    assert registry.connection_app_names() == ("postgres", "strange")


def test_a_strangers_name_does_not_shadow_ours(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "_distribution", lambda point: "keyturn" if point.value == IN_TREE["keyturn.apps"][1] else "evil"
    )
    register("keyturn.apps", postgres="no.such.module:APP")
    assert registry.connection_app("postgres").app == "postgres"


def test_loading_the_declarations_imports_no_driver() -> None:
    code = (
        "import sys; from providers.registry import connection_apps, providers;"
        "assert not providers().broken and not connection_apps().broken;"
        "print([name for name in ('psycopg', 'boto3', 'msgraph') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
