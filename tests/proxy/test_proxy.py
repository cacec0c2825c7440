"""The proxy keeps origins apart: what browsers may say, what Labs may learn, and what goes on without the portal."""

import html
import json
import os
import re
import threading
import time
from pathlib import Path

import pytest

from ..support.proxy_backends import Answer, Proxy, Request, read_answer
from ..support.site import eventually, wait_for

pytestmark = pytest.mark.sandbox


# What the portal believes

FORGED = {
    "X-Lab-User": "victim",
    "X-Lab-Server": "f" * 32,
    "X-Lab-Token": "guess",
    "X-Body-File": "/etc/passwd",
    "X-Real-IP": "10.0.0.1",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Links-At": "http://evil.example",
    "X-Original-URI": "/else",
    "X-Original-Method": "GET",
    "X-Original-Length": "70",
    "X-Request-ID": "0" * 32,
}
PORTAL_PATHS = ["/", "/drive/00000000-0000-4000-8000-000000000000/a", "/collabs/cortex/files/a"]
PORTAL_PATHS += ["/api/v1/libraries/00000000-0000-4000-8000-000000000000/files/a"]


def forged(request: Request) -> list[str]:
    """Names of the headers that reached a backend as they were forged."""
    return [name for name, value in FORGED.items() if value in request.headers.get(name.lower(), [])]


@pytest.mark.parametrize("target", PORTAL_PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_it_overwrites_what_only_the_proxy_may_say(proxy: Proxy, target: str, method: str) -> None:
    headers = [f"{name}: {value}" for name, value in FORGED.items()]
    headers += [f"{name.replace('-', '_')}: {value}" for name, value in FORGED.items()]
    assert proxy.ask(target, *headers, method=method, body=b"x").status == 200
    request = proxy.portal.last()
    told = {"x-lab-server", "x-lab-token"} & set(request.headers)  # answers have these, the portal reads them nowhere
    assert set(forged(request)) - {"X-Original-Method"} <= {"X-Lab-Server", "X-Lab-Token"}, told
    assert request.header("X-Lab-User") is None
    assert not any("_" in name for name in request.headers)


def test_it_tells_the_portal_its_own_name_and_who_asks(proxy: Proxy) -> None:
    proxy.ask("/")
    request = proxy.portal.last()
    assert request.header("Host") == f"localhost:{proxy.port}"
    assert request.header("X-Real-IP") == "127.0.0.1"
    assert request.header("X-Forwarded-Proto") == "http"
    assert request.header("X-Body-File") is None


NUMBER = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize("target", [*PORTAL_PATHS, "/account/login/"])
def test_it_numbers_every_request_for_the_portal_and_its_own_log(proxy: Proxy, target: str) -> None:
    proxy.ask(target, "X-Request-ID: mine", "X_Request_ID: mine")
    number = str(proxy.portal.last().header("X-Request-ID"))
    assert NUMBER.fullmatch(number)
    assert logged(proxy, number).endswith(f" {number}")


def logged(proxy: Proxy, number: str) -> str:
    """The access log's line about a request, which is written just after the answer."""
    log = eventually((proxy.directory / "log/access.log").read_text, number)
    (line,) = [line for line in log.splitlines() if number in line]
    return line


def test_it_asks_about_an_upload_under_the_uploads_own_number(proxy: Proxy) -> None:
    proxy.ask(UPLOAD, method="PUT", body=b"x")
    asked, upload = proxy.portal.seen
    assert asked.target == "/_gateway/upload"
    assert asked.header("X-Request-ID") == upload.header("X-Request-ID")


def test_it_numbers_what_a_lab_is_asked_and_lets_it_say_no_other(proxy: Proxy) -> None:
    proxy.jupyter.reply = lambda request: Answer(headers={"X-Request-ID": "of the lab"})
    answer = proxy.lab("/lab")
    assert answer.headers["x-request-id"] == proxy.portal.last("/_gateway/auth").header("X-Request-ID")


def test_it_writes_a_log_for_programs(proxy: Proxy) -> None:
    proxy.stop()
    proxy.start(LOG_FORMAT="json")
    proxy.ask('/l/opens-something/"x"')
    line = json.loads(logged(proxy, str(proxy.portal.last().header("X-Request-ID"))))
    assert (line["process"], line["status"], line["uri"]) == ("proxy", 200, '/l/-/"x"')


def number_on(answer: Answer) -> str:
    """The request's number, which the page and the header must both have."""
    number = answer.headers["x-request-id"]
    assert NUMBER.fullmatch(number)
    assert number.encode() in answer.body
    return number


def test_its_own_pages_have_the_number_the_sites_look_and_a_strict_policy(proxy: Proxy) -> None:
    site = f"http://localhost:{proxy.port}"
    proxy.portal.stop()
    for answer in (
        proxy.ask("/collabs/"),
        proxy.ask(UPLOAD),
        proxy.ask(UPLOAD, method="PUT", body=b"x"),
        proxy.lab("/"),
    ):
        assert (answer.status, answer.headers["retry-after"]) == (502, "3"), answer
        assert f'href="{site}/static/css/base.css"'.encode() in answer.body
        assert b"<!--#" not in answer.body
        assert b"<style" not in answer.body
        assert f"default-src 'none'; style-src {site}" in answer.headers["content-security-policy"]
        assert logged(proxy, number_on(answer))


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/v1/me"),
        ("PUT", "/api/v1/libraries/00000000-0000-4000-8000-000000000000/files/a"),
        ("POST", "/api/v1/libraries/00000000-0000-4000-8000-000000000000/files/a"),
        ("GET", "/rest/v1/collabs"),
        ("GET", "/api2/repos/"),
        ("POST", "/seafhttp/upload-api/0123456789abcdef"),
    ],
)
def test_it_tells_programs_in_json_that_the_portal_is_away(proxy: Proxy, method: str, target: str) -> None:
    proxy.portal.stop()
    proxy.webdav.stop()
    answer = proxy.ask(target, method=method, body=b"" if method == "GET" else b"x")
    assert (answer.status, answer.headers["content-type"]) == (502, "application/json")
    assert answer.headers["retry-after"] == "3"
    said = json.loads(answer.body)
    assert (said["status"], said["error"], said["request_id"]) == (502, "bad_gateway", number_on(answer))


