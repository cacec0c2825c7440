"""A TIFF or a stack of them, read by tifffile; where a compression is not known to it, by Pillow."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from ..page import InvalidContentError
from . import drawing

SIDE = 900
STACK_SIDE = 420
MOST_PAGE, MOST_READ = 96 * 2**20, 192 * 2**20
"""Bytes of one picture that is unpacked, and of all."""
SHOWN = 32


def tiff(file: Path) -> str:
    """The picture, or a stepper through the stack, and what the file says about it."""
    try:
        with tifffile.TiffFile(file) as opened:
            series = opened.series[0]
            planes = _planes(file, series)
            facts = _facts(opened, series)
    except InvalidContentError:
        raise
    except Exception as error:
        raise InvalidContentError("This is not a valid TIFF file, or it is not complete.") from error
    shown, count = planes
    bounds = drawing.window_of(np.concatenate([plane.ravel()[::97] for _, plane in shown]))
    pictures = [(_picture(plane, bounds, len(shown)), f"{at + 1} of {count:,}") for at, plane in shown]
    body = drawing.stepper("Picture", pictures) if count > 1 else f"<figure>{pictures[0][0]}</figure>"
    if len(shown) < count:
        body += drawing.note(f"Shown are {len(shown)} of {count:,} pictures, evenly chosen.")
    return drawing.page(f"{body}<h2>About the file</h2>{drawing.facts(facts)}")


def _planes(file: Path, series: Any) -> tuple[list[tuple[int, np.ndarray]], int]:
    """Some pictures of a series with their numbers, and how many it has."""
    level = _level(series)
    first = level.keyframe
    samples = first.samplesperpixel if first.planarconfig != 2 else 1
    height, width = first.imagelength, first.imagewidth
    one = height * width * samples * max(1, first.bitspersample // 8)
    stack = _mapped(file, series) if one and level is series else None
    count = len(level.pages) if stack is None else len(stack)
    if stack is None and one > MOST_PAGE:
        raise InvalidContentError("This picture is too large to unpack here.")
    planes = []
    for at in drawing.spread(count, max(1, min(SHOWN, MOST_READ // max(one, 1)))):
        plane = stack[at] if stack is not None else _page(file, level.pages[at])
        if plane is not None:
            planes.append((at, _thinned(plane)))
    if not planes:
        raise InvalidContentError("There is no picture in this file.")
    return planes, count


def _level(series: Any) -> Any:
    """Of a pyramid the smallest picture that fills the page."""
    fitting = [level for level in series.levels if max(level.keyframe.imagelength, level.keyframe.imagewidth) >= SIDE]
    return fitting[-1] if fitting else series


def _mapped(file: Path, series: Any) -> np.ndarray | None:
    """Pictures × rows × columns, and colours, without reading them; None where the file is compressed or in parts."""
    try:
        values = tifffile.memmap(file, series=0, mode="r")
    except ValueError:
        return None
    colours = 3 if series.axes.endswith("S") else 2
    return values.reshape(-1, *values.shape[-colours:]) if values.ndim >= colours else None


def _page(file: Path, page: Any) -> np.ndarray | None:
    if page is None:
        return None
    try:
        values = page.asarray()
    except (ValueError, NotImplementedError, ImportError, RuntimeError) as error:
        return _by_pillow(file, page, error)
    if page.keyframe.planarconfig == 2 and values.ndim > 2:
        values = np.moveaxis(values, 0, -1)
    return values.reshape(-1, *values.shape[-2:])[0] if values.ndim > 3 else values


def _by_pillow(file: Path, page: Any, why: Exception) -> np.ndarray:
    try:
        with Image.open(file) as image:
            image.seek(page.index)
            return np.asarray(image)
    except Exception as error:
        name = getattr(page.compression, "name", page.compression)
        raise InvalidContentError(f"This picture is compressed in a way that cannot be read here ({name}).") from (
            why or error
        )


def _thinned(plane: np.ndarray) -> np.ndarray:
    """Every n-th pixel of a large picture, as numbers of its own: the file may be mapped."""
    step = max(1, max(plane.shape[:2]) // (2 * SIDE))
    return np.array(plane[::step, ::step])


def _picture(plane: np.ndarray, bounds: tuple[float, float], count: int) -> str:
    if plane.ndim == 3:
        plane = plane[..., :3] if plane.shape[-1] >= 3 else plane[..., 0]
    if plane.dtype == bool:
        plane = plane.astype(np.uint8) * 255
    pixels = (
        plane if plane.dtype == np.uint8 else drawing.greys(np.abs(plane) if plane.dtype.kind == "c" else plane, bounds)
    )
    scale = (STACK_SIDE if count > 1 else SIDE) / max(pixels.shape[:2])
    scale = min(scale, 4)
    width, height = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return drawing.picture(pixels, "Picture", width=width, height=height)


def _facts(opened: Any, series: Any) -> list[tuple[str, object]]:
    page = series.keyframe
    facts: list[tuple[str, object]] = [
        ("shape", f"{drawing.size(series.shape)} ({series.axes})"),
        ("type", series.dtype),
        ("compression", getattr(page.compression, "name", page.compression)),
        ("kind", ", ".join(sorted(opened.flags)) or "TIFF"),
    ]
    if len(opened.series) > 1:
        facts.append(("series", f"the first of {len(opened.series)}"))
    for name in ("ImageDescription", "Software", "DateTime"):
        if tag := page.tags.get(name):
            facts.append((name, tag.value))
    return facts
