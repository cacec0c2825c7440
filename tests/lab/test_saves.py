"""Every save through JupyterLab is a version with its person, in real Labs that two people have."""

import base64
import json
import threading
from collections.abc import Callable

import pytest
from django.conf import settings

from collabs import services
from collabs.models import Collab, Role
from drive.models import Version
from drive.versions import store
from lab.servers import drive_scans
from portal.models import User

from ..support.people import Person
from ..support.site import Site, launched_by, wait_for

pytestmark = pytest.mark.sandbox

SOON = 30.0
NAME = "plan.ipynb"


def notebook(source: str) -> dict[str, object]:
    """One cell of text."""
    cell = {"cell_type": "markdown", "metadata": {}, "source": source, "id": "one"}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def shared(owner: Person, person: Callable[..., Person]) -> Collab:
    return services.create_collab(owner.user, title=f"Saved by {owner.user.username}")


@pytest.fixture
def people(owner: Person, person: Callable[..., Person], shared: Collab) -> tuple[Person, Person]:
    """Two who may write to one library."""
    other = person("ben")
    services.add_member(owner.user, shared, other.user, Role.EDITOR)
    return owner, other


@pytest.fixture
def both(site: Site, people: tuple[Person, Person]) -> tuple[Person, Person]:
    """Both, with running Labs."""
    for someone in people:
        someone.launch()
    return people


def save(someone: Person, collab: Collab, source: str, name: str = NAME) -> None:
    """As JupyterLab saves a notebook, or presses Overwrite."""
    model = {"type": "notebook", "format": "json", "content": notebook(source)}
    answer = someone.lab("PUT", f"/api/contents/drive/Shared with groups/{collab.title}/{name}", json=model)
    assert answer.status_code in (200, 201), answer.text


def saved(collab: Collab, name: str = NAME) -> list[tuple[str, User | None]]:
    """Text and person of each version, oldest first."""
    found = Version.objects.filter(file__library=collab.library, file__path=name).order_by("pk").select_related("by")
    return [(text_of(version), version.by) for version in found]


def text_of(version: Version) -> str:
    """What its notebook's one cell says."""
    with store.open_object(version.sha256) as source:
        return "".join(json.load(source)["cells"][0]["source"])


@pytest.mark.parametrize("way", ["fork", "exec"])
def test_a_save_that_another_overwrites_is_a_version_with_its_person(
    site: Site, people: tuple[Person, Person], shared: Collab, way: str
) -> None:
    one, other = people
    with launched_by(site, way):
        one.launch()
        other.launch()
    save(one, shared, "first words")
    save(other, shared, "words of the editor")
    save(one, shared, "older words")
    expected = [("first words", one.user), ("words of the editor", other.user), ("older words", one.user)]
    wait_for(lambda: saved(shared) == expected, SOON, f"versions are missing: {saved(shared)}")
    page = one.get(f"/drive/{shared.library.pk}/{NAME}?show=versions").text
    assert f"{other.user.display_name} in the Lab" in page
    assert "a Lab</td>" not in page


def test_saves_of_two_people_at_the_same_time_are_all_kept(both: tuple[Person, Person], shared: Collab) -> None:
    rounds = 12

    def write(someone: Person) -> None:
        for number in range(rounds):
            save(someone, shared, f"{someone.user.username} {number}")

    writers = [threading.Thread(target=write, args=(someone,)) for someone in both]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    expected = {(f"{someone.user.username} {number}", someone.user) for someone in both for number in range(rounds)}
    wait_for(lambda: set(saved(shared)) == expected, SOON, f"{expected ^ set(saved(shared))}")
    assert len(saved(shared)) == 2 * rounds


def test_a_file_that_arrives_in_pieces_replaces_no_save(both: tuple[Person, Person], shared: Collab) -> None:
    one, other = both
    address = f"/api/contents/drive/Shared with groups/{shared.title}/data.bin"
    model = {"type": "file", "format": "text", "content": "of the first person"}
    assert one.lab("PUT", address, json=model).ok
    for number, piece in ((1, b"a" * 1000), (2, b"b" * 1000), (-1, b"c")):
        sent = {"type": "file", "format": "base64", "chunk": number, "content": base64.b64encode(piece).decode()}
        assert other.lab("PUT", address, json=sent).ok
    expected = [(b"of the first person", one.user), (b"a" * 1000 + b"b" * 1000 + b"c", other.user)]
    wait_for(lambda: contents(shared, "data.bin") == expected, SOON, "versions are missing")


