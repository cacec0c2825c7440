"""Notifications of a person who may be away: their Lab was stopped and what was kept of it; a notebook has run."""

from urllib.parse import urlencode

from django.urls import reverse

from lab.formats import size, span
from lab.locations import presence
from lab.models import Server, StopReason
from notices.models import Kind
from notices.services import notify
from portal.web import rate_limits

MOST_RUNS = 30
"""Messages about runs that a Lab may send its person in RUNS_SECONDS."""
RUNS_SECONDS = 3600
MOST_URL = 500
UNTOLD = (StopReason.ASKED, StopReason.DEACTIVATED, StopReason.START_FAILED)
"""Whoever stopped it, or waits for its start, sees what happened."""


def tell_of_end(server: Server) -> None:
    """Notify the person of a server's end, in the transaction that ends it."""
    if server.stop_reason not in UNTOLD:
        said = f"{server.stop_sentence}\n{_rescued(server.rescued or {})}".strip()
        notify([server.owner], Kind.LAB_STOPPED, subject="Your Lab was stopped", text=said, url=reverse("lab:home"))


class TooManyRunsError(Exception):
    """A Lab has told of too many runs (429); `seconds` is how long that may last."""

    seconds = RUNS_SECONDS


def tell_of_run(server: Server, path: str, *, seconds: float, cells: int, error: str) -> None:
    """Notify the person that cells of a notebook were run, all of them or up to an `error`; `path`: below the home.

    Raises TooManyRunsError.
    """
    if not rate_limits.allowed("lab-runs", str(server.owner_id), MOST_RUNS, RUNS_SECONDS):
        raise TooManyRunsError("Too many messages about runs: wait an hour.")
    name = path.rpartition("/")[2]
    took = span(seconds)
    subject = f"“{name}” failed after {took}" if error else f"“{name}” is done after {took}"
    said = error or ("One cell was run." if cells == 1 else f"{cells} cells were run.")
    text = f"{said}\nThe outputs are in the notebook."
    place = path.removeprefix(presence.ROOT)
    url = f"{reverse('lab:open')}?{urlencode({'path': place})}" if place != path else reverse("lab:home")
    notify([server.owner], Kind.RUN_ENDED, subject=subject, text=text, url=url[:MOST_URL])


def _rescued(rescued: dict) -> str:
    if rescued.get("error"):
        return "Copying files from outside the Drive failed. The files in your Drive are unchanged."
    if not rescued.get("packages"):
        return _files(rescued)
    packages = f"Installed packages ({rescued['packages']}) are listed"
    again = "so that you can install them again."
    if rescued.get("files"):
        return f"{_files(rescued)} {packages} there, in “Installed packages”, {again}"
    where = f"My Library/{rescued['folder']}/Installed packages"
    return f"{_files(rescued)} {packages} in {where}, {again}"


def _files(rescued: dict) -> str:
    if rescued.get("files"):
        what = f"{rescued['files']} files ({size(rescued['bytes'])}) from outside the Drive"
        return f"{what} were copied to My Library/{rescued['folder']}."
    return "The files in your Drive are unchanged."
