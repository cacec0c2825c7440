"""Opening a file's page until its preview is there, through the real site; beside the library alone on the same file.

`bin/bench previews` makes the files (2.2 GB). The library's time is that of a Python process that loads it and reads
what the preview shows: a slice of each direction, the first values of an array, the first rows.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

from bench.common import compare, person, running_site
from drive.libraries import services
from drive.models import Library
from drive.preview import rendering, sandbox
from drive.storage import layout
from tests.support.people import Person

RUNS = 3
POLL_SECONDS = 0.02
"""The page itself asks twice a second."""
MOST_SECONDS = 60
SLICES = (
    "v = nibabel.load(path).dataobj; [v[256 % v.shape[0], :, :], v[:, 256 % v.shape[1], :], v[:, :, v.shape[2] // 2]]"
)
ARRAYS = "f = h5py.File(path); f['recording/traces'][:100000]; f['recording/events'][:100000]; f['map'][:]"
ALONE = {
    "500 MB.h5": f"import h5py; {ARRAYS}",
    "500 MB.nii": f"import nibabel; {SLICES}",
    "26 MB unpacked.nii.gz": f"import nibabel; {SLICES}",
    "500 MB.npy": "import numpy; numpy.load(path, mmap_mode='r')[256, :, :].sum()",
    "500 MB.tif": "import tifffile; tifffile.imread(path, key=0)",
    "8 MB.mat": "import scipy.io; scipy.io.loadmat(path)",
    "26 MB.nwb": "import h5py; h5py.File(path)['acquisition/series/data'][:100000]",
    "2 MB.dcm": "import pydicom; pydicom.dcmread(path).pixel_array",
    "1 MP.heic": "import pillow_heif; pillow_heif.open_heif(path).to_pillow()",
    "200,000 rows.csv": "import csv; list(zip(csv.reader(open(path), delimiter=';'), range(1000)))",
    "5,000 points.geojson": "import json; json.load(open(path))",
    "2 million rows.parquet": "from arro3.io import read_parquet; next(iter(read_parquet(path, batch_size=1000)))",
}


def main() -> None:
    """All files, one after another."""
    with running_site(), tempfile.TemporaryDirectory(dir=settings.VAR_DIR) as made:
        science = sandbox.science_environment() / "bin/python"
        subprocess.run([science, Path(__file__).with_name("preview_files.py"), made], check=True)
        ada = person("ada")
        library = services.create_library(ada.user, "Data")
        layout.settle(library.pk)
        place = layout.find(library.pk)
        for name, code in ALONE.items():
            Path(made, name).rename(place / name)
            ours = [opened(ada, library, place / name) for _ in range(RUNS)]
            theirs = [alone(science, code, place / name) for _ in range(RUNS)]
            compare(name, ours, "the library alone", theirs, "s")


def opened(someone: Person, library: Library, file: Path) -> float:
    """Seconds from the request of the page until what was rendered has been received; nothing of it is cached."""
    os.utime(file)
    time.sleep(rendering.QUIET + 0.1)  # it was left alone, as most files are
    address = f"/drive/{library.pk}/{quote(file.name)}"
    began = time.perf_counter()
    page = someone.get(address).text
    while "hx-get" in page:
        if time.perf_counter() - began > MOST_SECONDS:
            raise SystemExit(f"{file.name} is not rendered")
        time.sleep(POLL_SECONDS)
        page = someone.get(f"{address}?show=rendering").text
    if "<iframe" in page:
        someone.get(f"{address}?show=rendered").raise_for_status()
    elif "<table" not in page:
        raise SystemExit(f"{file.name}: {page}")
    return time.perf_counter() - began


def alone(python: Path, code: str, file: Path) -> float:
    """Seconds of a process that reads the same with the library."""
    began = time.perf_counter()
    with contextlib.chdir(file.parent):
        subprocess.run([python, "-c", f"import sys; path = sys.argv[1]; {code}", file.name], check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
