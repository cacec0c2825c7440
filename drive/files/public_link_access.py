"""Access to files by a public link, without an account: one folder, or one file of a folder, read-only."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.utils.translation import gettext

from drive.models import PublicLink
from drive.storage import FileEntry, LibraryFiles, NotFoundError, is_hidden, path_codec
from drive.storage.names import split

from .library_access import LibraryAccess


class OneFile(LibraryFiles):
    """A folder with a single readable file: everything else in it is NotFoundError."""

    def __init__(self, folder: LibraryFiles, name: str) -> None:
        super().__init__(folder.root, staging=folder.staging, trash=folder.trash, lock=folder.lock)
        self.name = name

    def __getattribute__(self, name: str) -> Any:
        """All that can be done to files, but for the two below, finds nothing: what is added later, too."""
        if not name.startswith("_") and name not in ("root", "staging", "trash", "lock", "name", "stat", "open"):
            raise NotFoundError(gettext("This link gives access to one file only."))
        return super().__getattribute__(name)

    def stat(self, path: str) -> FileEntry:
        return super().stat(self._only(path))

    def open(self, path: str) -> BinaryIO:
        return super().open(self._only(path))

    def _only(self, path: str) -> str:
        if path != self.name:
            raise NotFoundError(gettext("This link gives access to one file only."))
        return path


class VisibleFiles(LibraryFiles):
    """A folder, for reading, without hidden names at any depth: checkpoints hold what their author took back.

    They are NotFoundError, as what is not there.
    """

    _with_hidden = False
    _given = ("root", "staging", "trash", "lock", "list", "names", "facts", "look", "stat", "open")

    def __init__(self, folder: LibraryFiles) -> None:
        super().__init__(folder.root, staging=folder.staging, trash=folder.trash, lock=folder.lock)

    def __getattribute__(self, name: str) -> Any:
        """All that can be done to files, but for reading as below, finds nothing: what is added later, too."""
        if not name.startswith("_") and name not in VisibleFiles._given:
            raise NotFoundError(gettext("This link gives access to visible files only."))
        return super().__getattribute__(name)

    def list(self, path: str = "") -> Iterator[FileEntry]:
        return (entry for entry in super().list(_visible(path)) if not is_hidden(entry.name))

    def names(self, path: str = "") -> Iterator[tuple[str, bool]]:
        return (found for found in super().names(_visible(path)) if not is_hidden(found[0]))

    def facts(self, path: str = "") -> Iterator[tuple[str, bool, int, float]]:
        return (found for found in super().facts(_visible(path)) if not is_hidden(found[0]))

    def look(self, path: str, names: Iterable[str]) -> Iterator[FileEntry]:
        return super().look(_visible(path), (name for name in names if not is_hidden(name)))

    def stat(self, path: str) -> FileEntry:
        return super().stat(_visible(path))

    def open(self, path: str) -> BinaryIO:
        return super().open(_visible(path))


def _visible(path: str) -> str:
    """The path; NotFoundError if a name in it is hidden, whether there is such a file or not."""
    if any(is_hidden(name) for name in split(path)):
        raise NotFoundError(gettext("Nothing was found at this path."))
    return path


@dataclass(frozen=True)
class PublicLinkAccess(LibraryAccess):
    """Access of a visitor with a public link to a folder, or to one file of its folder."""

    only: str = ""
    """Name of the one file; "" for the whole folder."""

    @property
    def frame(self) -> str:
        """Base template of pages for visitors without an account."""
        return "drive/public_link.html"

    @contextmanager
    def files(self) -> Iterator[LibraryFiles]:
        with super().files() as files:
            yield OneFile(files, self.only) if self.only else VisibleFiles(files)


def public_link_access(link: PublicLink, base: str) -> PublicLinkAccess:
    """Access by a link whose URLs begin with `base`."""
    path = path_codec.from_row(link.path)
    folder, _, name = path.rpartition("/")
    return PublicLinkAccess(
        library=link.library,
        base=base,
        name=name or str(link.library),
        may_write=False,
        reason=gettext("You have a link to this."),
        root=path if link.is_folder else folder,
        only="" if link.is_folder else name,
    )
