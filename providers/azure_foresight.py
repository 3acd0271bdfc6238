"""What the next rotation of a client secret will ask of Entra and Graph, for people to read beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from providers.base import Call, Upcoming

if TYPE_CHECKING:
    from providers.azure_client_secret import AzureParameters


def foresee(parameters: AzureParameters, upcoming: Upcoming) -> Mapping[str, Sequence[Call]]:
    """Return the calls by step."""
    application = f"/applications/{parameters.object_id}"
    goes = upcoming.previous.values.get("keyId", "") if upcoming.previous else ""
    add = Call(f"POST {application}/addPassword", "Sent once, named after the attempt. No secret is removed by it.")
    sign_in = Call(
        f"POST /oauth2/v2.0/token as {parameters.client_id}",
        "With the new secret, until it worked three times.",
    )
    remove = Call(f"POST {application}/removePassword", f"Removes {goes}, by its recorded key ID, after publication.")
    return {"issue": [add], "verify": [sign_in], **({"retire": [remove]} if goes else {})}
