"""`~/drive` of one server: a read-only directory with four folders, and libraries bind-mounted into it.

The directory is a shared mount in the Lab's namespace; the sandbox holds a slave of it, so whatever is mounted or
unmounted here appears or vanishes there (mount_namespaces(7), "Shared subtrees"). What is mounted now is read from
/proc/self/mountinfo and never remembered.

Taking access away must not leave a door open: a process that stands in a library (working directory, open file,
mapping) keeps it after a lazy unmount. So a library that is withdrawn is unmounted without MNT_DETACH: the kernel
answers EBUSY while anything, in any sandbox, still uses it, and the caller stops what does. One that turns read-only
does so in place, and only what has a file open for writing stands in the way.
"""

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drive.folders import MOUNTED, Folder

from . import linux
from .uids import SAFE, LabUids

_LIBRARY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class LibraryInUseError(Exception):
    """A library cannot be withdrawn: processes of the sandbox use it."""

    def __init__(self, place: "MountPoint", library: str) -> None:
        super().__init__(place.path)
        self.place = place
        self.library = library


@dataclass(frozen=True)
class MountPoint:
    """Mount point of a library in the view: `<folder>/<name>`."""

    folder: str
    name: str

    def __post_init__(self) -> None:
        bad = self.name in ("", ".", "..") or "/" in self.name or "\0" in self.name
        if self.folder not in MOUNTED or bad:
            raise ValueError(f"not a place in the drive: {self.folder!r}, {self.name!r}")

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True)
class Library:
    """A library that is mounted, and its mode."""

    library: str
    mode: str
    """`rw` or `ro`."""

    def __post_init__(self) -> None:
        if not _LIBRARY.fullmatch(self.library) or self.mode not in ("rw", "ro"):
            raise ValueError(f"not a library: {self.library!r}, {self.mode!r}")


def libraries(wanted: list[dict[str, str]]) -> dict[MountPoint, Library]:
    """Libraries and where they stand, from the mounts of a request; ValueError for what is no place or no library."""
    return {MountPoint(m["folder"], m["name"]): Library(m["library"], m["mode"]) for m in wanted}


class Store:
    """The Drive's directories, as the Lab's namespace sees them: once as they are, once read-only."""

    def __init__(self, root: Path, clones: Path) -> None:
        self.root = root
        self.clones = {"rw": clones / "rw", "ro": clones / "ro"}

    def open(self) -> None:
        """Make the two clones, where they are not there yet."""
        mounted = {mount.target for mount in mounts()}
        for mode, clone in self.clones.items():
            if str(clone) not in mounted:
                clone.mkdir(parents=True, exist_ok=True)
                linux.bind(self.root, clone)
                linux.restrict(clone, SAFE | (linux.MOUNT_ATTR_RDONLY if mode == "ro" else 0))

    def directory(self, library: Library) -> Path | None:
        """The library's directory; None while it is not on disk."""
        for kind in ("private", "public/.libraries"):
            path = self.root / kind / library.library
            if path.is_dir():
                return path
        return None

    def public(self) -> Path:
        """All public libraries and their names."""
        return self.root / "public"

    def show(self, directory: Path, mode: str, target: Path) -> None:
        """Mount one of these directories, `rw` or `ro`."""
        linux.bind(self.clones[mode] / directory.relative_to(self.root), target)


class OwnStore(Store):
    """The Drive's directories as the Lab of one uid sees them: all files are its own."""

    def __init__(self, store: Store, uids: LabUids, uid: int) -> None:
        self.root = store.root
        self.uids, self.uid = uids, uid

    def show(self, directory: Path, mode: str, target: Path) -> None:
        """Mount one of these directories, `rw` or `ro`."""
        self.uids.show(self.uid, directory, target, linux.MOUNT_ATTR_RDONLY if mode == "ro" else 0)


@dataclass(frozen=True)
class MountInfo:
    """One line of /proc/self/mountinfo (proc(5)), as far as it matters here."""

    target: str
    root: str
    options: frozenset[str]


