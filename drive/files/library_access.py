"""How a request reaches a library, and with which rights: from the Drive, a Collab's pages, or a public link.

Every page of files is a function of a request, a `LibraryAccess` and a path below its folder. One set of pages serves
all three, and what an access does not give (writing, the rest of the library) no page can take.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from collabs.access import get_collab
from collabs.models import Collab
from drive.libraries.access import get_library, library_of
from drive.libraries.visibility import Entry
from drive.models import Library
from drive.storage import LibraryFiles, open_library
from portal.access import ForbiddenError
from portal.text.markdown import is_markdown

from .paths import folder_address, quoted


@dataclass(frozen=True)
class LibraryAccess:
    """Access of one request to one library, or to a folder of it: reading at least, writing if `may_write`."""

    library: Library
    base: str
    """URL of the folder `root`; ends with a slash."""
    name: str
    """Title of the library or folder for this person."""
    may_write: bool
    reason: str
    """Which route gives the right, as a sentence."""
    entry: Entry | None = None
    """The library's entry in the person's Drive; None for visitors with a public link."""
    collab: Collab | None = None
    """The Collab, if reached through its pages."""
    pages: str = ""
    """URL below which Markdown files are shown as pages of the Collab; ends with a slash; "" elsewhere."""
    root: str = ""
    """Folder that may be read, as a path in the library; "" for all of it. Paths in URLs are relative to it."""

    asks_to_sign_in: bool = False
    """Whether what a visitor may not see leads to the sign-in page, rather than to none."""

    @property
    def frame(self) -> str:
        """Base template of the file pages, which fill its block `collab`."""
        return "collabs/_frame.html" if self.collab else "drive/_frame.html"

    def require_write(self) -> None:
        """Raise ForbiddenError without the right to write."""
        if not self.may_write:
            raise ForbiddenError(
                gettext("This needs the right to write in “%(name)s”. %(reason)s")
                % {"name": self.name, "reason": self.reason}
            )

    def inside(self, path: str) -> str:
        """Path in the library of a path in a URL."""
        return "/".join(part for part in (self.root, path) if part)

    def address(self, path: str = "") -> str:
        """URL of a file."""
        return f"{self.base}{quoted(path)}"

    def folder_address(self, path: str = "") -> str:
        """URL of a folder; ends with a slash."""
        return folder_address(self.base, path)

    def page_address(self, path: str) -> str:
        """URL of a Markdown file as a page of the Collab; "" for other files."""
        return f"{self.pages}{quoted(path)}" if self.pages and is_markdown(path) else ""

    def lab_path(self, path: str = "") -> str:
        """Path in the person's Lab, below `~/drive`; "" for visitors with a public link."""
        return self.entry.lab_path(path) if self.entry else ""

    @contextmanager
    def files(self) -> Iterator[LibraryFiles]:
        """Open the folder `root`. Nothing above it can be reached through these files."""
        with open_library(self.library) as files:
            if not self.root:
                yield files
                return
            with files.below(self.root) as below:
                yield below


def drive_access(request: HttpRequest, library_id: UUID) -> LibraryAccess:
    """Access from the person's Drive; raises what `get_library` raises."""
    return access_by(*get_library(request.user, library_id))


def access_by(library: Library, entry: Entry) -> LibraryAccess:
    """Access from the Drive of the person of whom `entry` was found just now."""
    base = reverse("drive:library", args=[library.pk])
    return LibraryAccess(library, base, entry.name, entry.may_write, entry.reason, entry)


def collab_access(request: HttpRequest, slug: str) -> LibraryAccess:
    """Access from the Collab's pages; raises what `get_collab` and `get_library` raise."""
    collab = get_collab(request, slug)
    library, entry = get_library(request.user, library_of(collab).pk)
    base = reverse("collab_files", args=[slug])
    return LibraryAccess(library, base, entry.name, entry.may_write, entry.reason, entry, collab, pages_of(collab))


def pages_of(collab: Collab) -> str:
    """URL of the Collab's Markdown pages."""
    return reverse("collab_pages", args=[collab.slug])
