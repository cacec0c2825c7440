"""What the nightly pruning removes, and at the boundaries what it must not: whatever people still see or can use."""

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import DatabaseError, connection, models
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from api.models import Token
from api.services import create_token
from collabs.invitations import invite_by_link
from collabs.models import Collab, Invitation, JoinRequest, Role
from console.models import Announcement, FailedTask
from console.retention import pruning
from console.retention.kinds import KINDS, Kind
from console.tasks import prune as prune_task
from drive.models import Library, Loss, PublicLink, Trashed, Via
from lab.environments import builds
from lab.models import Environment, Pause, Presence, Server, State
from lab.models.builds import Build, BuildState
from notices.models import Kind as NoticeKind
from notices.models import Mail, Notice
from portal import audit
from portal.models import AuditEntry, Session, User

pytestmark = pytest.mark.django_db

NOW = timezone.now()
A_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "PAUSE_SECONDS", 0)


@pytest.fixture
def environment() -> Environment:
    return Environment.objects.create(slug="base", name="Base", prefix="/srv/base")


@pytest.fixture
def library(owner: User) -> Library:
    return Library.objects.get(owner_user=owner, is_default=True)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def left(model: type[models.Model]) -> set[Any]:
    """Keys of what is left of a table after the night."""
    pruning.prune(NOW)
    return set(model._base_manager.values_list("pk", flat=True))


# Sessions


def test_it_keeps_sessions_until_they_have_expired() -> None:
    for key, days in (("expired", 1.1), ("just expired", 0.9), ("alive", -1)):
        Session.objects.create(session_key=key, session_data="", expire_date=ago(days))
    assert left(Session) == {"just expired", "alive"}


def test_it_keeps_a_person_signed_in_who_is_in_the_list_of_sessions(owner: User, sign_in: Callable) -> None:
    client: Client = sign_in(owner)
    key = client.session.session_key
    for session_key, days in ((key, 300), ("gone", 300), ("just gone", 0.5)):
        UserSession.objects.create(user=owner, ip="::1", session_key=session_key, last_seen_at=ago(days))
    pruning.prune(NOW)
    assert set(UserSession.objects.values_list("session_key", flat=True)) == {key, "just gone"}
    assert client.get("/account/").status_code == 200


# Messages, invitations, requests


def notice(user: User, **fields: Any) -> Notice:
    made = Notice.objects.create(user=user, kind=NoticeKind.ROLE, subject="x", **fields)
    Notice.objects.filter(pk=made.pk).update(created_at=ago(2000))
    return made


def test_it_keeps_a_notice_until_it_was_read_however_old(owner: User) -> None:
    unread, waiting = notice(owner), notice(owner, read_at=ago(400), mail=Mail.WAITING)
    lately, _long_ago = notice(owner, read_at=ago(179)), notice(owner, read_at=ago(181))
    assert left(Notice) == {unread.pk, waiting.pk, lately.pk}


def test_it_forgets_unread_notices_of_inactive_accounts(owner: User, stranger: User) -> None:
    notice(stranger)
    kept = notice(owner)
    User.objects.filter(pk=stranger.pk).update(is_active=False)
    assert left(Notice) == {kept.pk}


def test_it_keeps_invitations_that_are_open(owner: User, collab: Collab) -> None:
    def made(**fields: Any) -> int:
        row, _token = invite_by_link(owner, collab, Role.VIEWER, days=14)
        Invitation.objects.filter(pk=row.pk).update(created_at=ago(1000), **fields)
        return row.pk

    is_open, used, lately = made(expires_at=ago(-1)), made(uses_left=0, expires_at=ago(-1)), made(expires_at=ago(89))
    made(expires_at=ago(91))
    made(expires_at=ago(-1), revoked_at=ago(91))
    assert left(Invitation) == {is_open, used, lately}


def test_it_keeps_requests_that_nobody_has_answered(stranger: User, viewer: User, public_collab: Collab) -> None:
    waiting = JoinRequest.objects.create(collab=public_collab, user=stranger)
    lately = JoinRequest.objects.create(collab=public_collab, user=viewer, decided_at=ago(89))
    JoinRequest.objects.create(collab=public_collab, user=viewer, decided_at=ago(91))
    JoinRequest.objects.update(created_at=ago(1000))
    assert left(JoinRequest) == {waiting.pk, lately.pk}


# Tokens and links