def mounts() -> list[MountInfo]:
    """Every mount of our namespace, in the order it was made."""
    lines = os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).split("\n")
    fields = (line.split(" ") for line in lines if line)  # a name may hold what str.split takes for space
    return [MountInfo(_plain(f[4]), _plain(f[3]), frozenset(f[5].split(","))) for f in fields]


def _plain(field: str) -> str:
    """Undo mountinfo's octal escapes for space, tab, newline and backslash."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


class DriveView:
    """The view of one server, kept in `place`/drive over the plain directories in `directory`/drive.dirs.

    `place` is the server's directory, or the mount of it in which all is its Lab's own.
    """

    def __init__(self, directory: Path, place: Path, store: Store) -> None:
        self.root = place / "drive"
        self.place = place
        self.plain = directory / "drive.dirs"
        self.store = store

    def open(self) -> None:
        """Mount the empty view and the public libraries."""
        for folder in Folder:
            (self.plain / folder).mkdir(parents=True, exist_ok=True)
        self.plain.with_name("drive").mkdir(exist_ok=True)
        linux.bind(self.place / self.plain.name, self.root)
        linux.share(self.root)
        linux.restrict(self.root, SAFE | linux.MOUNT_ATTR_RDONLY)
        self.store.show(self.store.public(), "ro", self.root / Folder.ALL)

    def current(self) -> dict[MountPoint, Library]:
        """Libraries that are mounted now, by mount point."""
        found = {}
        for mount in mounts():
            if not mount.target.startswith(f"{self.root}/"):
                continue
            folder, _, name = mount.target[len(str(self.root)) + 1 :].partition("/")
            if folder in MOUNTED and name:
                mode = "ro" if "ro" in mount.options else "rw"
                found[MountPoint(folder, name)] = Library(os.path.basename(mount.root), mode)  # noqa: PTH119
        return found

    def apply(self, wanted: dict[MountPoint, Library], turn_read_only: Callable[[MountPoint], bool]) -> list[Library]:
        """Make the view equal to `wanted`; returns libraries that are not on disk.

        `turn_read_only` does that to the sandbox's own copy of a mount, and says whether it could. Raises
        LibraryInUseError, with everything else already done, when a library that is taken away is in use: stop what
        uses it and call again.
        """
        current = self.current()
        stuck: LibraryInUseError | None = None
        # Take away first: that must not wait for what is given.
        for place, library in current.items():
            try:
                self._take(place, library, wanted, turn_read_only)
            except LibraryInUseError as error:
                stuck = error
        held = self.current()
        missing = [library for place, library in wanted.items() if place not in held and not self._show(place, library)]
        if stuck:
            raise stuck
        return missing

    def _take(
        self,
        place: MountPoint,
        library: Library,
        wanted: dict[MountPoint, Library],
        turn_read_only: Callable[[MountPoint], bool],
    ) -> None:
        if wanted.get(place) == library:
            return
        if wanted.get(place) == Library(library.library, "ro"):
            if not turn_read_only(place):
                raise LibraryInUseError(place, library.library)
            linux.restrict(self.root / place.path, linux.MOUNT_ATTR_RDONLY)
        else:
            self._withdraw(place, library, lazily=_keeps(wanted, library))

    def close(self) -> None:
        """Take the whole view away; the sandbox's processes are gone."""
        while any(mount.target == str(self.root) for mount in mounts()):
            linux.unmount(self.root, lazy=True)

    def _show(self, place: MountPoint, library: Library) -> bool:
        directory = self.store.directory(library)
        if directory is None:
            return False
        (self.plain / place.path).mkdir(exist_ok=True)
        self.store.show(directory, library.mode, self.root / place.path)
        return True

    def _withdraw(self, place: MountPoint, library: Library, *, lazily: bool) -> None:
        try:
            linux.unmount(self.root / place.path, lazy=lazily)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise LibraryInUseError(place, library.library) from error
            raise
        (self.plain / place.path).rmdir()


def _keeps(wanted: dict[MountPoint, Library], library: Library) -> bool:
    """True if the person still has at least this access to the library, be it at another mount point."""
    return any(
        other.library == library.library and (other.mode == "rw" or library.mode == "ro") for other in wanted.values()
    )
