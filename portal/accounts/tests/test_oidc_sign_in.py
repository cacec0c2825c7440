"""Signing in through an OpenID Connect provider, which runs: the ways that work, and the attacks."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.utils import decrypt
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.test import Client
from environ import Env
from pytest_django import Settings

from conftest import PASSWORD
from drive.models import Library
from groups.models import Group, GroupMember
from portal import usernames
from portal.accounts import oidc_settings, provider_adapter, services
from portal.accounts.deletion import delete_account
from portal.models import User
from tests.support.oidc_provider import NAME, Provider, provider

from .support import code

pytestmark = pytest.mark.django_db
LOGIN, CALLBACK = f"/account/oidc/{NAME}/login/", f"/account/oidc/{NAME}/login/callback/"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provider() as started:
        yield started


@pytest.fixture
def institute(running: Provider, settings: Settings) -> Provider:
    """A running provider that the site is configured with."""
    settings.OIDC_PROVIDERS = [running.settings()]
    return running


def leave(client: Client, **data: str) -> str:
    """Address that the site redirects the browser to."""
    response = client.post(LOGIN, data)
    assert response.status_code == 200, response
    return response["Refresh"].removeprefix("0; url=")


def come(client: Client, institute: Provider, sub: str, **data: str) -> Any:
    """The whole way to the provider and back."""
    return client.get(CALLBACK, institute.authorize(leave(client, **data), sub))


def who(client: Client) -> str:
    return client.get("/").wsgi_request.user.get_username()


# Coming in


def test_it_makes_an_account_at_the_first_sign_in(client: Client, institute: Provider) -> None:
    institute.claims(
        "s-1", preferred_username="Eva.Müller", email="eva@uni.example", email_verified=True, name="Eva Müller"
    )
    assert come(client, institute, "s-1")["Location"] == "/"
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == ("eva-muller", "Eva Müller", "eva@uni.example")
    assert who(client) == "eva-muller"
    assert not user.has_usable_password()
    assert [library.name for library in Library.objects.filter(owner_user=user)] == ["My Library"]
    assert come(Client(), institute, "s-1")["Location"] == "/"
    assert User.objects.count() == 1


def test_it_goes_there_with_pkce_and_state_and_no_form_is_redirected(client: Client, institute: Provider) -> None:
    response = client.post(LOGIN)
    assert response.status_code == 200, "a redirect would be held to form-action"
    query = parse_qs(urlsplit(response["Refresh"].removeprefix("0; url=")).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert len(query["state"][0]) >= 16
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"}
    assert institute.issuer not in response["Content-Security-Policy"]


def test_it_leads_on_to_where_somebody_wanted_to_go(client: Client, institute: Provider) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    page = client.get("/account/login/?next=/drive/").text
    assert f'action="{LOGIN}"' in page
    assert 'name="next" value="/drive/"' in page
    assert come(client, institute, "s-1", next="/drive/")["Location"] == "/drive/"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_it_leads_to_no_other_site(client: Client, institute: Provider, target: str) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    assert come(client, institute, "s-1", next=target)["Location"] == "/"


def test_it_asks_for_the_address_that_a_provider_does_not_tell(client: Client, institute: Provider) -> None:
    institute.claims("0000-0002", name="Eva Müller")
    assert come(client, institute, "0000-0002")["Location"] == "/account/3rdparty/signup/"
    page = client.get("/account/3rdparty/signup/")
    assert page.context["form"].initial["username"] == "eva-muller"
    assert not User.objects.exists()
    client.post("/account/3rdparty/signup/", {"username": "eva-muller", "email": "eva@uni.example"})
    assert who(client) == "eva-muller"
    assert not EmailAddress.objects.get().verified


def test_it_comes_back_when_somebody_changes_their_mind(client: Client, institute: Provider) -> None:
    state = parse_qs(urlsplit(leave(client)).query)["state"][0]
    response = client.get(CALLBACK, {"error": "access_denied", "state": state}, follow=True)
    assert "Sign-in cancelled" in response.text


def test_it_asks_for_the_second_factor_too(client: Client, institute: Provider) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    come(client, institute, "s-1")
    TOTP.activate(User.objects.get(), generate_totp_secret())
    other = Client()
    assert come(other, institute, "s-1")["Location"] == "/account/2fa/authenticate/"
    assert who(other) == ""


# Usernames


def test_it_gives_people_of_one_name_different_usernames(institute: Provider, owner: User) -> None:
    for sub in ("s-1", "s-2", "s-3"):
        institute.claims(sub, preferred_username="Owner", email=f"{sub}@uni.example")
        come(Client(), institute, sub)
    names = sorted(User.objects.exclude(pk=owner.pk).values_list("username", flat=True))
    assert names == ["owner-2", "owner-3", "owner-4"]


def test_it_gives_the_next_username_when_somebody_was_quicker(
    institute: Provider, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free when looked at, taken when written."""
    free, answers = usernames.first_free, ["owner"]
    monkeypatch.setattr(provider_adapter.usernames, "first_free", lambda *a: answers.pop() if answers else free(*a))
    institute.claims("s-1", preferred_username="owner", email="eva@uni.example")
    client = Client()
    come(client, institute, "s-1")
    assert who(client) == "owner-2"
    assert SocialAccount.objects.get().user.username == "owner-2"


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["Eva.Müller@uni"], "eva-muller-uni"),
        (["王", "eva@x"], "eva-x"),
        (["1234", "", "person"], "person"),
        (["admin"], "admin-2"),
        (["xn--strange"], "xn-strange"),
        (["a" * 50], "a" * 32),
        (["O'Brien, 3rd"], "o-brien-3rd"),
    ],
)
def test_it_makes_a_label_of_any_name(texts: list[str], name: str) -> None:
    made = usernames.first_free(usernames.suggest(texts), set())
    assert made == name
    usernames.validate_username(made)


