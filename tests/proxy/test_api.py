"""Programs at the real proxy: bytes go the way of the pages' bytes, and only with a token."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.conf import settings

from api.models import Scope
from api.services import create_token
from collabs.models import Collab

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox
SIZE = 20 * 2**20


def session(person: Person, *scopes: Scope) -> requests.Session:
    _token, secret = create_token(person.user, name="test", scopes=scopes or tuple(Scope), days=1)
    made = requests.Session()
    made.headers["Authorization"] = f"Bearer {secret}"
    return made


def test_it_moves_large_files_by_token(site: Site, collab: Collab, editor: Person, viewer: Person) -> None:
    address = f"{settings.PORTAL_URL}/api/v1/libraries/{collab.library.pk}/files/data/large.bin"
    content = os.urandom(SIZE)
    client = session(editor)
    made = client.put(f"{address}?make_folders=true", data=content, timeout=60)
    assert made.status_code == 201, made.text
    read = session(viewer, Scope.READ).get(address, timeout=60)
    assert hashlib.sha256(read.content).digest() == hashlib.sha256(content).digest()
    assert read.headers["ETag"] == made.json()["etag"]
    part = client.get(address, headers={"Range": "bytes=10-19"}, timeout=60)
    assert (part.status_code, part.content) == (206, content[10:20])
    changed = client.put(address, data=b"new", headers={"If-Match": made.json()["etag"]}, timeout=60)
    assert changed.status_code == 200, changed.text
    lost = client.put(address, data=b"late", headers={"If-Match": made.json()["etag"]}, timeout=60)
    assert (lost.status_code, lost.json()["error"]) == (412, "precondition_failed")


def test_it_takes_no_byte_without_a_token_that_may_write(
    site: Site, collab: Collab, editor: Person, viewer: Person
) -> None:
    address = f"{settings.PORTAL_URL}/api/v1/libraries/{collab.library.pk}/files/a.bin"
    refused = requests.put(address, data=b"x" * 2**20, timeout=60)
    assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
    for client in (session(editor, Scope.READ), session(viewer)):
        refused = client.put(address, data=b"x" * 2**20, timeout=60)
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    staging = settings.DRIVE_ROOT / "staging/nginx"
    wait_for(lambda: not [path for path in staging.rglob("*") if path.is_file()], 30, "an upload was kept")


def test_it_answers_scripts_of_ebrains(site: Site, collab: Collab, viewer: Person) -> None:
    answer = session(viewer).get(f"{settings.PORTAL_URL}/rest/v1/collabs/{collab.slug}", timeout=60)
    assert answer.json()["driveRepositoryId"] == str(collab.library.pk)


def examples(language: str) -> list[str]:
    text = (settings.BASE_DIR / "docs/how-to/scripts.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_examples_of_the_documentation_work(site: Site, owner: Person, tmp_path: Path) -> None:
    """All in one go, as somebody would paste them one after the other."""
    _token, secret = create_token(owner.user, name="test", scopes=tuple(Scope), days=1)
    environment = {**os.environ, "COLLABORATORY": settings.PORTAL_URL, "TOKEN": secret}
    (tmp_path / "measurements.csv").write_text("1\n")

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = run(sys.executable, "-c", "\n".join(examples("python")))
    assert "data/measurements.csv 2" in said
    assert "changed data/new.csv" in said
    assert "['Retina 2026']" in said
    assert (tmp_path / "copy.csv").read_text() == "1\n"
    environment["LIBRARY"] = str(Collab.objects.get(title="Retina 2026").library.pk)
    for example in examples("sh"):
        if not example.startswith("export"):
            run("sh", "-ec", example)
    assert (tmp_path / "back.csv").read_text() == "1\n"
