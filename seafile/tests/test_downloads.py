"""Contents of files and archives, by links that carry their right."""

import io
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

from collabs import services as collab_services
from collabs.models import Collab
from portal.models import User

from .conftest import Program, form, part

pytestmark = pytest.mark.django_db
REPO = "/api2/repos/{}"
V21 = "/api/v2.1/repos/{}"


def test_a_download_link_serves_several_requests_and_parts(program: Program, place: Path) -> None:
    (place / "a.bin").write_bytes(bytes(range(256)))
    link = program.link(f"{REPO}/file/", p="/a.bin")
    for _time in range(2):
        answer = program.follow(link, Authorization="Token dead")
        assert (answer.status, answer.body) == (200, bytes(range(256)))
        assert 'filename="a.bin"' in answer.headers["Content-Disposition"]
    assert program.get(f"{REPO}/file/", p="/").status == 404
    assert program.get(f"{REPO}/file/", p="/no").status == 404


def test_a_link_ends_with_the_right_of_its_person(
    program: Program, place: Path, owner: User, editor: User, collab: Collab
) -> None:
    (place / "a.txt").write_bytes(b"x")
    down, up = program.link(f"{REPO}/file/", p="/a.txt"), program.link(f"{REPO}/upload-link/", p="/")
    assert "a.txt" in unquote(down)
    collab_services.remove_member(owner, collab, editor)
    assert program.follow(down).status == 404
    assert program.send(up, form(part("file", b"y", "a.txt"), part("parent_dir", "/"))).status == 404
    assert (place / "a.txt").read_bytes() == b"x"


def test_a_zip_is_ready_at_once_and_holds_what_was_named(program: Program, place: Path) -> None:
    (place / "d").mkdir()
    (place / "d/a.txt").write_bytes(b"a")
    (place / "b.txt").write_bytes(b"b")
    for names, expected in ((["d"], {"d/", "d/a.txt"}), (["d", "b.txt"], {"d/", "d/a.txt", "b.txt"})):
        token = program.post(f"{V21}/zip-task/", {"parent_dir": "/", "dirents": names}).json["zip_token"]
        state = program.get("/api/v2.1/query-zip-progress/", token=token).json
        assert state["total"] == state["zipped"] + state["failed"] + state["canceled"] == state["zipped"]
        assert state["failed_reason"] == ""
        answer = program.follow(f"/seafhttp/zip/{token}")
        assert set(zipfile.ZipFile(io.BytesIO(answer.body)).namelist()) == expected
    assert program.post(f"{V21}/zip-task/", {"parent_dir": "/"}).status == 400
    assert program.post(f"{V21}/zip-task/", {"parent_dir": "/", "dirents": "no"}).status == 404
    assert program.post(f"{V21}/zip-task/", {"parent_dir": "/", "dirents": ".."}).status == 400
