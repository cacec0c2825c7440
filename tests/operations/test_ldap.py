"""Sign-in with an LDAP directory, by settings alone: a real slapd, with TLS and rights of its own."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db.models import F
from django.test import Client
from django.utils import timezone
from environ import Env
from pytest_django import Settings

from groups.models import Group, people_in
from groups.services import create_group
from portal import audit
from portal.accounts import deletion, services, superusers
from portal.accounts.directory import absence, client
from portal.accounts.directory.client import Directory, DirectoryAwayError
from portal.accounts.directory.entry import Entry
from portal.accounts.directory.settings import DirectorySettings, from_environment
from portal.models import DirectoryAccount, User
from portal.tasks import follow_directory

from ..support.directory import BASE, READER, READER_PASSWORD, SlapdDirectory, slapd
from ..support.people import new_name
from ..support.site import Site

pytestmark = pytest.mark.sandbox

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlapdDirectory]:
    with slapd(tmp_path_factory.mktemp("slapd")) as directory:
        yield directory


def directory_settings(directory: SlapdDirectory, **more: str) -> DirectorySettings:
    class OfTest(Env):
        ENVIRON = {
            "LDAP_URL": directory.url,
            "LDAP_CA_FILE": str(directory.place / "ca.pem"),
            "LDAP_BIND_DN": READER,
            "LDAP_BIND_PASSWORD": READER_PASSWORD,
            "LDAP_USERS": f"ou=people,{BASE}",
            "LDAP_GROUPS": f"ou=groups,{BASE}",
        } | more

    found = from_environment(OfTest())
    assert found
    return found


@pytest.fixture
def ldap(site: Site, running: SlapdDirectory, settings: Settings) -> SlapdDirectory:
    """The directory, with the settings of a site that uses it, and accounts of nobody else."""
    DirectoryAccount.objects.all().delete()
    settings.LDAP = directory_settings(running)
    settings.AUTHENTICATION_BACKENDS = [
        *settings.AUTHENTICATION_BACKENDS,
        "portal.accounts.directory.backend.DirectoryBackend",
    ]
    return running


@pytest.fixture
def name() -> str:
    return new_name("ada")  # tests of other files make people of that name on the same site, too


def sign_in(login: str, password: str) -> tuple[User | None, str]:
    """Who is signed in afterwards, and what the page says."""
    browser = Client(REMOTE_ADDR=f"203.0.113.{next(_numbers) % 250}")
    text = browser.post("/account/login/", {"login": login, "password": password}, follow=True).content.decode()
    pk = browser.session.get("_auth_user_id")
    return (User.objects.get(pk=pk) if pk and browser.get("/account/").status_code == 200 else None), text


def follow_again() -> None:
    """The next run, an hour later."""
    DirectoryAccount.objects.update(absent_since=F("absent_since") - timedelta(hours=1))
    follow_directory()


def is_open(*people: User) -> list[bool]:
    found = dict(User.objects.filter(pk__in=[one.pk for one in people]).values_list("pk", "is_active"))
    return [found[one.pk] for one in people]


def test_it_makes_an_account_at_the_first_sign_in(ldap: SlapdDirectory, name: str, settings: Settings) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    ldap.add_person(name, givenName="Ada", sn="Löwe")
    user, _ = sign_in(name, name * 2)
    assert user
    assert (user.username, user.first_name, user.last_name) == (name, "Ada", "Löwe")
    assert not user.has_usable_password()
    assert EmailAddress.objects.get(user=user).verified
    assert user.libraries.count() == 1
    assert audit.trail(user).get(verb="account.created").details == {"provider": "ldap"}
    assert sign_in(name.upper(), name * 2)[0] == user, "the directory does not tell cases apart"
    assert deletion.export(user)["account.json"]["directory"][0]["dn"] == f"uid={name},ou=people,{BASE}"


@pytest.mark.parametrize("password", ["wrong", "", " ", "\0", "x" * 5000])
def test_it_lets_nobody_in_with_another_password(ldap: SlapdDirectory, name: str, password: str) -> None:
    """An empty one most of all: to LDAP that is an anonymous bind, which succeeds."""
    ldap.add_person(name)
    assert sign_in(name, password)[0] is None
    entry = Directory(directory_settings(ldap)).find(name)
    assert entry
    assert not Directory(directory_settings(ldap)).is_password(entry, password)
    assert not User.objects.filter(username=name).exists()


@pytest.mark.parametrize(
    "login", ["*", "ada*", "{name})(uid=*", "*)(objectClass=*", "\\2a", "{name})(|(uid=*", "&", ")"]
)
def test_a_name_is_no_filter(ldap: SlapdDirectory, name: str, login: str) -> None:
    ldap.add_person(name, password="everybodys")
    assert sign_in(login.format(name=name), "everybodys")[0] is None


def test_it_never_leads_into_somebody_elses_account(ldap: SlapdDirectory, name: str) -> None:
    """A local account of the same name and address, made by anybody before the person first came."""
    local = User.objects.create_user(name, f"{name}@example.org", "a password of ours")
    EmailAddress.objects.create(user=local, email=local.email, verified=True, primary=True)
    ldap.add_person(name)
    user, _ = sign_in(name, name * 2)
    assert user
    assert user != local
    assert (user.username, user.email) == (f"{name}-2", "")
    assert sign_in(name, "a password of ours")[0] == local
    assert sign_in(f"{name}-2", name * 2)[0] == user, "by the name that they have here, too"


def test_who_gets_a_name_after_somebody_else_gets_another_account(ldap: SlapdDirectory, name: str) -> None:
    dn = ldap.add_person(name)
    first, _ = sign_in(name, name * 2)
    ldap.delete(dn)
    ldap.add_person(name, mail=f"second-{name}@example.org")
    second, _ = sign_in(name, name * 2)
    assert first
    assert second
    assert first != second


def test_a_username_of_ours_is_made_of_theirs(ldap: SlapdDirectory, name: str) -> None:
    ldap.add_person(f"Eva.{name}_x")
    user, _ = sign_in(f"eva.{name}_x", f"Eva.{name}_x" * 2)
    assert user
    assert user.username == f"eva-{name}-x"


def test_it_keeps_who_may_make_accounts(ldap: SlapdDirectory, name: str, settings: Settings) -> None:
    settings.SIGNUP = "closed"
    ldap.add_person(name)
    assert sign_in(name, name * 2)[0] is None
    settings.SIGNUP = "providers"
    assert sign_in(name, name * 2)[0]
    settings.SIGNUP = "closed"
    assert sign_in(name, name * 2)[0], "who has one signs in"


def test_groups_follow_the_directory(ldap: SlapdDirectory, name: str) -> None:
    dn = ldap.add_person(name)
    group = create_group(None, name=f"Group of {name}", provider_name=f"ldap:team-{name}")
    user, _ = sign_in(name, name * 2)
    assert user
    assert not group.has(user)
    ldap.add_group(f"team-{name}", dn)
    sign_in(name, name * 2)
    assert list(people_in(Group.objects.get(pk=group.pk))) == [user]
    ldap.delete(f"cn=team-{name},ou=groups,{BASE}")
    sign_in(name, name * 2)
    assert not people_in(group).exists()


def test_who_is_gone_from_it_is_deactivated_and_comes_back_with_it(ldap: SlapdDirectory, name: str) -> None:
    dn = ldap.add_person(name)
    other = f"{name}-other"
    ldap.add_person(other)
    user, stays = sign_in(name, name * 2)[0], sign_in(other, other * 2)[0]
    assert user
    assert stays
    follow_directory()
    assert is_open(user, stays) == [True, True]
    ldap.delete(dn)
    follow_directory()
    follow_directory()
    assert is_open(user, stays) == [True, True], "two at the same time are one run"
    follow_again()
    assert is_open(user, stays) == [False, True]
    assert sign_in(name, name * 2)[0] is None
    assert audit.trail(user).filter(verb="account.deactivated", actor_name="system").exists()


def test_who_comes_back_has_the_account_again_unless_an_operator_closed_it(
    ldap: SlapdDirectory, name: str, settings: Settings
) -> None:
    """Moved out of LDAP_USERS and back, which keeps the entryUUID."""
    settings.LDAP = directory_settings(ldap, LDAP_USER_FILTER="(&(uid=%(user)s)(description=staff))")
    administrator = ldap._administrator()
    dn = ldap.add_person(name, description="staff")
    user, _ = sign_in(name, name * 2)
    assert user
    ldap.add_person(f"{name}-other", description="staff")  # one has to be found for the others to be gone
    administrator.modify_s(dn, [(1, "description", None)])
    follow_directory()
    follow_again()
    assert sign_in(name, name * 2)[0] is None
    user.refresh_from_db()
    assert not user.is_active
    administrator.modify_s(dn, [(0, "description", [b"staff"])])
    assert sign_in(name, name * 2)[0] == user
    services.deactivate(None, user)
    assert sign_in(name, name * 2)[0] is None
    administrator.unbind_s()


@pytest.mark.parametrize("while_gone", [False, True])
def test_an_operators_decision_outlasts_the_directorys(ldap: SlapdDirectory, name: str, *, while_gone: bool) -> None:
    """Gone, opened again by an operator or not, closed by one: coming back does not open it."""
    ldap.add_person(name)
    user, _ = sign_in(name, name * 2)
    assert user
    DirectoryAccount.objects.filter(user=user).update(absent_since=timezone.now())
    assert absence._close(user.directory_account.pk, timezone.now())
    if not while_gone:
        services.activate(None, user)
    services.deactivate(None, user)
    assert sign_in(name, name * 2)[0] is None
    user.refresh_from_db()
    assert not user.is_active


def test_a_wrong_password_is_tried_once(ldap: SlapdDirectory, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory counts them."""
    ldap.add_person(name)
    assert sign_in(name, name * 2)[0]
    tried: list[str] = []
    is_password = Directory.is_password

    def noted(directory: Directory, entry: Entry, password: str) -> bool:
        tried.append(password)
        return is_password(directory, entry, password)

    monkeypatch.setattr(Directory, "is_password", noted)
    assert sign_in(name, "wrong")[0] is None
    assert tried == ["wrong"]


