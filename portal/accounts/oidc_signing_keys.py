"""Signing keys of the OpenID Connect provider: `*.pem` files in a directory, the one with the last name signs.

All of them are published, so that what an earlier one signed is still believed. No Django here: the settings read them,
and `identity` is the provider.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

BITS = 3072
_NAME = "%Y-%m-%dT%H%M%SZ"


def load(directory: Path) -> list[dict[str, Any]]:
    """As allauth's IDP_OIDC_PRIVATE_KEYS wants them, oldest first."""
    paths = sorted(directory.glob("*.pem")) if directory.is_dir() else []
    order = [datetime.fromtimestamp(number, UTC) for number in range(len(paths))]
    return [{"pem": path.read_text(), "issued_at": at} for path, at in zip(paths, order, strict=True)]


def create(directory: Path) -> Path:
    """A new key, for its owner's eyes only; it signs from the portal's next start."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    path = directory / f"{datetime.now(UTC).strftime(_NAME)}.pem"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path
