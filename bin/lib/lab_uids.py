"""Uids of Labs: root's one step, after which each Lab is another user of the kernel (lab/supervisor/uids.py).

It makes the Lab's namespace for the site's account, as lab/supervisor/namespace.py would without root, but with
subordinate uids in it (subuid(5)), and with ID-mapped mounts of the site's directories. The account's own rights open
every directory: root maps what the account has, and nothing else. `bin/up` does it, or bin/uids under systemd.
"""

import contextlib
import os
import pwd
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import machine

if TYPE_CHECKING:
    from installation import Installation

CODE = Path(__file__).resolve().parents[2]
sys.path.append(str(CODE))

from lab.supervisor import linux, namespace, processes, uids  # noqa: E402
from portal.file_lock import file_lock  # noqa: E402

UIDS = 50
"""As many Labs have a uid of their own where LAB_MAX_SERVERS says nothing; what is more shares."""
SPARE = 4
"""Labs that end beside those that start."""
SUBORDINATE = 65536
FIRST_SUBORDINATE = 100000
PER_USER = {"inotify_instances": 128, "inotify_watches": 65536}
"""What one Lab may have of each (namespaces(7), /proc/sys/user). The kernel counts it for the account as well, whose
limit is raised to hold all Labs and what the portal needs."""
MACHINE_WIDE = {"inotify_instances": "fs/inotify/max_user_instances", "inotify_watches": "fs/inotify/max_user_watches"}
RESOURCES = (resource.RLIMIT_NPROC, resource.RLIMIT_SIGPENDING, resource.RLIMIT_MSGQUEUE)
"""The kernel adds these up over all namespaces of an account (setrlimit(2)): Labs have limits of their own instead."""
SYS = Path("/proc/sys")
INSIDE = "lab/supervisor/inside"


def give(
    account: pwd.struct_passwd, *, lab_root: Path, run: Path, directories: list[Path], count: int = 0, skip: int = 0
) -> str:
    """Make the Lab's namespace with a uid for each of `count` Labs; returns why not, or nothing.

    `skip`: so many of the account's subordinate ids are left to other sites.
    `directories`: what Labs see, with `lab_root`; those that the account does not have are seen as they are.
    Nothing is done where the namespace is there already, or Labs or the supervisor are in an older one.
    """
    count = (count or UIDS) + SPARE
    rights = _Rights(account)
    try:
        with rights.taken():
            for directory in (lab_root, run, *directories):
                with contextlib.suppress(PermissionError):
                    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        shown = rights.roots([lab_root, *directories])
        if (pause := _pause(rights, lab_root)) and _fits(pause, shown, count):
            return ""
        with contextlib.ExitStack() as stack:
            with rights.taken():
                away = stack.enter_context(file_lock(run / "supervisor.lock", wait=False))
            if not away or processes.sandboxes(lab_root / "servers"):
                return "the supervisor or Labs are running in the namespace of an earlier start"
            if pause:
                os.kill(pause, signal.SIGKILL)
            _make(account, lab_root, shown, count, skip)
    except OSError as error:
        return str(error)
    return ""


def give_site(account: pwd.struct_passwd, installation: "Installation") -> None:
    """As `give`, for a site with its settings; prints why not."""
    os.environ.pop("XDG_RUNTIME_DIR", None)  # root's own
    with _Rights(account).taken():
        settings = installation.settings(8000)
    if settings.get("LAB_LAUNCHER", "sandbox") != "sandbox":
        return
    lab_root, run = Path(settings["LAB_ROOT"]), Path(settings["COLLABORATORY_RUN"])
    base = Path(settings.get("LAB_BASE_ENVIRONMENT") or lab_root / "environments/base")
    directories = [Path(settings["DRIVE_ROOT"]), base.parent, installation.code / INSIDE]
    most = settings.get("LAB_MAX_SERVERS", "")
    count = int(most) if most.isdigit() else 0
    if problem := give(account, lab_root=lab_root, run=run, directories=directories, count=count):
        machine.say(f"Labs share the user id of the site: {problem}")


def stay_beside(process: int) -> None:
    """Move to the control group of a process, and so what we leave behind: a group above others may hold none."""
    lines = Path(f"/proc/{process}/cgroup").read_text().splitlines()
    for path in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        (Path("/sys/fs/cgroup") / path / "cgroup.procs").write_text(str(os.getpid()))


def lift_limits() -> None:
    """Let processes of Labs, which the kernel counts for the account as well, not be the portal's last."""
    _lift(resource.RLIMIT_NPROC)


def end_namespace(lab_root: Path) -> None:
    """End the process that holds the Lab's namespace, when no Lab is left in it."""
    for pid in namespace.recorded(lab_root / "namespace.pid"):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)


