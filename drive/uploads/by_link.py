"""Files that come through an upload link: what is admitted, where it is put, and telling whoever made the link.

An anonymous sender must not fill anything, nor keep others from it. Each file is promised its whole size when it
begins (drive.storage.promises), and what a link may take, the library's quota and the disk are held against all
promises. One link, and one network address, is promised half of what is left at most, and who sends too slowly loses
the promise. What nobody goes on with for UNFINISHED is removed.

Senders learn nothing of the folder: a taken name gets a number without a word, and a refusal says neither whose quota
is full nor what is in it.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet, Sum
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy, ngettext_lazy

from drive.files import operations
from drive.files.paths import folder_address
from drive.libraries import quota, upload_links
from drive.models import ReceivedFile, UploadLink, Via
from drive.storage import (
    ABSENT,
    DiskFullError,
    FileEntry,
    NameTakenError,
    NotFoundError,
    StorageError,
    WrongPathError,
    disk_space,
    is_hidden,
    open_library,
    path_codec,
    promises,
    shown,
)
from drive.storage.names import NAME_BYTES, new_name, with_free_name
from notices.models import Kind
from notices.services import notify, one_line
from portal import audit
from portal.ops import logs

from . import cut_pieces, tus
from .tus import Upload

MOST_FILES = 10_000
"""Files that one link takes."""
MOST_AT_ONCE = 50
"""Files that may be on their way through one link at the same time."""
MOST_OF_SENDER = 25
"""Of these, from one network address, through all links."""
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


def begin(link: UploadLink, name: str, sender: str, size: int, address: str = "") -> Upload:
    """Begin a resumable upload of so many bytes from a network address; a StorageError says why not."""
    target = target_of(link, name, sender)
    upload = tus.begin(Upload(tus.new_id(), 0, str(link.library_id), target, size, link_id=str(link.pk)))
    try:
        _note(link, name, sender, size, upload.id, lambda: _promise(link, upload, address))
    except StorageError:
        tus.end(upload)
        raise
    return upload


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
def _note(
    link: UploadLink, name: str, sender: str, size: int, upload_id: str, promise: Callable[[], None] = lambda: None
) -> None:
    """Note a file that begins. One sender of a link at a time: what they are promised together has to fit."""
    link = UploadLink.objects.select_for_update(of=("self",)).select_related("library").get(pk=link.pk)
    check_folder(link)
    _check_link(link, size)
    promise()
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
    known = _counted(link).aggregate(
        files=Count("pk"), bytes=Sum("size", default=0), under_way=Count("pk", filter=Q(arrived_at=None))
    )
    if known["under_way"] >= MOST_AT_ONCE:
        raise busy()
    if known["bytes"] + size > link.max_bytes or known["files"] >= MOST_FILES:
        raise LinkFullError(
            gettext("This link does not take so much more. Please tell the person who gave you the link.")
        )


def _counted(link: UploadLink) -> QuerySet[ReceivedFile]:
    """What a link has taken, and what is on its way: for as long as its promise holds."""
    begun = timezone.now() - timedelta(seconds=promises.STILL)
    under_way = Q(begun_at__gt=begun) | Q(upload_id__in=list(promises.of_link(str(link.pk))))
    return ReceivedFile.objects.filter(Q(arrived_at__isnull=False) | under_way, link=link)


def _promise(link: UploadLink, upload: Upload, address: str) -> None:
    """Promise an upload its room, unless that holds."""
    sender = _digest(address)
    with promises.using(upload.id):
        if promises.is_made(upload.id, promises.UPLOAD):
            return
        _check_share(link, sender, upload.length, 1)
        with _saying_no_more():
            tus.promise(link.library, upload, sender=sender)


def _promise_body(link: UploadLink, address: str, *, size: int, disk: int) -> None:
    """Promise the body of this request its room."""
    sender = _digest(address)
    if size:
        _check_share(link, sender, size, 0)
    with _saying_no_more():
        key, link_id = logs.request_id(), str(link.pk)
        quota.promise(link.library, key, promises.BODY, size=size, files=0, disk=disk, link=link_id, sender=sender)


def _check_share(link: UploadLink, sender: str, size: int, files: int) -> None:
    """Half of what is left is for others, and of the files on their way at the same time too."""
    there = promises.others()  # before what is used, as in `quota.check`
    usage, disk = quota.of(link.library), disk_space.left()
    of_sender = [one for one in there if sender and one.sender == sender]
    if files and sum(one.files for one in of_sender) >= MOST_OF_SENDER:
        raise busy()
    for same in ([one for one in there if one.link == str(link.pk)], of_sender):
        promised = sum(one.size for one in same)
        left = (usage.max_bytes - usage.used_bytes) // 2 - promised
        if size > left:
            raise busy() if same and size <= left + promised else no_room()
    through_links = sum(one.missing for one in there if one.link)
    most = (disk - sum(one.missing for one in there) + through_links) // 2
    if size > most - through_links:  # all links together, of what the site's people were not promised
        raise busy() if size <= most else no_room()


@contextmanager
def _saying_no_more() -> Iterator[None]:
    """Senders are not told what is full."""
    try:
        yield
    except DiskFullError as error:
        raise no_room() from error


def _digest(address: str) -> str:
    return salted_hmac("drive.upload_links", address).hexdigest()[:16] if address else ""


def busy() -> BusyLinkError:
    """The refusal of what has to wait for others."""
    return BusyLinkError(gettext("Many files are being uploaded here at the moment. Please try again later."))


def form_too_large() -> FileTooLargeError:
    """The refusal of a form that is larger than FORM_BYTES."""
    said = gettext("Without JavaScript, at most %(size)s can be uploaded at once.")
    return FileTooLargeError(said % {"size": filesizeformat(FORM_BYTES)})


def no_room() -> LinkFullError:
    """The refusal of what does not fit; it does not say into what."""
    return LinkFullError(gettext("There is no room for this file. Please tell the person who gave you the link."))


def admit_piece(link: UploadLink, upload_id: str, offset: int, size: int, address: str = "") -> None:
    """A StorageError, unless so many bytes are what this upload goes on with: asked before they are read."""
    upload = find(link, upload_id)
    cut_pieces.take(upload)
    if offset != upload.offset:
        raise tus.OffsetMismatchError(f"{upload.offset} bytes have arrived, but this request begins at {offset}.")
    if offset + size > upload.length:
        raise tus.UploadTooLongError(f"More than the {upload.length} announced bytes were sent.")
    _promise(link, upload, address)
    with promises.using(upload.id), _saying_no_more():
        disk_space.require(size)
        _promise_body(link, address, size=0, disk=size)


def admit_form(link: UploadLink, size: int, address: str = "") -> None:
    """A StorageError, unless a form of so many bytes may be read: it is on the disk twice for a moment."""
    if size > FORM_BYTES:
        raise form_too_large()
    check_folder(link)
    least = max(0, size - FORM_OVERHEAD)
    if _counted(link).aggregate(bytes=Sum("size", default=0))["bytes"] + least > link.max_bytes:
        raise no_room()
    _promise_body(link, address, size=least, disk=2 * size)


# Putting it in place


def place(link: UploadLink, upload: Upload) -> None:
    """Put a complete upload in place."""
    _put(link, upload.id, upload.path, upload.data)
    tus.mark_done(upload)


def take(link: UploadLink, name: str, sender: str, staged: Path) -> None:
    """Put a file of a form in place, which is in staging."""
    target, upload_id = target_of(link, name, sender), tus.new_id()
    _note(link, name, sender, staged.stat().st_size, upload_id)
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
        with promises.using(upload_id):
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
    _tidy_promises()
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


def _tidy_promises() -> None:
    """What was promised through links that have ended is free, and what was cut of pieces lies nowhere for long."""
    promises.sweep()
    links = list(UploadLink.objects.filter(received__arrived_at=None, received__isnull=False).distinct())
    for ended in {link.pk for link in links} - upload_links.open_ones(links):
        for upload_id in promises.of_link(str(ended)):
            promises.end(upload_id, promises.UPLOAD)
    for upload_id in cut_pieces.noted():
        with suppress(StorageError):
            upload = tus.read(upload_id)
            if upload.link_id:
                cut_pieces.take(upload)


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
