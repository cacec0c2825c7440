"""A picture of HEIF or HEIC, as telephones make them, as JPEG, read by pillow-heif."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..page import InvalidContentError
from . import drawing

SIDE = 1400
MOST_PIXELS = 120_000_000


def heic(file: Path) -> str:
    """The first picture of a file, upright."""
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    try:
        with Image.open(file) as image:
            full = image.size
            if full[0] * full[1] > MOST_PIXELS:
                raise InvalidContentError("This picture is too large to show here.")
            upright = ImageOps.exif_transpose(image).convert("RGB")
            upright.thumbnail((SIDE, SIDE))
    except InvalidContentError:
        raise
    except Exception as error:
        raise InvalidContentError("This is not a valid HEIC picture.") from error
    shown = drawing.picture(np.asarray(upright), "Picture")
    return drawing.page(f"<figure>{shown}<figcaption>{full[0]:,} × {full[1]:,} pixels</figcaption></figure>")