class _Rights:
    """The account's rights, taken on for a while: root must not open what the account could not."""

    def __init__(self, account: pwd.struct_passwd) -> None:
        self.account = account

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        groups, mask = os.getgroups(), os.umask(0o077)
        os.setgroups([])
        os.setegid(self.account.pw_gid)
        os.seteuid(self.account.pw_uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)
            os.umask(mask)

    def roots(self, directories: list[Path]) -> dict[Path, int]:
        """Descriptors of the directories that are the account's, without those that lie in others; by real path."""
        found: dict[Path, int] = {}
        with self.taken():
            for directory in sorted(Path(os.path.realpath(one)) for one in directories):
                if set(directory.parents) & found.keys():
                    continue
                with contextlib.suppress(OSError):
                    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                    if os.fstat(fd).st_uid == self.account.pw_uid:
                        found[directory] = fd
        return found


def _pause(rights: _Rights, lab_root: Path) -> int:
    """The process that holds the Lab's namespace, if it is the account's; 0 for none."""
    with rights.taken():
        found = namespace.recorded(lab_root / "namespace.pid")
    return next((pid for pid in found if Path(f"/proc/{pid}").stat().st_uid == rights.account.pw_uid), 0)


def _fits(pause: int, shown: dict[Path, int], count: int) -> bool:
    """True if that namespace has enough uids, and the directories that are there now."""
    read, write = os.pipe()
    if not (child := os.fork()):
        with contextlib.suppress(BaseException):
            for door in (f"/proc/{pause}/ns/mnt", str(uids.DOOR)):
                linux.setns(os.open(door, os.O_RDONLY), linux.CLONE_NEWNS)
            names = sorted((name for name in os.listdir(uids.PLACE) if name.isdigit()), key=int)
            places = [(uids.below(uids.PLACE / names[0], path), fd) for path, fd in shown.items()]
            if len(names) >= count and all(os.path.samestat(place.stat(), os.fstat(fd)) for place, fd in places):
                os.write(write, b"1")
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        fits = bool(answer.read())
    os.waitpid(child, 0)
    return fits


def _make(account: pwd.struct_passwd, lab_root: Path, shown: dict[Path, int], count: int, skip: int) -> None:
    first_uid, first_gid = (_subordinate(account, kind, skip + count) + skip for kind in ("uid", "gid"))
    uids.PLACE.mkdir(exist_ok=True)
    uids.PLACE.chmod(0o755)
    _raise_limits(count)
    trees = []
    for number in range(1, count + 1):
        own = [(account.pw_uid, first_uid + number - 1, 1)], [(account.pw_gid, first_gid + number - 1, 1)]
        with _namespace_that_maps(*own) as mapped:
            for path, directory in shown.items():
                trees.append((uids.below(uids.PLACE / str(number), path), linux.clone(directory)))
                linux.change(trees[-1][1], attributes=uids.SAFE, namespace=mapped)
    maps = [(0, account.pw_uid, 1), (1, first_uid, count)], [(0, account.pw_gid, 1), (1, first_gid, count)]
    try:
        _leave_pause(account, lab_root / "namespace.pid", trees, *maps)
    finally:
        for _, tree in trees:
            os.close(tree)


Map = list[tuple[int, int, int]]
"""First inside, first outside, how many (user_namespaces(7))."""


def _write_maps(process: int, uid_map: Map, gid_map: Map) -> None:
    for name, lines in {"uid_map": uid_map, "gid_map": gid_map}.items():
        Path(f"/proc/{process}/{name}").write_text("".join(f"{a} {b} {c}\n" for a, b, c in lines))


@contextlib.contextmanager
def _namespace_that_maps(uid_map: Map, gid_map: Map) -> Iterator[int]:
    """Descriptor of a user namespace without a process."""
    made, say = os.pipe()
    if not (child := os.fork()):
        with contextlib.suppress(BaseException):
            linux.unshare(linux.CLONE_NEWUSER)
            os.write(say, b"1")
            signal.pause()
        os._exit(1)
    os.close(say)
    try:
        if not os.read(made, 1):
            raise OSError("no user namespace can be made")
        _write_maps(child, uid_map, gid_map)
        namespace_fd = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(made)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        yield namespace_fd
    finally:
        os.close(namespace_fd)


