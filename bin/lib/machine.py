"""Requirements of the machine: Python, Debian packages, an account without privileges, user namespaces."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ACCOUNT = "collaboratory"
PACKAGES = {
    "nginx": "nginx",
    "redis-server": "redis-server",
    "bwrap": "bubblewrap",
    "slirp4netns": "slirp4netns",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "nft": "nftables",
    "git": "git",
}
"""Program, or file: the Debian package that has it."""
COMPANIONS = {"nginx": ["libnginx-mod-http-brotli-static"]}
"""Packages that are installed with another where the distribution has them; nothing fails without."""
BACKUP_PACKAGES = {"restic": "restic"}
"""For backups that are copied to a repository."""
DIRECTORY_PACKAGES = {
    "gcc": "gcc",
    "python3-config": "python3-dev",
    "/usr/include/ldap.h": "libldap2-dev",
    "/usr/include/sasl/sasl.h": "libsasl2-dev",
}
"""For sign-in with an LDAP directory: python-ldap is compiled."""
TEST_PACKAGES = {
    **{name: name for name in ("chromium-headless-shell", "gdb", "strace", "litmus", "rclone", "cadaver")},
    **{"slapd": "slapd", "promtool": "prometheus", "ssh-keygen": "openssh-client", "xmlsec1": "xmlsec1"},
    **BACKUP_PACKAGES,
    **DIRECTORY_PACKAGES,
}
FIRST_PORT, LAST_PORT = 1024, 65535
"""Of those that need no privileges."""
POSTGRES = "postgresql"
SERVICES = {"nginx", "redis-server", "postgresql", "slapd", "prometheus", "prometheus-node-exporter"}
"""Packages that start a service of this name on its usual port. Ours run apart from these."""
WITHOUT_NETWORK = (
    "Packages come over the network. For a machine without one: bin/up --download DIR on another of its kind,"
    " then bin/up --from DIR here."
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class RequirementError(SystemExit):
    """Missing requirement that a person must provide; exits with the text."""


def say(text: str) -> None:
    """Print the step that begins."""
    print(f"→ {text}", flush=True)


def is_root() -> bool:
    return os.geteuid() == 0


def run_quietly(command: list[str], **options: Any) -> None:
    """Run a step; its output is shown only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise RequirementError(f"{done.stdout}\nThis failed: {' '.join(command)}")


def can_install() -> bool:
    """True for root, and with a sudo that asks for no password."""
    return is_root() or (
        bool(shutil.which("sudo")) and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
    )


def missing_packages(programs: dict[str, str], *, postgres: bool = False) -> list[str]:
    """Debian packages that are to be installed for these programs, and for making virtual environments."""
    packages = {package for program, package in programs.items() if not _is_there(program)}
    if not _can_make_environments("/usr/bin/python3"):
        packages.add("python3-venv")
    if postgres and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        packages.add(POSTGRES)
    return sorted(packages)


