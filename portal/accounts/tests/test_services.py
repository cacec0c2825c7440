"""Shutting an account takes everything at once."""

from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from django.test import Client

from portal import audit
from portal.access import access_changed, send_access_changed
from portal.accounts import services
from portal.models import AuditEntry, Session, User


@pytest.fixture
def told() -> Iterator[list[frozenset[int]]]:
    """Ids of people for whom `access_changed` was sent."""
    heard: list[frozenset[int]] = []

    def listen(user_ids: frozenset[int], **_: object) -> None:
        heard.append(user_ids)

    access_changed.connect(listen)
    yield heard
    access_changed.disconnect(listen)


def test_it_ends_every_session_of_a_shut_account(
    owner: User, editor: User, operator: User, sign_in: Callable[[User], Client], told: list[frozenset[int]]
) -> None:
    laptop, phone, other = sign_in(owner), sign_in(owner), sign_in(editor)
    told.clear()
    services.deactivate(operator, owner)
    assert laptop.get("/account/").status_code == phone.get("/account/").status_code == 302
    assert other.get("/account/").status_code == 200
    assert not Session.objects.filter(user=owner).exists()
    assert told == [frozenset({owner.pk})]
    assert audit.trail(owner)[0].verb == "account.deactivated"


def test_it_does_not_bring_old_sessions_back(owner: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(owner)
    services.deactivate(None, owner)
    services.activate(None, owner)
    assert client.get("/account/").status_code == 302


def test_it_shuts_an_account_once(owner: User, told: list[frozenset[int]]) -> None:
    told.clear()
    services.deactivate(None, owner)
    services.deactivate(None, owner)
    assert len(told) == 1
    assert audit.trail(owner).filter(verb="account.deactivated").count() == 1


def test_it_tells_nobody_of_a_change_that_was_undone(owner: User, told: list[frozenset[int]]) -> None:
    told.clear()
    with transaction.atomic():
        services.deactivate(None, owner)
        transaction.set_rollback(True)
    owner.refresh_from_db()
    assert owner.is_active
    assert told == []


def test_it_tells_after_the_commit_not_before(db: None, told: list[frozenset[int]]) -> None:
    with transaction.atomic():
        send_access_changed([1, 2, 2])
        send_access_changed([])
        assert told == []
    assert told == [frozenset({1, 2})]


def test_it_keeps_the_trail_when_the_actor_is_gone(owner: User, editor: User) -> None:
    audit.record(owner, "tested", editor, why="to see")
    audit.record(None, "tested.too", editor)
    User.objects.filter(pk=owner.pk).update(username="renamed")
    by_site, by_owner = audit.trail(editor)[:2]
    assert (by_site.actor, by_site.actor_name) == (None, "system")
    assert (by_owner.actor_name, by_owner.target_name, by_owner.details) == ("owner", "editor", {"why": "to see"})
    assert AuditEntry.objects.filter(verb="tested").count() == 1
