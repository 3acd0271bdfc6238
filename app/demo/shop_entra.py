"""The shop's application in Entra, whose programs ask for tokens."""

from __future__ import annotations

import asyncio
import http.client
import re
import secrets
import ssl
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from app.demo.certificates import make_certificates
from app.demo.entra_tenant import DOMAIN
from app.demo.leashed import HOST, Leashed
from app.demo.shop import Refused, Target, Values

APPLICATION = "Shop"
_DEADLINE = 10.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Tenant:
    """Where Entra and Graph stand in, and whom to believe there."""

    process: Leashed
    target: Target


def begin_tenant(folder: Path, *, niceness: int = 0) -> Tenant:
    """Returns at once; who asks early waits for the answer. The folder holds the certificates and complaints."""
    certificates = make_certificates(folder)
    keyturn = {"clientId": str(uuid.uuid4()), "clientSecret": f"~{secrets.token_urlsafe(30)}"}
    shop = {"objectId": str(uuid.uuid4()), "clientId": str(uuid.uuid4()), "appName": APPLICATION}
    job = {"keyturn": keyturn, "shop": shop, "ca": str(certificates.ca), "leaf": str(certificates.leaf)}
    process = Leashed("app.demo.entra_server", job, complaints=folder / "entra.log", niceness=niceness)
    url = f"https://{HOST}:{process.port}"
    trusted = ssl.create_default_context(cafile=str(certificates.ca))
    target = Target(
        label="Azure",
        type="azure-client-secret",
        app="azure-client-secrets",
        connection="shop-entra",
        method="client-secret",
        credentials={
            "tenantId": DOMAIN,
            **keyturn,
            "authority": url,
            "graphUrl": url,
            "caFile": str(certificates.ca),
        },
        rotation="shop-entra-secret",
        parameters=shop,
        mapping={"clientId": "SHOP_AZURE_CLIENT_ID", "clientSecret": "SHOP_AZURE_CLIENT_SECRET"},
        told=lambda values: f"a new client secret of {APPLICATION}",
        log_in=partial(_ask_for_token, process.port, trusted),
        clients=2,
        pace=4.0,
    )
    return Tenant(process, target)


async def _ask_for_token(port: int, trusted: ssl.SSLContext, values: Values, number: int) -> None:
    await asyncio.to_thread(_get_token, port, trusted, values["clientId"], values["clientSecret"])


def _get_token(port: int, trusted: ssl.SSLContext, client_id: str, secret: str) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
        "scope": "https://graph.microsoft.com/.default",
    }
    line = http.client.HTTPSConnection(HOST, port, timeout=_DEADLINE, context=trusted)
    try:
        line.request("POST", f"/{DOMAIN}/oauth2/v2.0/token", urlencode(form), _FORM)
        answer = line.getresponse()
        told = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"Entra does not answer: {type(error).__name__}") from error
    finally:
        line.close()
    if answer.status != 200:
        code = re.search(r"AADSTS\d+", told)
        raise Refused(f"Entra refuses the client secret of {APPLICATION}: {code[0] if code else answer.status}")
