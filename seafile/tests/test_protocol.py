"""What clients rely on in tokens, answers and lists, and what broke other servers: as it is sent, as it is read."""

import os
import unicodedata
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client

from conftest import PASSWORD
from drive.libraries import quota
from drive.models import Library
from portal.models import User

from .conftest import Answer, Program, Seafile, form, part

pytestmark = pytest.mark.django_db
REPO = "/api2/repos/{}"
V21 = "/api/v2.1/repos/{}"


def test_its_version_is_three_numbers_of_which_clients_know_the_first(client: Client) -> None:
    """rclone ends in a panic at "11.0", refuses less than 6, and knows less before 7; from 11 on Bearer is sent."""
    said = client.get("/api2/server-info/").json()
    numbers = [int(number) for number in said["version"].split(".")]
    assert len(numbers) == 3
    assert 7 <= numbers[0] < 11
    assert said["features"] == ["seafile-basic"]
    assert client.get("/api2/ping/").json() == "pong"


def test_it_takes_a_token_by_every_scheme_and_says_who_it_is(program: Program, editor: User) -> None:
    for scheme in ("Token", "Bearer", "bearer", "TOKEN"):
        assert program("GET", "/api2/auth/ping/", scheme=scheme).json == "pong"
    said = program.get("/api2/account/info/").json
    assert (said["email"], said["login_id"], said["name"]) == (editor.email, editor.username, editor.display_name)
    assert type(said["usage"]) is type(said["total"]) is int
    assert said["total"] == quota.of_person(editor).max_bytes


def test_it_gives_back_the_token_that_came_as_password(program: Program, editor: User, client: Client) -> None:
    """By a form (Python) and by JSON (rclone), with the username or the e-mail address; 40 hexadecimal digits."""
    for name in (editor.username, editor.email, editor.email.upper()):
        given = {"username": name, "password": program.secret}
        for kind in ({}, {"content_type": "application/json"}):
            answer = client.post("/api2/auth-token/", given, **kind)  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()) == (200, {"token": program.secret})
    assert len(program.secret) == 40
    for wrong in ({"username": "owner"}, {"password": "0" * 40}, {"password": "password"}, {"username": ""}):
        answer = client.post("/api2/auth-token/", given | wrong)
        assert answer.status_code == 400
        assert "personal access token" in answer.json()["non_field_errors"][0]


def test_it_never_takes_the_password_of_the_account(client: Client, editor: User) -> None:
    answer = client.post("/api2/auth-token/", {"username": editor.username, "password": PASSWORD})
    assert answer.status_code == 400


def test_it_exchanges_a_token_for_plain_text_without_quotes(program: Program) -> None:
    """ebrains-drive puts what it gets into a header as it is."""
    answer = program("GET", "/api2/account/token/", scheme="Bearer")
    assert (answer.status, answer.body.decode()) == (200, program.secret)


@pytest.mark.parametrize("address", ["/api2/repos", REPO, "/api2/default-repo", f"{REPO}/dir", V21, f"{V21}/dir"])
def test_it_answers_with_and_without_the_last_slash_and_never_redirects(program: Program, address: str) -> None:
    found = [program.get(one, p="/") for one in (address, f"{address}/")]
    assert [one.status for one in found] == [200, 200]


def test_the_types_of_json_are_what_rclone_parses(program: Program, place: Path) -> None:
    (place / "a.txt").write_bytes(b"abc")
    one = program.get("/api2/repos/").json[0]
    assert (type(one["mtime"]), type(one["size"]), one["encrypted"], one["virtual"]) == (int, int, False, False)
    assert len(one["id"]) == 36
    entry = program.get(f"{V21}/dir/", p="/", recursive=0).json["dirent_list"][0]
    assert (type(entry["mtime"]), entry["size"], entry["type"], entry["parent_dir"]) == (int, 3, "file", "/")
    detail = program.get(f"{REPO}/file/detail/", p="/a.txt").json
    assert (type(detail["mtime"]), type(detail["size"])) == (int, int)
    assert detail["last_modified"].endswith("+00:00")
    assert "." not in detail["last_modified"]


