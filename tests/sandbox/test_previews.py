"""The process that renders other people's files: what it can do, and that it comes to an end."""

import io
import json
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from drive.preview import rendering, sandbox
from drive.preview.sandbox import RenderFailedError

from ..support.site import wait_for

pytestmark = pytest.mark.sandbox

WORDS = b"BT /F 24 Tf 40 100 Td (Hello, page) Tj ET"
PDF = b"\n".join(
    [
        b"%PDF-1.4",
        b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj",
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj",
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R",
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj",
        b"4 0 obj<</Length %d>>stream\n%s\nendstream endobj" % (len(WORDS), WORDS),
        b"trailer<</Root 1 0 R>>",
    ]
)


KNOWN = {*sandbox.ENVIRONMENT, "PWD", "LC_CTYPE"}
"""Variables that Python or bubblewrap sets, and ours."""


def notebook(*outputs: dict[str, Any], text: str = "# Title") -> bytes:
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": text},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "execution_count": 1,
            "source": "print(6 * 7)",
            "outputs": list(outputs),
        },
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def html_output(html: str) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}


def file_of(content: bytes) -> BinaryIO:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its last reference
    file.write(content)
    file.seek(0)
    return file


def render(what: str, content: bytes, **options: Any) -> str:
    return sandbox.render(what, file_of(content), **options).decode()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something else in the renderer's place: what a file could make of it that takes it over."""
    monkeypatch.setattr(sandbox, "PROGRAM", tmp_path)
    return tmp_path / "render.py"


def test_it_renders_a_notebook_with_its_outputs() -> None:
    stream = {"output_type": "stream", "name": "stdout", "text": "42\n"}
    html = render(
        "notebook",
        notebook(stream, html_output("<b>bold</b><link rel=preconnect href=//evil.example>"), text="# Title $x^2$"),
    )
    for part in ("<h1", "Title", "print", "42", "<b>bold</b>", "<msup>"):
        assert part in html
    assert "<link" not in html


def test_it_renders_the_pages_of_a_pdf() -> None:
    html = render("pdf", PDF)
    assert html.count("data:image/png;base64,") == 1
    assert "Hello, page" in html


@pytest.mark.parametrize(
    ("what", "content", "why"),
    [
        ("notebook", b"[]", "not a valid notebook"),
        ("notebook", b"\xff", "not a valid notebook"),
        ("notebook", b"[" * 100_000, "not a valid notebook"),
        ("pdf", b"%PDF-1.4 nonsense", "not a valid PDF"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(what: str, content: bytes, why: str) -> None:
    with pytest.raises(RenderFailedError, match=why):
        render(what, content)


def picture(width: int, height: int, about: bytes = b"") -> bytes:
    """A grey PNG, whose points need next to nothing where there are many."""
    said = b"tEXtwhere\0" + about
    header = b"IHDR" + struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    points = b"IDAT" + zlib.compress((b"\0" + b"\x80" * width) * min(height, 1000))
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, said, points, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def small(content: bytes) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with Path(file.name).open("rb") as source:
            return sandbox.render("thumbnail", source, ending="png")


def test_it_makes_a_small_picture_without_what_else_the_file_says() -> None:
    made = small(picture(600, 300, b"at home"))
    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">2I", made[16:24]) == (96, 48)
    assert b"at home" not in made


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (picture(60_000, 50_000), "picture"),
        (picture(12_000, 12_000), "too large"),
        (picture(600, 600)[:200], "not a valid picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a valid picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a valid picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "not a valid picture"),
        (b"", "not a valid picture"),
    ],
)
def test_it_makes_nothing_of_what_is_no_picture(content: bytes, why: str) -> None:
    with pytest.raises(RenderFailedError, match=why):
        small(content)


def test_it_compares_notebooks_cell_by_cell() -> None:
    older, newer = notebook(text="# Old words"), notebook(text="# New words")
    page = (rendering.result(rendering.compare_notebooks(io.BytesIO(older), io.BytesIO(newer))) or b"").decode()
    assert "# <mark>Old</mark> words" in page
    assert "1 unchanged cell" in page
    cells = rendering.compare_cells(io.BytesIO(older), io.BytesIO(newer))
    assert [(one.change, one.kind, one.sources) for one in cells] == [
        ("changed", "markdown", ("# Old words", "# New words"))
    ]


def _is_running(program: Path) -> bool:
    command = ["pgrep", "--full", str(program)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_it_gives_up_what_never_ends(program: Path) -> None:
    program.write_text("import os\nos.fork()\nwhile True: pass")
    with pytest.raises(RenderFailedError, match="takes too long"):
        render("notebook", b"x", seconds=2)
    wait_for(lambda: not _is_running(program.parent), 30, "something of it runs on")


def test_it_gives_up_what_takes_all_memory(program: Path) -> None:
    program.write_text("x = bytearray(10 * 2**30)")
    with pytest.raises(RenderFailedError, match="too much memory"):
        render("notebook", b"x")


def test_it_gives_up_what_writes_without_end(program: Path) -> None:
    program.write_text("import sys\nwhile True: sys.stdout.write('x' * 65536)")
    with pytest.raises(RenderFailedError, match="too large"):
        render("notebook", b"x")


def test_it_has_no_network_no_files_and_no_rights(program: Path, site_secrets: list[Path]) -> None:
    program.write_text(f"""
import json, os, socket
PLACES = "/x", "/usr/lib/x", "/program/preview/render.py", "/proc/sys/kernel/hostname"
def fails(do):
    try:
        do()
    except OSError:
        return True
    return False
def connect():
    with socket.create_connection(("127.0.0.1", 80), 1): pass
print(json.dumps({{
    "readable": [path for path in {[str(path) for path in site_secrets]!r} if os.path.exists(path)],
    "uid": os.getuid(),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "offline": fails(connect),
    "cannot write": all(fails(lambda: open(path, "w")) for path in PLACES),
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
    "variables": sorted(set(os.environ) - {KNOWN!r}),
    "everybody's": sorted(name for name in open("/proc/1/environ").read().split("\\0") if name),
    "capabilities": [line for line in open("/proc/self/status") if line.startswith("CapEff")][0].split()[1].strip("0"),
}}))
""")
    seen = json.loads(render("notebook", b"x"))
    assert seen == {
        "readable": [],
        "uid": 65534,
        "interfaces": ["lo"],
        "offline": True,
        "cannot write": True,
        "processes": 2,
        "variables": [],
        "everybody's": ["PATH=/usr/local/bin:/usr/bin:/bin"],
        "capabilities": "",
    }


@pytest.fixture
def site_secrets(settings: Any) -> list[Path]:
    return [
        Path(settings.VAR_DIR),
        Path(settings.DRIVE_ROOT),
        Path("/etc/passwd"),
        Path("/home"),
        Path(settings.BASE_DIR),
    ]
