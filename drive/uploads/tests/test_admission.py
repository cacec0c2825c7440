"""What the proxy is told before it reads the body of an upload."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from collabs.models import Collab
from drive.libraries import quota
from drive.models import Library
from drive.storage import disk_space, layout, promises
from drive.uploads import admission, tus
from portal.models import User
from portal.web.upload_sizes import unannounced

SignIn = Callable[[User], Client]
MIB = 2**20


class Proxy:
    """Asks as nginx does."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def ask(self, address: str, length: object = 5, method: str = "PUT", *, goes_on: bool = False) -> tuple[int, str]:
        """Status and words of the answer that the sender would get; 204 where the body is read."""
        headers = {"X-Original-URI": address, "X-Original-Method": method, "X-Original-Length": str(length)}
        answer: Any = self.client.get("/_gateway/upload", headers=headers)
        if not goes_on:
            promises.end(answer.headers["X-Request-ID"], promises.BODY)
        return admission.said(answer) or (answer.status_code, "")

    def page(self, address: str, length: int) -> Any:
        headers = {"X-Original-URI": address, "X-Original-Length": str(length)}
        return self.client.get("/_gateway/refused-form", headers=headers)


@pytest.fixture
def library(collab: Collab) -> Library:
    return collab.library


@pytest.fixture
def editors(sign_in: SignIn, editor: User) -> Proxy:
    return Proxy(sign_in(editor))


def addresses(library: Library) -> list[str]:
    return [f"/drive/{library.pk}/a.bin", f"/collabs/{library.owner_collab.slug}/files/a.bin"]  # type: ignore[union-attr]


def test_it_asks_for_the_right(
    library: Library, editors: Proxy, sign_in: SignIn, viewer: User, stranger: User, client: Client
) -> None:
    for address in addresses(library):
        assert editors.ask(address)[0] == 204
        assert Proxy(sign_in(viewer)).ask(address)[0] == 403
        assert "right to write" in Proxy(sign_in(viewer)).ask(address)[1]
        assert Proxy(sign_in(stranger)).ask(address)[0] == 404
        assert Proxy(client).ask(address)[0] == 401
    for nowhere in ("", "/", "/account/", "/drive/x/y", f"/drive/{'0' * 8}-0000-4000-8000-{'0' * 12}/y"):
        assert editors.ask(nowhere)[0] == 404


def test_it_asks_for_the_quota(library: Library, editors: Proxy, settings: Settings) -> None:
    settings.QUOTA_COLLAB_BYTES = quota.of(library).used_bytes + 1000
    for address in addresses(library):
        assert editors.ask(address, 1000)[0] == 204
        status, words = editors.ask(address, 1001)
        assert (status, "may use" in words) == (507, True)


def test_it_knows_what_is_replaced(library: Library, editors: Proxy, settings: Settings) -> None:
    address = addresses(library)[0]
    assert editors.client.put(address, b"x" * 1000, content_type="application/octet-stream").status_code == 204
    settings.QUOTA_COLLAB_BYTES = 1000
    settings.QUOTA_COLLAB_FILES = library.__class__.objects.get(pk=library.pk).used_files
    assert editors.ask(address, 1000)[0] == 204
    assert editors.ask(address, 1001)[0] == 507
    assert editors.ask(f"{address}2", 0)[0] == 507


def test_it_leaves_the_reserve(library: Library, editors: Proxy, settings: Settings) -> None:
    settings.DISK_RESERVE_BYTES += disk_space.left() - 10 * MIB
    for address in addresses(library):
        assert editors.ask(address, 9 * MIB)[0] == 204
        status, words = editors.ask(address, 11 * MIB)
        assert (status, "disk" in words) == (507, True)
        assert editors.ask(address, "")[0] == 507  # without a length
        assert editors.ask(address, 0)[0] == 204


def test_one_without_a_length_needs_no_more_room_than_the_site_takes_at_once(
    library: Library, editors: Proxy, settings: Settings
) -> None:
    settings.DISK_RESERVE_BYTES += disk_space.left() - 10 * MIB
    for upload_max, status in {"9m": 204, "11m": 507, "0": 507, "": 507}.items():
        settings.UPLOAD_UNANNOUNCED_BYTES = unannounced(upload_max)
        assert editors.ask(addresses(library)[0], "")[0] == status, upload_max


def test_it_takes_a_body_without_a_length_while_there_is_much_room(library: Library, editors: Proxy) -> None:
    assert editors.ask(addresses(library)[0], "")[0] == 204
    for strange in ("-1", "x", "١"):
        assert editors.ask(addresses(library)[0], strange)[0] == 204


