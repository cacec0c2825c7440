"""Public links: one gate, walked for every page that there is, with everything that can be wrong."""

import io
import re
import string
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.browser import registry, views_zip
from drive.files.public_link_access import OneFile
from drive.libraries import link_secrets, public_links, services
from drive.models import Library, Permission, PublicLink
from drive.storage import LibraryFiles, NotFoundError, StorageError, layout, open_library
from portal.accounts.services import deactivate
from portal.models import AuditEntry, User

SignIn = Callable[[User], Client]
SECRET = "SECRET-OF-THE-LIBRARY"
PASSWORD = "open, sesame"


@pytest.fixture(autouse=True)
def without_nginx(settings: Settings) -> None:
    settings.DRIVE_USE_ACCEL = False


@pytest.fixture
def library(owner: User) -> Library:  # instead of the Collab's
    library = services.create_library(owner, "Data")
    place = layout.find(library.pk)
    (place / "given/sub").mkdir(parents=True)
    (place / "given/a.txt").write_text("hello")
    (place / "given/sub/b.txt").write_text("below")
    (place / "given/page.md").write_text("# Title")
    (place / f"given/{SECRET}.txt").write_text(SECRET)
    (place / "outside.txt").write_text(SECRET)
    (place / "given/link").symlink_to(place / "outside.txt")
    return library


@pytest.fixture
def folder(owner: User, library: Library) -> PublicLink:
    return public_links.make_link(owner, library, "given")


@pytest.fixture
def file(owner: User, library: Library) -> PublicLink:
    return public_links.make_link(owner, library, "given/a.txt")


def base(link: PublicLink) -> str:
    return f"/l/{public_links.token(link)}/"


def everything(link: PublicLink) -> list[str]:
    """Every page of every table, at the addresses that the link may give, and at others."""
    file_pages = [f"?show={name}" if name else "" for name in registry.FILE_PAGES]
    folder_pages = [f"?show={name}" if name else "" for name in registry.FOLDER_PAGES]
    found = [base(link) + page for page in folder_pages]
    for path in ("a.txt", "sub/b.txt", f"{SECRET}.txt", "page.md"):
        found += [f"{base(link)}{path}{page}&id=1&a=1&b=1" if page else base(link) + path for page in file_pages]
    return found + [f"{base(link)}sub/{page}&q=e" if page else f"{base(link)}sub/" for page in folder_pages]


def said(response: Any) -> str:
    """What the answer says, but for the ways to sign in and to another language, which repeat the page's address."""
    repeated = r'href="/account/login/[^"]*"|name="back" value="[^"]*"'
    return re.sub(repeated, "", body(response).decode(errors="replace"))


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


# What is given


def test_it_gives_a_folder_and_what_is_below(client: Client, folder: PublicLink) -> None:
    page = client.get(base(folder))
    for words in ("given", "a.txt", "sub/"):
        assertContains(page, words)
    for words in ("outside.txt", "Trash", "Open in Lab", 'type="file"'):
        assertNotContains(page, words)
    assert "hello" in body(client.get(base(folder) + "a.txt?show=raw")).decode()
    assert "below" in body(client.get(base(folder) + "sub/b.txt?show=raw")).decode()
    assertContains(client.get(base(folder) + "sub/"), "b.txt")
    for path in (
        "../outside.txt",
        "%2e%2e/outside.txt",
        "sub/../../outside.txt",
        "link",
        "/outside.txt",
        "outside.txt",
    ):
        response = client.get(base(folder) + path)
        assert response.status_code in (400, 404, 409), path
        assert SECRET.encode() not in body(response).replace(f"{SECRET}.txt".encode(), b"")


def test_it_zips_what_is_below(client: Client, folder: PublicLink) -> None:
    archive = zipfile.ZipFile(io.BytesIO(body(client.get(base(folder) + "?show=zip"))))
    assert {name.rpartition("/")[2] for name in archive.namelist()} >= {"a.txt", "b.txt"}
    assert not any("outside" in name for name in archive.namelist())