def contents(collab: Collab, name: str) -> list[tuple[bytes, User | None]]:
    """Bytes and person of each version, oldest first."""
    found = Version.objects.filter(file__library=collab.library, file__path=name).order_by("pk").select_related("by")
    return [(store.path_of(version.sha256).read_bytes(), version.by) for version in found]


def test_it_saves_while_the_portal_is_away_and_tells_it_afterwards(both: tuple[Person, Person], shared: Collab) -> None:
    one, _other = both
    save(one, shared, "before")
    wait_for(lambda: len(saved(shared)) == 1, SOON, "the first save was not captured")
    proxy, away = settings.RUN_DIR / "api.sock", settings.RUN_DIR / "away.sock"
    proxy.rename(away)
    try:
        save(one, shared, "while it was away")
        assert len(saved(shared)) == 1
    finally:
        away.rename(proxy)
    expected = [("before", one.user), ("while it was away", one.user)]
    wait_for(lambda: saved(shared) == expected, SOON, "the save was not told afterwards")


def test_a_notebook_opens_and_saves_where_no_checkpoint_can_be_made(
    both: tuple[Person, Person], shared: Collab
) -> None:
    """A file has the name of the checkpoints' folder; then the library became read-only after the notebook was read.

    JupyterLab asks for a checkpoint after it has read a file, and closes the file after any refusal but 403.
    """
    one, other = both
    place = f"Shared with groups/{shared.title}"
    assert not one.kernel(f"drive/{place}").run("open('.ipynb_checkpoints', 'w').close()").error
    checkpoints = f"/api/contents/drive/{place}/{NAME}/checkpoints"
    save(other, shared, "words")
    save(other, shared, "other words")
    assert other.lab("POST", checkpoints).status_code == 201
    assert len(other.lab("GET", checkpoints).json()) == 1
    services.change_role(one.user, shared, other.user, Role.VIEWER)
    wait_for(lambda: not other.contents(f"{place}/{NAME}").json()["writable"], SOON, "it could still be written")
    answer = other.lab("POST", checkpoints)
    assert (answer.status_code, "No checkpoint" in answer.text) == (403, True)


KILL = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/comm") as file:
        if file.read().startswith("jupyter-lab"):
            os.kill(int(pid), 9)
"""
"""Code for a cell: end its own server."""


def test_it_keeps_a_save_of_a_lab_that_is_killed_right_after(both: tuple[Person, Person], shared: Collab) -> None:
    """By whomever, the next one who saves does not overwrite it unseen."""
    one, other = both
    kernel = one.kernel()
    save(one, shared, "last words")
    kernel.begin(KILL)
    save(other, shared, "of the next one")
    wait_for(lambda: len(saved(shared)) == 2, SOON, "a save is missing")
    assert [text for text, _by in saved(shared)] == ["last words", "of the next one"]
    assert saved(shared)[0][1] in (one.user, None)
    assert saved(shared)[1][1] == other.user


def test_a_lab_cannot_write_in_anothers_name(both: tuple[Person, Person], shared: Collab) -> None:
    """What another program wrote between a save and its capture is not the work of whoever saved."""
    one, other = both
    place = f"drive/Shared with groups/{shared.title}"
    kernel = other.kernel()
    watcher = f"""
import os, time, threading
path = {place!r} + "/watched.txt"
def overwrite():
    for _ in range(20000):
        try:
            if open(path).read() == "honest words":
                with open(path, "w") as file:
                    file.write("hostile words")
                return
        except OSError:
            pass
        time.sleep(0.0005)
thread = threading.Thread(target=overwrite)
thread.start()
"""
    assert not kernel.run(watcher).error
    model = {"type": "file", "format": "text", "content": "honest words"}
    assert one.lab("PUT", f"/api/contents/{place}/watched.txt", json=model).ok
    kernel.run("thread.join()")
    drive_scans.scan_mounted()
    wait_for(lambda: dict(contents(shared, "watched.txt")).get(b"hostile words", 0) != 0, SOON, "it was not captured")
    assert dict(contents(shared, "watched.txt"))[b"hostile words"] is None
