"""Upload links: one gate for senders who are nobody, tried with everything that can be wrong."""

import base64
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive import tasks
from drive.libraries import public_links, services, upload_links
from drive.models import File, Library, Permission, ReceivedFile, UploadLink, Via
from drive.storage import StorageError, WrongPathError, layout
from drive.uploads import by_link, tus
from drive.versions import history
from notices.models import Kind, Notice
from portal.accounts.services import deactivate
from portal.models import AuditEntry, User

SignIn = Callable[[User], Client]
PASSWORD = "open, sesame"
SECRET = "SECRET-OF-THE-LIBRARY"
MB = 2**20


@pytest.fixture(autouse=True)
def without_nginx(settings: Settings) -> None:
    settings.DRIVE_USE_ACCEL = False


@pytest.fixture
def library(owner: User) -> Library:  # instead of the Collab's
    library = services.create_library(owner, f"Data {SECRET}")
    folder = layout.find(library.pk) / "sent"
    folder.mkdir()
    (folder / f"{SECRET}.txt").write_text(SECRET)
    (folder / "taken.txt").write_text("theirs")
    return library


@pytest.fixture
def link(owner: User, library: Library) -> UploadLink:
    return upload_links.make_link(owner, library, "sent", title="Homework", message="Please.", max_bytes=MB)


def base(link: UploadLink) -> str:
    return f"/u/{upload_links.token(link)}/"


def create(client: Client, link: UploadLink, name: str, length: int, sender: str = "") -> Any:
    pairs = {"filename": name, "sender": sender}
    metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    return client.post(
        base(link) + "uploads/", headers=HEADERS | {"Upload-Length": str(length), "Upload-Metadata": metadata}
    )


def patch(client: Client, address: str, content: bytes, offset: int = 0) -> Any:
    headers = HEADERS | {"Upload-Offset": str(offset)}
    return client.patch(address, content, content_type="application/offset+octet-stream", headers=headers)


HEADERS = {"Tus-Resumable": tus.VERSION}


def send(client: Client, link: UploadLink, name: str, content: bytes, sender: str = "") -> int:
    begun = create(client, link, name, len(content), sender)
    return (
        int(patch(client, begun["Location"], content).status_code)
        if content and begun.status_code == 201
        else begun.status_code
    )


def there(library: Library) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (layout.find(library.pk) / "sent").iterdir()}


def closed(client: Client, link: UploadLink, under_way: str) -> bool:
    """Whether every door of a link is shut, also for what is on its way."""
    answers = [
        client.get(base(link)),
        client.post(base(link) + "files", {"file": SimpleUploadedFile("a.txt", b"x")}),
        create(client, link, "a.txt", 1),
        client.head(under_way, headers=HEADERS),
        patch(client, under_way, b"x"),
        client.delete(under_way, headers=HEADERS),
    ]
    return {answer.status_code for answer in answers} == {404}


# What senders can do


def test_a_visitor_uploads_and_sees_nothing(client: Client, library: Library, link: UploadLink) -> None:
    page = client.get(base(link))
    assertContains(page, "Homework")
    assertContains(page, "Please.")
    for secret in (SECRET, "taken.txt", "sent/", str(library.pk), str(link.pk)):
        assertNotContains(page, secret)
    assert page["X-Robots-Tag"].startswith("noindex")
    assert send(client, link, "mine.txt", b"hello") == 204
    assert there(library)["mine.txt"] == b"hello"
    assertNotContains(client.get(base(link)), "mine.txt")
    [row] = File.objects.filter(library=library, path="sent/mine.txt")
    assert (row.changed_by, row.via, history.author(None, row.via)) == (None, Via.LINK, "through an upload link")


