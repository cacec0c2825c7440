"""Random writes by every door, held against one model: bytes, lists, versions, trash and rights agree.

The doors: the API, whose operations are the pages', WebDAV, Seafile's Web API, and the disk, where a Lab writes. The
steps are random, and the same each time; other seeds make others.
"""

import hashlib
import random
from itertools import count
from urllib.parse import quote, unquote

import pytest
from django.test import Client
from pytest_django import Settings

from api.models import Scope
from api.services import create_token
from collabs.models import Collab
from drive.models import Version
from drive.storage import layout
from portal.models import User
from webdav.tests import conftest as dav

from .conftest import Program

FOLDER = "d"
PATHS = ("a.txt", "größe & x.bin", "d/a.txt", "d/b c+d%.txt", "d/ü.txt")
NO_DISK = ("api", "webdav", "seafile")
DOORS = (*NO_DISK, "lab")
STEPS = 40
LOOK_EVERY = 8


class Doors:
    """The library of Cortex, and the programs of its editor and its viewer at each door."""

    def __init__(self, collab: Collab, people: dict[str, User], seed: int) -> None:
        self.random, self.contents = random.Random(seed), count()
        self.library, self.root = collab.library, f"Shared with groups/{collab.title}"
        self.place = layout.find(self.library.pk)
        (self.place / FOLDER).mkdir()
        self.seafile: dict[str, Program] = {}
        self.dav: dict[str, dav.Program] = {}
        self.api: dict[str, Client] = {}
        for name, user in people.items():
            token, secret = create_token(user, name="x", scopes=[Scope.READ, Scope.WRITE], days=1)
            self.seafile[name] = Program(token, secret, self.library)
            self.dav[name] = dav.Program(token, secret)
            self.api[name] = Client(headers={"authorization": f"Bearer {secret}"})
        self.model: dict[str, bytes] = {}
        self.saved: set[str] = set()
        """SHA-256 of what came by a door that is no disk: each must be a version for ever."""
        self.deleted = 0
        self.done: set[tuple[str, str]] = set()
        """Steps that were taken, by door."""

    # Each door; `who` is the editor or the viewer. True if it was done, False if it was refused (403)

    def _done(self, status: int) -> bool:
        assert status in (200, 201, 204, 403), status
        return status != 403

    def _files(self, path: str) -> str:
        return f"/api/v1/libraries/{self.library.pk}/files/{quote(path)}"

    def _save(self, door: str, who: str, path: str, content: bytes) -> bool:
        folder, _slash, name = path.rpartition("/")
        match door:
            case "api":
                return self._done(self.api[who].put(self._files(path), content, "application/x").status_code)
            case "webdav":
                return self._done(self.dav[who].status("PUT", f"{self.root}/{path}", content))
            case "seafile":
                if self.seafile[who].get("/api2/repos/{}/upload-link/", p=f"/{folder}").status == 403:
                    return False
                return self._done(self.seafile[who].upload(name, content, f"/{folder}", replace="1").status)
        (self.place / path).write_bytes(content)
        return True

    def _delete(self, door: str, who: str, path: str) -> bool:
        match door:
            case "api":
                return self._done(self.api[who].delete(self._files(path)).status_code)
            case "webdav":
                return self._done(self.dav[who].status("DELETE", f"{self.root}/{path}"))
            case "seafile":
                return self._done(self.seafile[who]("DELETE", "/api2/repos/{}/file/", p=f"/{path}").status)
        (self.place / path).unlink()
        return True

    def _move(self, door: str, who: str, path: str, target: str) -> bool:
        match door:
            case "api":
                address = f"/api/v1/libraries/{self.library.pk}/move"
                sent = {"path": path, "to_path": target}
                return self._done(self.api[who].post(address, sent, "application/json").status_code)
            case "webdav":
                given = {"Destination": f"{self.root}/{target}", "Overwrite": "F"}
                return self._done(self.dav[who].status("MOVE", f"{self.root}/{path}", **given))
            case "seafile":
                return self._move_by_seafile(who, path, target)
        (self.place / path).rename(self.place / target)
        return True

    def _move_by_seafile(self, who: str, path: str, target: str) -> bool:
        """In two steps, as rclone does: to a name that nobody has, then to the folder, then to its name."""
        program, (folder, _slash, name) = self.seafile[who], target.rpartition("/")
        steps = [("rename", "between")] if path.rpartition("/")[2] != name else []
        steps += [("move", folder)] if path.rpartition("/")[0] != folder else []
        steps += [("rename", name)] if ("rename", "between") in steps else []
        for operation, to in steps:
            sent = {"operation": operation, "newname": to, "dst_repo": "{}", "dst_dir": f"/{to}"}
            answer = program.json(f"/api/v2.1/repos/{{}}/file/?p={quote('/' + path)}", **sent)
            if not self._done(answer.status):
                return False
            path = f"{answer.json['parent_dir'].strip('/')}/{answer.json['obj_name']}".strip("/")
        assert path == target
        return True

    # What happens

    def step(self) -> None:
        """Save, delete or move something by one of the doors; a viewer tries the same before, in vain."""
        door = self.random.choice(DOORS)
        kind = self.random.choice(("save", "save", "delete", "move")) if self.model else "save"
        path = self.random.choice(sorted(self.model) if kind != "save" else PATHS)
        if door != "lab":
            self._refused(door, kind, path)
        if kind == "save":
            self._saves(door, path)
        elif kind == "delete":
            assert self._delete(door, "editor", path)
            del self.model[path]
            self.deleted += door != "lab"
        elif free := sorted(set(PATHS) - set(self.model)):
            to = self.random.choice(free)
            assert self._move(door, "editor", path, to)
            self.model[to] = self.model.pop(path)
        self.done.add((door, kind))

    def _saves(self, door: str, path: str) -> None:
        content = f"content {next(self.contents)}".encode()
        assert self._save(door, "editor", path, content)
        self.model[path] = content
        if door != "lab":
            self.saved.add(hashlib.sha256(content).hexdigest())

    def _refused(self, door: str, kind: str, path: str) -> None:
        match kind:
            case "save":
                assert not self._save(door, "viewer", path, b"no")
            case "delete":
                assert not self._delete(door, "viewer", path)
            case "move":
                assert not self._move(door, "viewer", path, f"{path}.moved")

    # What is seen

    def look(self) -> None:
        """Every door shows the same names and the same bytes, and nothing that came by one is lost."""
        for folder in ("", FOLDER):
            expected = {path[len(folder) :].lstrip("/") for path in self.model if path.rpartition("/")[0] == folder}
            if not folder:
                expected.add(FOLDER)
            assert set(self.seafile["viewer"].listed(f"/{folder}")) == expected
            entries = self.api["viewer"].get(f"/api/v1/libraries/{self.library.pk}/entries", {"path": folder}).json()
            assert {item["name"] for item in entries["items"]} == expected
            hrefs = self.dav["viewer"].find(f"{self.root}/{folder}", "resourcetype", depth="1").hrefs()
            assert {unquote(one).strip("/").rpartition("/")[2] for one in hrefs[1:]} == expected
        for path, content in self.model.items():
            link = self.seafile["viewer"].link("/api2/repos/{}/file/", p=f"/{path}")
            assert self.seafile["viewer"].follow(link).body == content
            assert b"".join(self.api["viewer"].get(self._files(path))) == content
            assert self.dav["viewer"]("GET", f"{self.root}/{path}").body == content
            assert (self.place / path).read_bytes() == content
        versions = Version.objects.filter(file__library=self.library, sha256__in=self.saved)
        assert set(versions.values_list("sha256", flat=True)) == self.saved
        assert self.library.trash.exclude(place="").count() == self.deleted
        assert list(layout.staging().iterdir()) == []


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2])
def test_all_doors_agree_whatever_comes_by_which(
    collab: Collab, editor: User, viewer: User, settings: Settings, seed: int
) -> None:
    settings.DRIVE_USE_ACCEL = False
    doors = Doors(collab, {"editor": editor, "viewer": viewer}, seed)
    for number in range(1, STEPS + 1):
        doors.step()
        if number % LOOK_EVERY == 0:
            doors.look()
    assert {door for door, _kind in doors.done} == set(DOORS)
    assert len(doors.done) > len(DOORS) * 2
