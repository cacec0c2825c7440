"""Uploads as each client sends them, and what must not come of them."""

import os
import tracemalloc
from pathlib import Path

import pytest
from pytest_django import Settings

from api.services import revoke_token
from drive.models import File, Library, Quota, Version
from drive.storage import layout
from portal.models import User

from .conftest import BOUNDARY, Answer, Program, form, part

pytestmark = pytest.mark.django_db
REPO = "/api2/repos/{}"
V21 = "/api/v2.1/repos/{}"


def test_it_takes_parent_dir_as_a_file_after_the_file(program: Program, place: Path) -> None:
    """ebrains-drive: no `replace`, no `ret-json`."""
    (place / "d").mkdir()
    link = program.link(f"{REPO}/upload-link/", p="/d")
    answer = program.send(link, form(part("file", b"data", "a.txt"), part("parent_dir", "/d", "parent_dir")))
    assert (answer.status, len(answer.body)) == (200, 40)
    assert (place / "d/a.txt").read_bytes() == b"data"


def test_it_takes_fields_in_any_order_and_makes_missing_folders(program: Program, place: Path) -> None:
    """rclone: the order is random; `replace=1` replaces."""
    fields = [part("parent_dir", "/"), part("relative_path", "new/deep/"), part("replace", "1")]
    link = program.link(f"{REPO}/upload-link/") + "?ret-json=1"
    for content, order in ((b"one", fields), (b"two", fields[::-1])):
        answer = program.send(link, form(order[0], part("file", content, "f.bin"), *order[1:]))
        assert answer.json == [{"name": "f.bin", "id": answer.json[0]["id"], "size": 3}]
    assert [path.name for path in (place / "new/deep").iterdir()] == ["f.bin"]
    assert (place / "new/deep/f.bin").read_bytes() == b"two"
    row = File.objects.get(library=program.library, path="new/deep/f.bin")
    assert row.changed_by == program.token.user
    assert Version.objects.filter(file=row).count() == 2


def test_without_replace_a_taken_name_gets_a_number(program: Program, place: Path) -> None:
    for expected in ("x.tar.gz", "x.tar (1).gz", "x.tar (2).gz"):
        assert program.upload("x.tar.gz", expected.encode()).json[0]["name"] == expected
    assert program.upload("X.TAR.GZ", b"").json[0]["name"] == "X.TAR (3).GZ"  # names differ by more than case
    assert (place / "x.tar.gz").read_bytes() == b"x.tar.gz"
    assert program.upload("x", b"", replace="2").status == 400


def test_an_empty_file_is_a_file(program: Program, place: Path) -> None:
    assert program.upload("empty", b"").json == [{"name": "empty", "id": "0" * 40, "size": 0}]
    assert (place / "empty").read_bytes() == b""


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a&amp;b.txt", "a&amp;b.txt"),
        ("größe 中文.txt", "größe 中文.txt"),
        ("C:\\\\x\\\\y.txt", "C:\\x\\y.txt"),
        ("say %22hi%22.txt", 'say "hi".txt'),
        ("folder/name.txt", "name.txt"),
    ],
)
def test_names_of_files_arrive_as_they_were(program: Program, place: Path, sent: str, name: str) -> None:
    assert program.upload(sent, b"x").json[0]["name"] == name
    assert (place / name).exists()


@pytest.mark.parametrize("sent", ["..", ".", "n" * 256, "nul\0"])
def test_names_that_no_file_can_have_are_refused(program: Program, place: Path, sent: str) -> None:
    assert program.upload(sent, b"x").status == 400
    assert list(place.iterdir()) == []


def test_a_form_that_is_none_or_cut_off_changes_nothing(program: Program, place: Path) -> None:
    (place / "a.txt").write_bytes(b"old")
    link = program.link(f"{REPO}/upload-link/")
    whole = form(part("parent_dir", "/"), part("replace", "1"), part("file", b"new content", "a.txt"))
    for cut in (whole[:-4], whole[:-30], whole[:40], b"", b"nonsense"):
        assert program.send(link, cut).status == 400
    assert program.send(link, form(part("parent_dir", "/"))).json == {"error": "No file in the form."}
    assert program.send(link, form(part("file", b"x", "a.txt"))).json == {"error": "No parent_dir given."}
    for relative in ("/abs/", "\\abs", "../up", "a/../../b"):
        answer = program.upload("a.txt", b"x", relative_path=relative)
        assert answer.status == 400
    assert (place / "a.txt").read_bytes() == b"old"
    assert [path.name for path in place.iterdir()] == ["a.txt"]