@pytest.mark.parametrize("name", ["Neuro Hub", 'A “B” & "C" \\ $host {x}; # <b>'])
def test_its_own_pages_have_the_sites_name(proxy: Proxy, name: str) -> None:
    proxy.stop()
    proxy.start(SITE_NAME=name)
    proxy.portal.stop()
    body = proxy.ask("/collabs/").body.decode()
    assert f"<title>Back in a moment · {html.escape(name)}</title>" in body
    assert "Collaboratory" not in body


@pytest.mark.parametrize("target", ["/account/login/", "/drive/00000000-0000-4000-8000-000000000000/a"])
def test_it_says_on_a_page_that_something_is_too_large(proxy: Proxy, target: str) -> None:
    head = f"GET {target} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nContent-Length: {2**37}\n\n"
    with proxy.connect(head) as connection:
        answer = read_answer(connection)
    assert answer.status == 413
    assert b"<h1>Too large</h1>" in answer.body
    assert "retry-after" not in answer.headers
    assert number_on(answer)


@pytest.mark.parametrize("target", ["/api/v1/me", "/api/v1/libraries/00000000-0000-4000-8000-000000000000/files/a"])
def test_it_tells_programs_in_json_that_something_is_too_large(proxy: Proxy, target: str) -> None:
    head = f"POST {target} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nContent-Length: {2**37}\n\n"
    with proxy.connect(head) as connection:
        answer = read_answer(connection)
    assert (answer.status, answer.headers["content-type"]) == (413, "application/json")
    assert json.loads(answer.body)["request_id"] == number_on(answer)


@pytest.mark.parametrize("target", ["/_away.html", "/_away.json", "/_too_large.html", "/_too_large.json"])
def test_it_serves_its_own_pages_to_nobody_who_asks(proxy: Proxy, target: str) -> None:
    assert proxy.ask(target).status == 404


