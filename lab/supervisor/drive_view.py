"""`~/drive` of one server: a read-only directory with four folders, and libraries mounted into it.

The directory is a shared mount in the Lab's namespace; the sandbox holds a slave of it (mount_namespaces(7), "Shared
subtrees"). The mount of all public libraries propagates there. The others are attached in the sandbox's own mount
namespace (change_mounts.py): a mount that came there read-only by propagation could never be turned writable, and one
below a shared mount cannot be moved. What is mounted now is read from /proc/PID/mountinfo and never remembered.

A process that stands in a library (working directory, open file, mapping) keeps its mount. So one that turns read-only
or writable does so in place, and one that is renamed is moved: relative paths go on working. Taking access away must
not leave a door open: a library that is withdrawn is unmounted without MNT_DETACH, so that the kernel answers EBUSY
while anything still uses it, and the caller stops what does; for read-only, only what has a file open for writing
stands in the way.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drive.folders import MOUNTED, Folder

from . import change_mounts, linux
from .drive_plan import Library, MountPoint, Plan, View, keeps, plan
from .uids import SAFE, LabUids


@dataclass(frozen=True)
class StuckLibrary:
    """A library that cannot be withdrawn: processes of the sandbox use it."""

    place: MountPoint
    library: str
    writing: bool
    """It is to be read-only, and has files that are open for writing."""


class LibraryInUseError(Exception):
    """Libraries cannot be withdrawn: all of them."""

    def __init__(self, stuck: list[StuckLibrary]) -> None:
        super().__init__(", ".join(one.place.path for one in stuck))
        self.stuck = stuck


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

    def show(self, directory: Path, target: Path) -> None:
        """Mount one of these directories, read-only."""
        linux.bind(self.clones["ro"] / directory.relative_to(self.root), target)

    def tree(self, directory: Path, mode: str) -> int:
        """A mount of one of these directories, `rw` or `ro`, that is attached nowhere: its descriptor."""
        place = os.open(
            self.clones["rw"] / directory.relative_to(self.root), os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
        )
        try:
            tree = linux.clone(place)
        finally:
            os.close(place)
        linux.change(tree, attributes=_attributes(mode) | SAFE)
        return tree


class OwnStore(Store):
    """The Drive's directories as the Lab of one uid sees them: all files are its own."""

    def __init__(self, store: Store, uids: LabUids, uid: int) -> None:
        self.root = store.root
        self.uids, self.uid = uids, uid

    def show(self, directory: Path, target: Path) -> None:
        """Mount one of these directories, read-only."""
        self.uids.show(self.uid, directory, target, linux.MOUNT_ATTR_RDONLY)

    def tree(self, directory: Path, mode: str) -> int:
        """A mount of one of these directories, `rw` or `ro`, that is attached nowhere: its descriptor."""
        return self.uids.clone(self.uid, directory, _attributes(mode))


def _attributes(mode: str) -> int:
    return linux.MOUNT_ATTR_RDONLY if mode == "ro" else 0


@dataclass(frozen=True)
class MountInfo:
    """One line of /proc/self/mountinfo (proc(5)), as far as it matters here."""

    target: str
    root: str
    options: frozenset[str]


def mounts(process: int | str = "self") -> list[MountInfo]:
    """Every mount of our namespace, or of a process's, in the order it was made. OSError: it is gone."""
    lines = os.fsdecode(Path(f"/proc/{process}/mountinfo").read_bytes()).split("\n")
    fields = (line.split(" ") for line in lines if line)  # a name may hold what str.split takes for space
    return [MountInfo(_plain(f[4]), _plain(f[3]), frozenset(f[5].split(","))) for f in fields]