def test_several_files_come_in_one_form(program: Program, place: Path) -> None:
    link = program.link(f"{REPO}/upload-link/")
    answer = program.send(link, form(part("file", b"1", "a"), part("parent_dir", "/"), part("file", b"2", "b")))
    assert [len(one) for one in answer.body.decode().split("\t")] == [40, 40]
    assert sorted(path.name for path in place.iterdir()) == ["a", "b"]


def test_the_time_of_a_file_comes_with_it(program: Program, place: Path) -> None:
    program.upload("a", b"x", last_modify="2015-06-30T12:00:00+02:00")
    assert (place / "a").stat().st_mtime == 1435658400
    assert program.upload("b", b"x", last_modify="yesterday").status == 200


def test_a_link_is_for_the_folder_that_it_was_asked_for(program: Program, place: Path) -> None:
    for name in ("d", "e"):
        (place / name).mkdir()
    link = program.link(f"{REPO}/upload-link/", p="/d/")
    body = part("file", b"x", "a.txt")
    assert program.send(link, form(body, part("parent_dir", "/e"))).status == 403
    assert program.send(link, form(body, part("parent_dir", "/"))).status == 403
    assert program.send(link, form(body, part("parent_dir", "/d"), part("relative_path", "sub"))).status == 200
    assert (place / "d/sub/a.txt").exists()
    assert list((place / "e").iterdir()) == []


def test_a_folder_that_the_client_cut_off_at_an_ampersand_still_takes_uploads(program: Program, place: Path) -> None:
    """ebrains-drive encodes neither & nor #: a folder that is not there is a hint, and one that is, a beginning."""
    for name in ("a & b", "c", "c#d"):
        (place / name).mkdir()
    for cut, folder in (("/a ", "/a & b"), ("/c", "/c#d")):
        link = program.link(f"{REPO}/upload-link/", p=cut)
        assert program.send(link, form(part("file", b"x", "f"), part("parent_dir", folder, "parent_dir"))).status == 200
        assert (place / folder[1:] / "f").exists()


def test_an_upload_is_never_answered_with_401(program: Program, place: Path) -> None:
    """ebrains-drive would send it again with a new token, from the end of the file: an empty one."""
    link = program.link(f"{REPO}/upload-link/")
    body = form(part("file", b"x", "a.txt"), part("parent_dir", "/"))
    assert program.send(link, body, Authorization="Token dead").status == 200
    assert program.send(link.replace("~", "~x"), body).status == 403
    assert program.send("/seafhttp/upload-api/x", body).json["error"]
    revoke_token(program.token.user, program.token)
    assert program.send(link, body).status == 403
    assert [path.name for path in place.iterdir()] == ["a.txt"]


def test_a_script_in_a_browser_may_upload_by_a_link(program: Program) -> None:
    link = program.link(f"{REPO}/upload-link/")
    answer = Answer(program.client.options(link))
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert program.send(link, form(part("file", b"x", "a"), part("parent_dir", "/"))).headers[
        "Access-Control-Allow-Origin"
    ]


def test_a_full_quota_is_443(program: Program, place: Path, editor: User) -> None:
    link = program.link(f"{REPO}/upload-link/")
    Quota.objects.create(collab=program.library.owner_collab, max_bytes=2, max_files=10)
    answer = program.send(link, form(part("file", b"abc", "a.txt"), part("parent_dir", "/")))
    assert answer.status == 443
    Library.objects.filter(pk=program.library.pk).update(used_bytes=2)
    assert program.get(f"{REPO}/upload-link/", p="/").status == 443
    assert list(place.iterdir()) == []


def test_an_update_link_replaces_the_file_that_it_names(program: Program, place: Path) -> None:
    (place / "a.txt").write_bytes(b"old")
    link = program.link(f"{REPO}/update-link/", p="/")
    assert program.send(link, form(part("target_file", "/a.txt"), part("file", b"new", "x"))).status == 200
    assert (place / "a.txt").read_bytes() == b"new"
    assert program.send(link, form(part("target_file", "/b.txt"), part("file", b"new", "x"))).status == 404
    assert program.send(link, form(part("file", b"new", "x"))).status == 400


