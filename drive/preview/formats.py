"""Types of files that are rendered in the sandbox, by the ending of their names."""

from dataclasses import dataclass
from typing import Literal

Shows = Literal["frame", "tables"]


@dataclass(frozen=True)
class Format:
    """A type of file, and how it is rendered."""

    work: str
    """The renderer's word for it (`inside/render.py`)."""
    name: str
    """For people."""
    most: int
    """Largest file that is rendered (bytes)."""
    in_place: bool = True
    """The renderer opens the file itself and reads of it what it shows; otherwise it gets a copy."""
    science: bool = True
    """Read with the packages of `science.in`, which are installed while the site runs already."""
    shows: Shows = "frame"
    """One HTML document for a frame, or tables as JSON for the portal's own page."""
    is_text: bool = False
    """Not taken for plain text where it is some."""


ANY_SIZE = 2**50
NOTEBOOK = Format("notebook", "notebook", 64 * 2**20, in_place=False, science=False, is_text=True)
PDF = Format("pdf", "PDF", 2**31 - 1, science=False, is_text=True)
SPREADSHEET = Format("spreadsheet", "spreadsheet", 64 * 2**20, shows="tables")
HDF5 = Format("hdf5", "HDF5 file", ANY_SIZE)
NIFTI = Format("nifti", "NIfTI volume", ANY_SIZE)
TIFF = Format("tiff", "TIFF picture", ANY_SIZE)
HEIC = Format("heic", "HEIC picture", 64 * 2**20)
_NWB = Format("nwb", "NWB file", ANY_SIZE)
_DICOM = Format("dicom", "DICOM file", ANY_SIZE)
_PARQUET = Format("parquet", "Parquet file", ANY_SIZE, shows="tables")

FORMATS: dict[str, Format] = {
    "ipynb": NOTEBOOK,
    "pdf": PDF,
    **dict.fromkeys(["xlsx", "xlsm", "xls", "xlsb", "ods"], SPREADSHEET),
    **dict.fromkeys(["parquet", "pq"], _PARQUET),
    **dict.fromkeys(["h5", "hdf5", "hdf", "he5", "h5ad", "loom", "snirf"], HDF5),
    "nwb": _NWB,
    "mat": Format("matlab", "MATLAB file", ANY_SIZE),
    "npy": Format("npy", "NumPy array", ANY_SIZE),
    "npz": Format("npz", "NumPy archive", ANY_SIZE),
    **dict.fromkeys(["nii", "nii.gz", "mgh", "mgz"], NIFTI),
    **dict.fromkeys(["tif", "tiff"], TIFF),
    **dict.fromkeys(["dcm", "dicom"], _DICOM),
    **dict.fromkeys(["heic", "heif"], HEIC),
    "geojson": Format("geojson", "GeoJSON file", 16 * 2**20, is_text=True),
}


def ending_of(name: str) -> str:
    """The ending of a file's name that is in the table, else the last one; in lower case, without the dot."""
    parts = name.lower().split(".")
    both = ".".join(parts[-2:])
    return both if len(parts) > 2 and both in FORMATS else parts[-1] if len(parts) > 1 else ""


def format_of(name: str) -> Format | None:
    """The format of a file by its name; None for what is not rendered."""
    return FORMATS.get(ending_of(name))