@pytest.mark.slow
@pytest.mark.any_database
def test_it_gives_one_file_and_nothing_else(client: Client, file: PublicLink) -> None:
    assertRedirects(client.get(base(file)), base(file) + "a.txt", fetch_redirect_response=False)
    assert client.get(base(file) + "a.txt").status_code == 200
    assert body(client.get(base(file) + "a.txt?show=raw")) == b"hello"
    for address in everything(file):
        response = client.get(address)
        if not address.startswith(base(file) + "a.txt"):
            assert response.status_code in (302, 404), address
        content = said(response)
        for words in (SECRET, "page.md", "b.txt", "outside"):
            assert words not in content, address


def test_it_keeps_one_file_apart_whatever_is_added_to_the_storage_layer(library: Library) -> None:
    with open_library(library) as files, files.below("given") as given:
        one = OneFile(given, "a.txt")
        assert one.open("a.txt").read() == b"hello"
        for name in dir(LibraryFiles):
            if not name.startswith("_") and name not in ("stat", "open"):
                with pytest.raises(NotFoundError):
                    getattr(one, name)
        for attempt in (one.stat, one.open):
            for path in ("", ".", "page.md", "./a.txt", "sub/b.txt", "../outside.txt"):
                with pytest.raises(NotFoundError):
                    attempt(path)


def test_it_gives_a_whole_library(client: Client, owner: User, library: Library) -> None:
    link = public_links.make_link(owner, library, "")
    page = client.get(base(link))
    assertContains(page, "outside.txt")
    assertContains(page, "<h1>Data</h1>")


@pytest.mark.slow
@pytest.mark.any_database
def test_it_gives_nothing_of_people_or_of_the_past(client: Client, folder: PublicLink) -> None:
    """Only these are behind a link; a page that is added to the tables later needs a right that visitors lack."""
    allowed = {"", "raw", "rendered", "interactive", "rendering", "thumbnail", "zip", "find"}
    pages = [*registry.FILE_PAGES.items(), *registry.FOLDER_PAGES.items()]
    assert {name for name, page in pages if page.right == registry.Right.LINK} == allowed
    for name in {*registry.FILE_PAGES} - allowed:
        assert client.get(f"{base(folder)}a.txt?show={name}").status_code == 404, name
    for name in {*registry.FOLDER_PAGES} - allowed:
        assert client.get(f"{base(folder)}?show={name}").status_code == 404, name
    for name in allowed & {*registry.FILE_PAGES}:
        assert client.get(f"{base(folder)}a.txt?show={name}").status_code != 404, name
    for address in everything(folder):
        content = said(client.get(address))
        assert "Olga" not in content
        assert "outside" not in content


# What is wrong


def expired(link: PublicLink, owner: User, collab: Collab) -> None:
    PublicLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def revoked(link: PublicLink, owner: User, collab: Collab) -> None:
    public_links.revoke_link(owner, link)


def deleted(link: PublicLink, owner: User, collab: Collab) -> None:
    services.delete_library(owner, link.library)


def inactive(link: PublicLink, owner: User, collab: Collab) -> None:
    deactivate(None, owner)


def lost(link: PublicLink, owner: User, collab: Collab) -> None:
    services.transfer_library(owner, link.library, User.objects.get(username="editor"))


def removed(link: PublicLink, owner: User, collab: Collab) -> None:
    link.delete()


def forged(link: PublicLink, owner: User, collab: Collab) -> None:
    django_settings.SECRET_KEY = "another"  # the token was made under the first


WRONG = [expired, revoked, deleted, inactive, lost, removed]
ON_ANY_DATABASE = pytest.param(True, marks=pytest.mark.any_database)


def without_token(page: str) -> str:
    """The page without what differs from request to request: `back` is its own address, where it offers languages."""
    own = r'(data-token|name="csrfmiddlewaretoken" value)="\w+"|<code>[0-9a-f]{32}</code>|name="back" value="[^"]*"'
    return re.sub(own, "", page)


