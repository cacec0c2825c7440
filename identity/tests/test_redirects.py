"""Where answers go: only to what is registered, and errors too."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as Service
from django.core.exceptions import ValidationError
from django.test import Client

from portal.models import User

from .conftest import BACK, SECRET, Hub, answer, came_back, registered

pytestmark = pytest.mark.django_db


def leads(browser: Client, hub: Hub, address: str) -> Any:
    """Where a browser ends that says no; None for our own page of errors."""
    page = browser.get(hub.question(redirect_uri=address))
    if page.status_code == 400:
        assert not {"Location", "Refresh"} & set(page.headers)
        return None
    return answer(browser, page, "", "cancel")["Refresh"].removeprefix("0; url=").partition("?")[0]


@pytest.mark.parametrize(
    ("registered_as", "asked", "right"),
    [
        ("http://127.0.0.1/back", "http://127.0.0.1:53117/back", True),
        ("http://127.0.0.1:8000/back", "http://127.0.0.1:53117/back", True),
        ("http://127.0.0.1:8000/back", "http://127.0.0.1/back", True),
        ("http://[::1]/back", "http://[::1]:53117/back", True),
        ("http://127.0.0.1/back", "http://[::1]:53117/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:53117/back/", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:53117/back?x=1", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:53117/BACK", False),
        ("http://127.0.0.1/back", "https://127.0.0.1:53117/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.2:53117/back", False),
        ("http://127.0.0.1/back", "http://localhost:53117/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:80@evil.example/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:1.evil.example/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.1.evil.example/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:99999/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:\uff11/back", False),
        ("http://127.0.0.1/back", "http://127.0.0.1:/back", False),
        ("http://localhost:8000/back", "http://localhost:8000/back", True),
        ("http://localhost:8000/back", "http://localhost:9000/back", False),
        ("http://localhost/back", "http://localhost:9000/back", False),
        ("https://127.0.0.1:8000/back", "https://127.0.0.1:9000/back", False),
        ("https://app.example/back?a=1", "https://app.example/back?a=1", True),
        ("https://app.example/back?a=1", "https://app.example/back?a=1&b=2", False),
        ("https://app.example/back", "https://app.example/back?", False),
        ("https://app.example/back", "https://APP.example/back", False),
        ("https://app.example/back", "https://app.example:443/back", False),
        ("org.example.app:/back", "org.example.app:/back", True),
        ("org.example.app:/back", "org.example.app:/other", False),
    ],
)
def test_it_leads_to_what_is_registered_and_on_loopback_to_any_port(
    hub: Hub, browser: Client, registered_as: str, asked: str, right: bool
) -> None:
    """RFC 9700, 2.1; RFC 8252, 7.3."""
    Service.objects.update(redirect_uris=registered_as)
    assert leads(browser, hub, asked) == (asked.partition("?")[0] if right else None)


def test_it_gives_a_program_its_tokens_at_the_port_that_it_listened_on(browser: Client) -> None:
    program = registered("cli", "Program", type="public")
    Service.objects.update(redirect_uris="http://127.0.0.1/back")
    here = "http://127.0.0.1:53117/back"
    page = browser.get(program.question(redirect_uri=here))
    code = came_back(answer(browser, page, program.scope), here)["code"]
    other_port = {"redirect_uri": "http://127.0.0.1:53118/back"}
    again = came_back(answer(browser, page, program.scope), here)["code"]
    assert program.exchange(again, **other_port).status_code == 400
    assert program.exchange(code, redirect_uri=here).status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code_challenge": ""}, "Code challenge required"),
        ({"code_challenge": "", "code_challenge_method": ""}, "Code challenge required"),
        ({"code_challenge_method": "plain"}, "Transform algorithm not supported"),
        ({"code_challenge_method": ""}, "Transform algorithm not supported"),
        ({"code_challenge": "too-short"}, "not a SHA-256 hash"),
        ({"code_challenge": "x" * 129}, "not a SHA-256 hash"),
    ],
)
def test_it_tells_the_service_what_is_wrong_with_its_pkce(
    hub: Hub, browser: Client, changes: dict[str, str], said: str
) -> None:
    """RFC 7636, 4.4.1: back to the service, as RFC 6749, 4.1.2.1 says, whether or not anybody is signed in."""
    for someone in (browser, Client()):
        told = came_back(someone.get(hub.question(**changes)))
        assert (told["error"], told["state"]) == ("invalid_request", "the-state")
        assert said in told["error_description"]
        assert "code" not in told


def test_it_tells_a_service_that_is_not_known_nothing(hub: Hub, browser: Client) -> None:
    for changes in ({"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}, {"redirect_uri": ""}):
        response = browser.get(hub.question(code_challenge="", **changes))
        assert response.status_code == 400
        assert not {"Location", "Refresh"} & set(response.headers)


# What cannot be saved


@pytest.mark.parametrize("nothing", ["", " ", "\n \n"])
def test_no_service_is_saved_without_an_address(hub: Hub, nothing: str) -> None:
    with pytest.raises(ValidationError, match="redirect address"):
        Service.objects.create(id="new", name="New", redirect_uris=nothing)
    hub.service.redirect_uris = nothing
    with pytest.raises(ValidationError, match="redirect address"):
        hub.service.save()
    assert Service.objects.get().get_redirect_uris() == [BACK]


def test_a_service_of_an_older_site_without_an_address_gets_a_new_secret_and_no_code(
    hub: Hub, browser: Client, operator: User, sign_in: Callable[[User], Client]
) -> None:
    Service.objects.update(redirect_uris="")
    sign_in(operator).post("/admin/allauth_idp_oidc/client/", {"action": "new_secret", "_selected_action": ["hub"]})
    assert not Service.objects.get().check_secret(SECRET)
    assert browser.get(hub.question()).status_code == 400
