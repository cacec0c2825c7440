"""Notification that a Lab was stopped and what was kept of it, for a person who may be away for days."""

from django.urls import reverse

from lab.formats import size
from lab.models import Server, StopReason
from notices.models import Kind
from notices.services import notify

UNTOLD = (StopReason.ASKED, StopReason.DEACTIVATED, StopReason.START_FAILED)
"""Whoever stopped it, or waits for its start, sees what happened."""


def tell_of_end(server: Server) -> None:
    """Notify the person of a server's end, in the transaction that ends it."""
    if server.stop_reason not in UNTOLD:
        said = f"{server.stop_sentence}\n{_rescued(server.rescued or {})}".strip()
        notify([server.owner], Kind.LAB_STOPPED, subject="Your Lab was stopped", text=said, url=reverse("lab:home"))


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
