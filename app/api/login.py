"""Logging in: an access token for a client's secret, and the same token for longer."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from app.api.bodies import LoginBody
from app.api.documenting import BAD_LOGIN, body_of
from app.api.queries import checked
from app.api.throttle import Throttle
from app.contract import Body
from app.operations.logins import Granted
from app.service import Service

router = APIRouter(tags=["login"], responses=BAD_LOGIN)


class UniversalLogin(Body):
    """Unknown keys, such as organizationSlug, are ignored."""

    client_id: str = Field(min_length=1, max_length=64)
    client_secret: str = Field(min_length=1, max_length=256, repr=False)


class TokenRenewal(Body):
    access_token: str = Field(min_length=1, max_length=256, repr=False)


class AccessToken(Body):
    """Times are in seconds from now."""

    access_token: str = Field(repr=False)
    expires_in: int
    access_token_max_ttl: int = Field(serialization_alias="accessTokenMaxTTL")
    token_type: str = "Bearer"  # noqa: S105 - the kind of a token is none


@router.post("/api/v1/auth/universal-auth/login", openapi_extra=body_of(UniversalLogin), summary="Log in")
async def log_in(request: Request, body: LoginBody) -> AccessToken:
    service: Service = request.app.state.service
    throttle: Throttle = request.app.state.throttle
    login = checked(UniversalLogin, body)
    address = request.client.host if request.client else "an unknown address"
    right = await service.logins.knows(login.client_id, login.client_secret)
    throttle.take(login.client_id, address, right=right)
    return _answer(await service.logins.log_in(login.client_id, login.client_secret, address))


@router.post("/api/v1/auth/token/renew", openapi_extra=body_of(TokenRenewal), summary="Renew a token")
async def renew(request: Request, body: LoginBody) -> AccessToken:
    service: Service = request.app.state.service
    return _answer(await service.logins.renew(checked(TokenRenewal, body).access_token))


def _answer(granted: Granted) -> AccessToken:
    return AccessToken(
        access_token=granted.access_token,
        expires_in=granted.expires_in,
        access_token_max_ttl=granted.max_ttl,
    )
