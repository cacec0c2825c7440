"""Who may go on: every change of access ends or changes what is open, in a number of queries that does not grow."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import services as drive_services
from drive.models import Library, Permission, Share
from lab.models import Pass
from portal.accounts.services import deactivate
from portal.models import Session, User
from rooms.room.client import CLOSE_REASON_LIMIT
from rooms.room.messages import session_over
from rooms.server.authorisation import NO_ACCESS, OTHER_ROLE, SIGNED_OUT, SWITCHED_OFF, Grant, Question, ended

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def grant_of(user: User) -> Grant:
    """A session of the portal."""
    client = Client()
    client.force_login(user)
    return Grant("session", client.session.session_key or "")


def pass_of(user: User, key: str) -> Grant:
    """A pass to the person's Lab, from a session of theirs."""
    row = Pass.objects.create(
        digest=key.rjust(64, "0"),
        user=user,
        session_key=key,
        auth_hash=user.get_session_auth_hash(),
        expires_at=timezone.now() + timedelta(1),
    )
    return Grant("pass", str(row.pk))


@pytest.fixture
def writing(editor: User, library: Library) -> Question:
    return Question(editor.pk, grant_of(editor), library.pk, may_write=True)


@pytest.fixture
def reading(viewer: User, library: Library) -> Question:
    session = grant_of(viewer)
    return Question(viewer.pk, pass_of(viewer, session.key), library.pk, may_write=False)


def test_nobody_is_ended_while_nothing_changes(writing: Question, reading: Question) -> None:
    assert ended([writing, reading]) == {}
    assert ended([]) == {}


def test_a_role_that_changes_is_told(
    writing: Question, reading: Question, collab: Collab, owner: User, editor: User, viewer: User
) -> None:
    collab_services.change_role(owner, collab, editor, Role.VIEWER)
    collab_services.change_role(owner, collab, viewer, Role.EDITOR)
    assert ended([writing, reading]) == {writing: OTHER_ROLE, reading: OTHER_ROLE}


def test_who_is_removed_is_out(writing: Question, reading: Question, collab: Collab, owner: User, editor: User) -> None:
    collab_services.remove_member(owner, collab, editor)
    assert ended([writing, reading]) == {writing: NO_ACCESS}


def test_a_share_that_is_withdrawn_is_over(owner: User, stranger: User) -> None:
    library = drive_services.create_library(owner, "Data")
    share = drive_services.share_with_person(owner, library, stranger, Permission.WRITE)
    one = Question(stranger.pk, grant_of(stranger), library.pk, may_write=True)
    assert ended([one]) == {}
    drive_services.change_share(owner, share, Permission.READ)
    assert ended([one]) == {one: OTHER_ROLE}
    drive_services.unshare(owner, Share.objects.get())
    assert ended([one]) == {one: NO_ACCESS}


def test_an_archived_collab_is_read_and_a_deleted_one_is_gone(
    writing: Question, reading: Question, collab: Collab, owner: User
) -> None:
    collab_services.archive_collab(owner, collab)
    assert ended([writing, reading]) == {writing: OTHER_ROLE}
    collab_services.delete_collab(owner, collab)
    assert ended([writing, reading]) == {writing: NO_ACCESS, reading: NO_ACCESS}


def test_who_signs_out_or_is_deactivated_is_out(
    writing: Question, reading: Question, operator: User, editor: User
) -> None:
    Session.objects.filter(session_key=Pass.objects.get().session_key).delete()
    assert ended([writing, reading]) == {reading: SIGNED_OUT}
    deactivate(operator, editor)
    assert ended([writing, reading]) == {writing: SIGNED_OUT, reading: SIGNED_OUT}


@pytest.mark.parametrize("what", ["expire_date", "password"])
def test_a_session_that_has_run_out_or_has_an_old_password_counts_no_more(
    writing: Question, editor: User, what: str
) -> None:
    if what == "password":
        editor.set_password("another-correct-horse")
        editor.save()
    else:
        Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert ended([writing]) == {writing: SIGNED_OUT}


def test_switching_it_off_ends_it(writing: Question, collab: Collab, owner: User, settings: Settings) -> None:
    values: dict[str, Any] = {"title": collab.title, "description": "", "is_public": False}
    collab_services.update_collab(owner, collab, **values, coediting=False)
    assert ended([writing]) == {writing: SWITCHED_OFF}
    collab_services.update_collab(owner, collab, **values, coediting=True)
    settings.COEDITING = False
    assert ended([writing]) == {writing: SWITCHED_OFF}


def test_it_asks_as_much_for_many_as_for_one(
    writing: Question,
    reading: Question,
    public_collab: Collab,
    editor: User,
    viewer: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    others = [
        Question(user.pk, grant_of(user), public_collab.library.pk, may_write=user == editor)
        for user in (editor, viewer)
        for _ in range(3)
    ]
    for asked in ([writing, reading], [writing, reading, *others]):
        with django_assert_num_queries(7):
            assert ended(asked) == {}


@pytest.mark.parametrize("text", ["", "pass", "pass ", "pass x", "pass -1", "token 5", "session", "session "])
def test_a_grant_is_a_pass_or_a_session(text: str) -> None:
    with pytest.raises(ValueError, match="no grant"):
        Grant.parse(text)


def test_a_session_of_nobody_counts_for_nobody(editor: User, library: Library) -> None:
    Session.objects.create(session_key="anonymous", session_data="", expire_date=timezone.now() + timedelta(1))
    one = Question(editor.pk, Grant("session", "anonymous"), library.pk, may_write=True)
    assert ended([one]) == {one: SIGNED_OUT}


def test_reasons_fit_into_a_close_frame() -> None:
    for why in (SIGNED_OUT, NO_ACCESS, OTHER_ROLE, SWITCHED_OFF):
        assert len(session_over(why).encode()) <= CLOSE_REASON_LIMIT
