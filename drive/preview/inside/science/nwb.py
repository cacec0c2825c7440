"""A file of Neurodata Without Borders: its session in words, and the tree, read by h5py.

Not by pynwb: that loads specifications which the file itself brings along, and brings pandas and hdmf. What is shown
here has fixed places (NWB 2, nwb-schema.readthedocs.io).
"""

from pathlib import Path

import h5py

from . import drawing
from .hdf5 import Tree, opened

_SESSION = {
    "session_description": "session",
    "identifier": "identifier",
    "session_start_time": "began",
    "general/experimenter": "experimenter",
    "general/experiment_description": "experiment",
    "general/institution": "institution",
    "general/lab": "lab",
    "general/subject/subject_id": "subject",
    "general/subject/species": "species",
    "general/subject/age": "age",
    "general/subject/sex": "sex",
    "general/subject/description": "about the subject",
}


def nwb(file: Path) -> str:
    """What was recorded, and the tree. The specifications that lie in the file are left out."""
    with opened(file, "NWB") as root:
        pairs = [(name, _value(root, path)) for path, name in _SESSION.items()]
        known = [(name, value) for name, value in pairs if value]
        title = "<h1>Neurodata Without Borders</h1>" if known else ""
        return drawing.page(title + drawing.facts(known) + Tree(root, hidden=("specifications",)).html())


def _value(root: h5py.File, path: str) -> str:
    """A text at a place; "" where there is none. Nothing there is a link out of the file."""
    item = root
    for name in path.split("/"):
        if not isinstance(item, h5py.Group) or not isinstance(item.get(name, getlink=True), h5py.HardLink):
            return ""
        item = item[name]
    if not isinstance(item, h5py.Dataset) or item.shape is None or item.external or item.is_virtual:
        return ""
    if item.size > 20 or not h5py.check_string_dtype(item.dtype):
        return ""
    value = item.asstr(errors="replace")[()]
    return value if isinstance(value, str) else ", ".join(map(str, value.ravel()))