def test_it_believes_no_directory_in_which_everybody_is_gone(
    ldap: SlapdDirectory, name: str, settings: Settings
) -> None:
    people = [f"{name}-{letter}" for letter in "abcdefgh"]
    for one in people:
        ldap.add_person(one)
        assert sign_in(one, one * 2)[0]
    settings.LDAP = directory_settings(ldap, LDAP_USERS=f"ou=groups,{BASE}")
    with pytest.raises(DirectoryAwayError, match="has nobody"):
        absence.follow()
    assert not DirectoryAccount.objects.exclude(absent_since=None).exists()
    settings.LDAP = directory_settings(ldap, LDAP_USER_FILTER=f"(&(uid=%(user)s)(|(uid={people[0]})(uid=nobody)))")
    for follow in (follow_directory, follow_again, follow_again):
        follow()
    assert User.objects.filter(username__in=people, is_active=True).count() == len(people)
    settings.LDAP = directory_settings(ldap, LDAP_USERS=f"ou=none,{BASE}")
    with pytest.raises(DirectoryAwayError):
        absence.follow()
    follow_directory()
    assert User.objects.filter(username__in=people, is_active=True).count() == len(people)


def test_a_replica_that_is_half_empty_for_a_while_closes_nobody(ldap: SlapdDirectory, name: str) -> None:
    """Two people, fewer than what is taken for a fault: one of them is missing in every second run only."""
    dn = ldap.add_person(name)
    ldap.add_person(f"{name}-other")
    people = [sign_in(name, name * 2)[0], sign_in(f"{name}-other", f"{name}-other" * 2)[0]]
    entry = Entry(dn, DirectoryAccount.objects.get(user=people[0]).uid, name, "", "", "")
    found: list[User] = [one for one in people if one]
    for _ in range(3):
        _rename(ldap, dn, f"uid={name}", f"ou=groups,{BASE}")
        follow_again()
        assert is_open(*found) == [True, True]
        _rename(ldap, f"uid={name},ou=groups,{BASE}", f"uid={name}", f"ou=people,{BASE}")
        follow_again()
    assert DirectoryAccount.objects.get(uid=entry.uid).absent_since is None
    _rename(ldap, dn, f"uid={name}", f"ou=groups,{BASE}")
    follow_again()
    _rename(ldap, f"uid={name},ou=groups,{BASE}", f"uid={name}", f"ou=people,{BASE}")
    assert sign_in(name, name * 2)[0]
    _rename(ldap, dn, f"uid={name}", f"ou=groups,{BASE}")
    follow_again()
    assert is_open(*found) == [True, True], "who has signed in since was there"
    follow_again()
    assert is_open(*found) == [False, True]