@pytest.mark.parametrize(
    "target",
    ["/_gateway/auth", "//_gateway/auth", "/%5Fgateway/auth", "/x/../_gateway/auth", "/x/%2e%2e/_gateway/lab/enter"],
)
def test_it_keeps_the_gateway_from_the_portals_origin(proxy: Proxy, target: str) -> None:
    assert proxy.ask(target, "X-Lab-User: ada").status == 404
    assert proxy.portal.seen == []


@pytest.mark.parametrize(
    "target", ["/.collaboratory/../auth", "/.collaboratory/%2e%2e/auth", "/.collaboratory/..%2Fauth"]
)
def test_it_offers_a_lab_only_its_own_part_of_the_gateway(proxy: Proxy, target: str) -> None:
    proxy.lab(target)
    assert all(request.target == "/_gateway/auth" for request in proxy.portal.seen)  # the proxy's own question
    assert proxy.jupyter.seen


def test_it_hands_the_way_into_a_lab_to_the_portal(proxy: Proxy) -> None:
    proxy.lab("/.collaboratory/enter?ticket=t", "X-Lab-User: victim", "Cookie: lab_state=s")
    request = proxy.portal.last()
    assert request.target == "/_gateway/lab/enter?ticket=t"
    assert request.header("X-Lab-User") == "ada"
    assert request.header("Cookie") == "lab_state=s"
    assert proxy.jupyter.seen == []


def test_it_writes_no_ticket_into_its_log(proxy: Proxy) -> None:
    proxy.lab("/.collaboratory/enter?ticket=sesame")
    log = eventually((proxy.directory / "log/access.log").read_text, "/.collaboratory/enter")
    assert "sesame" not in log


def test_it_knows_no_other_names(proxy: Proxy) -> None:
    answer = proxy.ask("/collabs/", host=f"127.0.0.1:{proxy.port}")
    assert (answer.status, answer.headers["location"]) == (302, f"http://localhost:{proxy.port}/collabs/")
    for host in ("evil.example", "lab.localhost", "a.b.lab.localhost", "-a.lab.localhost", "ada.lab.localhost.evil"):
        assert proxy.ask("/", host=host).headers["location"] == f"http://localhost:{proxy.port}/"
    assert proxy.portal.seen == proxy.jupyter.seen == []


def test_it_serves_a_public_site_behind_tls(proxy: Proxy) -> None:
    proxy.stop()
    proxy.start("https://portal.example.org", "lab.example.net")
    assert proxy.ask("/", host="portal.example.org").body == b"page"
    request = proxy.portal.last()
    assert (request.header("Host"), request.header("X-Forwarded-Proto")) == ("portal.example.org", "https")
    assert proxy.ask("/", host="ada.lab.example.net").body == b"jupyter"
    assert proxy.jupyter.last().header("Host") == "ada.lab.example.net"
    for host in ("localhost", "ada.lab.localhost", "lab.example.net", "ada.labxexample.net"):
        assert proxy.ask("/", host=host).status == 421


# What a Lab learns


def test_it_asks_about_a_request_and_hands_it_on_with_the_servers_token(proxy: Proxy) -> None:
    answer = proxy.lab(
        "/api/contents/a%20b?x=1", "Origin: http://o", "Sec-Fetch-Site: same-origin", "Cookie: lab_pass=p"
    )
    assert answer.body == b"jupyter"
    asked = proxy.portal.last("/_gateway/auth")
    assert asked.method == "GET"
    assert asked.header("X-Lab-User") == "ada"
    assert asked.header("X-Original-URI") == "/api/contents/a%20b?x=1"
    assert asked.header("X-Original-Method") == "GET"
    assert asked.header("Origin") == "http://o"
    assert asked.header("Sec-Fetch-Site") == "same-origin"
    assert asked.header("Cookie") == "lab_pass=p"
    request = proxy.jupyter.last()
    assert request.target == "/api/contents/a%20b?x=1"
    assert request.header("Host") == proxy.lab_host
    assert request.header("Authorization") == "token the-token"


