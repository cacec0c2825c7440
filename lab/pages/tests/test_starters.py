"""Starter notebooks: what is in them, for which files they are made, and that nothing else changes."""

import ast
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from collabs.models import Collab
from drive.files import operations
from lab.models import Server
from lab.pages import starters
from lab.servers.clients.jupyter import JupyterClient, JupyterError
from portal.models import User

pytestmark = pytest.mark.django_db

LAB = "http://owner.lab.localhost:8000"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Notebooks that were asked for, by name."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def starter(_: JupyterClient, name: str, content: dict[str, Any], known_by: dict[str, Any]) -> str:
        asked.append((name, content))
        assert content["metadata"] == known_by
        return f"{name}.ipynb"

    monkeypatch.setattr(JupyterClient, "starter", starter)
    return asked


@pytest.fixture
def me(owner: User, sign_in: Callable[[User], Client], running: Server) -> Client:
    return sign_in(owner)


def goes_to(client: Client, path: str) -> str:
    return client.get("/lab/open", {"path": path})["Refresh"].partition("url=")[2]


def test_it_opens_a_file_of_science_in_a_notebook_that_loads_it(
    me: Client, owner: User, collab: Collab, made: list[tuple[str, dict[str, Any]]]
) -> None:
    operations.write(owner, collab.library, "scan 1.nii.gz", b"\0")
    path = "Shared with groups/Cortex/scan 1.nii.gz"
    assert goes_to(me, path) == f"{LAB}/lab/tree/scan%201.nii.gz.ipynb"
    ((name, notebook),) = made
    assert name == "scan 1.nii.gz"
    sources = [cell["source"] for cell in notebook["cells"]]
    assert "%pip install --quiet nibabel" in sources[1]
    assert f'Path.home() / "drive/{path}"' in sources[2]
    assert "nibabel.load(file)" in sources[3]


def test_it_opens_everything_else_as_before(
    me: Client, owner: User, collab: Collab, made: list[tuple[str, dict[str, Any]]]
) -> None:
    for name in ("a.txt", "a.ipynb", "a.csv", "a.pdf", "a.geojson", "noending"):
        operations.write(owner, collab.library, name, b"{}")
        assert (
            goes_to(me, f"Shared with groups/Cortex/{name}")
            == f"{LAB}/lab/tree/drive/Shared%20with%20groups/Cortex/{name}"
        )
    operations.make_folder(owner, collab.library, "folder.h5")
    assert goes_to(me, "Shared with groups/Cortex/folder.h5").endswith("/Cortex/folder.h5")
    assert not made


def test_it_opens_the_file_where_the_lab_makes_no_notebook(
    me: Client, owner: User, collab: Collab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> str:
        raise JupyterError("no")

    monkeypatch.setattr(JupyterClient, "starter", refuse)
    operations.write(owner, collab.library, "a.h5", b"\0")
    assert goes_to(me, "Shared with groups/Cortex/a.h5").endswith("/Cortex/a.h5")


@pytest.mark.parametrize("work", starters.RECIPES)
@pytest.mark.parametrize("name", ["a.h5", "q\"uo'te\\ `x` {b} é\u2028.h5", "# [x](javascript:alert(1)) <b>.h5"])
def test_it_writes_code_that_python_reads(work: str, name: str) -> None:
    notebook = starters.notebook(f"My Libraries/My Library/{name}", starters.RECIPES[work])
    json.dumps(notebook)
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for source in code:
        ast.parse(source.replace("%pip", "pip = '''").replace("--quiet", "'''#").rstrip(";"))
    place = ast.parse(code[1]).body[-1]
    assert isinstance(place, ast.Assign)
    assert isinstance(place.value, ast.BinOp)
    assert ast.literal_eval(place.value.right) == f"drive/My Libraries/My Library/{name}"
    assert "<b>" not in notebook["cells"][0]["source"].replace("\\<", "")
