"""README.md of a Collab: shown on its page, to visitors of a public one with the pictures in it, and no more."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString

from collabs.access import get_collab
from collabs.models import Collab
from drive.files.library_access import LibraryAccess, pages_of
from drive.files.listing import read_readme
from drive.libraries.access import library_of
from drive.models import Library
from drive.preview import pictures
from drive.storage import StorageError, open_library
from portal.text.markdown import render


def rendered_readme(collab: Collab, library: Library) -> SafeString | None:
    """HTML of the README.md of the Collab's library; None where there is none that can be read."""
    try:
        with open_library(library) as files:
            text = read_readme(files)
    except StorageError:
        return None
    return render(text, base=files_of(collab), pages=pages_of(collab)) if text else None


def files_of(collab: Collab) -> str:
    """URL of the Collab's files."""
    return reverse("collab_files", args=[collab.slug])


def picture_access(request: HttpRequest, slug: str, path: str) -> LibraryAccess | None:
    """Access of a visitor without an account to a picture that the README shows; None to anything else.

    Only the bytes of exactly that picture may be sent by it. Raises what `get_collab` raises.
    """
    if request.GET.get("show") != "raw" or request.method not in ("GET", "HEAD"):
        return None
    if pictures.extension(path) not in pictures.TYPES:
        return None
    collab = get_collab(request, slug)
    library = library_of(collab)
    access = LibraryAccess(library, files_of(collab), collab.title, may_write=False, reason="", collab=collab)
    shown = f'src="{escape(access.address(path))}?show=raw"'
    return access if shown in (rendered_readme(collab, library) or "") else None
