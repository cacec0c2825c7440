"""Bytes in and out: downloads that never run on the portal's origin, uploads of every kind, names of every kind."""

import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from drive.files.paths import name_in_form
from drive.libraries import services
from drive.models import Library
from drive.storage import files as storage
from drive.storage import layout
from portal.models import User

SignIn = Callable[[User], Client]
NAMES = [
    "a b.txt",
    "50%.txt",
    "%2e%2e%2f.txt",
    "what?.txt",
    "#1.txt",
    "ünïcödé 数据 🧠.txt",
    "line\nbreak.txt",
    "carriage\rreturn.txt",
    "quo\"te's.txt",
    "back\\slash.txt",
    "semi;colon=x.txt",
    "<b>&amp;.txt",
    "-rf",
    "...",
    " spaces ",
    "+plus+",
    "\x7f\x01",
    "x" * 255,
]


@pytest.fixture
def as_owner(owner: User, sign_in: SignIn) -> Client:
    return sign_in(owner)


@pytest.fixture
def url(library: Library) -> str:
    return f"/drive/{library.pk}/"


@pytest.fixture
def without_nginx(settings: Settings) -> None:
    settings.DRIVE_USE_ACCEL = False


def put(client: Client, url: str, name: str, data: bytes = b"x", **headers: str) -> int:
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    return client.put(url + quote(name, safe=""), data, headers=headers).status_code


def body(client: Client, url: str) -> bytes:
    return b"".join(client.get(url + "?show=raw").streaming_content)  # type: ignore[attr-defined]


# Down


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", ["", "a folder?#%/"])
def test_it_names_a_file_to_nginx(
    as_owner: Client, url: str, library: Library, place: Path, name: str, folder: str
) -> None:
    (place / folder).mkdir(exist_ok=True)
    (place / folder / name).write_text("x")
    response = as_owner.get(url + quote(folder + name) + "?show=raw")
    accel = response["X-Accel-Redirect"]
    assert re.fullmatch(r"/_drive/[\w./%~-]+", accel, re.ASCII)
    assert unquote(accel) == f"/_drive/private/{library.pk}/{folder}{name}"
    disposition = response["Content-Disposition"]
    assert disposition.startswith("attachment; filename=")
    assert unquote(disposition.partition("filename*=utf-8''")[2]) == name
    assert disposition.isascii()
    assert disposition.isprintable()
    assert response.content == b""


def test_it_names_a_public_library_where_it_is(as_owner: Client, public_collab: object, owner: User) -> None:
    library = Library.objects.get(owner_collab=public_collab)  # type: ignore[misc]
    (layout.find(library.pk) / "a.txt").touch()
    response = as_owner.get(f"/drive/{library.pk}/a.txt?show=raw")
    assert response["X-Accel-Redirect"] == f"/_drive/public/.libraries/{library.pk}/a.txt"


@pytest.mark.parametrize("accel", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("page.html", "application/octet-stream"), ("x.js", "application/octet-stream"), ("plot.PNG", "image/png")],
)
def test_it_never_lets_a_download_run(
    as_owner: Client, url: str, place: Path, settings: Settings, accel: bool, name: str, kind: str
) -> None:
    settings.DRIVE_USE_ACCEL = accel
    (place / name).write_text("<script>alert(1)</script>")
    response = as_owner.get(url + name + "?show=raw")
    assert response["Content-Type"] == kind
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["Cache-Control"] == "private, no-cache"
    response.close()


def test_it_sends_the_bytes_itself_without_nginx(as_owner: Client, url: str, place: Path, without_nginx: None) -> None:
    data = os.urandom(300_000)
    (place / "a.bin").write_bytes(data)
    response = as_owner.get(url + "a.bin?show=raw")
    assert response["Content-Length"] == "300000"
    assert b"".join(response.streaming_content) == data  # type: ignore[attr-defined]


