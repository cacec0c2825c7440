"""HTTP in both APIs alike: methods, slashes, types of content, query strings, texts of errors."""

from typing import Any

import pytest
from django.test import Client

from collabs.models import Collab
from drive.files import operations
from portal.models import User

from .conftest import Program

pytestmark = pytest.mark.django_db
V1, C, ID = "/api/v1", "/rest/v1/collabs", "/rest/v1/identity"


def send(client: Client, method: str, address: str, body: Any = None) -> Any:
    return getattr(client, method)(address, body, content_type="application/json")


@pytest.mark.parametrize("is_public", [True, False])
def test_a_change_that_does_not_name_the_status_leaves_it(
    program: Program, owner: User, collab: Collab, is_public: bool
) -> None:
    client, body = program(owner), {"title": "Cortex", "description": "D"}
    assert send(client, "put", f"{C}/cortex", body | {"public": is_public}).json()["isPublic"] is is_public
    for more in ({}, {"public": None}):
        changed = send(client, "put", f"{C}/cortex", body | more)
        assert (changed.status_code, changed.json()["isPublic"]) == (200, is_public)


def test_one_that_is_new_is_private(program: Program, owner: User) -> None:
    assert send(program(owner), "post", C, {"name": "new-one", "title": "New"}).json()["isPublic"] is False


@pytest.mark.parametrize(
    ("address", "methods"),
    [
        (f"{V1}/collabs", "GET, HEAD, OPTIONS, POST"),
        (f"{V1}/collabs/nothing", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        (f"{C}/nothing/", "DELETE, GET, HEAD, OPTIONS, PUT"),
    ],
)
def test_options_tells_the_methods_and_needs_no_token(address: str, methods: str) -> None:
    answer = Client().options(address)
    assert (answer.status_code, answer["Allow"], answer.content) == (204, methods, b"")
    assert "Content-Type" not in answer
    assert "Access-Control-Allow-Origin" not in answer, "no page of another site may read what is here"


@pytest.mark.parametrize("address", [f"{V1}/nowhere", f"{C}/a/b/c"])
def test_options_of_nothing_is_404(address: str) -> None:
    assert Client().options(address).status_code == 404


def test_another_method_is_405_with_those_that_there_are(program: Program, owner: User) -> None:
    answer = program(owner).put(f"{V1}/collabs")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")


def test_a_slash_at_the_end_changes_nothing(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    operations.write(owner, collab.library, "a.txt", b"a")
    for address in (f"{V1}/collabs", f"{V1}/collabs/cortex", f"{V1}/me", C, f"{C}/cortex", f"{ID}/groups"):
        plain, slash = client.get(address), client.get(f"{address}/")
        assert (slash.status_code, slash.content) == (200, plain.content), address
    assert client.get(f"{V1}/libraries/{collab.library.pk}/stat/?path=a.txt").status_code == 200
    assert send(client, "post", f"{V1}/collabs/", {"title": "New"}).status_code == 201
    assert send(client, "post", f"{C}/", {"name": "newer", "title": "Newer"}).status_code == 201


def test_only_json_is_called_json(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    for method, address in (
        ("put", f"{V1}/collabs/cortex/favourite"),
        ("put", f"{C}/cortex/team/viewer/users/stranger2"),
        ("delete", f"{C}/cortex/team/viewer/users/viewer"),
        ("delete", f"{V1}/collabs/cortex/team/editor"),
    ):
        answer = send(client, method, address)
        is_json = answer.get("Content-Type", "").startswith("application/json")
        assert is_json is bool(answer.content), (address, answer.status_code)
        assert (answer.status_code == 204) is ("Content-Type" not in answer), address


def test_an_error_is_told_once(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    unknown = send(client, "put", f"{C}/cortex/team/viewer/users/nobody")
    assert (unknown.status_code, unknown.json()["message"]) == (400, "user: Unknown user.")
    missing = send(client, "post", C, {"name": "a"}).json()["message"]
    assert missing == "title: Field required"
    taken = send(client, "post", C, {"name": "other", "title": "Cortex"})
    words = taken.json()["message"].split(". ")
    assert (taken.status_code, len(words)) == (409, len(set(words)))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "A", "colour": 1}, "colour"),
        ({"title": "A", "tags": 1}, "tags"),
    ],
)
def test_the_message_of_a_422_names_the_field(program: Program, owner: User, body: dict, field: str) -> None:
    answer = send(program(owner), "post", f"{V1}/collabs", body)
    said = answer.json()
    assert (answer.status_code, list(said["fields"])) == (422, [field])
    assert said["message"].startswith(f"{field}: {said['fields'][field][0]}")


def test_a_parameter_that_there_is_not_is_refused_by_name(program: Program, owner: User, collab: Collab) -> None:
    """A misspelt filter that is passed over lists everything, and a script deletes the lot."""
    client, library = program(owner), f"{V1}/libraries/{collab.library.pk}"
    for address, name in (
        (f"{V1}/collabs?mime=true", "mime"),
        (f"{V1}/groups?q=a&pagesize=5", "pagesize"),
        (f"{V1}/me?x", "x"),
        (f"{library}/entries?folder=a", "folder"),
        (f"{library}?path=a", "path"),
    ):
        answer = client.get(address)
        assert (answer.status_code, list(answer.json()["fields"])) == (422, [name]), address
        assert answer.json()["message"].startswith(f"{name}: Unknown query parameter."), address
    refused = send(client, "delete", f"{V1}/collabs/cortex?dry_run=true")
    assert refused.status_code == 422
    assert Collab.objects.filter(slug="cortex").exists(), "nothing is done of what was not understood"
    assert "page_size" in client.get(f"{V1}/groups?size=5").json()["message"], "it says which there are"
    assert client.get(C, {"unknown": "x"}).status_code == 200, "scripts for EBRAINS send what only EBRAINS knows"


def test_a_folder_is_paged_and_sorted_like_other_lists(program: Program, owner: User, collab: Collab) -> None:
    client, library = program(owner), f"{V1}/libraries/{collab.library.pk}"
    for number in range(5):
        operations.write(owner, collab.library, f"{number}.txt", b"a" * number)
    pages = [client.get(f"{library}/entries?page_size=2&page={page}").json() for page in (1, 2, 3, 4)]
    assert [[one["name"] for one in page["items"]] for page in pages] == [
        ["0.txt", "1.txt"], ["2.txt", "3.txt"], ["4.txt"], [],
    ]  # fmt: skip
    assert {(page["count"], page["pages"]) for page in pages} == {(5, 3)}
    assert client.get(f"{library}/entries?page_size=201").status_code == 422
    for sort in ("modified", "-modified"):
        now, former = (
            client.get(f"{library}/entries?sort={name}").json() for name in (sort, sort.replace("modified", "date"))
        )
        assert now == former


def test_groups_of_a_team_are_listed_as_in_the_whole_team(
    program: Program, stranger: User, public_collab: Collab
) -> None:
    client = program(stranger)
    assert client.get(f"{C}/open-cortex/team/viewer/groups").json() == []
    assert client.get(f"{C}/open-cortex/team/viewer").json()["groups"] == []
