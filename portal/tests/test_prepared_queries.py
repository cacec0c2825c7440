"""Prepared queries give what the queryset gives, whatever the parameters, and ask the database every time."""

import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import Exists, F, OuterRef, QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.models import AuditEntry, Session, User
from portal.prepared_queries import LONGEST, PreparedQueryError, prepared

pytestmark = pytest.mark.django_db


def by_name(name: str) -> QuerySet[User]:
    return User.objects.filter(username=name)


def of_these(keys: list[int]) -> QuerySet[User]:
    return User.objects.filter(pk__in=keys).order_by("username")


def by_uuid(mark: uuid.UUID) -> QuerySet:
    return User.objects.filter(uuid=mark).values_list("username", "uuid", "date_joined", "is_active")


def joined_since(count: int, *, moment: datetime, besides: int) -> QuerySet[User]:
    other = Session.objects.filter(user=OuterRef("pk"))
    rows = User.objects.filter(date_joined__gte=moment).exclude(pk=besides)
    return rows.annotate(has_session=Exists(other), twin=F("username")).order_by("-pk")[:count]


def either(first: int, second: int) -> QuerySet:
    one, other = (User.objects.filter(pk=pk).order_by().values_list("pk", "username") for pk in (first, second))
    return one.union(other, all=True)


def entries_of(actor: int) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(actor=actor).select_related("actor")


def as_told(user: User) -> tuple:
    return user.pk, user.username, user.date_joined, user.uuid, user.is_active


def test_they_give_the_same_rows_for_each_parameter(owner: User, editor: User, viewer: User) -> None:
    ask = prepared(by_name)
    for name in (owner.username, editor.username, "nobody", viewer.username, "% %s ' \" ?"):
        assert [as_told(row) for row in ask(name=name)] == [as_told(row) for row in by_name(name)]
    marks = prepared(by_uuid)
    for user in (owner, editor):
        assert marks(mark=user.uuid) == list(by_uuid(user.uuid))
    assert marks(mark=uuid.uuid4()) == []


def test_a_list_may_have_any_length(owner: User, editor: User, viewer: User, stranger: User) -> None:
    ask, everybody = prepared(of_these), [owner.pk, editor.pk, viewer.pk, stranger.pk]
    for count in (4, 3, 2, 1, 0, 4):
        assert ask(keys=everybody[:count]) == list(of_these(everybody[:count]))
    many = [*range(10**6, 10**6 + LONGEST), owner.pk]
    assert ask(keys=many) == [owner]


def test_annotations_slices_and_times_are_as_in_the_queryset(owner: User, editor: User, viewer: User) -> None:
    ask = prepared(joined_since)
    for count, besides in ((1, owner.pk), (2, viewer.pk), (2, editor.pk)):
        for moment in (timezone.now() - timedelta(days=3), timezone.now() + timedelta(days=3)):
            rows: list[Any] = ask(count, moment=moment, besides=besides)
            plain: list[Any] = list(joined_since(count, moment=moment, besides=besides))
            assert [(row.pk, row.has_session, row.twin) for row in rows] == [
                (row.pk, row.has_session, row.twin) for row in plain
            ]
    assert ask(2, moment=timezone.now() - timedelta(days=3), besides=owner.pk)


def test_a_union_keeps_its_parameters_apart(owner: User, editor: User) -> None:
    ask = prepared(either)
    assert sorted(ask(first=owner.pk, second=editor.pk)) == sorted(either(owner.pk, editor.pk))
    assert ask(first=owner.pk, second=owner.pk) == [(owner.pk, owner.username)] * 2


def test_related_rows_come_along(owner: User, editor: User) -> None:
    for user in (owner, editor):
        AuditEntry.objects.create(actor=user, actor_name=user.username, verb="x", target_id="1", target_name="one")
    ask = prepared(entries_of)
    for user in (owner, editor):
        with CaptureQueriesContext(connection) as captured:
            rows = [row.actor.username for row in ask(actor=user.pk) if row.actor]
        assert set(rows) == {user.username}
        assert len(captured) == 1


def test_each_call_asks_the_database_once(owner: User) -> None:
    ask = prepared(by_name)
    for name in ("before", "before", "after"):  # the first call prepares it
        User.objects.filter(pk=owner.pk).update(username=name)
        with CaptureQueriesContext(connection) as captured:
            assert [row.username for row in ask(name=name)] == [name]
        assert len(captured) == 1


def test_rows_of_one_call_are_nobody_elses(owner: User) -> None:
    ask = prepared(by_name)
    [first], [second] = ask(name=owner.username), ask(name=owner.username)
    first.first_name = "Changed"
    assert first is not second
    assert second.first_name == owner.first_name


@pytest.mark.parametrize("lookup", ["contains", "iexact", "startswith"])
def test_a_parameter_that_the_query_would_change_is_refused(owner: User, lookup: str) -> None:
    """Such as by an escape of what is a wildcard in LIKE: another value would come without it."""

    def find(text: str) -> QuerySet[User]:
        return User.objects.filter(**{f"username__{lookup}": text})

    with pytest.raises(PreparedQueryError, match="no place for"):
        prepared(find)(text=owner.username)


def test_a_parameter_that_the_function_changes_is_refused(owner: User) -> None:
    def find(text: str) -> QuerySet[User]:
        return User.objects.filter(username=text.lower())

    with pytest.raises(PreparedQueryError, match="no place for"):
        prepared(find)(text=owner.username)


@pytest.mark.parametrize("value", [None, True, 1.5, b"x"])
def test_what_cannot_stand_in_sql_as_it_is_is_refused(value: object) -> None:
    def find(value: Any) -> QuerySet[User]:
        return User.objects.filter(pk=value)

    with pytest.raises(PreparedQueryError, match="no type"):
        prepared(find)(value=value)


def test_a_prefetch_is_refused() -> None:
    def find(pk: int) -> QuerySet[User]:
        return User.objects.filter(pk=pk).prefetch_related("groups")

    with pytest.raises(PreparedQueryError, match="prefetch"):
        prepared(find)(pk=1)


@pytest.mark.django_db(transaction=True)
def test_threads_ask_over_their_own_connections(person: Callable[..., User]) -> None:
    users, ask = [person(f"p{number}") for number in range(4)], prepared(by_name)
    found: dict[int, set[int]] = {}

    def work(user: User) -> None:
        try:
            for _ in range(20):
                found.setdefault(user.pk, set()).update(row.pk for row in ask(name=user.username))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[user]) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {user.pk: {user.pk} for user in users}
