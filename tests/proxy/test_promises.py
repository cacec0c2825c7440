"""Room for bodies that the real proxy reads: together they fit, and what has ended, however, gives its room back."""

import json
import os
import select
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings

from api.models import Scope
from api.services import create_token
from collabs.models import Collab
from drive.libraries import quota, upload_links
from drive.models import Quota, UploadLink
from drive.storage import layout, promises
from drive.uploads import by_link

from ..support.people import Person
from ..support.site import Site, wait_for
from .test_upload_links import Sender

pytestmark = pytest.mark.sandbox

MB = 2**20
LEFT = 10 * MB


class Store:
    """A library with little room left, and a program that uploads to it."""

    def __init__(self, person: Person, collab: Collab) -> None:
        self.library = collab.library
        _token, secret = create_token(person.user, name="test", scopes=tuple(Scope), days=1)
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.files = f"{settings.PORTAL_URL}/api/v1/libraries/{self.library.pk}/files"

    def put(self, name: str, size: int) -> int:
        return requests.put(f"{self.files}/{name}", data=bytes(size), headers=self.headers, timeout=60).status_code

    def begin(self, name: str, size: int, *, sent: int = 0) -> socket.socket:
        """A PUT that has announced so many bytes, and sent some."""
        address = urlsplit(f"{self.files}/{name}")
        lines = [f"PUT {address.path} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {size}"]
        lines += [f"{key}: {value}" for key, value in self.headers.items()]
        connection = socket.create_connection(("127.0.0.1", address.port or 80), 30)
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + bytes(sent))
        return connection


@pytest.fixture
def store(site: Site, editor: Person, collab: Collab) -> Iterator[Store]:
    used = quota.of(collab.library).used_bytes
    Quota.objects.create(collab=collab, max_bytes=used + LEFT)
    yield Store(editor, collab)
    Quota.objects.filter(collab=collab).delete()


def is_admitted(connection: socket.socket) -> bool:
    """Whether it is not refused, and its promise stands."""
    return not select.select([connection], [], [], 3)[0]


def test_uploads_that_each_fit_have_to_fit_together(store: Store) -> None:
    """Whoever breaks off gives the room back; what is there then counts as used."""
    uploads = [store.begin(f"{number}.bin", 4 * MB, sent=MB) for number in range(5)]
    going = [one for one in uploads if is_admitted(one)]
    assert len(going) == 2
    assert store.put("more.bin", 3 * MB) == 507
    going[0].close()
    wait_for(lambda: store.put("more.bin", 3 * MB) == 201, 30, "its room is still held")
    going[1].sendall(bytes(3 * MB))
    assert going[1].recv(100).startswith(b"HTTP/1.1 201 ")
    assert store.put("last.bin", 3 * MB + 1) == 507
    assert store.put("last.bin", 3 * MB) == 201
    assert quota.of(store.library).used_bytes <= quota.of(store.library).max_bytes
    for one in uploads:
        one.close()


def made() -> set[str]:
    """Names of all promises."""
    return {path.name for path in (settings.DRIVE_ROOT / "promised").glob("*.*")}


def test_a_proxy_or_portal_that_is_killed_keeps_no_room(store: Store, site: Site) -> None:
    others = made()  # of resumable uploads that earlier tests left
    with store.begin("a.bin", 8 * MB, sent=MB) as going:
        assert is_admitted(going)
        site.kill("proxy")
        wait_for(site.answers, 60, "the site did not come back")
    assert store.put("b.bin", 8 * MB) == 201
    Quota.objects.filter(collab=store.library.owner_collab).update(max_bytes=quota.of(store.library).used_bytes + LEFT)
    with store.begin("c.bin", 8 * MB, sent=7 * MB) as going:
        assert is_admitted(going)
        with site.without("webdav"):
            wait_for(lambda: not site.answers(), 30, "its workers did not end")
            going.sendall(bytes(MB))
            assert going.recv(100).startswith(b"HTTP/1.1 502 ")
    wait_for(site.answers, 60, "the site did not come back")
    assert store.put("d.bin", 8 * MB) == 201
    assert made() <= others


def test_bodies_that_go_on_slowly_do_not_fill_the_disk(store: Store) -> None:
    """One after the other, each when the promise of the last has lapsed: the second waits for the first to end."""

    def lapse() -> None:
        for path in (settings.DRIVE_ROOT / "promised").glob("*.body"):
            made = json.loads(path.read_text())
            path.write_text(json.dumps(made | {"made": made["made"] - promises.STILL - 600}))

    with store.begin("slow.bin", 8 * MB, sent=2 * MB) as first:
        assert is_admitted(first)
        lapse()
        Quota.objects.filter(collab=store.library.owner_collab).update(max_bytes=15 * MB)
        with store.begin("next.bin", 8 * MB, sent=2 * MB) as second:
            assert second.recv(100).startswith(b"HTTP/1.1 507 ")
        assert store.put("small.bin", 3 * MB) == 201
        first.sendall(bytes(6 * MB))
        assert first.recv(100).startswith(b"HTTP/1.1 201 "), "its room is asked for anew, and is there"
    wait_for(lambda: not list((settings.DRIVE_ROOT / "promised").glob("*.slow")), 10, "it is held after its end")


# Upload links


@pytest.fixture
def link(store: Store, owner: Person) -> UploadLink:
    return upload_links.make_link(owner.user, store.library, "sent", title="Homework", max_bytes=10**9)


def test_an_anonymous_sender_of_no_bytes_keeps_nobody_out(store: Store, link: UploadLink) -> None:
    """Begins as much as it is given, again and again, and sends nothing: half of the room is for others."""
    attacker = Sender(link)
    statuses = [
        attacker.begin(f"{number}.bin", size).status_code for size in (9 * MB, MB, MB // 4) for number in range(30)
    ]
    assert statuses[0] == 507
    assert statuses.count(201) <= by_link.MOST_OF_SENDER
    assert store.put("mine.bin", LEFT // 2) == 201
    assert store.put("more.bin", 3 * MB) == 507  # it holds nearly half
    upload_links.revoke_link(link.created_by, link)
    assert store.put("more.bin", 3 * MB) == 201


def test_a_piece_through_a_link_that_was_cut_keeps_what_has_arrived(store: Store, link: UploadLink) -> None:
    sender, content = Sender(link), os.urandom(4 * MB)
    address = settings.PORTAL_URL + sender.begin("cut.bin", len(content)).headers["Location"]
    split = urlsplit(address)
    lines = [f"PATCH {split.path} HTTP/1.1", f"Host: {split.netloc}", f"Content-Length: {len(content)}"]
    lines += ["Upload-Offset: 0", "Content-Type: application/offset+octet-stream"]
    lines += [f"{key}: {value}" for key, value in sender.own.items()]
    lines += [f"Cookie: {'; '.join(f'{key}={value}' for key, value in sender.session.cookies.items())}", "", ""]
    with socket.create_connection(("127.0.0.1", split.port or 80), 30) as connection:
        connection.sendall("\r\n".join(lines).encode() + content[: 3 * MB])

    def offset() -> int:
        return int(sender.send("HEAD", address).headers["Upload-Offset"])

    wait_for(lambda: offset() > 2 * MB, 30, "nothing was kept")
    there = offset()
    assert sender.patch(address, there, content[there:]).status_code == 204
    assert (layout.find(store.library.pk) / "sent/cut.bin").read_bytes() == content
