"""Small files of science's formats, and files made to break what reads them.

Run with the Python of the science packages: `python science_files.py FOLDER` makes all of them there.
"""

import gzip
import io
import json
import pickle
import sys
import wave
import zipfile
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pillow_heif
import scipy.io
import tifffile
from arro3.core import Array, DataType, Field, Schema, Table
from arro3.io import write_parquet
from PIL import Image

RANDOM = np.random.default_rng(1)
Y, X = np.mgrid[0:96, 0:128]
MARKUP = "<img src=x onerror=alert(1)>"
"""A name that is no name: it stands on pages as text."""
PICTURE = ((np.sin(X / 9) + np.cos(Y / 7)) * 60 + 128).astype(np.uint8)


class Evil:
    """Runs a program when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('UNPICKLED')",))


def hdf5(folder: Path) -> None:
    """Groups, attributes, all kinds of values; links that lead out and in circles."""
    with h5py.File(folder / "good.h5", "w") as file:
        file.attrs["title"] = "A recording"
        group = file.create_group("electrodes/left")
        group["voltage"] = np.sin(np.arange(5000) / 50)
        group["voltage"].attrs["unit"] = "mV"
        file["traces"] = np.cumsum(RANDOM.normal(size=(4000, 4)), axis=0)
        file.create_dataset("map", data=PICTURE, compression="gzip", chunks=(32, 32))
        file["volume"] = np.arange(4 * 30 * 40).reshape(4, 30, 40)
        file["names"] = np.array(["first", "sécond"], dtype=h5py.string_dtype())
        file["table"] = np.array([(1, 2.5), (2, 3.5)], dtype=[("id", "i4"), ("weight", "f8")])
        file["answer"] = 42
        file["same"] = file["answer"]
        file[MARKUP] = np.array([MARKUP], dtype=h5py.string_dtype())
        file[MARKUP].attrs[MARKUP] = MARKUP
    with h5py.File(folder / "links.h5", "w") as file:
        file["loop"] = file["/"]
        file["soft"] = h5py.SoftLink("/soft")
        file["passwd"] = h5py.ExternalLink("/etc/passwd", "/")
        file["elsewhere"] = h5py.ExternalLink("/proc/self/environ", "/x")
        file.create_dataset("outside", (100,), "u1", external=[("/etc/hostname", 0, 100)])
        layout = h5py.VirtualLayout((10,), "f8")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (10,))
        file.create_virtual_dataset("virtual", layout)
    with h5py.File(folder / "bomb.h5", "w") as file:
        file.create_dataset("zeros", (2**34,), "u1", chunks=(2**31,), compression="gzip")
        wide = file.create_dataset("one chunk", (2**29,), "u1", chunks=(2**29,), compression="gzip")
        wide.id.write_direct_chunk((0,), gzip.zlib.compress(bytes(2**22)))  # type: ignore[attr-defined]
    with h5py.File(folder / "deep.h5", "w") as file:
        deepest: h5py.Group = file
        for _ in range(3000):
            deepest = deepest.create_group("g")
    (folder / "cut.h5").write_bytes((folder / "good.h5").read_bytes()[:3000])
    (folder / "false.h5").write_bytes(b"\x89HDF\r\n\x1a\n\0\0" + bytes(200))


def nwb(folder: Path) -> None:
    """As pynwb writes them; and one whose specifications name files."""
    with h5py.File(folder / "good.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["session_description"] = f"A mouse in a wheel {MARKUP}"
        file["identifier"] = "session-1"
        file["general/subject/species"] = "Mus musculus"
        file["acquisition/ElectricalSeries/data"] = RANDOM.normal(size=(2000, 3))
        file["specifications/core/2.7.0/namespace"] = '{"namespaces": "SPECIFICATION"}'
    with h5py.File(folder / "names_files.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["session_description"] = h5py.ExternalLink("/etc/passwd", "/")
        file["identifier"] = h5py.SoftLink("/identifier")
        file["specifications/core/2.7.0/namespace"] = '{"namespaces": [{"schema": [{"source": "/etc/passwd"}]}]}'
        file.attrs[".specloc"] = file["specifications"].ref


def matlab(folder: Path) -> None:
    """Version 5 with a cell and a struct, version 7.3 as MATLAB writes it, and a variable that unpacks to gigabytes."""
    cell = np.empty((1, 2), dtype=object)
    cell[0, 0], cell[0, 1] = "word", np.arange(3)
    scipy.io.savemat(
        folder / "good.mat",
        {
            "signal": np.sin(np.arange(500) / 10),
            "label": "hello",
            "markup": MARKUP,
            "things": cell,
            "s": {"rate": 30.0},
        },
        do_compression=True,
    )
    with h5py.File(folder / "new.mat", "w", userblock_size=512) as file:
        file["signal"] = np.sin(np.arange(500) / 10)[None, :]
        file["signal"].attrs["MATLAB_class"] = np.bytes_("double")
        file["label"] = np.array([[ord(letter)] for letter in "hello"], "u2")
        file["label"].attrs["MATLAB_class"] = np.bytes_("char")
        file["#refs#/a"] = np.array([[1.0]])
        file["#refs#/a"].attrs["MATLAB_class"] = np.bytes_("double")
        file.create_dataset("things", data=np.array([[file["#refs#/a"].ref]]), dtype=h5py.ref_dtype)
        file["things"].attrs["MATLAB_class"] = np.bytes_("cell")
    with (folder / "new.mat").open("r+b") as new:
        new.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    scipy.io.savemat(folder / "bomb.mat", {"small": 1, "big": np.zeros((1, 2**22))}, do_compression=True)
    (folder / "false.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124, b" ") + b"\0\1IM" + bytes(range(200)))


def arrays(folder: Path) -> None:
    """Arrays of NumPy; archives that unpack to gigabytes; arrays that are programs."""
    np.save(folder / "good.npy", np.cumsum(RANDOM.normal(size=3000)))
    np.save(folder / "fortran.npy", np.asfortranarray(PICTURE))
    np.savez_compressed(folder / "good.npz", picture=PICTURE, label=np.array(["a", MARKUP]), one=1.5, **{MARKUP: 1})
    np.save(folder / "pickled.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    np.savez(folder / "pickled.npz", fine=np.arange(5), evil=np.array([Evil()], dtype=object))
    (folder / "bare_pickle.npy").write_bytes(pickle.dumps(Evil()))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9000000, 9000000), }"
    (folder / "false.npy").write_bytes(_npy(header) + bytes(64))
    (folder / "nested.npy").write_bytes(_npy(b"(" * 9000))
    packed = zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED)
    with packed, packed.open("zeros.npy", "w", force_zip64=True) as member:
        member.write(_npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (125000000,), }"))
        for _ in range(4):
            member.write(bytes(16 * 2**20))
    (folder / "false.npz").write_bytes(b"PK\3\4" + bytes(100))


def _npy(header: bytes) -> bytes:
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header


def nifti(folder: Path) -> None:
    """Volumes, plain and compressed, in time; and headers that promise what is not there."""
    z, y, x = np.mgrid[0:24, 0:40, 0:32]
    ball = (1000 * np.exp(-(((x - 16) / 8) ** 2 + ((y - 20) / 12) ** 2 + ((z - 12) / 7) ** 2))).astype(np.int16)
    volume = ball.transpose(2, 1, 0)
    affine = np.diag([-2.0, 2, 3, 1])
    nibabel.save(nibabel.Nifti1Image(volume, affine), folder / "good.nii")
    nibabel.save(nibabel.Nifti1Image(np.stack([volume] * 5, axis=3), affine), folder / "time.nii.gz")
    nibabel.save(nibabel.MGHImage(volume.astype(np.float32), affine), folder / "good.mgz")
    content = bytearray((folder / "good.nii").read_bytes())
    content[42:48] = np.array([32767] * 3, "<i2").tobytes()
    (folder / "huge.nii").write_bytes(content)
    content[42:48] = np.array([1000, 1000, 1000], "<i2").tobytes()
    (folder / "false.nii").write_bytes(content)
    (folder / "false.nii.gz").write_bytes(gzip.compress(bytes(content)))
    content[42:48] = np.array([-5, 0, 3], "<i2").tobytes()
    (folder / "negative.nii").write_bytes(content)
    (folder / "cut.nii").write_bytes((folder / "good.nii").read_bytes()[:5000])


def pictures(folder: Path) -> None:
    """TIFF, DICOM and HEIC."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, SecondaryCaptureImageStorage

    tifffile.imwrite(folder / "good.tif", PICTURE.astype(np.uint16) * 200)
    tifffile.imwrite(
        folder / "stack.tiff", np.stack([np.roll(PICTURE, 5 * n, 1) for n in range(12)]), compression="zlib"
    )
    Image.fromarray(PICTURE).save(folder / "lzw.tif", compression="tiff_lzw")
    Image.fromarray(PICTURE).convert("RGB").save(folder / "colours.tif", compression="jpeg")
    content = (folder / "good.tif").read_bytes()
    (folder / "cut.tif").write_bytes(content[: len(content) // 3])
    (folder / "false.tif").write_bytes(b"II*\0\x08\0\0\0\xff\xff" + bytes(range(100)))
    loop = b"II*\0\x08\0\0\0\1\0" + b"\0\1\3\0\1\0\0\0\5\0\0\0" + b"\x08\0\0\0"
    (folder / "loop.tif").write_bytes(loop)
    pillow_heif.from_pillow(Image.fromarray(PICTURE).convert("RGB")).save(folder / "good.heic")
    (folder / "false.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    scan = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    scan.PatientName, scan.Modality, scan.PatientComments = "Doe^Jane", "MR", MARKUP
    (scan.Rows, scan.Columns), scan.SamplesPerPixel = PICTURE.shape, 1
    scan.PhotometricInterpretation, scan.PixelRepresentation = "MONOCHROME2", 0
    scan.BitsAllocated = scan.BitsStored = 16
    scan.HighBit = 15
    scan.PixelData = (PICTURE.astype("<u2") * 10).tobytes()
    scan.save_as(folder / "good.dcm")
    scan.NumberOfFrames = 3
    scan.PixelData = np.stack([PICTURE.astype("<u2")] * 3).tobytes()
    scan.save_as(folder / "frames.dcm")
    scan.NumberOfFrames = 2**30
    scan.save_as(folder / "false.dcm")
    scan.NumberOfFrames, scan.Rows, scan.Columns = 1, 65535, 65535
    scan.save_as(folder / "huge.dcm")
    (folder / "nonsense.dcm").write_bytes(bytes(128) + b"DICM" + bytes(range(256)))
    meta.TransferSyntaxUID = JPEGLSLossless
    scan.Rows, scan.Columns = PICTURE.shape
    from pydicom.encaps import encapsulate

    scan.PixelData = encapsulate([b"\xff\xd8\xff\xf7" + bytes(40)])
    scan["PixelData"].VR = "OB"
    scan.save_as(folder / "unknown_compression.dcm")


def tables(folder: Path) -> None:
    """Workbooks and Parquet."""
    _xlsx(
        folder / "good.xlsx", {"Subjects": _sheet([["name", "score"], ["Ada", 1.5], ["Bo", 22]]), "Empty": _sheet([])}
    )
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    _xlsx(folder / "far.xlsx", {"Far": f'<row r="1"><c r="A1"><v>1</v></c></row>{far}'})
    _xlsx(folder / "bomb.xlsx", {"Bomb": " " * _SPACES})
    packed = (folder / "bomb.xlsx").read_bytes()
    real = (_SPACES + len(_SHEET_START) + len(_SHEET_END)).to_bytes(4, "little")
    (folder / "bomb.xlsx").write_bytes(packed.replace(real, (2**30).to_bytes(4, "little")))
    (folder / "lying.xlsx").write_bytes(packed.replace(real, (1000).to_bytes(4, "little")))
    (folder / "false.xlsx").write_bytes(b"PK\3\4" + bytes(100))
    entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    words = f'{entities}]><row r="1"><c r="A1" t="str"><v>&j;</v></c></row>'
    _xlsx(folder / "entities.xlsx", {"Laughs": words})

    schema = Schema([Field("name", DataType.utf8()), Field("score", DataType.float64())])
    columns = [Array(["Ada", "Bo"], DataType.utf8()), Array([1.5, None], DataType.float64())]
    write_parquet(Table.from_arrays(columns, schema=schema), folder / "good.parquet")
    content = (folder / "good.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(content[:-9])
    length = int.from_bytes(content[-8:-4], "little")
    (folder / "false.parquet").write_bytes(content[: -8 - length] + b"\x15" * length + content[-8:])


_SHEET_START = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
_SPACES = 64 * 2**20
_SHEET_END = "</sheetData></worksheet>"


def _sheet(rows: list[list[object]]) -> str:
    lines = []
    for number, row in enumerate(rows, 1):
        cells = (
            f'<c r="{chr(65 + at)}{number}" t="str"><v>{cell}</v></c>'
            if isinstance(cell, str)
            else f'<c r="{chr(65 + at)}{number}"><v>{cell}</v></c>'
            for at, cell in enumerate(row)
        )
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    return "".join(lines)


def _xlsx(path: Path, sheets: dict[str, str]) -> None:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, 1))
    targets = "".join(
        f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/s{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types"/>')
        start = f'<Relationship Id="r" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{package}/relationships">{start}</Relationships>')
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}/relationships">{targets}</Relationships>'
        )
        for number, rows in enumerate(sheets.values(), 1):
            archive.writestr(f"xl/worksheets/s{number}.xml", f"{_SHEET_START}{rows}{_SHEET_END}")


def others(folder: Path) -> None:
    """GeoJSON, FASTA, SVG, sound."""
    ring = [[8.0, 47.0], [9.0, 47.0], [9.0, 48.0], [8.0, 48.0], [8.0, 47.0]]
    features = [
        {"type": "Feature", "properties": {"name": "Square"}, "geometry": {"type": "Polygon", "coordinates": [ring]}},
        {
            "type": "Feature",
            "properties": {"name": MARKUP, MARKUP: MARKUP},
            "geometry": {"type": "Point", "coordinates": [8.5, 47.5]},
        },
    ]
    (folder / "good.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "deep.geojson").write_text('{"type": "Polygon", "coordinates": ' + "[" * 100_000)
    wrong = {"type": "Polygon", "coordinates": [[["a", None], [1e400, 2], [1], {}], "x"]}
    (folder / "wrong.geojson").write_text(json.dumps(wrong))
    (folder / "good.fasta").write_text(">seq1\nACGT\n")
    with wave.open(str(folder / "good.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))


def pdfs(folder: Path) -> None:
    """A scan of many large pages, and one of ten thousand."""
    noise = [Image.fromarray(RANDOM.integers(0, 255, (1000, 800, 3), np.uint8)) for _ in range(3)]
    pages = io.BytesIO()
    noise[0].save(pages, "PDF", save_all=True, append_images=noise[1:] * 5, quality=95, resolution=100)
    (folder / "scan.pdf").write_bytes(pages.getvalue())
    kids = " ".join("3 0 R" for _ in range(10_000))
    many = f"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[{kids}]/Count 10000>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
trailer<</Root 1 0 R>>
"""
    (folder / "many.pdf").write_text(many)
    (folder / "false_count.pdf").write_text(many.replace("Count 10000", "Count 2000000000"))


if __name__ == "__main__":
    for make in (hdf5, nwb, matlab, arrays, nifti, pictures, tables, others, pdfs):
        make(Path(sys.argv[1]))
