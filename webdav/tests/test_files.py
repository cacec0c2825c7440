"""Files by WebDAV: changes are the Drive's own, with versions, trash, author and quota, and seen by pages at once."""

import hashlib
import os
import tracemalloc
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from collabs.models import Collab
from drive.files import operations
from drive.libraries import services
from drive.models import File, Library, Quota, Version
from drive.storage import open_library
from portal.models import User

from .conftest import Dav, Program

pytestmark = pytest.mark.django_db


def test_it_puts_and_gets_a_file_that_the_pages_see(
    program: Program, place: Path, library: Library, editor: User, sign_in: Callable[[User], Client]
) -> None:
    made = program("PUT", ":a.txt", b"one")
    assert made.status == 201
    got = program("GET", ":a.txt")
    assert (got.body, got.headers["ETag"]) == (b"one", made.headers["ETag"])
    assert program.status("GET", ":a.txt", If_None_Match=made.headers["ETag"]) == 304
    api = sign_in(editor).get(f"/api/v1/libraries/{library.pk}/stat?path=a.txt").json()
    assert api["etag"] == made.headers["ETag"] == made.headers["OC-ETag"]
    changed = program("PUT", ":a.txt", b"two")
    assert (changed.status, (place / "a.txt").read_bytes()) == (204, b"two")
    row = File.objects.get(library=library, path="a.txt")
    assert (row.changed_by, row.versions.count()) == (editor, 2)
    assert [version.by for version in row.versions.all()] == [editor, editor]


def test_it_replaces_the_version_that_was_meant_and_no_other(program: Program, place: Path) -> None:
    tag = program("PUT", ":a.txt", b"one").headers["ETag"]
    assert program.status("PUT", ":a.txt", b"x", If_None_Match="*") == 409
    assert program.status("PUT", ":a.txt", b"two", If_Match=tag) == 204
    assert program.status("PUT", ":a.txt", b"x", If_Match=tag) == 412
    assert program.status("PUT", ":a.txt", b"x", If=f"([{tag}])") == 412
    assert program.status("DELETE", ":a.txt", If_Match=tag) == 412
    assert program.status("PUT", ":absent.txt", b"x", If_Match=tag) == 412
    assert program.status("PUT", ":a.txt", b"x", Content_Range="bytes 0-0/2") == 400
    assert (place / "a.txt").read_bytes() == b"two"