@pytest.mark.slow
def test_it_leaks_no_byte_in_a_race(
    as_owner: Client, url: str, place: Path, outside: Path, without_nginx: None
) -> None:
    """Over the web, with a notebook that swaps the folder for a link."""
    (place / "folder").mkdir()
    (place / "folder/secret.txt").write_text("mine")
    (place / "link").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("folder", "x"), ("link", "folder"), ("folder", "link"), ("x", "folder")):
                (place / old).rename(place / new)

    swapper = threading.Thread(target=swap)
    swapper.start()
    statuses = set()
    try:
        for _ in range(80):
            response = as_owner.get(url + "folder/secret.txt?show=raw")
            statuses.add(response.status_code)
            if response.status_code == 200:
                assert b"".join(response.streaming_content) == b"mine"  # type: ignore[attr-defined]
            else:
                assert b"SECRET" not in response.content
            page = as_owner.get(url + "folder/")
            assert b"/folder/sub" not in page.content
    finally:
        stop.set()
        swapper.join()
    assert statuses >= {200, 404} or statuses >= {200, 409}


# Up: PUT


def test_it_creates_and_replaces_by_version(as_owner: Client, url: str, place: Path) -> None:
    created = as_owner.put(url + "a.txt", b"one", headers={"If-None-Match": "*"})
    assert created.status_code == 204
    assert put(as_owner, url, "a.txt", b"two", If_None_Match="*") == 409
    assert put(as_owner, url, "a.txt", b"two", If_Match=created["ETag"]) == 204
    refused = as_owner.put(url + "a.txt", b"three", headers={"If-Match": created["ETag"]})
    assert (refused.status_code, refused.content) == (412, b"The file was changed in the meantime.")
    assert put(as_owner, url, "new.txt", b"x", If_Match="*") == 412
    assert (place / "a.txt").read_bytes() == b"two"
    assert list(layout.staging().iterdir()) == []


def test_it_takes_empty_and_large_bodies(as_owner: Client, url: str, place: Path) -> None:
    assert put(as_owner, url, "empty", b"") == 204
    assert (place / "empty").stat().st_size == 0
    data = os.urandom(6 << 20)
    assert put(as_owner, url, "large", data) == 204
    assert (place / "large").read_bytes() == data


def test_it_refuses_a_body_that_breaks_off(as_owner: Client, url: str, place: Path) -> None:
    half: Any = {"wsgi.input": io.BytesIO(b"half"), "CONTENT_LENGTH": "8"}
    response = as_owner.generic("PUT", url + "a.txt", b"half", **half)
    assert response.status_code == 400
    assert b"was interrupted" in response.content
    assert list(place.iterdir()) == []
    assert list(layout.staging().iterdir()) == []


@pytest.fixture
def arrived() -> Path:
    """A body that nginx wrote to a file."""
    path = layout.staging() / "nginx" / "0000000007"
    path.parent.mkdir()
    path.write_bytes(b"from nginx")
    path.chmod(0o600)
    return path


def test_it_takes_the_file_that_nginx_wrote(as_owner: Client, url: str, place: Path, arrived: Path) -> None:
    assert put(as_owner, url, "a.txt", b"", X_Body_File=str(arrived)) == 204
    assert (place / "a.txt").read_bytes() == b"from nginx"
    assert (place / "a.txt").stat().st_mode & 0o777 == 0o644
    assert not arrived.exists()


def test_it_takes_no_other_file(as_owner: Client, url: str, place: Path, arrived: Path, outside: Path) -> None:
    (arrived.parent / "link").symlink_to(outside / "secret.txt")
    (arrived.parent / "sub").mkdir()
    tricks = [
        str(outside / "secret.txt"),
        f"{arrived.parent}/../../../outside/secret.txt",
        "/etc/passwd",
        str(arrived.parent),
        str(arrived.parent / "sub"),
        str(arrived.parent / "link"),
        str(arrived.parent / "gone"),
        "0000000007",
        str(layout.staging() / "elsewhere"),
    ]
    for trick in tricks:
        assert put(as_owner, url, "a.txt", b"", X_Body_File=trick) in (400, 404, 409), trick
    assert list(place.iterdir()) == []
    assert (outside / "secret.txt").exists()


def test_it_believes_no_such_header_without_nginx(
    as_owner: Client, url: str, place: Path, arrived: Path, without_nginx: None
) -> None:
    assert put(as_owner, url, "a.txt", b"my own", X_Body_File=str(arrived)) == 204
    assert (place / "a.txt").read_bytes() == b"my own"
    assert arrived.exists()


