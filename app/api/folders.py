"""Folders, as documented: a list of those that there are. They come into being with what is put into them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from app.api.authorising import CallerOf
from app.api.documenting import READING
from app.api.secret_queries import FOLDERS, asked, documented
from app.contract import Body, UtcTime
from app.operations.identities import READ

router = APIRouter(tags=["folders"], responses=READING)
_LISTED: dict[str, Any] = {
    "openapi_extra": {"parameters": documented(FOLDERS)},
    "summary": "The folders in a folder",
}


class Folder(Body):
    """Times are those of its project: of a folder none are kept."""

    id: str
    name: str
    path: str
    env_id: str
    parent_id: str | None = None
    version: int = 1
    is_reserved: bool = False
    created_at: UtcTime
    updated_at: UtcTime


class FoldersReply(Body):
    folders: list[Folder]


@router.get("/api/v2/folders", **_LISTED)
@router.get("/api/v1/folders", **_LISTED)
async def list_all(request: Request, who: CallerOf) -> FoldersReply:
    who.require(READ)
    wanted = asked(request.query_params)
    place = who.place(READ, wanted.project_id, wanted.environment, wanted.secret_path)
    found = await who.asked.secrets.documents.folders(place, recursive=wanted.recursive)
    return FoldersReply(
        folders=[
            Folder(
                id=folder.id,
                name=folder.path.rpartition("/")[2],
                path=folder.path,
                env_id=folder.environment_id,
                created_at=folder.created_at,
                updated_at=folder.created_at,
            )
            for folder in found
            if who.bearer.reaches(place.environment, folder.path)
        ]
    )
