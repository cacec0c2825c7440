"""Digest of a secret: the only form in which tokens of invitations, of the API and of the gateway are stored."""

import hashlib


def digest(secret: str) -> str:
    """SHA-256 of a random secret, as 64 hexadecimal digits. One round is enough: it is long, so nobody can guess it."""
    return hashlib.sha256(secret.encode()).hexdigest()
