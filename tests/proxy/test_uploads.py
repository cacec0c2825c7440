"""Uploads through the real proxy, with the portal killed in the middle."""

import base64
import contextlib
import hashlib
import os
import random
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.db import connection, transaction

from collabs.models import Collab
from drive.storage import layout

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

PIECE = 4 * 2**20
PIECES = 12
THREADS = 16
"""Of each of the two processes of gunicorn, in the Procfile."""


class Sender:
    """A tus client, with the cookies and the token of a page."""

    def __init__(self, person: Person, library_id: object) -> None:
        self.person = person
        self.base = f"{settings.PORTAL_URL}/drive/uploads/{library_id}/"
        page = person.get(f"/drive/{library_id}/").text
        self.token = page.partition('data-token="')[2].partition('"')[0]

    def send(self, method: str, address: str, content: bytes = b"", **headers: object) -> object:
        own = {"Tus-Resumable": "1.0.0", "X-CSRFToken": self.token, "Origin": settings.PORTAL_URL}
        values = own | {name.replace("_", "-"): str(value) for name, value in headers.items()}
        return self.person.session.request(method, address, data=content, headers=values, timeout=30)

    def create(self, name: str, length: int) -> str:
        metadata = f"filename {base64.b64encode(name.encode()).decode()}"
        answer = self.send("POST", self.base, Upload_Length=length, Upload_Metadata=metadata)
        assert answer.status_code == 201, answer.text  # type: ignore[attr-defined]
        return settings.PORTAL_URL + answer.headers["Location"]  # type: ignore[attr-defined]

    def patch(self, address: str, offset: int, content: bytes) -> int:
        """The status; 0 for a broken connection."""
        headers = {"Upload_Offset": offset, "Content_Type": "application/offset+octet-stream"}
        try:
            return self.send("PATCH", address, content, **headers).status_code  # type: ignore[attr-defined]
        except OSError:
            return 0

    def offset(self, address: str) -> int:
        answer = self.send("HEAD", address)
        assert answer.status_code == 200, answer.status_code  # type: ignore[attr-defined]
        return int(answer.headers["Upload-Offset"])  # type: ignore[attr-defined]

    def offset_beyond(self, address: str, before: int) -> int:
        """The offset, once it is larger than this one."""
        wait_for(lambda: self.offset(address) > before, 30, "nothing was kept")
        return self.offset(address)

    def offset_when_back(self, address: str) -> int:
        """The offset, asked for until a worker lives long enough to say it."""
        found: list[int] = []

        def is_said() -> bool:
            with contextlib.suppress(OSError, AssertionError):
                found.append(self.offset(address))
            return bool(found)

        wait_for(is_said, 60, "no worker said the offset")
        return found[0]


class WorkersKilled:
    """While it is entered, all workers of gunicorn are killed at a few random moments; others answer in between.

    One that is killed while it starts proves nothing: starting takes longer than any pause here.
    """

    TIMES = 4

    def __init__(self, site: Site) -> None:
        self.site = site
        self.begun, self.done = threading.Event(), threading.Event()
        self.pool = ThreadPoolExecutor(1)

    def __enter__(self) -> None:
        self.work = self.pool.submit(self._kill_again_and_again)
        assert self.begun.wait(30), "no worker was killed"

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.pool.shutdown()
        self.work.result()

    def _kill_again_and_again(self) -> None:
        for _ in range(self.TIMES):
            for name in ("web", "webdav"):
                main = self.site.pid(name)
                for child in Path(f"/proc/{main}/task/{main}/children").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(child), signal.SIGKILL)
            self.begun.set()
            wait_for(lambda: self.done.is_set() or serves(), 60, "the portal did not come back")
            if self.done.wait(random.uniform(0, 0.1)):
                return


def serves() -> bool:
    """Whether a worker answers: the socket takes connections also while there is none."""
    try:
        return requests.get(f"{settings.PORTAL_URL}/healthz", timeout=10).status_code == 200
    except OSError:
        return False


