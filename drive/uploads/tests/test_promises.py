"""Room that is promised to what has begun to arrive: together it fits, and who sends nothing keeps nobody out."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, connections
from django.test import Client
from pytest_django import Settings

from collabs.models import Collab
from drive import tasks
from drive.files import operations
from drive.libraries import quota, services, upload_links
from drive.libraries.quota import OverQuotaError
from drive.models import Library, UploadLink
from drive.storage import DiskFullError, disk_space, layout, promises
from drive.uploads import by_link, tus
from drive.uploads.by_link import BusyLinkError, LinkFullError
from portal.models import User

MB = 2**20
ONE, OTHER = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def library(collab: Collab) -> Library:
    return collab.library


@pytest.fixture
def link(owner: User, library: Library) -> UploadLink:
    return upload_links.make_link(owner, library, "sent", title="Homework", max_bytes=MB)


def leave(settings: Settings, library: Library, size: int) -> None:
    """A quota of which so many bytes are left."""
    library.refresh_from_db()
    settings.QUOTA_COLLAB_BYTES = library.used_bytes + size


def age(upload_id: str, seconds: float) -> None:
    """Have an upload's promise be so old, and its last byte too."""
    path = layout.root() / f"promised/{upload_id}.upload"
    text = path.read_text()
    before = text.partition('"made": ')[2].partition(",")[0]
    path.write_text(text.replace(before, str(float(before) - seconds)))
    data = layout.staging() / f"tus-{upload_id}"
    os.utime(data, (time.time() - seconds,) * 2)


def test_uploads_that_each_fit_have_to_fit_together(editor: User, library: Library, settings: Settings) -> None:
    leave(settings, library, 1000)
    first = tus.create(editor, library, "a", 600)
    with pytest.raises(OverQuotaError, match="kept for uploads that are under way"):
        tus.create(editor, library, "b", 600)
    assert [path.name for path in layout.staging().glob("tus-*.json")] == [f"tus-{first.id}.json"]
    tus.end(first)
    assert tus.create(editor, library, "b", 600)


def test_what_is_being_uploaded_leaves_no_room_for_other_ways(
    sign_in: Callable[[User], Client], editor: User, library: Library, settings: Settings
) -> None:
    settings.DRIVE_USE_ACCEL = False
    leave(settings, library, 1000)
    upload = tus.create(editor, library, "a", 600)
    client, page = sign_in(editor), f"/drive/{library.pk}"
    assert client.put(f"{page}/b", b"x" * 401).status_code == 507
    assert client.put(f"{page}/b", b"x" * 400).status_code == 204
    upload.data.write_bytes(b"x" * 600)
    assert tus.finish(editor, library, upload).size == 600
    library.refresh_from_db()
    assert library.used_bytes == settings.QUOTA_COLLAB_BYTES
    assert not list((layout.root() / "promised").glob("*.*"))


def test_the_disk_is_promised_too_but_for_what_has_arrived(editor: User, library: Library, settings: Settings) -> None:
    """Others write on this disk meanwhile: so it is large pieces that are left, and promised."""
    settings.DISK_RESERVE_BYTES += disk_space.left() - 1000 * MB
    quota.promise(library, "1" * 32, promises.BODY, size=600 * MB, files=1, disk=600 * MB)
    with pytest.raises(DiskFullError):
        tus.create(editor, library, "b", 600 * MB)
    upload = tus.create(editor, library, "b", 10 * MB)
    assert promises.missing() == 610 * MB
    upload.data.write_bytes(b"x" * MB)
    assert promises.missing() == 609 * MB


def test_who_announces_the_whole_disk_and_sends_nothing_keeps_nobody_out(
    editor: User, owner: User, library: Library, settings: Settings
) -> None:
    """Of the disk an upload is kept what comes next, one person half at most; small files wait for no upload."""
    settings.DISK_RESERVE_BYTES += disk_space.left() - 1000 * MB
    for number in range(20):
        tus.create(editor, library, f"{number}", 200 * MB)
    assert promises.missing() <= 550 * MB, "others free some of this disk meanwhile"
    assert tus.create(owner, library, "other", 300 * MB)
    quota.promise(library, "1" * 32, promises.BODY, size=200 * MB, files=1, disk=200 * MB)
    disk_space.require(4 * MB)


