"""The portal's API from inside real sandboxes, through the real nginx: what works there, and what must not."""

import http.client
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from collabs.services import create_collab
from drive.models import Library
from lab.models import State, StopReason
from lab.servers.services import stop_server

from ..support.people import Person
from ..support.site import Site, forked_only, wait_for

pytestmark = pytest.mark.sandbox


@pytest.fixture
def inside(way: str, lasting: Person) -> Person:
    """Somebody whose Lab runs, started in either way."""
    return lasting


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
        "/_gateway/upload",
        "/_gateway/refused-form",
        "/_gateway/lab/state",
        "/_ask",
        "/_ask_upload",
        "/_refused_form",
        "/_refused_form.html",
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


HOARD = """
import os, resource, signal, socket, time
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

def hoard():
    "As many as there can be, and anew when they were closed."
    held = []
    while True:
        try:
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            one.connect(os.environ["COLLABORATORY_SOCKET"])
            one.send({sent!r})
            held.append(one)
        except OSError:
            time.sleep(0.01)
            held = [old for old in held if not ended(old)]

def ended(old):
    try:
        return old.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True

hoarders = []
for _ in range({processes}):
    child = os.fork()
    if not child:
        hoard()
    hoarders.append(child)
"""
"""Code for a cell: other processes hold all connections to the API's socket that they can get."""


@forked_only
@pytest.mark.parametrize("sent", [b"", b"GET /api/v1/me HTTP/1.1\r\nHost: portal\r\nX-Slow: "])
def test_connections_of_one_lab_leave_the_site_and_other_labs_alone(
    inside: Person, lasting_neighbour: Person, sent: bytes
) -> None:
    other = lasting_neighbour
    kernel, others_kernel = inside.kernel(), other.kernel()
    assert not others_kernel.run("from collaboratory import api").error
    assert not kernel.run(HOARD.format(processes=4, sent=sent), 120).error
    try:
        for _ in range(6):
            kernel.run("time.sleep(1)")  # while they hoard
            assert other.get("/").status_code == 200
            assert other.contents("").status_code == 200
            done = others_kernel.run("print(api('GET', '/me', timeout=5)['username'])")
            assert done.text.strip() == other.user.username, done.error
    finally:
        kernel.run("for child in hoarders: os.kill(child, signal.SIGKILL); os.waitpid(child, 0)")
    ask_me = "from collaboratory import api; print(api('GET', '/me')['username'])"
    # Its relay has to find out first that all those connections are gone.
    wait_for(lambda: kernel.run(ask_me).text.strip() == inside.user.username, 30, "it is not answered again")


@forked_only
def test_many_requests_at_a_time_are_answered_one_after_the_other(inside: Person) -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from collaboratory import api
with ThreadPoolExecutor(40) as threads:
    print(len({one["username"] for one in threads.map(lambda _: api("GET", "/me"), range(120))}))
"""
    done = inside.kernel().run(code, 120)
    assert done.text.strip() == "1", done.error


def test_it_goes_on_after_its_relay_and_says_when_the_proxy_is_away(inside: Person, site: Site) -> None:
    kernel = inside.kernel()
    kernel.run("from collaboratory import api")
    site.kill("api-relay")
    wait_for(site.answers, 30, "the relay did not come back")
    assert kernel.run("print(api('GET', '/me')['username'])").text.strip() == inside.user.username
    proxy, away = settings.RUN_DIR / "api.sock", settings.RUN_DIR / "away.sock"
    proxy.rename(away)
    try:
        assert kernel.run("api('GET', '/me')").error.startswith("PortalError: 503: The portal is restarting")
    finally:
        away.rename(proxy)
    assert kernel.run("print(api('GET', '/me')['username'])").text.strip() == inside.user.username


def test_each_lab_has_a_socket_of_its_own_and_an_earlier_one_the_shared_one(inside: Person) -> None:
    """A Lab that was started by an earlier version sees the directory of the shared one."""
    own = settings.LAB_ROOT / "servers" / inside.server().pk.hex / "portal/portal.sock"
    inode = inside.kernel().run("import os; print(os.stat('/run/lab/portal/portal.sock').st_ino)").text
    assert int(inode) == own.stat().st_ino != (settings.RUN_DIR / "portal/portal.sock").stat().st_ino
    assert ask("/api/v1/me", token_of(inside))[0] == 200  # on the shared one


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


@forked_only
def test_it_is_worth_nothing_when_the_lab_has_ended(inside: Person) -> None:
    token = token_of(inside)
    assert ask("/api/v1/me", token)[0] == 200
    stop_server(inside.user, inside.server(), StopReason.ASKED)
    wait_for(lambda: inside.server().state == State.STOPPED, 60, "it did not stop")
    assert ask("/api/v1/me", token)[0] == 401
    inside.launch()
    assert ask("/api/v1/me", token)[0] == 401
    assert ask("/api/v1/me", token_of(inside))[0] == 200


def test_nobody_finds_it_in_another_lab_and_nobody_changes_it(inside: Person, lasting_neighbour: Person) -> None:
    token, kernel = token_of(inside), lasting_neighbour.kernel()
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
