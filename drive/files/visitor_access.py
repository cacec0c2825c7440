"""Access of visitors without an account to the files of a Collab whose administrators opened it to them, read-only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from collabs.access import get_collab
from drive.libraries.access import library_of
from drive.libraries.visibility import read_by_visitors
from drive.storage import LibraryFiles

from .library_access import LibraryAccess, pages_of
from .public_link_access import VisibleFiles


@dataclass(frozen=True)
class VisitorAccess(LibraryAccess):
    """Access of a visitor: what a public link to the whole library would give, at the Collab's own addresses."""

    asks_to_sign_in: bool = True

    @contextmanager
    def files(self) -> Iterator[LibraryFiles]:
        with super().files() as files:
            yield VisibleFiles(files)


def visitor_access(request: HttpRequest, slug: str) -> VisitorAccess | None:
    """Access for whoever is not signed in and only looks; None where that is not given.

    Raises what `get_collab` raises.
    """
    if request.user.is_authenticated or request.method not in ("GET", "HEAD"):
        return None
    collab = get_collab(request, slug)
    library = library_of(collab)
    if not read_by_visitors(library):
        return None
    reason = _("This Collab lets visitors without an account read its files.")
    base = reverse("collab_files", args=[slug])
    return VisitorAccess(
        library, base, collab.title, may_write=False, reason=reason, collab=collab, pages=pages_of(collab)
    )
