"""Guessing passwords is slow, and locks nobody out but who guesses; the person is told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as site
from django.core import mail
from django.http import HttpRequest
from django.test import Client, RequestFactory
from pytest_django import Settings

from conftest import PASSWORD
from notices.models import Mail, Notice
from portal.accounts.password_attempts import Attempt, TooManySignInsError
from portal.models import AuditEntry, User

TOO_MANY = "Too many wrong passwords"
TOO_MANY_SIGN_INS = "Too many sign-ins from your network"
ATTACKER, HOME = "203.0.113.9", "198.51.100.7"


def attempt(client: Client, login: str, password: str, address: str) -> Any:
    return client.post("/account/login/", {"login": login, "password": password}, REMOTE_ADDR=address)


def gets_in(client: Client, login: str, address: str) -> bool:
    """With the right password."""
    return bool(attempt(client, login, PASSWORD, address).status_code == 302)


def guess(login: str, times: int, address: str = ATTACKER) -> list[bool]:
    """Wrong passwords, each from a browser of its own; whether each was still compared with the right one."""
    answers = [attempt(Client(), login, f"guess-{n}", address) for n in range(times)]
    assert not any(answer.status_code == 302 for answer in answers)
    return [TOO_MANY not in answer.content.decode() for answer in answers]


@pytest.mark.slow
def test_wrong_passwords_elsewhere_do_not_lock_the_person_out(owner: User) -> None:
    for login in ("owner", "owner@example.org"):
        guess(login, 10)
    assert gets_in(Client(), "owner", HOME)
    assert gets_in(Client(), "owner@example.org", HOME)


def test_who_guesses_is_refused_there_although_the_sixth_is_right(owner: User) -> None:
    assert guess("owner", 6) == [True] * 5 + [False]
    assert not gets_in(Client(), "owner", ATTACKER)


@pytest.mark.slow
@pytest.mark.parametrize("addresses", [[ATTACKER], [f"203.0.113.{n}" for n in range(4, 9)]])
def test_refusals_do_not_tell_whose_an_address_of_mail_is(owner: User, viewer: User, addresses: list[str]) -> None:
    """Guesses at one name of an account count for no other, so an account has as many times more tries as names."""
    for address in addresses:
        guess("owner", 5, address)
    ask_from = addresses[0] if len(addresses) == 1 else "203.0.113.200"
    answers = [guess(mail, 6, ask_from) for mail in ("owner@example.org", "viewer@example.org", "nobody@example.org")]
    assert answers == [[True] * 5 + [False]] * 3


@pytest.mark.parametrize("other", ["OWNER@example.org", "owner@EXAMPLE.org", "owner@e\uff58ample.org"])
def test_one_name_has_no_more_tries_by_its_spellings(owner: User, other: str) -> None:
    assert guess("owner@example.org", 3) + guess(other, 3) == [True] * 5 + [False]


@pytest.mark.slow
def test_the_person_is_told_of_guesses_at_all_names_together(owner: User) -> None:
    for n in range(1, 3):
        guess("owner", 5, f"203.0.113.{n}")
        guess("owner@example.org", 5, f"203.0.113.{n}")
    assert Notice.objects.filter(user=owner).count() == 1


@pytest.mark.slow
def test_a_browser_in_which_the_person_was_signed_in_goes_on_beside_an_attacker(owner: User) -> None:
    """Both are behind one address, as in an institute."""
    browser = Client()
    assert gets_in(browser, "owner", HOME)
    browser.post("/account/logout/", REMOTE_ADDR=HOME)
    guess("owner", 12, HOME)
    guess("viewer", 12, HOME)
    assert gets_in(browser, "owner", HOME)


def test_such_a_browser_may_guess_no_more_than_others(owner: User, viewer: User) -> None:
    browser = Client()
    assert gets_in(browser, "owner", HOME)
    browser.post("/account/logout/", REMOTE_ADDR=HOME)
    told = [TOO_MANY in attempt(browser, "owner", "wrong", HOME).content.decode() for _ in range(6)]
    assert told == [False] * 5 + [True]


def test_being_known_as_one_person_helps_against_no_other(owner: User, viewer: User) -> None:
    browser = Client()
    assert gets_in(browser, "viewer", ATTACKER)
    browser.post("/account/logout/", REMOTE_ADDR=ATTACKER)
    told = [TOO_MANY in attempt(browser, "owner", "wrong", ATTACKER).content.decode() for _ in range(6)]
    assert told == [False] * 5 + [True]


@pytest.mark.parametrize(
    "forge", [lambda value: value[:-1] + "x", lambda value: "x", lambda value: "", lambda v: v * 9]
)
def test_it_knows_no_forged_browser(owner: User, settings: Settings, forge: Callable[[str], str]) -> None:
    browser = Client()
    assert gets_in(browser, "owner", HOME)
    value = browser.cookies[settings.BROWSER_COOKIE_NAME].value
    guess("owner", 6, HOME)
    forged = Client()
    forged.cookies[settings.BROWSER_COOKIE_NAME] = forge(value)
    assert not gets_in(forged, "owner", HOME)


def test_the_cookie_is_bound_to_the_portal(owner: User, settings: Settings) -> None:
    browser = Client()
    assert gets_in(browser, "owner", HOME)
    cookie = browser.cookies[settings.BROWSER_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
    assert "owner" not in cookie.value


@pytest.mark.slow
def test_many_addresses_together_get_slower(owner: User) -> None:
    addresses = [f"203.0.113.{n}" for n in range(4, 9)]
    for address in addresses:
        guess("owner", 5, address)
    assert guess("owner", 3, "203.0.113.200") == [True, True, False]
    assert gets_in(Client(), "owner", HOME), "one who comes anew is asked all the same"


@pytest.mark.slow
def test_one_address_may_not_try_one_password_on_many_accounts(
    owner: User, viewer: User, editor: User, stranger: User
) -> None:
    tried = [guess(f"nobody-{n}", 1) for n in range(22)]
    assert tried == [[True]] * 20 + [[False]] * 2
    assert gets_in(Client(), "viewer", HOME)


def test_right_passwords_do_not_wipe_out_the_wrong_ones(owner: User, viewer: User) -> None:
    """An attacker with an account of their own signs in to it in between."""
    told = []
    for _ in range(3):
        told += guess("owner", 2)
        assert gets_in(Client(), "viewer", ATTACKER)
    assert told == [True] * 5 + [False]


def test_a_course_signs_in_at_once_behind_one_address(owner: User) -> None:
    """As many as there are threads are looked at at the same time, before any of them is known to be right."""
    request = RequestFactory().post("/", REMOTE_ADDR=HOME)
    command = (site.BASE_DIR / "Procfile").read_text()
    workers, threads = (int(command.split(f"--{name} ")[1].split()[0]) for name in ("workers", "threads"))
    attempts = [Attempt.of(request, {"username": f"student-{n}"}) for n in range(workers * threads)]
    for one in attempts:
        one.begin()
    for one in attempts:
        one.was_right()


@pytest.mark.slow
def test_who_was_never_wrong_is_not_told_of_wrong_passwords(owner: User) -> None:
    assert all(gets_in(Client(), "owner", HOME) for _ in range(30))
    page = attempt(Client(), "owner", PASSWORD, HOME).content.decode()
    assert (TOO_MANY_SIGN_INS in page, TOO_MANY in page) == (True, False)


def test_browsers_of_one_address_have_a_limit_together(owner: User) -> None:
    """Each sign-in without a cookie makes another browser, which counts for itself."""
    browsers = [Client() for _ in range(6)]
    assert all(gets_in(browser, "owner", HOME) for browser in browsers)
    known = [Attempt.of(with_cookies(browser), {"username": "owner"}) for browser in browsers]
    assert len({one.place for one in known}) == 6
    for one in (known * 30)[: 120 - 6]:
        one.begin()
        one.was_right()
    with pytest.raises(TooManySignInsError):
        known[0].begin()


def with_cookies(browser: Client) -> HttpRequest:
    request = RequestFactory().post("/", REMOTE_ADDR=HOME)
    request.COOKIES = {name: cookie.value for name, cookie in browser.cookies.items()}
    return request


def test_it_says_the_same_of_accounts_that_do_not_exist(owner: User) -> None:
    def answers(login: str, address: str) -> list[str]:
        pages = [attempt(Client(), login, "wrong", address).content.decode() for _ in range(7)]
        return [page.partition('class="errorlist')[2].partition("</ul>")[0] for page in pages]

    assert answers("owner", "203.0.113.1") == answers("nobody", "203.0.113.2")
    assert TOO_MANY in answers("owner", "203.0.113.1")[-1]


@pytest.mark.slow
def test_the_person_is_told_once(owner: User) -> None:
    for n in range(1, 6):
        guess("owner", 5, f"203.0.113.{n}")
    notice = Notice.objects.get(user=owner)
    assert "wrong passwords" in notice.subject
    assert "second factor" in notice.text
    assert notice.mail == Mail.WAITING
    assert AuditEntry.objects.filter(verb="account.passwords.guessed", target_id=str(owner.pk)).count() == 1


def test_nobody_is_told_of_a_few_typing_errors(owner: User) -> None:
    guess("owner", 5)
    browser = Client()
    assert gets_in(browser, "owner", HOME)
    browser.post("/account/logout/", REMOTE_ADDR=HOME)
    for _ in range(5):
        attempt(browser, "owner", "wrong", HOME)
    assert not Notice.objects.exists()


def test_a_new_password_by_mail_ends_the_refusal(client: Client, owner: User) -> None:
    guess("owner", 6, HOME)
    client.post("/account/password/reset/", {"email": "owner@example.org"}, REMOTE_ADDR=HOME)
    link = next(word for word in str(mail.outbox[-1].body).split() if "/account/password/reset/key/" in word)
    form = client.get(link.partition("8000")[2], follow=True)
    new = "fresh-harbour-62"
    client.post(form.request["PATH_INFO"], {"password1": new, "password2": new}, REMOTE_ADDR=HOME)
    assert attempt(Client(), "owner", new, HOME).status_code == 302


def test_asking_for_the_password_again_counts_too(owner: User) -> None:
    """Somebody at an unlocked screen."""
    browser = Client()
    assert gets_in(browser, "owner", HOME)
    pages = [browser.post("/account/reauthenticate/", {"password": f"guess-{n}"}, REMOTE_ADDR=HOME) for n in range(6)]
    assert TOO_MANY in pages[-1].content.decode()