def test_it_replaces_a_browsers_authorization(proxy: Proxy) -> None:
    proxy.lab("/", "Authorization: token mine")
    assert proxy.jupyter.last().header("Authorization") == "token the-token"


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("lab_pass=a", None),
        ("_xsrf=1; lab_pass=a", "_xsrf=1;"),
        ("lab_pass=a; _xsrf=1", "_xsrf=1"),
        ("a=1; lab_state=b; c=2; lab_pass=d; e=3", "a=1; c=2; e=3"),
        ("__Host-lab_pass=a; __Host-lab_state=b; __Host-portal=c; __Host-csrf=d; x=1", "x=1"),
        ("portal=a; portal_csrf=b; x=1", "x=1"),
        ("my_lab_pass=1; portalx=2", "my_lab_pass=1; portalx=2"),
        ("lab_pass=a; x=1; lab_pass=b", None),
        ("x=1;lab_pass=a;y=2", "x=1;y=2"),
    ],
)
def test_it_shows_a_lab_none_of_our_cookies(proxy: Proxy, sent: str, passed: str | None) -> None:
    proxy.lab("/", f"Cookie: {sent}")
    assert proxy.jupyter.last().header("Cookie") == passed


def test_it_shows_a_lab_none_of_our_cookies_in_a_second_header(proxy: Proxy) -> None:
    proxy.lab("/", "Cookie: x=1", "Cookie: lab_pass=secret")
    assert "secret" not in str(proxy.jupyter.last().headers)


def test_it_guards_the_pages_of_a_lab(proxy: Proxy) -> None:
    answer = proxy.lab("/lab")
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_it_does_nothing_that_a_labs_answer_asks_of_it(proxy: Proxy) -> None:
    (proxy.drive / "secret").write_text("secret")
    asked = {"X-Accel-Redirect": "/_drive/secret", "X-Accel-Buffering": "yes", "X-Accel-Limit-Rate": "1"}
    proxy.jupyter.reply = lambda request: Answer(200, asked, b"own")
    assert proxy.lab("/").body == b"own"


def test_it_passes_a_websocket_both_ways(proxy: Proxy) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    proxy.jupyter.reply = lambda request: Answer(101, upgrade)
    text = f"GET /api/kernels/k/channels HTTP/1.1\nHost: {proxy.lab_host}\nUpgrade: websocket\nConnection: Upgrade\n\n"
    with proxy.connect(text) as connection:
        assert b" 101 " in connection.recv(65536)
        connection.sendall(b"ping")
        assert connection.recv(65536) == b"ping"
    assert proxy.portal.last("/_gateway/auth").header("X-Original-Upgrade") == "websocket"
    assert proxy.portal.last("/_gateway/auth").header("Upgrade") is None
    assert proxy.jupyter.last().header("Upgrade") == "websocket"


def test_it_streams_a_large_request_into_a_lab(proxy: Proxy) -> None:
    body = os.urandom(2**20) * 20
    assert proxy.lab("/api/contents/big", method="PUT", body=body).body == b"jupyter", proxy.errors()
    assert proxy.jupyter.last().body == body
    assert proxy.portal.last("/_gateway/auth").body == b""


# When the portal says no, or nothing


@pytest.mark.parametrize("status", [401, 403])
def test_it_asks_the_portal_what_to_say_where_nobody_may_pass(proxy: Proxy, status: int) -> None:
    proxy.auth = Answer(status)
    proxy.page = lambda request: Answer(302, {"Location": "http://localhost/lab/enter"})
    answer = proxy.lab("/lab/tree/drive?x=1", "Accept: text/html")
    assert (answer.status, answer.headers["location"]) == (302, "http://localhost/lab/enter")
    request = proxy.portal.last()
    assert request.target.startswith("/_gateway/arrive")
    assert request.header("X-Original-URI") == "/lab/tree/drive?x=1"
    assert request.header("X-Lab-User") == "ada"
    assert proxy.jupyter.seen == []


