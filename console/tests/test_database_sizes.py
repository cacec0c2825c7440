"""The page of the sizes of tables; and every table has a rule by which it does not grow for ever."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from console.retention import tables
from console.retention.kinds import KINDS
from portal.models import AuditEntry, User

pytestmark = pytest.mark.django_db


def test_every_table_says_how_long_its_rows_are_kept() -> None:
    """A new model needs a line: in KINDS if the night prunes it, in KEPT with the reason why it does not grow."""
    stored = {model._meta.label for model in tables.stored_models()}
    pruned = {kind.model._meta.label for kind in KINDS}
    assert stored - pruned - set(tables.KEPT) == set()
    assert set(tables.KEPT) - stored == set(), "no such model"
    assert set(tables.KEPT) & pruned == set(), "pruned, and said not to be"
    assert all(tables.rule_of(model) for model in tables.stored_models())


def test_it_says_rows_bytes_and_the_oldest(collab: object) -> None:
    found = {table.model: table for table in tables.tables()}
    entries = found["portal.AuditEntry"]
    assert entries.rows == AuditEntry.objects.count() > 0
    assert entries.oldest == AuditEntry.objects.earliest("at").at
    assert entries.kept == "365 days, then in AUDIT_ARCHIVE (AUDIT_KEEP_DAYS)"
    assert entries.size is not None
    assert entries.size > 0
    assert found["collabs.Tag"].oldest is None
    assert found[""].size


def test_it_does_without_sizes_where_the_database_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "table_sizes", dict)
    assert {table.size for table in tables.tables()} == {None}


def test_it_has_a_page(operator: User, collab: object, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(operator)
    page = client.get("/admin/database/").text
    assert "audit trail" in page
    assert "365 days, then in AUDIT_ARCHIVE" in page
    assert "everything else" in page
    assert 'href="/admin/database/"' in client.get("/admin/").text


def test_it_asks_each_table_once(collab: object, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(len(tables.stored_models()) + 1):
        tables.tables()


def test_it_is_for_those_who_see_failed_tasks(owner: User, sign_in: Callable[[User], Client]) -> None:
    owner.is_staff = True
    owner.save()
    client = sign_in(owner)
    assert client.get("/admin/database/").status_code == 403
    assert "/admin/database/" not in client.get("/admin/").text
    owner.user_permissions.add(Permission.objects.get(codename="view_failedtask"))
    assert client.get("/admin/database/").status_code == 200


def test_it_takes_no_lock_of_writers(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """No transaction of its own: on SQLite that would be the one writer's."""
    with django_assert_num_queries(1) as asked:
        tables.table_sizes()
    assert "dbstat" in asked[0]["sql"] or connection.vendor != "sqlite"
