"""Random sequences of what people and their notebooks do, held against a simple model of what must be there.

Whatever happens: the disk holds what the model holds, who may not write cannot, and every content that was saved on the
web or seen by a scan can still be had, from the library, its versions or its trash.
"""

import shutil
from itertools import count

import pytest
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collabs import services as collab_services
from collabs.models import Role
from drive.files import operations
from drive.models import Trashed, Version
from drive.storage import StorageError, layout, open_library, path_codec
from drive.versions import capture, scan, store, trash
from portal.models import User

NAMES = st.sampled_from(["a.txt", "b.txt", "deep/a.txt", "deep/er/c.txt", "other/b.txt", "ü.txt", "x y%_.txt"])
FOLDERS = st.sampled_from(["deep", "deep/er", "other"])
WRITERS = st.sampled_from(["owner", "editor"])
titles = count()
contents = count()


class Drive(RuleBasedStateMachine):
    """One library of a Collab; `people` comes from the test."""

    people: dict[str, User]

    @initialize()
    def begin(self) -> None:
        self.collab = collab_services.create_collab(self.people["owner"], title=f"Model {next(titles)}")
        for name, role in (("editor", Role.EDITOR), ("viewer", Role.VIEWER)):
            collab_services.add_member(self.people["owner"], self.collab, self.people[name], role)
        self.library = self.collab.library
        self.place = layout.find(self.library.pk)
        self.model: dict[str, bytes] = {}
        self.kept: set[bytes] = set()
        """Contents that must be to be had for ever: saved on the web, or seen by a scan."""
        self.deleted: set[bytes] = set()
        """Contents that were deleted on the web, and not restored since."""

    def new(self) -> bytes:
        return f"content {next(contents)}".encode()

    def below(self, path: str) -> list[str]:
        return [name for name in self.model if path_codec.is_within(name, path)]

    # On the web

    @rule(who=WRITERS, path=NAMES, large=st.booleans())
    def save(self, who: str, path: str, large: bool) -> None:
        """Large: a file that is captured later; until then a notebook can destroy it."""
        content = self.new()
        with pytest.MonkeyPatch.context() as patch, open_library(self.library) as files:
            patch.setattr(operations, "CAPTURE_AT_ONCE", 0 if large else 2**20)
            try:
                files.make_folders(path.rpartition("/")[0])
                operations.write(self.people[who], self.library, path, content)
            except StorageError:
                assert not self.is_free(path)
                return
        if path in self.model:
            self.kept.add(self.model[path])
        self.model[path] = content
        if not large:
            self.kept.add(content)

    def is_free(self, path: str) -> bool:
        """Whether a file can be at a path: none of its folders is a file, and it is no folder."""
        above = [path[:at] for at, sign in enumerate(path) if sign == "/"]
        return not (self.place / path).is_dir() and not any((self.place / folder).is_file() for folder in above)

    @rule(who=WRITERS, path=NAMES | FOLDERS, new=NAMES)
    def rename(self, who: str, path: str, new: str) -> None:
        try:
            operations.rename(self.people[who], self.library, path, new)
        except StorageError:
            return
        for name in self.below(path):
            self.model[path_codec.moved(name, path, new)] = self.model.pop(name)

    @rule(who=WRITERS, path=NAMES | FOLDERS)
    def delete(self, who: str, path: str) -> None:
        try:
            operations.delete(self.people[who], self.library, path)
        except StorageError:
            assert not self.below(path)
            return
        for name in self.below(path):
            self.deleted.add(self.model.pop(name))

    @rule(who=WRITERS, number=st.integers(0, 5))
    def restore(self, who: str, number: int) -> None:
        items = list(Trashed.objects.filter(library=self.library))
        if items:
            before = self.on_disk()
            trash.restore(self.people[who], items[number % len(items)])
            after = self.on_disk()
            assert before.items() <= after.items()
            self.model = after
            self.deleted -= set(after.values())

    @rule(who=WRITERS, number=st.integers(0, 5))
    def go_back(self, who: str, number: int) -> None:
        versions = list(Version.objects.filter(file__library=self.library, file__trashed=None).select_related("file"))
        versions = [version for version in versions if path_codec.from_row(version.file.path) in self.model]
        if versions:
            version = versions[number % len(versions)]
            path = path_codec.from_row(version.file.path)
            self.kept.add(self.model[path])
            operations.restore_version(self.people[who], version, path)
            with store.open_object(version.sha256) as source:
                self.model[path] = source.read()
            self.kept.add(self.model[path])

    # In a Lab

    @rule(path=NAMES)
    def write_in_lab(self, path: str) -> None:
        if not self.is_free(path):
            return
        (self.place / path).parent.mkdir(parents=True, exist_ok=True)
        self.model[path] = self.new()
        (self.place / path).write_bytes(self.model[path])

    @rule(path=NAMES, new=NAMES)
    def move_in_lab(self, path: str, new: str) -> None:
        if path in self.model and path != new and self.is_free(new) and new not in self.model:
            (self.place / new).parent.mkdir(parents=True, exist_ok=True)
            (self.place / path).rename(self.place / new)
            self.model[new] = self.model.pop(path)

    @rule(path=NAMES | FOLDERS)
    def remove_in_lab(self, path: str) -> None:
        if (self.place / path).is_dir():
            shutil.rmtree(self.place / path)
        else:
            (self.place / path).unlink(missing_ok=True)
        for name in self.below(path):
            self.model.pop(name)

    @rule()
    def scan(self) -> None:
        outcome = scan.scan(self.library)
        assert outcome
        assert not outcome.left
        self.kept |= set(self.model.values())

    # Those who may not

    @rule(who=st.sampled_from(["viewer", "stranger"]), path=NAMES)
    def others_change_nothing(self, who: str, path: str) -> None:
        client = Client()
        client.force_login(self.people[who])
        expected = {"viewer": 403, "stranger": 404}[who]
        here = f"/drive/{self.library.pk}/"
        assert client.put(f"{here}{path}", b"mine").status_code == expected
        for do in ("folder", "rename", "delete", "restore", "purge", "go-back"):
            assert client.post(here, {"do": do, "name": path, "old": path, "id": "1"}).status_code == expected
        assert client.get(f"{here}?show=trash").status_code == (200 if who == "viewer" else 404)

    # What must hold

    def on_disk(self) -> dict[str, bytes]:
        files = [path for path in self.place.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.place)): path.read_bytes() for path in files}

    @invariant()
    @precondition(lambda self: hasattr(self, "model"))
    def the_disk_is_as_the_model(self) -> None:
        assert self.on_disk() == self.model

    @invariant()
    @precondition(lambda self: hasattr(self, "model"))
    def nothing_is_lost(self) -> None:
        there = set(self.model.values())
        there |= {path.read_bytes() for path in layout.trash(self.library.pk).rglob("*") if path.is_file()}
        shas = Version.objects.filter(file__library=self.library).values_list("sha256", flat=True)
        there |= {store.path_of(sha256).read_bytes() for sha256 in set(shas)}
        assert self.kept | self.deleted <= there

    def teardown(self) -> None:
        """Everything in the trash can be restored, and nothing is left beside the library."""
        if not hasattr(self, "model"):
            return
        scan.scan(self.library)
        for item in Trashed.objects.filter(library=self.library):
            trash.restore(self.people["owner"], item)
        trash_of_library = layout.trash(self.library.pk)
        assert not trash_of_library.exists() or not list(trash_of_library.iterdir())
        assert not [path for path in layout.staging().iterdir() if path.name != "nginx"]


@pytest.mark.slow
def test_it_loses_nothing_whatever_people_do(
    owner: User, editor: User, viewer: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "PAUSE", 0.0)
    Drive.people = {"owner": owner, "editor": editor, "viewer": viewer, "stranger": stranger}
    run_state_machine_as_test(
        Drive,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