def _plain(field: str) -> str:
    """Undo mountinfo's octal escapes for space, tab, newline and backslash."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


class MountsInside:
    """Mounts of one running sandbox, below its `~/drive`."""

    def __init__(self, init: int, drive: str) -> None:
        """`init`: its process 1. `drive`: the path of `~/drive` in it."""
        self.init = init
        self.drive = drive

    def at(self, place: MountPoint) -> str:
        """Path of a mount point in the sandbox."""
        return f"{self.drive}/{place.path}"

    def current(self) -> View:
        """Libraries that are mounted now, by mount point. OSError: the sandbox is gone."""
        found = {}
        for mount in mounts(self.init):
            folder, _, name = mount.target.removeprefix(f"{self.drive}/").partition("/")
            if mount.target.startswith(f"{self.drive}/") and folder in MOUNTED and name:
                mode = "ro" if "ro" in mount.options else "rw"
                found[MountPoint(folder, name)] = Library(os.path.basename(mount.root), mode)  # noqa: PTH119
        return found

    def change(self, steps: list[list[Any]]) -> list[int]:
        """Make steps of change_mounts.py; the errno of each, 0 for success."""
        return change_mounts.change(self.init, steps)


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
        """Mount the view without libraries, but for the public ones."""
        for folder in Folder:
            (self.plain / folder).mkdir(parents=True, exist_ok=True)
        self.plain.with_name("drive").mkdir(exist_ok=True)
        linux.bind(self.place / self.plain.name, self.root)
        linux.share(self.root)
        linux.restrict(self.root, SAFE | linux.MOUNT_ATTR_RDONLY)
        self.store.show(self.store.public(), self.root / Folder.ALL)

    def apply(self, wanted: View, inside: MountsInside) -> list[Library]:
        """Make the view in a running sandbox equal to `wanted`; returns libraries that are not on disk.

        Raises LibraryInUseError, with everything else already done, when libraries that are taken away are in use:
        stop what uses them and call again. OSError: the sandbox is gone, or something cannot be mounted.
        """
        current = inside.current()
        todo = plan(current, wanted)
        stuck = self._take_away(todo, current, wanted, inside)  # this must not wait for what is given
        anew = self._move_and_turn_writable(todo, {place.path for place in stuck}, inside)
        taken = inside.current()
        missing = self._show({place: wanted[place] for place in [*todo.shown, *anew] if place not in taken}, inside)
        self._tidy(inside.current())
        if stuck:
            in_use = [StuckLibrary(place, one.library, place in todo.read_only) for place, one in stuck.items()]
            raise LibraryInUseError(in_use)
        return missing

    def _take_away(self, todo: Plan, current: View, wanted: View, inside: MountsInside) -> View:
        """Turn read-only, and withdraw; what is in use."""
        lazily = {place: keeps(wanted, current[place]) for place in todo.withdrawn}
        older = {place for place in lazily if self._propagates(place)}
        steps: list[list[Any]] = [["read_only", inside.at(place)] for place in todo.read_only]
        steps += [["unmount", inside.at(place), lazily[place]] for place in todo.withdrawn if place not in older]
        places = [*todo.read_only, *(place for place in todo.withdrawn if place not in older)]
        failed = {place for place, code in zip(places, inside.change(steps), strict=True) if code}
        return {place: current[place] for place in failed | {p for p in older if not self._unmount(p, lazily[p])}}

    def _move_and_turn_writable(self, todo: Plan, stuck: set[str], inside: MountsInside) -> list[MountPoint]:
        """Move what is renamed, and turn writable; the places where that cannot be, and nothing stands any more."""
        taken = {place.path for place in inside.current()}
        moves = []
        for old, new in todo.moved:
            if old.path not in stuck and new.path not in taken:
                moves.append((old, new))
                taken = taken - {old.path} | {new.path}
        steps: list[list[Any]] = []
        with self._folders() as folders:
            for old, new in moves:
                steps += [["make", folders[new.folder], new.name], ["move", inside.at(old), inside.at(new)]]
                steps += [["remove", folders[old.folder], old.name]]
            steps += [["read_write", inside.at(place)] for place in todo.writable]
            codes = inside.change(steps)
        anew = [ends for ends, code in zip(moves, codes[1 : 3 * len(moves) : 3], strict=True) if code]
        turned = zip(todo.writable, codes[3 * len(moves) :], strict=True)
        anew += [(place, place) for place, code in turned if code]
        here = inside.current()
        for old, _ in anew:  # of a Lab that began before these could be changed: its mounts propagate
            if old in here and not self._unmount(old, lazily=True):
                inside.change([["unmount", inside.at(old), True]])
        return [new for _, new in anew]

    def _show(self, libraries: View, inside: MountsInside) -> list[Library]:
        """Mount them; those that are not on disk."""
        found = {place: self.store.directory(library) for place, library in libraries.items()}
        steps: list[list[Any]] = []
        with self._folders() as folders, contextlib.ExitStack() as trees:
            for place, directory in found.items():
                if directory:
                    tree = self.store.tree(directory, libraries[place].mode)
                    trees.callback(os.close, tree)
                    steps += [["make", folders[place.folder], place.name], ["attach", tree, inside.at(place)]]
            codes = inside.change(steps)
        for step, code in zip(steps, codes, strict=True):
            if code:
                raise OSError(code, os.strerror(code), step[2])
        return [libraries[place] for place, directory in found.items() if directory is None]

    @contextlib.contextmanager
    def _folders(self) -> Iterator[dict[str, int]]:
        """Descriptors of the plain directories in which libraries stand, by the folder's name."""
        with contextlib.ExitStack() as opened:
            folders = {}
            for folder in MOUNTED:
                folders[str(folder)] = os.open(self.plain / folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                opened.callback(os.close, folders[str(folder)])
            yield folders

    def _propagates(self, place: MountPoint) -> bool:
        """True if it is mounted in the Lab's namespace, too: in Labs that began before an update of the site."""
        return any(mount.target == str(self.root / place.path) for mount in mounts())

    def _unmount(self, place: MountPoint, lazily: bool) -> bool:
        """Unmount what propagates; False: it is in use, or does not."""
        try:
            linux.unmount(self.root / place.path, lazy=lazily)
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.EINVAL):
                raise
            return False
        return True

    def _tidy(self, held: View) -> None:
        """Remove the plain directories in which nothing is mounted any more."""
        for folder in MOUNTED:
            for name in os.listdir(self.plain / folder):
                if MountPoint(folder, name) not in held:
                    with contextlib.suppress(OSError):
                        (self.plain / folder / name).rmdir()

    def close(self) -> None:
        """Take the whole view away; the sandbox's processes are gone."""
        while any(mount.target == str(self.root) for mount in mounts()):
            linux.unmount(self.root, lazy=True)
