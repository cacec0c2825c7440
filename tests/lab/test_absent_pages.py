"""What a kernel puts out while no page listens is in the notebook: with real Labs and kernels, as JupyterLab asks."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from drive.models import Library, Version
from drive.storage import layout
from lab.models import State, StopReason
from lab.servers.services import stop_server
from notices.models import Notice

from ..support.people import Kernel, Person
from ..support.site import Site, launched_by, wait_for

pytestmark = pytest.mark.sandbox

SOON = 60.0
PATH = "drive/My Libraries/My Library/long.ipynb"

WAIT = """
import pathlib, time
print("waiting")
while not pathlib.Path("go").exists():
    time.sleep(0.05)
print("over")
"""
"""Code for a cell that goes on until the file is there."""


def code_cell(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": [], "execution_count": None}


class Page:
    """A notebook that is open in JupyterLab, as its server sees it: a session, a WebSocket, requests for cells."""

    def __init__(self, person: Person, cells: dict[str, str], path: str = PATH) -> None:
        self.person, self.cells, self.path = person, cells, path
        self.save()
        asked = {"path": path, "name": "long.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
        answer = person.lab("POST", "/api/sessions", json=asked)
        assert answer.status_code == 201, answer.text
        self.kernel = Kernel(person, answer.json()["kernel"]["id"])

    def save(self) -> None:
        """As the page does before one leaves."""
        notebook = {"cells": [code_cell(*cell) for cell in self.cells.items()], "metadata": {}, "nbformat": 4}
        model = {"type": "notebook", "format": "json", "content": notebook | {"nbformat_minor": 5}}
        assert self.person.lab("PUT", f"/api/contents/{self.path}", json=model).ok

    def run(self, *names: str) -> None:
        """Ask for cells, all at once."""
        for name in names:
            self.ask(name)

    def ask(self, name: str) -> str:
        message = uuid.uuid4().hex
        content = {"code": self.cells[name], "silent": False, "store_history": True, "allow_stdin": True}
        header = {"msg_id": message, "msg_type": "execute_request", "session": "page", "username": "", "version": "5.3"}
        frame = {"header": header, "parent_header": {}, "metadata": {"cellId": name}, "channel": "shell"}
        self.kernel.socket.send(json.dumps(frame | {"content": content | {"stop_on_error": True}}))
        return message

    def wait_for_output(self, text: str) -> None:
        """Until the page has seen that on a stream."""
        seen = ""
        while text not in seen:
            answer = json.loads(self.kernel.socket.recv(timeout=SOON))
            seen += answer["content"]["text"] if answer["msg_type"] == "stream" else ""

    def close(self) -> None:
        """The laptop is closed."""
        self.kernel.socket.close()

    def executions(self) -> dict[str, Any]:
        """What a page asks when it has opened the notebook."""
        given = {"kernel": self.kernel.id, "path": self.path}
        answer = self.person.lab("POST", "/api/collaboratory/executions", json=given)
        assert answer.ok, answer.text
        return answer.json()


def on_disk(person: Person, name: str = "long.ipynb") -> dict[str, dict[str, Any]]:
    """The cells of the notebook, by id."""
    library = Library.objects.get(owner_user=person.user, is_default=True)
    try:
        found = json.loads((layout.find(library.pk) / name).read_text())
    except ValueError:  # it is being written
        return {}
    return {cell["id"]: cell for cell in found["cells"]}


def text_of(cell: dict[str, Any]) -> str:
    """All streams of a cell."""
    return "".join("".join(output["text"]) for output in cell.get("outputs", []) if output["output_type"] == "stream")


def has_text(person: Person, name: str, text: str) -> Callable[[], bool]:
    return lambda: text_of(on_disk(person).get(name, {})) == text


@pytest.mark.parametrize("way", ["fork", "exec"])
def test_a_tab_that_is_closed_in_mid_cell_misses_nothing(site: Site, owner: Person, way: str) -> None:
    with launched_by(site, way):
        owner.launch()
    page = Page(owner, {"one": WAIT, "two": "print('second'); 6 * 7", "three": "1 / 0", "four": "print('never')"})
    page.run("one", "two", "three", "four")
    page.wait_for_output("waiting")
    page.close()
    wait_for(has_text(owner, "one", "waiting\n"), SOON, "what the page saw, and did not save, is not in the file")
    assert on_disk(owner)["one"]["execution_count"] is None
    model = {"type": "file", "format": "text", "content": ""}
    assert owner.lab("PUT", "/api/contents/drive/My Libraries/My Library/go", json=model).ok
    wait_for(has_text(owner, "one", "waiting\nover\n"), SOON, "the output is not in the file")
    wait_for(lambda: on_disk(owner).get("three", {}).get("outputs"), SOON, "the error is not in the file")
    cells = on_disk(owner)
    assert [output["output_type"] for output in cells["two"]["outputs"]] == ["stream", "execute_result"]
    assert cells["two"]["outputs"][1]["data"]["text/plain"] == ["42"]
    assert cells["three"]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert [cells[name]["execution_count"] for name in cells] == [1, 2, 3, None]
    assert not cells["four"]["outputs"]
    versions = Version.objects.filter(file__path="long.ipynb", by=owner.user)
    wait_for(lambda: versions.count() >= 2, SOON, "what was written is no version of the person's")


def test_a_page_that_listens_has_the_file_to_itself(site: Site, owner: Person) -> None:
    owner.launch()
    page = Page(owner, {"one": "print('shown')", "two": "import time; time.sleep(1e9)"})
    page.run("one", "two")
    page.wait_for_output("shown")
    wait_for(lambda: len(page.executions()["executions"]) == 1, SOON, "the second cell does not run")
    assert not on_disk(owner)["one"]["outputs"]


def test_a_page_that_comes_takes_over_and_what_it_does_not_save_is_written_when_it_is_gone(
    site: Site, owner: Person
) -> None:
    owner.launch()
    source = (
        "print('begin')\nfrom IPython.display import display\nshown = display('0 %', display_id='bar')\ninput_ = None"
    )
    wait = (
        "import pathlib, time\nprint('waiting')\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)\nprint('over')"
    )
    page = Page(owner, {"one": source, "two": wait})
    page.run("one", "two")
    page.wait_for_output("waiting")
    page.close()
    wait_for(has_text(owner, "two", "waiting\n"), SOON, "it is not in the file")
    again = Kernel(owner, page.kernel.id)
    told = page.executions()
    assert [one["cell"] for one in told["executions"]] == ["one", "two"]
    assert told["executions"][1]["outputs"] == [{"kind": "stream", "content": {"name": "stdout", "text": "waiting\n"}}]
    assert told["executions"][0]["outputs"][1]["content"]["transient"] == {"display_id": "bar"}
    now = owner.lab("GET", f"/api/contents/{PATH}?content=0&hash=1").json()["hash"]
    assert told["hashes"][-1] == now != told["hashes"][0]
    assert [one["cell"] for one in page.executions()["executions"]] == ["two"]
    model = {"type": "file", "format": "text", "content": ""}
    assert owner.lab("PUT", "/api/contents/drive/My Libraries/My Library/go", json=model).ok
    wait_for(lambda: not page.executions()["executions"], SOON, "it does not end")
    assert text_of(on_disk(owner)["two"]) == "waiting\n", "a page listens"
    again.socket.close()


RUN = {"one": "print('first')", "two": "import time; time.sleep(0.5); 6 * 7", "three": "print('last')"}


def let_run(page: Page, *names: str) -> dict[str, Any]:
    """As “Run All Cells, and Tell Me” does."""
    cells = [{"id": name, "code": page.cells[name]} for name in names or page.cells]
    given = {"kernel": page.kernel.id, "path": page.path, "cells": cells}
    answer = page.person.lab("POST", "/api/collaboratory/runs", json=given)
    assert answer.ok, answer.text
    return answer.json()


def told(person: Person) -> list[str]:
    """Subjects and texts of messages about runs."""
    rows = Notice.objects.filter(user=person.user, kind="run_ended").order_by("pk")
    return [f"{row.subject}: {row.text}" for row in rows]


@pytest.mark.parametrize("way", ["fork", "exec"])
def test_a_notebook_runs_without_its_page_and_its_person_is_told(site: Site, owner: Person, way: str) -> None:
    with launched_by(site, way):
        owner.launch()
    page = Page(owner, RUN)
    begun = let_run(page)
    page.close()
    assert [one["cell"] for one in begun["executions"]] == ["one", "two", "three"]
    wait_for(lambda: told(owner), SOON, "nobody was told")
    [message] = told(owner)
    assert message.startswith("“long.ipynb” is done after")
    assert "3 cells were run." in message
    wait_for(has_text(owner, "three", "last\n"), SOON, "the outputs are not in the notebook")
    cells = on_disk(owner)
    assert cells["two"]["outputs"][0]["data"]["text/plain"] == ["42"]
    assert [cell["execution_count"] for cell in cells.values()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "Cell 2 of 3: ZeroDivisionError: division by zero"),
        ("input('your name')", "Cell 2 of 3: StdinNotImplementedError"),
        ("import os; os._exit(1)", "The kernel ended."),
    ],
)
def test_an_error_ends_a_run_and_is_told(site: Site, owner: Person, source: str, said: str) -> None:
    owner.launch()
    page = Page(owner, RUN | {"two": source})
    let_run(page)
    page.close()
    wait_for(lambda: told(owner), SOON, "nobody was told")
    [message] = told(owner)
    assert message.startswith("“long.ipynb” failed after")
    assert said in message
    wait_for(has_text(owner, "one", "first\n"), SOON, "what ran before is not in the notebook")
    assert not on_disk(owner)["three"]["outputs"]


def test_what_ran_is_in_the_file_when_the_lab_is_killed(site: Site, owner: Person) -> None:
    with launched_by(site, "fork"):
        owner.launch()
    page = Page(owner, RUN | {"three": "print('last')\ntime.sleep(1e9)"})
    let_run(page)
    page.close()
    wait_for(has_text(owner, "one", "first\n"), SOON, "the first cell is not in the notebook")
    wait_for(lambda: on_disk(owner).get("two", {}).get("outputs"), SOON, "the second cell is not in the notebook")
    killer = owner.kernel()
    killer.begin(KILL)
    wait_for(lambda: owner.server().state != State.RUNNING, SOON, "the Lab lives")
    cells = on_disk(owner)
    assert text_of(cells["one"]) == "first\n"
    assert cells["two"]["outputs"][0]["data"]["text/plain"] == ["42"]


FULL = """
import os, resource
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/comm") as file:
        if file.read().startswith("jupyter-lab"):
            most = resource.prlimit(int(pid), resource.RLIMIT_FSIZE)[1]
            resource.prlimit(int(pid), resource.RLIMIT_FSIZE, (AT_MOST, most))
            print("limited")
