"""A typed client, generated of the OpenAPI document by openapi-python-client, does a day's work over HTTP."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from api.models import Scope
from api.services import create_token
from api.v1.api import api
from conftest import Queue
from portal.models import User

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PACKAGE = "generated_client"
Call = Callable[..., Any]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of the generated package; a warning of the generator, as of what it leaves out, is an error."""
    (tmp_path / "openapi.json").write_text(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/")))
    (tmp_path / "config.yml").write_text("post_hooks: []\n")  # without them it needs no linters
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    command += ["--path", "openapi.json", "--config", "config.yml", "--output-path", PACKAGE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield PACKAGE
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def connect(package: str, live_server: Any, settings: Settings) -> Callable[[User], Call]:
    """Connect as a person: a function that calls an operation by its tag and name, typed as the generator has it."""
    settings.DRIVE_USE_ACCEL = False

    def as_person(user: User) -> Call:
        _token, secret = create_token(user, name="client", scopes=tuple(Scope), days=1)
        client_type = importlib.import_module(f"{package}.client").AuthenticatedClient
        client = client_type(base_url=live_server.url, token=secret, timeout=60, raise_on_unexpected_status=True)

        def call(operation: str, *values: Any, **fields: Any) -> Any:
            return importlib.import_module(f"{package}.api.{operation}").sync(*values, client=client, **fields)

        return call

    return as_person


def test_it_works_with_a_generated_client(
    connect: Callable[[User], Call], package: str, owner: User, viewer: User, stranger: User, queue: Queue
) -> None:
    models = importlib.import_module(f"{package}.models")
    file_type = importlib.import_module(f"{package}.types").File
    call = connect(owner)
    collab = call("collabs.collabs_create_collab", body=models.CollabIn(title="Retina 2026", tags=["vision"]))
    assert (collab.slug, collab.my_role, collab.tags) == ("retina-2026", models.Role.ADMINISTRATOR, ["vision"])
    found = call("people.people_search_people", q="vera").items[0].username
    member = call("teams.teams_add_member", collab.slug, body=models.MemberIn(person=found, role=models.Role.VIEWER))
    assert member.username == "viewer"
    library, path = collab.library, "data/spikes.csv"
    after = call("search.search_list_changes", library).after
    for text in (b"a,b\n1,2\n", b"a,b\n1,3\n"):
        body = file_type(payload=BytesIO(text))
        written = call("files.files_put_file", library, path, body=body, make_folders=True)
        assert (written.path, written.size) == (path, len(text))
    assert call("files.files_get_file", library, path).payload.read() == b"a,b\n1,3\n"
    page = call("files.files_list_folder", library, path="data", sort=models.FilesListFolderSort.MODIFIED)
    assert [(one.name, one.size) for one in page.items] == [("spikes.csv", 8)]
    older = call("versions.files_list_versions", library, path=path).items[-1].id
    compared = call("versions.files_compare", library, older=older, path=path)
    assert [line.text for block in compared.blocks for line in block if line.kind == "added"] == ["1,3"]
    assert [one.path for one in call("search.search_list_changes", library, after=after).items] == [path]
    assert call("search.search_search_everywhere", q="spikes").items[0].entry.path == path
    link = call("public_links.links_make_link", library, body=models.LinkIn(path=path))
    assert link.is_open
    assert call("public_links.links_end_link", library, link.id) is None
    call("files.files_delete_file", library, path)
    item = call("trash.trash_list_trash", library).items[0]
    assert call("trash.trash_restore_trashed", library, item.id).path == path
    assert call("lab.me_status").state == "off"
    # What goes wrong is typed too
    assert call("collabs.collabs_create_collab", body=models.CollabIn(title="Retina 2026")).error == "conflict"
    assert connect(stranger)("collabs.collabs_get", collab.slug).error == "not_found"
    refused = connect(viewer)("files.files_put_file", library, "x", body=file_type(payload=BytesIO(b"x")))
    assert (refused.status, refused.error) == (403, "forbidden")