def test_it_answers_a_refused_post_and_websocket_shortly(proxy: Proxy) -> None:
    proxy.auth = Answer(401)
    proxy.page = lambda request: Answer(401, {"Content-Type": "application/json"}, b'{"message": "no"}')
    for method, headers in (("POST", []), ("DELETE", []), ("GET", ["Upgrade: websocket", "Connection: Upgrade"])):
        answer = proxy.lab("/api/kernels", *headers, method=method)
        assert (answer.status, answer.body) == (401, b'{"message": "no"}')
        request = proxy.portal.last()
        assert (request.method, request.body, request.header("Upgrade")) == ("GET", b"", None)
        assert request.header("X-Original-Method") == method
    assert proxy.jupyter.seen == []


def test_it_does_not_read_the_body_of_a_refused_request(proxy: Proxy) -> None:
    proxy.auth = Answer(401)
    head = f"PUT /api/contents/big HTTP/1.1\nHost: {proxy.lab_host}\nConnection: close\nContent-Length: {2**35}\n\n"
    with proxy.connect(head) as connection:
        answer = read_answer(connection)
    assert answer.status == 503
    assert b"Open your Lab in another tab" in answer.body
    assert not proxy.portal.count("/_gateway/arrive")


def test_it_asks_the_portal_what_to_say_for_a_server_that_does_not_answer(proxy: Proxy) -> None:
    proxy.jupyter.stop()
    proxy.page = lambda request: Answer(503, body=b"start it again")
    assert proxy.lab("/lab").body == b"start it again"


def test_it_leaves_a_labs_own_errors_alone(proxy: Proxy) -> None:
    proxy.jupyter.reply = lambda request: Answer(403, body=b"jupyter's own")
    assert proxy.lab("/api").body == b"jupyter's own"


def test_it_believes_the_portal_for_two_seconds(proxy: Proxy) -> None:
    began = time.monotonic()
    for _ in range(10):
        proxy.lab("/", "Cookie: lab_pass=p")
    assert proxy.portal.count("/_gateway/auth") <= 2 + (time.monotonic() - began) // 2
    proxy.auth = Answer(401)
    time.sleep(3.1)
    proxy.lab("/", "Cookie: lab_pass=p")
    assert proxy.portal.last().target.startswith("/_gateway/arrive")


@pytest.mark.parametrize(
    "headers",
    [["Cookie: lab_pass=other"], ["Origin: http://evil"], ["Sec-Fetch-Site: same-site"], ["Sec-Fetch-Mode: cors"],
     ["Sec-Fetch-Dest: iframe"], ["Upgrade: websocket"]],
)  # fmt: skip
def test_it_asks_again_about_a_request_that_differs(proxy: Proxy, headers: list[str]) -> None:
    proxy.lab("/", "Cookie: lab_pass=p")
    proxy.auth = Answer(403)
    first = [] if "Cookie" in headers[0] else ["Cookie: lab_pass=p"]
    proxy.lab("/", *first, *headers)
    assert proxy.portal.last().target.startswith("/_gateway/arrive")
    assert len(proxy.jupyter.seen) == 1


@pytest.mark.parametrize(("name", "method"), [("ada", "POST"), ("ada", "DELETE"), ("eve", "GET")])
def test_it_asks_again_about_another_method_and_another_lab(proxy: Proxy, name: str, method: str) -> None:
    proxy.lab("/", "Cookie: lab_pass=p")
    proxy.auth = Answer(403)
    proxy.ask("/", "Cookie: lab_pass=p", host=proxy.lab_host.replace("ada", name), method=method)
    assert proxy.portal.last().target.startswith("/_gateway/arrive")
    assert len(proxy.jupyter.seen) == 1


def test_it_lets_running_notebooks_go_on_while_the_portal_is_down(proxy: Proxy) -> None:
    assert proxy.lab("/", "Cookie: lab_pass=p").body == b"jupyter"
    proxy.portal.stop()
    time.sleep(3.1)
    assert proxy.lab("/", "Cookie: lab_pass=p").body == b"jupyter"
    stranger = proxy.lab("/", "Cookie: lab_pass=unknown")
    assert stranger.status == 502
    assert b"The portal is restarting" in stranger.body
    proxy.portal.start()
    assert proxy.lab("/", "Cookie: lab_pass=p").body == b"jupyter"


