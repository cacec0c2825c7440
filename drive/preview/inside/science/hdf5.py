"""The tree of an HDF5 file: groups, arrays, attributes, and a look at each array, read by h5py.

Only what is in this file: a link that leads out of it is named and not followed, and data that lies in other files is
not read. A hard link may make a circle: an object is shown once.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..page import InvalidContentError
from . import drawing
from .drawing import text

MOST_OBJECTS, MOST_DEPTH = 1000, 24
LOOKED_AT = 60
"""So many arrays are looked into."""
OPENED = 6
"""So many arrays are open at first."""
CHUNK, READ = 32 * 2**20, 96 * 2**20
"""Bytes: of a chunk, which is unpacked as a whole; and of all that is unpacked for one page."""
ATTRIBUTES, ATTRIBUTE = 40, 64 * 1024

Describe = Callable[[h5py.Dataset], str | None]


def hdf5(file: Path) -> str:
    """The tree of a file."""
    with opened(file) as root:
        return drawing.page(Tree(root).html())


def opened(file: Path, what: str = "HDF5") -> h5py.File:
    """An HDF5 file; InvalidContentError if it is none."""
    try:
        return h5py.File(file, "r", locking=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidContentError(f"This is not a valid {what} file, or it is not complete.") from error


class Tree:
    """The tree of a file as HTML; `describe`: of arrays that have their own kind of values, the HTML; else None.

    `hidden`: names of groups at the root that are not shown; `reverse`: shapes are written the other way round.
    """

    def __init__(
        self,
        root: h5py.File,
        describe: Describe = lambda _: None,
        *,
        hidden: tuple[str, ...] = (),
        reverse: bool = False,
    ) -> None:
        self._root = root
        self._describe = describe
        self._hidden = hidden
        self._seen: dict[tuple[int, int], str] = {}
        self._objects = 0
        self._arrays = 0
        self._left = READ
        self._reversed = reverse

    def html(self) -> str:
        """All of it, as far as there is room."""
        self._seen[_key(self._root)] = "/"
        body = self._attributes(self._root) + self._members(self._root, 0)
        if self._objects >= MOST_OBJECTS:
            body += drawing.note(f"The first {MOST_OBJECTS:,} groups and arrays are shown.")
        if self._arrays > LOOKED_AT:
            body += drawing.note(f"Values of the first {LOOKED_AT} arrays are shown.")
        return body.replace("<details data-array>", "<details open>", OPENED)

    def _members(self, group: h5py.Group, depth: int) -> str:
        parts = []
        for name in _names(group):
            if self._objects >= MOST_OBJECTS:
                break
            if depth == 0 and name in self._hidden:
                continue
            self._objects += 1
            try:
                parts.append(self._member(group, name, depth))
            except Exception as error:
                parts.append(_line(name, f"cannot be read ({type(error).__name__})"))
        return "".join(parts)

    def _member(self, group: h5py.Group, name: str, depth: int) -> str:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            return _line(name, f"link to {link.path}")
        if isinstance(link, h5py.ExternalLink):
            return _line(name, f"link to {link.path} in another file, {link.filename}: not followed")
        item = group[name]
        key = _key(item)
        if key in self._seen:
            return _line(name, f"the same as {self._seen[key]}")
        self._seen[key] = item.name or name
        if isinstance(item, h5py.Dataset):
            return self._array(name, item)
        if not isinstance(item, h5py.Group):
            return _line(name, "a type")
        inside = self._attributes(item)
        inside += self._members(item, depth + 1) if depth < MOST_DEPTH else drawing.note("Deeper groups are not shown.")
        is_open = " open" if depth < 2 else ""
        count = len(item)
        summary = f"<b>{text(name)}</b> <code>{count:,} member{'s' * (count != 1)}</code>"
        return f"<details{is_open}><summary>{summary}</summary>{inside}</details>"

    def _array(self, name: str, dataset: h5py.Dataset) -> str:
        shape = dataset.shape
        kind = _type(dataset)
        shown = drawing.size(shape[::-1] if self._reversed else shape) if shape is not None else "empty"
        self._arrays += 1
        inside = self._attributes(dataset)
        if self._arrays <= LOOKED_AT:
            inside += self._values(dataset)
        summary = f"<b>{text(name)}</b> <code>{text(kind)} {shown}</code>"
        return f"<details data-array><summary>{summary}</summary>{inside}</details>"

    def _values(self, dataset: h5py.Dataset) -> str:
        try:
            if dataset.shape is None or 0 in dataset.shape:
                return drawing.note("No values.")
            part = drawing.window(dataset.shape, whole=dataset.dtype.hasobject or dataset.dtype.itemsize > 4096)
            if why := self._not_read(dataset, part):
                return drawing.note(why)
            described = self._describe(dataset)
            if described is not None:
                return described
            return drawing.array(_read(dataset, part), f"{dataset.name}, drawn", dataset.shape)
        except Exception as error:
            return drawing.note(f"The values cannot be read ({type(error).__name__}).")

    def _not_read(self, dataset: h5py.Dataset, part: tuple[Any, ...]) -> str:
        """Why this part is not read; "" if it is."""
        if dataset.external or dataset.is_virtual:
            return "The values are in other files, which are not opened."
        cost = _cost(dataset, part)
        if cost is None:
            return "The values are packed in chunks that are too large to unpack here."
        if cost > self._left:
            return "Enough was read of this file for one page."
        self._left -= cost
        return ""

    def _attributes(self, item: Any) -> str:
        pairs: list[tuple[str, object]] = []
        for name in list(item.attrs)[:ATTRIBUTES]:
            try:
                attribute = h5py.h5a.open(item.id, name.encode() if isinstance(name, str) else name)
                large = attribute.get_storage_size() > ATTRIBUTE
                pairs.append((name, "(large)" if large else _plain(item.attrs[name])))
            except Exception as error:
                pairs.append((str(name), f"(cannot be read: {type(error).__name__})"))
        return drawing.facts(pairs) if pairs else ""


def _key(item: Any) -> tuple[int, int]:
    """What is the same for the same object, whatever it is called."""
    about = h5py.h5o.get_info(item.id)
    return about.fileno, about.addr


def _names(group: h5py.Group) -> Iterator[str]:
    """Members by name; names that are no text are replaced, and so lead nowhere."""
    for at, name in enumerate(group):
        if at >= MOST_OBJECTS:
            return
        yield name


def _line(name: str, what: str) -> str:
    return f'<p class="leaf"><b>{text(name)}</b> {text(what)}</p>'


def _type(dataset: h5py.Dataset) -> str:
    if "MATLAB_class" in dataset.attrs:
        return str(_plain(dataset.attrs["MATLAB_class"]))
    if h5py.check_string_dtype(dataset.dtype):
        return "text"
    if h5py.check_ref_dtype(dataset.dtype):
        return "references"
    if dataset.dtype.names:
        return f"table of {len(dataset.dtype.names)} columns"
    return str(dataset.dtype)


def _cost(dataset: h5py.Dataset, part: tuple[Any, ...]) -> int | None:
    """Bytes that are unpacked to read it; None where a single chunk is too large."""
    lengths = [
        min(at.stop if at.stop is not None else length, length) if isinstance(at, slice) else 1
        for at, length in zip(part, dataset.shape, strict=True)
    ]
    item = max(1, dataset.dtype.itemsize)
    if dataset.chunks is None:
        return int(np.prod(lengths, dtype=object)) * item
    chunk = int(np.prod(dataset.chunks, dtype=object)) * item
    if chunk > CHUNK:
        return None
    count = np.prod([-(-length // size) for length, size in zip(lengths, dataset.chunks, strict=True)], dtype=object)
    return int(count) * chunk


def _read(dataset: h5py.Dataset, part: tuple[Any, ...]) -> np.ndarray:
    if h5py.check_string_dtype(dataset.dtype):
        return np.asarray(dataset.asstr(errors="replace")[part], dtype=object)
    values = dataset[part]
    if h5py.check_ref_dtype(dataset.dtype):
        return np.asarray(np.vectorize(lambda reference: _target(dataset, reference), otypes=[object])(values))
    return np.asarray(values)


def _target(dataset: h5py.Dataset, reference: Any) -> str:
    return h5py.h5r.get_name(reference, dataset.file.id).decode(errors="replace") if reference else "(nothing)"


def _plain(value: Any) -> object:
    if isinstance(value, (h5py.Reference, h5py.RegionReference)):
        return "a reference"
    if isinstance(value, h5py.Empty):
        return "(empty)"
    if isinstance(value, np.ndarray):
        items = ", ".join(str(_plain(item)) for item in value.ravel()[:20])
        return f"{items}{', …' * (value.size > 20)}"
    return value.decode(errors="replace") if isinstance(value, bytes) else value
