"""No byte of an upload is read before the portal has said yes, whichever protocol and method it comes by."""

import contextlib
import json
import selectors
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from api.models import Scope
from collabs.models import Collab
from drive.models import Quota

from ..support.people import Person
from ..support.proxy_backends import Answer, Proxy, Request, read_answer
from ..support.site import Site, wait_for
from .test_api import session

pytestmark = pytest.mark.sandbox

LIBRARY = "00000000-0000-4000-8000-000000000000"
FILES = (f"/drive/{LIBRARY}/a.bin", "/collabs/x/files/a.bin", f"/api/v1/libraries/{LIBRARY}/files/a.bin")
MIB = 2**20
HUGE = 2**35


def head(proxy: Proxy, method: str, target: str, length: str) -> str:
    return f"{method} {target} HTTP/1.1\nHost: localhost:{proxy.port}\nConnection: close\n{length}\n\n"


def first_ready(connections: list[socket.socket]) -> socket.socket:
    """The connection on which an answer comes first. select(2) knows only 1,024 descriptors of a process."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        [(key, _), *_] = selector.select(20)
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj


def refused(status: int, said: str) -> Answer:
    return Answer(403, {"X-Upload-Status": str(status), "X-Upload-Said": said})


@pytest.mark.parametrize("target", FILES)
def test_it_reads_no_upload_that_would_be_refused(proxy: Proxy, target: str) -> None:
    said = '{"error": "x"}' if target.startswith("/api/") else "Kein Platz für so viel."
    for status in (403, 404, 409, 411, 413, 507):
        proxy.may_store = refused(status, said)
        with proxy.connect(head(proxy, "PUT", target, f"Content-Length: {HUGE}")) as connection:
            answer = read_answer(connection)
        assert (answer.status, answer.body.decode()) == (status, said)
        kind = "application/json" if target.startswith("/api/") else "text/plain; charset=utf-8"
        assert answer.headers["content-type"] == kind
    assert {request.target for request in proxy.portal.seen} == {"/_gateway/upload"}
    asked = proxy.portal.last()
    assert (asked.header("X-Original-Method"), asked.header("X-Original-Length")) == ("PUT", str(HUGE))


def test_it_says_the_length_as_far_as_it_is_known(proxy: Proxy) -> None:
    proxy.may_store = refused(507, "Full.")
    for sent, told in (("Content-Length: 7", "7"), ("Content-Length: 0", "0"), ("X-Nothing: 1", "0")):
        with proxy.connect(head(proxy, "PUT", FILES[0], sent)) as connection:
            assert read_answer(connection).status == 507
        assert proxy.portal.last().header("X-Original-Length") == told
    with proxy.connect(head(proxy, "PUT", FILES[0], "Transfer-Encoding: chunked")) as connection:
        assert read_answer(connection).status == 507
    assert proxy.portal.last().header("X-Original-Length") in (None, "")


def test_it_reads_only_so_much_of_what_has_no_length(proxy: Proxy) -> None:
    """The first chunk that would go beyond it ends the upload, before its bytes are sent."""
    proxy.stop()
    proxy.start(UPLOAD_MAX="2m")
    chunk = f"{MIB:x}\r\n".encode() + b"x" * MIB + b"\r\n"
    with proxy.connect(head(proxy, "PUT", FILES[0], "Transfer-Encoding: chunked")) as connection:
        connection.sendall(chunk + b"200000\r\nx")
        assert read_answer(connection).status == 413
    assert proxy.portal.count(FILES[0]) == 0


def test_a_refused_form_is_a_page_for_people_and_text_for_scripts(proxy: Proxy) -> None:
    folder = f"/drive/{LIBRARY}/"
    proxy.page = lambda request: Answer(507, {"Content-Type": "text/html"}, b"<h1>Full</h1>")
    proxy.may_store = refused(507, "Full.")
    with proxy.connect(head(proxy, "POST", folder, f"Content-Length: {HUGE}")) as connection:
        answer = read_answer(connection)
    assert (answer.status, answer.headers["content-type"]) == (507, "text/html")
    assert b"<h1>Full</h1>" in answer.body
    made = proxy.portal.last()
    assert (made.target, made.body) == ("/_gateway/refused-form", b"")
    assert (made.header("X-Original-URI"), made.header("X-Original-Length")) == (folder, str(HUGE))
    with proxy.connect(head(proxy, "POST", folder, f"Content-Length: {HUGE}\nX-Script: 1")) as connection:
        answer = read_answer(connection)
    assert (answer.status, answer.body) == (507, b"Full.")


def test_a_small_form_is_not_written_to_the_disk(proxy: Proxy) -> None:
    """What deletes files comes through while the disk is full: nginx may not write at all here."""
    places = [proxy.drive / "staging/nginx", proxy.directory / "nginx/body"]
    for place in places:
        place.chmod(0o500)
    try:
        body = b"x" * 3 * MIB
        proxy.page = lambda request: Answer(200, body=str(len(request.body)).encode())
        answer = proxy.ask(f"/drive/{LIBRARY}/", method="POST", body=body)
        assert (answer.status, answer.body) == (200, str(len(body)).encode())
    finally:
        for place in places:
            place.chmod(0o700)


def test_one_address_has_few_bodies_under_way(proxy: Proxy) -> None:
    """Anybody may send a form to a page: 64 that stand still, of 5 MiB at most, and no more."""
    assert proxy.ask("/account/login/", "Content-Length: 6000000", method="POST").status == 413
    half = head(proxy, "POST", "/account/login/", f"Content-Length: {4 * MIB}")
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(proxy.connect(half)) for _ in range(64)]
        answers = [stack.enter_context(proxy.connect(half)) for _ in range(4)]
        for sender in senders:
            sender.sendall(b"x" * 2**16)
        assert read_answer(first_ready([*senders, *answers])).status == 429
        assert proxy.ask("/account/login/").status == 200  # a page has no body
    assert proxy.portal.count("/account/login/") == 1


@pytest.mark.parametrize("target", ["/dav/x", "/api2/x", "/.collaboratory/enter"])
def test_one_address_has_few_bodies_under_way_elsewhere_too(proxy: Proxy, target: str) -> None:
    """What programs and visitors of Labs send is kept in memory or on disk before anybody is asked."""
    half = head(proxy, "POST", target, "Content-Length: 900000")
    if target.startswith("/."):
        half = half.replace("Host: localhost:", "Host: ada.lab.localhost:")
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(proxy.connect(half)) for _ in range(68)]
        assert read_answer(first_ready(senders)).status == 429


def test_a_piece_that_stands_still_lets_one_more_come(proxy: Proxy) -> None:
    """What is cut of a piece stays on disk: no pile of them, each admitted against the same free space."""
    half = head(proxy, "PATCH", f"/drive/uploads/{LIBRARY}/{'0' * 32}", f"Content-Length: {4 * MIB}")
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(proxy.connect(half)) for _ in range(3)]
        assert read_answer(first_ready(senders)).status == 503


@pytest.fixture
def http2(proxy: Proxy, tmp_path: Path) -> Proxy:
    """The proxy with TLS, and so with HTTP/2."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    make += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        plain = probe.getsockname()[1]
    proxy.stop()
    tls = {"TLS_CERTIFICATE": str(certificate), "TLS_KEY": str(key), "LISTEN": f"127.0.0.1:{proxy.port}"}
    proxy.start(portal=f"https://localhost:{proxy.port}", LISTEN_HTTP=f"127.0.0.1:{plain}", **tls)
    return proxy


