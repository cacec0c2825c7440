"""How much an upload may have. Without Django: bin/up asks for the proxy's configuration, too."""

UPLOAD_MAX = "64g"
UNANNOUNCED = 2**30
"""Bytes that a body without a length may have at most: as much must be free before it is read."""


def unannounced(upload_max: str) -> int:
    """Bytes that a body without a length may have where the largest upload (UPLOAD_MAX) is this."""
    return int(min(in_bytes(upload_max or UPLOAD_MAX), UNANNOUNCED))


def in_bytes(text: str) -> float:
    """Bytes of a size as nginx writes it, such as `16m`; 0 is no limit."""
    number = int(text.rstrip("kKmMgG")) * {"k": 2**10, "m": 2**20, "g": 2**30}.get(text[-1].lower(), 1)
    return number or float("inf")
