"""What notebooks write and delete is kept: with real Labs, the real queue and worker."""

import pytest

from collabs.models import Collab
from drive import tasks
from drive.models import Library, Trashed, Version, Via
from drive.storage import layout
from drive.versions import scan, store, trash
from lab.models import StopReason
from lab.servers import drive_scans
from lab.servers.services import stop_server

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

SOON = 30.0
LARGE = 2**29


def contents(library: Library, path: str) -> list[tuple[bytes, object, str]]:
    found = Version.objects.filter(file__library=library, file__path=path).order_by("pk").select_related("by")
    return [(store.open_object(version.sha256).read(), version.by, version.via) for version in found]


def test_it_captures_what_a_notebook_saved_when_its_lab_stops(site: Site, collab: Collab, editor: Person) -> None:
    server = editor.launch()
    kernel = editor.kernel(f"drive/Shared with groups/{collab.title}")
    assert not kernel.run("open('result.txt', 'w').write('42')").error
    stop_server(editor.user, server, StopReason.ASKED)
    expected = [(b"42", editor.user, Via.LAB)]
    wait_for(lambda: contents(collab.library, "result.txt") == expected, SOON, "it was not captured")


def test_it_brings_back_what_a_notebook_deleted(site: Site, collab: Collab, editor: Person, viewer: Person) -> None:
    editor.launch()
    kernel = editor.kernel(f"drive/Shared with groups/{collab.title}")
    kernel.run("import os, shutil; os.makedirs('data/deep'); open('data/deep/a.txt', 'w').write('one')")
    drive_scans.scan_mounted()
    wait_for(lambda: contents(collab.library, "data/deep/a.txt"), SOON, "it was not captured")
    kernel.run("open('data/deep/a.txt', 'w').write('two')")
    drive_scans.scan_mounted()
    wait_for(lambda: len(contents(collab.library, "data/deep/a.txt")) == 2, SOON, "the change was not captured")
    kernel.run("shutil.rmtree('data')")
    drive_scans.scan_mounted()
    items = Trashed.objects.filter(library=collab.library)
    wait_for(items.exists, SOON, "it is not in the trash")
    assert f"/drive/{collab.library.pk}/" in viewer.get(f"/drive/{collab.library.pk}/?show=trash").url
    assert trash.restore(editor.user, items.get()) == "data"
    assert "two" in kernel.run("print(open('data/deep/a.txt').read())").text


def test_it_survives_a_kill_while_it_captures(site: Site, collab: Collab) -> None:
    """Of a file so large that the kill comes in the middle."""
    library = collab.library
    place = layout.find(library.pk)
    with (place / "large.bin").open("wb") as file:
        for _ in range(LARGE // 2**20):  # not truncate(2): what consists of holes has no versions
            file.write(bytes(2**20))
    tasks.scan.delay(str(library.pk))
    unfinished = lambda: list(layout.staging().glob("object-*"))  # noqa: E731
    wait_for(unfinished, SOON, "the capture did not begin")
    site.kill("files")
    assert not Version.objects.filter(file__library=library).exists()
    assert (place / "large.bin").stat().st_size == LARGE
    wait_for(lambda: scan.scan(library) is not None, SOON, "the lock outlived its process")
    version = Version.objects.get(file__library=library)
    assert store.path_of(version.sha256).stat().st_size == LARGE
    layout.sweep_staging(older_than=2**40)
    assert not unfinished()
