"""Files that come through an upload link: what is admitted, where it is put, and telling whoever made the link.

An anonymous sender must not fill anything. Each file is promised its whole size when it begins, as a row of
ReceivedFile, and the promises of a link, of a library's quota and of the disk are held against their limits together,
under a lock of the link's row. What nobody goes on with for UNFINISHED is removed, and its promise with it.

Senders learn nothing of the folder: a taken name gets a number without a word, and a refusal says neither whose quota
is full nor what is in it.
"""

import os
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Count, Min, Q, Sum
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy, ngettext_lazy

from drive.files import operations
from drive.files.paths import folder_address
from drive.libraries import quota
from drive.models import Library, ReceivedFile, UploadLink, Via
from drive.storage import (
    ABSENT,
    DiskFullError,
    FileEntry,
    NameTakenError,
    NotFoundError,
    StorageError,
    WrongPathError,
    is_hidden,
    open_library,
    path_codec,
    room,
    shown,
)
from drive.storage.names import NAME_BYTES, new_name, with_free_name
from notices.models import Kind
from notices.services import notify, one_line
from portal import audit

from . import tus
from .tus import Upload

MOST_FILES = 10_000
"""Files that one link takes."""
MOST_AT_ONCE = 50
"""Files that may be on their way through one link at the same time."""
UNFINISHED = timedelta(hours=3)
"""After the last byte, a file that is not complete is given up."""
TELL_AFTER = timedelta(minutes=10)
"""The first file after a notice waits for others that long: they are told of together."""
MOST_TOLD = 20
"""Names in one notice."""
MOST_SENDER = 60
"""Characters of a sender's name."""
FORM_BYTES = 256 * 2**20
"""Largest form without JavaScript, as in nginx.upload_links.conf."""
FORM_OVERHEAD = 2**20
"""Of a form, beside its files, at most."""


class FileTooLargeError(StorageError):
    """The file is larger than the link takes (413)."""

    status = 413


class LinkFullError(StorageError):
    """The link has taken what it takes, or there is no room behind it (507)."""

    status = 507


class BusyLinkError(StorageError):
    """Too many files are on their way through the link (503); senders try again by themselves."""

    status = 503


# What is admitted


def begin(link: UploadLink, name: str, sender: str, size: int) -> Upload:
    """Begin a resumable upload of so many bytes; a StorageError says why not."""
    target = target_of(link, name, sender)
    upload = Upload(tus.new_id(), 0, str(link.library_id), target, size, link_id=str(link.pk))
    promise(link, name, sender, size, upload.id)
    return tus.begin(upload)


def find(link: UploadLink, upload_id: str) -> Upload:
    """An upload through this link. NotFoundError for any other."""
    upload = tus.read(upload_id)
    if upload.link_id != str(link.pk):
        raise tus.no_upload()
    return upload


def target_of(link: UploadLink, name: str, sender: str) -> str:
    """The path in the library at which a file is to be put; senders who say their name have it before the file's."""
    name = "".join(letter if letter.isprintable() else "_" for letter in new_name(name))  # U+202E shows .exe as .pdf
    if is_hidden(name):
        raise WrongPathError(gettext("Files whose name begins with a dot cannot be uploaded here."))
    said = tidy_sender(sender).replace("/", "-").lstrip(". ")
    with_sender = f"{said} - {name}"
    if said and len(os.fsencode(with_sender)) <= NAME_BYTES:
        name = new_name(with_sender)
    return f"{path_codec.from_row(link.path)}/{name}"


def tidy_sender(text: str) -> str:
    """A sender's name as it is kept: one line, without characters that are not shown."""
    return one_line(text)[:MOST_SENDER].strip()


@transaction.atomic
def promise(link: UploadLink, name: str, sender: str, size: int, upload_id: str) -> None:
    """Promise a file its room. One sender of a link at a time: what they are promised together has to fit."""
    link = UploadLink.objects.select_for_update(of=("self",)).select_related("library").get(pk=link.pk)
    check_folder(link)
    _check_link(link, size)
    _check_room(link.library, size)
    said = tidy_sender(sender) if link.asks_name else ""
    ReceivedFile.objects.create(
        link=link, upload_id=upload_id, name=one_line(shown(name))[:300], sender=said, size=size
    )


