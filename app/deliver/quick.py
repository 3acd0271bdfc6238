"""What is published, without the service where that will do: a short command must not wait for a database toolkit.

Each function answers None when the service has to be asked; it says what is wrong, if anything is.
"""

from __future__ import annotations

import os

from app.settings import load_settings
from app.views import Place
from store import published
from store.keyring import KeyPlaces


def stamp() -> object:
    """Something else as soon as the store was written to; None when that cannot be told from a file."""
    return published.stamp(_source())


def values(place: Place) -> dict[str, str] | None:
    """Name to value of all that is published there."""
    return published.values(_source(), place.project, place.environment, place.path)


def value(place: Place, name: str) -> str | None:
    return published.value(_source(), place.project, place.environment, place.path, name)


def of_rotation(ref: str, kind: str) -> dict[str, str] | None:
    """Credential field to published value, of the rotation of that id or name when it is of that type."""
    return published.of_rotation(_source(), ref, kind)


def _source() -> published.Source:
    settings = load_settings(os.environ)
    keys = KeyPlaces(default_file=settings.default_key_file, key_file=settings.key_file, environ=settings.environ)
    return published.Source(settings.database_url, keys)
