"""The proxy's question before it reads the body of an upload: may this person store so many bytes there?

What the page or operation itself would say is said before the first byte, so that nobody fills the disk with what will
be refused, and nobody sends gigabytes in vain. What is admitted is promised its room until its request ends
(drive.storage.promises). All of it is asked once more when the body is there.
"""

from contextlib import suppress
from urllib.parse import unquote
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import ResolverMatch, resolve
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from drive.files.library_access import LibraryAccess, collab_access, drive_access
from drive.libraries import quota
from drive.models import Library
from drive.storage import NotFoundError, StorageError, disk_space, promises
from portal.access import ForbiddenError, SignInRequiredError, person
from portal.models import User
from portal.ops import logs

from . import cut_pieces, tus
from .transfer import LengthRequiredError

SMALL_FORM = 4 * 2**20
"""Bytes up to which a form stays in the proxy's memory (`client_body_buffer_size`), and is not asked for room."""
STATUS, SAID = "X-Upload-Status", "X-Upload-Said"


@never_cache
@require_GET
def may_upload(request: HttpRequest) -> HttpResponse:
    """204; 401 for nobody; 403 for a refusal, with the real answer in headers."""
    try:
        _admit(request, request.headers.get("X-Original-Method", ""))
    except SignInRequiredError:
        return HttpResponse(status=401)
    except Http404:
        return refusal(404, gettext("Nothing was found at this path."))
    except ForbiddenError as error:
        return refusal(403, str(error))
    except StorageError as error:
        return refusal(error.status, str(error))
    return HttpResponse(status=204)


def refusal(status: int, text: str) -> HttpResponse:
    """The answer to the proxy, which has `text` as the body of its own."""
    said = " ".join(text.split()).encode().decode("latin-1")  # bytes as they are: nginx takes them for nothing else
    return HttpResponse(status=403, headers={STATUS: str(status), SAID: said})


def said(answer: HttpResponse) -> tuple[int, str] | None:
    """What a `refusal` says; None for another answer."""
    if not answer.has_header(STATUS):
        return None
    return int(answer[STATUS]), answer[SAID].encode("latin-1").decode()


@never_cache
@require_GET
def refused_form(request: HttpRequest) -> HttpResponse:
    """The page for a form that was refused: the proxy has asked for it once, and shows this answer as its own."""
    try:
        _admit(request, "POST")
    except StorageError as error:
        base = _access(request, _asked_for(request)).base
        return render(request, "drive/storage_error.html", {"error": error, "base": base}, status=error.status)
    finally:
        promises.end(logs.request_id(), promises.BODY)  # meanwhile there would be room
    raise ForbiddenError(gettext("The form could not be taken. Please try again."))


def _admit(request: HttpRequest, method: str) -> None:
    """Raise what this request would end with."""
    announced = request.headers.get("X-Original-Length", "")
    length = int(announced) if announced.isascii() and announced.isdecimal() else None
    user, match = person(request), _asked_for(request)
    if method == "POST":
        _admit_form(request, match, length)
        return
    access = _access(request, match)
    access.require_write()
    if "upload_id" in match.kwargs:
        upload = tus.find(user, access.library, match.kwargs["upload_id"])
        cut_pieces.take(upload)
        if length is None:  # what is cut of it would stay on the disk, however much more than was announced
            raise LengthRequiredError(gettext("Content-Length is required."))
        tus.check_piece(upload, length)
        tus.promise(access.library, upload)  # it may have lapsed
        with promises.using(upload.id):
            disk_space.require(length)
            promise_body(access.library, user, size=0, files=0, disk=length)
        return
    _check_room(access, user, match.kwargs.get("path", ""), length)


def _asked_for(request: HttpRequest) -> ResolverMatch:
    """Route of what the proxy asks about. Http404 for an address that the site has not."""
    return resolve(unquote(request.headers.get("X-Original-URI", "").partition("?")[0]) or "/-")


def _access(request: HttpRequest, match: ResolverMatch) -> LibraryAccess:
    if "library_id" in match.kwargs:
        return drive_access(request, UUID(str(match.kwargs["library_id"])))
    if "slug" in match.kwargs:
        return collab_access(request, match.kwargs["slug"])
    raise Http404("No place for files.")


def _admit_form(request: HttpRequest, match: ResolverMatch, length: int | None) -> None:
    if length is None:
        raise LengthRequiredError(gettext("Content-Length is required."))
    if length <= SMALL_FORM:
        return
    access = _access(request, match)
    access.require_write()
    disk = 2 * length  # the form, and the files in it
    promise_body(access.library, person(request), size=length - SMALL_FORM, files=1, disk=disk)


def _check_room(access: LibraryAccess, user: User, path: str, length: int | None) -> None:
    """OverQuotaError or DiskFullError for a file of so many bytes at a path, in place of what is there."""
    there: int | None = None
    with access.files() as files, suppress(NotFoundError):
        there = files.stat(path.strip("/")).size
    size, disk = (length or 0) - (there or 0), disk_space.of_upload(length)
    promise_body(access.library, user, size=size, files=1 if there is None else 0, disk=disk)


def promise_body(library: Library, user: User, *, size: int, files: int, disk: int) -> None:
    """Promise the body of this request its room; `size` and `files` of the quota. OverQuotaError or DiskFullError."""
    key, sender = logs.request_id(), quota.sender_of(user.pk)
    quota.promise(library, key, promises.BODY, size=size, files=files, disk=disk, sender=sender)
