"""The stand-in's part of Microsoft Graph: applications, their owners, their secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.demo.entra_tenant import Application, Tenant

_APPLICATION = re.compile(
    r"/v1\.0/applications(?:\(appId='(?P<client>[^']+)'\)|/(?P<object>[^/]+))"
    r"(?:/(?P<what>addPassword|removePassword|owners))?"
)
_PRINCIPAL = re.compile(r"/v1\.0/servicePrincipals\(appId='(?P<client>[^']+)'\)")
_METADATA = "https://graph.microsoft.com/v1.0/$metadata"


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def _denied() -> Refused:
    return Refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _missing(what: str) -> Refused:
    text = f"Resource '{what}' does not exist or one of its queried reference-property objects are not present."
    return Refused(404, "Request_ResourceNotFound", text)


class Graph:
    """Answers from the tenant's state; nothing of HTTP but methods and paths."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant

    def call_of(self, method: str, path: str) -> str:
        """What a test calls this request."""
        found = _APPLICATION.fullmatch(path)
        if found is None:
            return "list" if path == "/v1.0/applications" else "principal"
        return found["what"] or "get"

    def answer(
        self,
        caller: Application | None,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any] | None:
        """The answer's JSON, None for "no content". Raises Refused."""
        if caller is None:
            raise Refused(401, "InvalidAuthenticationToken", "Access token is empty or invalid.")
        if path == "/v1.0/applications" and method == "GET":
            return self._list(caller, query, headers)
        if (asked := _PRINCIPAL.fullmatch(path)) and method == "GET":
            return self._principal(caller, asked["client"])
        found = _APPLICATION.fullmatch(path)
        if found is None:
            raise Refused(400, "BadRequest", f"Resource not found for the segment '{path.rpartition('/')[2]}'.")
        application = self._application(caller, found)
        match method, found["what"]:
            case "GET", None:
                return {"@odata.context": f"{_METADATA}#applications/$entity", **_selected(application.shown(), query)}
            case "GET", "owners":
                kind = "#microsoft.graph.servicePrincipal"
                return {"value": [{"@odata.type": kind, "id": owner} for owner in sorted(application.owners)]}
            case "POST", "addPassword":
                return self._add_password(caller, application, json.loads(body))
            case "POST", "removePassword":
                self._remove_password(caller, application, json.loads(body))
                return None
        raise Refused(405, "Request_BadRequest", "Method not allowed.")

    def _application(self, caller: Application, found: re.Match[str]) -> Application:
        if not self.tenant.may_read(caller):
            raise _denied()
        client_id, object_id = found["client"], found["object"]
        application = self.tenant.by_client_id(client_id) if client_id else self.tenant.applications.get(object_id)
        if application is None:
            raise _missing(client_id or object_id)
        return application

    def _principal(self, caller: Application, client_id: str) -> dict[str, Any]:
        if not self.tenant.may_read(caller):
            raise _denied()
        application = self.tenant.by_client_id(client_id)
        if application is None or application.principal is None:
            raise _missing(client_id)
        return {"id": application.principal}

    def _add_password(self, caller: Application, application: Application, body: Any) -> dict[str, Any]:
        if not self.tenant.may_change(caller, application):
            raise _denied()
        asked = body.get("passwordCredential") or {}
        end = datetime.fromisoformat(asked["endDateTime"]) if asked.get("endDateTime") else None
        if end is not None and end <= self.tenant.clock():
            raise Refused(400, "Request_BadRequest", "The value of 'endDateTime' lies in the past.")
        made = self.tenant.add_secret(application, asked.get("displayName"), end, ready=False)
        context = f"{_METADATA}#microsoft.graph.passwordCredential"
        return {"@odata.context": context, **made.shown(), "secretText": made.text}

    def _remove_password(self, caller: Application, application: Application, body: Any) -> None:
        if not self.tenant.may_change(caller, application):
            raise _denied()
        left = [secret for secret in application.secrets if secret.key_id != body["keyId"]]
        if len(left) == len(application.secrets):
            raise Refused(400, "Request_BadRequest", f"No password credential found with keyId {body['keyId']}.")
        application.secrets = left

    def _list(self, caller: Application, query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        if not self.tenant.may_read(caller):
            raise _denied()
        found = list(self.tenant.applications.values())
        if "$search" in query:
            if headers.get("consistencylevel", "").lower() != "eventual":
                raise Refused(400, "Request_UnsupportedQuery", "Request with $search needs ConsistencyLevel: eventual.")
            searched = re.fullmatch(r'"displayName:(.*)"', query["$search"])
            if searched is None:
                raise Refused(400, "Request_BadRequest", "Syntax error in $search.")
            found = [app for app in found if _matches(app.name, json.loads(f'"{searched[1]}"'))]
        if "$filter" in query:
            ids = set(re.findall(r"(?:appId|id) eq '([^']+)'", query["$filter"]))
            found = [app for app in found if ids & {app.id, app.client_id}]
        page = found[: int(query.get("$top", "100"))]
        return {
            "@odata.context": f"{_METADATA}#applications",
            "value": [_selected(app.shown(), query) for app in page],
        }


def _matches(name: str, text: str) -> bool:
    """Each word begins a word of the name."""
    words = re.findall(r"\w+", name.lower())
    return all(any(word.startswith(part) for word in words) for part in re.findall(r"\w+", text.lower()))


def _selected(shown: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    names = query.get("$select", "").split(",")
    return {name: value for name, value in shown.items() if name in names} if names != [""] else shown