def test_a_link_is_a_json_string_of_plain_ascii_without_query(program: Program, place: Path) -> None:
    """Cut out by its quotes, and lengthened by `?ret-json=1`."""
    (place / "Größe & #1 100%.txt").write_bytes(b"x")
    for address, path in ((f"{REPO}/file/", "/Größe & #1 100%.txt"), (f"{REPO}/upload-link/", "/")):
        answer = program.get(address, p=path)
        text = answer.body.decode("ascii")
        assert text == f'"{answer.json}"'
        assert "\\" not in text
        assert "?" not in text
        assert answer.json.startswith(f"{django_settings.PORTAL_URL}/seafhttp/")
        assert "json" in answer.headers["Content-Type"]


def test_every_list_of_api2_has_the_header_oid(program: Program) -> None:
    assert len(program.get(f"{REPO}/dir/", p="/").headers["oid"]) == 40
    assert len(program.post(f"{REPO}/dir/", {"operation": "mkdir"}, p="/new", reloaddir="true").headers["oid"]) == 40
    answer = program.post(f"{REPO}/file/", {"operation": "create"}, p="/new/e.txt", reloaddir="true")
    assert (answer.status, answer.names, len(answer.headers["oid"])) == (200, ["e.txt"], 40)
    assert answer.json[0]["id"] == "0" * 40


def test_it_says_success_with_200_where_the_clients_insist(program: Program, place: Path) -> None:
    (place / "a.txt").write_bytes(b"a")
    (place / "d").mkdir()
    assert program.post(f"{REPO}/dir/", {"operation": "mkdir"}, p="/x").status == 201
    assert program.post(f"{REPO}/dir/", {"operation": "rename", "newname": "y"}, p="/x").json == "success"
    assert program.post(f"{REPO}/file/", {"operation": "rename", "newname": "b.txt"}, p="/a.txt").json == "success"
    deleted = program("DELETE", f"{REPO}/file/", p="/b.txt")
    assert (deleted.status, deleted.json) == (200, "success")
    assert program("DELETE", f"{REPO}/dir/", p="/y").json == "success"
    gone = program("DELETE", f"{V21}/dir/", p="/d/")
    assert gone.json["success"] is True
    assert len(gone.json["commit_id"]) == 40
    assert list(place.iterdir()) == []


def test_deleting_what_is_not_there_succeeds_for_files_and_404s_for_folders(program: Program) -> None:
    assert program("DELETE", f"{REPO}/file/", p="/no.txt").json == "success"
    assert program("DELETE", f"{REPO}/dir/", p="/no").status == 404
    assert program("DELETE", f"{REPO}/dir/", p="/").status == 400


def test_the_detail_of_a_file_is_404_for_a_folder_and_that_of_a_folder_for_nothing(
    program: Program, place: Path
) -> None:
    (place / "d").mkdir()
    assert program.get(f"{REPO}/file/detail/", p="/d").status == 404
    assert program.get(f"{V21}/dir/detail/", path="/d/").json["name"] == "d"
    assert program.get(f"{V21}/dir/detail/", path="/e").status == 404
    assert program.get(f"{REPO}/dir/", p="/e").json["error_msg"] == "Folder /e not found."
    assert program.get(f"{V21}/dir/", p="/e").status == 404


def test_a_json_content_type_may_come_with_no_body(program: Program, place: Path) -> None:
    (place / "a.txt").write_bytes(b"a")
    assert program("GET", f"{V21}/dir/", b"", p="/").status == 200
    assert program("DELETE", f"{V21}/file/", b"", p="/a.txt").json["success"] is True
    assert program("POST", f"{V21}/file/", b"[1]", p="/a.txt").status == 400
    assert program("POST", f"{V21}/file/", b"{", p="/a.txt").status == 400


def test_paths_come_encoded_as_forms_are_composed_or_not_and_with_slashes(program: Program, place: Path) -> None:
    (place / "a b+c").mkdir()
    (place / "a b+c/größe.txt").write_bytes(b"x")
    token = {"Authorization": f"Token {program.secret}"}
    listed = program.client.get(f"/api2/repos/{program.library.pk}/dir/?p=/a+b%2Bc/", headers=token)
    assert Answer(listed).names == ["größe.txt"]
    taken_apart = unicodedata.normalize("NFD", "größe.txt")
    assert program.get(f"{REPO}/file/detail/", p=f"//a b+c//{taken_apart}").json["name"] == "größe.txt"
    for wrong in ("/../x", "/a b+c/../..", "/.", "/a\0b", "/" + "n" * 300):
        assert program.get(f"{REPO}/dir/", p=wrong).status == 400


