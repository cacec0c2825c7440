"""Copies of the backups in a restic repository, and the way back: real restic; the other disk is a directory."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from backups import create, restic
from backups.backup_store import Backup, BackupError, BackupStore
from backups.restic import ResticError, ResticRepository
from backups.retention import Retention
from backups.tests.odd_files import ODD, look, make_odd_files
from drive.libraries import services
from drive.models import Library
from drive.storage import layout
from portal.models import User

from ..support.people import Person, new_name
from ..support.site import CODE, Site

pytestmark = pytest.mark.sandbox


@dataclass
class Saved:
    """A backup of the site, and a copy of it in a repository; tests that change one work on copies."""

    store: BackupStore
    backup: Backup
    repository: ResticRepository
    password: Path
    library: Library
    files: dict[bytes, tuple[object, ...]]
    """Of the library, as they were."""


@pytest.fixture(scope="module")
def saved(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    root = tmp_path_factory.mktemp("backups")
    name = new_name("archivist")
    owner = User.objects.create_user(name, email=f"{name}@example.org", password="unused")
    library = services.create_library(owner, "Odd files")
    make_odd_files(layout.find(library.pk))
    files = look(layout.find(library.pk))
    files.pop(b"pipe")
    password = root / "password"
    password.write_text("a secret of its own\n")
    store, repository = BackupStore(root / "store"), ResticRepository(str(root / "repository"), password)
    store.prepare()
    with store.alone():
        backup = create.create(store, create.Options(), lambda _text: None)
    assert not repository.prepare()
    assert repository.copy(store, backup.name) > 0
    yield Saved(store, backup, repository, password, library, files)
    services.delete_library(owner, library)


@pytest.fixture(autouse=True)
def own_variables(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> None:
    """Nothing of restic's from outside; the password that is made goes to a place of the test's."""
    for name in [name for name in os.environ if name.startswith("RESTIC_")]:
        monkeypatch.delenv(name)
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir()


@pytest.fixture
def copied(saved: Saved, tmp_path: Path) -> Saved:
    """To be changed."""
    shutil.copytree(saved.store.path, tmp_path / "store")
    shutil.copytree(saved.repository.location, tmp_path / "repository")
    repository = ResticRepository(str(tmp_path / "repository"), saved.password)
    store = BackupStore(tmp_path / "store")
    return Saved(store, store.find(None), repository, saved.password, saved.library, saved.files)


def command(name: str, *words: object) -> str:
    """What a command says; as an operator's, without the process around it."""
    out = StringIO()
    call_command(name, *map(str, words), stdout=out, stderr=out)
    return out.getvalue()


def of(saved: Saved) -> list[object]:
    return ["--repository", saved.repository.location, "--password-file", saved.password]


# There and back


def test_names_of_any_bytes_come_back_from_the_repository(saved: Saved, tmp_path: Path) -> None:
    command("restore", tmp_path / "fetched", *of(saved), "--into", tmp_path / "all")
    assert os.fsencode(ODD) in saved.files
    assert look(tmp_path / f"all/libraries/{saved.library.pk}") == saved.files
    assert [backup.name for backup in BackupStore(tmp_path / "fetched").backups()] == [saved.backup.name]
    assert "Intact" in command("backup", tmp_path / "fetched", "--verify", "all")


