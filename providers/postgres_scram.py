"""SCRAM-SHA-256 verifiers as PostgreSQL and PgBouncer keep them.

Python's own derivation takes half as long as libpq's, and needs no connection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import stringprep
import unicodedata

ITERATIONS = 4096
"""PostgreSQL's own, unless it is set otherwise there."""
_SALT = 16
_FORM = re.compile(r"SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")
_FORBIDDEN = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def verifier(password: str, iterations: int = ITERATIONS) -> str:
    """With a fresh salt."""
    return _made(password, os.urandom(_SALT), iterations)


def belongs_to(text: str, password: str) -> bool:
    """Whether the text is a verifier of this password."""
    found = _FORM.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= 1_000_000:
        return False
    try:
        salt = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(_made(password, salt, int(found[1])), text)


def _made(password: str, salt: bytes, iterations: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, client64, server64 = (base64.b64encode(part).decode("ascii") for part in (salt, client, server))
    return f"SCRAM-SHA-256${iterations}:{salt64}${client64}:{server64}"


def _prepared(password: str) -> bytes:
    """SASLprep (RFC 4013) with PostgreSQL's departures.

    What it forbids is taken as it is, and it looks for that before the text is normalised.
    """
    if password.isascii():
        return password.encode()
    spaced = (" " if stringprep.in_table_c12(c) else c for c in password)  # first: U+200B stands in both tables
    text = "".join(c for c in spaced if not stringprep.in_table_b1(c))
    right_to_left = [stringprep.in_table_d1(c) for c in text]
    mixed = any(right_to_left) and (
        not (right_to_left[0] and right_to_left[-1]) or any(stringprep.in_table_d2(c) for c in text)
    )
    if not text or mixed or any(forbids(c) for c in text for forbids in _FORBIDDEN):
        return password.encode()
    return unicodedata.normalize("NFKC", text).encode()
