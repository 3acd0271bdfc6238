"""PEM texts as people paste them: in one line, with blanks for line ends, with a backslash and an n."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


def unfolded(text: str) -> str:
    """Return the blocks in the text with the line ends that they should have; other texts as they are."""
    text = text.replace("\\n", "\n")
    blocks = [(kind, re.sub(r"\s+", "", body)) for kind, body in _BLOCK.findall(text) if ":" not in body]
    lines: list[str] = []
    for kind, body in blocks:
        folded = [body[start : start + 64] for start in range(0, len(body), 64)]
        lines += [f"-----BEGIN {kind}-----", *folded, f"-----END {kind}-----", ""]
    return "\n".join(lines) or text.strip()


def certificate_problem(certificate: str, key: str) -> str:
    """Return why the two can't be used together, empty when they can."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        return "The certificate can't be read."
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        return "The private key can't be read."
    if not isinstance(private, RSAPrivateKey):
        return "Entra takes RSA keys only."
    if private.public_key() != loaded.public_key():
        return "The private key belongs to another certificate."
    return ""
