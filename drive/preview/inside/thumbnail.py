"""A small picture of a picture, for lists: as PNG, without what else the file says, such as the place of the camera."""

import io
from pathlib import Path

from PIL import Image, ImageOps

from .page import InvalidContentError

SIDE = 96
"""Pixels of the longer side: twice what lists show, for dense screens."""
MOST_PIXELS = 100_000_000
FORMATS = {"AVIF", "GIF", "JPEG", "PNG", "WEBP"}


def thumbnail(file: Path) -> bytes:
    """The first picture of a file, upright."""
    Image.init()
    try:
        with Image.open(file, formats=sorted(FORMATS & Image.OPEN.keys())) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise InvalidContentError("This picture is too large.")
            small = picture.convert("RGBA") if picture.mode == "P" else picture
            small.thumbnail((SIDE, SIDE))  # of JPEG, no more points are read than that takes
            small = ImageOps.exif_transpose(small)
            small = small.convert("RGBA" if small.has_transparency_data else "RGB")
    except InvalidContentError:
        raise
    except Exception as error:
        raise InvalidContentError("This is not a valid picture.") from error
    small.info = {}
    written = io.BytesIO()
    small.save(written, "PNG")
    return written.getvalue()
