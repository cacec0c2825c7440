"""A site with something of everything, and a store for its backups."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from backups.backup_store import Backup, BackupStore
from backups.create import Options, create
from collabs.models import Collab
from drive.files import operations
from drive.libraries import services
from drive.models import Library
from drive.storage import layout
from drive.uploads import tus
from drive.versions import scan, trash
from groups import services as group_services
from portal.models import User

from .odd_files import make_odd_files


@pytest.fixture
def store(tmp_path: Path) -> BackupStore:
    store = BackupStore(tmp_path / "backups")
    store.prepare()
    return store


@pytest.fixture
def back_up(store: BackupStore, settings: Settings, tmp_path: Path) -> Callable[..., Backup]:
    """Make a backup now."""
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir()
    settings.ROOMS_ROOT = settings.VAR_DIR / "rooms"
    settings.ROOMS_ROOT.mkdir()
    (settings.VAR_DIR / "settings.env").write_text("SITE_NAME=Here\n")

    def run(**options: bool) -> Backup:
        with store.alone():
            return create(store, Options(**options, wait_seconds=0), lambda _text: None)

    return run


@pytest.fixture
def place(collab: Collab) -> Path:
    """The directory of Cortex' library: what a notebook sees."""
    return layout.find(collab.library.pk)


@pytest.fixture
def full_site(owner: User, editor: User, collab: Collab, public_collab: Collab, place: Path) -> Library:
    """Versions, trash from the web and from a notebook, groups, a share, a link, an upload under way, odd files."""
    library = collab.library
    operations.write(owner, library, "notes.md", b"first")
    operations.write(editor, library, "notes.md", b"second")
    operations.write(owner, library, "gone.md", b"thrown away")
    operations.write(owner, public_collab.library, "README.md", b"# Open")
    trash.delete(owner, library, "gone.md")
    make_odd_files(place)
    scan.scan(library)
    (place / "by-notebook.txt").unlink()
    scan.scan(library)
    group = group_services.create_group(owner, name="Institute")
    group_services.add_person(owner, group, editor)
    services.create_library(owner, "Raw data")
    upload = tus.create(owner, library, "large.bin", 100)
    upload.data.write_bytes(b"x" * 40)
    return library


@contextlib.contextmanager
def empty_database() -> Iterator[None]:
    """A site that was never started: no table. The other database is set aside: to migrate anew takes seconds."""
    connection.close()
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        aside = path.rename(path.with_name("aside"))  # a closed one has no log beside it
        yield
        connection.close()
        aside.replace(path)
        return
    with connection.cursor() as cursor:
        cursor.execute("ALTER SCHEMA public RENAME TO aside")
        cursor.execute("CREATE SCHEMA public")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("ALTER SCHEMA aside RENAME TO public")


def dump() -> dict[str, list[dict[str, object]]]:
    """Every row of every model, by table."""
    from django.apps import apps

    models = apps.get_models(include_auto_created=True)
    return {
        model._meta.db_table: list(model._default_manager.order_by("pk").values())
        for model in models
        if not model._meta.proxy
    }


@pytest.fixture
def other_site(settings: Settings, tmp_path: Path, transactional_db: None) -> Iterator[Callable[[], Path]]:
    """Go on as another, empty site: nothing on disk, no table in the database. Returns its Drive."""
    with contextlib.ExitStack() as afterwards:

        def move() -> Path:
            settings.DRIVE_ROOT = tmp_path / "other/drive"
            settings.VAR_DIR = tmp_path / "other"
            settings.ROOMS_ROOT = settings.VAR_DIR / "rooms"
            settings.DRIVE_ROOT.mkdir(parents=True)
            afterwards.enter_context(empty_database())
            return settings.DRIVE_ROOT

        yield move
