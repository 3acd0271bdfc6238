"""A keybox to try the example on: the service itself, and how it misbehaves."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import threading
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conformance.subject import Subject, Values


@dataclass
class Keybox:
    """Owner -> key id -> label and key. `lagging`: keys that are not let in yet. `fault` befalls the next POST."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    owners: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict, repr=False)
    lagging: set[str] = field(default_factory=set, repr=False)
    fault: str = ""
    """"lose", "throttle", "lag" or "forbid"."""

    def working(self) -> dict[str, str]:
        """Key -> owner, of those that work."""
        return {
            key: owner for owner, keys in self.owners.items() for _, key in keys.values() if key not in self.lagging
        }

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, object]:
        """HTTP status, 0 for a line that is cut, and the answer."""
        if path == "/whoami":
            return (200, self.working()[token]) if token in self.working() else (401, None)
        if token != self.token:
            return 401, None
        if method == "GET":
            return 200, {owner: {i: label for i, (label, _) in keys.items()} for owner, keys in self.owners.items()}
        if self.fault == "forbid":
            return 403, None
        if method == "POST":
            return self._make(body["owner"], body["label"])
        found = [keys for keys in self.owners.values() if keys.pop(path.rpartition("/")[2], None)]
        return (200 if found else 404), None

    def _make(self, owner: str, label: str) -> tuple[int, object]:
        if self.fault == "throttle":
            return 429, None
        if owner not in self.owners:
            return 404, None
        key_id, key = secrets.token_hex(4), secrets.token_urlsafe(16)
        self.owners[owner][key_id] = label, key
        if self.fault == "lag":
            self.lagging.add(key)
        if self.fault == "lose":
            self.fault = ""
            return 0, None
        return 200, {"id": key_id, "key": key}


class _Handler(BaseHTTPRequestHandler):
    keybox: Keybox

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        status, answer = self.keybox.answer(self.command, self.path, token, body)
        if status:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class KeyboxStand:
    """`billing` is rotated; somebody made a key of theirs by hand."""

    method = "token"

    def __init__(self, keybox: Keybox, port: int) -> None:
        self.keybox, self.port = keybox, port
        keybox.owners = {"billing": {"by-hand": ("", "made-by-hand")}}
        self.credentials: Mapping[str, Any] = {"host": "127.0.0.1", "port": port, "adminToken": keybox.token}
        self.parameters: Mapping[str, Any] = {"owner": "billing"}

    async def logs_in(self, published: Values) -> bool:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as line:
            line.request("GET", "/whoami", headers={"Authorization": f"Bearer {published['key']}"})
            return line.getresponse().status == 200

    def strays(self, held: Sequence[Values]) -> Collection[str]:
        return set(self.keybox.owners.get("billing", {})) - {"by-hand", *(each["keyId"] for each in held)}

    def intact(self) -> bool:
        return "made-by-hand" in self.keybox.working()

    def lose_answer(self) -> None:
        self.keybox.fault = "lose"

    def throttle(self) -> None:
        self.keybox.fault = "throttle"

    def lag(self, published: Values) -> None:
        self.keybox.fault = "lag"

    def forbid(self) -> None:
        self.keybox.fault = "forbid"

    def recover(self) -> None:
        self.keybox.fault = ""
        self.keybox.lagging.clear()

    def spoil(self, credential: Values) -> None:
        del self.keybox.owners["billing"][credential["keyId"]]

    def remove(self) -> None:
        del self.keybox.owners["billing"]


@contextlib.asynccontextmanager
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[KeyboxStand]:
    keybox = Keybox()
    handler = type("Handler", (_Handler,), {"keybox": keybox})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield KeyboxStand(keybox, server.server_port)
        finally:
            server.shutdown()
            serving.join()


SUBJECT = Subject("keybox-key", stand)
