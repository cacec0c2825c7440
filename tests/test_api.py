"""Programs at the real proxy: bytes go the way of the pages' bytes, and only with a token."""

import hashlib
import os

import pytest
import requests
from django.conf import settings

from api.models import Scope
from api.services import create_token
from collabs.models import Collab

from .people import Person
from .site import Site, wait_for

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
    for client in (requests.Session(), session(editor, Scope.READ)):
        refused = client.put(address, data=b"x" * 2**20, timeout=60)
        assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
    refused = session(viewer).put(address, data=b"x", timeout=60)
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    staging = settings.DRIVE_ROOT / "staging/nginx"
    wait_for(lambda: not [path for path in staging.rglob("*") if path.is_file()], 5, "an upload was kept")


def test_it_answers_scripts_of_ebrains(site: Site, collab: Collab, viewer: Person) -> None:
    answer = session(viewer).get(f"{settings.PORTAL_URL}/rest/v1/collabs/{collab.slug}", timeout=60)
    assert answer.json()["driveRepositoryId"] == str(collab.library.pk)
