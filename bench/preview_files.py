"""Files for bench/previews.py, each of about 500 MB where it says so. Run with the Python of the science packages."""

import json
import sys
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pillow_heif
import pydicom
import scipy.io
import tifffile
from arro3.core import Array, DataType, Field, Schema, Table
from arro3.io import write_parquet
from PIL import Image
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

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
    _small_ones(folder, noise)


def _small_ones(folder: Path, noise: np.ndarray) -> None:
    """What is read as a whole."""
    with h5py.File(folder / "26 MB.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["identifier"], file["session_description"] = "1", "A mouse in a wheel"
        file["acquisition/series/data"] = np.resize(noise, (2**21, 6))
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    scan = pydicom.dataset.Dataset()
    scan.file_meta, scan.SOPClassUID, scan.SOPInstanceUID = meta, CTImageStorage, meta.MediaStorageSOPInstanceUID
    scan.Modality, scan.PatientName = "CT", "Nobody"
    scan.Rows = scan.Columns = 1024
    scan.SamplesPerPixel, scan.PhotometricInterpretation, scan.PixelRepresentation = 1, "MONOCHROME2", 0
    scan.BitsAllocated, scan.BitsStored, scan.HighBit = 16, 12, 11
    scan.PixelData = noise.astype("<u2").tobytes()
    scan.save_as(folder / "2 MB.dcm", enforce_file_format=True)
    pillow_heif.from_pillow(Image.fromarray((noise >> 4).astype(np.uint8).reshape(1024, 1024))).save(
        folder / "1 MP.heic"
    )
    rows = "".join(f"{number};{value / 8}\n" for number, value in enumerate(noise[:200_000]))
    (folder / "200,000 rows.csv").write_text("number;value\n" + rows.replace(".", ","))
    points = [
        {
            "type": "Feature",
            "properties": {"value": int(value)},
            "geometry": {"type": "Point", "coordinates": [at / 500, 47]},
        }
        for at, value in enumerate(noise[:5000])
    ]
    (folder / "5,000 points.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": points}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