def test_it_does_not_let_in_again_who_was_shut_out_before_the_portal_went_down(proxy: Proxy) -> None:
    proxy.lab("/", "Cookie: lab_pass=p")
    proxy.auth = Answer(401)
    time.sleep(3.1)
    proxy.lab("/", "Cookie: lab_pass=p")
    proxy.portal.stop()
    time.sleep(2.1)
    assert proxy.lab("/", "Cookie: lab_pass=p").status == 502
    assert len(proxy.jupyter.seen) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_says_that_the_portal_restarts(proxy: Proxy, method: str) -> None:
    proxy.portal.stop()
    answer = proxy.ask("/collabs/", method=method)
    assert answer.status == 502
    assert b"The portal is restarting" in answer.body
    assert answer.headers["retry-after"] == "3"


# Files


def test_it_sends_a_file_only_when_the_portal_says_so(proxy: Proxy) -> None:
    (proxy.drive / "file").write_text("content")
    assert proxy.ask("/_drive/file").status == 404
    proxy.page = lambda request: Answer(headers={"X-Accel-Redirect": "/_drive/file"})
    answer = proxy.ask("/drive/x")
    assert answer.body == b"content"
    assert answer.headers["content-security-policy"].startswith("sandbox")


def test_it_hands_on_the_portals_version_of_a_file(proxy: Proxy) -> None:
    (proxy.drive / "file").write_text("content")
    proxy.page = lambda request: Answer(headers={"X-Accel-Redirect": "/_drive/file", "ETag": '"ours"'})
    assert proxy.ask("/drive/x").headers["etag"] == '"ours"'
    part = proxy.ask("/drive/x", "Range: bytes=0-2", 'If-Range: "ours"')
    assert (part.status, part.body) == (206, b"con")
    whole = proxy.ask("/drive/x", "Range: bytes=0-2", 'If-Range: "older"')
    assert (whole.status, whole.body) == (200, b"content")


@pytest.mark.parametrize("name", ["link", "to_directory/secret", "hard/../link"])
def test_it_follows_no_link_in_a_library(proxy: Proxy, name: str) -> None:
    outside = proxy.directory / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (proxy.drive / "link").symlink_to(outside / "secret")
    (proxy.drive / "to_directory").symlink_to(outside)
    proxy.page = lambda request: Answer(headers={"X-Accel-Redirect": f"/_drive/{name}"})
    answer = proxy.ask("/drive/x")
    assert answer.status in (403, 404)
    assert b"secret" not in answer.body


def test_it_lets_hashed_files_be_kept_and_others_asked_for_again(proxy: Proxy) -> None:
    for name in ("site.css", "site.0123456789ab.css"):
        (proxy.directory / "static" / name).write_text("a{}")
    assert proxy.ask("/static/site.css").headers["cache-control"] == "no-cache"
    assert "immutable" in proxy.ask("/static/site.0123456789ab.css").headers["cache-control"]


UPLOAD = "/drive/00000000-0000-4000-8000-000000000000/big.bin"
API_UPLOAD = "/api/v1/libraries/00000000-0000-4000-8000-000000000000/files/big.bin"


@pytest.mark.parametrize("target", [UPLOAD, API_UPLOAD])
def test_it_writes_an_upload_to_disk_and_sends_only_its_name(proxy: Proxy, target: str) -> None:
    kept = proxy.directory / "kept"

    def take(request: Request) -> Answer:
        Path(str(request.header("X-Body-File"))).rename(kept)
        return Answer(204)

    proxy.page = take
    part, parts = os.urandom(2**20), 200
    head = (
        f"PUT {target} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nContent-Length: {parts * 2**20}\n\n"
    )
    with proxy.connect(head) as connection:
        for _ in range(parts):
            connection.sendall(part)
        assert read_answer(connection).status == 204
    request = proxy.portal.last()
    assert (request.method, request.target, request.body) == ("PUT", target, b"")
    assert request.header("Content-Length") in (None, "0")
    assert Path(str(request.header("X-Body-File"))).parent == proxy.drive / "staging/nginx"
    assert kept.stat().st_size == parts * 2**20
    assert kept.read_bytes() == part * parts


