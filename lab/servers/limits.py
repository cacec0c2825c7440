"""Limits of one server and of the number of servers, and messages when one is reached.

docs/explanation/limits.md says who keeps which limit.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from lab.formats import binary_size
from lab.launchers import ServerStatus, get_launcher
from lab.models import Lease, Server, State
from notices.models import Kind
from notices.services import notify
from portal import languages
from portal.text.numbers import grouped

NOTES_KEPT = 10


def wanted_limits() -> list[str]:
    """What the settings ask this machine's kernel to limit: of `memory`, `cpu`, `processes`."""
    names = {"memory": "LAB_MEMORY_LIMIT", "cpu": "LAB_CPU_LIMIT", "processes": "LAB_PROCESS_LIMIT"}
    return (
        [what for what, name in names.items() if getattr(settings, name)] if settings.LAB_LAUNCHER == "sandbox" else []
    )


def missing_limits() -> list[str]:
    """What the settings ask for and this machine does not keep: of `memory`, `cpu`, `processes`, and `uid`.

    Raises LauncherUnavailableError. Only our own sandboxes have limits that are ours to keep.
    """
    if settings.LAB_LAUNCHER != "sandbox":
        return []
    kept = get_launcher().enforced_limits()
    return [what for what in [*wanted_limits(), "uid"] if what not in kept]


def memory_sentence(server: Server, *, at_limit: bool) -> str:
    """Message after the kernel has ended a process for lack of memory."""
    if at_limit:
        said = gettext(
            "Your Lab ran out of memory at %(limit)s, the limit for one Lab. The largest process, usually a notebook's "
            "kernel, was ended: its variables are lost, its files are not. All notebooks share this memory: load less "
            "data at a time, or shut down notebooks that you do not need."
        )
        return said % {"limit": binary_size(server.memory_limit)}
    return gettext(
        "The Labs of this site together ran out of memory, although yours had not reached its own limit. The largest "
        "process, usually a notebook's kernel, was ended: its variables are lost, its files are not. Try again later, "
        "with less data at a time. If it happens often, tell an operator of this site."
    )


def disk_sentence(server: Server) -> str:
    """Message after a process was ended because the Lab uses too much disk."""
    said = gettext(
        "Your Lab's disk is full: its home and installed packages take up more than %(limit)s, the limit for one Lab. "
        "The process that was writing most was ended. Delete files that you do not need, or move them to the Drive "
        "(~/drive), which does not count."
    )
    return said % {"limit": binary_size(server.disk_limit)}


def files_sentence(server: Server) -> str:
    """Message after a process was ended because the Lab has too many files."""
    said = gettext(
        "Your Lab has too many files: its home and installed packages have more than %(limit)s files and folders, the "
        "limit for one Lab. The process that seemed to make them was ended. Delete files that you do not need, or keep "
        "many small ones together in an archive."
    )
    return said % {"limit": grouped(server.file_limit)}


def drive_files_sentence() -> str:
    """Message after a process was ended because of the number of files in libraries of the Drive."""
    return gettext(
        "Libraries in your Lab's Drive have more than twice as many files and folders as their quota allows. The "
        "process that seemed to make them was ended. Delete files that you do not need, or keep many small ones "
        "together in an archive."
    )


def drive_full_sentence(why: str) -> str:
    """Message when libraries can only be read in a Lab for want of room: of the quota, or of the disk."""
    if why == "disk":
        return gettext(
            "The site's disk is full: until there is room, your Lab can read its Drive and not change it. What "
            "wrote much there was stopped. Files can be deleted on the Drive's pages; tell an operator of this site."
        )
    return gettext(
        "A quota of your Lab's Drive is used up: until there is room, your Lab can read the libraries that count "
        "against it, and not change them. What was writing there was stopped. Delete files on the Drive's pages: the "
        "Lab can write again a moment later."
    )


def note_room(server: Server, why: str) -> None:
    """Tell the person, once, that there is no room in the Drive; when there is again, the note goes."""
    with languages.speaking_to(server.owner):
        known = {"quota": drive_full_sentence("quota"), "disk": drive_full_sentence("disk")}
        with transaction.atomic():
            row = Server.objects.select_for_update().get(pk=server.pk)
            kept = [note for note in row.notes if not any(said in note for key, said in known.items() if key != why)]
            if why and not any(known[why] in note for note in kept):
                kept.append(f"{timezone.localtime():%H:%M}: {known[why]}")
                subject = gettext("The Drive is full: your Lab can only read it for now")
                notify([server.owner], Kind.LAB_WARNING, subject=subject, text=known[why], url=reverse("lab:home"))
            if kept != row.notes:
                row.notes = kept[-NOTES_KEPT:]
                row.save(update_fields=["notes"])


