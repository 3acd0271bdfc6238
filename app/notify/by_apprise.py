"""A hook that is an Apprise address: mail, chat, telephones. Apprise is an extra of its own, imported on use."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.errors import KeyturnError, UsageError
from app.notify.answer import Answer, quoted

if TYPE_CHECKING:
    from apprise import Apprise

MISSING = "Apprise is not installed."
REMEDY = "Install Keyturn with its extra `notify`: pip install 'keyturn[notify]'"


def checked(url: str) -> str:
    """Raises UsageError for an address that Apprise does not know, KeyturnError when it is not installed."""
    _loaded(url)
    return url


def shown(url: str) -> str:
    """Of which service it is; everything else in it may be secret."""
    return f"{url.partition('://')[0]}://…"


def send(url: str, title: str, words: str) -> Answer:
    """Blocking. No exception leaves."""
    try:
        apprise = _loaded(url)
    except KeyturnError as error:
        return Answer(False, f"{error.message} {error.remedy}".strip())
    with _what_it_logs() as log:
        try:
            done = apprise.notify(body=words, title=title)
        except Exception as error:  # a plugin of Apprise may raise anything
            return Answer(False, f"Apprise ended with {type(error).__name__}")
    if done:
        return Answer(True, "sent")
    hidden = [url, *(part for part in url.replace("?", "/").replace("@", "/").split("/") if len(part) >= 8)]
    return Answer(False, f"Apprise could not send it{quoted(log.getvalue().encode(), hidden)}")


def _loaded(url: str) -> Apprise:
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError:
        raise KeyturnError(MISSING, remedy=REMEDY) from None
    # No plugins from files, and no address that only points to others.
    made = Apprise(asset=AppriseAsset(plugin_paths=[], secure_logging=True))
    if "://" not in url or not made.add(url) or len(made) != 1:
        raise UsageError(
            f"--notify: Apprise knows no address such as {shown(url)}"
            if "://" in url
            else "--notify: this is no address.",
            remedy="Its forms are listed at https://github.com/caronc/apprise/wiki",
        )
    return made


@contextlib.contextmanager
def _what_it_logs() -> Iterator[io.StringIO]:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        yield text
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
