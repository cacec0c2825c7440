"""Random changes to teams and groups, held against a plain Python model of who has which role."""

from itertools import count

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from collabs import invitations, services
from collabs.models import Collab, Role
from drive.folders import Folder
from drive.libraries.visibility import entries
from groups import services as group_services
from groups.models import Group
from portal.accounts import services as accounts
from portal.models import User

PEOPLE = ["owner", "editor", "viewer", "stranger"]
SOMEBODY = st.sampled_from(PEOPLE)
ROLES = st.sampled_from(list(Role))
COLLABS, GROUPS = st.integers(0, 1), st.integers(0, 3)
numbers = count()


class Teams(RuleBasedStateMachine):
    """Two Collabs, four groups, four people; `people` comes from the test."""

    people: dict[str, User]

    @initialize()
    def begin(self) -> None:
        for user in self.people.values():
            accounts.activate(None, user)
        owner, run = self.people["owner"], next(numbers)
        self.collabs = [services.create_collab(owner, title=f"Model {run} {n}") for n in range(2)]
        self.groups = [group_services.create_group(owner, name=f"Model {run} {n}") for n in range(4)]
        self.members: list[dict[str, Role]] = [{"owner": Role.ADMINISTRATOR} for _ in self.collabs]
        self.held: list[dict[int, Role]] = [{} for _ in self.collabs]
        self.inside: list[set[str]] = [set() for _ in self.groups]
        self.nested: set[tuple[int, int]] = set()
        self.gone: set[int] = set()
        self.deleted: set[int] = set()
        self.archived: set[int] = set()
        self.inactive: set[str] = set()

    # What the model says.

    def in_group(self, number: int, seen: frozenset[int] = frozenset()) -> set[str]:
        if number in seen or number in self.gone:
            return set()
        found = set(self.inside[number])
        for outer, inner in self.nested:
            if outer == number:
                found |= self.in_group(inner, seen | {number})
        return found

    def is_inside(self, inner: int, outer: int) -> bool:
        return inner == outer or any(self.is_inside(inner, n) for o, n in self.nested if o == outer)

    def role(self, collab: int, name: str) -> Role | None:
        if name in self.inactive:
            return None
        roles = [self.members[collab].get(name)]
        roles += [role for number, role in self.held[collab].items() if name in self.in_group(number)]
        found = [role for role in roles if role]
        return min(found, key=list(Role).index) if found else None

    def administrators(self, collab: int) -> set[str]:
        return {n for n, role in self.members[collab].items() if role == Role.ADMINISTRATOR} - self.inactive

    # What people do.

    @rule(collab=COLLABS, name=SOMEBODY, role=ROLES)
    def add(self, collab: int, name: str, role: Role) -> None:
        try:
            services.add_member(self.people["owner"], self.collabs[collab], self.people[name], role)
        except ValidationError:
            assert name in self.members[collab] or name in self.inactive
        else:
            self.members[collab][name] = role

    @rule(collab=COLLABS, name=SOMEBODY, role=ROLES)
    def change(self, collab: int, name: str, role: Role) -> None:
        before = self.members[collab].get(name)
        try:
            services.change_role(self.people["owner"], self.collabs[collab], self.people[name], role)
        except ValidationError:
            last = self.administrators(collab) <= {name} and before == Role.ADMINISTRATOR
            assert before is None or last
        else:
            self.members[collab][name] = role

    @rule(collab=COLLABS, name=SOMEBODY)
    def remove(self, collab: int, name: str) -> None:
        try:
            services.remove_member(self.people["owner"], self.collabs[collab], self.people[name])
        except services.LastAdministratorError:
            assert self.administrators(collab) <= {name}
        else:
            self.members[collab].pop(name, None)

    @rule(collab=COLLABS, name=SOMEBODY, role=ROLES)
    def invite_and_accept(self, collab: int, name: str, role: Role) -> None:
        if collab in self.deleted or name in self.inactive:
            return
        invitation, _token = invitations.invite_by_link(self.people["owner"], self.collabs[collab], role)
        invitations.accept(self.people[name], invitation)
        before = self.members[collab].get(name)
        if before is None or not before.includes(role):
            self.members[collab][name] = role

    @rule(collab=COLLABS)
    def archive_or_open(self, collab: int) -> None:
        if collab in self.deleted:
            return
        change = services.unarchive_collab if collab in self.archived else services.archive_collab
        change(self.people["owner"], self.collabs[collab])
        self.archived ^= {collab}

    @rule(collab=COLLABS, number=GROUPS, role=ROLES)
    def give(self, collab: int, number: int, role: Role) -> None:
        if number not in self.gone:
            services.give_group_role(self.people["owner"], self.collabs[collab], self.groups[number], role)
            self.held[collab][number] = role

    @rule(collab=COLLABS, number=GROUPS)
    def take(self, collab: int, number: int) -> None:
        if number not in self.gone:
            services.remove_group(self.people["owner"], self.collabs[collab], self.groups[number])
            self.held[collab].pop(number, None)

    @rule(number=GROUPS, name=SOMEBODY)
    def put(self, number: int, name: str) -> None:
        if number in self.gone:
            return
        try:
            group_services.add_person(self.people["owner"], self.groups[number], self.people[name])
        except ValidationError:
            assert name in self.inside[number] or name in self.inactive
        else:
            self.inside[number].add(name)

    @rule(number=GROUPS, name=SOMEBODY)
    def pull(self, number: int, name: str) -> None:
        group_services.remove_person(self.people["owner"], self.groups[number], self.people[name])
        self.inside[number].discard(name)

    @rule(outer=GROUPS, inner=GROUPS)
    def nest(self, outer: int, inner: int) -> None:
        if {outer, inner} & self.gone:
            return
        try:
            group_services.nest(self.people["owner"], self.groups[outer], self.groups[inner])
        except ValidationError:
            assert self.is_inside(outer, inner) or (outer, inner) in self.nested
        else:
            assert not self.is_inside(outer, inner)
            self.nested.add((outer, inner))

    @rule(outer=GROUPS, inner=GROUPS)
    def unnest(self, outer: int, inner: int) -> None:
        group_services.unnest(self.people["owner"], self.groups[outer], self.groups[inner])
        self.nested.discard((outer, inner))

    @rule(number=st.integers(0, 12))
    def delete_group(self, number: int) -> None:
        """One time in three that it is tried: with the groups gone there is little left to see."""
        if number < len(self.groups) and number not in self.gone:
            group_services.delete_group(self.people["owner"], Group.objects.get(pk=self.groups[number].pk))
            self.gone.add(number)
            self.inside[number] = set()
            self.nested = {pair for pair in self.nested if number not in pair}
            for held in self.held:
                held.pop(number, None)

    @rule(collab=COLLABS)
    def delete_or_restore(self, collab: int) -> None:
        if collab in self.deleted:
            services.restore_collab(self.people["owner"], self.collabs[collab])
        else:
            services.delete_collab(self.people["owner"], self.collabs[collab])
        self.deleted ^= {collab}

    @rule(name=st.sampled_from(PEOPLE[1:]))
    def deactivate_or_activate(self, name: str) -> None:
        if name in self.inactive:
            accounts.activate(None, self.people[name])
        elif all(self.administrators(collab) != {name} for collab in range(2)):  # the rule's one exception
            accounts.deactivate(None, self.people[name])
        else:
            return
        self.inactive ^= {name}

    # What must be.

    @invariant()
    def everybody_has_the_role_of_the_model(self) -> None:
        for name, old in self.people.items():
            user = User.objects.get(pk=old.pk)
            mine = {c.pk: c.my_role for c in Collab.all_objects.filter(pk__in=self.keys()).with_role_of(user)}
            mounted = {entry.library_id: entry for entry in entries(user, folders=[Folder.GROUPS])}
            seen = set(Collab.objects.visible_to(user).filter(pk__in=self.keys()).values_list("pk", flat=True))
            for number, collab in enumerate(self.collabs):
                role = self.role(number, name)
                assert collab.role_of(user) == role
                assert mine[collab.pk] == role
                visible = role is not None and number not in self.deleted
                assert (collab.pk in seen) == visible
                entry = mounted.get(collab.library.pk)
                assert (entry is not None) == visible
                if entry:
                    assert entry.may_write == (role != Role.VIEWER and number not in self.archived)

    @invariant()
    def there_is_always_an_administrator(self) -> None:
        for collab in self.collabs:
            assert collab.is_administered()

    def keys(self) -> list[int]:
        return [collab.pk for collab in self.collabs]


@pytest.mark.slow
@pytest.mark.django_db
def test_it_gives_everybody_the_role_of_the_model(owner: User, editor: User, viewer: User, stranger: User) -> None:
    Teams.people = {"owner": owner, "editor": editor, "viewer": viewer, "stranger": stranger}
    run_state_machine_as_test(
        Teams,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        ),
    )
