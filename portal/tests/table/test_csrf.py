"""Another site's page cannot change anything with somebody's cookies: every changing request needs the form's token."""

import pytest
from django.test import Client

from conftest import PASSWORD
from portal.models import User

from . import admin as admin_rows
from .people import World
from .requests import ask, complain
from .table import Row, all_rows

pytestmark = pytest.mark.django_db

EXEMPT = {
    "_gateway/auth": "the proxy's own question, sent on with the method of what it asks about; it changes nothing",
    "_gateway/arrive": "as above: it leads on, and changes nothing",
    "_gateway/valid-passes": "asked by the relay of WebSockets, which is no browser; it changes nothing",
    "_gateway/lab/keep": "on the Lab's origin: the Origin must be that Lab's own, and only its pass counts",
    "_gateway/lab/state": "as lab/keep",
    "_gateway/lab/stop": "as lab/keep",
    "_gateway/lab/notebook-view": "as lab/keep",
    "_gateway/lab/restore": "as lab/keep",
    "dav": "for programs: it believes a token, and no cookie",
    "dav/": "for programs: it believes a token, and no cookie",
    "dav/<file:path>": "for programs: it believes a token, and no cookie",
    "api2/<file:rest>": "for programs: it believes a token, and no cookie",
    "api/v2.1/<file:rest>": "for programs: it believes a token, and no cookie",
    "seafhttp/<file:rest>": "for programs: it believes a link that a token made, and no cookie",
    "identity/o/authorize": "services may post their question (Core 3.1.2.1): it is asked again as GET",
    "identity/o/logout": "services may post; the answer is a form that asks, with a token of its own",
    "identity/o/device": "always 404",
    "identity/o/api/token": "for programs: it believes the service's secret, and no cookie",
    "identity/o/api/revoke": "for programs: it believes the service's secret, and no cookie",
    "identity/o/api/device/code": "always 404",
    "identity/o/api/userinfo": "for programs: it believes an access token, and no cookie",
}
"""Routes that Django does not ask for a token, and why that is right."""


def changing() -> list[Row]:
    return [row for row in [*all_rows(), *admin_rows.rows()] if row.method != "GET"]


@pytest.mark.slow
def test_it_takes_no_changing_request_without_a_token(world: World) -> None:
    wrong = []
    for row in changing():
        kind = "operator" if row.address.startswith("/admin/") else "administrator"
        status = ask(row, world, world.browser(kind, csrf=True)).status_code
        if row.route not in EXEMPT and status != 403:
            wrong.append(f"{row}: {status} without a token")
    complain(wrong)


def test_it_exempts_what_is_listed_and_nothing_else() -> None:
    exempt = {row.route for row in changing() if getattr(row.match.func, "csrf_exempt", False)}
    assert exempt <= set(EXEMPT)
    assert set(EXEMPT) <= {row.route for row in changing()}


@pytest.mark.slow
@pytest.mark.parametrize("address", ["/identity/o/logout", "/identity/o/authorize"])
def test_it_signs_nobody_out_and_lets_no_service_in_by_a_form_of_another_site(world: World, address: str) -> None:
    client = world.browser("administrator", csrf=True)
    client.post(address, {"action": "logout", "request": "x", "scopes": "openid"})
    client.post(address, {"action": "grant", "op_logout": "1"})
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://owner.lab.localhost:8000"])
def test_it_takes_no_form_from_another_origin_even_with_a_token(owner: User, origin: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/account/login/")
    token = client.cookies["portal_csrf"].value
    form = {"login": "owner", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post("/account/login/", form, headers={"Origin": origin}).status_code == 403
    assert client.post("/account/login/", form).status_code == 302


@pytest.mark.slow
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_it_takes_the_method_from_nowhere_but_the_request(world: World, name: str) -> None:
    client = world.browser("administrator")
    asks = client.get("/collabs/cortex/settings/delete/?_method=POST&typed_title=Cortex", headers={name: "POST"})
    assert asks.status_code == 405
    upload = f"/drive/uploads/{world.names['lib']}/{world.names['upload']}"
    tus = {"Tus-Resumable": "1.0.0", name: "DELETE"}
    assert client.post(upload, {"_method": "DELETE"}, headers=tus).status_code == 405
    assert client.head(upload, headers=tus).status_code == 200
    assert client.get("/collabs/cortex/").status_code == 200
