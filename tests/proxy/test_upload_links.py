"""Upload links through the real proxy: what anybody may send, and what is read of it before the portal has said yes."""

import base64
import os
import re
import threading
from pathlib import Path

import pytest
import requests
from django.conf import settings

from collabs.models import Collab
from drive.libraries import upload_links
from drive.models import ReceivedFile, UploadLink
from drive.storage import layout

from ..support.people import Person
from ..support.proxy_backends import Answer, Proxy, Request, read_answer
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

TOKEN = "a" * 43
PIECE = f"/u/{TOKEN}/uploads/{'0' * 32}"
FORM = f"/u/{TOKEN}/files"
MB = 2**20


def head(proxy: Proxy, method: str, target: str, *headers: str) -> str:
    lines = [f"{method} {target} HTTP/1.1", f"Host: localhost:{proxy.port}", "Connection: close", *headers]
    return "\n".join([*lines, "", ""])


def on_disk(proxy: Proxy) -> list[Path]:
    """Bodies that nginx holds."""
    places = [proxy.drive / "staging/nginx", proxy.directory / "nginx/body"]
    return [path for place in places if place.exists() for path in place.rglob("*") if path.is_file()]


# nginx alone


@pytest.mark.parametrize(("method", "target"), [("PATCH", PIECE), ("POST", FORM)])
def test_it_reads_nothing_before_the_portal_has_said_yes(proxy: Proxy, method: str, target: str) -> None:
    asked: list[Request] = []

    def refuse(request: Request) -> Answer:
        asked.append(request)
        return Answer(403, {"X-Refused": "507"})

    proxy.admits = refuse
    with proxy.connect(head(proxy, method, target, f"Content-Length: {60 * MB}", "Upload-Offset: 5")) as connection:
        answer = read_answer(connection)
    refused = (303, f"/u/{TOKEN}/?refused=507") if target == FORM else (507, None)
    assert (answer.status, answer.headers.get("location")) == refused
    assert on_disk(proxy) == []
    [first] = asked
    assert (first.header("X-Original-URI"), first.header("X-Original-Length")) == (target, str(60 * MB))
    assert first.header("Upload-Offset") == "5"
    assert proxy.portal.count(target) == 0


@pytest.mark.parametrize(
    ("method", "target", "length"),
    [
        ("PATCH", PIECE, 64 * MB + 1),
        ("POST", FORM, 257 * MB + 1),
        ("PUT", PIECE, 1),
        ("POST", PIECE, 1),
        ("DELETE", PIECE, 1),
        ("GET", PIECE, 1),
        ("POST", f"/u/{TOKEN}/", 16 * 1024 + 1),
        ("POST", f"/u/{TOKEN}/uploads/", 16 * 1024 + 1),
        ("PATCH", f"/u/{TOKEN}/uploads/{'0' * 31}g", 16 * 1024 + 1),
        ("POST", f"/u/{TOKEN}b/files", 16 * 1024 + 1),
        ("POST", f"/u/{TOKEN}/files/", 16 * 1024 + 1),
        ("POST", f"/u//{TOKEN}/files/x", 16 * 1024 + 1),
    ],
)
def test_it_takes_no_larger_body_and_none_elsewhere(proxy: Proxy, method: str, target: str, length: int) -> None:
    with proxy.connect(head(proxy, method, target, f"Content-Length: {length}")) as connection:
        assert read_answer(connection).status == 413
    assert proxy.portal.seen == []
    assert on_disk(proxy) == []


def test_a_body_without_a_length_is_the_portals_to_refuse(proxy: Proxy) -> None:
    told: list[str | None] = []

    def refuse(request: Request) -> Answer:
        told.append(request.header("X-Original-Length"))
        return Answer(403, {"X-Refused": "400"})

    proxy.admits = refuse
    with proxy.connect(head(proxy, "PATCH", PIECE, "Transfer-Encoding: chunked")) as connection:
        assert read_answer(connection).status == 400
    assert set(told) <= {None, ""}


def test_a_piece_is_handed_over_as_a_file(proxy: Proxy) -> None:
    bodies: list[bytes] = []

    def take(request: Request) -> Answer:
        bodies.append(Path(str(request.header("X-Body-File"))).read_bytes())
        return Answer(204)

    proxy.page = take
    content = os.urandom(MB)
    answer = proxy.ask(PIECE, "X-Body-File: /etc/passwd", method="PATCH", body=content)
    assert answer.status == 204
    assert bodies == [content]


