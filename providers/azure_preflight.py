"""What a rotation of client secrets depends on, looked up before anything is set up. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from providers.azure_errors import GRANT, PERMISSION, BadRequest, NotThere
from providers.base import Check, CheckResult, TargetError, TargetRefused

if TYPE_CHECKING:
    from providers.azure import AzureTarget
    from providers.azure_client_secret import AzureParameters
    from providers.azure_connection import Directory
    from providers.azure_requests import ApplicationView

PASSED, WARNING, FAILED = CheckResult.PASSED, CheckResult.WARNING, CheckResult.FAILED

_ALL = "Application.ReadWrite.All"
_MANY = 20
_NO_KEY = str(UUID(int=0))
SIGN_IN, EXISTS, BELONG, LOGIN, PERMITTED, NUMBER = (
    "Keyturn signs in to Entra",
    "The application exists",
    "Object ID and client ID belong together",
    "The application can log in to this tenant",
    "Keyturn may change the application's secrets",
    "Client secrets that the application has",
)


async def preflight(target: AzureTarget, parameters: AzureParameters) -> list[Check]:
    """Return every check; those that depend on a failed one are left out."""
    checks: list[Check] = []
    try:
        directory = await target.directory()
        claims = await directory.claims()
        given = target.credentials
        checks.append(Check(SIGN_IN, PASSED, f"tenant {given.tenant_id}, application {given.client_id}"))
        application = await _application(directory, parameters, checks)
        if application is not None:
            checks.append(_belonging(application, parameters))
            checks.append(await _login(directory, application))
            checks.append(await _permission(directory, application, claims))
            checks.append(_number(application))
    except TargetError as error:
        title = EXISTS if checks else SIGN_IN
        checks.append(Check(title, FAILED, error.message, error.remedy))
    return checks


async def _application(
    directory: Directory, parameters: AzureParameters, checks: list[Check]
) -> ApplicationView | None:
    try:
        found = await directory.application(parameters.object_id)
    except NotThere as error:
        checks.append(await _mistaken(directory, parameters, error))
        return None
    checks.append(Check(EXISTS, PASSED, f"{found.display_name}, client ID {found.app_id}"))
    return found


async def _mistaken(directory: Directory, parameters: AzureParameters, error: NotThere) -> Check:
    """People take the one id for the other: say so, and which one is meant."""
    for client_id in (parameters.object_id, parameters.client_id):
        try:
            found = await directory.application_of(client_id)
        except NotThere:
            continue
        detail = f"No application has the object ID {parameters.object_id}."
        if client_id == parameters.object_id:
            detail = f"{client_id} is the client ID of {found.display_name}, not its object ID."
        return Check(EXISTS, FAILED, detail, f"The object ID of {found.display_name} is {found.id}")
    return Check(EXISTS, FAILED, error.message, error.remedy)


def _belonging(application: ApplicationView, parameters: AzureParameters) -> Check:
    if application.app_id == parameters.client_id:
        return Check(BELONG, PASSED)
    detail = f"{parameters.client_id} is not the client ID of {application.display_name}."
    return Check(BELONG, FAILED, detail, f"The client ID of {application.display_name} is {application.app_id}")


async def _login(directory: Directory, application: ApplicationView) -> Check:
    """Without a service principal no secret of it ever works."""
    try:
        await directory.service_principal(application.app_id)
    except NotThere:
        detail = f"{application.display_name} has no service principal in this tenant."
        return Check(LOGIN, FAILED, detail, f"az ad sp create --id {application.app_id}")
    except TargetError as error:
        return Check(LOGIN, WARNING, f"Can't be looked up: {error.message}")
    return Check(LOGIN, PASSED)


async def _permission(directory: Directory, application: ApplicationView, claims: dict[str, object]) -> Check:
    """By what the token says; a directory role that it does not tell of shows when the removal of nothing is tried."""
    roles = claims.get("roles")
    held = set(roles) if isinstance(roles, list) else set()
    if _ALL in held:
        return Check(PERMITTED, PASSED, _ALL)
    if PERMISSION in held and await _owns(directory, application, claims.get("oid")):
        return Check(PERMITTED, PASSED, f"{PERMISSION}, as an owner")
    tried = f"{PERMISSION}, tried" if PERMISSION in held else "by a directory role"
    try:
        await directory.probe_removal(application.id, _NO_KEY)
    except (BadRequest, NotThere):
        return Check(PERMITTED, PASSED, tried)
    except TargetRefused as error:
        if PERMISSION not in held:
            return Check(PERMITTED, FAILED, f"{error.message} The token holds neither {PERMISSION} nor {_ALL}.", GRANT)
        detail = f"Keyturn's application has {PERMISSION}, but is no owner of {application.display_name}."
        owner = claims.get("oid") or "OBJECT-ID-OF-KEYTURNS-SERVICE-PRINCIPAL"
        return Check(PERMITTED, FAILED, detail, f"az ad app owner add --id {application.id} --owner-object-id {owner}")
    return Check(PERMITTED, PASSED, tried)


async def _owns(directory: Directory, application: ApplicationView, principal: object) -> bool:
    try:
        return principal in await directory.owners(application.id)
    except TargetRefused:
        return False


def _number(application: ApplicationView) -> Check:
    secrets = application.secrets
    foreign = sum(not (secret.display_name or "").startswith("Keyturn ") for secret in secrets)
    detail = f"{len(secrets)}, {foreign} of them not made by Keyturn; those are left alone."
    if len(secrets) < _MANY:
        return Check(NUMBER, PASSED, detail)
    return Check(NUMBER, WARNING, detail, "Remove those that nobody needs: Entra limits their number.")
