"""Tables and science's files in a browser: every kind is shown, gone through, sorted; and opened in the Lab."""

import shutil
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from playwright.sync_api import Browser, FrameLocator, Page, expect

from drive.libraries import services
from drive.models import Library
from drive.storage import layout

from ..support.browser import Visitor, wait_until
from ..support.people import Person
from ..support.science import made

pytestmark = pytest.mark.browser

SOON = 120_000
"""Milliseconds. Files are rendered one after another, and a machine may be busy."""
CASES = Path(__file__).parents[2] / "drive/preview/tests/cases"
FRAMES = {
    "good.h5": "voltage",
    "good.nwb": "A mouse in a wheel",
    "good.mat": "signal",
    "good.npy": "3,000",
    "good.npz": "picture",
    "time.nii.gz": "Sagittal",
    "stack.tiff": "1 of 12",
    "good.dcm": "Doe^Jane",
    "good.heic": "128 × 96 pixels",
    "good.geojson": "Properties",
}
HOSTILE = {
    "false.nii": "The header promises more than the file holds.",
    "pickled.npy": "never loaded here",
    "far.xlsx": "Rendering needs too much memory.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("science"))


@pytest.fixture
def library(owner: Person) -> Library:
    return services.create_library(owner.user, "Measurements")


def address(library: Library, name: str) -> str:
    return f"{settings.PORTAL_URL}/drive/{library.pk}/{name}"


def frame_of(page: Page) -> FrameLocator:
    expect(page.locator("iframe.rendered")).to_be_visible(timeout=SOON)
    return page.frame_locator("iframe.rendered")


def test_it_shows_every_kind_of_file(browser: Browser, owner: Person, library: Library, folder: Path) -> None:
    place = layout.find(library.pk)
    tables = ["good.xlsx", "good.parquet"]
    for name in [*FRAMES, *HOSTILE, *tables, "good.wav", "good.fasta"]:
        shutil.copy(folder / name, place / name)
    for case in CASES.iterdir():
        shutil.copy(case, place / case.name)
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    for name, words in FRAMES.items():
        page.goto(address(library, name))
        expect(frame_of(page).locator("body")).to_contain_text(words, timeout=SOON)
    for name, words in HOSTILE.items():
        page.goto(address(library, name))
        expect(page.locator(".empty:not([hx-get])")).to_contain_text(words, timeout=SOON)

    # Slices, one after the other, by mouse and by key.
    page.goto(address(library, "time.nii.gz"))
    axial = frame_of(page).get_by_role("group", name="Axial")
    expect(axial.locator("figure:visible")).to_have_count(1, timeout=SOON)
    axial.get_by_role("radio", name="slice 3 of 24").click()
    expect(axial.locator("figure:visible figcaption")).to_have_text("slice 3 of 24")
    page.keyboard.press("ArrowRight")
    expect(axial.locator("figure:visible figcaption")).to_have_text("slice 4 of 24")

    # Sheets are tabs, and tables are sorted and filtered.
    page.goto(address(library, "good.xlsx"))
    expect(page.get_by_role("cell", name="Ada")).to_be_visible(timeout=SOON)
    score = page.get_by_role("columnheader", name="score")
    first = page.locator(".data tbody tr:visible").first
    score.get_by_role("button").click()
    score.get_by_role("button").click()
    expect(score).to_have_attribute("aria-sort", "descending")
    expect(first).to_contain_text("Bo")
    page.get_by_role("link", name="Empty").click()
    expect(page.get_by_text("This sheet is empty.")).to_be_visible(timeout=SOON)
    page.goto(address(library, "good.parquet"))
    expect(page.get_by_role("link", name="Schema")).to_be_visible(timeout=SOON)
    page.goto(address(library, "decimal-comma.csv"))
    voltage = page.get_by_role("columnheader", name="Spannung (mV)").get_by_role("button")
    voltage.click()
    expect(first).to_contain_text("-65,23")
    voltage.click()
    expect(first).to_contain_text("-64,98")
    page.get_by_role("searchbox", name="Filter these rows").fill("65,11")
    expect(page.locator(".data tbody tr:visible")).to_have_count(1)
    page.goto(address(library, "bids.tsv"))
    expect(page.get_by_text("In row 2 a quote is not closed.")).to_be_visible()
    expect(page.locator(".data tbody tr")).to_have_count(3)
    for name, rows in {"comments.csv": 2, "excel-sep.csv": 2, "pandas-index.csv": 2}.items():
        page.goto(address(library, name))
        expect(page.locator(".data tbody tr")).to_have_count(rows)
    page.goto(address(library, "good.wav"))
    wait_until(page, "document.querySelector('audio').duration > 0.9", patience=SOON)
    page.goto(address(library, "good.fasta"))
    expect(page.locator("pre.text")).to_contain_text(">seq1")
    assert visitor.complaints == []

    # Without scripts the tables are there as they are in the file.
    context = browser.new_context(java_script_enabled=False)
    owner.sign_in_at(context)
    plain = context.new_page()
    for name, words in {"good.xlsx": "Ada", "decimal-comma.csv": "-65,23"}.items():
        plain.goto(address(library, name))
        expect(plain.locator(".data tbody tr").first).to_contain_text(words)
    context.close()


def test_it_opens_the_lab_at_such_a_file(owner: Person, library: Library, folder: Path) -> None:
    """With a notebook that loads it, in the home: nothing is written to the library, and no notebook is replaced."""
    place = layout.find(library.pk)
    shutil.copy(folder / "good.npy", place / "good.npy")
    owner.launch()
    mine = {"type": "notebook", "content": {"cells": [], "metadata": {"mine": 1}, "nbformat": 4, "nbformat_minor": 4}}
    assert owner.lab("PUT", "/api/contents/good.npy.ipynb", json=mine).status_code == 201
    link = f"/lab/open?{urlencode({'path': 'My Libraries/Measurements/good.npy'})}"
    for _ in range(2):
        assert owner.get(link).headers["Refresh"].endswith("/lab/tree/good.npy%202.ipynb")
    assert owner.lab("GET", "/api/contents/good.npy.ipynb?content=1").json()["content"]["metadata"]["mine"] == 1
    cells = owner.lab("GET", "/api/contents/good.npy%202.ipynb?content=1").json()["content"]["cells"]
    kernel = owner.kernel()
    done = [kernel.run(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert [result.error for result in done] == ["", "", ""]
    assert "(3000,) float64" in done[-1].text
    assert [path.name for path in place.iterdir()] == ["good.npy"]
    names = [entry["name"] for entry in owner.lab("GET", "/api/contents/?content=1").json()["content"]]
    assert not [name for name in names if name.startswith("Untitled")]