def test_it_keeps_tokens_that_work(owner: User) -> None:
    def made(**fields: Any) -> int:
        token, _secret = create_token(owner, name="x", scopes=[], days=30)
        Token.objects.filter(pk=token.pk).update(created_at=ago(1000), **fields)
        return token.pk

    works, unused, lately = (
        made(expires_at=ago(-1)),
        made(expires_at=ago(-1), last_used_at=None),
        made(revoked_at=ago(89)),
    )
    made(expires_at=ago(91))
    made(revoked_at=ago(91))
    assert left(Token) == {works, unused, lately}


def test_it_keeps_every_public_link_that_was_not_revoked(owner: User, library: Library) -> None:
    """One that has expired is still in its maker's list, and can be given a new end."""

    def made(**fields: Any) -> Any:
        return PublicLink.objects.create(library=library, is_folder=True, created_by=owner, **fields).pk

    works, expired, lately = made(), made(expires_at=ago(1000)), made(revoked_at=ago(89))
    made(revoked_at=ago(91))
    PublicLink.objects.update(created_at=ago(2000))
    assert left(PublicLink) == {works, expired, lately}


def test_it_keeps_losses_that_nobody_has_answered_or_that_can_be_undone(library: Library) -> None:
    def made(answered: float | None) -> Loss:
        return Loss.objects.create(
            library=library, files=9, of_files=10, answered_at=ago(answered) if answered else None
        )

    waiting, lately, undoable, _over = made(None), made(29), made(31), made(31)
    Trashed.objects.create(library=library, path="a", kind="file", deleted_at=NOW, via=Via.LAB, loss=undoable)
    assert left(Loss) == {waiting.pk, lately.pk, undoable.pk}


# The Lab


def server(owner: User, environment: Environment, state: State, days: float | None, **fields: Any) -> Server:
    ended = None if days is None else ago(days)
    return Server.objects.create(
        owner=owner, environment=environment, state=state, ended_at=ended, requested_at=ago(1000), **fields
    )


def test_it_keeps_the_last_server_of_each_person(owner: User, editor: User, environment: Environment) -> None:
    """Its page says why it ended, and what was rescued."""
    server(owner, environment, State.STOPPED, 900)
    last = server(owner, environment, State.FAILED, 800)
    others = server(editor, environment, State.STOPPED, 950)
    assert left(Server) == {last.pk, others.pk}


def test_it_keeps_servers_that_live_and_those_of_the_last_year(owner: User, environment: Environment) -> None:
    live, lately = server(owner, environment, State.RUNNING, None), server(owner, environment, State.STOPPED, 364)
    server(owner, environment, State.STOPPED, 366)
    assert left(Server) == {live.pk, lately.pk}
    assert Server.objects.of(owner) == live


def test_it_keeps_both_servers_that_ended_in_the_same_moment(owner: User, environment: Environment) -> None:
    pair = {server(owner, environment, State.STOPPED, 900).pk for _ in range(2)}
    assert left(Server) == pair


def test_it_forgets_which_file_was_open_in_a_server_of_yesterday(
    owner: User, editor: User, environment: Environment, library: Library
) -> None:
    now, before = (server(user, environment, State.RUNNING, None) for user in (owner, editor))
    Presence.objects.create(server=now, library=library, path="a", seen_at=ago(0.9))
    Presence.objects.create(server=before, library=library, path="a", seen_at=ago(1.1))
    assert left(Presence) == {now.pk}
    assert Server.objects.count() == 2


def test_it_keeps_the_last_build_and_those_that_are_in_use(environment: Environment) -> None:
    def made(days: float, **fields: Any) -> Build:
        values = {"state": BuildState.DONE, "asked_at": ago(days), "ended_at": ago(days)} | fields
        return Build.objects.create(environment=environment, packages="numpy", **values)

    in_use, over = made(900, prefix="/srv/build-1"), made(800)
    lately, last = made(364), made(0.5, state=BuildState.QUEUED, ended_at=None)
    other = Environment.objects.create(slug="r", name="R", prefix="/srv/r")
    only = Build.objects.create(environment=other, packages="x", state=BuildState.FAILED, ended_at=ago(900))
    for build in (in_use, over, lately, only):
        log = builds.log_file(build)
        log.write_text("built")
        os.utime(log, (ago(364).timestamp(),) * 2)
    unknown = builds.log_file(last).with_name("notes.log")
    unknown.write_text("an operator's own")
    os.utime(unknown, (ago(900).timestamp(),) * 2)
    assert left(Build) == {in_use.pk, lately.pk, last.pk, only.pk}
    found = {path.name for path in unknown.parent.iterdir()}
    assert found == {f"{in_use.pk}.log", f"{lately.pk}.log", f"{only.pk}.log", "notes.log"}


# Operators


