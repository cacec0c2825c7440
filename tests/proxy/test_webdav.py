"""The proxy and WebDAV: what the process believes, and what nobody sends in vain."""

import os

import pytest

from ..support.proxy_backends import Answer, Proxy, read_answer
from .test_proxy import FORGED, forged

pytestmark = pytest.mark.sandbox
ADDRESS = "/dav/My%20Libraries/My%20Library/a%20b"


def test_it_overwrites_what_only_the_proxy_may_say_and_sends_no_cookie(proxy: Proxy) -> None:
    headers = [f"{name}: {value}" for name, value in FORGED.items()]
    asked = ["Cookie: portal=session", "Authorization: Basic eDp5", "X-Original-Length: 1", f"Destination: {ADDRESS}"]
    for method in ("PROPFIND", "PUT", "OPTIONS", "MOVE", "DELETE"):
        body = b"x" if method in ("PROPFIND", "PUT") else b""
        assert proxy.ask(ADDRESS, *headers, *asked, method=method, body=body).status == 207
    assert proxy.portal.seen == []
    assert len(proxy.webdav.seen) == 6  # and the question before the PUT
    for request in proxy.webdav.seen:
        assert set(forged(request)) - {"X-Original-Method"} <= {"X-Lab-Server", "X-Lab-Token"}
        assert request.header("Cookie") is None
        assert request.header("Authorization") == "Basic eDp5"
        assert request.header("Destination") == ADDRESS


def test_it_hands_on_an_upload_as_a_file(proxy: Proxy, uploads: list[bytes]) -> None:
    content = os.urandom(300_000)
    assert proxy.ask(ADDRESS, "Authorization: Basic eDp5", method="PUT", body=content).status == 207
    asked, put = proxy.webdav.seen
    assert (asked.target, asked.header("X-Original-URI")) == ("/_gateway/webdav", ADDRESS)
    assert (asked.header("X-Original-Length"), asked.header("X-Original-Method")) == ("300000", "PUT")
    assert (put.body, uploads) == (b"", [content])
    head = f"PUT {ADDRESS} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nTransfer-Encoding: chunked\n\n"
    with proxy.connect(f"{head}5\nhello\n0\n\n") as connection:
        assert read_answer(connection).status == 207
    assert uploads == [content, b"hello"]


def test_it_reads_no_upload_that_would_be_refused(proxy: Proxy) -> None:
    head = f"PUT {ADDRESS} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\nContent-Length: {2**35}\n\n"
    for status in (400, 401, 403, 404, 405, 409, 412, 423, 429, 502, 503, 507):
        proxy.may_upload = Answer(403, {"X-Dav-Status": str(status), "X-Dav-Said": "Because."})
        with proxy.connect(head) as connection:
            answer = read_answer(connection)
        assert (answer.status, answer.body) == (status, b"Because.\n")
        assert answer.headers.get("www-authenticate", "").startswith("Basic") == (status == 401)
        assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert {request.target for request in proxy.webdav.seen} == {"/_gateway/webdav"}


def test_it_reads_no_large_body_and_leads_nothing_else_there(proxy: Proxy) -> None:
    for method in ("PROPFIND", "LOCK", "MKCOL", "DELETE", "GET"):
        for length, status in ((f"Content-Length: {2**35}", 413), ("Transfer-Encoding: chunked", 411)):
            head = f"{method} {ADDRESS} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\n{length}\n\n"
            with proxy.connect(head) as connection:
                assert read_answer(connection).status == status
    for address in ("/davx", "/DAV/", "/drive/dav/", "/_gateway/webdav"):
        proxy.ask(address)
    proxy.lab("/dav/")
    assert proxy.webdav.seen == []
    assert proxy.ask("/dav", method="PROPFIND").status == 207
