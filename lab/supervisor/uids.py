"""Uids of Labs: each Lab is another user of the kernel, and none of them is the portal's.

What the kernel counts, keeps or hides per user is then a Lab's own. On disk, all files stay the site's account's: a Lab
sees them through *ID-mapped mounts* (mount_setattr(2), Linux 5.12; below an overlay 5.19), in which what that account
has on disk is the Lab's, and what the Lab makes is the account's on disk. No file has its owner changed, ever.

Only root can make such mounts. Its one step (bin/lib/lab_uids.py) makes the Lab's namespace, which maps the
uids, and beside it a second mount namespace with the directories of the site, once for each uid:

    /run/collaboratory/clones        in the Lab's namespace: leads to the other one (nsfs(5))
    /run/collaboratory/<uid><path>   in the other one: the directory <path> as the Lab of <uid> is to see it

The many mounts are there, and not in the Lab's namespace, because every sandbox begins with a copy of all mounts around
it. A thread of ours lives in there and hands out what one Lab needs. Without that step, Labs share the account's uid.
"""

import contextlib
import logging
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

from portal.sandboxing import bwrap

from . import linux

log = logging.getLogger("lab.supervisor")

PLACE = Path("/run/collaboratory")
"""Root makes this directory, empty. In both namespaces, a file system in memory lies over it."""
DOOR = PLACE / "clones"
SAFE = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
SHOWN = ("inside", "lower")
"""Directories that a launch shows beside the server's own."""
_OPEN = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
TRIAL_SECONDS = 20


def below(place: Path, path: Path) -> Path:
    """The absolute `path`, at `place` instead of at the root."""
    return place / path.relative_to("/")


def open_to_others(directory: Path) -> None:
    """Make a directory below PLACE, which others may pass through but not list."""
    missing = [part for part in (directory, *directory.parents) if part != PLACE and PLACE in part.parents]
    for part in reversed(missing):
        part.mkdir(exist_ok=True)
        part.chmod(0o711)


class LabUids:
    """The uids that this machine has for Labs, as numbers of the Lab's namespace."""

    def __init__(self, door: int) -> None:
        """`door`: descriptor of the other mount namespace. Raises OSError where it cannot be entered."""
        self.thread = ThreadPoolExecutor(1, "clones")
        self.thread.submit(_enter, door).result()
        names = self.thread.submit(os.listdir, PLACE).result()
        self.order = sorted(int(name) for name in names if name.isdigit())
        """The uid whose last Lab began first comes first."""

    def close(self) -> None:
        """End the thread; what it handed out stays."""
        self.thread.shutdown()

    def choose(self, taken: Iterable[int]) -> int:
        """A uid that no Lab has. When there are more Labs than uids, one that the fewest have."""
        counts = Counter(taken)
        uid = min(self.order, key=lambda one: counts[one])
        if counts[uid]:
            log.warning("All %d uids of Labs are taken: this Lab shares one with another", len(self.order))
        self.order.remove(uid)
        self.order.append(uid)
        return uid

    def clone(self, uid: int, directory: Path, attributes: int = 0) -> int:
        """A mount of the directory in which its files are `uid`'s: its descriptor, for linux.attach.

        FileNotFoundError: root's step has not included it, or it was replaced since.
        """
        real = Path(os.path.realpath(directory))
        wanted = real.stat()
        return self.thread.submit(_clone, below(PLACE / str(uid), real), wanted, attributes | SAFE).result()

    def show(self, uid: int, directory: Path, target: Path, attributes: int = 0) -> None:
        """Mount the directory at `target`, as the uid's own."""
        tree = self.clone(uid, directory, attributes)
        try:
            linux.attach(tree, target)
        finally:
            os.close(tree)


def _enter(door: int) -> None:
    """Move the calling thread alone into another mount namespace; threads share theirs only with CLONE_FS."""
    linux.unshare(linux.CLONE_FS)
    linux.setns(door, linux.CLONE_NEWNS)


def _clone(place: Path, wanted: os.stat_result, attributes: int) -> int:
    directory = os.open(place, _OPEN)
    try:
        # Only within a clone is it the same directory, and not one that merely leads to where clones are mounted.
        if not os.path.samestat(os.fstat(directory), wanted):
            raise FileNotFoundError(f"{place} is not, or no longer, the directory of that name")
        tree = linux.clone(directory)
    finally:
        os.close(directory)
    try:
        linux.change(tree, attributes=attributes)
    except OSError:
        os.close(tree)
        raise
    return tree


