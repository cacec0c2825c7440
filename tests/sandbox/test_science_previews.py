"""Science's files in the sandbox: each kind is shown, and what is made to break its reader breaks nothing."""

import fcntl
import json
import os
import threading
from pathlib import Path

import pytest

from drive.preview import sandbox
from drive.preview.formats import ending_of, format_of
from drive.preview.tables import rendered

from ..support.science import made

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the files, made by the packages that read them."""
    return made(tmp_path_factory.mktemp("science"))


def render(file: Path) -> str:
    form = format_of(file.name)
    assert form
    with file.open("rb") as source:
        return sandbox.render(form.work, source, ending=ending_of(file.name), science=form.science).decode()


def words(html: str) -> str:
    """A page without its style and the data of its pictures."""
    return "".join(part.partition("</style>")[2] for part in html.split("<style>")[-1:])


GOOD = {
    "good.h5": (
        "A recording",
        "<b>voltage</b>",
        "mV",
        "<svg",
        "float64 4,000 × 4",
        "sécond",
        "weight",
        "same as /answer",
    ),
    "good.nwb": ("A mouse in a wheel", "Mus musculus", "ElectricalSeries", "2,000 × 3"),
    "good.mat": ("<b>signal</b>", "hello", "<b>things</b>", "word", "<b>rate</b>", "30"),
    "new.mat": ("<b>signal</b> <code>double 500 × 1", "hello", "<li>double 1 × 1</li>"),
    "good.npy": ("float64", "3,000", "<svg"),
    "fortran.npy": ("96 × 128", "data:image/png"),
    "good.npz": ("<b>picture</b>", "data:image/png", "<b>label</b>", "1.5"),
    "pickled.npz": ("<b>fine</b>", "<b>evil</b>", "holds Python objects"),
    "good.nii": ("Axial", "Coronal", "Sagittal", "slice 12 of 24", "32 × 40 × 24", "LAS", 'type="radio"'),
    "time.nii.gz": ("volume 1 of 5", "Axial"),
    "good.mgz": ("Axial", "float32"),
    "good.tif": ("96 × 128 (YX)", "uint16"),
    "stack.tiff": ("12 of 12", 'type="radio"', "DEFLATE"),
    "lzw.tif": ("LZW", "data:image/jpeg"),
    "colours.tif": ("JPEG", "96 × 128 × 3"),
    "good.dcm": ("Doe^Jane", "Modality", "data:image/jpeg"),
    "frames.dcm": ("3 of 3",),
    "good.heic": ("128 × 96 pixels", "data:image/jpeg"),
    "good.geojson": ("<title>Square</title>", "<circle", "<th>name</th>"),
}


@pytest.mark.parametrize("name", GOOD)
def test_it_shows_what_is_in_a_file(folder: Path, name: str) -> None:
    page = render(folder / name)
    assert page.startswith("<!doctype html>")
    for part in GOOD[name]:
        assert part in page, part
    assert "cannot be" not in words(page)
    assert page.count("<script") == 1  # ours
    assert "<img src=x" not in page


def test_it_hands_tables_on(folder: Path) -> None:
    subjects, empty = rendered.read(render(folder / "good.xlsx").encode())
    assert (subjects.name, subjects.table.head) == ("Subjects", ["name", "score"])
    assert subjects.table.rows == [["Ada", "1.5"], ["Bo", "22"]]
    assert subjects.table.notes == []
    assert (empty.name, empty.table.rows) == ("Empty", [])
    data, schema = rendered.read(render(folder / "good.parquet").encode())
    assert (data.table.head, data.table.rows) == (["name", "score"], [["Ada", "1.5"], ["Bo", ""]])
    assert schema.table.rows == [["name", "Utf8", "yes"], ["score", "Float64", "yes"]]


HELD = {
    "links.h5": ("not followed", "in other files, which are not opened", "the same as /"),
    "bomb.h5": ("too large to unpack",),
    "deep.h5": ("Deeper groups are not shown",),
    "names_files.nwb": ("/etc/passwd: not followed",),
    "bomb.mat": ("too many to load", "<b>small</b>"),
    "bomb.npz": ("125,000,000", "Read for this page"),
    "false.dcm": ("cannot be shown", "Doe^Jane"),
    "huge.dcm": ("too large to show",),
    "unknown_compression.dcm": ("cannot be shown", "Doe^Jane"),
    "nonsense.dcm": ("no picture",),
    "wrong.geojson": ("nothing to draw",),
}
"""Hostile files of which something is shown."""


@pytest.mark.parametrize("name", HELD)
def test_it_shows_no_more_of_a_hostile_file_than_it_may(folder: Path, name: str) -> None:
    page = render(folder / name)
    for part in HELD[name]:
        assert part in page, part
    for secret in ("<img src=x", "root:", "SPECIFICATION", "UNPICKLED"):
        assert secret not in page


REFUSED = {
    "cut.h5": "not a valid HDF5 file",
    "false.h5": "not a valid HDF5 file",
    "false.mat": "not a valid MATLAB file",
    "pickled.npy": "never loaded",
    "bare_pickle.npy": "not a valid NumPy array",
    "false.npy": "not complete, or its header is wrong",
    "nested.npy": "not a valid NumPy array",
    "false.npz": "not a valid archive",
    "huge.nii": "too large to show",
    "false.nii": "promises more",
    "false.nii.gz": "not complete",
    "negative.nii": "no volume",
    "cut.nii": "promises more",
    "cut.tif": "cannot be read here",
    "false.tif": "not a valid TIFF",
    "loop.tif": "not a valid TIFF",
    "false.heic": "not a valid HEIC",
    "bomb.xlsx": "too large to show here, unpacked",
    "lying.xlsx": "not a valid spreadsheet|too much memory",
    "far.xlsx": "too much memory",
    "false.xlsx": "not a valid spreadsheet",
    "entities.xlsx": "not a valid spreadsheet|too much memory",
    "cut.parquet": "not a valid Parquet",
    "false.parquet": "not a valid Parquet",
    "deep.geojson": "not valid JSON",
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_says_a_sentence_of_a_hostile_file(folder: Path, name: str) -> None:
    with pytest.raises(sandbox.RenderFailedError, match=REFUSED[name]):
        render(folder / name)


def test_it_shows_what_fits_of_a_pdf(folder: Path) -> None:
    scan = render(folder / "scan.pdf")
    assert "data:image/jpeg" in scan
    assert "the first 10 of 11 pages" in scan
    assert len(scan) < sandbox.MOST_OUTPUT
    for name in ("many.pdf", "false_count.pdf"):
        assert "the first 10 of 10,000 pages" in render(folder / name)


PROGRAM = """
import json, os, sys
def fails(do):
    try:
        do()
    except OSError:
        return True
    return False
