"""The portal's API from inside real sandboxes, through the real nginx: what works there, and what must not."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings

from collabs.services import create_collab
from drive.models import Library
from lab.models import State, StopReason
from lab.servers.services import stop_server

from ..support.people import Person
from ..support.site import Site, launched_by, wait_for

pytestmark = pytest.mark.sandbox


@pytest.fixture(params=["fork", "exec"])
def inside(request: pytest.FixtureRequest, site: Site, person: Callable[..., Person]) -> Iterator[Person]:
    """Somebody whose Lab runs, started in either way."""
    someone = person("inside")
    with launched_by(site, request.param):
        someone.launch()
        yield someone


def test_a_notebook_asks_the_api_as_its_person(inside: Person) -> None:
    collab = create_collab(inside.user, title=f"Cortex of {inside.user.username}")
    library = Library.objects.get(owner_user=inside.user, is_default=True)
    kernel = inside.kernel()
    assert not kernel.run("from collaboratory import api, portal_token, PortalError").error
    assert kernel.run("print(api('GET', '/me')['username'])").text.strip() == inside.user.username
    found = kernel.run("print([one['slug'] for one in api('GET', '/collabs', mine=True)['items']])").text
    assert found.strip() == str([collab.slug])
    address = f"/libraries/{library.pk}/files/a b.json"
    done = kernel.run(f"api('PUT', {address!r}, b'[1, 2]'); print(api('GET', {address!r}))")
    assert done.text.strip() == "b'[1, 2]'", done.error
    assert kernel.run("print(open('drive/My Libraries/My Library/a b.json').read())").text.strip() == "[1, 2]"
    refused = kernel.run("api('POST', '/collabs', {'title': 'x'})").error
    assert refused.startswith("PortalError: 403: This requires a token with the scope")
    curl = (
        'curl -s --unix-socket $COLLABORATORY_SOCKET -H "Authorization: Bearer $(cat $COLLABORATORY_TOKEN_FILE)" '
        "$COLLABORATORY_API/me"
    )
    said = kernel.run(f"import subprocess; print(subprocess.run({curl!r}, shell=True, capture_output=True).stdout)")
    assert inside.user.username in said.text


def test_it_goes_on_after_nginx_and_after_the_portal(inside: Person, site: Site) -> None:
    kernel = inside.kernel()
    kernel.run("from collaboratory import api")
    for name in ("web", "proxy"):
        site.kill(name)
        wait_for(site.answers, 30, "the site did not come back")
    kernel.socket = kernel.connect()
    assert kernel.run("print(api('GET', '/me')['username'])").text.strip() == inside.user.username


class FromOutside(http.client.HTTPConnection):
    """A request on the Labs' socket, made here: what code in a sandbox could send, byte by byte."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(settings.RUN_DIR / "portal/portal.sock"))


def ask(path: str, token: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    """Status and body."""
    connection = FromOutside("portal")
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request(method, path, headers=sent | {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if "json" in answer.getheader("Content-Type", "") else content


def token_of(someone: Person) -> str:
    """As a hostile notebook would carry it away."""
    token = someone.kernel().run("from collaboratory import portal_token; print(portal_token())").text.strip()
    assert token.startswith("lab_")
    return token


def test_there_is_nothing_but_the_api(inside: Person) -> None:
    token = token_of(inside)
    library = Library.objects.get(owner_user=inside.user, is_default=True)
    assert ask("/api/v1/me", token)[0] == 200
    pages = [
        "/",
        "/account/login/",
        "/admin/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/static/css/base.css",
        "/api/",
        "/lab/",
    ]
    pages += [
        "/_gateway/auth",
        "/_gateway/signed-in",
        "/_gateway/lab/state",
        "/_ask",
        "/_signed_in",
        "/_drive/private/x",
    ]
    pages += [
        f"/drive/{library.pk}/x",
        "/drive/uploads/",
        "//admin/",
        "/api/v1/../../admin/",
        "/api/v1/%2e%2e/%2e%2e/admin/",
    ]
    pages += ["/.collaboratory/state", "/collabs/x/files/y", "/_nothing_else", "/_not_of_lab"]
    for path in pages:
        for method in ("GET", "POST", "PUT"):
            assert ask(path, token, method)[0] in (404, 405, 400), (method, path)


def test_it_takes_no_other_token_or_cookie(inside: Person) -> None:
    cookie = f"{settings.SESSION_COOKIE_NAME}={inside.session_key}"
    assert ask("/api/v1/me", "")[0] == 401
    assert ask("/api/v1/me", "", Cookie=cookie)[0] == 401
    assert ask("/api/v1/me", "clb_" + "x" * 48)[0] == 401
    assert ask("/api/v1/me", "", Authorization="Basic YTpi")[0] == 401
    assert ask("/api/v1/me", "lab_" + "0" * 32 + ":1:x", Cookie=cookie)[0] == 401


def test_it_believes_nothing_that_is_sent_along(inside: Person, person: Callable[..., Person]) -> None:
    token, other = token_of(inside), person("other")
    forged = {
        "X_Forwarded_For": "127.0.0.1",
        "X_Real_IP": "127.0.0.1",
        "X_Forwarded_Host": "evil.example",
        "Host": f"{other.user.username}.{settings.LAB_DOMAIN}",
        "X_Lab_User": other.user.username,
        "X_Original_URI": "/admin/",
        "X_Body_File": "/etc/passwd",
    }
    status, me = ask("/api/v1/me", token, **forged)
    assert (status, me["username"]) == (200, inside.user.username)
    assert "evil" not in json.dumps(ask("/api/v1/collabs", token, **forged)[1])
    library = Library.objects.get(owner_user=inside.user, is_default=True)
    ask(f"/api/v1/libraries/{library.pk}/files/stolen", token, "PUT", **forged)
    assert b"root" not in inside.contents("My Libraries/My Library/stolen").content


def test_it_is_worth_nothing_when_the_lab_has_ended(inside: Person) -> None:
    token = token_of(inside)
    assert ask("/api/v1/me", token)[0] == 200
    stop_server(inside.user, inside.server(), StopReason.ASKED)
    wait_for(lambda: inside.server().state == State.STOPPED, 60, "it did not stop")
    assert ask("/api/v1/me", token)[0] == 401
    inside.launch()
    assert ask("/api/v1/me", token)[0] == 401
    assert ask("/api/v1/me", token_of(inside))[0] == 200


def test_nobody_finds_it_in_another_lab_and_nobody_changes_it(inside: Person, person: Callable[..., Person]) -> None:
    token, other = token_of(inside), person("other")
    other.launch()
    kernel = other.kernel()
    search = (
        "import glob, os\n"
        "def read(path):\n"
        "    try: return open(path, 'rb').read(2**20)\n"
        "    except OSError: return b''\n"
        "seen = [path for path in glob.glob('/run/**', recursive=True) + glob.glob('/proc/[0-9]*/environ') "
        f"+ glob.glob('/proc/[0-9]*/cmdline') if {token.encode()!r} in read(path)]\nprint(seen)"
    )
    assert kernel.run(search).text.strip() == "[]"
    for target in ("token/token", "token/new", "portal/portal.sock", "portal/new"):
        assert kernel.run(f"open('/run/lab/{target}', 'w')").error
    assert kernel.run("import os; os.unlink('/run/lab/portal/portal.sock')").error
    assert "lab_" not in kernel.run("import os; print(dict(os.environ))").text
