"""Rows of a folder's table, which Python writes instead of a template: the same words, and everything escaped."""

import os
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.defaultfilters import date, filesizeformat
from django.test import Client
from django.utils import timezone, translation

from collabs.models import Collab
from drive.browser.folder_rows import ICONS, day_of, icon_of, size_of
from drive.models import Library
from drive.storage import layout
from portal.models import User

pytestmark = pytest.mark.django_db
NASTY = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='y'>",
    "a&amp;b.csv",
    "100% {{ x }}?#.ipynb",
    "line\nbreak",
    "é ü",
]


@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize("power", range(52))
def test_sizes_read_as_those_of_other_pages(power: int, language: str) -> None:
    with translation.override(language):
        for count in {2**power - 1, 2**power, 2**power + 1, 3 * 2**power // 2, 999 * 2**power // 1000}:
            assert size_of(count) == filesizeformat(count)


@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize("month", range(1, 13))
def test_days_read_as_those_of_other_pages(month: int, language: str) -> None:
    with translation.override(language):
        for day in (1, 9, 28):
            moment = datetime(2026, month, day, 23, 5, tzinfo=UTC)
            assert day_of(moment) == date(moment, "DATE_FORMAT")


class Table(HTMLParser):
    """Elements of the table's body, with their attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, dict[str, str | None]]]] = []
        self.text: list[str] = []
        self.within = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.within = self.within or tag == "tbody"
        if self.within and tag == "tr":
            self.rows.append([])
            self.text.append("")
        elif self.within and self.rows:
            self.rows[-1].append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.within = self.within and tag != "tbody"

    def handle_data(self, data: str) -> None:
        if self.within and self.rows:
            self.text[-1] += data


@pytest.fixture
def place(collab: Collab) -> Path:
    """The Collab's library on disk."""
    library = Library.objects.get(owner_collab=collab)
    layout.settle(library.pk)
    return layout.find(library.pk)


def test_nothing_in_a_name_becomes_an_element(sign_in, owner: User, collab: Collab, place: Path) -> None:
    names = [name for name in NASTY if "/" not in name]
    for name in names:
        (place / name).write_bytes(b"x")
    (place / "fold<er").mkdir()
    (place / "li<nk").symlink_to("somewhere")
    os.mkfifo(place / "pi<pe")
    (place / os.fsdecode(b"bad\xff<b>")).write_bytes(b"x")
    table = Table(sign_in(owner).get(f"/collabs/{collab.slug}/files/").text)
    assert len(table.rows) == len(names) + 4
    assert {tag for row in table.rows for tag, _attributes in row} == {"td", "input", "a", "span", "time"}
    links = {
        attrs["href"]
        for row in table.rows
        for tag, attrs in row
        if tag == "a" and (attrs.get("class") or "").startswith("file")
    }
    for name in names:
        assert any(name in text for text in table.text), name
    client = sign_in(owner)
    assert [client.get(link).status_code for link in links] == [200] * len(names)


def test_a_row_says_when_in_the_sites_time(sign_in, owner: User, collab: Collab, place: Path, settings) -> None:
    (place / "a.csv").write_bytes(b"x" * 2048)
    os.utime(place / "a.csv", (1_790_000_000, 1_790_000_000))
    with timezone.override("Asia/Tokyo"):
        text = Table(sign_in(owner).get(f"/collabs/{collab.slug}/files/").text).text[0]
        moment = datetime.fromtimestamp(1_790_000_000, UTC)
        assert date(timezone.localtime(moment), "DATETIME_FORMAT") in text
    assert "2.0\xa0KB" in text


def test_each_row_has_a_button_for_the_one_menu_of_the_page(
    sign_in, owner: User, viewer: User, collab: Collab, place: Path
) -> None:
    (place / "a.ipynb").write_text("{}")
    for user, may_write in ((owner, True), (viewer, False)):
        page = sign_in(user).get(f"/collabs/{collab.slug}/files/").text
        [row] = Table(page).rows
        assert sum("data-entry" in attributes for _tag, attributes in row) == 1
        menu = page.partition('id="row-menu"')[2].partition("</form>")[0]
        assert [f'value="{action}"' in menu for action in ("copy", "move", "delete")] == [True, may_write, may_write]
        assert ("data-rename" in menu) is ('id="rename"' in page) is may_write
        [lab] = [attrs["href"] for tag, attrs in row if tag == "a" and (attrs["href"] or "").startswith("/lab/open")]
        assert (lab or "").endswith("a.ipynb")


def test_everything_is_ticked_where_all_is_selected(
    client: Client, sign_in, owner: User, collab: Collab, place: Path
) -> None:
    for name in ("a", "b"):
        (place / name).write_bytes(b"")
    for query, ticked in (("", 0), ("?select=all", 2)):
        table = Table(sign_in(owner).get(f"/collabs/{collab.slug}/files/{query}").text)
        boxes = [attributes for row in table.rows for tag, attributes in row if tag == "input"]
        assert len(boxes) == 2
        assert sum("checked" in attributes for attributes in boxes) == ticked


@pytest.mark.parametrize(
    ("name", "icon"),
    [
        ("a.ipynb", "file k-notebook"),
        ("scan.nii.gz", "file k-data"),
        ("all.tar.gz", "file k-archive"),
        ("A.PNG", "file k-picture"),
        (".md", "file k-text"),
        ('x.<b" onclick="y', "file"),
        ("none", "file"),
    ],
)
def test_a_file_has_the_icon_of_its_kind(name: str, icon: str) -> None:
    assert icon_of(name) == icon


def test_each_icon_has_its_place_in_the_picture() -> None:
    """The classes that Python writes are those that the style sheet knows, each with a part of the picture."""
    style = Path(settings.BASE_DIR, "static/css/files.css").read_text()
    picture = Path(settings.BASE_DIR, "static/img/kinds.svg").read_text()
    places = {kind: int(place) for kind, place in re.findall(r"k-([a-z]+) { --icon: (\d+); }", style)}
    assert places.keys() == ICONS.keys() | {"folder"}
    assert sorted([*places.values(), 1]) == list(range(picture.count("<g ")))  # 1 is that of any other file
