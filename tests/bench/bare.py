"""The floor of the HTTP API: a route of FastAPI that says nothing, served by uvicorn as it comes."""

from __future__ import annotations

from fastapi import FastAPI

api = FastAPI()


@api.get("/bare")
async def bare() -> dict[str, str]:
    return {"status": "ok"}