def send(proxy: Proxy, method: str, target: str, size: int, *options: str) -> tuple[int, str]:
    """A body without a length by HTTP/2; the answer's status and protocol."""
    command = ["curl", "--silent", "--insecure", "--http2", "--output", "/dev/null", "--request", method, *options]
    command += ["--write-out", "%{http_code} %{http_version}", "--upload-file", "-"]
    done = subprocess.run(
        [*command, f"https://localhost:{proxy.port}{target}"], input=b"x" * size, capture_output=True, check=False
    )
    status, version = done.stdout.decode().split()
    return int(status), version


def test_http2_without_a_length_is_asked_about_before_it_is_read(http2: Proxy) -> None:
    bodies: list[int] = []

    def take(request: Request) -> Answer:
        if name := request.header("X-Body-File"):
            bodies.append(Path(name).stat().st_size)
        return Answer(204)

    http2.page = take
    assert send(http2, "PUT", FILES[0], 3 * MIB) == (204, "2")
    assert bodies == [3 * MIB]
    asked, _put = http2.portal.seen
    assert asked.header("X-Original-Length") in (None, "")
    http2.may_store = refused(411, "Content-Length is required.")
    assert send(http2, "PUT", FILES[0], 3 * MIB)[0] == 411
    assert send(http2, "POST", FILES[0], 3 * MIB)[0] == 411
    assert bodies == [3 * MIB]