def test_it_replaces_nothing_and_does_not_say_so(client: Client, library: Library, link: UploadLink) -> None:
    taken, free = create(client, link, "taken.txt", 4), create(client, link, "free.txt", 4)
    answers = [patch(client, begun["Location"], b"mine") for begun in (taken, free)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert set(answers[0].headers) == set(answers[1].headers)
    assert there(library)["taken.txt"] == b"theirs"
    assert there(library)["taken (2).txt"] == b"mine"


def test_a_whole_course_sends_files_of_one_name(client: Client, library: Library, link: UploadLink) -> None:
    folder = layout.find(library.pk) / "sent"
    for number in range(2, 102):
        (folder / f"taken ({number}).txt").write_text("x")
    before = set(there(library))
    assert send(client, link, "taken.txt", b"mine") == 204
    [new] = set(there(library)) - before
    assert there(library)[new] == b"mine"


def test_a_senders_name_comes_before_the_files(client: Client, library: Library, link: UploadLink) -> None:
    assert send(client, link, "a.txt", b"1", "Ada Lovelace") == 204
    assert send(client, link, "a.txt", b"2", "../../.hidden\n\u202eAda") == 204
    assert send(client, link, "a.txt", b"3", "." * 300) == 204
    names = set(there(library)) - {f"{SECRET}.txt", "taken.txt"}
    assert names == {"Ada Lovelace - a.txt", "-..-.hidden Ada - a.txt", "a.txt"}
    assert ReceivedFile.objects.filter(sender="Ada Lovelace", name="a.txt").exists()


def test_a_name_is_one_line_and_shown_as_it_is(client: Client, library: Library, link: UploadLink) -> None:
    """In the folder, and in the mail to the link's maker."""
    assert send(client, link, "invoice\u202efdp.exe", b"1") == 204
    assert send(client, link, "a.pdf\n\nYour password expires: evil.example", b"1") == 204
    assert {"invoice_fdp.exe", "a.pdf__Your password expires: evil.example"} <= set(there(library))
    assert not ReceivedFile.objects.filter(name__contains="\n").exists()


@pytest.mark.parametrize("name", [".bashrc", "../up.txt", "a/b.txt", "..", "", "x" * 256, "a\0b"])
def test_it_takes_no_name_that_means_something(client: Client, library: Library, link: UploadLink, name: str) -> None:
    before = there(library)
    assert create(client, link, name, 1).status_code == 400
    assert there(library) == before
    assert not ReceivedFile.objects.exists()


def test_an_interrupted_upload_goes_on(client: Client, library: Library, link: UploadLink) -> None:
    address = create(client, link, "a.bin", 10)["Location"]
    assert patch(client, address, b"01234").status_code == 204
    assert client.head(address, headers=HEADERS)["Upload-Offset"] == "5"
    assert "a.bin" not in there(library)
    assert patch(client, address, b"56789", 5).status_code == 204
    assert there(library)["a.bin"] == b"0123456789"


def test_the_form_works_without_javascript(client: Client, library: Library, link: UploadLink) -> None:
    files = [SimpleUploadedFile("taken.txt", b"mine"), SimpleUploadedFile("b.txt", b"b")]
    assert client.post(base(link) + "files", {"file": files, "sender": "Ada"}).status_code == 302
    assertContains(client.get(base(link)), "2 files were uploaded")
    assert there(library)["Ada - taken.txt"] == b"mine"
    answer = client.post(base(link) + "files", {"file": [SimpleUploadedFile("c.txt", b"c" * (MB + 1))]})
    assertContains(answer, "does not take so much more", status_code=422)
    assert ReceivedFile.objects.count() == 2


def test_one_sender_does_not_reach_what_another_sends(
    client: Client, owner: User, library: Library, link: UploadLink
) -> None:
    other = upload_links.make_link(owner, library, "other", title="Other", max_bytes=MB)
    begun = by_link.begin(link, "a.txt", "", 5)
    own = tus.create(owner, library, "own.txt", 5)
    for upload in (begun, own):
        address = f"{base(other)}uploads/{upload.id}"
        assert client.head(address, headers=HEADERS).status_code == 404
        assert patch(client, address, b"12345").status_code == 404
        assert client.delete(address, headers=HEADERS).status_code == 404
    assert client.head(f"{base(link)}uploads/{own.id}", headers=HEADERS).status_code == 404
    with pytest.raises(StorageError):
        tus.find(owner, library, begun.id)


def test_an_upload_link_opens_nothing_of_another_kind(
    client: Client, owner: User, library: Library, link: UploadLink
) -> None:
    public = public_links.make_link(owner, library, "sent")
    assert client.get(f"/l/{upload_links.token(link)}/").status_code == 404
    assert client.get(f"/u/{public_links.token(public)}/").status_code == 404


# Its end


def ends() -> dict[str, Callable[[UploadLink, User, User], object]]:
    return {
        "revoked": lambda link, owner, _editor: upload_links.revoke_link(owner, link),
        "expired": lambda link, _owner, _editor: UploadLink.objects.filter(pk=link.pk).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        ),
        "library deleted": lambda link, owner, _editor: services.delete_library(owner, link.library),
        "maker may only read": lambda link, owner, editor: services.share_with_person(
            owner, link.library, editor, Permission.READ
        ),
        "maker is deactivated": lambda link, owner, editor: deactivate(owner, editor),
        "library transferred": lambda link, owner, editor: services.transfer_library(
            owner, link.library, editor, keep_access=True
        ),
    }