def test_it_loses_nothing_that_was_acknowledged(site: Site, collab: Collab, editor: Person) -> None:
    """The portal is killed again and again while a file is sent; nothing of it is seen before it is whole."""
    content = os.urandom(PIECE) * PIECES
    place = layout.find(collab.library.pk)
    sender = Sender(editor, collab.library.pk)
    address = sender.create("large.bin", len(content))
    acknowledged = tries = 0
    with WorkersKilled(site):
        while acknowledged < len(content) - PIECE:
            tries += 1
            assert tries < 200
            assert not (place / "large.bin").exists()
            if sender.patch(address, acknowledged, content[acknowledged : acknowledged + PIECE]) == 204:
                acknowledged += PIECE
            else:
                offset = sender.offset_when_back(address)
                assert offset >= acknowledged
                acknowledged = offset
    offset = sender.offset_when_back(address)
    assert sender.patch(address, offset, content[offset:]) == 204
    found = (place / "large.bin").read_bytes()
    assert hashlib.sha256(found).digest() == hashlib.sha256(content).digest()


def piece(site: Site, sender: Sender, address: str, offset: int, announced: int) -> socket.socket:
    """Begin a PATCH of so many bytes."""
    cookies = "; ".join(f"{name}={value}" for name, value in sender.person.session.cookies.items())
    lines = [f"PATCH {address.removeprefix(settings.PORTAL_URL)} HTTP/1.1", f"Host: localhost:{site.port}"]
    lines += ["Tus-Resumable: 1.0.0", f"X-CSRFToken: {sender.token}", f"Origin: {settings.PORTAL_URL}"]
    lines += [f"Cookie: {cookies}", f"Upload-Offset: {offset}", f"Content-Length: {announced}"]
    lines += ["Content-Type: application/offset+octet-stream", "", ""]
    connection = socket.create_connection(("127.0.0.1", site.port), 30)
    connection.sendall("\r\n".join(lines).encode())
    return connection


def bodies() -> list[Path]:
    """What nginx has written; a test in which the portal was killed may leave some, which are swept after a day."""
    return [path for path in (settings.DRIVE_ROOT / "staging/nginx").rglob("*") if path.is_file()]


BUFFER = 128 * 1024
"""Of nginx: what had arrived last, and was not in the file yet."""


def test_a_piece_that_was_cut_keeps_what_has_arrived(site: Site, collab: Collab, editor: Person) -> None:
    content, before = os.urandom(PIECE) * PIECES, bodies()
    sender = Sender(editor, collab.library.pk)
    address = sender.create("cut.bin", len(content))
    offset = 0
    for _ in range(3):  # the second and third are added to what is there
        end = offset + 9 * 2**20 + 77
        with piece(site, sender, address, offset, len(content) - offset) as connection:
            connection.sendall(content[offset:end])
        offset = sender.offset_beyond(address, offset)
        assert end - BUFFER <= offset <= end
    assert bodies() == before
    assert sender.patch(address, offset, content[offset:]) == 204
    assert bodies() == before
    found = (layout.find(collab.library.pk) / "cut.bin").read_bytes()
    assert hashlib.sha256(found).digest() == hashlib.sha256(content).digest()
    assert not list((settings.DRIVE_ROOT / "staging").glob(f"*cut-{address.rpartition('/')[2]}"))