# Up: names that are taken


@pytest.fixture
def held(as_owner: Client, url: str, place: Path) -> dict[str, str]:
    """The answer to an upload of `a.txt` where one is there."""
    (place / "a.txt").write_text("theirs")
    response = as_owner.put(url + "a.txt", b"mine", headers={"If-None-Match": "*", "X-Hold": "1"})
    assert response.status_code == 409
    return json.loads(response.content)


def choose(client: Client, url: str, held: dict[str, str], how: str) -> int:
    form = {"do": "choose", "held": held["held"], "how-0": how, "etag-0": held["etag"]}
    return client.post(url, form).status_code


def contents(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.iterdir()}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("replace", {"a.txt": "mine"}),
        ("both", {"a.txt": "theirs", "a (2).txt": "mine"}),
        ("drop", {"a.txt": "theirs"}),
        ("", {"a.txt": "theirs"}),
    ],
)
def test_it_does_what_the_person_chooses(
    as_owner: Client, url: str, place: Path, held: dict[str, str], how: str, expected: dict[str, str]
) -> None:
    assert choose(as_owner, url, held, how) == 302
    assert contents(place) == expected
    assert list(layout.staging().iterdir()) == []
    choose(as_owner, url, held, how)
    assert contents(place) == expected, "once"


def test_it_asks_again_when_the_file_was_changed_again(
    as_owner: Client, url: str, place: Path, held: dict[str, str]
) -> None:
    (place / "a.txt").write_text("theirs, newer")
    form = {"do": "choose", "held": held["held"], "how-0": "replace", "etag-0": held["etag"]}
    page = as_owner.post(url, form)
    assert page.status_code == 409
    assert contents(place) == {"a.txt": "theirs, newer"}
    form = dict(re.findall(r'name="(do|held|etag-0)" value="([^"]*)"', page.content.decode()))
    form["etag-0"] = form["etag-0"].replace("&quot;", '"')
    as_owner.post(url, form | {"how-0": "replace"})
    assert contents(place) == {"a.txt": "mine"}


def test_it_gives_an_upload_to_nobody_else(
    as_owner: Client, editor: User, sign_in: SignIn, url: str, place: Path, held: dict[str, str], owner: User
) -> None:
    other = services.create_library(owner, "Other")
    choose(sign_in(editor), url, held, "replace")
    choose(as_owner, f"/drive/{other.pk}/", held, "both")
    choose(as_owner, url, held | {"held": held["held"][:-1] + "x"}, "replace")
    assert contents(place) == {"a.txt": "theirs"}
    assert list(layout.find(other.pk).iterdir()) == []


def test_it_keeps_nothing_unless_asked(as_owner: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_text("theirs")
    assert put(as_owner, url, "a.txt", b"mine", If_None_Match="*") == 409
    assert list(layout.staging().iterdir()) == []


# Up: the form


def upload(client: Client, url: str, *files: SimpleUploadedFile) -> tuple[int, str]:
    response = client.post(url, {"do": "upload", "file": list(files)}, follow=True)
    return response.status_code, response.content.decode()


def test_it_takes_files_by_the_form(as_owner: Client, url: str, place: Path) -> None:
    large = os.urandom(3 << 20)
    small, empty = SimpleUploadedFile("small.txt", b"x"), SimpleUploadedFile("empty.txt", b"")
    status, page = upload(as_owner, url, small, empty, SimpleUploadedFile("large.bin", large))
    assert status == 200
    assert "“large.bin” was uploaded." in page
    assert (place / "large.bin").read_bytes() == large
    assert (place / "empty.txt").stat().st_size == 0
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o644}
    assert list(layout.staging().iterdir()) == []


