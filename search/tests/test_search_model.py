"""Random sequences of changes of files and of access, held against a simple model of who may find what.

The model is the table of access, written down once more: at every moment a search finds nothing that it does not give,
and once the index has followed, all that it gives.
"""

from itertools import count

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.files import operations
from drive.libraries import services as library_services
from drive.models import Library, Permission, Share, Trashed
from drive.storage import StorageError, open_library
from drive.versions import trash
from portal.models import User

from .support import follow, names, texts, write

WORDS = ["amygdala", "basalis"]
PATHS = st.sampled_from(
    ["amygdala.md", "basalis.ipynb", "deep/amygdala.txt", "deep/er/basalis.md", ".amygdala.md", "x.md"]
)
FOLDERS = st.sampled_from(["deep", "deep/er", ".deep"])
WHERE = st.sampled_from(["collab", "own"])
PEOPLE = ("owner", "editor", "viewer", "stranger")
PHASES = [Phase.explicit, Phase.generate]
"""Without shrinking: a run takes seconds, and says each step that it took."""
titles = count()


class Searched(RuleBasedStateMachine):
    """A Collab's library, and a person's own; `people` comes from the test."""

    people: dict[str, User]

    @initialize()
    def begin(self) -> None:
        owner = self.people["owner"]
        self.collab = collab_services.create_collab(owner, title=f"Searched {next(titles)}")
        own = library_services.create_library(owner, f"Own {next(titles)}")
        self.libraries: dict[str, Library] = {"collab": self.collab.library, "own": own}
        self.files: dict[str, dict[str, tuple[str, bool]]] = {"collab": {}, "own": {}}
        """The word in each file, and whether it is a notebook, whatever its name."""
        self.roles: dict[str, Role] = {"owner": Role.ADMINISTRATOR}
        self.shared: set[str] = set()
        self.is_public = {"collab": False, "own": False}
        self.is_archived = self.is_deleted = False
        self.inactive: set[str] = set()
        self.is_followed = False

    def teardown(self) -> None:
        """Nothing of this run is seen in the next one, which has the same people."""
        if hasattr(self, "libraries"):
            keys = [library.pk for library in self.libraries.values()]
            Library.objects.filter(pk__in=keys).update(deleted_at=timezone.now())
        User.objects.filter(pk__in=[one.pk for one in self.people.values()]).update(is_active=True)

    # Files

    @rule(where=WHERE, path=PATHS, word=st.sampled_from(WORDS))
    def save(self, where: str, path: str, word: str) -> None:
        if where == "collab" and (self.is_archived or self.is_deleted):
            return
        try:
            write(self.people["owner"], self.libraries[where], path, f"some {word} here")
        except StorageError:
            return  # a file has the name of one of its folders
        self.files[where][path] = word, path.endswith(".ipynb")
        self.is_followed = False

    @rule(where=WHERE, path=PATHS | FOLDERS, new=PATHS | FOLDERS)
    def rename(self, where: str, path: str, new: str) -> None:
        try:
            operations.rename(self.people["owner"], self.libraries[where], path, new)
        except StorageError:
            return
        for name in self._below(where, path):
            self.files[where][new + name[len(path) :]] = self.files[where].pop(name)
        self.is_followed = False

    @rule(where=WHERE, path=PATHS | FOLDERS)
    def delete(self, where: str, path: str) -> None:
        try:
            operations.delete(self.people["owner"], self.libraries[where], path)
        except StorageError:
            return
        for name in self._below(where, path):
            del self.files[where][name]

    @rule(where=WHERE)
    def restore(self, where: str) -> None:
        item = Trashed.objects.filter(library=self.libraries[where]).order_by("pk").first()
        if item is None:
            return
        paths = [row.path for row in item.histories.all()]
        old, new = item.path, trash.restore(self.people["owner"], item)
        for path in paths:
            here = new + path[len(old) :]
            self.files[where][here] = self._read(self.libraries[where], here)
        self.is_followed = False

    def _read(self, library: Library, path: str) -> tuple[str, bool]:
        """What a restored file holds: the model does not remember what lay in the trash."""
        with open_library(library) as opened, opened.open(path) as source:
            content = source.read().decode()
        return next(word for word in WORDS if word in content), content.startswith("{")

    def _below(self, where: str, path: str) -> list[str]:
        return [name for name in self.files[where] if name == path or name.startswith(f"{path}/")]

    # Access

    @rule(who=st.sampled_from(PEOPLE[1:]), role=st.sampled_from(list(Role)))
    def give_role(self, who: str, role: Role) -> None:
        if self.is_deleted or who in self.inactive:
            return
        member = self.collab.memberships.filter(user=self.people[who]).first()
        if member is None:
            collab_services.add_member(self.people["owner"], self.collab, self.people[who], role)
        else:
            collab_services.change_role(self.people["owner"], self.collab, self.people[who], role)
        self.roles[who] = role

    @rule(who=st.sampled_from(PEOPLE[1:]))
    def take_role(self, who: str) -> None:
        if who in self.roles and not self.is_deleted:
            collab_services.remove_member(self.people["owner"], self.collab, self.people[who])
            del self.roles[who]

    @rule(who=st.sampled_from(PEOPLE[1:]), permission=st.sampled_from(list(Permission)))
    def share(self, who: str, permission: Permission) -> None:
        if who not in self.shared and who not in self.inactive:
            library_services.share_with_person(
                self.people["owner"], self.libraries["own"], self.people[who], permission
            )
            self.shared.add(who)

    @rule(who=st.sampled_from(PEOPLE[1:]))
    def unshare(self, who: str) -> None:
        if who in self.shared:
            item = Share.objects.get(library=self.libraries["own"], user=self.people[who])
            library_services.unshare(self.people["owner"], item)
            self.shared.discard(who)

    @rule(where=WHERE, is_public=st.booleans())
    def publish(self, where: str, is_public: bool) -> None:
        if where == "own":
            library_services.set_public(self.people["owner"], self.libraries["own"], is_public)
        elif self.is_deleted or self.is_archived:
            return
        else:
            collab = Collab.objects.get(pk=self.collab.pk)
            collab_services.update_collab(
                self.people["owner"], collab, title=collab.title, description="", is_public=is_public
            )
        self.is_public[where] = is_public

    @rule()
    def archive(self) -> None:
        if not self.is_archived and not self.is_deleted:
            collab_services.archive_collab(self.people["owner"], Collab.objects.get(pk=self.collab.pk))
            self.is_archived = True

    @rule()
    def unarchive(self) -> None:
        if self.is_archived and not self.is_deleted:
            collab_services.unarchive_collab(self.people["owner"], Collab.objects.get(pk=self.collab.pk))
            self.is_archived = False

    @rule()
    def delete_collab(self) -> None:
        if not self.is_deleted:
            collab_services.delete_collab(self.people["owner"], Collab.objects.get(pk=self.collab.pk))
            self.is_deleted = True

    @rule()
    def restore_collab(self) -> None:
        if self.is_deleted:
            collab_services.restore_collab(self.people["owner"], Collab.all_objects.get(pk=self.collab.pk))
            self.is_deleted = False

    @rule(who=st.sampled_from(PEOPLE[2:]), is_active=st.booleans())
    def activate(self, who: str, is_active: bool) -> None:
        User.objects.filter(pk=self.people[who].pk).update(is_active=is_active)
        (self.inactive.discard if is_active else self.inactive.add)(who)

    # The index

    @rule()
    def follow(self) -> None:
        follow()
        self.is_followed = True

    def may_find(self, who: str, where: str) -> bool:
        if who in self.inactive:
            return False
        if where == "own":
            return who == "owner" or who in self.shared or self.is_public["own"]
        return not self.is_deleted and not self.is_archived and (who in self.roles or self.is_public["collab"])

    def expected(self, who: str, word: str) -> tuple[list[str], list[str]]:
        named, written = [], []
        for where, files in self.files.items():
            for path, (content, is_notebook) in files.items() if self.may_find(who, where) else ():
                if any(part.startswith(".") for part in path.split("/")):
                    continue
                named += [path] if word in path.rpartition("/")[2] else []
                is_read = is_notebook or not path.endswith(".ipynb")
                written += [path] if word == content and is_read else []
        return sorted(named), sorted(written)

    @invariant()
    def a_search_finds_what_the_table_gives(self) -> None:
        for who in PEOPLE:
            user = User.objects.get(pk=self.people[who].pk)
            for word in WORDS:
                given = names(user, word), texts(user, word)
                expected = self.expected(who, word)
                if self.is_followed:
                    assert given == expected, (who, word)
                for some, every in zip(given, expected, strict=True):
                    rest = list(every)
                    for path in some:
                        assert path in rest, (who, word, path)
                        rest.remove(path)


@pytest.mark.slow
def test_a_search_finds_nothing_that_the_table_does_not_give(
    owner: User, editor: User, viewer: User, stranger: User, own_files: object
) -> None:
    Searched.people = {"owner": owner, "editor": editor, "viewer": viewer, "stranger": stranger}
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    run_state_machine_as_test(
        Searched,
        settings=settings(
            max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=checks, phases=PHASES
        ),
    )