def _rename(directory: SlapdDirectory, dn: str, name: str, folder: str) -> None:
    """Move an entry, which keeps its entryUUID."""
    administrator = directory._administrator()
    administrator.rename_s(dn, name, folder)
    administrator.unbind_s()


def test_it_follows_thousands_over_one_connection_and_goes_on_where_it_ended(
    ldap: SlapdDirectory, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This directory gives no more than 40 entries to a search without pages."""
    number = 3000
    names = [f"{name}-{one:04}" for one in range(number)]
    ldap.stop()
    ldap.add_people_offline(names)
    ldap.start()
    with Directory(directory_settings(ldap))._searching(BASE) as connection:
        users, wanted = f"ou=people,{BASE}", f"(uid={name}-*)"
        rows = list(client._pages(connection, users, wanted, ["entryUUID", "uid"], 40, directory_settings(ldap)))
    uids = {attributes["uid"][0].decode(): attributes["entryuuid"][0].decode() for _dn, attributes in rows}
    assert len(uids) == number
    people = User.objects.bulk_create(User(username=one, password="!") for one in names)
    accounts = [DirectoryAccount(user=one, uid=uids[one.username], dn="-") for one in people]
    DirectoryAccount.objects.bulk_create(accounts)
    gone = people[17:number:1000]
    for one in gone:
        ldap.delete(f"uid={one.username},ou=people,{BASE}")
    try:
        before = ldap.asked()
        with monkeypatch.context() as patch:
            patch.setattr(absence, "ASKING_SECONDS", 0)
            follow_directory()
        assert DirectoryAccount.objects.filter(checked_at=None).count() == number - client.BATCH
        first = ldap.asked() - before
        assert first == Counter(connections=2, searches=2), "whether there is anybody, and one batch"
        follow_again()
        assert not DirectoryAccount.objects.filter(checked_at=None).exists()
        assert ldap.asked() - before - first == Counter(connections=2, searches=1 + number // client.BATCH)
        follow_again()
        follow_again()
        closed = User.objects.filter(pk__in=[one.pk for one in people], is_active=False)
        assert set(closed) == set(gone)
    finally:
        User.objects.filter(pk__in=[one.pk for one in people]).delete()


def test_it_says_when_the_directory_is_away(ldap: SlapdDirectory, name: str) -> None:
    local = User.objects.create_user(f"local-{name}", f"local-{name}@example.org", "a password of ours")
    EmailAddress.objects.create(user=local, email=local.email, verified=True, primary=True)
    ldap.add_person(name)
    ldap.stop()
    try:
        user, text = sign_in(name, name * 2)
        assert user is None
        assert "does not answer" in text
        assert sign_in(local.username, "a password of ours")[0] == local
        follow_directory()
    finally:
        ldap.start()
    assert sign_in(name, name * 2)[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"LDAP_CA_FILE": ""},  # no authority of the machine signed the certificate
        {"LDAP_BIND_PASSWORD": "guessed"},
        {"LDAP_BIND_DN": "", "LDAP_BIND_PASSWORD": ""},
        {"LDAP_USERS": "ou=none,dc=example,dc=org"},
        {"LDAP_URL": "ldaps://localhost:1"},
    ],
    ids=str,
)
def test_a_wrong_setting_lets_nobody_in_and_shows_nothing(
    ldap: SlapdDirectory, name: str, settings: Settings, caplog: pytest.LogCaptureFixture, wrong: dict[str, str]
) -> None:
    ldap.add_person(name, password="not-in-the-log")
    settings.LDAP = directory_settings(ldap, **wrong)
    user, text = sign_in(name, "not-in-the-log")
    assert user is None
    assert "does not answer" in text
    assert not re.search("not-in-the-log|reads|guessed", caplog.text)


def test_it_sends_no_password_without_tls(ldap: SlapdDirectory, name: str, settings: Settings) -> None:
    assert directory_settings(ldap).start_tls
    assert not directory_settings(ldap, LDAP_START_TLS="false").start_tls
    settings.LDAP = directory_settings(ldap, LDAP_START_TLS="false")
    ldap.add_person(name)
    assert sign_in(name, name * 2)[0], "for a directory on the same machine"


def test_its_people_have_no_password_of_ours(ldap: SlapdDirectory, name: str) -> None:
    ldap.add_person(name)
    user, _ = sign_in(name, name * 2)
    assert user
    browser = Client()
    browser.post("/account/password/reset/", {"email": f"{name}@example.org"})
    for message in mail.outbox:
        for link in re.findall(r"http://localhost:\d+(/account/password/reset/key/\S+)", str(message.body)):
            form = browser.get(link, follow=True).redirect_chain[-1][0]
            answer = browser.post(form, {"password1": "another-secret-9", "password2": "another-secret-9"})
            assert "directory" in answer.content.decode()
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_the_last_superuser_stays(ldap: SlapdDirectory, name: str) -> None:
    dn = ldap.add_person(name)
    user, _ = sign_in(name, name * 2)
    assert user
    others = list(User.objects.filter(superusers.SUPERUSERS).values_list("pk", flat=True))
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    User.objects.filter(pk__in=others).update(is_staff=False)
    try:
        ldap.delete(dn)
        follow_directory()
        follow_again()
        assert is_open(user) == [True]
    finally:
        User.objects.filter(pk__in=others).update(is_staff=True)
        User.objects.filter(pk=user.pk).update(is_staff=False, is_superuser=False)


@pytest.mark.parametrize(
    "values",
    [
        {"LDAP_URL": "http://ldap.example.org", "LDAP_USERS": "x"},
        {"LDAP_URL": "ldaps://ldap.example.org"},
        {"LDAP_URL": "ldaps://ldap.example.org", "LDAP_USERS": "x", "LDAP_USER_FILTER": "(uid=ada)"},
    ],
)
def test_it_refuses_settings_that_cannot_be_meant(values: dict[str, Any]) -> None:
    class OfTest(Env):
        ENVIRON = values

    with pytest.raises(ImproperlyConfigured):
        from_environment(OfTest())
