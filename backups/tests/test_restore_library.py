"""One library of a backup for one person, while the site runs."""

import sqlite3
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backups.backup_store import Backup, BackupStore
from drive.libraries import services
from drive.models import File, Library
from drive.storage import layout
from portal import audit
from portal.models import User

from .odd_files import ODD, look

pytestmark = pytest.mark.django_db(transaction=True)
BackUp = Callable[..., Backup]


def restore(store: BackupStore, *words: object) -> str:
    out = StringIO()
    call_command("restore", str(store.path), *map(str, words), stdout=out, stderr=out)
    return out.getvalue()


@pytest.mark.slow
def test_it_becomes_a_new_library_of_a_person(
    full_site: Library, back_up: BackUp, store: BackupStore, place: Path, stranger: User
) -> None:
    back_up()
    expected = look(place)
    assert expected.pop(b"pipe")
    (place / "notes.md").write_text("changed since")
    said = restore(store, "--library", full_site.pk, "--for", stranger.username)
    library = Library.objects.get(owner_user=stranger, name__startswith="Cortex (restored from 20")
    assert look(layout.find(library.pk)) == expected
    assert (layout.find(library.pk) / ODD).read_bytes() == b"odd"
    assert library.get_absolute_url() in said
    assert not library.is_public
    assert File.objects.filter(library=library, path="notes.md").exists()
    assert (place / "notes.md").read_text() == "changed since"
    assert "library.restored_from_backup" in [entry.verb for entry in audit.trail(library)]


@pytest.mark.slow
def test_it_is_found_by_its_name_or_named_by_its_id(
    full_site: Library, back_up: BackUp, store: BackupStore, owner: User, editor: User, tmp_path: Path
) -> None:
    raw = Library.objects.get(owner_user=owner, name="Raw data")
    (layout.find(raw.pk) / "raw.bin").write_bytes(b"raw")
    services.create_library(editor, "Raw Data")
    back_up()
    with pytest.raises(CommandError, match=rf"Several libraries(.|\n)*{raw.pk}  of owner"):
        restore(store, "--library", "Raw data", "--for", "owner")
    for number in (1, 2):
        said = restore(store, "--library", raw.pk, "--for", "owner")
        assert ("(restored from" in said, ", 2)" in said) == (True, number == 2)
    restore(store, "--library", "cortex", "--into", tmp_path / "out")
    assert (tmp_path / f"out/libraries/{full_site.pk}/notes.md").read_bytes() == b"second"


@pytest.mark.slow
def test_it_refuses_what_it_cannot_do(full_site: Library, back_up: BackUp, store: BackupStore, tmp_path: Path) -> None:
    back_up()
    before = Library.objects.count()
    for words, reason in {
        ("--library", "Nowhere", "--for", "owner"): "has no library Nowhere",
        ("--library", full_site.pk, "--for", "nobody"): "no person with the username nobody",
        ("--library", full_site.pk): "--into DIRECTORY or --for USERNAME",
        ("--for", "owner"): "--for goes with --library",
        ("--library", full_site.pk, "--for", "owner", "--into", tmp_path / "x"): "not with --into",
    }.items():
        with pytest.raises(CommandError, match=reason):
            restore(store, *words)
    assert Library.objects.count() == before


@pytest.mark.slow
def test_backups_of_earlier_versions_are_restored_by_id(
    full_site: Library, back_up: BackUp, store: BackupStore, owner: User
) -> None:
    """Their manifests have no table of libraries."""
    backup = back_up()
    path = backup.path / "manifest.sqlite3"
    with sqlite3.connect(path) as manifest:
        manifest.execute("DROP TABLE libraries")
    manifest.close()
    assert "restored from" in restore(store, "--library", full_site.pk, "--for", owner.username)
    with pytest.raises(CommandError, match="has no library Cortex"):
        restore(store, "--library", "Cortex", "--for", owner.username)
