"""Any name that the disk can hold: through the pages and back, byte by byte. And the names that are refused."""

import os
import re
import unicodedata
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from drive.files.paths import folder_address, name_in_form, quoted
from drive.models import Library
from portal.models import User
from portal.text.unique_names import name_key

SignIn = Callable[[User], Client]

PAGES = hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=80).filter(
    lambda name: name not in (".", "..") and len(unicodedata.normalize("NFC", name).encode()) <= 255
)
BYTES = st.binary(min_size=1, max_size=255).filter(
    lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b"..")
)


@pytest.fixture
def as_editor(editor: User, sign_in: SignIn) -> Client:
    return sign_in(editor)


@pytest.fixture(autouse=True)
def without_nginx(settings: Settings) -> None:
    """Downloads come from Django."""
    settings.DRIVE_USE_ACCEL = False


def empty(place: Path) -> None:
    for item in place.iterdir():
        item.unlink()


def listed(page: Any) -> list[str]:
    """The fields by which the list names what is in the folder."""
    return [
        unescape(field) for field in re.findall(r'type="checkbox" name="name" value="([^"]*)"', page.content.decode())
    ]


def links(page: Any) -> list[str]:
    return [unescape(link) for link in re.findall(r'<td class="name"><a href="([^"]*)"', page.content.decode())]


@pytest.mark.slow
@PAGES
@given(name=NAMES, new=NAMES)
@example(name="a\r\nb", new="\u202e.txt")
@example(name="%2e%2e%2f", new="?show=zip&x=#")
@example(name="<script>", new="&amp;\"'")
@example(name="e\u0301", new="\u212b")
@example(name="\ufdfa" * 14, new="\U0001f469\u200d\U0001f52c")
@example(name=".hidden", new=" ")
@example(name="\\..\\x", new="\x7f\x01")
def test_it_keeps_any_name_from_upload_to_rename(
    as_editor: Client, library: Library, place: Path, name: str, new: str
) -> None:
    """Upload, list, download, rename, download again, find, delete: in the form of Unicode that is kept (NFC)."""
    empty(place)
    url, kept = f"/drive/{library.pk}/", unicodedata.normalize("NFC", name)
    assume(len(kept.encode()) <= 255)
    assert as_editor.put(f"{url}{quoted(name)}", b"content").status_code == 204
    assert os.listdir(place) == [kept]
    page = as_editor.get(f"{url}?hidden=1")
    [field], [link] = listed(page), links(page)
    assert (field, link) == (name_in_form(kept), f"{url}{quoted(kept)}")
    assert b"".join(as_editor.get(f"{link}?show=raw").streaming_content) == b"content"  # type: ignore[attr-defined]
    answer = as_editor.post(url, {"do": "rename", "old": field, "name": new})
    assert answer.status_code == 302
    renamed = unicodedata.normalize("NFC", new)
    assert os.listdir(place) == [renamed]
    [link] = links(as_editor.get(f"{url}?hidden=1"))
    assert b"".join(as_editor.get(f"{link}?show=raw").streaming_content) == b"content"  # type: ignore[attr-defined]
    assert as_editor.get(url, {"show": "find", "q": new}).status_code == 200
    assert as_editor.post(url, {"do": "delete", "name": name_in_form(renamed)}).status_code == 302
    assert os.listdir(place) == []


@pytest.mark.slow
@PAGES
@given(raw=BYTES)
@example(raw=b"\xff\xfe")
@example(raw=b"caf\xe9.txt")
@example(raw=b"\xed\xa0\x80")
def test_it_lists_renames_and_deletes_whatever_a_notebook_made(
    as_editor: Client, library: Library, place: Path, raw: bytes
) -> None:
    empty(place)
    url, path = f"/drive/{library.pk}/", os.path.join(os.fsencode(place), raw)  # noqa: PTH118
    with open(path, "wb"):  # noqa: PTH123
        pass
    [field] = listed(as_editor.get(f"{url}?hidden=1"))
    assert as_editor.get(url, {"show": "change", "name": field}).status_code == 200
    as_editor.post(url, {"do": "rename", "old": field, "name": "good.txt"})
    assert os.listdir(place) == ["good.txt"]
    (place / "good.txt").rename(os.fsdecode(path))
    [field] = listed(as_editor.get(f"{url}?hidden=1"))
    as_editor.post(url, {"do": "delete", "name": field})
    assert os.listdir(place) == []


def _twins(name: str) -> set[str]:
    """Names that macOS or Windows cannot hold beside it."""
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    return {twin for form in forms for twin in (form, form.upper(), form.lower(), form.swapcase())}


@pytest.mark.slow
@PAGES
@given(data=st.data(), name=NAMES)
@example(data=None, name="Straße É.txt")
def test_it_refuses_twins_and_says_of_what(
    as_editor: Client, library: Library, place: Path, data: Any, name: str
) -> None:
    empty(place)
    kept = unicodedata.normalize("NFC", name)
    assume(not kept.startswith(" ") and kept == kept.strip())
    twins = sorted(
        twin
        for twin in _twins(name)
        if name_key(twin) == name_key(kept)
        and len(unicodedata.normalize("NFC", twin).encode()) <= 255
        and len(twin.encode()) <= 255
    )
    twin = data.draw(st.sampled_from(twins)) if data else twins[0]
    assume(len(kept.encode()) <= 255)
    (place / kept).write_text("first")
    url = f"/drive/{library.pk}/"
    put = as_editor.put(f"{url}{quoted(twin)}", b"second", headers={"If-None-Match": "*"})
    assert put.status_code == 409
    assert f"“{kept}” already exists." in put.content.decode()
    (place / "another").write_text("another")
    if name_key("another") != name_key(kept):
        forms: list[dict[str, Any]] = [
            {"do": "folder", "name": twin},
            {"do": "rename", "old": "another", "name": twin},
        ]
        for form in forms:
            page = as_editor.post(url, form, follow=True)
            assert f"“{kept}” already exists." in unescape(page.content.decode())
    assert (place / kept).read_text() == "first"


def test_it_takes_an_upload_by_form_under_any_name_that_a_browser_sends(
    as_editor: Client, library: Library, place: Path
) -> None:
    for name in ("naïve.txt", "日本語.txt", "a b & c.txt", "x" * 251 + ".txt"):
        as_editor.post(f"/drive/{library.pk}/", {"do": "upload", "file": SimpleUploadedFile(name, b"x")})
        assert (place / name).exists(), name


@pytest.mark.parametrize("path", ["a b/c?d/e#f", "ü/%41/..a"])
def test_it_opens_folders_of_any_name(as_editor: Client, library: Library, place: Path, path: str) -> None:
    (place / path).mkdir(parents=True)
    (place / path / "x").touch()
    assert links(as_editor.get(folder_address(f"/drive/{library.pk}/", path))) == [
        f"/drive/{library.pk}/{quoted(path)}/x"
    ]
