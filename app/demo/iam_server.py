"""The process behind the demo's AWS account: moto, with a front that enforces more and can misbehave.

It is told who is in the account from the beginning, and ends when its standard input does.
"""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto import settings
from moto.core.responses import ActionResult
from moto.iam import access_control
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from app.demo.iam import ACCOUNT
from app.demo.leashed import HOST, begun, serve_until_released

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_SKEWED = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)"
_LOGIN_PAGE = b"<html><head><title>Sign in</title></head><body><form action='/login'>Welcome &nbsp; to our Wi-Fi</form>"
# What a fault answers: status, code, message.
_ANSWERS = {
    "throttle": ("400 Bad Request", "Throttling", "Rate exceeded"),
    "fail": ("500 Internal Server Error", "ServiceFailure", "An internal error occurred."),
    "deny": ("403 Forbidden", "AccessDenied", "An explicit deny in a service control policy."),
    "skew": ("403 Forbidden", "SignatureDoesNotMatch", _SKEWED),
    "limit": ("409 Conflict", "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2"),
}
_UNKNOWN_TOKEN = ("403 Forbidden", "InvalidClientTokenId", "The security token included in the request is invalid.")


class Front:
    """Stands before moto: answers what must go wrong itself, and listens to what the tests ask for."""

    def __init__(self, behind: Application, administrator: str) -> None:
        self._behind, self._administrator = behind, administrator
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._faults: dict[str, deque[str]] = defaultdict(deque)
        self._refusals = 0
        self._lagging: dict[str, int] = {}
        self._calls: list[str] = []

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if environ["PATH_INFO"].startswith("/stand-in/"):
            answer = json.dumps(self._control(environ["PATH_INFO"].rpartition("/")[2], json.loads(body))).encode()
            start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
            return [answer]
        action = parse_qs(body.decode()).get("Action", [""])[0]
        key_id = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]
        if key_id == self._administrator:
            return self._behind(environ, start)
        fault = self._befalls(action, key_id)
        if fault == "lag":
            return _answer(start, *_UNKNOWN_TOKEN)
        if fault in _ANSWERS:
            return _answer(start, *_ANSWERS[fault])
        if fault in {"html", "sign-in"}:
            start("502 Bad Gateway" if fault == "html" else "200 OK", [("Content-Type", "text/html")])
            return [_LOGIN_PAGE]
        if fault == "hang":
            self._released.wait()
        if fault != "drop":
            answered = list(self._behind(environ, start))
            if action == "CreateAccessKey":
                self._made(b"".join(answered))
            if fault not in {"lose", "hang"}:
                return answered
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        if fault == "drop":
            start("500 Nobody Reads This", [])
        return []

    def _befalls(self, action: str, key_id: str) -> str:
        with self._lock:
            self._calls.append(action)
            if self._lagging.get(key_id, 0) > 0:
                self._lagging[key_id] -= 1
                return "lag"
            pending = self._faults[action]
            return pending.popleft() if pending else ""

    def _made(self, answer: bytes) -> None:
        key_id = answer.partition(b"<AccessKeyId>")[2].partition(b"<")[0].decode()
        with self._lock:
            self._lagging[key_id] = self._refusals

    def _control(self, what: str, arguments: dict[str, Any]) -> object:
        with self._lock:
            if what == "fault":
                self._faults[arguments["action"]].extend([arguments["kind"]] * arguments["times"])
                self._released.clear()
            elif what == "lag":
                self._refusals = arguments["refusals"]
            elif what == "calls":
                calls, self._calls = self._calls, []
                return calls
            elif what == "release":
                self._released.set()
            elif what == "reset":
                self._faults.clear()
                self._lagging.clear()
                self._calls, self._refusals = [], 0
                self._released.set()
            elif what == "add":
                for person in arguments["people"]:
                    _add(person)
            elif what == "remove":
                for name in arguments["names"]:
                    _remove(name)
            return None


