"""Downloads of folders and selections, as archives."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext

from drive.files import zip_stream
from drive.files.library_access import LibraryAccess
from drive.storage import StorageError
from drive.uploads.transfer import disposition

from .views_folder import child
from .views_selection import selected

AT_ONCE = 4
"""Per process: each archive occupies one of its threads as long as its receiver takes; pages need the others."""
VISITORS_AT_ONCE = 2
"""The same for visitors with a link, apart: who has no account keeps nobody who has one from an archive."""
_slots = threading.BoundedSemaphore(AT_ONCE)
_visitors_slots = threading.BoundedSemaphore(VISITORS_AT_ONCE)


class TooManyDownloadsError(StorageError):
    """Enough archives are being sent."""

    status = 503


def folder(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """`?show=zip`: a folder, or what is named of it in the address; with hidden files where `&hidden=1` asks."""
    if request.GET.getlist("name"):
        return selection(request, access, path)
    top = path.rpartition("/")[2] or access.name.replace("/", "_")
    return send(request, access, [(path, top)], top)


def selection(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Download of the selected entries of a folder."""
    names = selected(request)
    top = names[0] if len(names) == 1 else path.rpartition("/")[2] or access.name
    return send(request, access, [(child(path, name), name) for name in names], top)


def send(request: HttpRequest, access: LibraryAccess, wanted: list[tuple[str, str]], name: str) -> HttpResponse:
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": disposition(f"{name}.zip"),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
        "X-Accel-Buffering": "no",  # nginx would write to a file what the receiver does not take yet
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    slots = _slots if access.entry else _visitors_slots
    if not slots.acquire(blocking=False):
        raise TooManyDownloadsError(gettext("Too many ZIP downloads at the moment. Please try again in a minute."))
    sending: Any = _Sending(_packed(access, wanted, "hidden" in request.GET), slots.release)
    return cast(Any, StreamingHttpResponse(sending, headers=headers))


def _packed(access: LibraryAccess, wanted: Iterable[tuple[str, str]], hidden: bool) -> Generator[bytes]:
    with access.files() as files:
        yield from zip_stream.pack(files, wanted, hidden=hidden)


class _Sending:
    """An archive on its way. It is closed in any case, also when nobody took the first byte."""

    def __init__(self, blocks: Generator[bytes], done: Callable[[], None]) -> None:
        self.blocks, self.done = blocks, done
        self.open = True

    def __iter__(self) -> Iterator[bytes]:
        return self.blocks

    def close(self) -> None:
        """Called by the server at the end, or when the receiver went away."""
        if self.open:
            self.open = False
            self.blocks.close()
            self.done()
