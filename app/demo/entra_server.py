"""The process behind the demo's Entra and Graph: a tenant with Keyturn's application and the shop's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.demo.certificates import Certificates
from app.demo.entra import Entra
from app.demo.entra_tenant import OWNED_BY, Application, Tenant
from app.demo.leashed import begun, serve_until_released


def _tenant(job: dict[str, Any]) -> Tenant:
    """Keyturn may change the shop's application alone, as its owner."""
    tenant = Tenant()
    keyturn = Application("Keyturn", {OWNED_BY}, client_id=job["keyturn"]["clientId"])
    shop = Application(job["shop"]["appName"], id=job["shop"]["objectId"], client_id=job["shop"]["clientId"])
    assert keyturn.principal is not None
    shop.owners.add(keyturn.principal)
    tenant.applications = {application.id: application for application in (keyturn, shop)}
    tenant.add_secret(keyturn, "for the demo").text = job["keyturn"]["clientSecret"]
    return tenant


def main() -> None:
    listener, job = begun()
    certificates = Certificates(Path(job["ca"]), Path(job["leaf"]))
    with Entra(_tenant(job), certificates=certificates, listener=listener):
        serve_until_released()


if __name__ == "__main__":
    main()