@pytest.mark.parametrize("target", [*FILES, "/dav/a/b", "/api2/repos/"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PROPFIND"])
def test_http2_without_a_length_fills_nothing_where_no_upload_is(http2: Proxy, target: str, method: str) -> None:
    assert send(http2, method, target, 20 * MIB)[0] == 413
    assert {request.target for request in http2.portal.seen + http2.webdav.seen} == set()


def test_http2_with_a_length_is_no_other_way(http2: Proxy) -> None:
    http2.may_store = refused(507, "Full.")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", http2.port), 20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(head(http2, "PUT", FILES[0], f"Content-Length: {HUGE}").replace("\n", "\r\n").encode())
        assert read_answer(connection).status == 507
    assert http2.portal.count(FILES[0]) == 0


# The whole site


def spooled() -> list[Path]:
    places = (settings.DRIVE_ROOT / "staging/nginx", settings.VAR_DIR / "nginx/body")
    return [path for place in places for path in place.rglob("*") if path.is_file()]


def answer_to(site: Site, person: Person, method: str, target: str, length: int, *headers: str) -> tuple[int, str]:
    """Announce a body, send little of it, and read the answer while the rest is missing."""
    cookies = "; ".join(f"{one.name}={one.value}" for one in person.session.cookies)
    lines = [f"{method} {target} HTTP/1.1", f"Host: localhost:{site.port}", f"Content-Length: {length}", *headers]
    if cookies:
        lines.append(f"Cookie: {cookies}")
    with socket.create_connection(("127.0.0.1", site.port), 20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + b"x" * 2**16)
        answer = read_answer(connection)
    return answer.status, answer.body.decode()


def test_nobody_fills_the_disk_with_what_will_be_refused(
    site: Site, collab: Collab, editor: Person, viewer: Person, stranger: Person
) -> None:
    """The attack: 32 GiB are announced, and the answer is there while they are missing."""
    library = collab.library
    pages = [f"/drive/{library.pk}/a.bin", f"/collabs/{collab.slug}/files/a.bin"]
    for person, status in ((viewer, 403), (stranger, 404)):
        for page in pages:
            assert answer_to(site, person, "PUT", page, HUGE)[0] == status
        found, page = answer_to(site, person, "POST", pages[0].removesuffix("a.bin"), HUGE)
        assert (found, "</html>" in page) == (status, True)
        token = session(person, Scope.WRITE).headers["Authorization"]
        address = f"/api/v1/libraries/{library.pk}/files/a.bin"
        found, text = answer_to(site, person, "PUT", address, HUGE, f"Authorization: {token!s}")
        assert found == status, text
        assert (found, json.loads(text)["status"]) == (status, status)
    Quota.objects.create(collab=collab, max_bytes=2**30, max_files=100)
    for page in pages:
        found, text = answer_to(site, editor, "PUT", page, HUGE)
        assert (found, "may use" in text) == (507, True)
    found, page = answer_to(site, editor, "POST", pages[0].removesuffix("a.bin"), HUGE)
    assert (found, "may use" in page) == (507, True)
    wait_for(lambda: not spooled(), 30, "a body was kept")
