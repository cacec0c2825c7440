"""Archives through the real proxy: pages go on while many are sent, memory stays flat, and places come back."""

import subprocess
from pathlib import Path

import pytest
import requests

from drive.browser.views_zip import AT_ONCE
from drive.libraries import services
from drive.models import Library
from drive.storage import layout

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

WORKERS = 2
TRIES = 40


@pytest.fixture
def library(owner: Person) -> Library:
    return services.create_library(owner.user, "Recordings")


@pytest.fixture
def place(library: Library) -> Path:
    return layout.find(library.pk)


def memory(site: Site) -> int:
    """Kibibytes that the web processes use together, what they share counted once."""
    parent = site.pid("web")
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (parent, *children)]
    return sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:"))


def begin(person: Person, library: Library) -> requests.Response:
    return person.get(f"/drive/{library.pk}/?show=zip", stream=True)


def test_it_sends_many_huge_archives_and_pages_beside_them(
    site: Site, owner: Person, library: Library, place: Path
) -> None:
    with (place / "sparse").open("wb") as sparse:
        sparse.truncate(50 << 30)
    sent, busy = [], 0
    for _ in range(TRIES):
        answer = begin(owner, library)
        if answer.status_code == 503:
            busy += 1
            answer.close()
        else:
            assert answer.raw.read(1 << 20, decode_content=False)
            sent.append(answer)
    assert AT_ONCE <= len(sent) <= AT_ONCE * WORKERS
    assert busy
    assert owner.get(f"/drive/{library.pk}/").status_code == 200
    before = memory(site)
    for answer in sent:
        for _ in range(64):
            answer.raw.read(1 << 20)
    grown = memory(site) - before
    for answer in sent:
        answer.close()
    assert grown < 16 << 10
    wait_for(lambda: _is_sent(owner, library), 30, "no archive is sent any more")


def _is_sent(person: Person, library: Library) -> bool:
    with begin(person, library) as answer:
        return answer.status_code == 200


def test_it_sends_what_unzip_unpacks(site: Site, owner: Person, library: Library, place: Path, tmp_path: Path) -> None:
    (place / "folder").mkdir()
    for number in range(200):
        (place / f"folder/{number} ü.txt").write_text("x" * number * 100)
    (place / "large").write_bytes(b"large" * 2_000_000)
    (tmp_path / "all.zip").write_bytes(begin(owner, library).content)
    subprocess.run(["python3", "-m", "zipfile", "-e", tmp_path / "all.zip", tmp_path / "out"], check=True)
    subprocess.run(["diff", "-r", place, tmp_path / "out/Recordings"], check=True)