def test_a_whole_piece_is_kept_while_the_portal_is_away(site: Site, collab: Collab, editor: Person) -> None:
    """All but its last byte, so that the sender is told how it ended."""
    content, before = os.urandom(PIECE), bodies()
    sender = Sender(editor, collab.library.pk)
    address = sender.create("away.bin", len(content))
    # The question is answered, the body arrives slowly, and then there is nobody.
    with piece(site, sender, address, 0, len(content)) as connection:
        connection.sendall(content[:-1])
        wait_for(lambda: bodies() != before, 30, "nothing has arrived")
        with site.without("webdav"):
            wait_for(lambda: not site.answers(), 30, "its workers did not end")
            connection.sendall(content[-1:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 502 ")
    wait_for(site.answers, 60, "the portal did not come back")
    assert sender.offset_when_back(address) == len(content) - 1
    assert sender.patch(address, len(content) - 1, content[-1:]) == 204
    assert (layout.find(collab.library.pk) / "away.bin").read_bytes() == content


def test_what_is_refused_leaves_no_body(site: Site, collab: Collab, editor: Person) -> None:
    sender, before = Sender(editor, collab.library.pk), bodies()
    address = sender.create("refused.bin", PIECE)
    assert sender.patch(address, 5, b"x" * 2**20) == 409  # elsewhere than the last one ended
    token, sender.token = sender.token, "none"
    assert sender.patch(address, 0, b"x" * 2**20) == 403
    sender.token = token
    assert sender.offset(address) == 0
    assert bodies() == before


def test_nobody_without_a_sign_in_fills_the_disk(site: Site, collab: Collab, stranger: Person) -> None:
    """The proxy asks before it reads the body of a PATCH; a stranger's and a hostile header get nowhere."""
    sender, before = Sender(stranger, collab.library.pk), bodies()
    address = f"{sender.base}{'0' * 32}"
    secret = str(settings.VAR_DIR / "secret-key")
    for headers in ({}, {"X_Body_File": secret}):
        answer = sender.send("PATCH", address, b"x" * 100, Upload_Offset=0, **headers)
        assert answer.status_code == 403 or answer.status_code == 404  # type: ignore[attr-defined]
    stranger.session.cookies.clear()
    answer = sender.send("PATCH", address, b"x" * 2**20, Upload_Offset=0)
    assert answer.status_code in (401, 403)  # type: ignore[attr-defined]
    assert bodies() == before


def test_nobody_without_a_sign_in_posts_a_large_form(site: Site, collab: Collab, stranger: Person) -> None:
    """The proxy asks before it reads the form's body either; whose session has ended is led to sign in, and back."""
    folder = f"/drive/{collab.library.pk}/"
    stranger.session.cookies.clear()
    with socket.create_connection(("127.0.0.1", site.port), 10) as connection:
        head = f"POST {folder} HTTP/1.1\r\nHost: localhost:{site.port}\r\nContent-Length: {2**33}\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 2**16)
        answer = connection.recv(2000)
    assert answer.startswith(b"HTTP/1.1 303 ")
    assert f"Location: /account/login/?next={folder}".encode() in answer
    assert not [path for path in (settings.VAR_DIR / "nginx/body").rglob("*") if path.is_file()]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the lock of SQLite's one writer holds the uploads here")
def test_uploads_that_wait_take_no_readers_thread(site: Site, collab: Collab, editor: Person) -> None:
    """More uploads than there are threads wait for the database; pages are read meanwhile, and no upload is lost."""
    pages = ["/", "/collabs/", collab.get_absolute_url(), f"/drive/{collab.library.pk}/"]
    for page in pages:  # what is written at a person's first visit
        editor.get(page).raise_for_status()
    token = Sender(editor, collab.library.pk).token
    headers = {"X-CSRFToken": token, "Origin": settings.PORTAL_URL}
    place, bodies = layout.find(collab.library.pk), settings.DRIVE_ROOT / "staging/nginx"
    files = {f"{number}.txt": f"number {number}" for number in range(2 * THREADS)}

    def put(name: str) -> int:
        address = f"{settings.PORTAL_URL}/api/v1/libraries/{collab.library.pk}/files/{name}"
        return editor.session.put(address, data=files[name].encode(), headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(len(files)) as threads:
        with transaction.atomic():
            sent = threads.map(put, files)
            wait_for(lambda: len(list(bodies.rglob("0*"))) >= THREADS, 30, "no uploads came")
            for page in pages:
                assert editor.get(page).status_code == 200
        assert set(sent) == {201}
    assert {name: (place / name).read_text() for name in files} == files