"""
"""Code for a cell: its server's files end after so many bytes, in the middle of a write, as on a full disk.

Those that Jupyter keeps for itself, such as its table of signatures, are smaller.
"""


def test_outputs_wait_for_a_disk_that_is_full_and_the_file_stays_whole(site: Site, owner: Person) -> None:
    with launched_by(site, "fork"):
        owner.launch()
    page = Page(owner, {"one": "print('y' * 62_000)"})
    library = Library.objects.get(owner_user=owner.user, is_default=True)
    file = layout.find(library.pk) / "long.ipynb"
    before, whole = file.stat(), file.read_text()
    other = owner.kernel()
    done = other.run(FULL.replace("AT_MOST", "60_000"))
    assert (done.text, done.error) == ("limited\n", "")
    let_run(page, "one")
    page.close()
    wait_for(lambda: file.stat().st_ino != before.st_ino, SOON, "nobody has tried to write it and put it back")
    wait_for(lambda: file.read_text() == whole, SOON, "half a notebook is left")
    assert other.run(FULL.replace("AT_MOST", "most")).text == "limited\n"
    wait_for(has_text(owner, "one", "y" * 62_000 + "\n"), SOON, "what waited is not in the file")
    wait_for(lambda: not file.with_name(".~long.ipynb").exists(), SOON, "Jupyter's copy is left")


KILL = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/comm") as file:
        if file.read().startswith("jupyter-lab"):
            os.kill(int(pid), 9)
"""
"""Code for a cell: end its own server."""


