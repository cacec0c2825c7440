"""Finding people: by what others know of them, and nobody under an address that is not theirs."""

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from pytest_django import Settings

from portal.accounts import people_search
from portal.accounts.services import deactivate
from portal.models import User
from portal.web import rate_limits

Person = Callable[..., User]


@pytest.fixture
def asker(person: Person) -> User:
    return person("zoe")


@pytest.mark.slow
def test_it_lists_nobody_without_end(person: Person, asker: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of a form list people as suggestions do, and so count as searches."""
    monkeypatch.setattr(rate_limits.time, "time", lambda: 1_800_000_000.0)  # a slow machine would begin another minute
    person("ada", first_name="Ada")
    said = []
    for _ in range(people_search.SEARCHES_PER_MINUTE + 5):
        with pytest.raises(ValidationError) as error:
            people_search.find_person("Ad", asker)
        said.append("ada" in str(error.value))
    assert said == [True] * people_search.SEARCHES_PER_MINUTE + [False] * 5


@pytest.mark.parametrize("typed", ["ada", " ADA ", "ada@example.org", "Ada@Example.Org"])
def test_it_finds_by_username_or_address(person: Person, asker: User, typed: str) -> None:
    ada = person("ada")
    assert people_search.find_person(typed, asker) == ada


@pytest.mark.parametrize("typed", ["", " ", "nobody", "nobody@example.org", "a\0b", "gone", "gone@example.org"])
def test_it_finds_nobody_else(person: Person, asker: User, typed: str) -> None:
    person("ada", email="")
    deactivate(None, person("gone"))
    with pytest.raises(ValidationError, match="There is no account"):
        people_search.find_person(typed, asker)


def test_it_does_not_choose_between_two_of_one_address(person: Person, asker: User) -> None:
    for name in ("one", "two"):
        person(name, email="shared@example.org")
    with pytest.raises(ValidationError, match="Several accounts"):
        people_search.find_person("shared@example.org", asker)


@pytest.mark.parametrize("must_confirm", [True, False])
@pytest.mark.parametrize("has_record", [True, False])
def test_it_takes_who_confirmed_the_address(
    person: Person, asker: User, settings: Settings, must_confirm: bool, has_record: bool
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory" if must_confirm else "optional"
    squatter, ada = person("squatter", email="ada@example.org"), person("ada")
    EmailAddress.objects.create(user=squatter, email="ada@example.org", verified=False)
    if has_record:
        EmailAddress.objects.create(user=ada, email="ada@example.org", verified=True)
    assert people_search.find_person("ADA@example.org", asker) == ada


def test_it_takes_an_unconfirmed_address_only_where_nobody_must_confirm(
    person: Person, asker: User, settings: Settings
) -> None:
    squatter = person("squatter", email="ada@example.org")
    EmailAddress.objects.create(user=squatter, email="ada@example.org", verified=False)
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    assert people_search.find_person("ada@example.org", asker) == squatter
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    with pytest.raises(ValidationError, match="There is no account"):
        people_search.find_person("ada@example.org", asker)


def test_it_suggests_near_names_when_it_finds_nobody(person: Person, asker: User) -> None:
    person("ada", first_name="Ada", last_name="Lovelace")
    with pytest.raises(ValidationError, match=r"Did you mean: Ada Lovelace \(ada\)\?"):
        people_search.find_person("Ada Love", asker)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ad", ["ada", "adam"]),
        ("ADA", ["ada", "adam"]),
        ("love ada", ["ada"]),
        ("love adam", []),
        ("a", []),
        ("", []),
        ("\0\0\0", []),
        ("%%", []),
        ("__", []),
        ("ada@ex", []),
        ("example", []),
        ("gone", []),
    ],
)
def test_it_suggests_by_the_beginnings_of_names(person: Person, typed: str, found: list[str]) -> None:
    person("ada", first_name="Ada", last_name="Lovelace")
    person("adam")
    deactivate(None, person("gone"))
    assert [user.username for user in people_search.suggest(typed)] == found


def test_it_suggests_a_few(person: Person) -> None:
    for number in range(people_search.MAX_SUGGESTIONS + 2):
        person(f"ada{number:02}")
    assert len(people_search.suggest("ada")) == people_search.MAX_SUGGESTIONS