def test_it_numbers_long_names_within_the_limit() -> None:
    assert usernames.first_free("a" * 32, {"a" * 32}) == "a" * 30 + "-2"


# Attacks


@pytest.mark.parametrize("verified", [True, False])
def test_it_opens_no_existing_account_by_an_address(
    client: Client, institute: Provider, owner: User, verified: bool
) -> None:
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    institute.claims("thief", preferred_username="owner", email=owner.email, email_verified=verified)
    come(client, institute, "thief")
    assert who(client) == ""
    assert not SocialAccount.objects.exists()
    assert User.objects.count() == 1


@pytest.fixture
def taken(owner: User) -> str:
    """An address that somebody has an account with."""
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    return owner.email


def sign_up_with(running: Provider, settings: Settings, sub: str, address: str, by_form: bool) -> Any:
    """The page that a newcomer ends on whose provider says `address`, or who says it when the provider does not."""
    settings.OIDC_PROVIDERS = [running.settings(trust_email=False)]
    running.claims(sub, preferred_username="eva", **({} if by_form else {"email": address}))
    client = Client()
    response = come(client, running, sub)
    if by_form:
        response = client.post(response["Location"], {"username": "eva", "email": address})
    page = client.get(response["Location"])
    assert who(client) == ""
    return response["Location"], re.sub(r'(token" value|nonce)="[^"]*"', "", page.text.replace(address, "ADDRESS"))