def test_it_reads_no_upload_of_somebody_who_is_not_signed_in(proxy: Proxy) -> None:
    proxy.may_store = Answer(401)
    head = f"PUT {UPLOAD} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nContent-Length: {2**35}\n\n"
    with proxy.connect(head) as connection:
        assert read_answer(connection).status == 401
    assert [(request.method, request.target) for request in proxy.portal.seen] == [("GET", "/_gateway/upload")]


def test_it_tells_a_program_in_json_that_its_token_is_no_good(proxy: Proxy) -> None:
    proxy.may_store = Answer(401)
    answer = proxy.ask(API_UPLOAD, "Authorization: Bearer clb_x", method="PUT", body=b"x")
    assert answer.status == 401
    assert (answer.headers["content-type"], answer.headers["www-authenticate"]) == ("application/json", "Bearer")
    proxy.may_store = Answer(401, {"X-Challenge": 'Bearer error="invalid_token"'})
    answer = proxy.ask(API_UPLOAD, "Authorization: Bearer clb_x", method="PUT", body=b"x")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert json.loads(answer.body)["error"] == "unauthorized"
    assert json.loads(answer.body)["request_id"] == number_on(answer)
    asked = proxy.portal.last()
    assert asked.header("Authorization") == "Bearer clb_x"
    assert asked.header("X-Original-URI") == API_UPLOAD


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("target", [UPLOAD, API_UPLOAD])
def test_it_reads_no_body_where_a_method_has_none(proxy: Proxy, target: str, method: str) -> None:
    head = f"{method} {target} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nContent-Length: {2**35}\n\n"
    with proxy.connect(head) as connection:
        assert read_answer(connection).status == 413
    assert proxy.portal.seen == []
    assert proxy.ask(target, method=method).status == 200


def test_it_takes_an_upload_in_chunks(proxy: Proxy) -> None:
    bodies: list[bytes] = []

    def take(request: Request) -> Answer:
        bodies.append(Path(str(request.header("X-Body-File"))).read_bytes())
        return Answer(204)

    proxy.page = take
    head = f"PUT {UPLOAD} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nTransfer-Encoding: chunked\n\n"
    with proxy.connect(f"{head}5\nhello\n0\n\n") as connection:
        assert read_answer(connection).status == 204
    assert bodies == [b"hello"]
    assert proxy.portal.last().header("Transfer-Encoding") is None


def wait_until_staging_is_empty(proxy: Proxy) -> None:
    """nginx removes the file when it is done with the request, which is just after the answer."""
    wait_for(lambda: not list((proxy.drive / "staging/nginx").iterdir()), 30, "the upload was not removed")


def test_it_removes_an_upload_that_nobody_took(proxy: Proxy) -> None:
    proxy.page = lambda request: Answer(403)
    assert proxy.ask(UPLOAD, method="PUT", body=b"unwanted" * 100000).status == 403
    wait_until_staging_is_empty(proxy)


def test_it_removes_an_upload_that_broke_off(proxy: Proxy) -> None:
    head = f"PUT {UPLOAD} HTTP/1.1\nHost: localhost:{proxy.port}\nContent-Length: 1000000\n\n"
    with proxy.connect(head) as connection:
        connection.sendall(b"x" * 500000)
        wait_for(lambda: list((proxy.drive / "staging/nginx").iterdir()), 30, "the upload was not begun")
    wait_until_staging_is_empty(proxy)
    assert proxy.portal.count(UPLOAD) == 0


def test_it_takes_small_bodies_elsewhere(proxy: Proxy) -> None:
    head = (
        f"POST /account/login/ HTTP/1.1\nHost: localhost:{proxy.port}\nContent-Length: {2**30}\nConnection: close\n\n"
    )
    with proxy.connect(head) as connection:
        assert read_answer(connection).status == 413
    assert proxy.portal.seen == []


def test_it_serves_many_at_once(proxy: Proxy) -> None:
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(proxy.lab("/").status)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 50