@pytest.mark.parametrize("what", ends())
def test_it_ends_at_once_also_for_what_is_on_its_way(
    client: Client, owner: User, editor: User, operator: User, library: Library, what: str
) -> None:
    services.share_with_person(owner, library, editor, Permission.WRITE)
    link = upload_links.make_link(editor, library, "sent", title="Homework", max_bytes=MB)
    under_way = create(client, link, "a.txt", 1)["Location"]
    assert client.head(under_way, headers=HEADERS).status_code == 200
    ends()[what](link, operator if what == "maker is deactivated" else owner, editor)
    assert closed(client, link, under_way)
    assert "a.txt" not in there_still(library)


def there_still(library: Library) -> set[str]:
    found = Library.objects.get(pk=library.pk)
    return set() if found.deleted_at else set(there(found))


def test_it_ends_with_the_role_in_its_collab(client: Client, owner: User, editor: User, collab: Collab) -> None:
    link = upload_links.make_link(editor, collab.library, "sent", title="Homework", max_bytes=MB)
    under_way = create(client, link, "a.txt", 1)["Location"]
    collab_services.change_role(owner, collab, editor, Role.VIEWER)
    assert closed(client, link, under_way)


def test_a_folder_that_is_gone_says_so(client: Client, library: Library, link: UploadLink) -> None:
    under_way = create(client, link, "a.txt", 1)["Location"]
    folder = layout.find(library.pk) / "sent"
    folder.rename(folder.with_name("moved"))
    assertContains(client.get(base(link)), "is gone", status_code=404)
    assert create(client, link, "b.txt", 1).status_code == 404
    assert patch(client, under_way, b"x").status_code == 404
    folder.symlink_to(folder.with_name("moved"))  # a Lab wrote it
    assert create(client, link, "b.txt", 1).status_code == 404


# Passwords


@pytest.fixture
def secured(owner: User, library: Library) -> UploadLink:
    return upload_links.make_link(owner, library, "sent", title="Homework", max_bytes=MB, password=PASSWORD)


def test_nothing_goes_without_the_password(client: Client, library: Library, secured: UploadLink) -> None:
    page = client.get(base(secured))
    assertContains(page, "protected by a password")
    assertNotContains(page, "Homework")
    assert create(client, secured, "a.txt", 1).status_code == 403
    assert client.post(base(secured) + "files", {"file": SimpleUploadedFile("a.txt", b"x")}).status_code == 302
    begun = by_link.begin(secured, "a.txt", "", 1)
    assert patch(client, f"{base(secured)}uploads/{begun.id}", b"x").status_code == 403
    assert client.post(base(secured), {"password": "wrong"}).status_code == 403
    assert client.post(base(secured), {"password": PASSWORD}).status_code == 302
    assert send(client, secured, "b.txt", b"x") == 204
    owner = secured.created_by
    upload_links.change_link(owner, secured, password="another one")
    assert create(client, secured, "c.txt", 1).status_code == 403
    assert {"a.txt", "c.txt"}.isdisjoint(there(library))


def test_passwords_are_not_tried_for_ever(client: Client, secured: UploadLink) -> None:
    answers = [client.post(base(secured), {"password": f"wrong {n}"}).status_code for n in range(12)]
    assert answers.count(429) >= 2
    assert client.post(base(secured), {"password": PASSWORD}).status_code == 429


# Nobody fills anything


