"""Properties that programs store with files (dead properties): in the database, by path.

What a page or a Lab renames loses them: nothing on the site reads them.
"""

from collections.abc import Iterable

from django.db import transaction

from drive.models import Library
from drive.storage import path_codec

from .errors import DavError
from .models import Property

MOST_VALUE = 64 * 1024
MOST_PER_FILE = 100
MOST_PER_LIBRARY = 100_000
NAME = 500
BATCH = 500


def any_in(library: Library) -> bool:
    """True if a library has any at all: most have none, and need not be asked for each folder."""
    return Property.objects.filter(library=library).exists()


def of(library: Library, paths: Iterable[str]) -> dict[str, dict[str, str]]:
    """Elements by name, for each of these paths that has any."""
    keys = {path_codec.key(path): path for path in paths}
    found: dict[str, dict[str, str]] = {}
    for row in Property.objects.filter(library=library, path_key__in=keys):
        found.setdefault(keys[row.path_key], {})[row.name] = row.value
    return found


@transaction.atomic
def change(library: Library, path: str, changes: Iterable[tuple[str, str | None]]) -> None:
    """Store elements, or remove those whose value is None, in this order. 507 for too many."""
    key, row = path_codec.key(path), path_codec.to_row(path)
    for name, value in changes:
        if value is None:
            Property.objects.filter(library=library, path_key=key, name=name).delete()
            continue
        if len(value) > MOST_VALUE or len(name) > NAME:
            raise DavError(507, "This property is too large.")
        Property.objects.update_or_create(
            library=library, path_key=key, name=name, defaults={"path": row, "value": value}
        )
    mine = Property.objects.filter(library=library)
    if mine.filter(path_key=key).count() > MOST_PER_FILE or mine.count() > MOST_PER_LIBRARY:
        raise DavError(507, "There are too many properties.")


def _below(library: Library, path: str) -> list[Property]:
    rows = Property.objects.filter(library=library, path__startswith=path_codec.to_row(path))
    return [row for row in rows if path_codec.is_within(path_codec.from_row(row.path), path)]


def drop(library: Library, path: str) -> None:
    """Forget those of what has been deleted, and of all below it."""
    gone = [row.pk for row in _below(library, path)]
    if gone:
        Property.objects.filter(pk__in=gone).delete()


@transaction.atomic
def copy(source: Library, path: str, target: Library, new_path: str) -> None:
    """Those of a file, or of a folder with all below it, hold for its copy too."""
    copies = []
    for row in _below(source, path):
        there = path_codec.moved(path_codec.from_row(row.path), path, new_path)
        columns = {"path": path_codec.to_row(there), "path_key": path_codec.key(there)}
        copies.append(Property(library=target, name=row.name, value=row.value, **columns))
    drop(target, new_path)
    Property.objects.bulk_create(copies, batch_size=BATCH, ignore_conflicts=True)


def move(source: Library, path: str, target: Library, new_path: str) -> None:
    """They go with a file or folder that is moved."""
    copy(source, path, target, new_path)
    drop(source, path)
