"""Starter notebooks: a file that JupyterLab has no viewer for is opened in a notebook that loads it.

The notebook lies in the home of the running Lab, so nothing is written to a library, and goes with the Lab unless the
person saves it to the Drive. One that is there already is opened again, never written over.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from drive.preview.formats import format_of
from lab.locations import copies, paths
from lab.models import Server
from lab.servers.clients import client_of
from lab.servers.clients.jupyter import JupyterError
from portal.models import User

log = logging.getLogger(__name__)
PACKAGE = "collaboratory"
"""Where Jupyter's metadata hold what is ours."""


@dataclass(frozen=True)
class Recipe:
    """How a format is loaded in Python."""

    modules: dict[str, str]
    """What is imported, each with the package that it is in."""
    lines: str
    """Code that loads `file` and shows something of it."""


_HDF5 = """data = h5py.File(file)
data.visititems(lambda name, item: print(name, getattr(item, "shape", "")))"""
_VOLUME = """image = nibabel.load(file)
print(image.shape, image.header.get_zooms())
volume = image.dataobj[:, :, :, 0] if image.ndim > 3 else image.dataobj[:]
plt.imshow(volume[:, :, volume.shape[2] // 2].T, origin="lower", cmap="gray");"""
_MATLAB = """try:
    data = scipy.io.loadmat(file)
except NotImplementedError:  # version 7.3 is HDF5
    data = h5py.File(file)
for name in data:
    print(name, getattr(data[name], "shape", ""))"""
_NPZ = """data = np.load(file)
for name in data:
    print(name, data[name].shape, data[name].dtype)"""
_PLOT = {"matplotlib.pyplot as plt": "matplotlib"}
RECIPES = {
    "hdf5": Recipe({"h5py": "h5py"}, _HDF5),
    "nwb": Recipe({"pynwb": "pynwb"}, 'data = pynwb.NWBHDF5IO(file, "r").read()\ndata'),
    "matlab": Recipe({"scipy.io": "scipy", "h5py": "h5py"}, _MATLAB),
    "npy": Recipe({"numpy as np": "numpy"}, 'data = np.load(file, mmap_mode="r")\nprint(data.shape, data.dtype)\ndata'),
    "npz": Recipe({"numpy as np": "numpy"}, _NPZ),
    "nifti": Recipe({"nibabel": "nibabel", **_PLOT}, _VOLUME),
    "tiff": Recipe(
        {"tifffile": "tifffile", "imagecodecs": "imagecodecs", **_PLOT},
        'pages = tifffile.TiffFile(file).pages\nprint(len(pages))\nplt.imshow(pages[0].asarray(), cmap="gray");',
    ),
    "dicom": Recipe(
        {"pydicom": "pydicom", **_PLOT},
        'data = pydicom.dcmread(file)\nprint(data)\nplt.imshow(data.pixel_array, cmap="gray");',
    ),
    "heic": Recipe(
        {"pillow_heif": "pillow-heif", "PIL.Image as Image": "pillow"},
        "pillow_heif.register_heif_opener()\nImage.open(file)",
    ),
    "spreadsheet": Recipe(
        {"pandas as pd": "pandas", "python_calamine": "python-calamine"},
        'sheets = pd.read_excel(file, sheet_name=None, engine="calamine")\nprint(list(sheets))\n'
        "next(iter(sheets.values()))",
    ),
    "parquet": Recipe(
        {"pandas as pd": "pandas", "pyarrow.parquet": "pyarrow"},
        "print(pyarrow.parquet.read_schema(file))\ndata = pd.read_parquet(file)\ndata",
    ),
}
"""By the word of drive/preview/formats.py. Of the others, JupyterLab has viewers."""


def address_at(user: User, server: Server, address: str) -> str:
    """The address on the Lab's origin of the notebook that loads the file at `address`; that one where there is none.

    Makes the notebook if it is not there yet, in the Lab, which must be running.
    """
    path = paths.path_at(address)
    recipe = _recipe(path)
    if recipe is None:
        return address
    location = paths.locate(user, path)
    if location.library is None or not copies.is_file(location):
        return address
    try:
        name = client_of(server).starter(path.rpartition("/")[2], notebook(path, recipe), _is_for(path))
    except JupyterError as error:
        log.info("no starter notebook: %s", error)
        return address
    return f"{paths.HOME}/tree/{quote(name)}"


def _recipe(path: str) -> Recipe | None:
    form = format_of(path)
    return RECIPES.get(form.work) if form else None


def _is_for(path: str) -> dict[str, Any]:
    """Metadata by which a starter notebook is known again."""
    return {PACKAGE: {"starter_for": path}}


def notebook(path: str, recipe: Recipe) -> dict[str, Any]:
    """The notebook for a file at this path in `~/drive`."""
    name = path.rpartition("/")[2]
    packages = ", ".join(dict.fromkeys(recipe.modules.values()))
    about = (
        f"# {_escaped(name)}\n\nThis notebook loads the file with {packages}. What of these is missing in this "
        "environment is installed by the first cell, for as long as this Lab runs.\n\nIt lies in the home of your Lab, "
        "which goes with the Lab. To keep it, save it in a folder below `drive`."
    )
    cells = [
        _cell("markdown", about),
        _cell("code", "\n".join(map(_import, *zip(*recipe.modules.items(), strict=True)))),
    ]
    cells.append(
        _cell(
            "code",
            f"from pathlib import Path\n\nfile = Path.home() / {json.dumps(f'drive/{path}', ensure_ascii=False)}",
        )
    )
    cells.append(_cell("code", recipe.lines))
    return {"cells": cells, "metadata": _is_for(path), "nbformat": 4, "nbformat_minor": 4}


def _import(module: str, package: str) -> str:
    line = f"import {module}"
    return f"try:\n    {line}\nexcept ImportError:\n    %pip install --quiet {package}\n    {line}"


def _escaped(name: str) -> str:
    """A name as it is in Markdown."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()<>#+-!|$~" else letter for letter in name)


def _cell(kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