def test_what_ran_outside_the_drive_is_rescued_with_its_outputs(site: Site, owner: Person) -> None:
    """Stopped as the reaper stops: what was put out in the last moment is in the notebook before."""
    owner.launch()
    page = Page(owner, {"one": "print('begin')\nimport time\ntime.sleep(1e9)"}, "outside.ipynb")
    page.run("one")
    page.wait_for_output("begin")
    page.close()
    stop_server(None, owner.server(), StopReason.IDLE)
    wait_for(lambda: owner.server().state == State.STOPPED, SOON, "it did not stop")
    folder = (owner.server().rescued or {})["folder"]
    assert text_of(on_disk(owner, f"{folder}/outside.ipynb")["one"]) == "begin\n"


def test_endless_output_stays_within_bounds(site: Site, owner: Person) -> None:
    owner.launch()
    endless = "import pathlib\nwhile not pathlib.Path('stop').exists(): print('y' * 200)\nprint('over')"
    page = Page(owner, {"one": endless})
    page.run("one")
    page.wait_for_output("y")
    page.close()
    wait_for(lambda: len(text_of(on_disk(owner).get("one", {}))) > 2**20, SOON, "there is little output")
    model = {"type": "file", "format": "text", "content": ""}
    assert owner.lab("PUT", "/api/contents/drive/My Libraries/My Library/stop", json=model).ok
    wait_for(lambda: text_of(on_disk(owner).get("one", {})).endswith("over\n"), SOON, "its end is missing")
    assert len(text_of(on_disk(owner)["one"])) < 2**21
    assert "characters left out" in text_of(on_disk(owner)["one"])
