"""Libraries in the operators' site."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from collabs.models import Collab
from collabs.services import create_collab
from drive.files import operations
from drive.libraries import public_links, quota, services
from drive.libraries.visibility import entries
from drive.models import Library, Permission, Quota
from drive.storage import layout
from portal import audit
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
    for text in ("stranger", "bytes in 1 files", "shared the library", "created the library"):
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
    assert "stopped sharing the library" in client.get(page_of(data)).content.decode()


@pytest.mark.slow
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


# Usage, quotas, links, transfer


@pytest.fixture
def sizes(owner: User, data: Library) -> Library:
    Library.objects.filter(pk=data.pk).update(used_bytes=3 * 2**30, used_files=7)
    operations.write(owner, data, "v.txt", b"1" * 1000)
    operations.write(owner, data, "v.txt", b"2" * 1000)
    operations.delete(owner, data, "v.txt")
    return data


@pytest.mark.slow
def test_it_lists_the_largest_libraries(client: Client, sizes: Library, collab: Collab) -> None:
    Library.objects.filter(pk=collab.library.pk).update(used_bytes=2**30)
    address = reverse("admin:drive_library_changelist")
    for column in range(1, 9):
        assert client.get(f"{address}?o=-{column}").status_code == 200
    page = client.get(f"{address}?o=-3").content.decode()
    assert page.index("3.0\xa0GB") < page.index("1.0\xa0GB")
    assert "2.0\xa0KB" in page, "two versions"
    assert "1000\xa0bytes" in page, "in the trash"


@pytest.mark.slow
def test_it_lists_who_uses_most(client: Client, owner: User, sizes: Library) -> None:
    page = client.get(reverse("admin:drive_owner_changelist"))
    first = page.context["cl"].result_list[0]
    assert (first.username, first.number) == ("owner", 2)
    assert first.used_bytes >= 3 * 2**30
    for column in range(1, 6):
        assert client.get(reverse("admin:drive_owner_changelist") + f"?o={column}").status_code == 200


@pytest.mark.slow
def test_it_takes_queries_that_do_not_grow_in_lists(client: Client, stranger: User, owner: User) -> None:
    def queries() -> list[int]:
        counts = []
        for model in ("library", "owner", "quota", "publiclink"):
            with CaptureQueriesContext(connection) as captured:
                client.get(reverse(f"admin:drive_{model}_changelist"))
            counts.append(len(captured))
        return counts

    def more(name: str) -> None:
        library = services.create_library(owner, name)
        public_links.make_link(owner, library, "")
        collab = create_collab(owner, title=name)
        Quota.objects.create(collab=collab, max_bytes=1)

    more("One")
    queries()
    before = queries()
    for name in ("Two", "Three", "Four"):
        more(name)
    assert queries() == before


def test_it_gives_a_person_another_quota(client: Client, owner: User, collab: Collab) -> None:
    address = reverse("admin:drive_owner_change", args=[owner.pk])
    form = {"quota-TOTAL_FORMS": "1", "quota-INITIAL_FORMS": "0", "quota-0-user": str(owner.pk)}
    assert client.post(address, form | {"quota-0-max_bytes": "12"}).status_code == 302
    assert quota.of_person(owner).max_bytes == 12
    assert audit.trail(owner)[0].verb == "quota.changed"
    row = owner.quota
    form |= {"quota-INITIAL_FORMS": "1", "quota-0-id": str(row.pk), "quota-0-DELETE": "on"}
    assert client.post(address, form).status_code == 302
    assert not Quota.objects.exists()
    assert audit.trail(owner)[0].verb == "quota.removed"


def test_it_gives_a_collab_another_quota(client: Client, owner: User, collab: Collab) -> None:
    address = reverse("admin:drive_quota_add")
    assert client.post(address, {"collab": collab.pk, "max_files": "3"}).status_code == 302
    assert quota.of(collab.library).max_files == 3
    page = client.post(address, {"collab": "", "user": "", "max_files": "3"}).content.decode()
    assert "A quota is for a person or for a Collab." in page
    form = {"action": "remove", "_selected_action": [str(Quota.objects.get().pk)]}
    client.post(reverse("admin:drive_quota_changelist"), form)
    assert not Quota.objects.exists()
    assert [entry.verb for entry in audit.trail(collab)[:2]] == ["quota.removed", "quota.changed"]


def test_it_revokes_links_and_shows_no_address(client: Client, owner: User, data: Library) -> None:
    link = public_links.make_link(owner, data, "a.txt")
    address = reverse("admin:drive_publiclink_changelist")
    for page in (client.get(address), client.get(reverse("admin:drive_publiclink_change", args=[link.pk]))):
        assert "a.txt" in page.content.decode()
        assert public_links.token(link) not in page.content.decode()
    client.post(address, {"action": "revoke", "_selected_action": [str(link.pk)]})
    assert public_links.find(public_links.token(link)) is None
    assert audit.trail(data)[0].actor_name == "operator"


def test_it_transfers_what_a_person_leaves(
    client: Client, owner: User, editor: User, stranger: User, data: Library, collab: Collab
) -> None:
    mine = Library.objects.get(owner_user=owner, is_default=True)
    assert "New owner" in act(client, "transfer", data, mine, collab.library)
    assert data in Library.objects.filter(owner_user=owner)
    form = {
        "action": "transfer",
        "chosen": "yes",
        "_selected_action": [str(library.pk) for library in (data, mine, collab.library)],
        "new_owner": "",
    }
    address = reverse("admin:drive_library_changelist")
    assert "This field is required" in client.post(address, form).content.decode()
    client.post(address, form | {"new_owner": str(editor.pk)})
    names = set(Library.objects.filter(owner_user=editor).values_list("name", flat=True))
    assert names == {"My Library", "Data", "My Library (from owner)"}
    assert {entry.name for entry in entries(stranger)} == {"Data", "My Library"}
    assert {entry.name for entry in entries(owner)} == {"My Library", "Cortex"}
    assert "Only people" in act(client, "transfer", collab.library)


@pytest.mark.slow
def test_it_starts_from_the_person_who_leaves(client: Client, owner: User, stranger: User, data: Library) -> None:
    Library.objects.filter(pk=data.pk).update(used_files=1)
    form = {"action": "transfer", "_selected_action": [str(owner.pk)]}
    page = client.post(reverse("admin:drive_owner_changelist"), form).content.decode()
    assert str(data.pk) in page
    assert 'name="new_owner"' in page
    form = {"action": "transfer", "_selected_action": [str(stranger.pk)]}
    page = client.post(reverse("admin:drive_owner_changelist"), form, follow=True).content.decode()
    assert "This person owns no library" in page
