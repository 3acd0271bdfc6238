"""Secret rotations, as documented: one set of routes for every type."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from app.api.authorising import Caller, CallerOf
from app.api.bodies import JsonBody
from app.api.documenting import READING, WRITING, body_like, body_of
from app.api.queries import Flag, ProjectId, checked
from app.api.rotation_options import Options, all_options
from app.api.schemas import rotation_examples, rotation_schema
from app.contract import (
    PATH_MAX,
    SLUG_MAX,
    Body,
    FolderPath,
    GeneratedCredentials,
    MoveRotation,
    SecretRotation,
    Slug,
    Trimmed,
    UpdateRotation,
)
from app.errors import InvalidInput, NotFound, UsageError
from app.operations.catalog import Catalog
from app.operations.identities import MANAGE, READ, READ_CREDENTIALS, ROTATE
from app.views import Place
from providers.base import Problem, TargetUnavailable

_BASE = "/api/v2/secret-rotations"
_TYPES = [kind.type for kind in Catalog().rotation_types()]

router = APIRouter(prefix=_BASE, tags=["secret rotations"], responses=READING)
Type = Annotated[str, Path(alias="type", description="The type of the rotation.", json_schema_extra={"enum": _TYPES})]
Id = Annotated[str, Path(alias="rotationId", description="The rotation's id.")]
Text = Annotated[str, Query()]


class One(Body):
    secret_rotation: SecretRotation


class Several(Body):
    secret_rotations: list[SecretRotation]


class Checked(Body):
    """What logs in now: one item a slot."""

    identity: str
    active: bool
    text: str


class CheckedCredentials(Body):
    checked_credentials: list[Checked]


class _Where(Body):
    project_id: Trimmed
    environment: Slug = Field(max_length=SLUG_MAX)
    secret_path: FolderPath = Field(max_length=PATH_MAX)


class _Destination(Body):
    """Where a body wants it."""

    environment: Slug | None = Field(default=None, max_length=SLUG_MAX)
    secret_path: FolderPath | None = Field(default=None, max_length=PATH_MAX)


@router.get("/options", summary="What can be rotated")
async def options(who: CallerOf) -> Options:
    who.require(READ)
    return all_options(who.service)


@router.get("", summary="A project's rotations of all types")
async def list_all(who: CallerOf, project_id: ProjectId = "") -> Several:
    return Several(secret_rotations=await _listed(who, project_id))


@router.get("/{type}", summary="A project's rotations of one type")
async def list_of_type(kind: Type, who: CallerOf, project_id: ProjectId = "") -> Several:
    _known(kind)
    return Several(secret_rotations=[r for r in await _listed(who, project_id) if r.type == kind])


@router.get("/{type}/rotation-name/{rotationName}", summary="One, by its name")
async def by_name(
    kind: Type,
    name: Annotated[str, Path(alias="rotationName")],
    who: CallerOf,
    environment: Text = "",
    project_id: ProjectId = "",
    secret_path: Annotated[str, Query(alias="secretPath")] = "",
) -> One:
    given = {"projectId": project_id, "environment": environment, "secretPath": secret_path}
    where = checked(_Where, given)
    project = who.require_project(where.project_id)
    who.require_place(READ, where.environment, where.secret_path)
    found = await who.service.rotations.named(Place(project, where.environment, where.secret_path), name)
    _same_type(found, kind)
    return One(secret_rotation=found)


@router.get("/{type}/{rotationId}", summary="One rotation")
async def get(kind: Type, rotation_id: Id, who: CallerOf) -> One:
    return One(secret_rotation=await _mine(who, READ, kind, rotation_id))


@router.post(
    "/{type}",
    responses=WRITING,
    openapi_extra=body_like(rotation_schema(), examples=rotation_examples()),
    summary="Create a rotation; its first credentials are published when this answers",
)
async def create(kind: Type, who: CallerOf, body: JsonBody) -> One:
    who.require(MANAGE)
    created = await who.service.creation.create(_known(kind), await _own(who, body))
    return One(secret_rotation=created.rotation)


@router.patch(
    "/{type}/{rotationId}",
    responses=WRITING,
    openapi_extra=body_like(rotation_schema(partial=True)),
    summary="Change what is given; another environment or path moves it with its secrets",
)
async def update(kind: Type, rotation_id: Id, who: CallerOf, body: JsonBody) -> One:
    found = await _mine(who, MANAGE, kind, rotation_id)
    _refuse_fixed(who, found, body)
    place = _destination(body)
    environment, path = place.environment or found.environment.slug, place.secret_path or found.folder.path
    who.require_place(MANAGE, environment, path)
    moves = (environment, path) != (found.environment.slug, found.folder.path)
    destination = {"destinationEnvironment": environment, "destinationSecretPath": path}
    if moves:
        await _refuse_half(who, found, body, destination)
    if _EDITABLE & body.keys():
        found = (await who.service.edits.edit(found.id, body)).rotation
    if moves:
        found = await who.service.edits.move(found.id, destination)
    return One(secret_rotation=found)


@router.delete("/{type}/{rotationId}", responses=WRITING, summary="Delete a rotation")
async def delete(
    kind: Type,
    rotation_id: Id,
    who: CallerOf,
    delete_secrets: Annotated[Flag, Query(alias="deleteSecrets")] = False,
    revoke: Annotated[Flag, Query(alias="revokeGeneratedCredentials")] = False,
) -> One:
    found = await _mine(who, MANAGE, kind, rotation_id)
    before = await who.service.rotations.delete(found.id, revoke=revoke, delete_secrets=delete_secrets)
    return One(secret_rotation=before)


@router.post("/{type}/{rotationId}/rotate-secrets", responses=WRITING, summary="Rotate now")
async def rotate(kind: Type, rotation_id: Id, who: CallerOf) -> One:
    """It answers when the new credential is published. Whoever hangs up does not stop it."""
    found = await _mine(who, ROTATE, kind, rotation_id)
    return One(secret_rotation=await who.service.rotations.rotate(found.id))


@router.post(
    "/{type}/{rotationId}/move",
    responses=WRITING,
    openapi_extra=body_of(MoveRotation),
    summary="Move it with its secrets",
)
async def move(kind: Type, rotation_id: Id, who: CallerOf, body: JsonBody) -> One:
    found = await _mine(who, MANAGE, kind, rotation_id)
    to = checked(MoveRotation, body)
    who.require_place(MANAGE, to.destination_environment, to.destination_secret_path)
    return One(secret_rotation=await who.service.edits.move(found.id, to.model_dump(by_alias=True)))


@router.get(
    "/{type}/{rotationId}/generated-credentials",
    summary="The credentials of both slots; the history tells who looked",
)
async def credentials(kind: Type, rotation_id: Id, who: CallerOf) -> GeneratedCredentials:
    found = await _mine(who, READ_CREDENTIALS, kind, rotation_id)
    return await who.service.rotations.credentials(found.id)


@router.post(
    "/{type}/{rotationId}/check-credentials",
    responses=WRITING,
    summary="Log in with what is kept; nothing is changed",
)
async def check(kind: Type, rotation_id: Id, who: CallerOf) -> CheckedCredentials:
    found = await _mine(who, READ_CREDENTIALS, kind, rotation_id)
    checks = await who.service.rotations.check(found.id)
    failed = [f"{one.identity}: {one.text}" for one in checks if one.ok is not True]
    if any(one.ok is False for one in checks):
        raise UsageError("\n".join(failed))
    if failed:
        raise TargetUnavailable("\n".join(failed))
    return CheckedCredentials(
        checked_credentials=[Checked(identity=one.identity, active=one.active, text=one.text) for one in checks]
    )


_EDITABLE = {info.alias for info in UpdateRotation.model_fields.values()}


async def _listed(who: Caller, project: str) -> list[SecretRotation]:
    who.require(READ)
    if not project:
        raise InvalidInput([Problem("projectId", "is required")])
    return [r for r in await who.service.rotations.documents(who.require_project(project)) if who.reaches(r)]


async def _mine(who: Caller, right: str, kind: str, rotation_id: str) -> SecretRotation:
    """One of the caller's project, and of this type. Raises Forbidden, NotFound, UsageError."""
    who.require(right)
    found = await who.service.rotations.by_id(rotation_id)
    if found.project_id != who.bearer.project_id:
        raise NotFound(f"There is no rotation {rotation_id!r}.")
    who.require_found(right, found.environment.slug, found.folder.path)
    _same_type(found, kind)
    return found