def test_a_body_that_hardly_comes_loses_its_promise_within_minutes(library: Library, settings: Settings) -> None:
    """Of two the one of which as much has come as PACE has it keeps its own."""
    body = Path(settings.DRIVE_ROOT) / "staging/nginx/0000000001"
    body.parent.mkdir(parents=True, exist_ok=True)
    with body.open("wb") as file:
        file.truncate(300 * MB)
    for key in "12":
        quota.promise(library, key * 32, promises.BODY, size=1000 * MB, files=1, disk=1000 * MB)
        path = layout.root() / f"promised/{key * 32}.body"
        made = json.loads(path.read_text())
        path.write_text(json.dumps(made | {"made": made["made"] - promises.STILL - 60}))
    assert len(promises.others()) == 1
    body.unlink()
    assert promises.others() == []


def test_bodies_that_go_on_slowly_are_held_against_their_sender(library: Library, settings: Settings) -> None:
    """What came of them is on the disk, in no quota: beginning such bodies again and again, one person filled it."""
    leave(settings, library, 100 * MB)

    def begin(number: int, sender: str, size: int = 80 * MB) -> str:
        key = f"{number}" * 32
        quota.promise(library, key, promises.BODY, size=size, files=1, disk=size, sender=sender)
        path = layout.root() / f"promised/{key}.body"
        made = json.loads(path.read_text())
        path.write_text(json.dumps(made | {"made": made["made"] - promises.STILL - 600}))
        return key

    first = begin(1, "one")
    for number in (2, 3):
        with pytest.raises(DiskFullError, match="at the same time"):
            begin(number, "one")
        begin(number, "one", size=4 * MB)
    begin(4, "another")
    assert promises.others() == [], "they keep nobody out"
    promises.end(first, promises.BODY)
    assert begin(5, "one")
    (slow,) = (layout.root() / "promised").glob(f"4*{promises.SLOW}")
    os.utime(slow, (0, 0))
    promises.sweep()
    assert not slow.exists()


def test_a_promise_lapses_without_bytes_and_is_made_anew_where_there_is_room(
    editor: User, library: Library, settings: Settings
) -> None:
    leave(settings, library, 1000)
    upload = tus.create(editor, library, "a", 600)
    age(upload.id, promises.STILL - 5)
    assert promises.is_made(upload.id, promises.UPLOAD)
    age(upload.id, 10)
    other = tus.create(editor, library, "b", 600)
    with pytest.raises(OverQuotaError):
        tus.promise(library, upload)
    tus.end(other)
    tus.promise(library, upload)
    assert promises.is_made(upload.id, promises.UPLOAD)


def test_who_dies_while_putting_a_file_in_place_leaves_no_promise(library: Library, settings: Settings) -> None:
    leave(settings, library, 1000)
    with promises.lock():
        pid = os.fork()
    if pid == 0:
        try:
            with promises.making("0" * 32, promises.Promise(quota.owner_of(library), size=900)):
                os._exit(9)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    path = layout.root() / f"promised/{'0' * 32}.put"
    quota.check(library, 900)
    assert not path.exists()


def test_nginx_says_which_request_has_ended(library: Library, settings: Settings) -> None:
    leave(settings, library, 1000)
    quota.promise(library, "1" * 32, promises.BODY, size=900, files=1, disk=900)
    with pytest.raises(OverQuotaError):
        quota.check(library, 900)
    (layout.root() / f"promised/{'1' * 32}.ended").write_text("499\n")
    quota.check(library, 900)
    assert not list((layout.root() / "promised").glob("1*"))


@pytest.mark.django_db(transaction=True)
def test_files_that_are_put_in_place_at_the_same_moment_fit_together(owner: User, settings: Settings) -> None:
    library = services.create_library(owner, "Data")
    settings.QUOTA_PERSON_BYTES = quota.of(library).used_bytes + 1000

    def put(number: int) -> bool:
        try:
            operations.write(owner, library, f"{number}.txt", b"x" * 400)
        except OverQuotaError:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(8))) == 2
    assert quota.of(library).used_bytes <= settings.QUOTA_PERSON_BYTES
    connection.close()


# Upload links


