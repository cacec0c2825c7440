"""Arrays of NumPy. Nothing is ever unpickled: an array of Python objects is a program that runs when it is loaded."""

import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as numpy_format

from ..page import InvalidContentError
from . import drawing
from .drawing import text

READ, READ_IN_ALL = 8 * 2**20, 96 * 2**20
"""Bytes that are unpacked of one array of an archive, and of all."""
MOST_ARRAYS = 200
_OPENED = 6
_PICKLED = (
    "This array holds Python objects, which are never loaded here: loading them runs whatever program they contain."
)


def npy(file: Path) -> str:
    """An array: of a large one the part that is shown."""
    with file.open("rb") as source:
        shape, _, dtype = _header(source)
    try:
        values = np.load(file, mmap_mode="r", allow_pickle=False)
        body = drawing.array(values[drawing.window(shape)], "The array, drawn", shape)
    except (ValueError, OSError, OverflowError) as error:
        raise InvalidContentError("This array is not complete, or its header is wrong.") from error
    return drawing.page(f"<h1>{text(dtype)} <code>{drawing.size(shape)}</code></h1>{body}")


def npz(file: Path) -> str:
    """The arrays of an archive, unpacked as far as they are shown."""
    left, parts = READ_IN_ALL, []
    try:
        with zipfile.ZipFile(file) as archive:
            names = [item for item in archive.infolist() if not item.is_dir()]
            is_open = len(names) <= _OPENED
            for item in names[:MOST_ARRAYS]:
                inside, read = _member(archive, item, left)
                left -= read
                tag = "<details open>" if is_open else "<details>"
                parts.append(f"{tag}<summary><b>{text(item.filename.removesuffix('.npy'))}</b> {inside}</details>")
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise InvalidContentError("This is not a valid archive of NumPy arrays.") from error
    if not parts:
        raise InvalidContentError("There is no array in this archive.")
    if len(names) > MOST_ARRAYS:
        parts.append(drawing.note(f"The first {MOST_ARRAYS} of {len(names):,} arrays are shown."))
    return drawing.page("".join(parts))


def _header(source: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type; InvalidContentError if it is wrong, or the array is pickled."""
    try:
        version = numpy_format.read_magic(source)
        read = numpy_format.read_array_header_1_0 if version == (1, 0) else numpy_format.read_array_header_2_0
        shape, by_columns, dtype = read(source)
    except Exception as error:  # of the parser that reads a header as Python's literals, too
        raise InvalidContentError("This is not a valid NumPy array.") from error
    if dtype.hasobject:
        raise InvalidContentError(_PICKLED)
    return shape, by_columns, dtype


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo, left: int) -> tuple[str, int]:
    """What follows an array's name, and how many bytes were unpacked for it."""
    with archive.open(item) as source:
        try:
            shape, by_columns, dtype = _header(source)
        except InvalidContentError as error:
            return f"</summary>{drawing.note(str(error))}", 0
        summary = f"<code>{text(dtype)} {drawing.size(shape)}</code></summary>"
        most = min(READ, left)
        if not dtype.itemsize or dtype.itemsize > most:
            return summary + drawing.note("Enough was read of this file for one page."), 0
        data = source.read(most)
    values = np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)
    return summary + drawing.array(*_first(values, shape, by_columns=by_columns)), len(data)


def _first(values: np.ndarray, shape: tuple[int, ...], *, by_columns: bool) -> tuple[np.ndarray, str, tuple[int, ...]]:
    """As much of an array as its first values fill: whole, its first rows, or what there is in a row."""
    total = int(np.prod(shape, dtype=object))
    order = shape[::-1] if by_columns else shape
    row = int(np.prod(order[1:], dtype=object))
    if total and values.size >= total:
        array = values[:total].reshape(order)
    elif row and values.size >= row:
        array = values[: values.size // row * row].reshape(-1, *order[1:])
    else:
        return values[:100_000], "The first values, drawn", shape
    array = array.T if by_columns else array
    return array[drawing.window(array.shape)], "The array, drawn", shape
