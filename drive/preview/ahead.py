"""Renderings of notebooks before anybody looks: soon after they were saved or uploaded.

Whoever writes a notebook wakes the task of its library up, by one message for all that is written within SOON seconds.
The task looks at the rows of the last minutes, newest first, renders one notebook, and comes again while there are
more. So ten thousand uploads are one message in the queue, and what is too much for the bounds below has no rendering
until somebody looks at it.
"""

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from drive.models import File, Library
from drive.storage import StorageError, open_library, path_codec
from portal.ops.task_queue import broker_is_up, publish
from portal.web import rate_limits

from . import rendering
from .formats import NOTEBOOK, format_of

SOON = 5
"""Seconds from a save to the rendering: others may follow it."""
SPAN = 120
"""Seconds in which one notebook is rendered once, however often it is saved."""
LOOKED_BACK = 600
"""Seconds. What was not rendered by then, for the bounds or because the queue stood still, is not any more."""
LATEST = 200
"""So many of a library's notebooks, those that were saved last, are looked at."""
MOST_READ = 20
"""So many that are rendered already, as copies are, are read before another task has its turn."""
MOST_BYTES = 16 * 2**20
PER_PERSON = 60
"""So many are rendered for one person in LOOKED_BACK seconds; of saves in Labs, of saves together, of uploads each."""
BUSY = 10
"""Seconds until the next try while another file is rendered on this machine."""
LOST = 60
"""Seconds after which a message is taken for lost with its broker."""


@dataclass(frozen=True)
class _Saved:
    """A row of a notebook."""

    pk: int
    path: str
    signature: str
    whose: str
    """For the bounds: a person, and how it was written."""

    @property
    def key(self) -> str:
        return f"rendered-ahead:{self.pk}"


def wake(library_id: UUID, path: str) -> None:
    """A file was written: if it is a notebook, it is rendered soon. Costs one `add` to the cache, and never fails."""
    if format_of(path) is NOTEBOOK:
        wake_library(library_id)


def wake_library(library_id: UUID) -> None:
    """Files were written: what is a notebook among them is rendered soon, within the bounds."""
    transaction.on_commit(lambda: _come(library_id, SOON), robust=True)


def _mark(library_id: UUID, name: str = "soon") -> str:
    return f"render-ahead:{name}:{library_id.hex}"


def _come(library_id: UUID, after: float) -> None:
    """Send a message, unless one is on its way that comes soon enough."""
    if after <= BUSY:
        name, seconds = "soon", after + LOST
    else:
        name, seconds = f"{(time.time() + after) // BUSY:.0f}", after  # each is over when its task comes
    if cache.add(_mark(library_id, name), "", seconds) and broker_is_up():
        publish("drive.tasks.render_ahead", str(library_id), after=after)


def render_next(library: Library) -> str | None:
    """Render the notebook that was saved last and has no rendering; returns its path, None if there was none.

    Comes again by itself where there is more to do, now or when a notebook's SPAN is over.
    """
    cache.delete(_mark(library.pk))  # first: whoever writes after this look at the rows sends a message
    rows, now = _latest(library), time.time()
    handled: dict[str, tuple[str, float]] = cache.get_many([row.key for row in rows])
    waits: list[float] = []
    done, read, spent = None, 0, _spent({row.whose for row in rows})
    for row in rows:
        signature, at = handled.get(row.key, (None, 0.0))
        if signature == row.signature or row.whose in spent:
            continue
        if now < at + SPAN:
            waits.append(at + SPAN - now)
            continue
        if done or read == MOST_READ:
            waits.append(0)
            break
        try:
            done = row.path if _render(library, row) else None
        except rendering.RenderBusyError:
            waits.append(BUSY)
            break
        read += 1
        cache.set(row.key, (row.signature, now if done else at), LOOKED_BACK + SPAN)
    if waits:
        _come(library.pk, min(waits))
    return done


def _latest(library: Library) -> list[_Saved]:
    rows = File.objects.filter(
        library=library,
        trashed=None,
        noted_at__gte=timezone.now() - timedelta(seconds=LOOKED_BACK),
        path__iendswith=".ipynb",
        size__lte=MOST_BYTES,
    ).order_by("-noted_at", "-pk")
    values = rows.values_list("pk", "path", "signature", "changed_by", "via")[:LATEST]
    return [
        _Saved(pk, path_codec.from_row(path), signature, f"{via} {by or library.pk}")
        for pk, path, signature, by, via in values
    ]


def _spent(people: set[str]) -> set[str]:
    """Those for whom nothing more is rendered for now."""
    return {whose for whose in people if rate_limits.used("rendering-ahead", whose, LOOKED_BACK) >= PER_PERSON}


def _render(library: Library, row: _Saved) -> bool:
    """False where there is a rendering of what the file holds, or none can be made. RenderBusyError."""
    try:
        with open_library(library) as files, files.open(row.path) as source:
            if os.fstat(source.fileno()).st_size > MOST_BYTES:  # it has grown since
                return False
            if rendering.state(rendering.key(source, row.path)).name in ("ready", "failed"):
                return False
            source.seek(0)
            rendering.make(source, row.path, ahead=True)
    except StorageError:
        return False
    rate_limits.allowed("rendering-ahead", row.whose, PER_PERSON, LOOKED_BACK)
    return True
