"""Files for bench/previews.py, each of about 500 MB where it says so. Run with the Python of the science packages."""

import sys
from pathlib import Path

import h5py
import nibabel
import numpy as np
import scipy.io
import tifffile
from arro3.core import Array, DataType, Field, Schema, Table
from arro3.io import write_parquet

RANDOM = np.random.default_rng(1)


def main(folder: Path) -> None:
    """All of them."""
    noise = RANDOM.integers(0, 4000, 2**20, dtype=np.int16)
    with h5py.File(folder / "500 MB.h5", "w") as file:
        traces = file.create_dataset("recording/traces", (2**27,), "f4")
        for at in range(0, 2**27, 2**20):
            traces[at : at + 2**20] = noise
        file.create_dataset("recording/events", data=noise, chunks=(2**14,), compression="gzip")
        file["map"] = noise.reshape(1024, 1024)
    volume = np.resize(noise, (512, 512, 1000))
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), folder / "500 MB.nii")
    nibabel.save(nibabel.Nifti1Image(volume[:256, :256, :200], np.eye(4)), folder / "26 MB unpacked.nii.gz")
    np.save(folder / "500 MB.npy", volume)
    tifffile.imwrite(folder / "500 MB.tif", volume.transpose(2, 0, 1), photometric="minisblack")
    scipy.io.savemat(folder / "8 MB.mat", {"signal": noise.astype(float)})
    count = 2_000_000
    columns = [Array(np.resize(noise, count).astype(np.float64)), Array(np.arange(count))]
    schema = Schema([Field("value", DataType.float64()), Field("number", DataType.int64())])
    write_parquet(Table.from_arrays(columns, schema=schema), folder / "2 million rows.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
