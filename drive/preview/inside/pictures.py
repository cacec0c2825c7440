"""Pictures that a notebook carries."""

import base64
import binascii
import re


def address(media_type: str, data: object) -> str | None:
    """A data URI for a picture in base64, or in lines of it."""
    text = "".join(data) if isinstance(data, list) and all(isinstance(line, str) for line in data) else data
    if not isinstance(text, str):
        return None
    if media_type == "image/svg+xml" and "<" in text:
        return f"data:{media_type};base64,{base64.b64encode(text.encode(errors='replace')).decode()}"
    try:
        base64.b64decode(plain := re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError):
        return None
    return f"data:{media_type};base64,{plain}" if plain else None