def note_ended_processes(server: Server, status: ServerStatus) -> None:
    """Tell the person, once, of processes that were ended since somebody last looked; how many there were so far."""
    with languages.speaking_to(server.owner):
        _note_ended_processes(server, status)


def _note_ended_processes(server: Server, status: ServerStatus) -> None:
    at_limit = status.was_at_memory_limit
    alone = gettext("Your Lab ran out of memory at %(limit)s") % {"limit": binary_size(server.memory_limit)}
    subject = alone if at_limit else gettext("The Labs of this site together ran out of memory")
    _note(server, {"memory_kills": status.memory_kills}, subject, memory_sentence(server, at_limit=at_limit))
    at_disk = gettext("Your Lab's disk is full at %(limit)s") % {"limit": binary_size(server.disk_limit)}
    _note(server, {"disk_kills": status.disk_kills}, at_disk, disk_sentence(server))
    at_files = gettext("Your Lab has too many files: more than %(limit)s") % {"limit": grouped(server.file_limit)}
    _note(server, {"file_kills": status.file_kills}, at_files, files_sentence(server))
    in_drive = gettext("Too many files in the Drive: a process in your Lab was ended")
    _note(server, {"drive_file_kills": status.drive_file_kills}, in_drive, drive_files_sentence())


def _note(server: Server, kills: dict[str, int], subject: str, said: str) -> None:
    fewer = {f"{name}__lt": number for name, number in kills.items()}
    with transaction.atomic():
        if Server.objects.filter(pk=server.pk, **fewer).update(**kills):
            add_notes(server, [f"{timezone.localtime():%H:%M}: {said}"])
            notify([server.owner], Kind.LAB_WARNING, subject=subject, text=said, url=reverse("lab:home"))


def why_it_died(server: Server, status: ServerStatus | None) -> str:
    """Reason of the death of a server whose processes are gone, in its person's language."""
    with languages.speaking_to(server.owner):
        return _why_it_died(server, status)


def _why_it_died(server: Server, status: ServerStatus | None) -> str:
    if status and status.memory_kills > server.memory_kills and not status.was_at_memory_limit:
        return gettext(
            "the Labs of this site together ran out of memory, although this one had not reached its own limit."
        )
    if status and status.memory_kills > server.memory_kills:
        said = gettext("it ran out of memory at %(limit)s, the limit for one Lab.")
        return said % {"limit": binary_size(server.memory_limit)}
    match status and status.ended_for:
        case "disk":
            said = gettext("it took up much more disk than %(limit)s, the limit for one Lab.")
            return said % {"limit": binary_size(server.disk_limit)}
        case "files":
            said = gettext("it had many more files than %(limit)s, the limit for one Lab.")
            return said % {"limit": grouped(server.file_limit)}
        case "drive_files":
            return gettext("it made many more files in the Drive than the quota there allows.")
    return gettext("its process ended. The cause may be a notebook that needs more memory than is available.")


def add_notes(server: Server, notes: list[str]) -> None:
    """Add notes to those on the Lab's page; the last NOTES_KEPT stay."""
    with transaction.atomic():
        row = Server.objects.select_for_update().get(pk=server.pk)
        row.notes = [*row.notes, *notes][-NOTES_KEPT:]
        row.save(update_fields=["notes"])


def looks_full() -> bool:
    """True if no more servers may be started at this moment."""
    return bool(settings.LAB_MAX_SERVERS) and Server.objects.live().count() >= settings.LAB_MAX_SERVERS


def is_full() -> bool:
    """As `looks_full`, in a transaction: nobody else finds the last place until it ends."""
    if not settings.LAB_MAX_SERVERS:
        return False
    Lease.objects.get_or_create(name="lab.places", defaults={"until": timezone.now()})
    Lease.objects.select_for_update().get(name="lab.places")
    return looks_full()


def full_sentence() -> str:
    """Message that all places are taken, and when one is free at the latest."""
    next_at = _next_free()
    if next_at is None:
        said = gettext(
            "The Lab is full: %(places)s of %(places)s places are taken. One becomes free when somebody stops their "
            "Lab."
        )
        return said % {"places": settings.LAB_MAX_SERVERS}
    said = gettext(
        "The Lab is full: %(places)s of %(places)s places are taken. One becomes free when somebody stops their Lab, "
        "or around %(time)s, when the first one has been idle for too long."
    )
    return said % {"places": settings.LAB_MAX_SERVERS, "time": f"{timezone.localtime(next_at):%H:%M}"}


def _next_free() -> datetime | None:
    """Time at which the least recently used server is reaped if it stays idle."""
    first = Server.objects.filter(state=State.RUNNING).order_by("last_interaction").first()
    return first.idle_at if first else None
