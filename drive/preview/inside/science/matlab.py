"""Variables of a MATLAB file: version 7.3, which is HDF5, by h5py; older ones by SciPy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..page import InvalidContentError
from . import drawing
from .drawing import text
from .hdf5 import Tree, opened

LOADED = 16 * 2**20
"""Bytes of a variable that is loaded."""
MOST_VARIABLES, MOST_FIELDS, MOST_DEPTH = 200, 50, 5
_BYTES = {"double": 8, "int64": 8, "uint64": 8, "single": 4, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2}
_OPENED = 6


def matlab(file: Path) -> str:
    """The variables of a file."""
    if h5py.is_hdf5(file):
        with opened(file, "MATLAB") as root:
            tree = Tree(root, _describe, hidden=("#refs#", "#subsystem#"), reverse=True)
            return drawing.page(tree.html() or drawing.note("No variables."))
    return drawing.page("".join(_variables(file)) or drawing.note("No variables."))


def _describe(dataset: h5py.Dataset) -> str | None:
    """Text and cells of version 7.3; None for numbers. MATLAB keeps the first dimension last."""
    kind = dataset.attrs.get("MATLAB_class", b"")
    if dataset.attrs.get("MATLAB_empty"):
        return drawing.note("Empty.")
    if kind == b"char" and dataset.dtype.kind == "u" and dataset.size < 100_000:
        rows = np.atleast_2d(np.asarray(dataset[()])).T[:10]
        return "".join(f"<p><code>{text(''.join(map(chr, row)), 1000)}</code></p>" for row in rows)
    if kind == b"cell" and h5py.check_ref_dtype(dataset.dtype):
        return _cell(dataset)
    return None


def _cell(dataset: h5py.Dataset) -> str:
    if dataset.size > 100_000:
        return drawing.note("This cell array is too large to look into here.")
    said = []
    for reference in np.asarray(dataset[()]).T.ravel(order="F")[:MOST_FIELDS]:
        item = dataset.file[reference] if reference else None
        if not isinstance(item, h5py.Dataset):
            said.append("<li>struct</li>" if item is not None else "<li>nothing</li>")
            continue
        kind = item.attrs.get("MATLAB_class", b"").decode(errors="replace")
        words = (
            "" if item.size > 1000 or kind != "char" else f": {text(''.join(map(chr, np.asarray(item[()]).ravel())))}"
        )
        said.append(f"<li>{text(kind)} {drawing.size((item.shape or ())[::-1])}{words}</li>")
    return f"<ol>{''.join(said)}</ol>"


def _variables(file: Path) -> Iterator[str]:
    import scipy.io

    try:
        listed = scipy.io.whosmat(file)
    except Exception as error:
        raise InvalidContentError("This is not a valid MATLAB file.") from error
    for name, shape, kind in listed[:MOST_VARIABLES]:
        inside = _loaded(file, name, shape, kind)
        is_open = " open" if len(listed) <= _OPENED else ""
        summary = f"<b>{text(name)}</b> <code>{text(kind)} {drawing.size(shape)}</code>"
        yield f"<details{is_open}><summary>{summary}</summary>{inside}</details>"
    if len(listed) > MOST_VARIABLES:
        yield drawing.note(f"The first {MOST_VARIABLES} of {len(listed):,} variables are shown.")


def _loaded(file: Path, name: str, shape: tuple[int, ...], kind: str) -> str:
    import scipy.io

    nested = kind in ("cell", "struct", "object", "opaque", "function")
    size = file.stat().st_size if nested else int(np.prod(shape, dtype=object)) * _BYTES.get(kind, 1)
    if size > LOADED:
        return drawing.note("The values are too many to load here.")
    try:
        value = scipy.io.loadmat(file, variable_names=[name], chars_as_strings=True)[name]
    except Exception as error:
        return drawing.note(f"The values cannot be read ({type(error).__name__}).")
    return _value(value, name)


def _value(value: Any, name: str, depth: int = 0) -> str:
    if hasattr(value, "toarray"):
        return drawing.note(f"Sparse, with {value.nnz:,} values that are not zero.")
    value = np.asarray(value)
    if value.dtype.kind == "U":
        return "".join(f"<p><code>{text(row, 1000)}</code></p>" for row in value.ravel()[:10])
    if value.dtype.kind not in "OV":
        return drawing.array(value[drawing.window(value.shape)], f"{name}, drawn", value.shape)
    if depth >= MOST_DEPTH or not value.size:
        return drawing.note("Empty." if not value.size else "Deeper values are not shown.")
    if value.dtype.names:
        first = value.ravel()[0]
        fields = [(field, first[field]) for field in value.dtype.names[:MOST_FIELDS]]
        more = drawing.note(f"Fields of the first of {value.size:,}.") if value.size > 1 else ""
    else:
        fields = [(f"{{{at}}}", item) for at, item in enumerate(value.ravel(order="F")[:MOST_FIELDS], 1)]
        more = drawing.note(f"The first {MOST_FIELDS} of {value.size:,}.") if value.size > MOST_FIELDS else ""
    return more + "".join(_field(field, item, depth) for field, item in fields)


def _field(name: str, item: Any, depth: int) -> str:
    kind = getattr(getattr(item, "dtype", None), "name", type(item).__name__)
    shape = drawing.size(np.shape(item)) if hasattr(item, "shape") else ""
    kind = {"object": "cell"}.get(
        kind, "struct" if kind.startswith("void") else "text" if kind.startswith("str") else kind
    )
    return (
        f"<details><summary><b>{text(name)}</b> <code>{text(kind)} {shape}</code></summary>"
        f"{_value(item, name, depth + 1)}</details>"
    )