@pytest.mark.parametrize("verification", ["mandatory", "optional", "none"])
@pytest.mark.parametrize("by_form", [False, True])
def test_it_tells_a_stranger_nothing_about_who_has_an_account(
    running: Provider, settings: Settings, taken: str, owner: User, verification: str, by_form: bool
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    place, page = sign_up_with(running, settings, "thief", taken.upper(), by_form)
    assert place == "/account/confirm-email/"
    assert "already" not in page
    assert "We have sent you an e-mail" in page
    [sent] = mail.outbox
    assert sent.to == [taken]
    assert "/account/login/" in sent.body
    assert "Other accounts" in sent.body
    assert "confirm-email" not in sent.body
    assert not SocialAccount.objects.exists()
    assert not User.objects.exclude(pk=owner.pk).exists()


@pytest.mark.parametrize("by_form", [False, True])
def test_a_free_address_looks_like_one_that_is_taken(
    running: Provider, settings: Settings, taken: str, by_form: bool
) -> None:
    """On a site where addresses are verified, as every public one does that is not told otherwise."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    assert sign_up_with(running, settings, "s-1", taken, by_form) == sign_up_with(
        running, settings, "s-2", "free@example.org", by_form
    )


def test_it_sends_the_owner_of_an_address_no_flood_of_mails(running: Provider, settings: Settings, taken: str) -> None:
    for _ in range(5):
        sign_up_with(running, settings, "thief", taken, by_form=False)
    assert len(mail.outbox) == 1


def test_it_believes_no_address_unless_told_to(client: Client, running: Provider, settings: Settings) -> None:
    """An invitation to an address is for whoever reads its mail."""
    settings.OIDC_PROVIDERS = [running.settings(trust_email=False)]
    running.claims("s-1", preferred_username="eva", email="eva@uni.example", email_verified=True)
    come(client, running, "s-1")
    assert not EmailAddress.objects.get().verified


def test_it_refuses_a_state_that_was_used_or_is_somebody_elses(institute: Provider) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    mallory, victim = Client(), Client()
    answer = institute.authorize(leave(mallory), "s-1")
    assert victim.get(CALLBACK, answer).status_code == 401, "signing somebody in as oneself"
    assert mallory.get(CALLBACK, answer).status_code == 302
    again = Client(headers={"cookie": mallory.cookies.output(header="", sep=";")})
    assert again.get(CALLBACK, answer).status_code == 401
    assert client_without_state(answer).status_code == 401


def client_without_state(answer: dict[str, str]) -> Any:
    return Client().get(CALLBACK, {"code": answer["code"]})


def test_it_needs_the_token_of_the_form(institute: Provider) -> None:
    assert Client(enforce_csrf_checks=True).post(LOGIN).status_code == 403


def test_it_lets_no_deactivated_person_in(institute: Provider) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    come(Client(), institute, "s-1")
    services.deactivate(None, User.objects.get())
    client = Client()
    assert come(client, institute, "s-1")["Location"] == "/account/inactive/"
    assert who(client) == ""


def test_it_forgets_who_deleted_the_account(institute: Provider) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    come(Client(), institute, "s-1")
    delete_account(User.objects.get(), {})
    client = Client()
    come(client, institute, "s-1")
    assert who(client) == "eva-2", "a username is never given again"


@pytest.mark.parametrize(("signup", "comes_in"), [("open", True), ("providers", True), ("closed", False)])
def test_it_makes_accounts_for_whom_the_site_wants(
    client: Client, institute: Provider, settings: Settings, signup: str, comes_in: bool
) -> None:
    settings.SIGNUP = signup
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    come(client, institute, "s-1")
    assert User.objects.exists() == comes_in
    form = {"username": "bob", "email": "bob@example.org", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/account/signup/", form)
    assert User.objects.filter(username="bob").exists() == (signup == "open")
    assert ("/account/signup/" in Client().get("/").text) == (signup == "open")


def test_it_takes_no_provider_from_a_row(client: Client, institute: Provider) -> None:
    """Providers are in the settings: whoever could write rows in the admin could sign in as anybody."""
    app = SocialApp.objects.create(provider="openid_connect", provider_id="evil", name="Evil", client_id="x")
    assert client.post("/account/oidc/evil/login/").status_code == 404
    assert app.name not in client.get("/account/login/").text


def test_it_says_so_when_the_provider_is_away(
    client: Client, running: Provider, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.OIDC_PROVIDERS = [running.settings(server_url="http://localhost:1")]
    response = client.post(LOGIN)
    assert response.status_code == 401
    assert "did not respond correctly" in response.text
    assert "sign-in through institute: unknown ConnectionError" in caplog.text


def test_it_refuses_an_answer_about_two_people(
    client: Client, institute: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenID Connect Core 5.3.2: userinfo for another `sub` than the ID token's must not be used."""
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    monkeypatch.setattr(OpenIDConnectOAuth2Adapter, "_fetch_user_info", lambda self, token: {"sub": "somebody-else"})
    assert come(client, institute, "s-1").status_code == 401
    assert not User.objects.exists()


# Connecting


def test_it_connects_and_disconnects(institute: Provider, owner: User) -> None:
    institute.claims("s-9", preferred_username="whatever", email="elsewhere@uni.example")
    client = Client()
    client.post("/account/login/", {"login": owner.username, "password": PASSWORD})
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    come(client, institute, "s-9", process="connect")
    page = client.get("/account/3rdparty/").text
    assert "Institute" in page
    other = Client()
    come(other, institute, "s-9")
    assert who(other) == "owner"
    client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()


def test_it_keeps_the_last_way_in(client: Client, institute: Provider) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    come(client, institute, "s-1")
    response = client.post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert "no password" in response.text
    assert SocialAccount.objects.exists()


def test_it_does_not_disconnect_somebody_elses(
    institute: Provider, owner: User, sign_in: Callable[[User], Client]
) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example")
    come(Client(), institute, "s-1")
    sign_in(owner).post("/account/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert SocialAccount.objects.exists()


# Groups


@pytest.fixture
def lab(db: None) -> Group:
    return Group.objects.create(slug="neuro", name="Neuro", provider_name=f"{NAME}:/lab/neuro")


@pytest.mark.slow
def test_it_follows_the_groups_of_the_provider(running: Provider, settings: Settings, lab: Group) -> None:
    settings.OIDC_PROVIDERS = [running.settings(groups_claim="realm_access.groups")]

    def sign_in_with(groups: object) -> list[str]:
        running.claims("s-1", preferred_username="eva", email="e@uni.example", realm_access={"groups": groups})
        come(Client(), running, "s-1")
        return list(GroupMember.objects.values_list("user__username", flat=True))

    assert sign_in_with(["/lab/neuro", "/lab/other"]) == ["eva"]
    assert sign_in_with(["/lab/other"]) == []
    assert sign_in_with("/lab/neuro") == ["eva"]
    assert sign_in_with(None) == []


def test_it_follows_groups_only_where_the_settings_say(institute: Provider, lab: Group) -> None:
    institute.claims("s-1", preferred_username="eva", email="eva@uni.example", groups=["/lab/neuro"])
    come(Client(), institute, "s-1")
    assert not GroupMember.objects.exists()


def test_it_gives_no_group_before_the_second_factor(running: Provider, settings: Settings, lab: Group) -> None:
    settings.OIDC_PROVIDERS = [running.settings(groups_claim="groups")]
    running.claims("s-1", preferred_username="eva", email="eva@uni.example", groups=[])
    come(Client(), running, "s-1")
    TOTP.activate(User.objects.get(), generate_totp_secret())
    running.claims("s-1", preferred_username="eva", email="eva@uni.example", groups=["/lab/neuro"])
    client = Client()
    come(client, running, "s-1")
    assert not GroupMember.objects.exists()
    secret = decrypt(Authenticator.objects.get(type="totp").data["secret"])
    client.post("/account/2fa/authenticate/", {"code": code(secret)})
    assert who(client) == "eva"
    assert GroupMember.objects.count() == 1


# Settings and mail


def test_it_reads_providers_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "OIDC_PROVIDERS": "my-uni",
        "OIDC_MY_UNI_ISSUER": "https://sso.uni.example/realms/x/",
        "OIDC_MY_UNI_CLIENT_ID": "us",
        "OIDC_MY_UNI_GROUPS_CLAIM": "groups",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    [found] = oidc_settings.from_environment(Env())
    assert (found["provider_id"], found["name"], found["client_id"]) == ("my-uni", "My-uni", "us")
    assert found["settings"]["server_url"] == "https://sso.uni.example/realms/x"
    assert found["settings"]["oauth_pkce_enabled"]
    assert not found["settings"]["trust_email"]
    monkeypatch.delenv("OIDC_MY_UNI_ISSUER")
    with pytest.raises(ImproperlyConfigured, match="Set OIDC_MY_UNI_ISSUER"):
        oidc_settings.from_environment(Env())
    monkeypatch.setenv("OIDC_PROVIDERS", "My Uni")
    with pytest.raises(ImproperlyConfigured, match="lower-case"):
        oidc_settings.from_environment(Env())


def test_it_names_the_site_in_the_ids_of_mails(settings: Settings) -> None:
    """Not the machine, whose name is nobody's business."""
    EmailMessage("Hello", "Text", to=["a@example.org"]).send()
    assert mail.outbox[0].message()["Message-ID"].endswith("@localhost>")
