"""The tree of folders in which one chooses where something is moved or copied to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client

from collabs.models import Collab
from drive.libraries import services
from drive.models import Library, Permission
from portal.models import User

SignIn = Callable[[User], Client]
TREE = "/drive/folders/"


def ask(client: Client, at: str | None = None) -> Any:
    return client.get(TREE if at is None else f"{TREE}?{urlencode({'at': at})}")


def names(response: Any) -> list[str]:
    return [folder["name"] for folder in response.json()["folders"]]


def test_it_lists_each_library_that_one_may_write_to(
    owner: User, editor: User, collab: Collab, public_collab: Collab, sign_in: SignIn
) -> None:
    given, read = (services.create_library(owner, name) for name in ("Given", "For reading"))
    services.share_with_person(owner, given, editor, Permission.WRITE)
    services.share_with_person(owner, read, editor, Permission.READ)
    found = ask(sign_in(editor)).json()
    assert [(each["kind"], each["name"]) for each in found["folders"]] == [
        ("My Libraries", "My Library"),
        ("Shared with me", "Given"),
        ("Shared with groups", "Cortex"),
        ("Shared with groups", "Open Cortex"),
    ]
    assert found["folders"][2]["at"] == f"{collab.library.pk}/"


def test_it_lists_the_folders_in_one_by_names_that_lead_on(
    library: Library, place: Path, editor: User, sign_in: SignIn
) -> None:
    hostile = '<img src=x onerror="alert(1)"> & 50%'
    for path in (f"data/{hostile}/inner", "data/ä b", "data/.git"):
        (place / path).mkdir(parents=True)
    (place / "data/file.txt").write_text("x")
    client = sign_in(editor)
    [data] = ask(client, f"{library.pk}/").json()["folders"]
    found = ask(client, data["at"]).json()["folders"]
    assert {each["name"] for each in found} == {hostile, "ä b"}
    leads_to = next(each["at"] for each in found if each["name"] == hostile)
    assert names(ask(client, leads_to)) == ["inner"]
    assert ask(client).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("who", "status"), [("viewer", 403), ("stranger", 404), ("operator", 404)])
def test_it_tells_nobody_else(
    library: Library, place: Path, request: pytest.FixtureRequest, sign_in: SignIn, who: str, status: int
) -> None:
    (place / "secret").mkdir()
    response = ask(sign_in(request.getfixturevalue(who)), f"{library.pk}/")
    assert response.status_code == status
    assert "secret" not in response.content.decode()


@pytest.mark.parametrize(
    "path", ["..", "../..", "link", "link/sub", "file.txt", "gone", "a\0b", "\udcff", "/etc", "link/../.."]
)
def test_it_leads_nowhere_else(
    library: Library, place: Path, outside: Path, editor: User, sign_in: SignIn, path: str
) -> None:
    (place / "link").symlink_to(outside)
    (place / "file.txt").write_text("x")
    field = quote(path.encode(errors="surrogateescape"), safe="")
    response = ask(sign_in(editor), f"{library.pk}/{field}")
    assert response.status_code in (400, 404, 409)
    assert "sub" not in response.content.decode()


@pytest.mark.parametrize("at", ["", "/", "x/", "1/a", "\0/"])
def test_it_knows_no_other_address(editor: User, sign_in: SignIn, at: str) -> None:
    assert ask(sign_in(editor), at).status_code == 404


def test_the_dialog_begins_where_the_page_is_and_knows_no_place_for_readers(
    library: Library, place: Path, editor: User, viewer: User, sign_in: SignIn
) -> None:
    (place / "a/b c").mkdir(parents=True)
    (place / "a/b c/d.txt").write_text("d")
    for address in (f"/drive/{library.pk}/a/b%20c/", f"/drive/{library.pk}/a/b%20c/d.txt"):
        assert f'data-at="{library.pk}/a%2Fb%20c"' in sign_in(editor).get(address).content.decode()
        assert 'data-at=""' in sign_in(viewer).get(address).content.decode()
