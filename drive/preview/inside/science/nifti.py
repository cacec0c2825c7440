"""A volume of NIfTI or FreeSurfer's MGH in three directions, read by nibabel: of a large one evenly chosen slices."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

from ..page import InvalidContentError
from . import drawing

SIDE = 256
"""Pixels of a slice: every second voxel is taken where it has more."""
READ, UNPACKED = 64 * 2**20, 160 * 2**20
"""Bytes that are read of a volume, and that are unpacked of a compressed one, which can only be read from its start."""
MOST_SLICES, MOST_PLANE = 96, 64 * 2**20
SHOWN = 48
"""Slices in each direction."""
_DIRECTIONS = [("Axial", 2, "bottom to top"), ("Coronal", 1, "back to front"), ("Sagittal", 0, "left to right")]


def nifti(file: Path) -> str:
    """Three steppers through the first volume, and the header in words."""
    try:
        image: Any = nibabel.load(file, keep_file_open=True)
        shape, item = image.shape, image.header.get_data_dtype().itemsize
        zooms = [float(zoom) for zoom in image.header.get_zooms()]
    except Exception as error:
        raise InvalidContentError("This is not a valid NIfTI or MGH file.") from error
    _check(file, image, shape, item)
    try:
        voxels, planes = _voxels(file, image, item)
    except (OSError, EOFError, ValueError, OverflowError) as error:
        raise InvalidContentError("The file ends before all of its volume: it is not complete.") from error
    body = drawing.facts(_facts(image, shape, zooms))
    if len(shape) > 3 and int(np.prod(shape[3:])) > 1:
        body += drawing.note(f"Shown is volume 1 of {int(np.prod(shape[3:])):,}.")
    depth = shape[2] if len(shape) > 2 else 1
    if planes[-1] < depth - 1:
        body += drawing.note(f"Shown are slices 1 to {planes[-1] + 1} of {depth:,}: the file is compressed, and long.")
    elif len(planes) < depth:
        body += drawing.note(f"Shown are {len(planes)} of {depth:,} slices, evenly chosen.")
    return drawing.page(f"{_views(image, voxels, planes, shape, zooms)}<h2>Header</h2>{body}")


def _check(file: Path, image: Any, shape: tuple[int, ...], item: int) -> None:
    """InvalidContentError for what cannot be shown, or is promised by the header and not there."""
    if len(shape) < 2 or min(shape) < 1 or image.header.get_data_dtype().hasobject:
        raise InvalidContentError("There is no volume in this file.")
    if shape[0] * shape[1] * item > MOST_PLANE:
        raise InvalidContentError("The slices of this volume are too large to show here.")
    bytes_promised = int(np.prod(shape, dtype=object)) * item
    if not _is_packed(file) and bytes_promised > file.stat().st_size:
        raise InvalidContentError("The header promises more than the file holds.")


def _is_packed(file: Path) -> bool:
    with file.open("rb") as source:
        return source.read(2) == b"\x1f\x8b"


def _voxels(file: Path, image: Any, item: int) -> tuple[np.ndarray, list[int]]:
    """Some slices of the first volume, x × y × slice, and which ones."""
    shape = image.shape
    depth = shape[2] if len(shape) > 2 else 1
    plane = shape[0] * shape[1] * item
    reachable = min(depth, max(1, UNPACKED // plane)) if _is_packed(file) else depth
    planes = drawing.spread(reachable, min(MOST_SLICES, max(1, READ // plane)))
    steps = [max(1, -(-length // SIDE)) for length in shape[:2]]
    rest = (0,) * (len(shape) - 3)
    slices = []
    for at in planes:
        where = (slice(None, None, steps[0]), slice(None, None, steps[1]), *([at] if len(shape) > 2 else []), *rest)
        slices.append(_numbers(np.asarray(image.dataobj[where])))
    return np.stack(slices, axis=2), planes


def _numbers(values: np.ndarray) -> np.ndarray:
    if values.dtype.names:  # colours
        values = np.mean([values[name] for name in values.dtype.names[:3]], axis=0)
    return np.abs(values) if values.dtype.kind == "c" else values.astype(np.float32)


def _views(image: Any, voxels: np.ndarray, planes: list[int], shape: tuple[int, ...], zooms: list[float]) -> str:
    """A stepper in each direction; left is left, as in most of neuroscience."""
    bounds = drawing.window_of(voxels)
    pixels = drawing.greys(voxels, bounds)
    extent = [shape[0] * zooms[0], shape[1] * zooms[1], (planes[-1] + 1) * (zooms[2] if len(zooms) > 2 else 1)]
    extent = [length if np.isfinite(length) and length > 0 else 1.0 for length in extent]
    numbers = [list(range(pixels.shape[0])), list(range(pixels.shape[1])), planes]
    steps = [max(1, -(-length // SIDE)) for length in shape[:2]]
    numbers[0], numbers[1] = [at * steps[0] for at in numbers[0]], [at * steps[1] for at in numbers[1]]
    counts = [*shape[:2], shape[2] if len(shape) > 2 else 1]
    try:
        turn = ornt_transform(io_orientation(image.affine), axcodes2ornt("RAS"))
        known = not np.isnan(turn).any()
    except (ValueError, np.linalg.LinAlgError):
        known = False
    if known:
        pixels = apply_orientation(pixels, turn)
        order = [0, 0, 0]
        for before, (after, flip) in enumerate(turn):
            order[int(after)] = before
            if flip < 0:
                numbers[before] = numbers[before][::-1]
        extent, numbers = [extent[at] for at in order], [numbers[at] for at in order]
        counts = [counts[at] for at in order]
    largest = max(extent)
    size = [max(8, round(SIDE * length / largest)) for length in extent]
    parts = []
    for title, axis, way in _DIRECTIONS:
        if pixels.shape[axis] == 1 and axis != 2:
            continue
        across, up = (other for other in range(3) if other != axis)
        chosen = drawing.spread(pixels.shape[axis], SHOWN)
        pictures = []
        for at in chosen:
            plane = np.rot90(np.moveaxis(pixels, axis, 0)[at])
            caption = f"slice {numbers[axis][at] + 1} of {counts[axis]:,}"
            share = extent[across] / largest
            shown = drawing.picture(plane, f"{title}, {caption}", width=size[across], height=size[up], share=share)
            pictures.append((shown, caption))
        heading = f'<h2>{title}</h2><p class="note">{way if known else f"along axis {axis + 1}"}</p>'
        if min(pixels.shape[across], pixels.shape[up]) > 1 or axis == 2:
            parts.append(f"<section>{heading}{drawing.stepper(title, pictures, len(pictures) // 2)}</section>")
    return f'<div class="views">{"".join(parts)}</div>'


def _facts(image: Any, shape: tuple[int, ...], zooms: list[float]) -> list[tuple[str, object]]:
    header = image.header
    facts: list[tuple[str, object]] = [
        ("voxels", drawing.size(shape)),
        ("voxel size", " × ".join(f"{zoom:.4g}" for zoom in zooms)),
        ("type", header.get_data_dtype().newbyteorder("=")),
        ("axes", "".join(code or "?" for code in nibabel.aff2axcodes(image.affine))),
    ]
    if hasattr(header, "get_xyzt_units"):
        facts.append(("units", ", ".join(unit for unit in header.get_xyzt_units() if unit != "unknown")))
        facts.append(("description", bytes(header["descrip"].item()).rstrip(b"\0")))
        slope, intercept = header.get_slope_inter()
        if slope not in (None, 1) or intercept not in (None, 0):
            facts.append(("scaling", f"{slope} × value + {intercept}"))
    return [(name, value) for name, value in facts if value not in (b"", "")]
