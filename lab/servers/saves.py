"""Saves through Jupyter's contents API, of which a Lab tells before and after, so that each is a version.

1. Before: nobody else may save this file for a moment, and what it holds becomes a version.
2. The Lab writes. 3. After: what was saved becomes a version of its person's, and the next one may save.

The Lab waits for 1, so that no save overwrites another that is not a version yet, and not for 3, whose work the next 1
would do. Killed after 1 or 2, by whomever: the turn ends by itself, and the next save, or the next scan, captures what
is there, as the work of "a Lab". While the portal is away the Lab saves all the same.
"""

from collections.abc import Callable

from django.core.cache import cache
from django.urls import reverse
from django.utils.translation import gettext_lazy

from drive.folders import MOUNTED
from drive.models import Library, Permission
from drive.preview import ahead
from drive.storage import DiskFullError, path_codec
from drive.versions import lab_saves
from lab.locations import paths
from lab.models import Server
from notices.models import Kind
from notices.services import notify
from portal.models import User
from portal.web import rate_limits

TURN_SECONDS = 5
"""How long nobody else may save a file after a Lab has begun to, unless it says sooner that it is done."""
MOST_SAVES = 600
"""Of one person, before and after counted, in SAVES_SECONDS; JupyterLab saves each open file every two minutes."""
SAVES_SECONDS = 60
MOST_KIB = 4 * 2**20
"""Copied for one person in COPIED_SECONDS; what is saved beyond that is left to the scans."""
COPIED_SECONDS = 3600
TOLD_AGAIN_AFTER = 6 * 3600
"""Seconds after which a person is told once more that the disk is full."""


class NotSavedHereError(Exception):
    """The path is in no library that the Lab's person may write to (403)."""


class TooManySavesError(Exception):
    """The person's bound of saves, or of bytes copied, is reached (429); `seconds` is how long it may last."""

    def __init__(self, seconds: int) -> None:
        super().__init__("Too many saves, or too large ones: versions are made every few minutes for now.")
        self.seconds = seconds


def begin(server: Server, path: str, *, wait: bool = True) -> bool:
    """Before a save at `path`, below `~/drive`; False: somebody else saves this file now, ask again in a moment.

    Not `wait`: go on as if nobody did. Raises NotSavedHereError, TooManySavesError, and what `lab_saves.keep_current`
    does.
    """
    library, inside = _find(server.owner, path)
    turn = _turn(library, inside)
    if not cache.add(turn, server.pk.hex, TURN_SECONDS) and wait and cache.get(turn) not in (None, server.pk.hex):
        return False
    by = server.owner if _is_alone(server.owner, library) else None
    _copy(server.owner, lambda: lab_saves.keep_current(library, inside, by))
    return True


def end(server: Server, path: str, sha256: str) -> None:
    """After a save at `path`; `sha256`: of the bytes that the Lab wrote, empty where it cannot tell.

    Raises what `begin` does.
    """
    library, inside = _find(server.owner, path)
    turn = _turn(library, inside)
    if cache.get(turn) == server.pk.hex:
        cache.delete(turn)
    _copy(server.owner, lambda: lab_saves.keep_saved(server.owner, library, inside, sha256))
    ahead.wake(library.pk, inside)


def _find(user: User, path: str) -> tuple[Library, str]:
    found = paths.find(user, path) if path.partition("/")[0] in list(MOUNTED) else None
    if not isinstance(found, paths.Location) or found.library is None or not found.inside or not found.may_write:
        raise NotSavedHereError("This is no file in a library that you may write to.")
    return found.library, found.inside


def _turn(library: Library, inside: str) -> str:
    return f"lab-save:{library.pk.hex}:{path_codec.key(inside)}"


def _is_alone(user: User, library: Library) -> bool:
    """True if nobody else's Lab can have written there: then what was found in a file is the person's own work."""
    return library.owner_user_id == user.pk and not library.shares.filter(permission=Permission.WRITE).exists()


def _copy(user: User, capture: Callable[[], int]) -> None:
    """Capture within the person's bounds; tell them when the disk is full."""
    if not rate_limits.allowed("lab-saves", str(user.pk), MOST_SAVES, SAVES_SECONDS):
        raise TooManySavesError(SAVES_SECONDS)
    if rate_limits.used("lab-saves-kib", str(user.pk), COPIED_SECONDS) >= MOST_KIB:
        raise TooManySavesError(COPIED_SECONDS)
    try:
        size = capture()
    except DiskFullError:
        if cache.add(f"lab-saves-full:{user.pk}", "told", TOLD_AGAIN_AFTER):
            _tell_of_full_disk(user)
        raise
    if size:
        rate_limits.allowed("lab-saves-kib", str(user.pk), MOST_KIB, COPIED_SECONDS, by=-(-size // 1024))


def _tell_of_full_disk(user: User) -> None:
    text = gettext_lazy(
        "Your files can still be saved where there is room for them, but what they held before is not kept. "
        "An operator of this site has to make room."
    )
    subject = gettext_lazy("Versions of your files are not kept: the disk is full")
    notify([user], Kind.LAB_WARNING, subject=subject, text=text, url=reverse("lab:home"))
