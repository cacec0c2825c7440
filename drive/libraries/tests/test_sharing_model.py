"""Random sequences of what people do with a library's access, through its pages, held against a simple model of it.

Whatever happens: each person can do what the table says and no more, each link leads somewhere exactly as long as it
may, and the page of its owner names exactly those who see it.
"""

from itertools import count
from typing import Any

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
from collabs.models import Membership, Role
from drive.libraries import audience, public_links, services
from drive.libraries.permissions import permissions
from drive.libraries.visibility import entries
from drive.models import Library, PublicLink
from drive.storage import layout
from portal.models import User

NAMES = ["owner", "editor", "viewer", "stranger"]
PEOPLE = st.sampled_from(NAMES)
RIGHTS = st.sampled_from(["r", "rw"])
titles = count()


class Sharing(RuleBasedStateMachine):
    """One library and one team; `people` comes from the test."""

    people: dict[str, User]

    @initialize()
    def begin(self) -> None:
        number = next(titles)
        self.clients = {name: Client() for name in NAMES}
        for name, client in self.clients.items():
            client.force_login(self.people[name])
        self.team = collab_services.create_collab(self.people["owner"], title=f"Team {number}")
        self.members = {"owner"}
        for name in ("editor", "viewer"):
            collab_services.add_member(self.people["owner"], self.team, self.people[name], Role.VIEWER)
            self.members.add(name)
        self.library = services.create_library(self.people["owner"], f"Data {number}")
        (layout.find(self.library.pk) / "folder").mkdir()
        (layout.find(self.library.pk) / "folder/a.txt").write_text("kept")
        self.owner = "owner"
        self.shares: dict[str, str] = {}
        self.team_share = ""
        self.is_public = self.is_deleted = self.team_is_deleted = False
        self.links: dict[str, bool] = {}
        """Token, and whether it leads somewhere when the library is not deleted."""

    # The model

    def right_of(self, name: str) -> str:
        """`rw`, `r` or nothing: the most that any route gives."""
        if self.is_deleted:
            return ""
        routes = [self.shares.get(name, "")]
        routes += ["rw"] if name == self.owner else []
        routes += [self.team_share] if name in self.members and not self.team_is_deleted else []
        routes += ["r"] if self.is_public else []
        return max(routes, key=["", "r", "rw"].index)

    def may_own(self, name: str, response: Any) -> bool:
        """Whether an owner's action was done; others are told 403 or 404, by what they see."""
        if name == self.owner and not self.is_deleted:
            assert response.status_code in (302, 422), response.status_code
            return response.status_code == 302
        assert response.status_code == (403 if self.right_of(name) else 404)
        return False

    def post(self, name: str, path: str, **form: str) -> Any:
        return self.clients[name].post(f"/drive/{path}", form)

    @property
    def page(self) -> str:
        return f"sharing/{self.library.pk}/"

    # What people try

    @rule(name=PEOPLE, other=PEOPLE, right=RIGHTS)
    def share(self, name: str, other: str, right: str) -> None:
        if self.may_own(name, self.post(name, self.page, person=other, permission=right)):
            assert other != self.owner
            self.shares[other] = right

    @rule(name=PEOPLE, right=RIGHTS)
    def share_with_team(self, name: str, right: str) -> None:
        if self.may_own(name, self.post(name, self.page, team=str(self.team.pk), permission=right)):
            assert name in self.members
            assert not self.team_is_deleted
            self.team_share = right

    @rule(name=PEOPLE, right=st.sampled_from(["", "r", "rw"]), number=st.integers(0, 4))
    def change_or_end_a_share(self, name: str, right: str, number: int) -> None:
        shares = list(self.library.shares.select_related("user"))
        if not shares:
            return
        share = shares[number % len(shares)]
        if self.may_own(name, self.post(name, f"shares/{share.pk}/{'change' if right else 'end'}/", permission=right)):
            if share.user is None:
                self.team_share = right
            elif right:
                self.shares[share.user.username] = right
            else:
                del self.shares[share.user.username]

    @rule(name=PEOPLE, do=st.sampled_from(["public", "private"]))
    def publish(self, name: str, do: str) -> None:
        if self.may_own(name, self.post(name, self.page + "change/", do=do)):
            self.is_public = do == "public"

    @rule(name=PEOPLE)
    def leave(self, name: str) -> None:
        response = self.post(name, self.page + "leave/")
        assert response.status_code == (302 if name in self.shares else 404)
        self.shares.pop(name, None)

    @rule(name=PEOPLE)
    def delete(self, name: str) -> None:
        if self.may_own(name, self.post(name, self.page + "change/", do="delete")):
            self.is_deleted = True

    @rule(name=PEOPLE)
    def restore(self, name: str) -> None:
        response = self.post(name, "deleted/", library=str(self.library.pk))
        if name == self.owner and self.is_deleted:
            assert response.status_code == 302
            self.is_deleted = False
        else:
            assert response.status_code == 404

    @rule(name=PEOPLE, other=PEOPLE)
    def transfer(self, name: str, other: str) -> None:
        if self.may_own(name, self.post(name, self.page + "transfer/", person=other)):
            assert other != name
            self.owner = other
            self.shares.pop(other, None)
            self.shares[name] = "rw"
            self.links = dict.fromkeys(self.links, False)

    # Links

    @rule(name=PEOPLE, path=st.sampled_from(["", "folder", "folder/a.txt", "gone"]))
    def link(self, name: str, path: str) -> None:
        before = PublicLink.objects.count()
        if self.may_own(name, self.post(name, f"links/{self.library.pk}/?path={path}")):
            assert path != "gone"
            self.links[public_links.token(PublicLink.objects.latest("created_at", "pk"))] = True
        else:
            assert PublicLink.objects.count() == before

    @rule(name=PEOPLE, number=st.integers(0, 4))
    def revoke(self, name: str, number: int) -> None:
        tokens = list(self.links)
        if not tokens:
            return
        token = tokens[number % len(tokens)]
        link = next(row for row in PublicLink.objects.filter(library=self.library) if public_links.token(row) == token)
        if self.may_own(name, self.post(name, f"links/{self.library.pk}/{link.pk}/revoke/")):
            self.links[token] = False

    @rule(number=st.integers(0, 4))
    def visit(self, number: int) -> None:
        tokens = list(self.links)
        if tokens:
            token = tokens[number % len(tokens)]
            answer = Client().get(f"/l/{token}/").status_code
            assert answer in ((200, 302) if self.links[token] and not self.is_deleted else (404,))

    # The team

    @rule(name=st.sampled_from(["editor", "viewer", "stranger"]))
    def join_or_leave_the_team(self, name: str) -> None:
        if self.team_is_deleted:
            return
        if name in self.members:
            collab_services.remove_member(self.people["owner"], self.team, self.people[name])
            self.members.remove(name)
        else:
            collab_services.add_member(self.people["owner"], self.team, self.people[name], Role.VIEWER)
            self.members.add(name)

    @rule()
    def delete_or_restore_the_team(self) -> None:
        change = collab_services.restore_collab if self.team_is_deleted else collab_services.delete_collab
        change(self.people["owner"], self.team)
        self.team_is_deleted = not self.team_is_deleted

    # What must hold

    @invariant()
    @precondition(lambda self: hasattr(self, "links"))
    def access_is_as_the_model(self) -> None:
        for name, user in self.people.items():
            found = [entry.permission for entry in entries(user, library=self.library.pk)]
            assert max(found, key=["r", "rw"].index, default="") == self.right_of(name), name
        at_once = permissions((user.pk, self.library.pk) for user in self.people.values())
        expected = {user.pk: self.right_of(name) for name, user in self.people.items() if self.right_of(name)}
        assert {user: given for (user, _library), given in at_once.items()} == expected

    @rule(name=PEOPLE)
    def look_and_write(self, name: str) -> None:
        right, here = self.right_of(name), f"/drive/{self.library.pk}/"
        assert self.clients[name].get(here).status_code == (200 if right else 404)
        assert self.clients[name].get(f"/drive/{self.page}").status_code == (200 if right else 404)
        written = self.clients[name].put(f"{here}new.txt", b"x").status_code
        assert written == {"": 404, "r": 403, "rw": 204}[right]

    @invariant()
    @precondition(lambda self: hasattr(self, "links"))
    def links_are_as_the_model(self) -> None:
        for token, is_open in self.links.items():
            assert bool(public_links.find(token)) == (is_open and not self.is_deleted)

    @invariant()
    @precondition(lambda self: hasattr(self, "links") and not self.is_deleted)
    def the_owner_is_told_who_sees_it(self) -> None:
        library = Library.objects.get(pk=self.library.pk)
        owner = self.people[self.owner]
        readers = audience.with_routes(owner, library, audience.people(owner, library))
        told = {reader.user.username: "rw" if reader.may_write else "r" for reader in readers}
        knows_team = self.owner in self.members
        for name in NAMES:
            hidden = not knows_team and name in self.members
            if not hidden:
                public = self.is_public and not told.get(name)
                assert told.get(name, "r" if public else "") == self.right_of(name), name

    def teardown(self) -> None:
        """Nothing that was done to access touched a file."""
        if hasattr(self, "links"):
            assert (layout.find(self.library.pk) / "folder/a.txt").read_text() == "kept"
            assert Membership.objects.filter(collab=self.team).count() == len(self.members)


@pytest.mark.slow
def test_it_gives_exactly_the_access_of_the_table(owner: User, editor: User, viewer: User, stranger: User) -> None:
    Sharing.people = {"owner": owner, "editor": editor, "viewer": viewer, "stranger": stranger}
    run_state_machine_as_test(
        Sharing,
        settings=settings(
            max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
