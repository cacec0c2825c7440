"""Nobody locks themselves, or everybody, out of the administration; and the way back in."""

import contextlib
import io
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.test import Client
from pytest_django import Settings

from conftest import PASSWORD
from portal import audit
from portal.access import ForbiddenError
from portal.accounts import deletion, services, superusers
from portal.models import AuditEntry, Session, User

Person = Callable[..., User]
Way = Callable[[User | None, User], object]

TAKEN: dict[str, Way] = {
    "account": services.deactivate,
    "staff": lambda actor, user: superusers.change_rights(actor, user, is_staff=False, is_superuser=True),
    "superuser": lambda actor, user: superusers.change_rights(actor, user, is_staff=True, is_superuser=False),
    "both": lambda actor, user: superusers.change_rights(actor, user, is_staff=False, is_superuser=False),
}
"""Ways to take account or rights from somebody."""
LEFT = "by deleting it"
MEET_SECONDS = 0.3


def take(way: str, actor: User | None, user: User) -> object:
    """By one of TAKEN, or, with LEFT, as the person does it."""
    return deletion.delete_account(user, {}) if way == LEFT else TAKEN[way](actor, user)


def a_superuser(person: Person, name: str) -> User:
    return person(name, is_staff=True, is_superuser=True)


def rights(user: User) -> tuple[bool, bool, bool]:
    user.refresh_from_db()
    return user.is_active, user.is_staff, user.is_superuser


@pytest.mark.parametrize("way", [*TAKEN, LEFT])
def test_it_takes_nothing_from_the_last_superuser(operator: User, owner: User, way: str) -> None:
    owner.is_staff = owner.is_superuser = True  # as another transaction has it that is undone, or a forged actor
    for actor in (None, owner):
        with pytest.raises(ValidationError):
            take(way, actor, operator)
    assert rights(operator) == (True, True, True)
    assert operator.has_usable_password()
    assert not audit.trail(operator).filter(verb__in=["account.deactivated", "account.deleted"]).exists()


@pytest.mark.parametrize("other", ["deactivated", "without the pages", "without the rights"])
@pytest.mark.parametrize("way", [*TAKEN, LEFT])
def test_it_counts_as_superusers_only_who_can_do_something(
    operator: User, person: Person, way: str, other: str
) -> None:
    lacks = {"deactivated": "is_active", "without the pages": "is_staff", "without the rights": "is_superuser"}
    person("other", **{"is_staff": True, "is_superuser": True, lacks[other]: False})
    with pytest.raises(ValidationError, match="operator is the only active superuser"):
        take(way, None, operator)
    assert rights(operator) == (True, True, True)


@pytest.mark.parametrize("way", TAKEN)
def test_nobody_takes_anything_from_themselves(operator: User, person: Person, way: str) -> None:
    a_superuser(person, "other")
    with pytest.raises(ValidationError, match="your own account"):
        take(way, operator, operator)
    assert rights(operator) == (True, True, True)


@pytest.mark.parametrize("way", [*TAKEN, LEFT])
def test_one_of_two_may_go(operator: User, person: Person, way: str) -> None:
    other = a_superuser(person, "other")
    take(way, operator, other)
    assert rights(other) != (True, True, True)
    for again in (*TAKEN, LEFT):
        with pytest.raises(ValidationError):
            take(again, None, operator)


@pytest.mark.parametrize("way", TAKEN)
def test_who_is_no_superuser_any_more_takes_it_from_nobody(operator: User, person: Person, way: str) -> None:
    """Their request was on its way, with the rights that they had when it began."""
    slow, third = a_superuser(person, "slow"), a_superuser(person, "third")
    before = User.objects.get(pk=slow.pk)
    services.deactivate(operator, slow)
    with pytest.raises(ValidationError, match="no superuser any more"):
        take(way, before, third)
    assert rights(third) == (True, True, True)


def test_only_superusers_give_and_take_rights(owner: User, editor: User) -> None:
    owner.is_staff = True
    owner.save()
    for wanted in (True, False):
        with pytest.raises(ForbiddenError):
            superusers.change_rights(owner, editor, is_staff=wanted, is_superuser=wanted)
    assert rights(editor) == (True, False, False)


def test_it_writes_down_who_gave_which_rights(operator: User, owner: User) -> None:
    assert superusers.change_rights(operator, owner, is_staff=True, is_superuser=False)
    assert not superusers.change_rights(operator, owner, is_staff=True, is_superuser=False)
    entries = audit.trail(owner).filter(verb="account.rights.changed")
    assert [(entry.actor, entry.details) for entry in entries] == [(operator, {"staff": True, "superuser": False})]
    assert rights(owner) == (True, True, False)


