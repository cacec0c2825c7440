"""`bin/manage personal_data`: what is kept of somebody, in a file; and its erasure."""

import io
import json
import os
import resource
import signal
import stat
import zipfile
from datetime import date
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from collabs.models import Collab, Role
from console.models import MonthlyUsage
from drive.libraries import services
from drive.models import Library, Permission, PublicLink, ReceivedFile, UploadLink
from drive.storage import layout
from groups.services import add_person, create_group
from lab.models import Environment, Server
from notices.models import Notice
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


def test_it_has_what_the_site_keeps_in_rows(owner: User, editor: User, collab: Collab, tmp_path: Path) -> None:
    environment = Environment.objects.create(slug="base", name="Base", prefix="/nowhere")
    Server.objects.create(owner=owner, environment=environment, place="My Libraries/x", state="stopped")
    Server.objects.create(owner=editor, environment=environment, place="of somebody else", state="stopped")
    MonthlyUsage.objects.create(user=owner, month=date(2026, 3, 1), lab_seconds=7)
    library = Library.objects.get(owner_user=owner)
    common = {"library": library, "path": "in", "created_by": owner}
    PublicLink.objects.create(**common, is_folder=True)
    link = UploadLink.objects.create(**common, title="Send data", max_bytes=9)
    ReceivedFile.objects.create(link=link, upload_id="a", name="scan.nii", size=1)
    Notice.objects.create(user=owner, kind="done", subject="Copied")
    group = create_group(owner, name="Lab people")
    add_person(owner, group, owner)
    file = tmp_path / "owner.zip"
    personal_data("export", "owner", "--output", str(file))
    with zipfile.ZipFile(file) as archive:
        read = {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}
    assert [lab["place"] for lab in read["labs.json"]["labs"]] == ["My Libraries/x"]
    assert read["usage.json"][0]["lab_seconds"] == 7
    links = read["links.json"]
    assert (len(links["public links"]), links["upload links"][0]["title"]) == (1, "Send data")
    assert links["uploaded through them"][0]["name"] == "scan.nii"
    assert "Copied" in [notice["subject"] for notice in read["notices.json"]["notices"]]
    assert read["groups.json"]["in"][0]["group__slug"] == read["groups.json"]["manages"][0]["group__slug"] == group.slug
    assert "invitations.json" in read
    assert {"sessions", "second factors"} <= set(read["account.json"])


def test_nothing_is_left_where_there_is_no_room(owner: User, tmp_path: Path, settings: Settings) -> None:
    data = services.create_library(owner, "Data")
    (layout.find(data.pk) / "b.bin").write_bytes(b"b" * 2**21)
    file = tmp_path / "out" / "owner.zip"
    file.parent.mkdir()
    free = os.statvfs(tmp_path)
    settings.DISK_RESERVE_BYTES = free.f_bavail * free.f_frsize + 2**30
    with pytest.raises(CommandError, match="not enough free space"):
        personal_data("export", "owner", "--output", str(file))
    settings.DISK_RESERVE_BYTES = 0
    Library.objects.filter(pk=data.pk).update(used_bytes=2**60)
    with pytest.raises(CommandError, match="not enough free space"):
        personal_data("export", "owner", "--output", str(file))
    assert not list(file.parent.iterdir())
    assert not audit.trail(owner).filter(verb="account.exported").exists()


def test_nothing_is_left_of_an_archive_that_cannot_be_written(owner: User, tmp_path: Path) -> None:
    """Its files may be no larger than a megabyte (setrlimit(2))."""
    file = tmp_path / "out" / "owner.zip"
    file.parent.mkdir()
    data = services.create_library(owner, "Data")
    (layout.find(data.pk) / "b.bin").write_bytes(os.urandom(2**21))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(CommandError, match="large"):
            personal_data("export", "owner", "--output", str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(file.parent.iterdir())


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
