"""How much fits, whose room it is, and what the pages say about it."""

import threading
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from collabs.models import Collab
from drive.files import operations
from drive.libraries import quota, services
from drive.libraries.quota import Allowed
from drive.models import Library, Permission, Quota
from drive.storage import layout
from portal.models import User

SignIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def small(settings: Settings) -> None:
    settings.QUOTA_PERSON_BYTES, settings.QUOTA_PERSON_FILES = 1000, 10
    settings.QUOTA_COLLAB_BYTES, settings.QUOTA_COLLAB_FILES = 5000, 50


def use(library: Library, size: int, files: int) -> None:
    Library.objects.filter(pk=library.pk).update(used_bytes=size, used_files=files)


@pytest.fixture
def mine(owner: User) -> Library:
    return Library.objects.get(owner_user=owner)


def test_it_takes_the_last_byte_and_no_more(mine: Library) -> None:
    use(mine, 600, 4)
    quota.check(mine, 400)
    with pytest.raises(quota.OverQuotaError) as refused:
        quota.check(mine, 401)
    assert refused.value.status == 507
    for words in ("The libraries of owner may use", "1000", "600", "401", "ask an operator"):
        assert words in str(refused.value)


def test_it_takes_the_last_file_and_no_more(mine: Library) -> None:
    use(mine, 0, 9)
    quota.check(mine, 1)
    quota.check(mine, 1, 0)
    with pytest.raises(quota.OverQuotaError, match="2 more files would not fit"):
        quota.check(mine, 1, 2)


def test_it_always_lets_things_become_smaller(mine: Library) -> None:
    use(mine, 5000, 50)
    quota.check(mine, -1, 0)
    quota.check(mine, 0, 0)
    with pytest.raises(quota.OverQuotaError):
        quota.check(mine, 1, 0)
    with pytest.raises(quota.OverQuotaError, match="one more file"):
        quota.check(mine, 0, 1)


def test_it_counts_all_that_a_person_owns(owner: User, mine: Library, stranger: User, collab: Collab) -> None:
    data = services.create_library(owner, "Data")
    other = services.create_library(stranger, "Other")
    services.share_with_person(stranger, other, owner, Permission.WRITE)
    for library in (mine, data, other, collab.library):
        use(library, 300, 2)
    services.delete_library(owner, data)
    usage = quota.of(mine)
    assert (usage.used_bytes, usage.used_files) == (600, 4), "what was deleted counts as long as it is kept"
    assert quota.of_person(owner) == usage
    assert quota.of(other).whose == "The libraries of stranger"
    quota.check(mine, 400)
    with pytest.raises(quota.OverQuotaError):
        quota.check(mine, 401)


def test_it_gives_a_collab_its_own_room(collab: Collab, mine: Library) -> None:
    use(mine, 1000, 10)
    use(collab.library, 4900, 1)
    quota.check(collab.library, 100)
    with pytest.raises(quota.OverQuotaError, match="The Collab “Cortex” may use"):
        quota.check(collab.library, 101)


def test_it_lets_operators_give_more_or_less(owner: User, mine: Library, collab: Collab) -> None:
    Quota.objects.create(user=owner, max_bytes=2000)
    Quota.objects.create(collab=collab, max_bytes=0, max_files=0)
    usage = quota.of(mine)
    assert (usage.max_bytes, usage.max_files) == (2000, 10)
    with pytest.raises(quota.OverQuotaError):
        quota.check(collab.library, 1)
    assert quota.of(collab.library).percent == 100


@pytest.mark.parametrize("both", [True, False])
def test_it_is_for_one(owner: User, collab: Collab, both: bool) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Quota.objects.create(user=owner if both else None, collab=collab if both else None)


def test_it_asks_a_constant_number_of_queries(owner: User, mine: Library) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            quota.check(Library.objects.get(pk=mine.pk), 1)
        return len(captured)

    before = queries()
    for number in range(5):
        services.create_library(owner, f"Data {number}")
    assert queries() == before


def test_it_says_what_each_library_may_have_and_what_counts_with_it(
    owner: User, mine: Library, collab: Collab, settings: Settings
) -> None:
    settings.QUOTA_PERSON_FILES, settings.QUOTA_COLLAB_FILES = 10, 20
    settings.QUOTA_PERSON_BYTES, settings.QUOTA_COLLAB_BYTES = 100, 200
    theirs = Library.objects.get(owner_collab=collab)
    with CaptureQueriesContext(connection) as queries:
        found = quota.allowed([mine.pk, theirs.pk])
    assert len(queries) == 2
    Library.objects.filter(pk=mine.pk).update(used_bytes=70)
    own = tuple(Library.objects.filter(owner_user=owner).order_by("pk").values_list("pk", flat=True))
    found = quota.allowed([mine.pk, theirs.pk])
    assert found[mine.pk] == Allowed(f"person {owner.pk}", 100, 10, own, quota.of(mine).used_bytes)
    assert found[theirs.pk] == Allowed(f"collab {collab.pk}", 200, 20, (theirs.pk,), quota.of(theirs).used_bytes)
    Quota.objects.create(user=owner, max_files=0)
    Quota.objects.create(collab=collab, max_bytes=5)
    found = quota.allowed([mine.pk, theirs.pk])
    assert (found[mine.pk].max_files, found[theirs.pk].max_files) == (0, 20)
    assert (found[mine.pk].max_bytes, found[theirs.pk].max_bytes) == (100, 5)