def _answer(start: StartResponse, status: str, code: str, message: str) -> list[bytes]:
    kind = "Receiver" if status.startswith("5") else "Sender"
    start(status, [("Content-Type", "text/xml")])
    return [
        f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>".encode()
    ]


def _refuse_inactive_keys() -> None:
    """As AWS does; moto lets them in."""
    known = access_control.IAMUserAccessKey.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        known(self, *arguments, **named)
        key = self.backend.access_keys.get(self._access_key_id)
        if key is not None and key.status != "Active":
            raise access_control.CreateAccessKeyFailure(reason="InvalidId")

    setattr(access_control.IAMUserAccessKey, "__init__", init)  # noqa: B010 - a type checker forbids the plain form


def _look_at_resources() -> None:
    """As AWS does; moto asks for the right to everything."""
    known = access_control.IAMRequest.check_action_permitted

    def check(self: Any, resource: str) -> None:
        parameters = {name: value[0] if isinstance(value, list) else value for name, value in self._data.items()}
        name = parameters.get("UserName")
        key = self.backend.access_keys.get(parameters.get("AccessKeyId", ""))
        if name is None and key is not None:
            name = key.user_name
        if self._service == "iam" and name is not None:
            user = self.backend.users.get(name)
            resource = user.arn if user else f"arn:aws:iam::{self.account_id}:user/{name}"
        known(self, resource)

    setattr(access_control.IAMRequest, "check_action_permitted", check)  # noqa: B010


def _simulate(self: Any) -> ActionResult:
    """SimulatePrincipalPolicy for users and roles, which moto lacks: by their own policies."""
    kind, _, name = self._get_param("PolicySourceArn").rpartition(":")[2].partition("/")
    name = name.rpartition("/")[2]
    backend = self.backend
    if kind == "role":
        policies = [backend.get_role_policy(name, each)[1] for each in backend.list_role_policies(name)]
    else:
        backend.get_user(name)
        policies = [backend.get_user_policy(name, each) for each in backend.list_user_policies(name)]
    actions = self._get_param("ActionNames")
    resource = self._get_param("ResourceArns", ["*"])[0]
    return ActionResult(
        {
            "EvaluationResults": [
                {"EvalActionName": action, "EvalDecision": _decision(policies, action, resource)} for action in actions
            ]
        }
    )


def _decision(policies: list[Any], action: str, resource: str) -> str:
    results = {access_control.IAMPolicy(policy).is_action_permitted(action, resource).name for policy in policies}
    if "DENIED" in results:
        return "explicitDeny"
    return "allowed" if "PERMITTED" in results else "implicitDeny"


class _Quiet(MotoRequestHandler):
    def log(self, *_: object) -> None:
        pass


def _add(person: dict[str, Any]) -> None:
    backend, name = iam_backends[ACCOUNT]["aws"], person["name"]
    backend.create_user("us-east-1", name)
    if person["policy"]:
        backend.put_user_policy(name, "keyturn", person["policy"])
    if person["login"]:
        key = backend.create_access_key(name)
        # moto makes keys up, and this one is known already.
        del backend.access_keys[key.access_key_id]
        key.access_key_id, key.secret_access_key = person["login"]["key_id"], person["login"]["secret"]
        backend.access_keys[key.access_key_id] = key


def _remove(name: str) -> None:
    backend = iam_backends[ACCOUNT]["aws"]
    if user := backend.users.pop(name, None):
        for key in user.access_keys:
            del backend.access_keys[key.access_key_id]


def main() -> None:
    listener, job = begun()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0.0
    _refuse_inactive_keys()
    _look_at_resources()
    setattr(IamResponse, "simulate_principal_policy", _simulate)  # noqa: B010
    for person in job["people"]:
        _add(person)
    front = Front(DomainDispatcherApplication(create_backend_app), job["people"][0]["login"]["key_id"])
    port = listener.getsockname()[1]
    server = make_server(HOST, port, front, threaded=True, request_handler=_Quiet, fd=listener.detach())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    serve_until_released()


if __name__ == "__main__":
    main()
