"""Types of files that are rendered in the sandbox, by the ending of their names."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Shows = Literal["frame", "tables"]


@dataclass(frozen=True)
class Format:
    """A type of file, and how it is rendered."""

    work: str
    """The renderer's word for it (`inside/render.py`)."""
    name: "StrPromise"
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
NOTEBOOK = Format("notebook", gettext_lazy("notebook"), 64 * 2**20, in_place=False, science=False, is_text=True)
PDF = Format("pdf", gettext_lazy("PDF"), 2**31 - 1, science=False, is_text=True)
SPREADSHEET = Format("spreadsheet", gettext_lazy("spreadsheet"), 64 * 2**20, shows="tables")
HDF5 = Format("hdf5", gettext_lazy("HDF5 file"), ANY_SIZE)
NIFTI = Format("nifti", gettext_lazy("NIfTI volume"), ANY_SIZE)
TIFF = Format("tiff", gettext_lazy("TIFF picture"), ANY_SIZE)
HEIC = Format("heic", gettext_lazy("HEIC picture"), 64 * 2**20)
_NWB = Format("nwb", gettext_lazy("NWB file"), ANY_SIZE)
_DICOM = Format("dicom", gettext_lazy("DICOM file"), ANY_SIZE)
_PARQUET = Format("parquet", gettext_lazy("Parquet file"), ANY_SIZE, shows="tables")

FORMATS: dict[str, Format] = {
    "ipynb": NOTEBOOK,
    "pdf": PDF,
    **dict.fromkeys(["xlsx", "xlsm", "xls", "xlsb", "ods"], SPREADSHEET),
    **dict.fromkeys(["parquet", "pq"], _PARQUET),
    **dict.fromkeys(["h5", "hdf5", "hdf", "he5", "h5ad", "loom", "snirf"], HDF5),
    "nwb": _NWB,
    "mat": Format("matlab", gettext_lazy("MATLAB file"), ANY_SIZE),
    "npy": Format("npy", gettext_lazy("NumPy array"), ANY_SIZE),
    "npz": Format("npz", gettext_lazy("NumPy archive"), ANY_SIZE),
    **dict.fromkeys(["nii", "nii.gz", "mgh", "mgz"], NIFTI),
    **dict.fromkeys(["tif", "tiff"], TIFF),
    **dict.fromkeys(["dcm", "dicom"], _DICOM),
    **dict.fromkeys(["heic", "heif"], HEIC),
    "geojson": Format("geojson", gettext_lazy("GeoJSON file"), 16 * 2**20, is_text=True),
}


def ending_of(name: str) -> str:
    """The ending of a file's name that is in the table, else the last one; in lower case, without the dot."""
    parts = name.lower().split(".")
    both = ".".join(parts[-2:])
    return both if len(parts) > 2 and both in FORMATS else parts[-1] if len(parts) > 1 else ""


def format_of(name: str) -> Format | None:
    """The format of a file by its name; None for what is not rendered."""
    return FORMATS.get(ending_of(name))
