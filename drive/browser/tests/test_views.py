"""The Drive's pages: who gets what (the table, walked), browsing, changing files, and what owners do."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertContains

from collabs import services as collab_services
from collabs.models import Collab
from drive.libraries import services
from drive.models import Library, Permission
from drive.storage import layout
from portal.models import User

SignIn = Callable[[User], Client]


def address(library: Library, path: str = "") -> str:
    return f"/drive/{library.pk}/{path}"


@pytest.fixture
def as_owner(owner: User, sign_in: SignIn) -> Client:
    return sign_in(owner)


def answer(response: Any) -> str | int:
    """The status; "sign in" for the way to the sign-in page."""
    if response.status_code == 302 and response["Location"].startswith("/account/login/"):
        return "sign in"
    return response.status_code


# The table

READS = [
    ("GET", "drive", ""),
    ("GET", "drive", "folder/"),
    ("GET", "drive", "a.txt"),
    ("HEAD", "drive", "a.txt"),
    ("GET", "collab", ""),
    ("GET", "collab", "a.txt"),
]
CHANGES = [
    ("PUT", "drive", "new.txt"),
    ("PUT", "collab", "new.txt"),
    ("POST upload", "drive", ""),
    ("POST folder", "drive", ""),
    ("POST rename", "drive", ""),
    ("POST delete", "collab", ""),
]
PEOPLE = {
    # who: (private: read, change; public: read, change)
    "owner": (200, (204, 302), 200, (204, 302)),
    "editor": (200, (204, 302), 200, (204, 302)),
    "viewer": (200, (403, 403), 200, (403, 403)),
    "stranger": (404, (404, 404), 200, (403, 403)),
    "inactive": ("sign in", ("sign in", "sign in"), "sign in", ("sign in", "sign in")),
    "anonymous": ("sign in", ("sign in", "sign in"), "sign in", ("sign in", "sign in")),
}


@pytest.mark.slow
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("is_public", [False, True], ids=["private", "public"])
def test_it_holds_to_the_table(
    who: str,
    is_public: bool,
    collab: Collab,
    public_collab: Collab,
    stranger: User,
    person: Callable[..., User],
    sign_in: SignIn,
) -> None:
    team = public_collab if is_public else collab
    place = layout.find(team.library.pk)
    (place / "folder").mkdir()
    (place / "a.txt").write_text("x")
    client = Client()
    if who != "anonymous":
        user = person("inactive") if who == "inactive" else User.objects.get(username=who)
        client = sign_in(user)
        if who == "inactive":
            User.objects.filter(pk=user.pk).update(is_active=False)
    read, change = cast(tuple[int, tuple[int, int]], PEOPLE[who][2:] if is_public else PEOPLE[who][:2])
    # A private Collab's own pages do not exist for visitors: they say 404 and do not ask to sign in.
    hidden = who in ("anonymous", "inactive") and not is_public

    def expect(via: str, normal: str | int) -> str | int:
        return 404 if hidden and via == "collab" else normal

    for method, via, path in READS:
        url = address(team.library, path) if via == "drive" else f"/collabs/{team.slug}/files/{path}"
        assert answer(client.generic(method, url)) == expect(via, read), (method, via, path)
    for method, via, path in CHANGES:
        url = address(team.library, path) if via == "drive" else f"/collabs/{team.slug}/files/{path}"
        if method == "PUT":
            assert answer(client.put(url, b"x")) == expect(via, change[0]), (method, via)
        else:
            form: dict[str, Any] = {"do": method.removeprefix("POST "), "name": "b.txt", "old": "a.txt"}
            form["name"] = "b.txt" if form["do"] in ("rename", "delete") else "new folder"
            if form["do"] == "upload":
                form["file"] = SimpleUploadedFile("up.txt", b"x")
            assert answer(client.post(url, form)) == expect(via, change[1]), (method, via)
    changed = change[1] == 302
    after = {"folder", "a.txt"} if not changed else {"folder", "new.txt", "up.txt", "new folder"}
    assert {path.name for path in place.iterdir()} == after


def test_it_names_the_right_that_is_missing(viewer: User, collab: Collab, sign_in: SignIn) -> None:
    response = sign_in(viewer).post(address(collab.library), {"do": "folder", "name": "x"})
    assert response.status_code == 403
    assert "needs the right to write in “Cortex”" in response.content.decode()
    assert "You are a viewer of its Collab." in response.content.decode()


def test_it_looks_to_a_stranger_as_if_nothing_were_there(stranger: User, library: Library, sign_in: SignIn) -> None:
    client = sign_in(stranger)
    there = client.get(address(library))
    other = "6f1f1e3a-0000-4000-8000-000000000000"  # the form that chooses a language leads back to the address
    nowhere = client.get(f"/drive/{other}/")
    assert (there.status_code, nowhere.status_code) == (404, 404)
    token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"|<code>[0-9a-f]{32}</code>')
    said = [token.sub("", page.content.decode()) for page in (there, nowhere)]
    assert said[0].replace(str(library.pk), other) == said[1]


def test_it_refuses_changes_without_a_csrf_token(owner: User, library: Library) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    page = client.get(address(library)).content.decode()
    token = page.partition('data-token="')[2].partition('"')[0]
    assert client.put(address(library, "a.txt"), b"x").status_code == 403
    assert client.post(address(library), {"do": "folder", "name": "x"}).status_code == 403
    assert client.put(address(library, "a.txt"), b"x", headers={"X-CSRFToken": token}).status_code == 204


def test_it_leads_back_after_signing_in(library: Library, owner: User) -> None:
    client = Client()
    response = client.get(address(library, "folder/a b.txt"))
    assert response["Location"] == f"/account/login/?next=/drive/{library.pk}/folder/a%2520b.txt"


# Browsing


def test_it_shows_the_four_folders(
    as_owner: Client, owner: User, stranger: User, collab: Collab, public_collab: Collab
) -> None:
    library = services.create_library(stranger, "Data")
    services.share_with_person(stranger, library, owner, Permission.READ)
    page = as_owner.get("/drive/").content.decode()
    places = [page.index(f"<h2>{name}</h2>") for name in ("My Libraries", "Shared with me", "Shared with groups")]
    assert places == sorted(places)
    assert places[-1] < page.index("<h2>Shared with all</h2>")
    for text in ("My Library", "stranger shared it with you.", "Cortex", "Open Cortex", "read only"):
        assert text in page


def test_the_drive_lists_a_public_library_of_ones_own_once(
    as_owner: Client, sign_in: SignIn, stranger: User, public_collab: Collab
) -> None:
    link = f'href="/drive/{public_collab.library.pk}/"'
    assertContains(as_owner.get("/drive/"), link, 1)
    assertContains(sign_in(stranger).get("/drive/"), link, 1)
    assertContains(as_owner.get("/drive/", {"q": public_collab.title}), link, 2)


@pytest.mark.slow
def test_it_pages_and_searches_the_public_libraries(as_owner: Client, stranger: User) -> None:
    for number in range(55):
        services.set_public(stranger, services.create_library(stranger, f"Data {number:02}"), True)
    assert "Page 1 of 2" in as_owner.get("/drive/").content.decode()
    page = as_owner.get("/drive/?q=data+54").content.decode()
    assert "Data 54" in page
    assert "Data 53" not in page
    assert as_owner.get("/drive/?q=%00").status_code == 200


def test_it_browses(as_owner: Client, library: Library, place: Path) -> None:
    (place / "a folder?" / "50% #1").mkdir(parents=True)
    (place / "a folder?" / "50% #1" / "x y.ipynb").write_text("{}")
    (place / ".hidden").touch()
    page = as_owner.get(address(library)).content.decode()
    link = f"/drive/{library.pk}/a%20folder%3F/"
    assert f'href="{link}"' in page
    assert ".hidden" not in page
    assert as_owner.get(link[:-1])["Location"] == link
    page = as_owner.get(link).content.decode()
    deeper = f"{link}50%25%20%231/"
    assert f'href="{deeper}"' in page
    page = as_owner.get(deeper).content.decode()
    assert f'href="{deeper}x%20y.ipynb"' in page
    assert f'data-upload="{deeper}"' in page
    assert "/lab/open?path=Shared+with+groups%2FCortex%2Fa+folder%3F%2F50%25+%231%2Fx+y.ipynb" in page
    assert as_owner.post(deeper, {"do": "folder", "name": "new"})["Location"] == deeper


def test_it_shows_what_a_notebook_left_there(as_owner: Client, library: Library, place: Path) -> None:
    (place / "link").symlink_to("/etc")
    (place / "README.md").symlink_to("/etc/passwd")
    os.mkfifo(place / "pipe")
    Path(os.fsdecode(os.fsencode(place) + b"/\xff.txt")).touch()
    page = as_owner.get(address(library)).content.decode()
    for text in ("link, not followed", "special file, not opened", "\ufffd.txt", "name is not valid UTF-8"):
        assert text in page
    assert "root:" not in page
    for path in ("link", "link/passwd", "pipe", "README.md"):
        response = as_owner.get(address(library, path))
        assert response.status_code == 409
        assert "root:" not in response.content.decode()


@pytest.mark.parametrize("sort", ["name", "-size", "-date", "nonsense"])
def test_it_pages_and_sorts_large_folders(as_owner: Client, library: Library, place: Path, sort: str) -> None:
    for number in range(450):
        (place / f"{number:03}.txt").write_text("x" * number)
        os.utime(place / f"{number:03}.txt", (number, number))
    first = as_owner.get(address(library) + f"?sort={sort}").content.decode()
    assert "of 3</span>" in first
    assert ("000.txt" in first) == (sort in ("name", "nonsense"))
    last = as_owner.get(address(library) + f"?sort={sort}&page=3").content.decode()
    assert last.count('<td class="name"') == 50


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("../../etc/passwd", 400),
        ("%2e%2e/%2e%2e/etc/passwd", 400),
        ("a/..%2f..%2fb", 400),
        ("a%00b", 400),
        ("a//b", 400),
        ("x" * 256, 400),
        ("/".join(["x" * 200] * 16), 400),
        ("gone.txt", 404),
        ("gone/gone.txt", 404),
        ("a.txt/below", 404),
    ],
)
def test_it_answers_path_tricks_clearly(
    as_owner: Client, library: Library, place: Path, path: str, status: int
) -> None:
    (place / "a.txt").write_text("x")
    get, put = as_owner.get(address(library, path)), as_owner.put(address(library, path), b"x")
    assert get.status_code == status
    assert put.status_code == {"gone.txt": 204, "a.txt/below": 409}.get(path, status)
    assert {item.name for item in place.iterdir()} <= {"a.txt", "gone.txt"}


@pytest.mark.slow
def test_it_takes_queries_that_do_not_grow(
    as_owner: Client, owner: User, stranger: User, collab: Collab, public_collab: Collab
) -> None:
    def queries(url: str) -> int:
        as_owner.get(url)
        with CaptureQueriesContext(connection) as captured:
            assert as_owner.get(url).status_code == 200
        return len(captured)

    data = services.create_library(owner, "Data")
    pages = ["/drive/", address(collab.library), f"/collabs/{collab.slug}/files/", f"/drive/sharing/{data.pk}/", "/"]
    services.share_with_person(owner, data, stranger, Permission.READ)
    services.share_with_team(owner, data, public_collab, Permission.READ)
    (layout.find(collab.library.pk) / "first.txt").touch()
    before = [queries(page) for page in pages]
    for number in range(5):
        library = services.create_library(stranger, f"Library {number}")
        services.share_with_person(stranger, library, owner, Permission.READ)
        services.set_public(stranger, library, True)
        team = collab_services.create_collab(owner, title=f"Team {number}")
        services.share_with_team(owner, data, team, Permission.READ)
        (layout.find(collab.library.pk) / f"{number}.txt").touch()
    assert [queries(page) for page in pages] == before


def test_it_shows_the_readme_of_a_folder(as_owner: Client, collab: Collab, library: Library, place: Path) -> None:
    (place / "sub dir").mkdir()
    (place / "sub dir/README.md").write_text("# Below\n![plot](plot.png) [up](../x) <script>alert(1)</script>")
    page = as_owner.get(f"/collabs/{collab.slug}/files/sub dir/").content.decode()
    assert "Below</h2>" in page
    assert f'src="/collabs/{collab.slug}/files/sub%20dir/plot.png?show=raw"' in page
    assert "alert(1)" not in page
    (place / "README.md").write_text("# Welcome\n" + "x" * 1_000_000)
    front = as_owner.get(f"/collabs/{collab.slug}/").content.decode()
    assert "Welcome</h2>" in front
    assert len(front) < 400_000


# Changing files


def test_it_makes_renames_and_deletes(as_owner: Client, library: Library, place: Path) -> None:
    url = address(library)
    as_owner.post(url, {"do": "folder", "name": "folder"})
    assert as_owner.put(url + "folder/a.txt", b"x").status_code == 204
    as_owner.post(url + "folder/", {"do": "rename", "old": "a.txt", "name": "b.txt"})
    assert (place / "folder/b.txt").read_text() == "x"
    page = as_owner.post(url, {"do": "delete", "name": "folder"}, follow=True).content.decode()
    assert "“folder” was moved to the library&#x27;s trash." in page
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["bad\udcff.txt", "line\nbreak.txt", "both\r\n.txt", "50%25.txt"])
def test_it_renames_and_deletes_what_a_notebook_named_oddly(
    as_owner: Client, library: Library, place: Path, name: str
) -> None:
    """As a browser does it: it sends the fields of the page back, with line breaks as it likes them."""
    url = address(library)
    for form in ({"do": "rename", "name": "good.txt"}, {"do": "delete"}):
        for old in place.iterdir():
            old.unlink()
        (place / name).touch()
        page = as_owner.get(url).content.decode()
        [field] = re.findall(r'type="checkbox" name="name" value="([^"]*)"', page)
        [link] = re.findall(r'href="([^"]*show=change[^"]*)"', page)
        assert field.isascii()
        assert f'name="old" value="{field}"' in as_owner.get(link.replace("&amp;", "&")).content.decode()
        assert as_owner.post(url, {"old": field, "name": field} | form, follow=True).status_code == 200
        assert [path.name for path in place.iterdir()] == (["good.txt"] if form["do"] == "rename" else [])


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"do": "folder", "name": "DATA"}, "“data” already exists."),
        ({"do": "folder", "name": "a/b"}, "Nothing was found at this path"),
        ({"do": "folder", "name": ".."}, "Invalid file or folder name"),
        ({"do": "folder", "name": ""}, "Invalid file or folder name"),
        ({"do": "rename", "old": "data", "name": "x" * 300}, "too long"),
        ({"do": "rename", "old": "gone", "name": "x"}, "Nothing was found at this path"),
        ({"do": "delete", "name": "../../x"}, "Invalid file or folder name"),
        ({"do": "upload"}, "Choose a file first."),
    ],
)
def test_it_says_what_did_not_work(
    as_owner: Client, library: Library, place: Path, form: dict[str, str], words: str
) -> None:
    (place / "data").mkdir()
    page = as_owner.post(address(library), form, follow=True).content.decode()
    assert any(word in page for word in words.split("|"))
    assert [path.name for path in place.iterdir()] == ["data"]


def test_it_knows_no_other_actions(as_owner: Client, library: Library) -> None:
    assert as_owner.post(address(library), {"do": "nothing"}).status_code == 404
    assert as_owner.delete(address(library)).status_code == 405


# What owners do


@pytest.mark.slow
def test_it_creates_renames_and_deletes_a_library(as_owner: Client, owner: User) -> None:
    response = as_owner.post("/drive/", {"name": "Data"})
    library = Library.objects.get(name="Data")
    assert response["Location"] == address(library)
    assert "You have a library with this name." in as_owner.post("/drive/", {"name": "data"}).content.decode()
    change = f"/drive/sharing/{library.pk}/change/"
    as_owner.post(change, {"do": "rename", "name": "Results"})
    page = as_owner.post(change, {"do": "rename", "name": ""}, follow=True).content.decode()
    assert "A library needs a name." in page
    as_owner.post(change, {"do": "public"})
    library.refresh_from_db()
    assert (library.name, library.is_public) == ("Results", True)
    as_owner.post(change, {"do": "private"})
    assert as_owner.post(change, {"do": "delete"})["Location"] == "/drive/deleted/"
    assert as_owner.get(address(library)).status_code == 404
    assert as_owner.post(change, {"do": "delete"}).status_code == 404


@pytest.mark.slow
def test_it_shares_with_people_and_teams(
    as_owner: Client, owner: User, stranger: User, viewer: User, collab: Collab, sign_in: SignIn
) -> None:
    library = services.create_library(owner, "Data")
    url = f"/drive/sharing/{library.pk}/"
    as_owner.post(url, {"person": "Stranger@example.org", "permission": "rw"})
    as_owner.post(url, {"team": collab.pk, "permission": "r"})
    page = as_owner.get(url).content.decode()
    assert "The team of Cortex" in page
    assert sign_in(stranger).put(address(library, "a.txt"), b"x").status_code == 204
    assert sign_in(viewer).get(address(library)).status_code == 200
    share = library.shares.get(user=stranger)
    assert sign_in(viewer).post(f"/drive/shares/{share.pk}/end/").status_code == 403
    as_owner.post(f"/drive/shares/{share.pk}/end/")
    assert sign_in(stranger).get(address(library)).status_code == 404
    assert sign_in(stranger).post(f"/drive/shares/{library.shares.get().pk}/end/").status_code == 404


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"person": "nobody"}, "no account"),
        ({"person": "owner"}, "already own this library"),
        ({}, "Choose a person or a team."),
        ({"person": "stranger", "permission": "admin"}, "not one of the available choices"),
    ],
)
def test_it_says_why_a_share_is_refused(
    as_owner: Client, owner: User, stranger: User, form: dict[str, str], words: str
) -> None:
    library = services.create_library(owner, "Data")
    page = as_owner.post(f"/drive/sharing/{library.pk}/", {"permission": "r"} | form).content.decode()
    assert words in page
    assert not library.shares.exists()


def test_it_offers_no_team_that_one_is_not_in(as_owner: Client, owner: User, stranger: User) -> None:
    other = collab_services.create_collab(stranger, title="Other")
    library = services.create_library(owner, "Data")
    as_owner.post(f"/drive/sharing/{library.pk}/", {"permission": "r", "team": other.pk})
    assert not library.shares.exists()


def test_it_lets_a_person_take_a_shared_library_off(owner: User, stranger: User, sign_in: SignIn) -> None:
    library = services.create_library(owner, "Data")
    services.share_with_person(owner, library, stranger, Permission.READ)
    assert f"/drive/sharing/{library.pk}/leave/" in sign_in(stranger).get("/drive/").content.decode()
    assert "Remove it from my Drive" in sign_in(stranger).get(f"/drive/sharing/{library.pk}/leave/").content.decode()
    assert library.shares.exists()
    sign_in(stranger).post(f"/drive/sharing/{library.pk}/leave/")
    assert not library.shares.exists()
    assert sign_in(stranger).post(f"/drive/sharing/{library.pk}/leave/").status_code == 404


@pytest.mark.parametrize(("who", "status"), [("stranger", 404), ("viewer", 403), ("anonymous", "sign in")])
def test_it_lets_only_owners_share(
    owner: User, viewer: User, stranger: User, sign_in: SignIn, who: str, status: str | int
) -> None:
    library = services.create_library(owner, "Data")
    services.share_with_person(owner, library, viewer, Permission.WRITE)
    share = library.shares.get()
    client = Client() if who == "anonymous" else sign_in(User.objects.get(username=who))
    url = f"/drive/sharing/{library.pk}/"
    assert answer(client.get(url)) == (200 if who == "viewer" else status)
    assert answer(client.get(url + "people/?person=str")) == status
    assert answer(client.get(url + "transfer/")) == status
    assert answer(client.post(url + "transfer/", {"person": "stranger"})) == status
    assert answer(client.post(f"/drive/shares/{share.pk}/change/", {"permission": "r"})) == status
    assert answer(client.post(url, {"person": "stranger", "permission": "r"})) == status
    assert answer(client.post(url + "change/", {"do": "delete"})) == status
    assert answer(client.post(f"/drive/shares/{share.pk}/end/")) == status
    assert library.shares.count() == 1