async def _own(who: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """The body, whose place and connection the caller may use. What is missing or not valid is for the service to tell.

    Raises Forbidden, NotFound, InvalidInput.
    """
    project, place, connection = body.get("projectId"), _destination(body), body.get("connectionId")
    if isinstance(project, str):
        body = {**body, "projectId": who.require_project(project.strip())}
    if place.environment and place.secret_path:
        who.require_place(MANAGE, place.environment, place.secret_path)
    if isinstance(connection, str):
        await who.require_connection(connection.strip())
    return body


def _destination(body: dict[str, Any]) -> _Destination:
    """Raises InvalidInput."""
    return checked(_Destination, {name: body.get(name) for name in ("environment", "secretPath")})


def _same_type(found: SecretRotation, kind: str) -> None:
    if found.type != _known(kind):
        raise UsageError(f"The rotation {found.name} is of type {found.type}, not {kind}.")


def _refuse_fixed(who: Caller, found: SecretRotation, body: dict[str, Any]) -> None:
    """What a client may send again, but not change. Raises InvalidInput."""
    problems = []
    if body.get("connectionId") not in (None, "", found.connection_id, found.connection.name):
        problems.append(Problem("connectionId", "can't be changed; create another rotation"))
    if body.get("projectId") not in (None, "", found.project_id, who.bearer.project_slug):
        problems.append(Problem("projectId", "can't be changed; create another rotation"))
    if problems:
        raise InvalidInput(problems)


async def _refuse_half(who: Caller, found: SecretRotation, body: dict[str, Any], destination: dict[str, str]) -> None:
    """An update that also moves does both or neither. Raises InvalidInput, NotFound for an unknown environment."""
    edits = who.service.edits
    problems = await edits.problems(found.id, body) or await edits.move_problems(found.id, destination, after=body)
    for problem in problems:
        if problem.field == "destinationEnvironment":
            raise NotFound(problem.message)
    if problems:
        raise InvalidInput([replace(one, field=_OF_A_MOVE.get(one.field, one.field)) for one in problems])


_OF_A_MOVE = {"destinationSecretPath": "secretPath"}
"""What an update calls the fields of a move."""


def _known(kind: str) -> str:
    """Raises NotFound."""
    if kind not in _TYPES:
        raise NotFound(f"There is no rotation type {kind!r}.")
    return kind