def ensure_packages(programs: dict[str, str], *, postgres: bool = False, source: Path | None = None) -> None:
    """Install what is missing, as root or with a sudo that asks no password; otherwise name the command.

    `source`: a directory of `bin/up --download`, for a machine without a network.
    """
    names = missing_packages(programs, postgres=postgres)
    if not names:
        return
    if not can_install():
        raise RequirementError(advice(names))
    say(f"Installing Debian packages: {' '.join(names)}")
    prefix = [] if is_root() else ["sudo", "-n"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
    # RUNLEVEL=1 keeps invoke-rc.d(8) from starting the packages' own services; systemd does not ask it.
    quiet["RUNLEVEL"] = "1"
    with _package_lists(source) as options:
        apt = [*prefix, "apt-get", *options]
        try:
            run_quietly([*apt, "update", "-qq"], env=quiet)
            wanted = names + [
                other for name in names for other in COMPANIONS.get(name, []) if is_offered(other, options)
            ]
            run_quietly([*apt, "install", "-y", "-qq", "--no-install-recommends", *wanted], env=quiet)
        except RequirementError as error:
            raise error if source else RequirementError(f"{error}\n\n{WITHOUT_NETWORK}") from error
    services = sorted(set(names) & SERVICES)
    if services and Path("/run/systemd/system").is_dir():
        subprocess.run([*prefix, "systemctl", "disable", "--now", "--quiet", *services], check=False)


def _is_there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else bool(shutil.which(program, path=PATH))


def advice(packages: list[str]) -> str:
    """What a person does who has the right to install packages."""
    return f"Please install these packages, then start again:\n  sudo apt-get install {' '.join(packages)}"


@contextlib.contextmanager
def _package_lists(source: Path | None) -> Iterator[list[str]]:
    """Options of apt-get: none, or those that make `source` all that there is."""
    if source is None:
        yield []
        return
    with tempfile.TemporaryDirectory() as directory:
        lists, place = Path(directory, "lists"), Path(directory, "sources.list")
        (lists / "partial").mkdir(parents=True)
        place.write_text(f"deb [trusted=yes] file:{source}/debs ./\n")
        values = [f"Dir::Etc::sourcelist={place}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={lists}"]
        values += ["Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=", "APT::Sandbox::User=root"]
        yield [f"-o{value}" for value in values]


def is_offered(package: str, options: Sequence[str] = ()) -> bool:
    """True if the distribution has this package; `options` of apt-cache."""
    return subprocess.run(["apt-cache", *options, "show", package], capture_output=True, check=False).returncode == 0


def port_trouble(port: int) -> str:
    """Why this process cannot listen on a port of this machine; "" if it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return str(error.strerror)
    return ""


def next_free_port(port: int) -> int:
    """The next port from here on that can be listened on, of those that need no privileges; `port` if there is none."""
    others = [*range(max(port + 1, FIRST_PORT), LAST_PORT + 1), *range(FIRST_PORT, port)]
    return next((other for other in others if not port_trouble(other)), port)


def as_account(account: pwd.struct_passwd) -> dict[str, Any]:
    """Options of subprocess that run a command with the account's rights; for root."""
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"}


def _can_make_environments(python: str, account: pwd.struct_passwd | None = None) -> bool:
    """True if this interpreter runs (for the account), is new enough, and can make virtual environments."""
    check = "import sys, venv, ensurepip, ssl, sqlite3; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
    try:
        rights = as_account(account) if account else {"cwd": "/"}
        return subprocess.run([python, "-c", check], capture_output=True, **rights).returncode == 0
    except OSError:
        return False


def find_python(account: pwd.struct_passwd | None = None) -> str:
    """Python interpreter to build everything with; not one below /root, which the account cannot use."""
    candidates = [sys.executable, *(shutil.which(f"python3.{minor}", path=PATH) or "" for minor in (13, 12, 11))]
    for candidate in [*candidates, "/usr/bin/python3"]:
        # The interpreter that a virtual environment or a shim leads to; our own environment cannot build itself anew.
        python = os.path.realpath(candidate) if candidate else ""
        if python and _can_make_environments(python, account):
            return python
    raise RequirementError(
        "No Python 3.11 to 3.13 with venv was found. On Debian: apt-get install python3 python3-venv"
    )


def ensure_account() -> pwd.struct_passwd:
    """Make the account that runs everything when root starts it: nothing of a Lab may have the host's uid 0."""
    if found := account():
        return found
    say(f"Creating the account “{ACCOUNT}”")
    home = f"/var/lib/{ACCOUNT}"
    run_quietly(["useradd", "--system", "--create-home", "--home-dir", home, "--shell", "/bin/bash", ACCOUNT])
    return pwd.getpwnam(ACCOUNT)


def account() -> pwd.struct_passwd | None:
    """The account that runs everything, if it has been made."""
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        return None


def ensure_tun() -> None:
    """Let every account open /dev/net/tun, as udev does; a machine without udev leaves it to root alone.

    What one can do with it the kernel decides by CAP_NET_ADMIN, not by this.
    """
    with contextlib.suppress(OSError):  # check_isolation says what is missing then
        Path("/dev/net/tun").chmod(0o666)


def become(account: pwd.struct_passwd) -> None:
    """Drop root's privileges for good."""
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    kept = {name: value for name, value in os.environ.items() if name not in ("XDG_RUNTIME_DIR", "MAIL", "PYTHONPATH")}
    os.environ.clear()
    os.environ.update(kept, HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)


def check_isolation(*, network: bool = True) -> None:
    """Try the kernel features that the Lab needs; RequirementError names what is missing. Not for root.

    `network`: Labs have one (LAB_NETWORK).
    """
    for missing in missing_isolation(network=network):
        raise RequirementError(f"This machine cannot run the Lab: {missing}")


def missing_isolation(*, network: bool = True, account: pwd.struct_passwd | None = None) -> Iterator[str]:
    """What the kernel or its settings lack for the Lab, each with what helps; `account`: with its rights, for root."""
    rights = as_account(account) if account else {"cwd": "/"}
    for what, command, help_ in [*_TRIALS, *(_NETWORK_TRIALS if network else [])]:
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, **rights)
        if done.returncode:
            yield f"{what}.\n  {done.stderr.strip()}\n{help_}"


_TRIALS = [
    (
        "no unprivileged user namespaces",
        "unshare --user --map-root-user --mount true",
        "Check /proc/sys/user/max_user_namespaces (must not be 0), /proc/sys/kernel/unprivileged_userns_clone (1) and"
        " /proc/sys/kernel/apparmor_restrict_unprivileged_userns (0);"
        " in a container, its seccomp and AppArmor profile.",
    ),
    (
        "no overlay file system in a user namespace",
        "d=$(mktemp -d) && cd $d && mkdir l u w m && unshare --user --map-root-user --mount"
        " mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w,userxattr m; s=$?; rm -rf $d; exit $s",
        "Linux 5.11 or newer is needed, and a file system below the temporary directory that can hold an upper layer.",
    ),
    (
        "bubblewrap cannot build a sandbox",
        "bwrap --unshare-user --disable-userns --unshare-pid --unshare-net --ro-bind / / --proc /proc --dev /dev true",
        "In a container, /proc must not be masked (for Docker: --security-opt systempaths=unconfined).",
    ),
    (
        "no filter of system calls",
        "test -e /proc/sys/kernel/seccomp/actions_avail",
        "A kernel with CONFIG_SECCOMP_FILTER is needed; Debian's and Ubuntu's have it.",
    ),
]

_NETWORK_TRIALS = [
    ("no /dev/net/tun", "test -e /dev/net/tun", "slirp4netns needs it; or set LAB_NETWORK=none."),
    (
        "this account cannot use /dev/net/tun",
        "test -w /dev/net/tun",
        "slirp4netns needs it: chmod 0666 /dev/net/tun, as root; or set LAB_NETWORK=none.",
    ),
    (
        "no packet filter in a network namespace",
        "unshare --user --map-root-user --net nft 'add table inet trial; add chain inet trial output"
        " { type filter hook output priority filter; }; add rule inet trial output reject with icmpx admin-prohibited'",
        "It keeps Labs from this machine's own services. The kernel needs nf_tables (CONFIG_NF_TABLES_INET,"
        " CONFIG_NFT_REJECT_INET); or set LAB_NETWORK=none.",
    ),
]
