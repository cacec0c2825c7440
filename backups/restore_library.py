"""One library of a backup becomes a new library of a person, on the running site. Nothing that exists is changed."""

from django.core.exceptions import ValidationError
from django.db import transaction

from drive.libraries import services
from drive.libraries.naming import LONGEST_NAME
from drive.models import Library
from drive.storage import layout
from drive.versions import scan
from portal import audit
from portal.models import User

from .backup_store import Backup, BackupError, BackupStore
from .extract import Extraction
from .manifest import SavedLibrary
from .restore import Progress, Report, check_room

TRIES = 100
"""Names for one library."""


def find_library(backup: Backup, text: str) -> SavedLibrary:
    """The library with this id or name. BackupError where there is none, or several have the name."""
    with backup.manifest() as manifest:
        found = manifest.libraries(text)
    if not found:
        raise BackupError(f"The backup {backup.name} has no library {text}.")
    if len(found) > 1:
        listed = "\n".join(f"  {library.id}  of {library.owner}" for library in found)
        raise BackupError(f"Several libraries are called {text}. Name one by its id:\n{listed}")
    return found[0]


def into_new_library(
    store: BackupStore, backup: Backup, saved: SavedLibrary, owner: User, progress: Progress
) -> Report:
    """Restore a library's files as a new private library of `owner`. Not its versions, trash, shares and links."""
    below = len(saved.path) + 1
    with backup.manifest() as manifest:
        check_room(manifest, layout.root(), saved.path)
        library = _create(owner, saved.name or "Restored library", backup)
        extraction = Extraction(store, manifest, layout.find(library.pk), lambda path: path[below:])
        extraction.extract(saved.path)
    scan.scan(library)
    progress(f"{extraction.files} files are in “{library.name}” of {owner.username}: {library.get_absolute_url()}")
    damaged = [f"damaged in the backup: {path}" for path in extraction.damaged]
    return Report(extraction.files, damaged, len(damaged))


def _create(owner: User, name: str, backup: Backup) -> Library:
    """An empty library, named after the one in the backup and its day; a number makes the name a free one."""
    for number in range(1, TRIES + 1):
        suffix = f" (restored from {backup.time:%Y-%m-%d}{f', {number}' if number > 1 else ''})"
        try:
            with transaction.atomic():
                library = services.create_library(owner, name[: LONGEST_NAME - len(suffix)] + suffix)
                audit.record(None, "library.restored_from_backup", library, backup=backup.name)
                return library
        except ValidationError:  # the name is taken
            continue
    raise BackupError(f"{owner.username} has {TRIES} libraries that were restored from this backup.")
