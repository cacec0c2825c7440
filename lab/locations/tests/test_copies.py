"""A notebook that one may only read: the page that asks, and the copy."""

from collections.abc import Callable

import pytest
from django.test import Client

from collabs.models import Collab
from drive.files import operations
from drive.libraries import services
from drive.models import Library, Permission
from drive.storage import open_library
from lab.models import Environment, Server
from portal.models import User

pytestmark = pytest.mark.django_db

PATH = "Shared with all/Open Cortex/deep/first.ipynb"
COPY = "/lab/open?path=My+Libraries%2FMy+Library%2FOpen+Cortex%2Ffirst.ipynb"


@pytest.fixture
def notebook(public_collab: Collab, owner: User, environment: Environment) -> Collab:
    operations.make_folder(owner, public_collab.library, "deep")
    operations.write(owner, public_collab.library, "deep/first.ipynb", b"{}")
    operations.write(owner, public_collab.library, "a.txt", b"a")
    return public_collab


@pytest.fixture
def reader(notebook: Collab, stranger: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(stranger)


def mine(user: User) -> Library:
    return Library.objects.get(owner_user=user, is_default=True)


def texts(library: Library, folder: str) -> dict[str, bytes]:
    with open_library(library) as files:
        found = {}
        for name, _ in files.names(folder):
            with files.open(f"{folder}/{name}".strip("/")) as source:
                found[name] = source.read()
        return found


@pytest.mark.parametrize("folder", ["Shared with all", "Shared with groups"])
def test_it_asks_who_may_only_read_and_starts_nothing(reader: Client, folder: str) -> None:
    text = reader.get("/lab/open", {"path": f"{folder}/Open Cortex/deep/first.ipynb"}).content.decode()
    assert "Make my own copy" in text
    assert "/lab/open?path=Shared+with+all%2FOpen+Cortex%2Fdeep%2Ffirst.ipynb&amp;as=read-only" in text
    assert not Server.objects.exists()


def test_it_asks_a_viewer_and_nobody_who_may_write(
    notebook: Collab, viewer: User, editor: User, sign_in: Callable[[User], Client]
) -> None:
    assert b"Open it read-only" in sign_in(viewer).get("/lab/open", {"path": PATH}).content
    assert b"Waiting for its turn" in sign_in(editor).get("/lab/open", {"path": PATH}).content
    assert Server.objects.get().place == "Shared with groups/Open Cortex/deep/first.ipynb"


def test_it_opens_read_only_on_the_persons_word(reader: Client) -> None:
    assert reader.get("/lab/open", {"path": PATH, "as": "read-only"}).status_code == 200
    assert Server.objects.get().place == PATH


@pytest.mark.parametrize("inside", ["deep", "a.txt", ""])
def test_it_asks_about_nothing_but_notebooks(reader: Client, inside: str) -> None:
    reader.get("/lab/open", {"path": f"Shared with all/Open Cortex/{inside}"})
    assert Server.objects.exists()


def test_it_starts_nothing_for_what_is_not_there_and_offers_the_library(reader: Client) -> None:
    answer = reader.get("/lab/open", {"path": "Shared with groups/Open Cortex/deep/none.ipynb"})
    assert answer.status_code == 404
    text = answer.content.decode()
    assert "“Open Cortex” contains nothing of that name" in text
    assert "/lab/open?path=Shared+with+all%2FOpen+Cortex" in text
    assert not Server.objects.exists()


def test_it_copies_and_opens_the_copy(reader: Client, stranger: User) -> None:
    answer = reader.post("/lab/copy", {"path": PATH})
    assert (answer.status_code, answer["Location"]) == (302, COPY)
    assert texts(mine(stranger), "Open Cortex") == {"first.ipynb": b"{}"}
    assert b"Waiting for its turn" in reader.get(answer["Location"]).content


def test_it_replaces_nothing_and_offers_the_earlier_copy(reader: Client, stranger: User) -> None:
    reader.post("/lab/copy", {"path": PATH})
    operations.write(stranger, mine(stranger), "Open Cortex/first.ipynb", b'{"mine": 1}', if_match=None)
    answer = reader.get("/lab/open", {"path": PATH}).content.decode()
    assert f'href="{COPY}"' in answer
    assert "Make another copy" in answer
    assert reader.post("/lab/copy", {"path": PATH})["Location"] == COPY.replace("first", "first+%282%29")
    assert texts(mine(stranger), "Open Cortex") == {"first.ipynb": b'{"mine": 1}', "first (2).ipynb": b"{}"}


def test_it_uses_the_folder_that_is_there_in_other_letters(reader: Client, stranger: User) -> None:
    operations.make_folder(stranger, mine(stranger), "OPEN cortex")
    assert "OPEN+cortex" in reader.post("/lab/copy", {"path": PATH})["Location"]


def test_it_says_what_is_in_the_way(reader: Client, stranger: User) -> None:
    operations.write(stranger, mine(stranger), "Open Cortex", b"a file")
    answer = reader.post("/lab/copy", {"path": PATH})
    assert answer.status_code >= 400
    assert b"No copy was made." in answer.content
    assert texts(mine(stranger), "") == {"Open Cortex": b"a file"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Shared with groups/Cortex/a.ipynb", 404),
        ("Shared with all/Open Cortex/deep", 404),
        ("Shared with all", 404),
        ("", 404),
        ("../../etc/passwd", 400),
        ("Shared with all/Open Cortex/../../x", 400),
    ],
)
def test_it_copies_nothing_that_one_may_not_read(
    reader: Client, collab: Collab, owner: User, stranger: User, path: str, status: int
) -> None:
    operations.write(owner, collab.library, "a.ipynb", b"{}")
    assert reader.post("/lab/copy", {"path": path}).status_code == status
    with open_library(mine(stranger)) as files:
        assert not list(files.names())


def test_it_needs_a_post(reader: Client, stranger: User) -> None:
    assert reader.get("/lab/copy", {"path": PATH}).status_code == 405


def test_a_shared_library_leads_its_owner_and_others_to_where_they_have_it(
    owner: User, stranger: User, sign_in: Callable[[User], Client], environment: Environment
) -> None:
    library = services.create_library(owner, "Scans")
    operations.write(owner, library, "a.ipynb", b"{}")
    services.share_with_person(owner, library, stranger, Permission.WRITE)
    for user in (owner, stranger):
        sign_in(user).get("/lab/open", {"path": "Shared with me/Scans/a.ipynb"})
    places = set(Server.objects.values_list("owner__username", "place"))
    assert places == {("owner", "My Libraries/Scans/a.ipynb"), ("stranger", "Shared with me/Scans/a.ipynb")}