def test_the_boundary_may_be_quoted_and_is_found_across_blocks(program: Program, place: Path) -> None:
    link = program.link(f"{REPO}/upload-link/")
    content = (f"\r\n--{BOUNDARY[:-1]}x" * 100_000).encode()
    body = form(part("parent_dir", "/"), part("file", content, "a"))
    kind = f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"'
    assert Answer(program.client.generic("POST", link, body, kind)).status == 200
    assert (place / "a").read_bytes() == content
    assert Answer(program.client.generic("POST", link, body, "text/plain")).status == 400
    assert Answer(program.client.generic("POST", link, body, "multipart/form-data")).status == 400


def test_a_file_may_come_in_parts_and_is_seen_when_it_is_whole(program: Program, place: Path) -> None:
    """`Content-Range`, one file in each request; the name stands percent-encoded in the request's own header."""
    (place / "größe.bin").write_bytes(b"old")
    link = program.link(f"{REPO}/upload-link/", p="/")
    name = "gr%C3%B6%C3%9Fe.bin"

    def send(content: bytes, first: int, last: int, total: int = 9) -> Answer:
        body = form(part("parent_dir", "/"), part("replace", "1"), part("file", content, "blob"))
        said = {
            "Content-Range": f"bytes {first}-{last}/{total}",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        return program.send(link, body, **said)

    def arrived() -> int:
        query = {"parent_dir": "/", "file_name": "größe.bin"}
        return int(program.get(f"{V21}/file-uploaded-bytes/", **query).json["uploadedBytes"])

    assert arrived() == 0
    assert send(b"one", 0, 2).json == {"success": True}
    assert send(b"six", 6, 8).status == 400  # a gap
    assert send(b"tw", 3, 5).status == 400  # cut off
    assert arrived() == 3
    assert send(b"xxx", 3, 5).json == {"success": True}
    assert send(b"two", 3, 5).json == {"success": True}  # once more
    assert (place / "größe.bin").read_bytes() == b"old"
    assert send(b"end", 6, 8).status == 200
    assert (place / "größe.bin").read_bytes() == b"onetwoend"
    assert (place / "größe.bin").stat().st_mode & 0o777 == 0o644
    assert arrived() == 0
    for wrong in ((3, 2, 9), (0, 9, 9), (9, 9, 9)):
        assert send(b"x", *wrong).status == 400
    assert [path.name for path in place.iterdir()] == ["größe.bin"]
    assert list(layout.staging().iterdir()) == []


def test_the_quota_is_held_against_the_whole_file_at_its_first_part(program: Program, place: Path) -> None:
    link = program.link(f"{REPO}/upload-link/", p="/")
    Quota.objects.create(collab=program.library.owner_collab, max_bytes=100, max_files=10)
    body = form(part("parent_dir", "/"), part("file", b"one", "a"))
    assert program.send(link, body, **{"Content-Range": "bytes 0-2/101"}).status == 443
    assert program.send(link, body, **{"Content-Range": "bytes 0-2/100"}).status == 200


@pytest.mark.slow
def test_a_large_upload_takes_no_memory(program: Program, place: Path, own_files: Path, settings: Settings) -> None:
    """As nginx hands it on: the form is in a file, of which the larger part is copied by the kernel."""
    settings.DRIVE_USE_ACCEL = True
    link, size = program.link(f"{REPO}/upload-link/", p="/"), 2**26
    whole = form(part("parent_dir", "/"), part("file", b"CONTENT", "large.bin"))
    head, _content, tail = whole.partition(b"CONTENT")
    body = own_files / "staging/nginx/0001"
    body.parent.mkdir()
    with body.open("wb") as file:
        file.write(head)
        file.seek(size, os.SEEK_CUR)  # a hole
        file.write(tail)
    tracemalloc.start()
    try:
        assert program.send(link, b"-", X_Body_File=str(body)).status == 200  # no body is no type for the client
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (place / "large.bin").stat().st_size == size
    assert peak < size / 4
