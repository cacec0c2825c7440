"""The proxy and Seafile's Web API: what the process believes, and what nobody sends in vain."""

import json
import os
import socket

import pytest

from ..support.proxy_backends import Answer, Proxy, read_answer
from ..support.site import eventually
from .test_proxy import FORGED, forged

pytestmark = pytest.mark.sandbox
UPLOAD = "/seafhttp/upload-api/code~1~x"


def test_it_overwrites_what_only_the_proxy_may_say_and_sends_no_cookie(proxy: Proxy) -> None:
    headers = [f"{name}: {value}" for name, value in FORGED.items()]
    asked = ["Cookie: portal=session", "Authorization: Token x", "X-Original-Length: 1"]
    for address in ("/api2/repos/", "/api/v2.1/repos/x/dir/?p=/", UPLOAD, "/seafhttp/files/x/name", "/seafhttp/zip/x"):
        for method in ("GET", "POST", "DELETE"):
            body = b"x" if method == "POST" else b""
            assert proxy.ask(address, *headers, *asked, method=method, body=body).status == 207
    assert proxy.portal.seen == []
    assert len(proxy.webdav.seen) == 16  # and the question before the upload
    for request in proxy.webdav.seen:
        assert set(forged(request)) - {"X-Original-Method"} <= {"X-Lab-Server", "X-Lab-Token"}
        assert request.header("Cookie") is None
        assert request.header("Authorization") == "Token x"


def test_it_hands_on_an_upload_as_a_file_with_a_length_and_without(proxy: Proxy, uploads: list[bytes]) -> None:
    content = os.urandom(300_000)
    assert proxy.ask(f"{UPLOAD}?ret-json=1", "Content-Type: text/x; y", method="POST", body=content).status == 207
    asked, post = proxy.webdav.seen
    assert (asked.target, asked.header("X-Original-URI")) == ("/_gateway/seafile", f"{UPLOAD}?ret-json=1")
    assert (asked.header("X-Original-Length"), post.body, uploads) == ("300000", b"", [content])
    assert (post.target, post.header("Content-Type")) == (f"{UPLOAD}?ret-json=1", "text/x; y")
    head = f"POST {UPLOAD} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nTransfer-Encoding: chunked\n\n"
    with proxy.connect(f"{head}5\nhello\n0\n\n") as connection:  # as rclone sends it
        assert read_answer(connection).status == 207
    assert uploads == [content, b"hello"]


def test_it_reads_no_upload_that_would_be_refused_and_never_says_401(proxy: Proxy) -> None:
    head = f"POST {UPLOAD} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nContent-Length: {2**35}\n\n"
    said = json.dumps({"error": "Because “ü”."})
    for status in (400, 401, 403, 404, 443, 503, 507):
        proxy.may_upload = Answer(403, {"X-Seafile-Status": str(status), "X-Seafile-Said": said})
        with proxy.connect(head) as connection:
            answer = read_answer(connection)
        assert answer.status == (403 if status in (400, 401) else status)
        assert json.loads(answer.body) == {"error": "Because “ü”."}
        assert ("retry-after" in answer.headers) == (status == 503)
        assert answer.headers["content-type"] == "application/json"
    assert {request.target for request in proxy.webdav.seen} == {"/_gateway/seafile"}


def test_it_reads_no_other_large_body(proxy: Proxy) -> None:
    for method, address in (
        ("POST", "/api2/repos/"),
        ("PUT", UPLOAD),
    ):
        for length, status in ((f"Content-Length: {2**35}", 413), ("Transfer-Encoding: chunked", 411)):
            head = f"{method} {address} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\n{length}\n\n"
            with proxy.connect(head) as connection:
                assert read_answer(connection).status == status
    assert proxy.webdav.seen == []


def test_it_leads_nothing_else_there_and_notes_no_link(proxy: Proxy) -> None:
    for address in ("/api2x/", "/api/v2.10/x", "/seafhttpx/", "/drive/seafhttp/", "/_gateway/seafile", "/api/v1/me"):
        proxy.ask(address)
    proxy.lab("/api2/repos/")
    assert proxy.webdav.seen == []
    assert proxy.ask("/seafhttp/files/secret/name?token=secret").status == 207
    log = eventually((proxy.directory / "log/access.log").read_text, "/seafhttp/files/-")
    assert "secret" not in log


def test_a_lab_reaches_it_on_its_socket_with_its_own_token_alone(proxy: Proxy, uploads: list[bytes]) -> None:
    def ask(target: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
        lines = [f"{method} {target} HTTP/1.1", "Host: portal", "Connection: close", *headers]
        lines += [f"Content-Length: {len(body)}"] if body else []
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(proxy.run / "api.sock"))
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            return read_answer(connection)

    headers = [f"{name}: {value}" for name, value in FORGED.items()]
    for address in ("/api2/repos/", "/api/v2.1/repos/x/dir/?p=/", "/seafhttp/files/x/name", UPLOAD):
        for login in ("", "Basic bGFiXzE6eA==", f"Token {'0' * 40}", "Bearer ey.ey.x", "Tokenlab_1"):
            sent = [*headers, f"Authorization: {login}"] if login else headers
            assert ask(address, *sent).status == 401, (address, login)
    for address in ("/dav/", "/seafhttpx/", "/_gateway/seafile", "/_ask_seafile", "/drive/"):
        assert ask(address, "Authorization: Token lab_1").status == 404, address
    assert proxy.webdav.seen == []
    for scheme in ("Bearer", "Token", "token"):
        assert ask("/api2/repos/", *headers, f"Authorization: {scheme} lab_1", "Cookie: portal=x").status == 207
    assert ask(UPLOAD, *headers, "Authorization: Token lab_1", method="POST", body=b"content").status == 207
    assert uploads == [b"content"]
    for request in proxy.webdav.seen:
        assert set(forged(request)) - {"X-Original-Method"} <= {"X-Lab-Server", "X-Lab-Token"}
        assert (request.header("X-Links-At"), request.header("Cookie")) == ("http://portal", None)
    assert proxy.ask("/api2/repos/", *headers).status == 207
    assert proxy.webdav.last().header("X-Links-At") is None
