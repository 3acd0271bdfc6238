"""What the next rotation of an IAM user's keys will call, for people to read beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from providers.aws_keys import KEY_ID
from providers.base import Call, Credential, Upcoming


def foresee(user: str, upcoming: Upcoming) -> Mapping[str, Sequence[Call]]:
    """Return the calls by step."""
    goes, stays = _id_of(upcoming.previous), _id_of(upcoming.active)
    about = f"--user-name {user} --access-key-id {goes}"
    room = [
        Call(f"iam update-access-key --status Inactive {about}", f"From here on {goes} works no more."),
        Call(f"iam delete-access-key {about}", "By its recorded id."),
    ]
    made = f"Sent once. {stays} is not touched." if stays else "Sent once."
    issue = [
        Call(f"iam list-access-keys --user-name {user}", "Locks nothing; AWS knows no locks."),
        *(room if goes else []),
        Call(f"iam create-access-key --user-name {user}", made),
    ]
    guard = [Call(f"iam get-access-key-last-used --access-key-id {goes}", "Changes nothing.")]
    verify = [Call("sts get-caller-identity", "As the new key, until it answers three times in a row.")]
    return {**({"guard": guard} if goes else {}), "issue": issue, "verify": verify}


def _id_of(credential: Credential | None) -> str:
    return credential.values.get(KEY_ID, "") if credential else ""
