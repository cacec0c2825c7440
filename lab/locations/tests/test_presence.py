"""Who else works in a library: told to those who may write there, of those who do so now."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from collabs.models import Collab
from drive.files import operations
from lab.locations import presence
from lab.locations.presence import Other
from lab.models import Environment, Presence, Server, State
from portal.models import User

pytestmark = pytest.mark.django_db
NOTEBOOK = "drive/Shared with groups/Cortex/a.ipynb"


@pytest.fixture
def lab(environment: Environment) -> Callable[[User], Server]:
    def make(user: User) -> Server:
        now = timezone.now()
        return Server.objects.create(
            owner=user, environment=environment, state=State.RUNNING, started_at=now, last_interaction=now
        )

    return make


@pytest.fixture
def both(collab: Collab, owner: User, editor: User, lab: Callable[[User], Server]) -> tuple[Server, Server]:
    return lab(owner), lab(editor)


def test_it_says_who_has_the_same_file_and_who_another(both: tuple[Server, Server], owner: User, editor: User) -> None:
    mine, theirs = both
    assert presence.report(mine, presence.in_front(owner, NOTEBOOK)) == []
    assert presence.report(theirs, presence.in_front(editor, NOTEBOOK)) == [Other(owner.display_name, "a.ipynb", True)]
    assert presence.report(mine, presence.in_front(owner, NOTEBOOK.replace("a.", "b."))) == [
        Other(editor.display_name, "a.ipynb", False)
    ]
    assert Presence.objects.count() == 2


@pytest.mark.parametrize("path", ["", "local.ipynb", "drive/", "drive/Shared with groups/Cortex", "drive/Nowhere/x/y"])
def test_it_forgets_who_turned_to_something_else(
    path: str, both: tuple[Server, Server], owner: User, editor: User
) -> None:
    mine, theirs = both
    presence.report(mine, presence.in_front(owner, NOTEBOOK))
    assert presence.report(mine, presence.in_front(owner, path)) == []
    assert presence.report(theirs, presence.in_front(editor, NOTEBOOK)) == []


def test_it_forgets_who_is_silent_or_has_stopped(both: tuple[Server, Server], owner: User, editor: User) -> None:
    mine, theirs = both
    presence.report(mine, presence.in_front(owner, NOTEBOOK))
    Presence.objects.update(seen_at=timezone.now() - presence.LASTS - timedelta(seconds=1))
    assert presence.report(theirs, presence.in_front(editor, NOTEBOOK)) == []
    presence.report(mine, presence.in_front(owner, NOTEBOOK))
    Server.objects.filter(pk=mine.pk).update(state=State.STOPPED)
    assert presence.report(theirs, presence.in_front(editor, NOTEBOOK)) == []


def test_readers_and_strangers_neither_see_nor_are_seen(
    both: tuple[Server, Server], owner: User, viewer: User, stranger: User, lab: Callable[[User], Server]
) -> None:
    mine, _ = both
    presence.report(mine, presence.in_front(owner, NOTEBOOK))
    for other in (viewer, stranger):
        assert presence.report(lab(other), presence.in_front(other, NOTEBOOK)) == []
    assert presence.report(mine, presence.in_front(owner, NOTEBOOK)) == []


def test_it_asks_as_much_however_many_there_are(
    both: tuple[Server, Server],
    owner: User,
    editor: User,
    collab: Collab,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    mine, theirs = both
    presence.report(theirs, presence.in_front(editor, NOTEBOOK))
    presence.report(mine, presence.in_front(owner, NOTEBOOK))
    with django_assert_max_num_queries(8):
        presence.report(mine, presence.in_front(owner, NOTEBOOK))


@pytest.mark.slow
def test_it_tells_on_the_notebooks_page_before_somebody_else_opens_it(
    both: tuple[Server, Server],
    collab: Collab,
    owner: User,
    editor: User,
    viewer: User,
    sign_in: Callable[[User], Client],
) -> None:
    for name in ("a.ipynb", "b.ipynb"):
        operations.write(owner, collab.library, name, b"{}")
    presence.report(both[0], presence.in_front(owner, NOTEBOOK))
    said = f"{owner.display_name} has this notebook open"
    for user, name, is_told in (
        (editor, "a.ipynb", True),
        (editor, "b.ipynb", False),
        (owner, "a.ipynb", False),
        (viewer, "a.ipynb", False),
    ):
        text = sign_in(user).get(f"{collab.get_absolute_url()}files/{name}").content.decode()
        assert (said in text) == is_told


@pytest.mark.slow
def test_it_says_on_that_page_whether_both_may_type_at_once(
    both: tuple[Server, Server],
    collab: Collab,
    owner: User,
    editor: User,
    sign_in: Callable[[User], Client],
    settings: Settings,
) -> None:
    operations.write(owner, collab.library, "a.ipynb", b"{}")
    presence.report(both[0], presence.in_front(owner, NOTEBOOK))
    for site, here, words in (
        (True, True, "to edit it together"),
        (True, False, "JupyterLab asks before"),
        (False, True, "JupyterLab asks before"),
    ):
        settings.COEDITING = site
        Collab.objects.update(coediting=here)
        assert words in sign_in(editor).get(f"{collab.get_absolute_url()}files/a.ipynb").content.decode()
