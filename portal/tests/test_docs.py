"""The documentation: every link leads somewhere, every page is listed, every path that a page names exists."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from django.conf import settings
from django.contrib import admin
from django.utils.text import capfirst

from tests.support import screenshots

ROOT = settings.BASE_DIR
SKIPPED = {"var", ".git", "node_modules", "cases"}  # cases: pages that tests feed to the code
PAGES = sorted(path for path in ROOT.rglob("*.md") if not SKIPPED & set(path.relative_to(ROOT).parts[:-1]))
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Pages about the present code."""
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:src|srcset|href)=\"([^\"]+)\"")
CODE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.M | re.S)
APPS = tuple("portal notices groups collabs drive rooms lab search identity api webdav seafile console backups".split())
PLACE = re.compile(rf"`((?:{'|'.join(APPS)}|bin|bench|deploy|docs|static|templates|tests)/[\w./*-]+)`")
"""A file of the repository, as pages name it: `drive/models.py`."""
MODULES = {path.name for app in (*APPS, "bin", "bench", "deploy", "tests") for path in (ROOT / app).rglob("*.py")}
MODULES |= {path.name for path in ROOT.glob("*.py")}
README_LINES, PICTURE_BYTES = 80, 200_000
SECTIONS = ("tutorial", "how-to", "explanation", "reference", "decisions")


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def prose(page: Path) -> str:
    """The text without blocks and pieces of code."""
    return re.sub(r"`[^`\n]+`", "`…`", CODE.sub("", page.read_text()))


def links(page: Path) -> Iterator[str]:
    """Links of a page to other files of the repository."""
    for match in LINK.finditer(prose(page)):
        target = match[1] or match[2]
        if not re.match(r"[a-z]+:|//|/|\{", target):
            yield target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found, taken = set(), Counter[str]()
    for heading in re.findall(r"^#{1,6} +(.+?)(?: +#+)? *$", CODE.sub("", page.read_text()), re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{taken[slug]}" if taken[slug] else slug)
        taken[slug] += 1
    return found | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_it_links_to_what_there_is(page: Path) -> None:
    lost = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_it_lists_every_page_of_the_docs() -> None:
    docs = ROOT / "docs"
    listed = {(docs / link.partition("#")[0]).resolve() for link in links(docs / "README.md")}
    pages = {page for page in PAGES if docs in page.parents and page != docs / "README.md"}
    assert pages - listed == set()
    assert {page.relative_to(docs).parts[0] for page in pages} == set(SECTIONS)


@pytest.mark.parametrize("page", CURRENT, ids=names(CURRENT))
def test_it_names_files_that_there_are(page: Path) -> None:
    places = PLACE.findall(CODE.sub("", page.read_text()))
    files = [place for place in places if re.search(r"\.\w+$", place)]
    assert [file for file in files if not any(ROOT.glob(file))] == []
    modules = re.findall(r"`(\w+\.py)`", page.read_text())
    assert set(modules) - MODULES == set()


def test_it_says_where_every_word_of_the_glossary_lives() -> None:
    rows = re.findall(r"^\| \*\*.+$", (ROOT / "docs/reference/glossary.md").read_text(), re.M)
    homes = {row.split("|")[1].strip(): PLACE.findall(row.split("|")[3]) + re.findall(r"`(\w+/)`", row) for row in rows}
    assert {word for word, places in homes.items() if not places} == set()
    assert {place for places in homes.values() for place in places if not (ROOT / place).exists()} == set()


def test_it_calls_the_administrations_menus_as_they_are_called() -> None:
    menus: dict[str, set[str]] = {}
    for model, pages in admin.site._registry.items():
        meta = model._meta
        menu = menus.setdefault(str(meta.app_config.verbose_name), set())
        menu |= {capfirst(str(meta.verbose_name_plural)), *(str(name) for _code, name in meta.permissions)}
        menu |= {str(getattr(pages, str(name)).short_description) for name in pages.actions or ()}
        menu |= {str(name) for name, _options in pages.fieldsets or () if name}
    known = {*menus, *(name for menu in menus.values() for name in menu), "Open in Lab", "started in 24 hours"}
    for page in (ROOT / "docs").rglob("*.md"):
        is_guide = page.name == "run-the-site.md"
        for line in page.read_text().splitlines():
            names = re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", line) if is_guide or "/admin/" in line else []
            for parts in (name.split(" → ") for name in names if is_guide or " → " in name):
                assert {part for part in parts if part != "Add"} <= known, (page.name, parts)
                assert len(parts) == 1 or parts[1] in menus[parts[0]], (page.name, parts)


def test_the_readme_fits_a_screen_or_two() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < README_LINES


def test_the_pictures_of_the_readme_have_good_example_data() -> None:
    assert [cell["cell_type"] for cell in json.loads(screenshots.notebook())["cells"]] == ["markdown", "code", "code"]
    assert len(ElementTree.fromstring(screenshots.picture())) == 3
    assert len(set(screenshots.recording().splitlines())) == screenshots.SAMPLES + 1
    assert f'"{screenshots.__name__}"' in (ROOT / "bin/screenshots").read_text()


def test_the_drawing_of_the_architecture_is_well_formed() -> None:
    ElementTree.parse(ROOT / "docs/images/architecture.svg")


def test_the_pictures_are_small() -> None:
    pictures = [path for path in (ROOT / "docs/images").iterdir() if path.suffix in (".png", ".svg")]
    assert {path.name.partition("-")[0] for path in pictures} >= {"home", "collab", "files", "lab"}
    assert {path.name: path.stat().st_size for path in pictures if path.stat().st_size > PICTURE_BYTES} == {}
