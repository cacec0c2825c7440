"""tus 1.0, rule by rule (tus.io/protocols/resumable-upload), and what people try with it."""

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pytest_django import Settings

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.models import Library
from drive.storage import layout
from drive.uploads import tus
from portal.models import User

SignIn = Callable[[User], Client]
CONTENT = b"0123456789" * 10
TUS = {"Tus-Resumable": "1.0.0"}


def metadata(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


class Sender:
    """A client of the protocol, signed in."""

    def __init__(self, client: Client, library: Library) -> None:
        self.client = client
        self.base = f"/drive/uploads/{library.pk}/"

    def create(self, length: object = len(CONTENT), header: str | None = None, **values: str) -> Any:
        header = metadata(**(values or {"filename": "a.bin"})) if header is None else header
        return self.client.post(self.base, headers=TUS | {"Upload-Length": str(length), "Upload-Metadata": header})

    def begin(self, **values: str) -> str:
        response = self.create(**values)
        assert response.status_code == 201, response.content
        return response["Location"]

    def patch(self, address: str, offset: int, content: bytes, **headers: str) -> Any:
        headers = TUS | {"Upload-Offset": str(offset)} | headers
        kind = headers.pop("Content-Type", "application/offset+octet-stream")
        return self.client.patch(address, content, content_type=kind, headers=headers)

    def offset(self, address: str) -> int:
        return int(self.client.head(address, headers=TUS)["Upload-Offset"])


@pytest.fixture(params=["file", "stream"])
def way(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """How bodies arrive: as files that nginx wrote, or as they come."""
    settings.DRIVE_USE_ACCEL = request.param == "file"
    if request.param == "file":
        real = Client.patch

        def patch(self: Client, path: str, data: bytes = b"", **options: Any) -> Any:
            arrived = layout.staging() / "nginx" / "0000000001"
            arrived.parent.mkdir(exist_ok=True)
            arrived.write_bytes(data)
            options["headers"] = options["headers"] | {"X-Body-File": str(arrived)}
            options["CONTENT_TYPE"] = options.pop("content_type", "")  # which Django's client drops without a body
            try:
                return real(self, path, b"", **options)
            finally:
                arrived.unlink(missing_ok=True)

        monkeypatch.setattr(Client, "patch", patch)
    return request.param


@pytest.fixture
def sender(library: Library, editor: User, sign_in: SignIn, way: str) -> Sender:
    return Sender(sign_in(editor), library)


def left() -> list[str]:
    """Files in staging, but for the notes of what is done."""
    found = [path for path in layout.staging().iterdir() if path.is_file()]
    return [path.name for path in found if not (path.suffix == ".json" and json.loads(path.read_text())["is_done"])]


def test_it_puts_a_file_in_place_piece_by_piece(sender: Sender, place: Path) -> None:
    address = sender.begin(filename="a.bin")
    for start in range(0, len(CONTENT), 30):
        assert sender.offset(address) == start
        assert list(place.iterdir()) == []
        response = sender.patch(address, start, CONTENT[start : start + 30])
        assert response.status_code == 204
        assert int(response["Upload-Offset"]) == min(start + 30, len(CONTENT))
    assert (place / "a.bin").read_bytes() == CONTENT
    assert response["ETag"]
    assert left() == []


def test_it_says_to_whoever_lost_the_last_answer_that_all_is_there(
    sender: Sender, place: Path, viewer: User, sign_in: SignIn
) -> None:
    address = sender.begin(filename="a.bin")
    sender.patch(address, 0, CONTENT)
    assert sender.offset(address) == len(CONTENT)
    assert sender.patch(address, 0, CONTENT).status_code in (404, 409)
    assert sign_in(viewer).head(address, headers=TUS).status_code == 403
    layout.sweep_staging(older_than=time.time() + 1)
    assert sender.client.head(address, headers=TUS).status_code == 404
    assert (place / "a.bin").read_bytes() == CONTENT


def test_it_makes_the_folders_of_a_folder(sender: Sender, place: Path) -> None:
    (place / "here").mkdir()
    address = sender.begin(filename="c.txt", folder="here", relativePath="tree/b/c.txt")
    sender.patch(address, 0, CONTENT)
    assert (place / "here/tree/b/c.txt").read_bytes() == CONTENT


def test_an_empty_file_is_there_at_once(sender: Sender, place: Path) -> None:
    assert sender.create(0).status_code == 201
    assert (place / "a.bin").read_bytes() == b""
    assert left() == []


def test_it_says_what_it_can(sender: Sender) -> None:
    response = sender.client.options(sender.base)
    assert (response.status_code, response["Tus-Version"]) == (204, "1.0.0")
    assert set(response["Tus-Extension"].split(",")) == {"creation", "termination", "expiration"}


@pytest.mark.slow
@given(cuts=st.lists(st.integers(0, len(CONTENT) - 1), max_size=6))
@hypothesis(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_goes_on_wherever_it_was_cut(sender: Sender, place: Path, cuts: list[int]) -> None:
    (place / "a.bin").unlink(missing_ok=True)
    address = sender.begin()
    for end in [*sorted(cuts), len(CONTENT)]:
        start = sender.offset(address)
        if start < end:
            assert sender.patch(address, start, CONTENT[start:end]).status_code == 204
    assert (place / "a.bin").read_bytes() == CONTENT


def test_it_refuses_what_is_not_the_protocol(sender: Sender) -> None:
    address = sender.begin()
    refused = [
        (sender.client.post(sender.base, headers={"Upload-Length": "3"}), 412),
        (sender.create(length="-1"), 400),
        (sender.create(length="٣"), 400),
        (sender.create(length=""), 400),
        (sender.create(header="filename a.bin"), 400),
        (sender.create(header="x" * 9000), 400),
        (sender.create(other="a.bin"), 400),
        (sender.patch(address, 0, b"x", **{"Content-Type": "text/plain"}), 415),
        (sender.patch(address, 5, b"x"), 409),
        (sender.patch(address, 0, CONTENT + b"x"), 413),
        (sender.client.put(address, b"x"), 405),
        (sender.client.get(sender.base), 405),
    ]
    for response, expected in refused:
        assert response.status_code == expected


@pytest.mark.parametrize(
    "name", ["../a", "/etc/passwd", "a/../../b", "..", ".", "a\0b", "n" * 300, "a//b", "x/" * 2000 + "y"]
)
def test_it_takes_no_tricks_for_names(sender: Sender, place: Path, name: str) -> None:
    for key in ("filename", "relativePath"):
        response = sender.create(**{"filename": "a.bin", key: name})
        if response.status_code == 201:  # “/etc/passwd” is no path of a library, so nothing of the kind gets here
            pytest.fail(f"{name!r} was taken")
        assert response.status_code == 400
    assert sender.create(filename="a.bin", folder="../..").status_code == 400
    assert list(place.iterdir()) == []


def test_a_taken_name_is_asked_about(sender: Sender, place: Path, library: Library) -> None:
    (place / "a.bin").write_bytes(b"there")
    address = sender.begin()
    answer = sender.patch(address, 0, CONTENT)
    assert answer.status_code == 409
    assert answer.json()["may_replace"]
    assert (place / "a.bin").read_bytes() == b"there"
    choice = {"do": "choose", "held": answer.json()["held"], "how-0": "both", "etag-0": ""}
    assert sender.client.post(f"/drive/{library.pk}/", choice).status_code == 302
    assert (place / "a (2).bin").read_bytes() == CONTENT


def test_it_is_given_up(sender: Sender) -> None:
    address = sender.begin()
    sender.patch(address, 0, CONTENT[:10])
    assert sender.client.delete(address, headers=TUS).status_code == 204
    assert left() == []
    assert sender.client.delete(address, headers=TUS).status_code == 404


def test_one_request_at_a_time_adds_to_it(sender: Sender, library: Library, editor: User) -> None:
    address = sender.begin()
    found = tus.find(editor, library, address.rpartition("/")[2])
    with tus.alone(found):
        assert sender.patch(address, 0, CONTENT).status_code == 423
        assert sender.client.delete(address, headers=TUS).status_code == 423
    assert sender.patch(address, 0, CONTENT).status_code == 204


@pytest.mark.slow
def test_it_is_nobody_elses(
    sender: Sender, library: Library, owner: User, viewer: User, stranger: User, sign_in: SignIn
) -> None:
    address = sender.begin()
    for user, expected in ((owner, 404), (viewer, 403), (stranger, 404)):
        other = Sender(sign_in(user), library)
        for response in (
            other.client.head(address, headers=TUS),
            other.patch(address, 0, CONTENT),
            other.client.delete(address, headers=TUS),
        ):
            assert response.status_code == expected
    assert Sender(sign_in(viewer), library).create().status_code == 403
    assert Sender(Client(), library).create().status_code == 302


def test_it_ends_with_the_right_to_write(
    sender: Sender, collab: Collab, owner: User, editor: User, place: Path
) -> None:
    address = sender.begin()
    sender.patch(address, 0, CONTENT[:50])
    collab_services.change_role(owner, collab, editor, Role.VIEWER)
    assert sender.patch(address, 50, CONTENT[50:]).status_code == 403
    assert list(place.iterdir()) == []


def test_it_wants_the_token_of_its_pages(library: Library, editor: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(editor)
    assert Sender(client, library).create().status_code == 403
    for method in (client.patch, client.delete):
        assert method(f"/drive/uploads/{library.pk}/{'0' * 32}", headers=TUS).status_code == 403


def test_it_says_before_the_first_byte_that_there_is_no_room(sender: Sender, settings: Settings) -> None:
    response = sender.create(length=10**18 - 1)
    assert response.status_code == 507
    assert left() == []
    settings.DISK_RESERVE_BYTES = 10**18
    assert sender.create().status_code == 507
    settings.QUOTA_COLLAB_BYTES = 10
    assert "may use" in sender.create().content.decode()


def test_what_nobody_goes_on_with_is_removed(sender: Sender) -> None:
    address = sender.begin()
    sender.patch(address, 0, CONTENT[:50])
    now = (layout.staging() / f"tus-{address.rpartition('/')[2]}").stat().st_mtime
    assert layout.sweep_staging(older_than=now - 10) == 0
    assert layout.sweep_staging(older_than=now + 10) == 2
    assert sender.patch(address, 50, CONTENT[50:]).status_code == 404


def test_a_full_disk_loses_nothing(sender: Sender, monkeypatch: pytest.MonkeyPatch, way: str, place: Path) -> None:
    address = sender.begin()
    sender.patch(address, 0, CONTENT[:50])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if way == "file":
            patch.setattr(os, "copy_file_range", full)
        else:
            patch.setattr(tus, "_check_length", full)
        assert sender.patch(address, 50, CONTENT[50:]).status_code == 507
    assert sender.offset(address) == 50
    assert sender.patch(address, 50, CONTENT[50:]).status_code == 204
    assert (place / "a.bin").read_bytes() == CONTENT
