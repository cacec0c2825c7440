"""The directory with the backups, and the two commands."""

import shutil
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from backups import backup_store, create, restore, verify
from backups.backup_store import Backup, BackupError, BackupStore
from backups.retention import Retention
from collabs.models import Collab
from drive.files import operations
from drive.models import Library
from drive.storage import layout
from portal.models import User

from .support import next_second, silent

pytestmark = pytest.mark.django_db(transaction=True)
BackUp = Callable[..., Backup]


def backup(*words: object) -> str:
    out = StringIO()
    call_command("backup", *(str(word) for word in words), stdout=out)
    return out.getvalue()


def everything(store: BackupStore) -> list[Path]:
    return [path for path in store.path.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_it_finds_a_backup_whole(full_site: Library, back_up: BackUp, store: BackupStore) -> None:
    name = back_up().name
    assert verify.verify(store, store.backups()).damage == []
    assert name in backup(store.path, "--verify")


def flip(path: Path) -> None:
    """One bit, somewhere in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.mark.slow
def test_it_finds_every_damaged_or_missing_file(full_site: Library, back_up: BackUp, store: BackupStore) -> None:
    made = back_up()
    kept = {path: path.read_bytes() for path in everything(store)}
    checked = 0
    for path, content in kept.items():
        if path.name in ("lock", "collaboratory-backups", "backup.json") or not content:
            continue
        flip(path)
        assert any("damaged" in line for line in verify.verify(store, [made]).damage), path
        path.unlink()
        assert any("cannot be read" in line for line in verify.verify(store, [made]).damage), path
        path.write_bytes(content)
        checked += 1
    assert checked > 8
    assert verify.verify(store, [made]).damage == []


@pytest.mark.slow
def test_it_says_which_file_a_damaged_content_is(
    owner: User, collab: Collab, back_up: BackUp, store: BackupStore
) -> None:
    operations.write(owner, collab.library, "a.txt", b"some content")
    made = back_up()
    with made.manifest() as manifest:
        entry = manifest.get(f"libraries/{collab.library.pk}/a.txt".encode())
    assert entry
    flip(store.content(str(entry.sha256)))
    with pytest.raises(CommandError, match=f"damaged, of libraries/{collab.library.pk}/a.txt"):
        backup(store.path, "--verify")
    other = store.path / "out"
    report = restore.into_directory(store, made, other, "", silent)
    assert report.damaged == 2  # the file, and its version


def damage(store: BackupStore, backup: Backup, collab: Collab, name: str) -> str:
    """Damage what a backup holds of a file; its SHA-256."""
    with backup.manifest() as manifest:
        entry = manifest.get(f"libraries/{collab.library.pk}/{name}".encode())
    assert entry
    flip(store.content(str(entry.sha256)))
    return str(entry.sha256)


@pytest.mark.slow
def test_the_next_backup_stores_anew_what_was_found_damaged(
    owner: User, collab: Collab, back_up: BackUp, store: BackupStore
) -> None:
    operations.write(owner, collab.library, "a.txt", b"some content")
    damage(store, back_up(), collab, "a.txt")
    with pytest.raises(CommandError, match="damaged"):
        backup(store.path, "--verify")
    time.sleep(1)  # backups are named by the second
    assert "Damaged contents of earlier backups, stored anew: 1" in backup(store.path)
    assert verify.verify(store, store.backups()).damage == []  # the earlier one, too
    time.sleep(1)
    assert "stored anew" not in backup(store.path)


@pytest.mark.slow
def test_backups_find_damage_themselves_in_time(
    owner: User, collab: Collab, back_up: BackUp, store: BackupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reads a share of what it relies on."""
    operations.write(owner, collab.library, "a.txt", b"some content")
    sha256 = damage(store, back_up(), collab, "a.txt")
    share = int(sha256[:2], 16) % verify.SHARES
    monkeypatch.setattr(verify, "SHARES", 2)
    stored = [next_second(back_up).about["stored_anew"] for _ in range(2)]
    assert stored == [int(share % 2 == 1), int(share % 2 == 0)]
    assert verify.verify(store, store.backups()).damage == []


@pytest.mark.slow
def test_it_says_what_the_site_has_no_more(
    owner: User, collab: Collab, back_up: BackUp, store: BackupStore, place: Path
) -> None:
    operations.write(owner, collab.library, "a.txt", b"some content")
    made = back_up()
    sha256 = damage(store, made, collab, "a.txt")
    store.note_damaged(verify.verify(store, [made]).contents)
    (place / "a.txt").unlink()
    for path in (layout.root() / "objects").rglob("*"):  # its version
        if path.is_file() and path.read_bytes() == b"some content":
            path.unlink()
    about = next_second(back_up).about
    assert (about["stored_anew"], about["damaged"]) == (0, [sha256])
    store.retain(Retention(last=1))
    assert next_second(back_up).about["damaged"] == []


@pytest.mark.slow
def test_it_keeps_the_last_ones(owner: User, collab: Collab, back_up: BackUp, store: BackupStore, place: Path) -> None:
    (place / "a").write_text("only in the first")
    (place / "b").write_text("in all of them")
    first = back_up()
    (place / "a").unlink()
    second, third = next_second(back_up), next_second(back_up)
    assert store.retain(Retention(last=2)) == [first.name]
    assert [found.name for found in store.backups()] == [second.name, third.name]
    texts = {path.read_text() for path in store.objects.rglob("*") if path.is_file()}
    assert "in all of them" in texts
    assert "only in the first" not in texts
    assert verify.verify(store, store.backups()).damage == []


@pytest.mark.slow
def test_it_leaves_nothing_of_one_that_failed(
    full_site: Library, back_up: BackUp, store: BackupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = back_up()
    before = set(everything(store))
    changes_of = {"_trash": OSError(28, "No space left on device"), "_about": KeyboardInterrupt()}
    for name, error in changes_of.items():

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(create._Creation, name, fail)
            with pytest.raises(type(error)):
                next_second(back_up)
        assert [found.name for found in store.backups()] == [whole.name]
        assert set(everything(store)) - before == set()


@pytest.mark.slow
def test_it_never_takes_one_that_was_cut_off_for_a_backup(
    full_site: Library, back_up: BackUp, store: BackupStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_store.Unfinished, "abandon", lambda self: None)  # as after kill -9
    monkeypatch.setattr(backup_store, "PROMOTE_FILES", 3)
    for step in ("_secrets", "_files", "_about"):

        def die(*_: object) -> None:
            raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(create._Creation, step, die)
            with pytest.raises(SystemExit):
                next_second(back_up)
        assert store.backups() == []
        with pytest.raises(BackupError, match="no complete backup"):
            store.find(None)
    promoted = {path.name for path in store.objects.rglob("*") if path.is_file()}
    assert promoted  # what was done is used
    made = next_second(back_up)
    assert not list(store.path.glob("unfinished-*"))
    assert verify.verify(store, [made]).damage == []


def test_it_keeps_secrets_to_its_account_or_leaves_them_out(
    collab: Collab, back_up: BackUp, store: BackupStore, settings: Settings
) -> None:
    settings.IDENTITY_KEYS = Path(settings.VAR_DIR) / "keys"
    settings.IDENTITY_KEYS.mkdir()
    (settings.IDENTITY_KEYS / "2026.pem").write_text("a key")
    made = back_up()
    kept = {path.name: path.read_text() for path in (made.path / "secrets").rglob("*") if path.is_file()}
    assert kept == {"secret-key": f"{settings.SECRET_KEY}\n", "settings.env": "SITE_NAME=Here\n", "2026.pem": "a key"}
    for path in [store.path, *store.path.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0 or path.name in ("lock", "collaboratory-backups"), path
    without = next_second(lambda: back_up(secrets=False))
    assert not (without.path / "secrets").exists()


def test_it_keeps_homes_when_asked(collab: Collab, back_up: BackUp, settings: Settings) -> None:
    home = Path(settings.LAB_ROOT) / "servers/0123/home"
    home.mkdir(parents=True)
    (home / "notes.txt").write_text("not in the Drive")
    with back_up(homes=True).manifest() as manifest:
        assert manifest.get(b"homes/0123/notes.txt")


def test_it_writes_into_no_directory_of_something_else(store: BackupStore, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").touch()
    with pytest.raises(CommandError, match="holds other things"):
        backup(tmp_path / "photos")
    with pytest.raises(CommandError, match="cannot be kept in"):
        backup(Path(settings.DRIVE_ROOT) / "backups")
    with pytest.raises(CommandError, match="no backups of a Collaboratory"):
        backup(tmp_path / "photos", "--verify")
    (store.path / "collaboratory-backups").write_text("99\n")
    with pytest.raises(CommandError, match="of format 99"):
        backup(store.path)


@pytest.mark.slow
def test_it_works_by_command(
    full_site: Library, tmp_path: Path, settings: Settings, other_site: Callable[[], Path]
) -> None:
    settings.VAR_DIR = tmp_path
    target = tmp_path / "by command"
    assert "files" in backup(target, "--keep", 3)
    assert "libraries" in backup(target, "--list")
    assert "Intact" in backup(target, "--verify", "all")
    with pytest.raises(CommandError, match="from 1"):
        backup(target, "--keep", 0)
    drive = other_site()
    out = StringIO()
    call_command("restore", str(target), stdout=out, stderr=out)
    assert "Start the site" in out.getvalue()
    assert (drive / f"private/{full_site.pk}/notes.md").read_bytes() == b"second"


def test_it_says_what_the_site_misses(owner: User, collab: Collab, back_up: BackUp, store: BackupStore) -> None:
    operations.write(owner, collab.library, "a.txt", b"content")
    objects = layout.root() / "objects"
    lost = next(path for path in objects.rglob("*") if path.is_file() and path.name != "lock")
    lost.unlink()
    shutil.rmtree(layout.find(Library.objects.get(owner_user=owner).pk))
    about = back_up().about
    library = Library.objects.get(owner_user=owner).pk
    assert about["missing"] == [f"libraries/{library}", f"objects/{lost.name[:2]}/{lost.name}"]


def test_a_backup_leaves_the_reserve_of_its_disk(
    full_site: Library, back_up: BackUp, store: BackupStore, settings: Settings
) -> None:
    back_up()
    (layout.find(full_site.pk) / "more.txt").write_text("more")
    settings.DISK_RESERVE_BYTES = 10**18
    with pytest.raises(OSError, match="No space left"):
        next_second(back_up)
    assert len(store.backups()) == 1


def test_a_note_of_damage_that_was_cut_off_is_in_nobodys_way(back_up: BackUp, store: BackupStore) -> None:
    """As a full disk or a kill leaves it: a file among the unfinished folders."""
    back_up()
    (store.path / "unfinished-damaged").write_text("0" * 64)
    next_second(back_up)
    assert not list(store.path.glob("unfinished-*"))


def noted(store: BackupStore) -> set[str]:
    return BackupStore(store.path).damaged


@pytest.mark.slow
def test_damage_in_a_read_only_directory_is_told(
    owner: User, collab: Collab, back_up: BackUp, store: BackupStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one that was mounted to look at, or belongs to another account."""
    operations.write(owner, collab.library, "a.txt", b"some content")
    sha256 = damage(store, back_up(), collab, "a.txt")
    (store.path / "lock").chmod(0o400)
    store.path.chmod(0o500)
    try:
        with pytest.raises(CommandError, match=r"(?s)Damaged:.*a\.txt") as found:
            backup(store.path, "--verify")
    finally:
        store.path.chmod(0o700)
        (store.path / "lock").chmod(0o600)
    assert "Permission" not in str(found.value)
    assert "could not be noted for the next backup" in capsys.readouterr().err
    assert noted(store) == set()
    with pytest.raises(CommandError, match="Damaged"):
        backup(store.path, "--verify")
    assert noted(store) == {sha256}


@pytest.mark.slow
def test_nothing_is_noted_beside_somebody_who_reads(
    owner: User, collab: Collab, back_up: BackUp, store: BackupStore, capsys: pytest.CaptureFixture[str]
) -> None:
    operations.write(owner, collab.library, "a.txt", b"some content")
    damage(store, back_up(), collab, "a.txt")
    with BackupStore(store.path).alone(shared=True), pytest.raises(CommandError, match="Damaged"):
        backup(store.path, "--verify")
    assert "could not be noted for the next backup (Another backup" in capsys.readouterr().err
    assert noted(store) == set()


def test_what_another_one_has_noted_stays_noted(back_up: BackUp, store: BackupStore) -> None:
    back_up()
    other = BackupStore(store.path)
    assert store.damaged == other.damaged == set()
    store.note_damaged(["0" * 64])
    other.note_damaged(["1" * 64])
    assert noted(store) == {"0" * 64, "1" * 64}
