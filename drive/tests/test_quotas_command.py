"""`bin/manage quotas`."""

import io
import json
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from collabs.models import Collab
from drive.libraries import quota
from drive.models import Library, Quota
from portal import audit
from portal.models import User


def quotas(*words: str) -> str:
    said = io.StringIO()
    call_command("quotas", *words, stdout=said)
    return said.getvalue()


def test_it_sets_a_persons_quota_and_takes_it_back(stranger: User, settings: Settings) -> None:
    assert "500.0" in quotas("set", "--person", "stranger", "--bytes", "500G").replace("\xa0", " ")
    usage = quota.of_person(stranger)
    assert (usage.max_bytes, usage.max_files) == (500 * 2**30, settings.QUOTA_PERSON_FILES)
    entry = audit.trail(stranger).get(verb="quota.changed")
    assert (entry.actor_name, entry.details) == ("command line", {"bytes": 500 * 2**30, "files": None})
    quotas("set", "--person", "stranger", "--bytes", "500G")
    assert audit.trail(stranger).filter(verb="quota.changed").count() == 1, "nothing was to do"
    quotas("reset", "--person", "stranger")
    assert not Quota.objects.exists()
    assert quota.of_person(stranger).max_bytes == settings.QUOTA_PERSON_BYTES


def test_it_sets_a_collabs_quota(collab: Collab) -> None:
    quotas("set", "--collab", "cortex", "--files", "7")
    assert quota.of(collab.library).max_files == 7


def test_it_lists_who_uses_how_much_the_most_first(collab: Collab, stranger: User) -> None:
    Library.objects.filter(owner_collab=collab).update(used_bytes=5)
    Library.objects.filter(owner_user=stranger).update(used_bytes=9)
    quotas("set", "--collab", "cortex", "--files", "7")
    rows = json.loads(quotas("list", "--json"))
    assert [(row["kind"], row["who"], row["used_bytes"], row["own"]) for row in rows][:2] == [
        ("person", "stranger", 9, False),
        ("collab", "cortex", 5, True),
    ]
    assert [row["who"] for row in json.loads(quotas("list", "--json", "--own"))] == ["cortex"]


def test_it_asks_no_more_of_many_than_of_few_and_leaves_out_what_is_being_removed(
    person: Callable[..., User], stranger: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Library.objects.filter(owner_user=stranger).update(used_bytes=9)
    Library.objects.create(owner_user=stranger, name="Gone", used_bytes=5, used_files=1, removed_at=timezone.now())
    for number in range(7):
        quotas("set", "--person", person(f"one{number}").username, "--files", "7")
    with django_assert_num_queries(4):
        rows = json.loads(quotas("list", "--json"))
    assert (rows[0]["who"], rows[0]["used_bytes"], rows[0]["used_files"]) == ("stranger", 9, 0)
    assert quota.of_person(stranger).used_bytes == 9
    assert [row["max_files"] for row in rows if row["own"]] == [7] * 7


@pytest.mark.parametrize("size", ["", "-1", "1.5G", "1P", "G", "9999999T", "²"])
def test_it_takes_no_size_that_is_none(stranger: User, size: str) -> None:
    with pytest.raises(CommandError):
        quotas("set", "--person", "stranger", f"--bytes={size}")
    assert not Quota.objects.exists()


def test_it_is_for_one(stranger: User, collab: Collab) -> None:
    for words in ([], ["--person", "stranger", "--collab", "cortex"], ["--person", "nobody"], ["--collab", "none"]):
        with pytest.raises(CommandError):
            quotas("set", *words)