def test_a_recursive_list_says_where_each_thing_is(program: Program, place: Path) -> None:
    (place / "a/b").mkdir(parents=True)
    (place / "a/b/c.txt").write_bytes(b"c")
    (place / "link").symlink_to("/etc")
    found = program.get(f"{V21}/dir/", p="/", recursive=1).json["dirent_list"]
    places = {(one["parent_dir"], one["name"], one["type"]) for one in found}
    assert places == {("/", "a", "dir"), ("/a", "b", "dir"), ("/a/b", "c.txt", "file")}
    assert [one["name"] for one in program.get(f"{REPO}/dir/", p="/a", recursive=1, t="f").json] == ["c.txt"]
    assert program.listed() == ["a"]


def test_names_that_no_address_can_hold_are_not_listed(program: Program, place: Path) -> None:
    (place / os.fsdecode(b"\xff.txt")).write_bytes(b"")
    (place / "a.txt").write_bytes(b"")
    assert program.listed() == ["a.txt"]
    assert [one["name"] for one in program.get(f"{V21}/dir/", p="/", recursive=1).json["dirent_list"]] == ["a.txt"]


def test_a_large_folder_is_listed_whole_and_sorted(program: Program, place: Path) -> None:
    for number in range(1101):
        (place / f"{number:04}").touch()
    assert program.listed() == [f"{number:04}" for number in range(1101)]


def test_every_error_is_json_with_the_key_that_its_reader_knows(program: Program) -> None:
    assert set(program.get("/api2/nothing/").json) == {"error_msg"}
    assert set(program.get("/api/v2.1/nothing/").json) == {"error_msg"}
    assert set(program("GET", "/api2/repos/", scheme="").json) == {"detail"}
    assert set(program.follow("/seafhttp/files/x/y").json) == {"error"}
    assert program("PATCH", "/api2/repos/").status == 405
    assert program("PUT", f"{REPO}/dir/").headers["Allow"] == "GET, POST, DELETE"


def test_characters_that_are_none_are_refused_everywhere(seafile: Seafile, owner: User, place: Path) -> None:
    """PostgreSQL takes no NUL, and the disk takes half a character from JSON for a byte that is not UTF-8."""
    program = seafile(owner)
    (place / "a.txt").write_bytes(b"a")
    mine = Library.objects.get(owner_user=owner, is_default=True)
    for bad in ("a\0b", "\udcff", "\ud800"):
        for operation in ("rename", "copy"):
            sent = {"operation": operation, "newname": bad, "dst_repo": "{}", "dst_dir": bad}
            assert program.json(f"{V21}/file/?p=/a.txt", **sent).status == 400
        assert program.json("/api2/repos/", name=bad).status == 400
        assert program.json("/api/v2.1/share-links/", repo_id="{}", path=bad).status == 400
        batch = {"src_repo_id": "{}", "src_parent_dir": "/", "dst_repo_id": "{}", "dst_parent_dir": "/"}
        assert program.json("/api/v2.1/repos/sync-batch-move-item/", src_dirents=[bad], **batch).status == 400
    shared = f"/api2/repos/{mine.pk}/dir/shared_items/?p=/"
    assert program("PUT", shared, {"share_type": "user", "username": "a\0"}).status == 400
    assert program("DELETE", f"{shared}&username=a%00").status == 404
    for address in ("/api/v2.1/share-links/", f"{V21}/file-uploaded-bytes/"):
        assert program.get(address, path="/a\0", parent_dir="/a\0", file_name="a").status == 400
    assert program.get("/api2/repos/", nameContains="a\0").json == []
    assert program.upload("a", b"", relative_path="a\0b").status == 400
    body = part("parent_dir", "/") + part("relative_path", b"\xff") + part("file", b"", "a")
    assert program.send(program.link(f"{REPO}/upload-link/"), form(body)).status == 400
    assert [path.name for path in place.iterdir()] == ["a.txt"]


def test_a_form_may_be_long(program: Program) -> None:
    names = [f"{number:05}" for number in range(12_000)]
    answer = program.post(f"{V21}/zip-task/", {"parent_dir": "/", "dirents": names})
    assert answer.status == 200  # of an empty folder, all of it