@pytest.mark.slow
@pytest.mark.parametrize("one_file", [False, ON_ANY_DATABASE], ids=["folder", "file"])
@pytest.mark.parametrize("with_password", [False, ON_ANY_DATABASE], ids=["open", "password"])
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_it_is_shut_in_every_way(
    client: Client, owner: User, collab: Collab, library: Library, wrong: Any, one_file: bool, with_password: bool
) -> None:
    path = "given/a.txt" if one_file else "given"
    link = public_links.make_link(owner, library, path, password=PASSWORD if with_password else "")
    start = base(link)
    if with_password:
        client.post(start, {"password": PASSWORD})
    assert client.get(start + "a.txt").status_code == 200
    addresses = everything(link)
    wrong(link, owner, collab)
    nothing = client.get(f"/l/{'A' * 43}/")
    assert nothing.status_code == 404
    for address in addresses:
        strangers = [Client()] if with_password else []  # without one, the first is as much a stranger as any other
        for response in (client.head(address), *(one.get(address) for one in (client, *strangers))):
            assert response.status_code == 404, address
            own = {"Content-Length": "", "X-Request-ID": ""}
            assert {**response.headers, **own} == {**nothing.headers, **own}
            if response.content:
                assert without_token(said(response)) == without_token(said(nothing))
    assert client.post(start, {"password": PASSWORD}).status_code == 404


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "é" * 43, "%00" * 10, "A" * 5000, "…", "=" * 44])
def test_it_knows_no_other_tokens(client: Client, db: None, token: str) -> None:
    assert client.get(f"/l/{token}/").status_code == 404


def test_it_checks_every_bit_of_a_token(client: Client, folder: PublicLink) -> None:
    token = public_links.token(folder)
    other = {"A": "B"}.get(token[-2], "A")
    assert client.get(f"/l/{token[:-2]}{other}{token[-1]}/").status_code == 404
    assert client.get(f"/l/{token[:22]}{'A' * 21}/").status_code == 404