def test_it_keeps_announcements_and_pauses_that_are_to_come() -> None:
    for model in (Announcement, Pause):
        field = "begins_at" if model is Announcement else "starts_at"
        rows = [model.objects.create(text="x", ends_at=ago(days), **{field: ago(1000)}) for days in (-9, 364, 366)]
        assert left(model) == {rows[0].pk, rows[1].pk}


def test_the_task_prunes(settings: Settings) -> None:
    failed = FailedTask.objects.create(task_id="x", name="x", error="x")
    FailedTask.objects.update(failed_at=timezone.now() - timedelta(days=31))
    prune_task()
    assert not FailedTask.objects.filter(pk=failed.pk).exists()


def test_zero_days_are_for_ever(settings: Settings, owner: User) -> None:
    for name in {kind.setting for kind in KINDS if kind.setting}:
        setattr(settings, name, 0)
    kept = notice(owner, read_at=ago(4000))
    assert left(Notice) == {kept.pk}
    assert "for ever (NOTICE_KEEP_DAYS=0)" in {kind.in_words for kind in KINDS}


def test_it_removes_old_mails_that_are_files(settings: Settings, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    for name, days in (("old.log", 31), ("young.log", 29), ("old.txt", 31)):
        (tmp_path / name).write_text("mail")
        os.utime(tmp_path / name, (ago(days).timestamp(),) * 2)
    (tmp_path / "link.log").symlink_to(tmp_path / "old.txt")
    assert pruning.prune(NOW)["mails"] == 1
    assert {path.name for path in tmp_path.glob("*.*")} == {"young.log", "old.txt", "link.log"}


# Steps


def entries(owner: User, number: int, days: float = 400) -> list[int]:
    AuditEntry.objects.all().delete()
    for _ in range(number):
        audit.record(owner, "collab.made", owner)
    AuditEntry.objects.update(at=ago(days))
    return list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True))


def kind_of(model: type[models.Model]) -> Kind:
    return next(kind for kind in KINDS if kind.model is model)


def test_it_goes_in_steps_and_whoever_comes_next_goes_on(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    keys = entries(owner, 8)
    assert pruning.prune_step(kind_of(AuditEntry), NOW) == 3
    assert list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True)) == keys[3:]
    assert pruning.prune(NOW)["portal.AuditEntry"] == 5
    assert pruning.prune(NOW)["portal.AuditEntry"] == 0


def test_it_stops_when_its_time_is_up(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    monkeypatch.setattr(pruning, "RUN_SECONDS", -1)
    entries(owner, 8)
    assert pruning.prune(NOW)["portal.AuditEntry"] == 3


def test_what_fails_keeps_its_rows_and_the_others_are_pruned(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr("console.retention.archive.append", fail)
    keys = entries(owner, 2)
    notice(owner, read_at=ago(400))
    assert left(AuditEntry) == set(keys)
    assert not Notice.objects.exists()


def test_a_clock_that_is_far_ahead_removes_nothing(owner: User, collab: Collab) -> None:
    """The clock of the site would queue the task at once: by that time everything has expired."""
    invite_by_link(owner, collab, Role.VIEWER, days=14)
    assert pruning.prune(NOW + timedelta(days=3650)) == {}
    assert Invitation.objects.exists()
    owner.last_login = NOW + timedelta(days=3650)
    owner.save()
    assert pruning.prune(NOW + timedelta(days=3650))["collabs.Invitation"] == 1


def test_two_do_not_run_at_once(settings: Settings) -> None:
    with pruning.file_lock(settings.RUN_DIR / "prune.lock"):
        assert pruning.prune(NOW) == {}


@pytest.mark.django_db(transaction=True)
def test_others_write_between_two_steps(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the pause no transaction is open: somebody else's is done at once, on SQLite too."""
    monkeypatch.setattr(pruning, "BATCH", 2)
    entries(owner, 5)
    outcomes: list[object] = []

    def write() -> None:
        try:
            audit.record(None, "lab.server.requested", User.objects.get(pk=owner.pk))
            outcomes.append("written")
        except Exception as error:
            outcomes.append(error)
        finally:
            connection.close()

    def pause(_seconds: float) -> None:
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(60)

    monkeypatch.setattr(pruning.time, "sleep", pause)
    pruning.prune(NOW)
    assert outcomes == ["written"] * 2
    assert AuditEntry.objects.count() == 2


def test_it_keeps_what_the_administration_noted_for_as_long(operator: User) -> None:
    rows = [
        LogEntry.objects.create(
            user=operator,
            object_id="1",
            object_repr="x",
            action_flag=CHANGE,
            change_message="[]",
            action_time=ago(days),
        )
        for days in (364, 366)
    ]
    assert left(LogEntry) == {rows[0].pk}
