"""Signing up, in and out."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertRedirects

from conftest import PASSWORD
from drive.models import Library
from portal.accounts.adapter import AccountAdapter
from portal.models import User

FORM = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}


def test_it_creates_an_account_with_a_library_and_signs_in(client: Client, db: None) -> None:
    response = client.post("/account/signup/", FORM)
    assertRedirects(response, "/")
    user = User.objects.get(username="ada")
    assert response.wsgi_request.user == user
    assert [library.name for library in Library.objects.filter(owner_user=user)] == ["My Library"]


def test_it_creates_nothing_when_what_everybody_gets_cannot_be_made(
    client: Client, db: None, settings: Settings
) -> None:
    settings.PORTAL_HOOKS = {"user_created": ["portal.accounts.tests.test_sign_in.fail"]}
    with pytest.raises(RuntimeError, match="no room"):
        client.post("/account/signup/", FORM)
    assert not User.objects.exists()


def fail(**_: Any) -> None:
    raise RuntimeError("no room")


@pytest.mark.parametrize("username", ["Ada Lovelace", "admin", "xn--ada", "-ada", "a.b"])
def test_it_says_what_is_wrong_with_a_username(client: Client, db: None, username: str) -> None:
    response = client.post("/account/signup/", FORM | {"username": username})
    assert response.status_code == 200
    assert "username" in response.context["form"].errors
    assert not User.objects.exists()


def test_it_takes_an_address_only_once(client: Client, owner: User) -> None:
    client.post("/account/signup/", FORM | {"email": owner.email.upper()})
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["owner", "OWNER", "owner@example.org"])
def test_it_signs_in_by_username_or_address(client: Client, owner: User, name: str) -> None:
    response = client.post("/account/login/", {"login": name, "password": PASSWORD})
    assertRedirects(response, "/")
    assert response.wsgi_request.user == owner


@pytest.mark.parametrize("page", ["login", "signup"])
def test_it_leads_back_to_where_one_wanted_to_go(client: Client, owner: User, page: str) -> None:
    deep = "/account/?from=a%2Fpaper"
    response = client.get(deep)
    assert response.status_code == 302
    assert response["Location"].startswith("/account/login/?next=")
    sign_in = client.get(response["Location"])
    links = re.findall(r'href="(/account/signup/\?next=[^"]+)"', sign_in.content.decode())
    form = sign_in if page == "login" else client.get(links[0])
    (target,) = set(re.findall(r'name="next" value="([^"]+)"', form.content.decode()))
    data = {"login": "owner", "password": PASSWORD} if page == "login" else FORM
    assert client.post(f"/account/{page}/", data | {"next": target})["Location"] == deep


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"]
)
def test_it_leads_nowhere_else(client: Client, owner: User, target: str) -> None:
    response = client.post("/account/login/", {"login": "owner", "password": PASSWORD, "next": target})
    assert response["Location"] == "/"


def test_it_signs_out_only_by_post(owner: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(owner)
    assertContains(client.get("/account/logout/"), "Sign out?")
    assert client.get("/account/").status_code == 200
    client.post("/account/logout/")
    assert client.get("/account/").status_code == 302


def test_it_refuses_a_form_of_another_site(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post("/account/logout/").status_code == 403
    assert client.get("/account/").status_code == 200


def test_it_resets_a_password_by_mail(client: Client, owner: User) -> None:
    client.post("/account/password/reset/", {"email": "owner@example.org"})
    (link,) = re.findall(r"https?://[^/]+(/account/password/reset/key/\S+)", str(mail.outbox[0].body))
    form = client.get(link, follow=True)
    new = "another-long-password"
    client.post(form.request["PATH_INFO"], {"password1": new, "password2": new})
    owner.refresh_from_db()
    assert owner.check_password(new)


def test_it_slows_down_who_has_mails_sent(client: Client, owner: User) -> None:
    form = {"email": "nobody@example.org"}
    statuses = [client.post("/account/password/reset/", form).status_code for _ in range(21)]
    assert statuses[-1] == 429
    assertContains(client.post("/account/password/reset/", form), "Too many requests", status_code=429)


def test_it_saves_the_name_that_others_see(owner: User, sign_in: Callable[[User], Client]) -> None:
    response = sign_in(owner).post("/account/", {"first_name": "Ada", "last_name": "Lovelace", "username": "other"})
    assertRedirects(response, "/account/")
    owner.refresh_from_db()
    assert (owner.display_name, owner.username) == ("Ada Lovelace", "owner")


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # over TCP the header may be forged
        ("", "198.51.100.7", "198.51.100.7"),  # over the unix socket, nginx has written it
        ("", None, "local"),
    ],
)
def test_it_knows_who_asks(rf: Any, peer: str, header: str | None, address: str) -> None:
    request = rf.get("/", REMOTE_ADDR=peer, **({"HTTP_X_FORWARDED_FOR": header} if header else {}))
    assert AccountAdapter().get_client_ip(request) == address
