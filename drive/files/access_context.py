"""The way by which somebody comes to a library: their Drive, the Collab's pages, or a public link.

Every page of files is a function of a request, a door and a path below the door's folder; so one set of pages serves
them all, and what a door does not give (writing, the rest of the library) no page behind it can take.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse

from collabs.access import get_collab
from collabs.models import Collab
from drive.libraries.access import get_library
from drive.libraries.visibility import Entry
from drive.models import Library
from drive.storage import LibraryFiles, open_library
from portal.access import Forbidden
from portal.text.markdown import is_markdown

from .paths import folder_address, quoted


@dataclass(frozen=True)
class Door:
    """Who opens it may read what is behind it; `may_write` says whether they may change it."""

    library: Library
    base: str
    """Address of its folder; ends with a slash."""
    name: str
    """What the library, or the folder that is shown, is called for whoever opens this door."""
    may_write: bool
    reason: str
    """The route that gives the right, as a sentence."""
    entry: Entry | None = None
    """The place in the person's Drive; None for visitors with a link."""
    collab: Collab | None = None
    """Where the pages are a Collab's."""
    pages: str = ""
    """Address below which Markdown files are pages of the Collab; ends with a slash. "" behind other doors."""
    root: str = ""
    """The folder behind the door, as a path in the library. All paths of pages are below it."""

    @property
    def frame(self) -> str:
        """The template that pages behind this door extend; their own part is the block `collab`."""
        return "collabs/_frame.html" if self.collab else "drive/_frame.html"

    def require_write(self) -> None:
        """Forbidden for those who may only read."""
        if not self.may_write:
            raise Forbidden(f"This needs the right to write in “{self.name}”. {self.reason}")

    def require_entry(self) -> Entry:
        """The place in the person's Drive; Http404 for visitors with a link, whom this page is not for."""
        if self.entry is None:
            raise Http404("Not behind a link.")
        return self.entry

    def inside(self, path: str) -> str:
        """A page's path as a path in the library."""
        return "/".join(part for part in (self.root, path) if part)

    def address(self, path: str = "") -> str:
        """Address of a file."""
        return f"{self.base}{quoted(path)}"

    def folder_address(self, path: str = "") -> str:
        """Address of a folder; ends with a slash."""
        return folder_address(self.base, path)

    def page_address(self, path: str) -> str:
        """Address of a Markdown file as a page; "" for what is none."""
        return f"{self.pages}{quoted(path)}" if self.pages and is_markdown(path) else ""

    def lab_path(self, path: str = "") -> str:
        """Where it is in the person's Lab, below `~/drive`; "" for visitors with a link."""
        return self.entry.lab_path(path) if self.entry else ""

    @contextmanager
    def files(self) -> Iterator[LibraryFiles]:
        """The files behind the door. Nothing above its folder can be reached through them."""
        with open_library(self.library) as files:
            if not self.root:
                yield files
                return
            with files.below(self.root) as below:
                yield below


def drive_door(request: HttpRequest, library_id: UUID) -> Door:
    """Through the person's Drive; raises what `get_library` raises."""
    library, entry = get_library(request.user, library_id)
    base = reverse("drive:library", args=[library.pk])
    return Door(library, base, entry.name, entry.may_write, entry.reason, entry)


def collab_door(request: HttpRequest, slug: str) -> Door:
    """Through the Collab's pages; raises what `get_collab` and `get_library` raise."""
    collab = get_collab(request, slug)
    library, entry = get_library(request.user, Library.objects.get(owner_collab=collab).pk)
    base = reverse("collab_files", args=[slug])
    return Door(library, base, entry.name, entry.may_write, entry.reason, entry, collab, pages_of(collab))


def pages_of(collab: Collab) -> str:
    """Where the Collab's pages in Markdown are."""
    return reverse("collab_pages", args=[collab.slug])