def check_folder(link: UploadLink) -> None:
    """NotFoundError where the link's folder is no longer there."""
    try:
        with open_library(link.library) as files:
            is_folder = files.stat(path_codec.from_row(link.path)).kind == "folder"
    except StorageError:
        is_folder = False
    if not is_folder:
        raise NotFoundError(
            gettext("The folder behind this link is gone. Please tell the person who gave you the link.")
        )


def _check_link(link: UploadLink, size: int) -> None:
    if link.max_file_bytes is not None and size > link.max_file_bytes:
        raise FileTooLargeError(
            gettext("A file may have at most %(size)s here.") % {"size": filesizeformat(link.max_file_bytes)}
        )
    rows = ReceivedFile.objects.filter(link=link)
    known = rows.aggregate(
        files=Count("pk"), bytes=Sum("size", default=0), under_way=Count("pk", filter=Q(arrived_at=None))
    )
    if known["under_way"] >= MOST_AT_ONCE:
        raise BusyLinkError(gettext("Many files are being uploaded here at the moment. Please try again later."))
    if known["bytes"] + size > link.max_bytes or known["files"] >= MOST_FILES:
        raise LinkFullError(
            gettext("This link does not take so much more. Please tell the person who gave you the link.")
        )


def _check_room(library: Library, size: int) -> None:
    """Of the quota and of the disk, with all that was promised and has not arrived."""
    owner = {"link__library__owner_user": library.owner_user_id, "link__library__owner_collab": library.owner_collab_id}
    promised = ReceivedFile.objects.filter(arrived_at=None)
    of_owner = promised.filter(**owner).aggregate(files=Count("pk"), bytes=Sum("size", default=0))
    on_disk = promised.aggregate(bytes=Sum("size", default=0))
    try:
        quota.check(library, of_owner["bytes"] + size, of_owner["files"] + 1)
    except quota.OverQuotaError as error:
        raise no_room() from error
    if on_disk["bytes"] + size > room.left():
        raise no_room()


def form_too_large() -> FileTooLargeError:
    """The refusal of a form that is larger than FORM_BYTES."""
    said = gettext("Without JavaScript, at most %(size)s can be uploaded at once.")
    return FileTooLargeError(said % {"size": filesizeformat(FORM_BYTES)})


def no_room() -> LinkFullError:
    """The refusal of what does not fit; it does not say into what."""
    return LinkFullError(gettext("There is no room for this file. Please tell the person who gave you the link."))


def admit_piece(link: UploadLink, upload_id: str, offset: int, size: int) -> None:
    """A StorageError, unless so many bytes are what this upload goes on with: asked before they are read."""
    upload = find(link, upload_id)
    if offset != upload.offset:
        raise tus.OffsetMismatchError(f"{upload.offset} bytes have arrived, but this request begins at {offset}.")
    if offset + size > upload.length:
        raise tus.UploadTooLongError(f"More than the {upload.length} announced bytes were sent.")
    if size > room.left():
        raise no_room()


def admit_form(link: UploadLink, size: int) -> None:
    """A StorageError, unless a form of so many bytes may be read: it is on the disk twice for a moment."""
    if size > FORM_BYTES:
        raise form_too_large()
    check_folder(link)
    least = max(0, size - FORM_OVERHEAD)
    taken = ReceivedFile.objects.filter(link=link).aggregate(bytes=Sum("size", default=0))["bytes"]
    if taken + least > link.max_bytes or 2 * size > room.left():
        raise no_room()


# Putting it in place


def place(link: UploadLink, upload: Upload) -> None:
    """Put a complete upload in place."""
    _put(link, upload.id, upload.path, upload.data)
    tus.mark_done(upload)


def take(link: UploadLink, name: str, sender: str, staged: Path) -> None:
    """Put a file of a form in place, which is in staging."""
    target, upload_id = target_of(link, name, sender), tus.new_id()
    promise(link, name, sender, staged.stat().st_size, upload_id)
    try:
        _put(link, upload_id, target, staged)
    except StorageError:
        ReceivedFile.objects.filter(upload_id=upload_id, arrived_at=None).delete()
        raise