def test_it_checks_the_etag_of_the_if_header_once_more_in_the_moment_of_the_change(
    program: Program, place: Path, library: Library, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = program("PUT", ":a.txt", b"one").headers["ETag"]
    put = operations.put

    def later(*arguments: object, **named: object) -> object:
        monkeypatch.setattr(operations, "put", put)
        operations.write(editor, library, "a.txt", b"between")
        return put(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(operations, "put", later)
    assert program.status("PUT", ":a.txt", b"two", If=f"([{tag}])") == 412
    assert (place / "a.txt").read_bytes() == b"between"


def test_it_puts_nothing_where_nothing_can_be(program: Program, place: Path) -> None:
    (place / "folder").mkdir()
    (place / "link").symlink_to("folder")
    assert program.status("PUT", ":absent/a.txt", b"x") == 409
    assert program.status("PUT", ":folder", b"x") == 405
    assert program.status("PUT", ":folder/", b"x") == 405
    assert program.status("PUT", ":link", b"x") == 409
    assert program.status("PUT", ":link/x", b"x") == 409
    assert program.status("PUT", ":", b"x") == 405
    assert program.status("PUT", "My Libraries", b"x") == 403
    assert program.status("PUT", ":../x", b"x") == 400
    assert program.status("PUT", ":a\0b", b"x") == 400
    assert program.status("PUT", f":{'n' * 256}", b"x") == 400
    assert sorted(one.name for one in place.iterdir()) == ["folder", "link"]
    assert not list((place / "folder").iterdir())


def test_it_follows_no_link_and_lists_none(program: Program, place: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    (place / "link").symlink_to(tmp_path / "secret")
    (place / "up").symlink_to("/")
    os.mkfifo(place / "pipe")
    assert program.find(":", depth="1").hrefs() == ["/dav/Shared%20with%20groups/Cortex/"]
    for path in (":link", ":up/etc/passwd", ":pipe"):
        answer = program("GET", path)
        assert answer.status in (404, 409)
        assert b"SECRET" not in answer.body


def test_it_holds_to_the_quota(program: Program, collab: Collab, place: Path) -> None:
    Quota.objects.create(collab=collab, max_bytes=5)
    assert program.status("PUT", ":a", b"12345") == 201
    assert program.status("PUT", ":b", b"1") == 507
    assert program.status("PUT", ":a", b"123456") == 507
    assert program.status("COPY", ":a", Destination=":b") == 507
    assert program.status("PUT", ":a", b"1") == 204
    assert [one.name for one in place.iterdir()] == ["a"]


def test_it_puts_what_is_deleted_into_the_trash(program: Program, library: Library, editor: User, place: Path) -> None:
    program("MKCOL", ":folder")
    program("PUT", ":folder/a", b"a")
    assert program.status("DELETE", ":folder", Depth="0") == 400
    assert program.status("DELETE", ":folder/") == 204
    assert program.status("DELETE", ":folder") == 404
    item = library.trash.get()
    assert (item.path, item.deleted_by, item.files) == ("folder", editor, 1)
    assert list(place.iterdir()) == []


def test_it_makes_folders(program: Program, place: Path) -> None:
    assert program.status("MKCOL", ":a/") == 201
    assert program.status("MKCOL", ":a") == 405
    assert program.status("MKCOL", ":b/c") == 409
    assert program.status("MKCOL", ":d", b"<x/>") == 415
    program("PUT", ":file", b"x")
    assert program.status("MKCOL", ":file") == 405
    assert program.status("MKCOL", ":file/x") == 409
    assert program.status("MKCOL", ":A") == 409  # beside “a”, which is the same name on other people's computers
    assert sorted(one.name for one in place.iterdir()) == ["a", "file"]


@pytest.mark.slow
def test_it_moves_and_copies(program: Program, place: Path, library: Library) -> None:
    program("MKCOL", ":f")
    program("PUT", ":f/a", b"a")
    program("PUT", ":b", b"b")
    assert program.status("MOVE", ":b", Destination=":f/b") == 201
    assert program.status("COPY", ":f", Destination=":g") == 201
    assert program.status("COPY", ":f", Destination=":empty", Depth="0") == 201
    assert program.status("COPY", ":f", Destination=":x", Depth="1") == 400
    assert program.status("MOVE", ":f", Destination=":h", Depth="0") == 400
    assert program.status("MOVE", ":f", Destination=":h/") == 201
    assert program.status("MOVE", ":h/a", Destination=":absent/a") == 409
    assert program.status("MOVE", ":absent", Destination=":x") == 404
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*"))
    assert found == ["empty", "g", "g/a", "g/b", "h", "h/a", "h/b"]
    assert File.objects.get(library=library, path="h/b").versions.count() == 1


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_a_file_that_is_replaced_by_a_move_or_copy_becomes_a_version(
    program: Program, place: Path, library: Library, method: str
) -> None:
    program("PUT", ":new", b"new", X_OC_Mtime="1500000000")
    program("PUT", ":old", b"old")
    assert program.status(method, ":new", Destination=":old", Overwrite="F") == 412
    assert (place / "old").read_bytes() == b"old"
    assert program.status(method, ":new", Destination=":old") == 204
    assert (place / "old").read_bytes() == b"new"
    assert (place / "old").stat().st_mtime == 1500000000
    file = File.objects.get(library=library, path="old", trashed=None)
    assert [version.size for version in file.versions.order_by("pk")] == [3, 3]
    assert (place / "new").exists() == (method == "COPY")
    assert [item.path for item in library.trash.all()] == ([] if method == "COPY" else ["new"])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["COPY", "MOVE"])
def test_what_else_a_move_or_copy_replaces_is_in_the_trash(
    program: Program, place: Path, library: Library, settings: Settings, method: str
) -> None:
    program("MKCOL", ":folder")
    program("PUT", ":folder/a", b"a")
    program("PUT", ":file", b"file")
    assert program.status(method, ":folder", Destination=":file") == 204
    assert (place / "file/a").read_bytes() == b"a"
    settings.VERSION_MAX_BYTES = 4  # larger files have no versions
    program("PUT", ":large", b"large")
    program("PUT", ":other", b"other")
    assert program.status(method, ":large", Destination=":other") == 204
    assert {item.path for item in library.trash.all()} == {"file", "other"}


def test_it_puts_back_what_a_failed_move_was_to_replace(
    program: Program, place: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("MKCOL", ":new")
    program("PUT", ":old", b"old")

    def fail(*_: object) -> None:
        (place / "new").rmdir()  # by a notebook, in this moment
        monkeypatch.undo()
        operations.move(*_)  # type: ignore[arg-type]

    monkeypatch.setattr(operations, "move", fail)
    assert program.status("MOVE", ":new", Destination=":old") == 404
    assert (place / "old").read_bytes() == b"old"
    assert not library.trash.exists()


def test_it_replaces_nothing_by_itself_or_a_part_of_itself(program: Program, place: Path) -> None:
    program("MKCOL", ":f")
    program("MKCOL", ":f/g")
    program("PUT", ":f/g/a", b"a")
    for method in ("COPY", "MOVE"):
        for source, target in ((":f", ":f"), (":f", ":f/g/h"), (":f/g", ":f"), (":f/g/a", ":")):
            assert program.status(method, source, Destination=target) == 403, (method, source, target)
    assert (place / "f/g/a").read_bytes() == b"a"


def test_it_renames_by_case_alone(program: Program, place: Path) -> None:
    program("PUT", ":readme.md", b"x")
    assert program.status("MOVE", ":readme.md", Destination=":README.md") == 201
    assert [one.name for one in place.iterdir()] == ["README.md"]
    program("PUT", ":other", b"x")
    assert program.status("MOVE", ":other", Destination=":ReadMe.md") == 409


def test_it_moves_between_libraries_with_rights_in_both(
    dav: Dav, program: Program, viewer: User, editor: User, place: Path
) -> None:
    program("PUT", ":a", b"a")
    mine = "My Libraries/My Library"
    assert dav(viewer).status("COPY", ":a", Destination=f"{mine}/a") == 201
    assert dav(viewer).status("MOVE", ":a", Destination=f"{mine}/b") == 403
    assert dav(viewer).status("COPY", f"{mine}/a", Destination=":stolen") == 403
    assert program.status("MOVE", ":a", Destination=f"{mine}/a") == 201
    assert program("GET", f"{mine}/a").body == b"a"
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("destination", "status"),
    [
        ("", 400),
        ("http://elsewhere.example.org/dav/My%20Libraries/My%20Library/x", 502),
        ("http://testserver:8080/dav/My%20Libraries/My%20Library/x", 502),
        ("//evil.example.org/dav/My%20Libraries/My%20Library/x", 502),
        ("http://testserver/drive/x", 502),
        ("http://testserver/davx/My%20Libraries/My%20Library/x", 502),
        ("/dav/../etc/passwd", 400),
        ("/dav/My%20Libraries/My%20Library/%2e%2e/x", 400),
        ("/dav/My%20Libraries/My%20Library/a%2f..%2f..%2fx", 400),
        ("/dav/My%20Libraries/My%20Library/x#y", 400),
        ("/dav/My%20Libraries/My%20Library/x%00", 400),
        ("http://[::1/dav/x", 400),
        ("http://testserver:port/dav/x", 400),
        ("/dav/Shared%20with%20groups/Nobody/x", 404),
        ("/dav/My%20Libraries/x", 404),
        ("/dav/My%20Libraries/My%20Library/x", 201),
        ("http://testserver:80/dav/My%20Libraries/My%20Library/x", 201),
        ("http://somebody:secret@TESTSERVER/dav/My%20Libraries/My%20Library/x", 201),
    ],
)
def test_it_goes_to_no_other_destination(program: Program, destination: str, status: int) -> None:
    program("PUT", ":a", b"a")
    headers = {"Authorization": f"Bearer {program.secret}", "Destination": destination}
    answer = program.client.generic("MOVE", program.address(":a"), headers=headers)
    assert answer.status_code == status
    assert program.status("GET", ":a") == (404 if status == 201 else 200)


def test_it_takes_names_apart_and_puts_them_together(program: Program, place: Path) -> None:
    name = "Überschüsse"
    apart = unicodedata.normalize("NFD", name)
    assert program.status("MKCOL", f":{apart}") == 201
    assert program.status("PUT", f":{apart}/{apart}.txt", b"x") == 201
    assert (place / name / f"{name}.txt").read_bytes() == b"x"
    assert program.status("PUT", f":{apart}/{apart}.txt", b"y") == 204
    assert program("GET", f":{apart}/{apart}.txt").body == b"y"
    assert program.status("MOVE", f":{apart}/{apart}.txt", Destination=f":{apart}/{apart}2") == 201
    assert [one.name for one in (place / name).iterdir()] == [f"{name}2"]
    (place / apart[:4]).mkdir()  # a notebook may have made such a name: then it is that one
    (place / apart[:4] / "a").write_bytes(b"a")
    assert program("GET", f":{apart[:4]}/a").body == b"a"


def test_it_reaches_names_of_any_bytes(program: Program, place: Path) -> None:
    (Path(os.fsdecode(os.fsencode(place) + b"/\xff\n<&>"))).write_bytes(b"odd")
    [_top, address] = program.find(":", depth="1").hrefs()
    assert address.endswith("/%FF%0A%3C%26%3E")
    headers = {"Authorization": f"Bearer {program.secret}"}
    answer = program.client.get("/dav/", headers=headers, RAW_URI=address)
    assert b"".join(answer) == b"odd"


@pytest.mark.parametrize("name", [".DS_Store", "._photo.jpg", "Thumbs.db", "desktop.ini"])
def test_it_keeps_clutter_out_of_libraries(
    program: Program, dav: Dav, owner: User, place: Path, library: Library, name: str
) -> None:
    assert program.status("PUT", f":{name}", b"clutter") == 201
    assert program("GET", f":{name}").body == b"clutter"
    assert program.find(f":{name}", "getcontentlength").status == 207
    assert program.lock(f":{name}").status == 200
    assert dav(owner).status("GET", f":{name}") == 404
    assert name not in program.find(":", depth="1").body.decode()
    assert program.status("MOVE", f":{name}", Destination=":visible") == 403
    assert program.status("MKCOL", f":{name}x/{name}") in (403, 409)
    program("PUT", ":real", b"x")
    assert program.status("MOVE", ":real", Destination=f":{name}") == 403
    assert program.status("DELETE", f":{name}") == 204
    assert program.status("GET", f":{name}") == 404
    assert program.status("DELETE", f":{name}") == 404
    assert program.status("PUT", f":{name}", b"x" * 20_000) == 201  # too large to be remembered
    assert program("GET", f":{name}").body == b""
    assert [one.name for one in place.iterdir()] == ["real"]
    assert not library.trash.exists()


# ownCloud's manner


def test_it_takes_time_and_checksum_of_an_upload(program: Program, place: Path) -> None:
    sha1, md5 = (hashlib.new(name, b"content").hexdigest() for name in ("sha1", "md5"))
    answer = program("PUT", ":a", b"content", X_OC_Mtime="1500000000", OC_Checksum=f"SHA1:{sha1}")
    assert (answer.status, answer.headers["X-OC-Mtime"]) == (201, "accepted")
    assert (place / "a").stat().st_mtime == 1_500_000_000
    names = ("getlastmodified", "checksums xmlns='http://owncloud.org/ns'")
    found = program.find(":", *names, depth="1")
    assert b"Fri, 14 Jul 2017 02:40:00 GMT" in found.body
    assert f"SHA1:{sha1} MD5:{md5}".encode() in found.body
    program("MOVE", ":a", Destination=":b")
    assert md5.encode() in program.find(":b", *names).body
    (place / "b").write_bytes(b"CONTENT")  # a notebook
    os.utime(place / "b", (1_500_000_000, 1_500_000_000))
    assert md5.encode() not in program.find(":b", *names).body


def test_it_refuses_a_damaged_upload_and_times_that_are_none(program: Program, place: Path) -> None:
    program("PUT", ":a", b"old")
    for headers in (
        {"OC_Checksum": f"SHA1:{'0' * 40}"},
        {"OC_Checksum": "ADLER32:1"},
        {"OC_Checksum": "nonsense"},
        {"X_OC_Mtime": "yesterday"},
        {"X_OC_Mtime": "9e99"},
        {"X_OC_Mtime": "999999999999"},
        {"X_OC_Mtime": "nan"},
    ):
        assert program.status("PUT", ":a", b"new", **headers) == 400, headers
    assert (place / "a").read_bytes() == b"old"
    assert Version.objects.count() == 1


@pytest.mark.parametrize("value", ["1500000000", "Fri, 14 Jul 2017 02:40:00 GMT"])
def test_it_sets_the_time_of_a_file_without_another_author(
    program: Program, dav: Dav, owner: User, place: Path, library: Library, editor: User, value: str
) -> None:
    sha1 = hashlib.sha1(b"x", usedforsecurity=False).hexdigest()
    program("PUT", ":a", b"x", OC_Checksum=f"SHA1:{sha1}")
    body = f"<propertyupdate xmlns='DAV:'><set><prop><lastmodified>{value}</lastmodified></prop></set></propertyupdate>"
    assert b"200 OK" in dav(owner)("PROPPATCH", ":a", body).body
    assert (place / "a").stat().st_mtime == 1_500_000_000
    row = File.objects.get(library=library, path="a")
    with open_library(library) as files:
        assert row.signature == files.stat("a").signature
    assert (row.changed_by, row.is_captured, row.versions.count()) == (editor, True, 1)
    assert sha1.encode() in program.find(":a", "checksums xmlns='http://owncloud.org/ns'").body
    assert program.status("PROPPATCH", ":", body) == 409


def test_it_tells_the_room_that_is_left(program: Program, dav: Dav, editor: User, collab: Collab) -> None:
    Quota.objects.create(collab=collab, max_bytes=100)
    Quota.objects.create(user=editor, max_bytes=1000)
    services.create_library(editor, "Mine")
    program("PUT", ":a", b"12345")
    names = ("quota-available-bytes", "quota-used-bytes")
    for path, available, used in ((":", "95", "5"), ("", "1000", "0"), ("My Libraries/Mine", "1000", "0")):
        found = program.find(path, *names)
        values = [getattr(found.prop(f"{{DAV:}}{name}"), "text", None) for name in names]
        assert values == [available, used], path
    assert program.find("Shared with me", *names).prop("{DAV:}quota-used-bytes") is None
    assert b"quota" not in program.find(":").body  # not where all is asked for: RFC 4331


# By the proxy


def test_it_leaves_the_bytes_to_the_proxy(
    program: Program, settings: Settings, place: Path, library: Library, own_files: Path
) -> None:
    program("PUT", ":ä b", b"content")
    settings.DRIVE_USE_ACCEL = True
    answer = program("GET", ":ä b")
    assert (answer.body, answer.headers["X-Accel-Redirect"]) == (b"", f"/_drive/private/{library.pk}/%C3%A4%20b")
    body = own_files / "staging/nginx/0001"
    body.parent.mkdir()
    body.write_bytes(b"spooled")
    assert program.status("PUT", ":ä b", X_Body_File=str(body)) == 204
    assert (place / "ä b").read_bytes() == b"spooled"
    assert program.status("PUT", ":ä b", X_Body_File="/etc/passwd") == 400


@pytest.mark.slow
def test_a_large_upload_takes_no_memory(program: Program, settings: Settings, place: Path, own_files: Path) -> None:
    """With a checksum, for which all of it is read."""
    settings.DRIVE_USE_ACCEL = True
    nginx, size = own_files / "staging/nginx", 2**26
    nginx.mkdir()
    wrong = f"SHA1:{'0' * 40}"
    bodies = [nginx / name for name in ("0001", "0002")]  # each is removed after its request
    for body in bodies:
        with body.open("wb") as file:
            file.truncate(size)  # a hole
    tracemalloc.start()
    try:
        assert program.status("PUT", ":large.bin", X_Body_File=str(bodies[0]), OC_Checksum=wrong) == 400
        assert program.status("PUT", ":large.bin", X_Body_File=str(bodies[1])) == 201
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (place / "large.bin").stat().st_size == size
    assert peak < size / 4