def test_one_address_sends_so_many_at_the_same_time(proxy: Proxy) -> None:
    """What is held on disk for one address is bounded: further bodies are not read."""
    pieces = [f"/u/{TOKEN}/uploads/{number:032x}" for number in range(1, 17)]  # of one upload, two are taken
    waiting = [proxy.connect(head(proxy, "PATCH", piece, f"Content-Length: {MB}")) for piece in pieces]
    try:
        for connection in waiting:
            connection.sendall(b"x" * (MB // 2))
        wait_for(lambda: len(on_disk(proxy)) == 16, 30, "not all are read")
        assert proxy.ask(PIECE, method="PATCH", body=b"x").status == 503
        assert len(on_disk(proxy)) == 16
        waiting.pop().close()
        wait_for(lambda: proxy.ask(PIECE, method="PATCH", body=b"x").status == 200, 30, "no place became free")
    finally:
        for connection in waiting:
            connection.close()


def test_its_log_keeps_no_address_of_a_link(proxy: Proxy) -> None:
    proxy.ask(PIECE)
    log = next(proxy.directory.rglob("access.log"))
    wait_for(lambda: "/u/-/uploads/" in log.read_text(), 30, "it was not logged")
    assert TOKEN not in log.read_text()


# The whole site


@pytest.fixture
def link(site: Site, owner: Person, collab: Collab) -> UploadLink:
    return upload_links.make_link(owner.user, collab.library, "sent", title="Homework", max_bytes=200 * MB)


class Sender:
    """Somebody without an account, at the page of an upload link."""

    def __init__(self, link: UploadLink) -> None:
        self.session = requests.Session()
        self.base = f"{settings.PORTAL_URL}/u/{upload_links.token(link)}/"
        page = self.session.get(self.base, timeout=30).text
        found = re.search(r'data-token="([^"]+)"', page)
        assert found, page
        self.own = {"Tus-Resumable": "1.0.0", "X-CSRFToken": found[1], "Origin": settings.PORTAL_URL}

    def send(self, method: str, address: str, content: bytes = b"", **headers: object) -> requests.Response:
        values = self.own | {name.replace("_", "-"): str(value) for name, value in headers.items()}
        return self.session.request(method, address, data=content, headers=values, timeout=60)

    def begin(self, name: str, length: int) -> requests.Response:
        metadata = f"filename {base64.b64encode(name.encode()).decode()}"
        return self.send("POST", f"{self.base}uploads/", Upload_Length=length, Upload_Metadata=metadata)

    def patch(self, address: str, offset: int, content: bytes) -> requests.Response:
        headers = {"Upload_Offset": offset, "Content_Type": "application/offset+octet-stream"}
        return self.send("PATCH", address, content, **headers)


def test_a_visitor_sends_a_file_in_pieces(link: UploadLink, collab: Collab) -> None:
    sender, content = Sender(link), os.urandom(3 * MB)
    begun = sender.begin("large.bin", len(content))
    assert begun.status_code == 201, begun.text
    address = settings.PORTAL_URL + begun.headers["Location"]
    for offset in range(0, len(content), MB):
        assert sender.patch(address, offset, content[offset : offset + MB]).status_code == 204
    assert (layout.find(collab.library.pk) / "sent/large.bin").read_bytes() == content


def test_a_visitor_sends_a_form(link: UploadLink, collab: Collab) -> None:
    sender = Sender(link)
    fields = {"csrfmiddlewaretoken": sender.own["X-CSRFToken"], "sender": "Ada"}
    files = {"file": ("large.bin", os.urandom(5 * MB))}
    own = {"Origin": settings.PORTAL_URL}
    answer = sender.session.post(f"{sender.base}files", data=fields, files=files, headers=own, timeout=60)
    assert answer.status_code == 200, answer.text
    assert "1 file was uploaded" in answer.text
    assert (layout.find(collab.library.pk) / "sent/Ada - large.bin").stat().st_size == 5 * MB


def test_nobody_fills_the_disk_through_a_link(owner: Person, link: UploadLink, collab: Collab) -> None:
    """What is sent at the same moment, beyond what was promised, and to a link that has just ended, is not kept."""
    sender = Sender(link)
    address = settings.PORTAL_URL + sender.begin("a.bin", 2 * MB).headers["Location"]
    assert sender.patch(address, 0, os.urandom(3 * MB)).status_code == 413
    assert sender.patch(address, MB, os.urandom(MB)).status_code == 409
    answers: list[int] = []
    content = os.urandom(2 * MB)

    def send() -> None:
        answers.append(sender.patch(address, 0, content).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(204) == 1, answers
    assert set(answers) <= {204, 404, 409, 423, 503}, answers
    assert (layout.find(collab.library.pk) / "sent/a.bin").read_bytes() == content
    last = settings.PORTAL_URL + sender.begin("b.bin", MB).headers["Location"]
    upload_links.revoke_link(owner.user, link)
    assert sender.patch(last, 0, os.urandom(MB)).status_code == 403
    assert sender.begin("c.bin", 1).status_code == 404
    wait_for(lambda: not list((layout.staging() / "nginx").rglob("*.*")), 30, "a body was kept")
    assert ReceivedFile.objects.filter(link=link, arrived_at__isnull=False).count() == 1