@pytest.mark.parametrize("is_announced", [True, False])
def test_bodies_that_count_against_no_quota_leave_half_of_the_disk_to_others(
    library: Library, editors: Proxy, sign_in: SignIn, owner: User, settings: Settings, is_announced: bool
) -> None:
    """In place of a file, or without a length: with a quota that is used up, one person could keep the whole disk."""
    address, size = addresses(library)[0], 400 * MIB
    with (layout.find(library.pk) / "a.bin").open("wb") as file:
        file.truncate(size)
    settings.QUOTA_COLLAB_BYTES = 0
    settings.UPLOAD_UNANNOUNCED_BYTES = size
    settings.DISK_RESERVE_BYTES += disk_space.left() - 1000 * MIB
    taken = [editors.ask(address, size if is_announced else "", goes_on=True) for _ in range(5)]
    assert [status for status, _words in taken] == [204, 507, 507, 507, 507]
    assert "at the same time" in taken[1][1]
    assert Proxy(sign_in(owner)).ask(address, size)[0] == 204
    assert editors.ask(address, 4 * MIB)[0] == 204, "saving waits for no upload"


def test_one_body_alone_may_take_what_is_left_of_the_disk(library: Library, editors: Proxy, settings: Settings) -> None:
    settings.DISK_RESERVE_BYTES += disk_space.left() - 1000 * MIB
    settings.UPLOAD_UNANNOUNCED_BYTES = 900 * MIB
    assert editors.ask(addresses(library)[0], 3 * MIB, goes_on=True)[0] == 204
    assert editors.ask(addresses(library)[0], "")[0] == 204


def test_small_forms_need_no_room_and_large_ones_the_right(
    library: Library, editors: Proxy, sign_in: SignIn, viewer: User, client: Client, settings: Settings
) -> None:
    folder = f"/drive/{library.pk}/"
    viewers = Proxy(sign_in(viewer))
    assert editors.ask(folder, 5 * MIB, "POST")[0] == 204
    assert viewers.ask(folder, 4 * MIB, "POST")[0] == 204
    assert viewers.ask(folder, 5 * MIB, "POST")[0] == 403
    assert Proxy(client).ask(folder, 5, "POST")[0] == 401
    assert editors.ask(folder, "", "POST")[0] == 411
    settings.DISK_RESERVE_BYTES = 10**18
    assert editors.ask(folder, 4 * MIB, "POST")[0] == 204
    assert editors.ask(folder, 5 * MIB, "POST")[0] == 507


def test_there_is_a_page_for_a_form_that_is_refused(
    library: Library, editors: Proxy, sign_in: SignIn, viewer: User, stranger: User, settings: Settings
) -> None:
    folder = f"/drive/{library.pk}/"
    settings.DISK_RESERVE_BYTES = 10**18
    refused = editors.page(folder, 5 * MIB)
    assert refused.status_code == 507
    assert "not enough free space" in refused.content.decode()
    assert folder in refused.content.decode()
    assert Proxy(sign_in(viewer)).page(folder, 5 * MIB).status_code == 403
    assert Proxy(sign_in(stranger)).page(folder, 5 * MIB).status_code == 404
    assert editors.page(folder, 5).status_code == 403  # it has changed since: once more


def test_it_holds_a_piece_against_its_upload(
    library: Library, editors: Proxy, editor: User, settings: Settings
) -> None:
    upload = tus.create(editor, library, "b.bin", 100)
    address = f"/drive/uploads/{library.pk}/{upload.id}"
    assert editors.ask(address, 100, "PATCH")[0] == 204
    assert editors.ask(address, 101, "PATCH")[0] == 413
    assert editors.ask(address, "", "PATCH")[0] == 411
    assert editors.ask(f"/drive/uploads/{library.pk}/{'0' * 32}", 100, "PATCH")[0] == 404
    settings.DISK_RESERVE_BYTES = 10**18
    assert editors.ask(address, 100, "PATCH")[0] == 507


def test_its_words_are_in_the_persons_language(library: Library, editors: Proxy, settings: Settings) -> None:
    settings.DISK_RESERVE_BYTES = 10**18
    address = {"X-Original-URI": addresses(library)[0], "X-Original-Method": "PUT", "X-Original-Length": "5"}
    answer: Any = editors.client.get("/_gateway/upload", headers=address | {"Accept-Language": "de"})
    assert "geändert" in (admission.said(answer) or (0, ""))[1]