@pytest.mark.parametrize(
    "ways", [("account", "account"), ("both", "both"), (LEFT, LEFT), ("account", "superuser"), (LEFT, "staff")]
)
def test_of_two_who_take_it_from_each_other_at_once_one_stays(
    transactional_db: None, person: Person, monkeypatch: pytest.MonkeyPatch, ways: tuple[str, str]
) -> None:
    """Each may go on when both were asked, or when the other could not be: who holds the rows is not waited for."""
    people = a_superuser(person, "ada"), a_superuser(person, "bob")
    start, both_may, check = threading.Barrier(2, timeout=60), threading.Barrier(2), superusers.check_may_lose

    def check_and_meet(actor: User | None, user: User, *, leaving: bool = False) -> None:
        check(actor, user, leaving=leaving)
        with contextlib.suppress(threading.BrokenBarrierError):
            both_may.wait(MEET_SECONDS)

    monkeypatch.setattr(superusers, "check_may_lose", check_and_meet)

    def act(number: int) -> bool:
        me, other = (User.objects.get(pk=people[at].pk) for at in (number, 1 - number))
        start.wait()
        try:
            take(ways[number], other, me)
        except ValidationError:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(act, range(2)))
    assert sorted(done) == [False, True]
    assert User.objects.filter(superusers.SUPERUSERS).count() == 1


# The way back


def make_superuser(*words: str) -> str:
    said = io.StringIO()
    call_command("make_superuser", *words, stdout=said)
    return said.getvalue()


def signs_in(name: str, password: str) -> bool:
    """With the password alone, as far as the administration."""
    client = Client()
    client.post("/account/login/", {"login": name, "password": password})
    return client.get("/admin/").status_code == 200


def test_it_leads_back_to_an_account_that_was_deactivated(operator: User) -> None:
    User.objects.filter(pk=operator.pk).update(is_active=False, is_staff=False, is_superuser=False)
    EmailAddress.objects.create(user=operator, email=operator.email, verified=True, primary=True)
    assert not signs_in("operator", PASSWORD)
    said = make_superuser("operator")
    assert "operator is active again." in said
    assert "operator is a superuser now." in said
    assert "password" not in said
    assert signs_in("operator", PASSWORD)
    assert set(audit.trail(operator).values_list("verb", "actor_name")) >= {
        ("account.activated", "command line"),
        ("account.rights.changed", "command line"),
    }


@pytest.mark.parametrize("address", ["", "stranger@example.org"])
def test_it_leads_back_past_everything_that_is_lost(stranger: User, settings: Settings, address: str) -> None:
    """No password, a second factor on a phone that is gone, and an address that no mail confirms."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    stranger.email = address
    stranger.set_unusable_password()
    stranger.save()
    TOTP.activate(stranger, generate_totp_secret())
    said = make_superuser("stranger", "--forget-second-factor")
    password = re.search(r"The new password: (\S+)", said)
    assert password
    assert signs_in("stranger", password[1])
    assert not Authenticator.objects.exists()
    assert f"The address {address or 'stranger@localhost'} counts as confirmed." in said


def test_it_gives_a_new_password_only_on_request(operator: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(operator)
    make_superuser("operator")
    assert client.get("/admin/").status_code == 200
    said = make_superuser("operator", "--new-password")
    assert not signs_in("operator", PASSWORD)
    assert client.get("/admin/").status_code == 302
    assert not Session.objects.filter(user=operator).exists()
    password = re.search(r"The new password: (\S+)", said)
    assert password
    assert password[1] not in str(list(AuditEntry.objects.values()))
    assert signs_in("operator", password[1])


def test_it_makes_an_account_only_when_told(db: None, settings: Settings) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    with pytest.raises(CommandError, match="no account “grace”"):
        make_superuser("grace")
    assert not User.objects.exists()
    said = make_superuser("Grace", "--create", "--email", "grace@example.org")
    password = re.search(r"Its password: (\S+)", said)
    assert password
    assert signs_in("grace", password[1])
    assert User.objects.get().libraries.count() == 1


@pytest.mark.parametrize("name", ["a/../b", "<b>x</b>", "", "www", "é", "x" * 33])
def test_it_makes_no_account_of_a_name_that_is_none(db: None, name: str) -> None:
    with pytest.raises(CommandError):
        make_superuser(name, "--create")
    assert not User.objects.exists()


def test_it_takes_nobodys_address(owner: User, stranger: User) -> None:
    EmailAddress.objects.create(user=owner, email="owner@example.org", verified=True, primary=True)
    for words in (["grace", "--create"], ["stranger"]):
        with pytest.raises(CommandError, match="of another account"):
            make_superuser(*words, "--email", "Owner@example.org")
    assert not User.objects.filter(username="grace").exists()
    assert rights(stranger) == (True, False, False), "all of it, or nothing"


def test_it_brings_no_deleted_account_back(stranger: User) -> None:
    deletion.delete_account(stranger, {})
    with pytest.raises(CommandError, match="was deleted"):
        make_superuser("stranger", "--new-password")
    assert rights(stranger) == (False, False, False)
