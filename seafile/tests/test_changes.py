"""Create, rename, move, copy, delete: what clients expect of names, statuses and answers."""

import json
from pathlib import Path

import pytest

from api.models import Scope
from drive.models import Library
from portal.models import User

from .conftest import Program, Seafile

pytestmark = pytest.mark.django_db
REPO = "/api2/repos/{}"
V21 = "/api/v2.1/repos/{}"


def test_a_taken_name_gets_a_number_in_every_change(program: Program, place: Path) -> None:
    (place / "d").mkdir()
    for path in ("a.txt", "b.txt", "d/a.txt"):
        (place / path).write_bytes(path.encode())
    assert program.json(f"{V21}/dir/?p=/d", operation="mkdir").json["obj_name"] == "d (1)"
    assert program.json(f"{V21}/file/?p=/a.txt", operation="create").json["obj_name"] == "a (1).txt"
    renamed = program.json(f"{V21}/file/?p=/b.txt", operation="rename", newname="a.txt").json
    assert (renamed["obj_name"], renamed["parent_dir"]) == ("a (2).txt", "/")
    fields = {"operation": "copy", "dst_repo": "{}", "dst_dir": "d/", "newname": ""}
    assert program.json(f"{V21}/file/?p=/a.txt", **fields).json["obj_name"] == "a (1).txt"
    moved = program.json(f"{V21}/file/?p=/a.txt", **fields | {"operation": "move", "dst_dir": "/d/"}).json
    assert (moved["obj_name"], moved["parent_dir"], moved["size"], moved["type"]) == ("a (2).txt", "/d", 5, "file")
    assert (place / "d/a.txt").read_bytes() == b"d/a.txt"
    assert (place / "d/a (2).txt").read_bytes() == b"a.txt"


def test_a_change_that_makes_no_sense_is_refused(program: Program, place: Path) -> None:
    (place / "d").mkdir()
    (place / "a.txt").write_bytes(b"a")
    move = {"operation": "move", "dst_repo": "{}", "dst_dir": "/", "newname": ""}
    cases = [
        (f"{V21}/file/?p=/a.txt", {"operation": "rename", "newname": "a.txt"}, 400),
        (f"{V21}/file/?p=/a.txt", {"operation": "rename", "newname": "x/y"}, 400),
        (f"{V21}/file/?p=/a.txt", {"operation": "rename", "newname": ".."}, 400),
        (f"{V21}/file/?p=/a.txt", {"operation": "rename"}, 400),
        (f"{V21}/file/?p=/no.txt", {"operation": "rename", "newname": "b"}, 404),
        (f"{V21}/file/?p=/d", {"operation": "rename", "newname": "b"}, 404),
        (f"{V21}/dir/?p=/", {"operation": "rename", "newname": "b"}, 400),
        (f"{V21}/file/?p=/a.txt", move, 400),
        (f"{V21}/file/?p=/a.txt", move | {"dst_dir": "/no"}, 404),
        (f"{V21}/file/?p=/no.txt", move | {"dst_dir": "/d"}, 404),
        (f"{V21}/file/?p=/a.txt", move | {"dst_repo": "x"}, 400),
        (f"{V21}/file/?p=/d", move | {"dst_dir": "/d"}, 400),
        (f"{V21}/file/?p=/a.txt", {"operation": "burn"}, 400),
        (f"{V21}/dir/?p=/no/new", {"operation": "mkdir"}, 404),
        (f"{V21}/file/", {"operation": "create"}, 400),
    ]
    for address, fields, status in cases:
        assert program.json(address, **fields).status == status, (address, fields)
    assert sorted(path.name for path in place.rglob("*")) == ["a.txt", "d"]


def test_folders_above_are_made_only_when_asked_for(program: Program, place: Path) -> None:
    assert program.post(f"{REPO}/dir/", {"operation": "mkdir"}, p="/x/y").status == 404
    assert program.post(f"{REPO}/dir/", {"operation": "mkdir", "create_parents": "true"}, p="/x/y").status == 201
    assert (place / "x/y").is_dir()


def test_a_copy_or_move_is_finished_when_it_is_answered(program: Program, place: Path, editor: User) -> None:
    """ebrains-drive reads the new path at once."""
    (place / "d/sub").mkdir(parents=True)
    (place / "d/sub/a.txt").write_bytes(b"a")
    mine = Library.objects.get(owner_user=editor, is_default=True)
    task = {
        "src_repo_id": str(program.library.pk),
        "src_parent_dir": "/d",
        "src_dirent_name": "sub",
        "dst_repo_id": str(mine.pk),
        "dst_parent_dir": "/",
        "operation": "copy",
        "dirent_type": "dir",
    }
    assert program.post("/api/v2.1/copy-move-task/", task).json == {}
    assert program.get(f"/api2/repos/{mine.pk}/dir/", p="/sub").names == ["a.txt"]
    assert program.post("/api/v2.1/copy-move-task/", task | {"operation": "move"}).status == 200
    assert program.get(f"/api2/repos/{mine.pk}/dir/", p="/").names == ["sub", "sub (1)"]
    assert program.listed("/d") == []
    assert program.post("/api/v2.1/copy-move-task/", task | {"operation": "steal"}).status == 400


def test_a_batch_moves_all_or_nothing(program: Program, place: Path) -> None:
    (place / "d").mkdir()
    for name in ("a", "b", "c"):
        (place / name).write_bytes(name.encode())
    batch = {"src_repo_id": "{}", "src_parent_dir": "/", "dst_repo_id": "{}", "dst_parent_dir": "/d"}
    address = "/api/v2.1/repos/sync-batch-move-item/"
    assert program.json(address, src_dirents=["a", "no"], **batch).status == 404
    assert program.listed() == ["d", "a", "b", "c"]
    assert program.json(address, src_dirents=["a", "b"], **batch).json["success"] is True
    assert program.listed("/d") == ["a", "b"]
    copy = address.replace("move", "copy").replace("sync", "async")
    assert program.json(copy, src_dirents=["c"], **batch).status == 200
    assert program.json(address, src_dirents=["d"], **batch).status == 400
    assert program.json(address, src_dirents=[], **batch).status == 400
    gone = json.dumps({"repo_id": str(program.library.pk), "parent_dir": "/d", "dirents": ["a", "c"]}).encode()
    assert program("DELETE", "/api/v2.1/repos/batch-delete-item/", gone).json["success"] is True
    assert program.listed("/d") == ["b"]
    assert program.library.trash.count() == 2


def test_the_trash_is_emptied_for_good(
    program: Program, place: Path, seafile: Seafile, viewer: User, editor: User
) -> None:
    (place / "a").write_bytes(b"a")
    program("DELETE", f"{REPO}/file/", p="/a")
    assert seafile(viewer)("DELETE", f"{V21}/trash/").status == 403
    of_lab = seafile(editor, Scope.READ, Scope.WRITE, Scope.SHARE)
    assert of_lab("DELETE", f"{V21}/trash/").status == 403
    assert program("DELETE", f"{V21}/trash/", {"keep_days": "3"}).json == {"success": True}
    assert program.library.trash.count() == 1
    assert program("DELETE", f"{V21}/trash/").json == {"success": True}
    assert program.library.trash.count() == 0
