"""Celery tasks: repair the disk after a crash, capture what notebooks write, remove what is no longer needed.

What takes long (scans, captures, tidying) has a queue of its own, `files`: healing does not wait behind it.
"""

import logging
import os
import time
from collections.abc import Iterable
from uuid import UUID

from celery import Task, shared_task

from portal.models import User
from portal.ops.task_queue import publish

from .files.background_copy import BackgroundCopy
from .libraries import purge
from .models import File, Library, Loss, Trashed
from .preview import ahead, formats, rendering, thumbnails
from .storage import StorageError, layout, open_library, removal
from .uploads import by_link
from .versions import background_restore, records, retention, trash
from .versions import scan as scanning

log = logging.getLogger(__name__)

KEEP_STAGED = 24 * 3600
"""Seconds after which a file in staging cannot belong to an upload any more."""


@shared_task(soft_time_limit=50, time_limit=60)
def settle(library_id: str) -> None:
    """Make the disk agree with one library's row."""
    layout.settle(UUID(library_id))


@shared_task(soft_time_limit=50, time_limit=60)
def settle_unsettled() -> int:
    """Every second or two: finish what a process that died between commit and disk left; returns how many."""
    notes = dict(layout.unsettled())
    failed = _settle_all(notes)
    for library_id, old in notes.items():
        if old and library_id not in failed:
            layout.remove_note(library_id)
    return len(notes)


@shared_task(soft_time_limit=220, time_limit=240)
def compare() -> int:
    """Every few minutes: look for libraries that the disk shows and the rows do not, or the other way round.

    Notes make this superfluous, unless somebody restored a backup of one without the other. Returns how many.
    """
    wanted = set(Library.objects.filter(is_public=True, deleted_at=None).values_list("pk", flat=True))
    wrong = (layout.public_on_disk() ^ wanted) | (layout.named_on_disk() ^ wanted)
    _settle_all(wrong)
    return len(wrong)


def _settle_all(library_ids: Iterable[UUID]) -> set[UUID]:
    """Returns those that failed."""
    failed = set()
    for library_id in Library.objects.filter(pk__in=list(library_ids)).values_list("pk", flat=True):
        try:
            layout.settle(library_id)
        except OSError:
            log.exception("library %s not settled on disk", library_id)
            failed.add(library_id)
    return failed


@shared_task(soft_time_limit=220, time_limit=240)
def sweep() -> None:
    """Once a day: remove what uploads that were cut off left in staging. What they were replacing is kept."""
    trash.keep_replaced()
    layout.sweep_staging(older_than=time.time() - KEEP_STAGED)


@shared_task(soft_time_limit=50, time_limit=60)
def tend_upload_links() -> None:
    """Every minute: tell of what has come through upload links, and give up what nobody goes on sending."""
    by_link.tell()
    by_link.forget_unfinished()


# Previews


@shared_task(bind=True, soft_time_limit=100, time_limit=120)
def render_preview(self: Task, library_id: str, path: str) -> None:
    """Render a file as it is now, for those who look at it."""
    library = Library.objects.filter(pk=library_id, deleted_at=None).first()
    if library is None or formats.format_of(path) is None:
        return
    try:
        with open_library(library) as files, files.open(path) as source:
            rendering.make(source, path)
    except rendering.RenderBusyError as busy:
        raise self.retry(exc=busy, countdown=1, max_retries=rendering.ASK_AGAIN) from busy
    except StorageError as error:
        log.info("%s of library %s is not rendered: %s", path, library_id, error)


@shared_task(bind=True, soft_time_limit=100, time_limit=120)
def make_thumbnail(self: Task, library_id: str, path: str) -> None:
    """Make the small picture of a file as it is now, for a list that shows it."""
    library = Library.objects.filter(pk=library_id, deleted_at=None).first()
    if library is None:
        return
    try:
        with open_library(library) as files, files.open(path) as source:
            if thumbnails.has_thumbnail(path, os.fstat(source.fileno()).st_size):
                thumbnails.make(source, path)
    except rendering.RenderBusyError as busy:
        raise self.retry(exc=busy, countdown=1, max_retries=rendering.ASK_AGAIN) from busy
    except StorageError as error:
        log.info("%s of library %s is not rendered: %s", path, library_id, error)


@shared_task(soft_time_limit=100, time_limit=120)
def render_ahead(library_id: str) -> None:
    """Render a notebook that was saved a moment ago, before somebody looks at it."""
    if library := Library.objects.filter(pk=library_id, deleted_at=None).first():
        ahead.render_next(library)


@shared_task(soft_time_limit=220, time_limit=240)
def sweep_previews() -> int:
    """Every hour: keep what is rendered within its bounds; returns how many files were removed."""
    return rendering.sweep()


# Versions

SOFT, HARD = 3500, 3600
"""Seconds. What is stopped here has kept what it did; the next round goes on."""


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def scan(library_id: str, by_id: int | None = None) -> None:
    """Note and capture what notebooks changed in one library; `by_id`: whose, if it can only have been one person's."""
    library = Library.objects.filter(pk=library_id, deleted_at=None).first()
    outcome = scanning.scan(library, User.objects.filter(pk=by_id).first() if by_id else None) if library else None
    if library and outcome and (outcome.new or outcome.changed):
        ahead.wake_library(library.pk)


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def scan_all() -> None:
    """Every night: all libraries."""
    for library_id in Library.objects.live().values_list("pk", flat=True).iterator():
        publish("drive.tasks.scan", str(library_id))


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def capture_waiting() -> int:
    """Every minute: what was written on the web since the last time; returns how many files."""
    waiting = File.objects.filter(records.waiting()).values("library")
    libraries = Library.objects.filter(pk__in=waiting, deleted_at=None)
    captured = 0
    for library in libraries:
        try:
            captured += scanning.capture_waiting(library)
        except (OSError, StorageError) as error:  # of one; the others are captured all the same
            log.warning("library %s not captured: %s", library.pk, error)
    return captured


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def copy(actor_id: int, source: str, target: str, folder: str, names: list[list[str]]) -> None:
    """Copy what takes long, and tell its person."""
    BackgroundCopy.of_message(actor_id, source, target, folder, names).run()


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def restore_trashed(trashed_id: int, actor_id: int) -> None:
    """Bring back a folder with very many files, and tell its person."""
    item = Trashed.objects.select_related("library").filter(pk=trashed_id).first()
    if item:
        background_restore.restore(User.objects.get(pk=actor_id), item)


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def restore_loss(loss_id: int, actor_id: int) -> None:
    """Bring back everything that vanished at once, and tell its person."""
    loss = Loss.objects.filter(pk=loss_id).first()
    if loss:
        background_restore.restore_loss(User.objects.get(pk=actor_id), loss)


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def tidy() -> None:
    """Every night: finish what was cut off, thin versions, empty the trash, remove what no version needs."""
    trash.mend()
    retention.thin()
    retention.empty_trash()
    removal.empty_bin()
    retention.sweep_store()


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def thin_lately() -> int:
    """Every hour: thin the versions of files that were saved in the last day; returns how many were removed."""
    return retention.thin(lately=True)


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def empty_bin() -> int:
    """Remove what somebody deleted for good; returns how many files and folders."""
    return removal.empty_bin()


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def purge_deleted() -> int:
    """Every night: remove what was deleted too long ago to be restored; returns how many libraries."""
    return purge.purge()
