"""Who calls, and whether they may: a project of their own, there some places, and rights.

What belongs to another project is not there. A right that is missing is named. Whether a place in one's own project
exists is told to nobody who may not go there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from app.api.errors import Forbidden
from app.contract import AppConnection, SecretRotation
from app.errors import InvalidInput, NotFound
from app.operations.identities import ACTOR
from app.operations.logins import Bearer, NotLoggedIn
from app.service import Service
from app.views import Place
from providers.base import Problem

_LONGEST_TOKEN = 256
_NO_UTF8 = "\N{REPLACEMENT CHARACTER}"
"""What the server puts in the place of each byte that is none."""


@dataclass(frozen=True)
class Caller:
    """`asked` is the service that was asked, which acts in nobody's name: for reading alone."""

    bearer: Bearer
    asked: Service = field(repr=False)

    @property
    def actor(self) -> str:
        return f"{ACTOR}:{self.bearer.name}"

    @property
    def service(self) -> Service:
        """It acts in this identity's name."""
        return self.asked.acting_as(self.actor)

    def require(self, right: str) -> None:
        """Raises Forbidden."""
        if right not in self.bearer.allowed:
            raise Forbidden(f"The identity {self.bearer.name} lacks the right {right!r}.")

    def require_project(self, project: str) -> str:
        """The id of its own project, given by id or slug. Raises NotFound for any other, whether it exists or not."""
        if project not in (self.bearer.project_id, self.bearer.project_slug):
            raise NotFound(f"There is no project {project!r}.")
        return self.bearer.project_id

    def place(self, right: str, project: str, environment: str, path: str) -> Place:
        """A place that it may go to, in its project, which is given by id or slug. Raises NotFound, Forbidden."""
        there = Place(self.require_project(project), environment, path)
        self.require_place(right, environment, path)
        return there

    def require_place(self, right: str, environment: str, path: str) -> None:
        """A place in its project. Raises Forbidden, without a look whether the place exists."""
        self._require_reach(right, environment, path, f"at {environment} {path}")

    def require_found(self, right: str, environment: str, path: str) -> None:
        """The place of what was asked for by its id. Raises Forbidden, which does not tell where that is."""
        self._require_reach(right, environment, path, "where that is")

    def _require_reach(self, right: str, environment: str, path: str, where: str) -> None:
        self.require(right)
        if not self.bearer.reaches(environment, path):
            raise Forbidden(f"The identity {self.bearer.name} lacks the right {right!r} {where}.")

    async def require_connection(self, ref: str) -> None:
        """One that its project may use, by id or name; one of another project is not there. Raises NotFound."""
        if "\0" in ref or not self.sees(await self.service.connections.document(ref)):
            raise NotFound(f"There is no connection {ref!r}.")

    def reaches(self, rotation: SecretRotation) -> bool:
        """Whether a list shows it."""
        mine = rotation.project_id == self.bearer.project_id
        return mine and self.bearer.reaches(rotation.environment.slug, rotation.folder.path)

    def sees(self, connection: AppConnection) -> bool:
        """Connections serve one project, or all."""
        return connection.project_id in (None, self.bearer.project_id)


async def caller(request: Request) -> Caller:
    """Whose token the request carries. Raises NotLoggedIn."""
    service: Service = request.app.state.service
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
        raise NotLoggedIn("This needs an access token: Authorization: Bearer TOKEN.")
    bearer = await service.logins.bearer(token)
    request.state.caller = bearer.name
    _refuse_unreadable(request)
    return Caller(bearer, service)


CallerOf = Annotated[Caller, Depends(caller)]


def _refuse_unreadable(request: Request) -> None:
    """No store can look for a text that holds NUL; what is no UTF-8 in the path would be kept under another name."""
    path = request.scope["path"]
    if b"%00" not in request.scope["query_string"] and "\0" not in path and _NO_UTF8 not in path:
        return
    named = {**request.path_params, **request.query_params}
    wrong = [Problem(name, "must not contain the character NUL") for name, text in named.items() if "\0" in str(text)]
    wrong += [Problem(name, "must be UTF-8") for name, text in request.path_params.items() if _NO_UTF8 in str(text)]
    if wrong:
        raise InvalidInput(wrong)