def test_nobody_without_an_account_holds_more_than_half(
    library: Library, link: UploadLink, settings: Settings, editor: User
) -> None:
    leave(settings, library, 1000)
    with pytest.raises(LinkFullError):
        by_link.begin(link, "all", "", 501, ONE)
    by_link.begin(link, "half", "", 500, ONE)
    with pytest.raises(BusyLinkError):
        by_link.begin(link, "more", "", 1, OTHER)
    assert tus.create(editor, library, "b", 500)


def test_one_address_holds_half_through_all_links(
    owner: User, library: Library, link: UploadLink, settings: Settings
) -> None:
    other = upload_links.make_link(owner, library, "other", title="Other", max_bytes=MB)
    leave(settings, library, 1000)
    by_link.begin(link, "a", "", 300, ONE)
    with pytest.raises(BusyLinkError):
        by_link.begin(other, "b", "", 300, ONE)
    by_link.begin(other, "b", "", 300, OTHER)


def test_all_links_together_hold_half_of_the_disk_at_most(
    owner: User, library: Library, settings: Settings, editor: User
) -> None:
    """Of what is left of it beyond what others were promised."""
    links = [upload_links.make_link(owner, library, f"{n}", title=f"{n}", max_bytes=10**12) for n in range(3)]
    settings.DISK_RESERVE_BYTES += disk_space.left() - 1000 * MB
    by_link.begin(links[0], "a", "", 400 * MB, ONE)
    with pytest.raises(BusyLinkError):
        by_link.begin(links[1], "b", "", 400 * MB, OTHER)
    by_link.begin(links[1], "b", "", 300 * MB, OTHER)
    quota.promise(library, "1" * 32, promises.BODY, size=400 * MB, files=1, disk=400 * MB)
    with pytest.raises(LinkFullError):
        by_link.begin(links[2], "c", "", 310 * MB, "192.0.2.3")
    assert promises.missing() <= 900 * MB


def test_one_address_has_so_many_files_on_their_way(link: UploadLink) -> None:
    for number in range(by_link.MOST_OF_SENDER):
        by_link.begin(link, f"{number}", "", 1, ONE)
    with pytest.raises(BusyLinkError):
        by_link.begin(link, "more", "", 1, ONE)
    by_link.begin(link, "of another", "", 1, OTHER)


def test_who_sends_nearly_nothing_holds_nothing(library: Library, link: UploadLink, settings: Settings) -> None:
    """A byte now and then keeps an upload, which may go on when there is room, and no promise."""
    leave(settings, library, 1000)
    held = by_link.begin(link, "held", "", 500, ONE)
    held.data.write_bytes(b"x")
    age(held.id, promises.STILL + 5)
    os.utime(held.data)
    UploadLink.objects.get().received.update(begun_at="2020-01-01T00:00:00Z")
    other = by_link.begin(link, "other", "", 500, OTHER)
    with pytest.raises(BusyLinkError):
        by_link.admit_piece(link, held.id, 1, 1, ONE)
    tus.end(other)
    by_link.admit_piece(link, held.id, 1, 1, ONE)


def test_an_ended_link_holds_nothing(owner: User, library: Library, settings: Settings) -> None:
    links = [upload_links.make_link(owner, library, f"{n}", title=f"{n}", max_bytes=MB) for n in range(2)]
    leave(settings, library, 1000)
    by_link.begin(links[0], "a", "", 500, ONE)
    by_link.begin(links[1], "b", "", 250, OTHER)
    with pytest.raises(OverQuotaError):
        quota.check(library, 500)
    upload_links.revoke_link(owner, links[0])
    quota.check(library, 750)
    UploadLink.objects.filter(pk=links[1].pk).update(expires_at="2020-01-01T00:00:00Z")
    tasks.tend_upload_links()
    quota.check(library, 1000)


def test_a_piece_that_was_cut_is_kept(link: UploadLink, settings: Settings) -> None:
    upload = by_link.begin(link, "a", "", 500, ONE)
    body = Path(settings.DRIVE_ROOT) / "staging/nginx/0000000001"
    body.parent.mkdir(parents=True, exist_ok=True)
    body.write_bytes(b"x" * 100)
    (layout.staging() / f"cut-{upload.id}").write_text(f"{body} 0\n")
    by_link.admit_piece(link, upload.id, 100, 400, ONE)
    assert upload.offset == 100
    assert not body.exists()