path, descriptors, written = sys.argv[2], [], []
for process in [name for name in os.listdir("/proc") if name.isdigit()]:
    for number in os.listdir(f"/proc/{process}/fd"):
        link = f"/proc/{process}/fd/{number}"
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if os.path.basename(path) in target or "attacked" in target:
            descriptors.append(link)
print(json.dumps({
    "read": open(path).read(),
    "descriptors": descriptors,
    "cannot": [
        fails(lambda: open(path, "r+b")),
        fails(lambda: os.truncate(path, 0)),
        fails(lambda: os.chmod(path, 0o777)),
        fails(lambda: os.utime(path)),
        fails(lambda: os.unlink(path)),
        fails(lambda: os.setxattr(path, "user.x", b"1")),
    ],
}))
"""


def test_it_reads_a_file_in_place_and_cannot_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes the renderer over has the file itself before it: by no name and no descriptor can it be changed."""
    program, file = tmp_path / "program", tmp_path / "attacked.h5"
    program.mkdir()
    (program / "__init__.py").touch()
    (program / "render.py").write_text(PROGRAM)
    monkeypatch.setattr(sandbox, "PROGRAM", program)
    file.write_text("mine")
    before = file.stat()
    with file.open("rb") as opened, os.fdopen(fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 300), "rb") as source:
        seen = json.loads(sandbox.render("hdf5", source, ending="h5", science=True))
    assert seen == {"read": "mine", "descriptors": [], "cannot": [True] * 6}
    after = file.stat()
    assert file.read_text() == "mine"
    assert (before.st_mode, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_mode,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def test_it_is_not_harmed_by_a_file_that_is_written_meanwhile(folder: Path, tmp_path: Path) -> None:
    """It is cut and grows again while it is read: there is a page or a sentence, and a page when it is whole."""
    content = (folder / "good.nii").read_bytes()
    file = tmp_path / "growing.nii"
    file.write_bytes(content)
    stop, failed = threading.Event(), []

    def write() -> None:
        try:
            while not stop.is_set():
                os.truncate(file, 352)
                with file.open("r+b") as target:
                    target.write(content)
        except OSError as error:
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        shown = [_page_or_sentence(file) for _ in range(3)]
    finally:
        stop.set()
        writer.join(60)
    assert not failed
    assert all(shown)
    assert "Axial" in render(file)


def _page_or_sentence(file: Path) -> str:
    try:
        return render(file)
    except sandbox.RenderFailedError as error:
        return str(error)
