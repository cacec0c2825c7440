"""`bin/manage personal_data`: what is kept of somebody, in a file; and its erasure."""

import io
import json
import stat
import zipfile
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from collabs.models import Collab, Role
from drive.libraries import services
from drive.models import Library, Permission
from drive.storage import layout
from portal import audit
from portal.models import User

pytestmark = pytest.mark.django_db


def personal_data(*words: str) -> str:
    said = io.StringIO()
    call_command("personal_data", *words, stdout=said)
    return said.getvalue()


def test_it_writes_rows_and_files_into_one_archive(owner: User, collab: Collab, tmp_path: Path) -> None:
    data = services.create_library(owner, "Data")
    folder = layout.find(data.pk)
    (folder / "a").mkdir()
    (folder / "a/b.txt").write_bytes(b"kept")
    outside = tmp_path / "outside"
    outside.write_text("of somebody else")
    (folder / "link").symlink_to(outside)
    gone = services.create_library(owner, "Gone")
    (layout.find(gone.pk) / "c.txt").write_text("deleted, and restorable")
    services.delete_library(owner, gone)
    file = tmp_path / "owner.zip"
    personal_data("export", "owner", "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert json.loads(archive.read("account.json"))["username"] == "owner"
        assert {"libraries.json", "shares.json", "tokens.json", "what-i-did.json"} <= set(names)
        inner = {name.split("/")[1].rpartition("-")[0]: name for name in names if name.startswith("libraries/")}
        assert set(inner) == {"My Library", "Data", "Gone"}, "the Collab's is not theirs"
        with zipfile.ZipFile(io.BytesIO(archive.read(inner["Data"]))) as library:
            assert library.read("Data/a/b.txt") == b"kept"
            assert "Data/link" not in library.namelist()
        with zipfile.ZipFile(io.BytesIO(archive.read(inner["Gone"]))) as library:
            assert library.namelist() == ["Gone/", "Gone/c.txt"]
    assert audit.trail(owner).get(verb="account.exported").actor_name == "command line"
    with pytest.raises(CommandError, match="exists"):
        personal_data("export", "owner", "--output", str(file))


def test_it_says_which_library_could_not_be_read(owner: User, tmp_path: Path) -> None:
    data = services.create_library(owner, "Data")
    layout.find(data.pk).rename(tmp_path / "lost")
    with pytest.raises(CommandError, match="could not be read: Data"):
        personal_data("export", "owner", "--output", str(tmp_path / "owner.zip"))
    assert zipfile.ZipFile(tmp_path / "owner.zip").testzip() is None


def test_it_erases_when_everything_is_decided(owner: User, editor: User, collab: Collab) -> None:
    data = services.create_library(owner, "Data")
    services.share_with_person(owner, data, editor, Permission.WRITE)
    rows = json.loads(personal_data("decisions", "owner", "--json"))
    choices = [row["decide"] for row in rows]
    assert {f"collab-{collab.pk}=editor", f"library-{data.pk}=editor", f"library-{data.pk}=delete"} <= set(choices)
    decided = ["--decide", f"collab-{collab.pk}=editor", "--decide", f"library-{data.pk}=editor"]
    for words in (["--yes"], decided, [*decided[:2], "--yes"], [*decided, "--decide", "library-x=delete", "--yes"]):
        with pytest.raises(CommandError):
            personal_data("erase", "owner", *words)
    with pytest.raises(CommandError, match="Choose what happens"):
        personal_data("erase", "owner", *decided[:2], "--decide", f"library-{data.pk}=nobody", "--yes")
    owner.refresh_from_db()
    assert owner.is_active
    assert not audit.trail(owner).filter(verb="account.erased").exists(), "undone with the rest"
    personal_data("erase", "owner", *decided, "--yes")
    owner.refresh_from_db()
    assert (owner.is_active, owner.email, owner.first_name) == (False, "", "")
    assert collab.role_of(editor) == Role.ADMINISTRATOR
    assert Library.objects.get(pk=data.pk).owner_user == editor
    assert audit.trail(owner).get(verb="account.erased").actor_name == "command line"


def test_it_keeps_the_last_superuser(operator: User) -> None:
    with pytest.raises(CommandError, match="only active superuser"):
        personal_data("erase", "operator", "--yes")
    operator.refresh_from_db()
    assert operator.is_active
