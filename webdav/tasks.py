"""Celery tasks of WebDAV."""

from itertools import groupby
from uuid import UUID

from celery import shared_task
from django.db.models import Exists, OuterRef
from django.utils import timezone

from drive.models import File, Library
from drive.storage import NotFoundError, StorageError, open_library, path_codec

from .models import Checksum, Lock, Property


@shared_task(soft_time_limit=540, time_limit=600)
def forget_gone() -> int:
    """Every night: remove locks that have ended, and what is kept for files that are no more; returns how many rows.

    Pages and Labs delete files too, and know nothing of these rows. Checksums are compared with the rows of files,
    which the night's scan has brought up to date; properties with the disk, as folders have some too.
    """
    ended, _by_model = Lock.objects.filter(expires_at__lte=timezone.now()).delete()
    known = File.objects.filter(library=OuterRef("library"), signature=OuterRef("signature"), trashed=None)
    unknown, _by_model = Checksum.objects.filter(~Exists(known)).delete()
    rows = Property.objects.filter(library__deleted_at=None).order_by("library_id", "path_key", "pk")
    places = rows.values_list("library_id", "path").distinct()
    gone = sum(
        _forget_properties(library_id, sorted({path for _, path in group}))
        for library_id, group in groupby(places, key=lambda row: row[0])
    )
    return ended + unknown + gone


def _forget_properties(library_id: UUID, rows: list[str]) -> int:
    """Those of paths at which nothing is."""
    gone = []
    try:
        with open_library(Library.objects.get(pk=library_id)) as files:
            for row in rows:
                try:
                    files.stat(path_codec.from_row(row))
                except NotFoundError:
                    gone.append(row)
    except (StorageError, Library.DoesNotExist):
        return 0  # the library cannot be read now, or was purged meanwhile
    removed = 0
    for row in gone:
        removed += Property.objects.filter(library_id=library_id, path=row).delete()[0]
    return removed
