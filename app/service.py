"""The one door: screens, command line and HTTP API all come through here."""

from __future__ import annotations

import os
import random
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.notify.dispatcher import Dispatcher
from app.operations.ahead import write_ahead
from app.operations.catalog import Catalog
from app.operations.connections import Connections
from app.operations.context import Context
from app.operations.creation import Creation
from app.operations.deliveries import Deliveries
from app.operations.drafts import Drafts
from app.operations.edits import Edits
from app.operations.emergency import Emergencies
from app.operations.history import History
from app.operations.hooks import Hooks
from app.operations.identities import Identities
from app.operations.logins import Logins
from app.operations.plan import Plans
from app.operations.rotations import Rotations
from app.operations.secrets import Secrets
from app.operations.target_files import TargetFiles
from app.operations.target_upkeep import TargetUpkeep
from app.rotation.engine import Engine, nobody
from app.rotation.scheduler import Scheduler
from app.rotation.surroundings import Listener, new_id
from app.rotation.targets import Targets
from app.settings import Settings
from store import draft_files, engines
from store.changes import ChangeWatch
from store.database import Store, open_store
from store.keyring import KeyPlaces


@dataclass(frozen=True)
class Service:
    """Everything a person or program can ask of Keyturn. Close it in the event loop it was used in."""

    catalog: Catalog
    connections: Connections
    creation: Creation
    rotations: Rotations
    plans: Plans
    emergencies: Emergencies
    secrets: Secrets
    edits: Edits
    drafts: Drafts
    history: History
    target_files: TargetFiles
    hooks: Hooks
    deliveries: Deliveries
    identities: Identities
    logins: Logins
    context: Context

    def acting_as(self, actor: str) -> Service:
        """The same, but in the history somebody else acts. Only the first one is to be closed."""
        return _service(replace(self.context, actor=actor))

    @property
    def store(self) -> Store:
        return self.context.store

    @property
    def first_start_notice(self) -> str:
        """On the start that created the store: where the data and its key are. Empty otherwise."""
        if not self.store.created:
            return ""
        return (
            f"Created the store {self.store.location}.\nIts key is in the {self.store.key_source.text}.\n"
            "Back up both: without the key a backup of the data is worthless."
        )

    def scheduler(
        self,
        *,
        concurrency: int = 4,
        checkup_hours: float = 6,
        park_seconds: float = 20,
        deliveries_days: float = 30,
        listener: Listener = nobody,
        on_outcome: Callable[[str, str | None], None] = lambda rotation_id, error: None,
    ) -> Scheduler:
        """The background loop; `on_outcome` is told each rotation's id and its error, None for success."""
        return Scheduler(
            self.context.engine,
            concurrency=concurrency,
            checkup_every=timedelta(hours=checkup_hours),
            park_after=park_seconds,
            listener=listener,
            on_outcome=on_outcome,
            beside=(TargetUpkeep(self.context), Dispatcher(self.context, timedelta(days=deliveries_days))),
        )

    def watch_changes(self) -> ChangeWatch:
        """Tells whether another process changed the store; close it."""
        return ChangeWatch(self.store)

    async def aclose(self) -> None:
        await self.context.targets.close()
        self.store.close()


def open_service(
    settings: Settings, actor: str, *, clock: Callable[[], datetime] | None = None, as_it_is: bool = False
) -> Service:
    """Open the store, creating it on first start unless it is to be left as it is. Raises StoreError."""
    now = clock or _utc_now
    source: random.Random = secrets.SystemRandom()
    if not as_it_is and (file := engines.file_of(settings.database_url)) is not None:
        draft_files.remove_left(file)
    store = open_store(
        settings.database_url,
        key=key_places(settings),
        now=now,
        new_id=lambda: new_id(source),
        as_it_is=as_it_is,
    )
    targets = Targets()
    owner = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"
    engine = Engine(
        store,
        targets,
        now,
        owner,
        settings.lease_seconds,
        source,
        ahead=lambda rotation_id: write_ahead(context, rotation_id),
    )
    context = Context(store, engine, targets, now, source, actor)
    return _service(context)


def _service(context: Context) -> Service:
    return Service(
        catalog=Catalog(),
        connections=Connections(context),
        creation=Creation(context),
        rotations=Rotations(context),
        plans=Plans(context),
        emergencies=Emergencies(context),
        secrets=Secrets(context),
        edits=Edits(context),
        drafts=Drafts(context),
        history=History(context),
        target_files=TargetFiles(context),
        hooks=Hooks(context),
        deliveries=Deliveries(context),
        identities=Identities(context),
        logins=Logins(context),
        context=context,
    )


def key_places(settings: Settings) -> KeyPlaces:
    return KeyPlaces(default_file=settings.default_key_file, key_file=settings.key_file, environ=settings.environ)


def _utc_now() -> datetime:
    return datetime.now(UTC)
