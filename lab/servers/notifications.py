"""Notifications of a person who may be away: their Lab was stopped and what was kept of it; a notebook has run."""

from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext, ngettext

from lab.formats import size, span
from lab.locations import presence
from lab.models import Server, StopReason
from notices.models import Kind
from notices.services import notify
from portal import languages
from portal.web import rate_limits

MOST_RUNS = 30
"""Messages about runs that a Lab may send its person in RUNS_SECONDS."""
RUNS_SECONDS = 3600
MOST_URL = 500
UNTOLD = (StopReason.ASKED, StopReason.DEACTIVATED, StopReason.START_FAILED)
"""Whoever stopped it, or waits for its start, sees what happened."""


def tell_of_end(server: Server) -> None:
    """Notify the person of a server's end, in the transaction that ends it."""
    if server.stop_reason in UNTOLD:
        return
    with languages.speaking_to(server.owner):
        said = f"{server.stop_sentence}\n{_rescued(server.rescued or {})}".strip()
        notify(
            [server.owner],
            Kind.LAB_STOPPED,
            subject=gettext("Your Lab was stopped"),
            text=said,
            url=reverse("lab:home"),
        )


class TooManyRunsError(Exception):
    """A Lab has told of too many runs (429); `seconds` is how long that may last."""

    seconds = RUNS_SECONDS


def tell_of_run(server: Server, path: str, *, seconds: float, cells: int, error: str) -> None:
    """Notify the person that cells of a notebook were run, all of them or up to an `error`; `path`: below the home.

    Raises TooManyRunsError.
    """
    if not rate_limits.allowed("lab-runs", str(server.owner_id), MOST_RUNS, RUNS_SECONDS):
        raise TooManyRunsError(gettext("Too many messages about runs: wait an hour."))
    with languages.speaking_to(server.owner):
        _tell_of_run(server, path, seconds, cells, error)


def _tell_of_run(server: Server, path: str, seconds: float, cells: int, error: str) -> None:
    name = path.rpartition("/")[2]
    took = span(seconds)
    subject = gettext("“%(name)s” failed after %(span)s") if error else gettext("“%(name)s” is done after %(span)s")
    ran = ngettext("One cell was run.", "%(number)s cells were run.", cells) % {"number": cells}
    text = "\n".join([error or ran, gettext("The outputs are in the notebook.")])
    place = path.removeprefix(presence.ROOT)
    url = f"{reverse('lab:open')}?{urlencode({'path': place})}" if place != path else reverse("lab:home")
    notify(
        [server.owner], Kind.RUN_ENDED, subject=subject % {"name": name, "span": took}, text=text, url=url[:MOST_URL]
    )


def _rescued(rescued: dict) -> str:
    if rescued.get("error"):
        return gettext("Copying files from outside the Drive failed. The files in your Drive are unchanged.")
    if not rescued.get("packages"):
        return _files(rescued)
    if rescued.get("files"):
        packages = gettext(
            "Installed packages (%(number)s) are listed there, in “Installed packages”, so that you can install them "
            "again."
        )
    else:
        packages = gettext(
            "Installed packages (%(number)s) are listed in My Library/%(folder)s/Installed packages, so that you can "
            "install them again."
        )
    return f"{_files(rescued)} {packages % {'number': rescued['packages'], 'folder': rescued['folder']}}"


def _files(rescued: dict) -> str:
    if not rescued.get("files"):
        return gettext("The files in your Drive are unchanged.")
    said = gettext("%(number)s files (%(size)s) from outside the Drive were copied to My Library/%(folder)s.")
    return said % {"number": rescued["files"], "size": size(rescued["bytes"]), "folder": rescued["folder"]}