def _put(link: UploadLink, upload_id: str, path: str, staged: Path) -> None:
    """Under a name that nothing has: nothing is ever replaced, and the sender is not told that something was there."""

    def put(free: str) -> FileEntry:
        return operations.put(None, link.library, free, staged, if_match=ABSENT, via=Via.LINK)

    try:
        entry = _with_some_free_name(path, put)
    except DiskFullError as error:
        raise no_room() from error
    except NotFoundError as error:
        check_folder(link)
        raise tus.no_upload() from error
    with transaction.atomic():
        row = ReceivedFile.objects.filter(upload_id=upload_id).first()
        ReceivedFile.objects.filter(upload_id=upload_id).update(arrived_at=timezone.now())
        details = {"name": entry.name, "size": entry.size, "sender": row.sender if row else ""}
        audit.record(None, "upload_link.received", link.library, link=str(link.pk), **details)


def _with_some_free_name(path: str, put: Callable[[str], FileEntry]) -> FileEntry:
    """A whole course sends files of one name: after as many as are tried, one that nobody has."""
    try:
        return with_free_name(path, put)
    except NameTakenError:
        stem, suffix = os.path.splitext(path)  # noqa: PTH122  # a path in the library, not on this disk
        return put(f"{stem} ({secrets.token_hex(4)}){suffix}")


# Afterwards


def forget_unfinished() -> int:
    """Give up what nobody has gone on with for UNFINISHED; returns how many."""
    until, given_up = timezone.now() - UNFINISHED, 0
    for row in ReceivedFile.objects.filter(arrived_at=None, begun_at__lt=until):
        try:
            upload = tus.read(row.upload_id)
            with tus.alone(upload):
                if upload.data.stat().st_mtime > time.time() - UNFINISHED.total_seconds():
                    continue
                tus.end(upload)
        except tus.UploadBusyError:
            continue
        except (StorageError, OSError):
            pass  # it has ended, and was not noted: its process died
        given_up += ReceivedFile.objects.filter(pk=row.pk, arrived_at=None).delete()[0]
    return given_up


def give_up(link: UploadLink, upload: Upload) -> None:
    """The sender does not want it any more. Call it within `tus.alone`."""
    tus.end(upload)
    ReceivedFile.objects.filter(link=link, upload_id=upload.id, arrived_at=None).delete()


def tell() -> int:
    """Tell those who made links what has arrived, of each link once in a while; returns of how many links."""
    until = timezone.now() - TELL_AFTER
    waiting = ReceivedFile.objects.filter(arrived_at__isnull=False, told_at=None).order_by()
    due = (
        waiting.values("link").annotate(first=Min("arrived_at")).filter(first__lte=until).values_list("link", flat=True)
    )
    links = UploadLink.objects.filter(pk__in=list(due)).select_related("library", "created_by")
    return sum(_tell_of(link, timezone.now()) for link in links)


@transaction.atomic
def _tell_of(link: UploadLink, now: datetime) -> bool:
    rows = ReceivedFile.objects.filter(link=link, arrived_at__isnull=False)
    if not rows.filter(told_at=None).update(told_at=now):
        return False  # another worker was faster
    told = list(rows.filter(told_at=now).order_by("arrived_at", "pk"))
    names = [f"{row.name} ({row.sender})" if row.sender else row.name for row in told[:MOST_TOLD]]
    names += ["…"] if len(told) > MOST_TOLD else []
    subject = ngettext_lazy(
        "{number} file was uploaded through your link “{title}”",
        "{number} files were uploaded through your link “{title}”",
        len(told),
    )
    text = gettext_lazy("{names}\n\nWho sent them is what senders say of themselves: nobody has checked it.")
    folder = path_codec.from_row(link.path)
    notify(
        [link.created_by],
        Kind.UPLOADED,
        subject=format_lazy(subject, number=len(told), title=link.title),
        text=format_lazy(text, names="\n".join(names)),
        url=folder_address(reverse("drive:library", args=[link.library_id]), folder),
    )
    return True
