"""App connections: named admin access to targets. No answer holds a secret of theirs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from app.api.authorising import Caller, CallerOf
from app.api.bodies import JsonBody
from app.api.documenting import READING, WRITING, body_like
from app.api.errors import Forbidden
from app.api.queries import ProjectId
from app.api.schemas import connection_examples, connection_schema
from app.contract import AppConnection, Body
from app.errors import NotFound
from app.operations.catalog import Catalog
from app.operations.identities import MANAGE, READ, READ_CREDENTIALS

_BASE = "/api/v1/app-connections"
_APPS = [app for app, _ in Catalog().connection_apps()]

router = APIRouter(prefix=_BASE, tags=["app connections"], responses=READING)
App = Annotated[str, Path(description="What the connection leads to.", json_schema_extra={"enum": _APPS})]
Id = Annotated[str, Path(alias="connectionId", description="The connection's id.")]
Name = Annotated[str, Path(alias="connectionName", description="The connection's name.")]


class One(Body):
    app_connection: AppConnection


class Several(Body):
    app_connections: list[AppConnection]


class Available(Body):
    id: str
    name: str
    app: str
    project_id: str | None


class AvailableConnections(Body):
    app_connections: list[Available]


class Option(Body):
    name: str
    app: str
    methods: list[str]


class Options(Body):
    app_connection_options: list[Option]


@router.get("/options", summary="What can be connected to")
async def options(who: CallerOf) -> Options:
    who.require(READ)
    catalog = who.service.catalog
    return Options(
        app_connection_options=[
            Option(name=title, app=app, methods=list(catalog.connection_form(app).methods))
            for app, title in catalog.connection_apps()
        ]
    )


@router.get("", summary="All connections")
async def list_all(who: CallerOf, project_id: ProjectId = "") -> Several:
    return Several(app_connections=await _visible(who, project_id))


@router.get("/{app}", summary="The connections to one app")
async def list_of_app(app: App, who: CallerOf, project_id: ProjectId = "") -> Several:
    return Several(app_connections=await _visible(who, project_id, _known(app)))


@router.get("/{app}/available", summary="What can be used")
async def available(app: App, who: CallerOf, project_id: ProjectId = "") -> AvailableConnections:
    found = await _visible(who, project_id, _known(app))
    return AvailableConnections(
        app_connections=[Available(id=c.id, name=c.name, app=c.app, project_id=c.project_id) for c in found]
    )


@router.get("/{app}/connection-name/{connectionName}", summary="One, by its name")
async def by_name(app: App, name: Name, who: CallerOf) -> One:
    found = await _one(who, READ, app, name)
    if found.name != name:
        raise _absent(name)
    return One(app_connection=found)


@router.get("/{app}/{connectionId}", summary="One connection")
async def get(app: App, connection_id: Id, who: CallerOf) -> One:
    return One(app_connection=await _by_id(who, READ, app, connection_id))


@router.post(
    "/{app}",
    responses=WRITING,
    openapi_extra=body_like(connection_schema(), examples=connection_examples()),
    summary="Log in, and keep the connection when that works",
)
async def create(app: App, who: CallerOf, body: JsonBody) -> One:
    who.require(MANAGE)
    added = await who.service.connections.add(_known(app), _own(who, body))
    return One(app_connection=added.connection)


@router.patch(
    "/{app}/{connectionId}",
    responses=WRITING,
    openapi_extra=body_like(connection_schema(partial=True)),
    summary="Change what is given; credentials are replaced as a whole",
)
async def update(app: App, connection_id: Id, who: CallerOf, body: JsonBody) -> One:
    found = await _changeable(who, app, connection_id)
    body = {**_own(who, body), "app": found.app}
    await _keep_credentials_here(who, found, body)
    edited = await who.service.connections.edit(found.id, body, whole=True)
    return One(app_connection=edited.connection)


@router.delete("/{app}/{connectionId}", responses=WRITING, summary="Remove one that is not used")
async def delete(app: App, connection_id: Id, who: CallerOf) -> One:
    found = await _changeable(who, app, connection_id)
    await who.service.connections.remove(found.id)
    return One(app_connection=found)


async def _visible(who: Caller, project: str, app: str | None = None) -> list[AppConnection]:
    who.require(READ)
    if project:
        who.require_project(project)
    return [c for c in await who.service.connections.documents() if who.sees(c) and app in (None, c.app)]


async def _one(who: Caller, right: str, app: str, ref: str) -> AppConnection:
    """By id or name. Raises Forbidden, NotFound."""
    who.require(right)
    try:
        found = await who.service.connections.document(ref)
    except NotFound:
        raise _absent(ref) from None
    if not who.sees(found) or found.app != _known(app):
        raise _absent(ref)
    return found


async def _by_id(who: Caller, right: str, app: str, connection_id: str) -> AppConnection:
    found = await _one(who, right, app, connection_id)
    if found.id != connection_id:
        raise _absent(connection_id)
    return found


async def _changeable(who: Caller, app: str, connection_id: str) -> AppConnection:
    """Whoever changes a connection changes what every rotation that uses it logs in as. Raises Forbidden, NotFound."""
    found = await _by_id(who, MANAGE, app, connection_id)
    for project, environment, path in await who.service.connections.used_at(found.id):
        if project != who.bearer.project_id or not who.bearer.reaches(environment, path):
            raise Forbidden(
                f"The identity {who.bearer.name} lacks the right {MANAGE!r} at a place where {found.name} is used."
            )
    return found


async def _keep_credentials_here(who: Caller, found: AppConnection, body: dict[str, Any]) -> None:
    """What its rotations keep is tried out where the connection leads: another host would be sent their passwords.

    Raises Forbidden for who may not read these, InvalidInput.
    """
    connections = who.service.connections
    if READ_CREDENTIALS in who.bearer.allowed or not await connections.used_at(found.id):
        return
    if await connections.leads_elsewhere(found.id, body):
        raise Forbidden(
            f"The identity {who.bearer.name} lacks the right {READ_CREDENTIALS!r}, which it takes to change where "
            f"{found.name} leads to: what its rotations keep is sent there."
        )


def _own(who: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """The body, with the id of the caller's project where it names that one. Raises NotFound."""
    project = body.get("projectId")
    if isinstance(project, str) and project.strip():
        return {**body, "projectId": who.require_project(project.strip())}
    return {key: value for key, value in body.items() if key != "projectId" or value not in (None, "")}


def _known(app: str) -> str:
    """Raises NotFound."""
    if app not in _APPS:
        raise NotFound(f"There is no app {app!r}.")
    return app


def _absent(ref: str) -> NotFound:
    return NotFound(f"There is no connection {ref!r}.")