def test_one_library_comes_back_for_one_person(
    saved: Saved, stranger: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    real = ResticRepository.fetch_contents

    def note(self: ResticRepository, snapshot: str, target: Path, contents: list[str]) -> None:
        fetched.extend(contents)
        real(self, snapshot, target, contents)

    monkeypatch.setattr(ResticRepository, "fetch_contents", note)
    monkeypatch.setattr(restic, "INCLUDES", 2)
    words = ["--library", "odd files", "--for", stranger.user.username]
    command("restore", tmp_path / "empty", *of(saved), *words)
    library = Library.objects.get(owner_user=stranger.user, name__startswith="Odd files (restored from")
    assert look(layout.find(library.pk)) == saved.files
    assert [path.name for path in (tmp_path / "empty").iterdir()] == ["lock"]
    with saved.backup.manifest() as manifest:
        assert fetched == manifest.contents_below(f"libraries/{saved.library.pk}".encode())
        assert set(fetched) < set(manifest.contents())


def test_the_repository_is_encrypted_and_the_directory_is_as_it_was(saved: Saved) -> None:
    for path in Path(saved.repository.location).rglob("*"):
        assert not path.is_file() or b"removed with rm" not in path.read_bytes()
    kept = {path.name for path in saved.store.path.iterdir()}
    assert kept == {"collaboratory-backups", "lock", "objects", saved.backup.name}


# The commands


def test_the_commands_make_copy_list_verify_and_prune(site: Site, settings: Settings, tmp_path: Path) -> None:
    store, there = tmp_path / "store", tmp_path / "repository"
    said = command("backup", store, "--keep", 2, "--repository", there)
    password = settings.VAR_DIR / "backup-password"
    assert f"password of the new repository is in {password}" in said
    assert password.stat().st_mode & 0o777 == 0o600
    for _more in range(2):
        time.sleep(1)  # backups are named by the second
        said = command("backup", store, "--keep", 2, "--repository", there)
        assert "Copied to" in said
        assert "password" not in said
    names = [backup.name for backup in BackupStore(store).backups()]
    assert len(names) == 2
    listed = command("backup", store, "--list", "--repository", there).splitlines()
    assert [line.split()[0] for line in listed if "snapshot" in line] == names
    assert f"Intact: the repository {there}" in command("backup", store, "--verify", "all", "--repository", there)


def test_a_second_copy_costs_what_is_new(copied: Saved) -> None:
    copied.repository.copy(copied.store, "as it is")  # files that were copied have other inodes and times
    new = copied.store.objects / "00" / ("0" * 64)
    new.parent.mkdir(exist_ok=True)
    new.write_bytes(os.urandom(3_000_000))
    assert 3_000_000 < copied.repository.copy(copied.store, "later") < 3_500_000


def test_damage_in_the_repository_is_found(copied: Saved) -> None:
    packs = [path for path in Path(copied.repository.location, "data").rglob("*") if path.is_file()]
    pack = max(packs, key=lambda path: path.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[100] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    with pytest.raises(CommandError, match="restic check"):
        command("backup", copied.store.path, "--verify", "all", *of(copied))


def test_the_backup_is_complete_when_the_repository_fails(site: Site, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "repository").touch()  # no directory
    with pytest.raises(CommandError, match=r"is complete in .*, but not in the repository: restic init"):
        command("backup", tmp_path / "store", "--repository", tmp_path / "repository")
    assert len(BackupStore(tmp_path / "store").backups()) == 1
    assert not (settings.VAR_DIR / "backup-password").exists()


# Passwords


def test_another_password_is_refused(saved: Saved, tmp_path: Path) -> None:
    before = look(Path(saved.repository.location))
    wrong = tmp_path / "wrong"
    wrong.write_text("another\n")
    repository = ResticRepository(saved.repository.location, wrong)
    for act in (repository.prepare, repository.snapshots):
        with pytest.raises(BackupError, match="The password is not that of the repository"):
            act()
    with pytest.raises(CommandError, match="The password is not that of the repository"):
        command("restore", tmp_path / "x", "--repository", saved.repository.location, "--password-file", wrong)
    assert look(Path(saved.repository.location)) == before


def test_a_repository_gets_no_second_password(saved: Saved, settings: Settings) -> None:
    repository = ResticRepository(saved.repository.location)
    with pytest.raises(BackupError, match=r"exists, but .*backup-password, which holds its password, is missing"):
        repository.prepare()
    assert not (settings.VAR_DIR / "backup-password").exists()
    with pytest.raises(BackupError, match="is missing, which holds the password"):
        repository.snapshots()


def test_the_password_may_be_where_restics_variables_say(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD_FILE", str(saved.password))
    assert [found["tags"] for found in ResticRepository(saved.repository.location).snapshots()] == [[saved.backup.name]]


# What goes wrong


def test_the_next_run_works_after_one_that_was_killed(copied: Saved) -> None:
    (copied.store.objects / "large").write_bytes(os.urandom(60 << 20))
    packs = Path(copied.repository.location, "data")
    before = set(packs.rglob("*"))
    words = ["restic", "backup", ".", "--quiet"]
    running = subprocess.Popen(words, cwd=copied.store.path, env=copied.repository.environment())
    while not set(packs.rglob("*")) - before and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert list(Path(copied.repository.location, "locks").iterdir())
    copied.repository.copy(copied.store, "next")
    copied.repository.apply(Retention(last=1))
    copied.repository.check(read_data=True)
    assert [snapshot["tags"] for snapshot in copied.repository.snapshots()] == [["next"]]


FULL = """
set -e
mount -t tmpfs -o size=80m tmpfs {there}
dd if=/dev/zero of={there}/something bs=1M count=60 2>/dev/null
{manage} backup {store} --repository {there}/repository --password-file {password}
dd if=/dev/urandom of={place}/large.bin bs=1M count=30 2>/dev/null
sleep 1
{manage} backup {store} --repository {there}/repository --password-file {password} && exit 9
rm {there}/something
sleep 1
{manage} backup {store} --keep 2 --repository {there}/repository --password-file {password}
{manage} backup {store} --verify all --repository {there}/repository --password-file {password}
"""


def test_the_next_run_works_after_a_full_repository(saved: Saved, site: Site, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    place = layout.find(saved.library.pk)
    words = {"store": tmp_path / "store", "there": tmp_path / "there", "place": place, "password": saved.password}
    script = FULL.format(**words, manage=f"{sys.executable} {CODE}/manage.py")
    command = ["unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script]
    try:
        done = subprocess.run(command, env=site.environment, capture_output=True, text=True, cwd=CODE)
    finally:
        (place / "large.bin").unlink(missing_ok=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "but not in the repository: restic backup" in done.stderr
    assert "Intact: the repository" in done.stdout


def test_a_fetch_that_was_interrupted_is_no_backup(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["restore", tmp_path / "fresh", *of(saved), "--into", tmp_path / "out"]
    with monkeypatch.context() as patch:
        patch.setattr(BackupStore, "take_over", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command(*map(str, words))
    with pytest.raises(CommandError, match="no backups of a Collaboratory"):
        command("restore", tmp_path / "fresh", "--into", tmp_path / "out")
    command(*map(str, words))
    assert (tmp_path / "out/secrets/secret-key").exists()
    with pytest.raises(CommandError, match="fetched into an empty directory only"):
        command("restore", saved.store.path, *of(saved), "--into", tmp_path / "more")


def test_neither_password_nor_location_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others on the machine see the words of a command; logs see what it says."""
    seen: list[list[str]] = []

    def fail(words: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        seen.append(words)
        return subprocess.CompletedProcess(words, 1, "", "Is there a repository at rest:https://me:hidden@host/x?")

    monkeypatch.setattr(restic.subprocess, "run", fail)
    repository = ResticRepository("rest:https://me:hidden@host/x", tmp_path / "password")
    with pytest.raises(ResticError) as error:
        repository.prepare()
    assert "hidden" not in f"{error.value} {repository} {seen}"
    assert "rest:https://host/x" in str(error.value)


def test_the_directory_keeps_the_backups_that_restic_would(saved: Saved, copied: Saved, tmp_path: Path) -> None:
    """The rules of retention are ours for the directory and restic's for the repository."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").touch()
    days = ["2026-01-31 01:00", "2026-02-28 01:00", "2026-03-01 01:00", "2026-03-02 01:00", "2026-03-02 13:00"]
    days += ["2026-03-03 01:00", "2026-03-10 01:00"]
    for day in days:
        words = ["backup", ".", "--host", "other", "--time", f"{day}:00"]
        copied.repository.run(*words, cwd=tmp_path / "source")
    times = [datetime.fromisoformat(f"{day}:00") for day in days]
    for retention in (Retention(last=2), Retention(daily=3), Retention(last=1, weekly=3), Retention(monthly=9)):
        options = ["--dry-run", "--json", "--host", "other", "--group-by", "host", *retention.restic_options()]
        (group,) = json.loads(copied.repository.run("forget", *options))
        kept = {snapshot["time"][:16].replace("T", " ") for snapshot in group["keep"]}
        assert kept == {f"{time:%Y-%m-%d %H:%M}" for time in retention.kept(times)}
