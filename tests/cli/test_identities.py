"""`keyturn identities`: the secret is printed once, and lists hold none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.ground import done, keyturn


def test_an_identity_from_its_creation_to_its_end(ready: Path) -> None:
    made = done(
        *("identities", "create", "billing", "--project", "default", "--environments", "dev, prod"),
        *("--paths", "/,/db/**", "--allow", "rotate,read", "--token-minutes", "90", "--json"),
    ).json
    identity, secret = made["identity"], made["clientSecret"]
    assert (identity["name"], identity["project"], identity["tokens"]) == ("billing", "default", 0)
    assert (identity["environments"], identity["paths"]) == (["dev", "prod"], ["/", "/db/**"])
    assert (identity["allowed"], identity["tokenSeconds"]) == (["read", "rotate"], 5400)
    assert done("identities", "list", "--json").json == {"identities": [identity]}
    assert done("identities", "show", identity["id"], "--json").json == {"identity": identity}
    shown = done("identities", "show", "billing").said + done("identities", "list").said
    assert identity["id"] in shown
    assert secret not in shown

    other = done("identities", "new-secret", "billing").lines
    assert dict(other)["client secret"] not in (secret, "")
    assert done("identities", "revoke", "billing", "--json").json == {"revokedTokens": 0}
    assert "is removed" in done("identities", "remove", "billing").err
    assert done("identities", "list", "--json").json == {"identities": []}
    told = [line["action"] for line in done("events", "--json").json["events"]]
    expected = ["delete-identity", "revoke-identity-tokens", "new-identity-secret", "create-identity"]
    assert [action for action in told if "identity" in action] == expected


@pytest.mark.parametrize("verb", ["show", "new-secret", "revoke", "remove"])
def test_an_unknown_identity_exits_3(ready: Path, verb: str) -> None:
    ran = keyturn("identities", verb, "nobody")
    assert (ran.code, ran.out) == (3, "")
    assert "There is no identity 'nobody'" in ran.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--project", "nowhere"], 3, "no project 'nowhere'"),
        (["--project", "default", "--environments", "mars"], 2, "no environment 'mars'"),
        (["--project", "default", "--environments", " ,"], 2, "--environments names none"),
        (["--project", "default", "--allow", "fly"], 2, "no right 'fly'"),
        (["--project", "default", "--paths", "db"], 2, "'db' is no folder path"),
        (["--project", "default", "--token-minutes", "0"], 2, "from 1 to 43200"),
        ([], 2, "--project"),
    ],
)
def test_what_makes_no_sense_is_refused(ready: Path, words: list[str], code: int, said: str) -> None:
    ran = keyturn("identities", "create", "billing", *words)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert done("identities", "list", "--json").json == {"identities": []}