def _next_in_alphabet(character: str) -> str:
    """Differs in the lowest bit, which the last character of a token of 256 bits has to spare."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return alphabet[alphabet.index(character) ^ 1]


@pytest.mark.parametrize(
    "other",
    [
        lambda token: token + "=",
        lambda token: token + "==",
        lambda token: token[:-1] + _next_in_alphabet(token[-1]),
        lambda token: token.replace("-", "+").replace("_", "/"),
        lambda token: token[:9] + "!" + token[9:],
        lambda token: token[:20] + "%0A" + token[20:],
        lambda token: token + "%20",
        lambda token: token + "." + token,
        lambda token: token[:5] + "é" + token[5:],
    ],
)
def test_a_token_has_one_spelling(client: Client, folder: PublicLink, other: Callable[[str], str]) -> None:
    """Whoever blocks or looks for an address, in a log or a filter, has it whole."""
    token = next(t for t in _tokens(folder) if "-" in t and "_" in t)
    assert client.get(f"/l/{token}/").status_code == 200
    assert client.get(f"/l/{other(token)}/").status_code == 404


def _tokens(link: PublicLink) -> Iterator[str]:
    """Of the link, under one id after the other."""
    while True:
        yield public_links.token(link)
        before, link.pk = link.pk, uuid4()
        PublicLink.objects.filter(pk=before).update(id=link.pk)


def test_it_stores_nothing_that_opens_a_link(folder: PublicLink) -> None:
    row = PublicLink.objects.filter(pk=folder.pk).values().get()
    assert public_links.token(folder) not in str(row)
    assert len(public_links.token(folder)) == 43


def test_it_survives_a_new_secret_key_beside_the_old_one(
    client: Client, folder: PublicLink, settings: Settings
) -> None:
    address = base(folder)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "new"
    assert client.get(address).status_code == 200
    assert base(folder) != address
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get(address).status_code == 404


@pytest.mark.slow
@pytest.mark.any_database
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_it_changes_nothing(
    client: Client, owner: User, folder: PublicLink, file: PublicLink, sign_in: SignIn, method: str
) -> None:
    forms: list[Any] = [{"do": action, "name": "a.txt", "old": "a.txt"} for action in registry.ACTIONS]
    bodies = forms if method == "post" else [b"x"]
    before = sorted(layout.find(folder.library_id).rglob("*"))
    for who in (client, sign_in(owner)):
        for link in (folder, file):
            for path in ("", "a.txt", "new.txt", "sub/"):
                for sent in bodies:
                    assert getattr(who, method)(base(link) + path, sent).status_code == 405
    assert sorted(layout.find(folder.library_id).rglob("*")) == before


def test_it_says_when_the_path_leads_nowhere(client: Client, folder: PublicLink, file: PublicLink) -> None:
    place = layout.find(folder.library_id)
    (place / "given").rename(place / "moved")
    for link in (folder, file):
        response = client.get(base(link))
        assert response.status_code == 404
        assertContains(response, "moved, renamed or deleted", status_code=404)
    (place / "given").write_text(SECRET)
    assert client.get(base(folder)).status_code == 404
    (place / "given").unlink()
    (place / "given").symlink_to(place / "moved")
    assert SECRET.encode() not in body(client.get(base(folder)))
    assert client.get(base(file)).status_code in (404, 409)


def test_it_tells_nobody_and_keeps_nothing(client: Client, folder: PublicLink) -> None:
    for path in ("", "a.txt?show=raw", "sub/"):
        response = client.get(base(folder) + path)
        assert "noindex" in response["X-Robots-Tag"]
        assert response["Referrer-Policy"] == "same-origin"
        assert "private" in response["Cache-Control"]


# Passwords


@pytest.fixture
def secured(owner: User, library: Library) -> PublicLink:
    return public_links.make_link(owner, library, "given", password=PASSWORD)


@pytest.mark.slow
@pytest.mark.any_database
def test_it_asks_for_the_password_before_anything(client: Client, secured: PublicLink) -> None:
    for address in everything(secured):
        response = client.get(address)
        assert response.status_code == 200
        assertContains(response, "is protected by a password")
        for words in ("given", "hello", SECRET):
            assert words not in said(response)
    assert client.put(base(secured) + "a.txt", b"x").status_code == 405
    secured.refresh_from_db()
    assert secured.uses == 0


def test_it_remembers_the_password_for_this_link_alone(
    client: Client, owner: User, library: Library, secured: PublicLink
) -> None:
    response = client.post(base(secured) + "a.txt?show=raw", {"password": PASSWORD})
    assert response["Location"] == base(secured) + "a.txt?show=raw"
    cookie = response.cookies["link"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (base(secured), True, "Lax")
    assert body(client.get(base(secured) + "a.txt?show=raw")) == b"hello"
    assert client.post(base(secured), {"password": "x"}).status_code == 405
    other = public_links.make_link(owner, library, "given", password=PASSWORD)
    client.cookies["link"]["path"] = "/"
    assertContains(client.get(base(other)), "is protected by a password")
    PublicLink.objects.filter(pk=secured.pk).update(password="md5$x$0")
    assertContains(client.get(base(secured)), "is protected by a password")


@pytest.mark.parametrize("cookie", ["", "x", "a:b:c", '"x"'])
def test_it_takes_no_other_cookie(client: Client, secured: PublicLink, cookie: str) -> None:
    client.cookies["link"] = cookie
    assertContains(client.get(base(secured)), "is protected by a password")


def test_it_needs_a_csrf_token(secured: PublicLink) -> None:
    assert Client(enforce_csrf_checks=True).post(base(secured), {"password": PASSWORD}).status_code == 403


def test_it_limits_wrong_passwords_by_address(client: Client, secured: PublicLink) -> None:
    answers = [client.post(base(secured), {"password": f"wrong {n}"}).status_code for n in range(12)]
    assert answers == [403] * 10 + [429] * 2
    assert client.post(base(secured), {"password": PASSWORD}).status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.post(base(secured), {"password": PASSWORD}).status_code == 302


def test_it_limits_wrong_passwords_from_everywhere(secured: PublicLink) -> None:
    def answer(number: int, password: str) -> int:
        return Client(REMOTE_ADDR=f"192.0.2.{number}").post(base(secured), {"password": password}).status_code

    PublicLink.objects.filter(pk=secured.pk).update(
        wrong_tries=link_secrets.TRIES_PER_LINK - 1, wrong_since=timezone.now() - timedelta(minutes=59)
    )
    assert answer(1, PASSWORD) == 302, "who knows it takes no try away"
    assert answer(2, "wrong") == 403
    assert answer(3, PASSWORD) == 429
    PublicLink.objects.filter(pk=secured.pk).update(wrong_since=timezone.now() - timedelta(minutes=61))
    assert answer(3, PASSWORD) == 302


# Making, listing, revoking


def test_it_is_made_by_owners_only(
    owner: User, editor: User, stranger: User, library: Library, collab: Collab, sign_in: SignIn
) -> None:
    services.share_with_person(owner, library, editor, Permission.WRITE)
    for user in (editor, stranger):
        with pytest.raises(ValidationError):
            public_links.make_link(user, library, "given")
        with pytest.raises(ValidationError):
            public_links.make_link(user, collab.library, "")
    page = f"/drive/links/{library.pk}/?path=given"
    assert sign_in(editor).get(page).status_code == 403
    assert sign_in(stranger).post(page).status_code == 404
    assert Client().get(page).status_code == 302
    assert public_links.make_link(owner, collab.library, "").pk
    assert PublicLink.objects.count() == 1


def test_it_ends_with_the_role_of_its_maker(
    client: Client, owner: User, editor: User, collab: Collab, sign_in: SignIn
) -> None:
    collab_services.change_role(owner, collab, editor, Role.ADMINISTRATOR)
    link = public_links.make_link(editor, collab.library, "")
    assert client.get(base(link)).status_code == 200
    collab_services.change_role(owner, collab, editor, Role.EDITOR)
    assert client.get(base(link)).status_code == 404
    assertContains(sign_in(owner).get(f"/drive/links/{collab.library.pk}/"), "may no longer create links here")
    collab_services.delete_collab(owner, collab)
    assert client.get(base(link)).status_code == 404


@pytest.mark.slow
def test_it_is_made_listed_and_revoked_on_its_page(owner: User, library: Library, sign_in: SignIn) -> None:
    client, page = sign_in(owner), f"/drive/links/{library.pk}/?path=given/sub"
    day = (timezone.localdate() + timedelta(days=1)).isoformat()
    response = client.post(page, {"last_day": day, "password": PASSWORD}, follow=True)
    link = PublicLink.objects.get()
    assertContains(response, public_links.address(link))
    assertNotContains(response, PASSWORD)
    assert link.expires_at
    assert link.expires_at.date() == timezone.localdate() + timedelta(days=2), "the last day counts whole"
    assertContains(response, f"until {date_format(timezone.localdate() + timedelta(days=1))}")
    assert [entry.verb for entry in AuditEntry.objects.filter(verb__startswith="link")] == ["link.made"]
    assert public_links.token(link) not in str(list(AuditEntry.objects.values_list("details")))
    Client().post(base(link), {"password": PASSWORD})
    assertContains(client.get(page), "opened 0 times")
    client.post(f"/drive/links/{library.pk}/{link.pk}/revoke/")
    assertNotContains(client.get(page), public_links.address(link))
    assert Client().get(base(link)).status_code == 404


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("gone", {}, "Nothing was found at this path"),
        ("given/link", {}, "Only files and folders"),
        ("../..", {}, "Invalid file or folder name"),
        ("given", {"last_day": "2020-01-01"}, "This day has passed."),
        ("given", {"last_day": "soon"}, "valid date"),
        ("given", {"password": "short"}, "at least 8"),
    ],
)
def test_it_says_why_no_link_is_made(
    owner: User, library: Library, sign_in: SignIn, path: str, form: dict, words: str
) -> None:
    response = sign_in(owner).post(f"/drive/links/{library.pk}/?path={path}", form or {"last_day": ""})
    assertContains(response, words, status_code=422)
    assert not PublicLink.objects.exists()


def test_it_counts_what_is_opened_not_what_belongs_to_a_page(client: Client, folder: PublicLink) -> None:
    client.get(base(folder))
    client.get(base(folder) + "a.txt?show=raw", headers={"Sec-Fetch-Dest": "document"})
    client.get(base(folder) + "a.txt?show=raw", headers={"Sec-Fetch-Dest": "image"})
    client.head(base(folder))
    client.get(base(folder) + "gone")
    folder.refresh_from_db()
    assert folder.uses == 2
    assert folder.last_used_at


def test_it_holds_any_name_that_an_address_can_hold(client: Client, owner: User, library: Library) -> None:
    (layout.find(library.pk) / "a\nb 50% #1").mkdir()
    link = public_links.make_link(owner, library, "a\nb 50% #1")
    assertContains(client.get(base(link)), "This folder is empty")
    (layout.find(library.pk) / "bad\udcff").mkdir()
    with pytest.raises(StorageError, match="rename it first"):
        public_links.make_link(owner, library, "bad\udcff")


def test_it_asks_a_constant_number_of_queries(
    client: Client, owner: User, library: Library, folder: PublicLink, sign_in: SignIn
) -> None:
    mine = sign_in(owner)

    def queries() -> list[int]:
        counts = []
        for who, address in ((client, base(folder)), (mine, f"/drive/links/{library.pk}/")):
            with CaptureQueriesContext(connection) as captured:
                who.get(address)
            counts.append(len(captured))
        return counts

    queries()
    before = queries()
    for number in range(5):
        public_links.make_link(owner, library, "given")
        (layout.find(library.pk) / f"given/{number}.txt").touch()
    assert queries() == before


def test_it_is_revoked_once(transactional_db: None, owner: User, library: Library, folder: PublicLink) -> None:
    done: list[bool] = []
    together = threading.Barrier(4)

    def revoke() -> None:
        try:
            together.wait()
            done.append(public_links.revoke_link(owner, PublicLink.objects.select_related("library").get(pk=folder.pk)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=revoke) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, False, True]
    assert AuditEntry.objects.filter(verb="link.revoked").count() == 1


def test_it_leaves_the_bytes_to_nginx(client: Client, settings: Settings, folder: PublicLink, file: PublicLink) -> None:
    settings.DRIVE_USE_ACCEL = True
    for link in (folder, file):
        response = client.get(base(link) + "a.txt?show=raw")
        assert response["X-Accel-Redirect"] == f"/_drive/private/{link.library_id}/given/a.txt"
        assert "noindex" in response["X-Robots-Tag"]


def test_it_lets_no_visitors_take_all_archives(
    client: Client, owner: User, folder: PublicLink, sign_in: SignIn
) -> None:
    held = [client.get(base(folder) + "?show=zip") for _ in range(views_zip.VISITORS_AT_ONCE)]
    assert client.get(base(folder) + "?show=zip").status_code == 503
    own = sign_in(owner).get(f"/drive/{folder.library_id}/?show=zip")
    assert own.status_code == 200
    for response in (*held, own):
        assert body(response)
    assert body(client.get(base(folder) + "?show=zip"))


def test_it_gives_archives_again_after_a_use_could_not_be_counted(
    client: Client, folder: PublicLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise DatabaseError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr("django.db.models.QuerySet.update", locked)
        for _ in range(views_zip.VISITORS_AT_ONCE + 1):
            assert body(client.get(base(folder) + "?show=zip"))
    assert body(client.get(base(folder) + "?show=zip"))


@pytest.mark.slow
def test_it_lets_a_whole_class_in_from_one_address(secured: PublicLink) -> None:
    answers = [Client().post(base(secured), {"password": PASSWORD}).status_code for _ in range(15)]
    assert answers == [302] * 15