def test_all_that_is_promised_fits_into_the_link(client: Client, link: UploadLink) -> None:
    assert create(client, link, "a", MB // 2).status_code == 201
    assert create(client, link, "b", MB // 2 + 1).status_code == 507
    last = create(client, link, "c", MB // 2)
    assert last.status_code == 201
    assert create(client, link, "d", 1).status_code == 507
    assert client.delete(last["Location"], headers=HEADERS).status_code == 204
    assert create(client, link, "e", 1).status_code == 201


def test_a_file_is_no_larger_than_asked_for(client: Client, owner: User, library: Library) -> None:
    link = upload_links.make_link(owner, library, "sent", title="Small", max_bytes=MB, max_file_bytes=10)
    assert create(client, link, "a", 11).status_code == 413
    begun = create(client, link, "b", 10)
    assert patch(client, begun["Location"], b"x" * 11).status_code == 413
    assert "b" not in there(library)


def test_promises_count_against_the_quota_which_is_not_told(
    client: Client, owner: User, library: Library, link: UploadLink, settings: Settings
) -> None:
    settings.QUOTA_PERSON_BYTES = Library.objects.get(pk=library.pk).used_bytes + 100
    other = upload_links.make_link(owner, library, "other", title="Other", max_bytes=MB)
    assert by_link.begin(link, "a", "", 50, "192.0.2.1")
    refused = create(client, other, "b", 51)
    assertContains(refused, "There is no room for this file", status_code=507)
    assertNotContains(refused, "owner", status_code=507)
    settings.QUOTA_PERSON_BYTES = 10**9
    begun = create(client, other, "c", 10)
    settings.QUOTA_PERSON_BYTES = 0  # a Lab has written meanwhile
    late = patch(client, begun["Location"], b"0123456789")
    assertContains(late, "There is no room for this file", status_code=507)


def test_the_disks_reserve_stays(client: Client, link: UploadLink, settings: Settings) -> None:
    disk = os.statvfs(layout.staging())
    settings.DISK_RESERVE_BYTES = disk.f_bavail * disk.f_frsize
    assert create(client, link, "a", MB // 2).status_code == 507
    assert not ReceivedFile.objects.exists()


def test_only_so_many_files_are_on_their_way(client: Client, link: UploadLink) -> None:
    for number in range(by_link.MOST_AT_ONCE):
        by_link.begin(link, f"{number}", "", 1)
    assert create(client, link, "more", 1).status_code == 503


def test_what_nobody_goes_on_with_is_given_up(client: Client, link: UploadLink) -> None:
    old, slow = by_link.begin(link, "old", "", MB // 2), by_link.begin(link, "slow", "", MB // 2)
    ReceivedFile.objects.update(begun_at=timezone.now() - by_link.UNFINISHED - timedelta(minutes=1))
    long_ago = (timezone.now() - by_link.UNFINISHED - timedelta(minutes=1)).timestamp()
    os.utime(old.data, (long_ago, long_ago))
    tasks.tend_upload_links()
    assert [row.upload_id for row in ReceivedFile.objects.all()] == [slow.id]
    assert not old.data.exists()
    assert slow.data.exists()
    assert create(client, link, "new", MB // 2).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_promises_made_at_the_same_moment_fit_together(owner: User) -> None:
    library = services.create_library(owner, "Data")
    link = upload_links.make_link(owner, library, "sent", title="Homework", max_bytes=10)

    def begin(number: int) -> bool:
        try:
            by_link.begin(link, f"{number}.txt", "", 4)
        except by_link.LinkFullError:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begin, range(8))) == 2
    connection.close()


# What nginx asks


def admission(client: Client, address: str, length: int | str, **headers: object) -> int:
    sent = {"X-Original-URI": address, "X-Original-Length": str(length)}
    more = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    answer = client.get("/_gateway/upload-link", headers=sent | more)
    assert answer.status_code in (204, 403)
    return int(answer.headers.get("X-Refused", str(answer.status_code)))


def test_nginx_reads_only_what_fits(client: Client, link: UploadLink, settings: Settings) -> None:
    begun = create(client, link, "a.txt", 10)["Location"]
    assert admission(client, begun, 10, Upload_Offset=0) == 204
    assert admission(client, begun, 11, Upload_Offset=0) == 413
    assert admission(client, begun, 1, Upload_Offset=5) == 409
    assert admission(client, begun, "", Upload_Offset=0) == 400  # in chunks
    assert admission(client, begun, 10) == 400
    assert admission(client, f"{base(link)}uploads/{'0' * 32}", 1, Upload_Offset=0) == 404
    assert admission(client, base(link) + "files", 1000) == 204
    assert admission(client, base(link) + "files", by_link.FORM_BYTES + 1) == 413
    assert admission(client, base(link) + "files", 3 * MB) == 507
    assert admission(client, "/drive/", 1) == 403
    upload_links.revoke_link(link.created_by, link)
    assert admission(client, begun, 10, Upload_Offset=0) == 403
    assert admission(client, base(link) + "files", 1000) == 403


def test_nginx_reads_nothing_without_the_password(client: Client, secured: UploadLink) -> None:
    begun = by_link.begin(secured, "a.txt", "", 5)
    address = f"{base(secured)}uploads/{begun.id}"
    assert admission(client, address, 5, Upload_Offset=0) == 403
    client.post(base(secured), {"password": PASSWORD})
    assert "upload_link" in client.cookies
    client.cookies["upload_link"]["path"] = "/"
    assert admission(client, address, 5, Upload_Offset=0) == 204


# Making one


@pytest.mark.parametrize("path", ["", "..", "a/../..", ".hidden", "a/.git"])
def test_it_leads_to_no_library_and_nothing_hidden(owner: User, library: Library, path: str) -> None:
    with pytest.raises(WrongPathError):
        upload_links.make_link(owner, library, path, title="x", max_bytes=1)


def test_only_writers_make_and_see_them(
    sign_in: SignIn, owner: User, editor: User, viewer: User, stranger: User, collab: Collab
) -> None:
    page = f"/drive/upload-links/{collab.library.pk}/"
    form = {"title": "Homework", "folder": "sent/here", "max_total": "5", "max_file": "1", "message": "Hello"}
    assert sign_in(stranger).post(page, form).status_code == 404
    assert sign_in(viewer).post(page, form).status_code == 403
    with pytest.raises(ValidationError):
        upload_links.make_link(viewer, collab.library, "sent", title="x", max_bytes=1)
    assert sign_in(editor).post(page, form).status_code == 302
    [made] = UploadLink.objects.all()
    assert (made.path, made.max_bytes, made.max_file_bytes, made.created_by) == ("sent/here", 5 * MB, MB, editor)
    assert (layout.find(collab.library.pk) / "sent/here").is_dir()
    assertContains(sign_in(owner).get(page), upload_links.address(made))
    assert sign_in(owner).post(page, form | {"folder": ""}).status_code == 422
    assert sign_in(owner).post(f"{page}{made.pk}/revoke/").status_code == 302
    assertNotContains(sign_in(owner).get(page), upload_links.address(made))
    verbs = list(AuditEntry.objects.filter(verb__startswith="upload_link").values_list("verb", flat=True))
    assert sorted(verbs) == ["upload_link.made", "upload_link.revoked"]


def test_each_file_is_in_the_audit_trail_and_its_maker_is_told_once(
    client: Client, owner: User, library: Library, link: UploadLink
) -> None:
    for name in ("a.txt", "b.txt"):
        assert send(client, link, name, b"x", "Ada") == 204
    entry = AuditEntry.objects.filter(verb="upload_link.received").latest("pk")
    assert (entry.actor, entry.target_id, entry.details["sender"]) == (None, str(library.pk), "Ada")
    tasks.tend_upload_links()
    assert not Notice.objects.filter(kind=Kind.UPLOADED).exists()  # others may follow
    ReceivedFile.objects.update(arrived_at=timezone.now() - by_link.TELL_AFTER)
    send(client, link, "c.txt", b"x")
    tasks.tend_upload_links()
    tasks.tend_upload_links()
    [notice] = Notice.objects.filter(kind=Kind.UPLOADED)
    assert notice.user == owner
    assert notice.subject == "3 files were uploaded through your link “Homework”"
    assert "a.txt (Ada)\nb.txt (Ada)\nc.txt" in notice.text
    assert notice.url == f"/drive/{library.pk}/sent/"