def test_it_asks_about_names_that_are_taken_without_javascript(as_owner: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_text("theirs")
    (place / "Folder").mkdir()
    status, page = upload(
        as_owner, url, SimpleUploadedFile("A.TXT", b"mine"), SimpleUploadedFile("folder", b"x" * (3 << 20))
    )
    assert status == 409
    assert "There is a file “a.txt”: 6" in page
    assert "There is a folder “Folder”." in page
    assert page.count('value="replace"') == 1, "a folder is not replaced"
    tokens = re.findall(r'name="held" value="([^"]*)"', page)
    etag = re.findall(r'name="etag-0" value="([^"]*)"', page)[0].replace("&quot;", '"')
    form = {"do": "choose", "held": tokens, "etag-0": etag, "how-0": "replace", "how-1": "both"}
    as_owner.post(url, form)
    assert (place / "a.txt").read_text() == "mine"
    assert (place / "folder (2)").stat().st_size == 3 << 20
    assert {path.name for path in layout.staging().iterdir()} == set()


# Names


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_every_name(as_owner: Client, url: str, place: Path, without_nginx: None, name: str) -> None:
    round_trip(as_owner, url, place, name, "renamed.txt")


def round_trip(client: Client, url: str, place: Path, name: str, new: str) -> None:
    """Upload, list, download, rename, download, delete."""
    data = os.urandom(16)
    assert put(client, url, name, data) == 204
    [stored] = os.listdir(place)
    page = client.get(url).content.decode()
    if not stored.startswith("."):
        assert f'href="{url}{quote(stored)}"' in page
    assert body(client, url + quote(stored, safe="")) == data
    assert client.post(url, {"do": "rename", "old": quote(stored, safe=""), "name": new}).status_code == 302
    [renamed] = os.listdir(place)
    assert renamed == storage.new_name(new)
    assert body(client, url + quote(renamed, safe="")) == data
    client.post(url, {"do": "delete", "name": quote(renamed, safe="")})
    assert os.listdir(place) == []


def fits(name: str) -> bool:
    try:
        storage.new_name(name)
    except storage.WrongPathError:
        return False
    return "\r" not in name and not name.startswith(".")


any_name = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=90)


@pytest.mark.slow
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=any_name.filter(fits), new=any_name.filter(fits))
def test_it_keeps_any_name_that_the_disk_can_hold(
    as_owner: Client, url: str, place: Path, without_nginx: None, name: str, new: str
) -> None:
    round_trip(as_owner, url, place, name, new)


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open(library: Library) -> Iterator[None]:
    yield
    root = str(layout.root())
    links = [Path("/proc/self/fd") / fd for fd in os.listdir("/proc/self/fd")]
    left = [os.readlink(link) for link in links if link.is_symlink()]
    assert [target for target in left if target.startswith(root) and "/private/" in target] == []


@pytest.mark.slow
def test_the_form_says_that_the_disk_is_full(
    as_owner: Client, url: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Django reads the form, before our code; the file is too large to be held in memory."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TemporaryUploadedFile, "write", full, raising=False)
    large = SimpleUploadedFile("a.bin", b"x" * 3_000_000)
    response = as_owner.post(url, {"do": "upload", "file": large}, follow=True)
    assert response.status_code == 200
    assert "disk is full" in response.content.decode()
    assert list(place.iterdir()) == []
    assert [path for path in layout.staging().iterdir() if path.is_file()] == []


def test_it_answers_scripts_with_a_status(as_owner: Client, url: str, place: Path, held: dict[str, str]) -> None:
    """A script that follows to a page of ours would take that for a yes."""
    form = {"do": "choose", "held": held["held"], "how-0": "both", "etag-0": held["etag"]}
    script = {"X-Script": "1"}
    assert as_owner.post(url, form, headers=script).status_code == 204
    assert (place / "a (2).txt").read_bytes() == b"mine"
    gone = as_owner.post(url, form, headers=script)
    assert gone.status_code == 404
    assert gone["Content-Type"].startswith("text/plain")
    assert "no longer available" in gone.text
    assert Client().post(url, form, headers=script).status_code == 302


def test_it_downloads_names_that_are_not_utf8(as_owner: Client, url: str, place: Path) -> None:
    (place / os.fsdecode(b"m\xfcller.txt")).write_text("x")
    (place / os.fsdecode(b"f\xf6lder")).mkdir()
    for name in (b"m%FCller.txt", b"f%F6lder"):
        field = name_in_form(os.fsdecode(unquote_to_bytes(name)))
        response = as_owner.post(url, {"do": "zip", "name": field})
        assert response.status_code == 200
        assert "filename=" in response["Content-Disposition"]