def find(lab_root: Path, drive_root: Path) -> LabUids | None:
    """The uids that root has prepared, tried out; None where Labs share the account's."""
    try:
        door = os.open(DOOR, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        uids = LabUids(door)
    except OSError as error:
        log.warning("Labs have no uids of their own: %s", error)
        return None
    finally:
        os.close(door)
    try:
        _try_out(uids, lab_root)
        os.close(uids.clone(uids.order[0], drive_root))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        log.warning("Labs have no uids of their own: %s", error)
        uids.close()
        return None
    return uids


def _try_out(uids: LabUids, lab_root: Path) -> None:
    """Do once what every launch does: an overlay over clones, and a sandbox made by another uid."""
    directory = Path(mkdtemp(prefix="trial-", dir=lab_root))
    for name in ("lower", "upper", "work", "env"):
        (directory / name).mkdir()
    trial = Identity(directory, uids, uids.choose([]))
    try:
        trial.open()
        trial.mount_environment(directory / "lower")
        seen = [*bwrap.system_files(), "--bind", str(trial.place / "env"), "/mnt"]
        with bwrap.Command(bwrap.LAB) as sandbox:
            words = sandbox.words(seen=seen, environment={}, program=["/usr/bin/touch", "/mnt/file"])
            options = {"cwd": "/", "env": bwrap.VARIABLES, "pass_fds": sandbox.descriptors}
            subprocess.run(trial.command(words), check=True, timeout=TRIAL_SECONDS, **options)  # type: ignore[call-overload]
    finally:
        trial.close()
        shutil.rmtree(directory, ignore_errors=True)


class Identity:
    """The user that one server's Lab is for the kernel, and the directories as it sees them.

    Without a uid it is the site's account, and `place`, where its mounts are made, is the server's directory.
    """

    def __init__(self, directory: Path, uids: LabUids | None = None, uid: int | None = None) -> None:
        self.directory = directory
        self.uids = uids
        self.uid = uid
        self.place = directory if uid is None else below(PLACE, directory)

    def command(self, words: list[str]) -> list[str]:
        """What to execute so that `words` are run as this user, with the group of the same number.

        A program does it, because subprocess would copy our memory for that instead of sharing it for a moment.
        """
        if self.uid is None:
            return words
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--", *words]

    def open(self) -> None:
        """Show the server's directory at `place`."""
        self.close()
        if self.uids and self.uid is not None:
            open_to_others(self.place)
            self.uids.show(self.uid, self.directory, self.place)

    @contextlib.contextmanager
    def shown(self, directory: Path, name: str) -> Iterator[Path]:
        """The path at which it finds a directory, in this block: its own, where root's step has included that."""
        if not self.uids or self.uid is None:
            yield directory
            return
        target = self.place.with_name(f"{self.place.name}.{name}")
        open_to_others(target)
        try:
            self.uids.show(self.uid, directory, target)
        except OSError:  # then it finds what everybody may read, at a path that it can pass
            linux.bind(directory, target)
        try:
            yield target
        finally:
            with contextlib.suppress(OSError):  # it was closed meanwhile
                linux.unmount(target, lazy=True)
                target.rmdir()

    def mount_environment(self, prefix: Path) -> None:
        """Mount `place`/env: the environment at `prefix`, and over it what is changed, in `place`/upper."""
        with self.shown(prefix, "lower") as lower:
            layers = {"lowerdir": lower, "upperdir": self.place / "upper", "workdir": self.place / "work"}
            options = ",".join(f"{key}={path}" for key, path in layers.items())
            # Its layers are the uid's, so whoever mounts must make files as that does.
            with linux.files_as(self.uid) if self.uid is not None else contextlib.nullcontext():
                # userxattr: overlayfs in a user namespace keeps its marks in user.* attributes (kernel docs).
                linux.mount("overlay", self.place / "env", kind="overlay", options=f"{options},userxattr")

    def can_pass(self, file: Path) -> bool:
        """True if this user can reach and read a file of the machine."""
        if self.uid is None:
            return True
        return subprocess.run(self.command(["test", "-r", str(file)]), cwd="/", check=False).returncode == 0

    def close(self) -> None:
        """Take away what is mounted for the server below PLACE, be it by an earlier supervisor."""
        place = below(PLACE, self.directory)
        for path in (place, *(place.with_name(f"{place.name}.{name}") for name in SHOWN)):
            with contextlib.suppress(OSError):
                while True:
                    linux.unmount(path, lazy=True)
            with contextlib.suppress(OSError):
                path.rmdir()