def _leave_pause(
    account: pwd.struct_passwd, record: Path, trees: list[tuple[Path, int]], uid_map: Map, gid_map: Map
) -> None:
    """Leave a process of the account behind that holds the Lab's namespace, with all that belongs into it."""
    told, tell = os.pipe()
    mapped, say_mapped = os.pipe()
    if not (child := os.fork()):
        try:
            os.close(say_mapped)
            _become_pause(account, record, trees, tell, mapped)
        except BaseException as error:
            os.write(tell, str(error).encode())
        os._exit(1)
    os.close(tell)
    os.close(mapped)
    try:
        said = os.read(told, 4096)
        if said == b"made":
            _write_maps(child, uid_map, gid_map)
            os.write(say_mapped, b"1")
            said = os.read(told, 4096)
        if said != b"ready":
            raise OSError(said.decode() or "the process that holds the Lab's namespace ended")
        os.read(told, 1)  # until it has become the program that it is recognised by
    finally:
        os.close(told)
        os.close(say_mapped)


def _become_pause(
    account: pwd.struct_passwd, record: Path, trees: list[tuple[Path, int]], tell: int, mapped: int
) -> None:
    """In the new process: make the namespaces as the account, then only hold them."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    _lift(*RESOURCES)
    machine.become(account)
    linux.let_itself_be_read()
    os.umask(0o077)
    os.chdir("/")
    # The kernel binds only a younger namespace into an older one, and numbers them per processor (Linux 6.18).
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    os.write(tell, b"made")
    if not os.read(mapped, 1):
        raise OSError("its uids could not be mapped")
    for name, most in PER_USER.items():
        with contextlib.suppress(OSError):  # a kernel that does not have it
            (SYS / "user" / f"max_{name}").write_text(str(most))
    _mount_memory()
    uids.DOOR.touch()
    _with_clones(trees)
    record.write_text(str(os.getpid()))
    os.write(tell, b"ready")
    os.execvpe(namespace.PAUSE[0], namespace.PAUSE, {"PATH": machine.PATH})


def _mount_memory() -> None:
    linux.mount("tmpfs", uids.PLACE, kind="tmpfs", flags=linux.MS_NOSUID | linux.MS_NODEV, options="mode=0711")


def _with_clones(trees: list[tuple[Path, int]]) -> None:
    """Make the second mount namespace, with the clones, and have DOOR lead there."""
    done, say_done = os.pipe()
    go, say_go = os.pipe()
    if not (child := os.fork()):
        try:
            os.close(say_go)
            linux.unshare(linux.CLONE_NEWNS)
            linux.mount("none", Path("/"), flags=linux.MS_REC | linux.MS_PRIVATE)
            _mount_memory()
            for place, tree in trees:
                uids.open_to_others(place)
                linux.attach(tree, place)
            os.write(say_done, b"1")
            os.read(go, 1)
        except BaseException as error:
            os.write(say_done, str(error).encode())
        os._exit(0)
    os.close(say_done)
    os.close(go)
    said = os.read(done, 4096)
    try:
        if said != b"1":
            raise OSError(said.decode())
        linux.bind(Path(f"/proc/{child}/ns/mnt"), uids.DOOR)
    finally:
        os.close(done)
        os.close(say_go)
        os.waitpid(child, 0)


def _raise_limits(count: int) -> None:
    """Let all Labs at their own limits leave the portal as much as one of them has, eight times."""
    for name, file in MACHINE_WIDE.items():
        with contextlib.suppress(OSError, ValueError):
            enough = PER_USER[name] * (count + 8)
            if int((SYS / file).read_text()) < enough:
                (SYS / file).write_text(str(enough))


def _lift(*resources: int) -> None:
    for one in resources:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(one, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _subordinate(account: pwd.struct_passwd, kind: str, count: int) -> int:
    """First of the account's subordinate `uid`s or `gid`s; some are allotted when it has too few (usermod(8))."""
    if not (found := _allotted(account, kind, count)):
        ends = [first + number for one in ("uid", "gid") for _, first, number in _ranges(one)]
        first = max([FIRST_SUBORDINATE, *ends])
        try:
            ids = f"{first}-{first + SUBORDINATE - 1}"
            machine.run_quietly(["usermod", f"--add-sub{kind}s", ids, account.pw_name])
        except machine.RequirementError as error:
            raise OSError(str(error)) from error
        found = _allotted(account, kind, count)
    if not found:
        raise OSError(f"/etc/sub{kind} has no {count} ids for {account.pw_name}")
    return found[0]


def _allotted(account: pwd.struct_passwd, kind: str, count: int) -> list[int]:
    owners = (account.pw_name, str(account.pw_uid))
    return [first for owner, first, number in _ranges(kind) if owner in owners and number >= count]


def _ranges(kind: str) -> list[tuple[str, int, int]]:
    """Owner, first and number of what /etc/subuid or /etc/subgid allots."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/etc/sub{kind}").read_text().splitlines():
            with contextlib.suppress(ValueError):
                owner, first, number = line.split(":")
                found.append((owner, int(first), int(number)))
    return found
