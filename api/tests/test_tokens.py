"""Tokens: shown once, kept hashed, dead when they should be, and no help to whoever guesses."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from api import access, account_deletion, services
from api.models import Scope, Token
from collabs.models import Collab
from conftest import PASSWORD
from drive.libraries import services as drive_services
from drive.models import Library
from portal.accounts import deletion as portal_leaving
from portal.accounts.services import activate, deactivate
from portal.digest import digest
from portal.models import AuditEntry, User

from .conftest import Program

pytestmark = pytest.mark.django_db
ME = "/api/v1/me"
PAGE = "/account/tokens/"
SignIn = Callable[[User], Client]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


NEW = f"{PAGE}new/"


def at_browser(user: User) -> Client:
    """Signed in, the password just given."""
    client = Client()
    client.post("/account/login/", {"login": user.username, "password": PASSWORD})
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    return client


def make(user: User, *scopes: Scope) -> tuple[Token, str]:
    return services.create_token(user, name="test", scopes=scopes or (Scope.READ,), days=1)


def test_it_shows_a_token_once_and_keeps_its_hash(sign_in: SignIn, owner: User) -> None:
    browser = at_browser(owner)
    shown = browser.post(NEW, {"name": "backup", "scopes": ["read", "lab"], "days": 30})
    secret = shown.context["secret"]
    assert secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert secret not in browser.get(PAGE).content.decode()
    token = Token.objects.get(user=owner)
    assert (token.scopes, token.hint) == (["read", "lab"], secret[:8])
    assert secret not in str(Token.objects.values().get())
    entry = AuditEntry.objects.get(verb="account.token.made")
    assert secret not in str(entry.details)
    answer = Client().get(ME, headers=bearer(secret)).json()
    assert (answer["username"], answer["scopes"]) == ("owner", ["read", "lab"])


@pytest.mark.parametrize(
    "data",
    [
        {"name": "", "scopes": ["read"], "days": 1},
        {"name": "x", "scopes": [], "days": 1},
        {"name": "x", "scopes": ["root"], "days": 1},
        {"name": "x", "scopes": ["read"], "days": 9999},
    ],
)
def test_it_refuses_tokens_that_make_no_sense(sign_in: SignIn, owner: User, data: dict) -> None:
    assert at_browser(owner).post(NEW, data).status_code == 422
    assert not Token.objects.exists()


def test_it_asks_for_the_password_before_it_makes_one(sign_in: SignIn, owner: User) -> None:
    browser, data = sign_in(owner), {"name": "x", "scopes": ["read"], "days": 1}
    for answer in (browser.get(NEW), browser.post(NEW, data)):
        assert "/account/reauthenticate/" in answer["Location"]
    assert not Token.objects.exists()


def test_it_revokes_a_token_at_once(sign_in: SignIn, owner: User, stranger: User) -> None:
    token, secret = make(owner)
    assert sign_in(stranger).post(f"{PAGE}{token.pk}/revoke/").status_code == 404
    assert Client().get(ME, headers=bearer(secret)).status_code == 200
    assert sign_in(owner).post(f"{PAGE}{token.pk}/revoke/").status_code == 302
    assert Client().get(ME, headers=bearer(secret)).status_code == 401
    assert AuditEntry.objects.filter(verb="account.token.revoked").count() == 1


def test_it_lets_no_token_outlive_its_last_day(owner: User) -> None:
    token, secret = make(owner)
    Token.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    answer = Client().get(ME, headers=bearer(secret))
    assert answer.status_code == 401
    assert "expired" in answer.json()["message"]


def test_it_kills_the_tokens_of_who_is_deactivated_for_good(owner: User, operator: User) -> None:
    _token, secret = make(owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)  # by whatever way
    assert Client().get(ME, headers=bearer(secret)).status_code == 401
    User.objects.filter(pk=owner.pk).update(is_active=True)
    deactivate(operator, owner)
    activate(operator, owner)
    assert Client().get(ME, headers=bearer(secret)).status_code == 401


def test_it_notes_the_last_use_once_a_minute(owner: User, django_assert_num_queries: Callable) -> None:
    token, secret = make(owner)
    client = Client(headers=bearer(secret))
    client.get(ME)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    with django_assert_num_queries(1):
        client.get(ME)
    Token.objects.filter(pk=token.pk).update(last_used_at=first - timedelta(minutes=2))
    client.get(ME)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at >= first


def test_it_stops_who_guesses_and_nobody_with_an_old_token(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "GUESSES", 3)
    old, dead = make(owner)
    services.revoke_token(owner, old)
    _token, secret = make(owner)
    for _ in range(5):
        assert Client().get(ME, headers=bearer(dead)).status_code == 401
        assert Client().get(ME, headers=bearer("nonsense")).status_code == 401
    assert Client().get(ME, headers=bearer(secret)).status_code == 200
    for number in range(3):
        assert Client().get(ME, headers=bearer(f"{number:040x}")).status_code == 401
        assert Client().get(ME, headers=bearer(f"{secret[:8]}{number:032x}")).status_code == 401
    assert Client().get(ME).status_code == 401  # without a token: no guess
    assert Client(REMOTE_ADDR="192.0.2.7").get(ME, headers=bearer(secret)).status_code == 200
    _other, another = make(owner)
    assert Client().get(ME, headers=bearer(another)).status_code == 200
    refused = Client().get(ME, headers=bearer(secret))
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert refused["Retry-After"] == str(access.GUESS_SECONDS)


def test_it_asks_for_the_scope_by_name(program: Program, owner: User, collab: Collab) -> None:
    refused = program(owner, Scope.READ).delete("/api/v1/collabs/cortex")
    assert refused.status_code == 403
    assert "“manage”" in refused.json()["message"]
    assert Collab.objects.filter(pk=collab.pk).exists()


def test_it_believes_the_header_and_not_the_cookie_beside_it(sign_in: SignIn, owner: User, stranger: User) -> None:
    _token, secret = make(stranger)
    browser = sign_in(owner)
    assert browser.get(ME).json()["username"] == "owner"
    assert browser.get(ME, headers=bearer(secret)).json()["username"] == "stranger"
    assert browser.get(ME, headers=bearer("clb_wrong")).status_code == 401
    assert browser.get(ME, headers={"Authorization": "Basic b3duZXI6eA=="}).status_code == 401


def test_it_opens_no_page_of_the_site_with_a_token(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    assert client.get("/collabs/cortex/").status_code == 404
    assert client.get(PAGE).status_code == 302


def test_it_wants_the_csrf_token_with_a_cookie(owner: User, collab: Collab) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert browser.get("/api/v1/collabs/cortex").status_code == 200
    assert browser.delete("/api/v1/collabs/cortex").status_code == 403
    browser.get("/account/")
    token = browser.cookies["portal_csrf"].value
    assert browser.delete("/api/v1/collabs/cortex", headers={"X-CSRFToken": token}).status_code == 204


def test_it_lets_the_proxy_take_an_upload_for_a_token_that_may_write(owner: User, stranger: User) -> None:
    _reading, reads = make(owner, Scope.READ)
    _writing, writes = make(owner, Scope.WRITE)
    _others, theirs = make(stranger, Scope.WRITE)
    ask, library = "/_gateway/upload", Library.objects.get(owner_user=owner)
    asked = {"X-Original-Method": "PUT", "X-Original-Length": "5"}
    to_api = asked | {"X-Original-URI": f"/api/v1/libraries/{library.pk}/files/y"}
    to_page = asked | {"X-Original-URI": f"/drive/{library.pk}/y"}
    assert Client().get(ask, headers=bearer(writes) | to_api).status_code == 204
    for token, status, word in ((reads, 403, "scope"), (theirs, 404, "Nothing was found")):
        refused = Client().get(ask, headers=bearer(token) | to_api)
        assert (refused.status_code, refused["X-Upload-Status"]) == (403, str(status))
        problem = json.loads(refused["X-Upload-Said"])
        assert problem["status"] == status
        assert word in problem["message"]
    assert Client().get(ask, headers=bearer(writes) | to_page).status_code == 401
    assert Client().get(ask, headers=bearer("clb_wrong") | to_api).status_code == 401


def test_it_makes_only_so_many(owner: User, monkeypatch: pytest.MonkeyPatch, sign_in: SignIn) -> None:
    monkeypatch.setattr(services, "MOST_TOKENS", 2)
    for _ in range(2):
        make(owner)
    refused = at_browser(owner).post(NEW, {"name": "x", "scopes": ["read"], "days": 1})
    assert refused.status_code == 422
    assert Token.objects.count() == 2


def test_it_lists_tokens_with_the_same_number_of_queries(
    sign_in: SignIn, owner: User, django_assert_max_num_queries: Callable
) -> None:
    browser = sign_in(owner)
    for _ in range(5):
        make(owner)
    with django_assert_max_num_queries(8):
        browser.get(PAGE)


@pytest.mark.slow
def test_it_lets_operators_end_tokens_and_read_none(sign_in: SignIn, owner: User, operator: User) -> None:
    token, secret = make(owner)
    browser = sign_in(operator)
    shown = browser.get("/admin/api/token/").content.decode()
    assert token.hint in shown
    assert secret not in shown
    assert token.digest not in shown + browser.get(f"/admin/api/token/{token.pk}/change/").content.decode()
    browser.post("/admin/api/token/", {"action": "revoke", "_selected_action": [token.pk]})
    assert Client().get(ME, headers=bearer(secret)).status_code == 401
    assert AuditEntry.objects.get(verb="account.token.revoked").actor == operator


def test_it_forgets_the_tokens_of_a_deleted_account_and_exports_them_before(owner: User) -> None:
    token, secret = make(owner)
    said = str(account_deletion.export(owner))
    assert token.hint in said
    assert token.digest not in said
    portal_leaving.delete_account(owner, {})
    assert not Token.objects.exists()
    assert Client().get(ME, headers=bearer(secret)).status_code == 401


def basic(password: str, username: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode()}


@pytest.mark.parametrize("how", [bearer, lambda secret: {"Authorization": f"token {secret}"}, basic])
def test_it_takes_a_token_in_each_manner_of_programs(owner: User, how: Callable[[str], dict[str, str]]) -> None:
    _token, secret = make(owner)
    assert re.fullmatch("[0-9a-f]{40}", secret)
    assert Client().get(ME, headers=how(secret)).json()["username"] == "owner"
    assert Client().get(ME, headers=how(secret[:-1])).status_code == 401
    assert Client().get(ME, headers=how(PASSWORD)).status_code == 401


@pytest.mark.parametrize("given", ["Basic", "Basic !", "Basic /w==", "Basic eA==", "Basic  ", "Token", "Digest x=y"])
def test_it_refuses_a_header_that_holds_no_token(owner: User, given: str) -> None:
    assert Client().get(ME, headers={"Authorization": given}).status_code == 401


def test_it_goes_on_with_tokens_of_the_former_kind(owner: User) -> None:
    token, _secret = make(owner)
    former = "clb_" + "aB3" * 16
    Token.objects.filter(pk=token.pk).update(digest=digest(former))
    assert Client().get(ME, headers=bearer(former)).status_code == 200


def test_it_limits_a_token_to_its_libraries(owner: User, collab: Collab, public_collab: Collab) -> None:
    mine = drive_services.create_library(owner, "Mine")
    scopes = [Scope.READ, Scope.WRITE, Scope.SHARE]
    _token, secret = services.create_token(owner, name="x", scopes=scopes, days=1, libraries=[mine.pk])
    client = Client(headers=bearer(secret))
    libraries = "/api/v1/libraries"
    assert [row["name"] for row in client.get(libraries).json()["items"]] == ["Mine"]
    assert client.get(f"{libraries}?folder=all").json()["items"] == []
    assert client.get(ME).status_code == 200
    assert client.get("/api/v1/collabs").status_code == 403
    assert client.get("/api/v1/lab").status_code == 403
    assert client.get("/rest/v1/collabs").status_code == 403
    for other in (collab.library.pk, public_collab.library.pk):
        assert client.get(f"{libraries}/{other}/entries").status_code == 404
        assert client.put(f"{libraries}/{other}/files/x", b"x").status_code == 404
    assert client.post(f"{libraries}/{mine.pk}/folders", {"path": "f"}, "application/json").status_code == 201
    there = {"path": "f", "to_path": "f", "to_library": str(collab.library.pk)}
    assert client.post(f"{libraries}/{mine.pk}/move", there, "application/json").status_code == 404
    Library.objects.filter(pk=mine.pk).delete()
    assert client.get(libraries).json()["items"] == []


def test_it_limits_no_token_that_manages(owner: User) -> None:
    with pytest.raises(ValidationError):
        services.create_token(owner, name="x", scopes=[Scope.MANAGE], days=1, libraries=[])
