"""Libraries in the operators' site."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from collabs.models import Collab
from drive import services
from drive.models import Library, Permission
from drive.storage import layout
from portal.models import User


@pytest.fixture
def client(operator: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(operator)


@pytest.fixture
def data(owner: User, stranger: User) -> Library:
    library = services.create_library(owner, "Data")
    services.share_with_person(owner, library, stranger, Permission.READ)
    (layout.find(library.pk) / "a.txt").write_text("12345")
    return library


def act(client: Client, action: str, *libraries: Library) -> str:
    form = {"action": action, "_selected_action": [str(library.pk) for library in libraries]}
    return client.post(reverse("admin:drive_library_changelist"), form, follow=True).content.decode()


def page_of(library: Library) -> str:
    return reverse("admin:drive_library_change", args=[library.pk])


def test_it_lists_libraries(client: Client, data: Library, collab: Collab) -> None:
    page = client.get(reverse("admin:drive_library_changelist") + "?q=data").content.decode()
    assert "Data" in page
    assert "Cortex" not in page


def test_it_shows_shares_usage_and_trail(client: Client, data: Library) -> None:
    page = client.get(page_of(data)).content.decode()
    for text in ("stranger", "bytes in 1 files", "library.shared", "library.created"):
        assert text in page


def test_it_says_when_the_directory_is_missing(client: Client, data: Library) -> None:
    (layout.find(data.pk) / "a.txt").unlink()
    layout.find(data.pk).rmdir()
    assert "directory is missing" in client.get(page_of(data)).content.decode()
    act(client, "settle", data)
    assert "in 0 files" in client.get(page_of(data)).content.decode()


def test_it_ends_a_share(client: Client, data: Library) -> None:
    share = data.shares.get()
    form = {
        "shares-TOTAL_FORMS": "1",
        "shares-INITIAL_FORMS": "1",
        "shares-0-id": str(share.pk),
        "shares-0-library": str(data.pk),
        "shares-0-DELETE": "on",
    }
    assert client.post(page_of(data), form).status_code == 302
    assert not data.shares.exists()
    assert "library.unshared" in client.get(page_of(data)).content.decode()


def test_it_deletes_and_restores(client: Client, owner: User, data: Library, collab: Collab) -> None:
    mine = Library.objects.get(owner_user=owner, is_default=True)
    act(client, "delete_softly", data, mine, collab.library)
    assert set(Library.objects.live()) >= {mine, collab.library}
    assert data not in Library.objects.live()
    again = services.create_library(owner, "Data")
    assert "You have a library with this name." in act(client, "restore", data)
    services.rename_library(owner, again, "Newer")
    act(client, "restore", data)
    assert data in Library.objects.live()


def test_it_shows_operators_no_more_than_others(client: Client, data: Library, collab: Collab) -> None:
    """Operators run the site; what people keep in it is not theirs to read."""
    for library in (data, collab.library):
        assert client.get(library.get_absolute_url()).status_code == 404
