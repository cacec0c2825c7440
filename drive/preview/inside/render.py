"""Files as one HTML document without scripts, small pictures, and what differs between two notebooks.

Runs in a sandbox without network and files. The argument says what to do; content comes by stdin (of two notebooks: the
length of the first in a line, then both), or is in the file that a second argument names. What is wrong with it is
said on stderr, with status 3.
"""

import sys
from importlib import import_module
from pathlib import Path

from .page import InvalidContentError

WRONG = 3
WORK = {
    "notebook": ("notebook", "notebook"),
    "pdf": ("pdf", "pdf"),
    "spreadsheet": ("science.spreadsheet", "spreadsheet"),
    "parquet": ("science.parquet", "parquet"),
    "hdf5": ("science.hdf5", "hdf5"),
    "nwb": ("science.nwb", "nwb"),
    "matlab": ("science.matlab", "matlab"),
    "npy": ("science.numpy_files", "npy"),
    "npz": ("science.numpy_files", "npz"),
    "nifti": ("science.nifti", "nifti"),
    "tiff": ("science.tiff", "tiff"),
    "dicom": ("science.dicom", "dicom"),
    "heic": ("science.heic", "heic"),
    "geojson": ("science.geojson", "geojson"),
    "thumbnail": ("thumbnail", "thumbnail"),
    "difference": ("notebook_diff", "difference"),
    "cells": ("notebook_diff", "differing_cells"),
}
"""Module and function for each argument; one is imported, because some take long to import. A function takes the
content, or the path of the file."""


def main() -> None:
    """Content in, result out."""
    module, function = WORK[sys.argv[1]]
    try:
        content = Path(sys.argv[2]) if len(sys.argv) > 2 else sys.stdin.buffer.read()
        result: str | bytes = getattr(import_module(f".{module}", __package__), function)(content)
    except InvalidContentError as error:
        sys.stderr.write(f"\n{error}")
        sys.exit(WRONG)
    sys.stdout.buffer.write(result if isinstance(result, bytes) else result.encode(errors="replace"))


if __name__ == "__main__":
    main()