@pytest.mark.parametrize(
    ("used", "words", "silent"),
    [
        (100, [], ["nearly full", "over quota"]),
        (900, ["nearly full"], ["over quota"]),
        (1001, ["over quota", "Notebooks in a Lab can still write"], ["nearly full"]),
    ],
)
def test_it_shows_how_full_it_is(
    owner: User, stranger: User, viewer: User, mine: Library, sign_in: SignIn, used: int, words: list, silent: list
) -> None:
    use(mine, used, 3)
    services.share_with_person(owner, mine, stranger, Permission.WRITE)
    services.share_with_person(owner, mine, viewer, Permission.READ)
    for client, address in (
        (sign_in(owner), "/drive/"),
        (sign_in(owner), mine.get_absolute_url()),
        (sign_in(stranger), mine.get_absolute_url()),
    ):
        page = client.get(address).content.decode()
        assert "3 of 10 files" in page
        assert all(word in page for word in words)
        assert not any(word in page for word in silent)
    assert "of 10 files" not in sign_in(viewer).get(mine.get_absolute_url()).content.decode()


def test_it_shows_a_collab_its_room(collab: Collab, editor: User, viewer: User, sign_in: SignIn) -> None:
    use(collab.library, 5001, 3)
    address = f"/collabs/{collab.slug}/files/"
    assert "over quota" in sign_in(editor).get(address).content.decode()
    assert "over quota" not in sign_in(viewer).get(address).content.decode()


# On the web


def there(library: Library) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.find(library.pk).iterdir()}


@pytest.mark.slow
def test_it_refuses_one_byte_too_many_and_changes_nothing(owner: User, mine: Library, sign_in: SignIn) -> None:
    client, here = sign_in(owner), mine.get_absolute_url()
    assert client.put(f"{here}a.txt", b"x" * 400).status_code == 204
    response = client.put(f"{here}b.txt", b"x" * 601)
    assert response.status_code == 507
    assert "ask an operator" in response.content.decode()
    assert set(there(mine)) == {"a.txt"}
    assert client.put(f"{here}b.txt", b"x" * 600).status_code == 204
    assert client.put(f"{here}c.txt", b"").status_code == 204, "a name needs no room"
    assert client.put(f"{here}c.txt", b"x").status_code == 507
    assert client.put(f"{here}b.txt", b"y" * 599).status_code == 204
    assert client.put(f"{here}c.txt", b"x").status_code == 204
    assert client.put(f"{here}a.txt", b"y" * 401).status_code == 507
    assert there(mine) == {"a.txt": b"x" * 400, "b.txt": b"y" * 599, "c.txt": b"x"}
    usage = quota.of(mine)
    assert (usage.used_bytes, usage.used_files, usage.is_over, usage.percent) == (1000, 3, False, 100)
    client.post(here, {"do": "delete", "name": "b.txt"})
    assert client.put(f"{here}d.txt", b"y" * 599).status_code == 204


def test_it_refuses_the_form_and_the_copy_too(owner: User, mine: Library, collab: Collab, sign_in: SignIn) -> None:
    client, here = sign_in(owner), mine.get_absolute_url()
    page = client.post(here, {"do": "upload", "file": SimpleUploadedFile("a.txt", b"x" * 1001)}, follow=True)
    assert "ask an operator" in page.content.decode()
    operations.write(owner, collab.library, "large.txt", b"x" * 1001)
    for move in (operations.copy, operations.move):
        with pytest.raises(quota.OverQuotaError):
            move(owner, collab.library, "large.txt", mine, "large.txt")
    assert there(mine) == {}
    assert set(there(collab.library)) == {"large.txt"}


@pytest.mark.slow
def test_it_is_passed_by_no_more_than_what_arrives_at_once(transactional_db: None, owner: User, mine: Library) -> None:
    """Eight uploads in the same moment, room for three: none is cut, and afterwards nothing more fits."""
    together, done, refused = threading.Barrier(8), [], []

    def upload(number: int) -> None:
        try:
            together.wait()
            operations.write(owner, mine, f"{number}.txt", b"x" * 300)
            done.append(number)
        except quota.OverQuotaError:
            refused.append(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=upload, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) + len(refused) == 8
    assert len(done) == 3
    assert set(there(mine)) == {f"{number}.txt" for number in done}
    assert quota.of(mine).used_bytes == 900
    with pytest.raises(quota.OverQuotaError):
        operations.write(owner, mine, "late.txt", b"x" * 300)
