"""Installation of the site: a checkout, its `var` directory, its virtual environments, its settings."""

import functools
import hashlib
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import control_groups
import extras
import lab_uids
import machine
import nginx
import offline
import temporary_directories
from extras import Extra

SOCKET_PATH_BYTES = 60
"""RUN_DIR may be this long: what is below it adds up to 42 bytes, and a socket's address holds 107 (unix(7))."""
PLACES = (
    "DRIVE_ROOT",
    "LAB_ROOT",
    "LAB_STATIC_FILES",
    "TLS_CERTIFICATE",
    "TLS_KEY",
    "LAB_TLS_CERTIFICATE",
    "LAB_TLS_KEY",
)
"""Settings that are paths in nginx's configuration."""
UNUSABLE = re.compile(r"[^\w./@+,=~-]")
"""Characters that a path of a site cannot have: in nginx's configuration, PATH or the Procfile they mean something."""
COMPILE = (
    "import compileall, re, sys;"
    "compileall.compile_dir(sys.argv[1], quiet=2, workers=0, rx=re.compile('/site-packages/.*/tests?/'))"
)
"""Makes the bytecode of all modules but packages' own tests: more than a quarter of the Lab's, hardly ever imported."""
NOT_MIRRORED = ["./var", "__pycache__", "node_modules", ".venv", ".*_cache", ".hypothesis"]


def set_up_process(
    programs: dict[str, str],
    *,
    postgres: bool = False,
    history: bool = False,
    serves: bool = False,
    trials: int = 0,
    source: Path | None = None,
) -> tuple["Installation", str]:
    """Set up packages, account and directories for a command of bin/; returns the installation and its interpreter.

    Started by root, the command begins anew as the account, with code and an interpreter that the account can read;
    `history`: a copy of the code brings the repository along, from which a test takes an earlier version. `serves`:
    Labs will run; `trials`: in so many temporary sites. `source`: a directory of `bin/up --download`, which all
    packages are taken from.
    """
    installation = Installation(Path(__file__).resolve().parents[2])
    installation.check_paths()
    if source:
        _check_path(source)
        offline.check(source)
    machine.ensure_packages(programs, postgres=postgres, source=source)
    if machine.is_root():
        account = machine.ensure_account()
        if source:
            offline.check_readable(source, account)
        machine.ensure_tun()
        python = machine.find_python(account)
        installation = installation.for_account(account, history=history)
        # A copy's state is elsewhere.
        control_groups.give(account, control_groups.name_of(Installation(installation.code).var))
        temporary_directories.make(account, Installation(installation.code), trials)
        if serves:
            lab_uids.give_site(account, Installation(installation.code))
        if serves or trials:
            lab_uids.lift_limits()
        os.environ["COLLABORATORY_COMMIT"] = Installation(Path(__file__).resolve().parents[2]).commit()
        machine.become(account)
        installation.update_copy()
        os.chdir(installation.code)
        os.execv(python, [python, str(installation.code / "bin" / Path(sys.argv[0]).name), *sys.argv[1:]])
    python = machine.find_python()
    if source:
        offline.check_python(source, python)
    installation.source = source
    os.chdir(installation.code)
    os.umask(0o077)
    installation.make_directories()
    return installation, python


def site_programs() -> dict[str, str]:
    """Programs that this site needs, and the Debian packages that have them."""
    return machine.PACKAGES | (machine.DIRECTORY_PACKAGES if is_set("LDAP_URL") else {})


def wanted_extras() -> list[Extra]:
    """What the settings ask for."""
    return [extra for extra in extras.ALL if is_set(extra.setting)]


def is_set(setting: str) -> bool:
    """True if the site's settings have a value for this."""
    file = Installation(Path(__file__).resolve().parents[2]).as_it_runs().var / "settings.env"
    lines = file.read_text().splitlines() if os.access(file, os.R_OK) else []
    return bool(os.environ.get(setting)) or any(line.strip().startswith(f"{setting}=") for line in lines)


class Installation:
    """A checkout and everything that belongs to it."""

    def __init__(self, code: Path) -> None:
        self.code = code
        self.var = Path(os.environ.get("COLLABORATORY_VAR") or code / "var")
        self.venv = self.var / "venv"
        self.fresh: Path | None = None
        """Newer copy of the code that replaces `code`."""
        self.source: Path | None = None
        """Directory of `bin/up --download` with the packages; None for the network's."""

    def check_paths(self) -> None:
        """Refuse places that the site cannot be in. RequirementError."""
        for path in (self.code, self.var, self.run):
            _check_path(path)

    def is_made(self) -> bool:
        """True if the site's virtual environment is there."""
        return (self.venv / "bin/python").exists()

    # As root

    def as_it_runs(self) -> "Installation":
        """This installation, or the copy that it is run from, made yet or not. Nothing is made to find out."""
        if not machine.is_root() or (account := machine.account()) is None or self.is_readable(account):
            return self
        copy = self.copy_for(account)
        copy.var = Path(os.environ.get("COLLABORATORY_VAR") or copy.code.parent / "var")
        copy.venv = copy.var / "venv"
        return copy

    def is_readable(self, account: pwd.struct_passwd) -> bool:
        """True if the account can read the code."""
        readable = ["test", "-r", str(self.code / "manage.py"), "-a", "-x", str(self.code)]
        return subprocess.run(readable, **machine.as_account(account)).returncode == 0

    def for_account(self, account: pwd.struct_passwd, *, history: bool = False) -> "Installation":
        """This installation, made usable for the account; or a copy of the code if the account cannot read it."""
        if not self.is_readable(account):
            return self._mirrored(account, history)
        self._make_var()
        if self.var.stat().st_uid != account.pw_uid:
            _chown(self.var, account)
        return self

    def copy_for(self, account: pwd.struct_passwd) -> "Installation":
        """Where a copy for an account that cannot read the code is, or will be."""
        label = f"{self.code.name}-{hashlib.sha256(str(self.code).encode()).hexdigest()[:8]}"
        return Installation(Path(account.pw_dir) / label / "code")

    def _mirrored(self, account: pwd.struct_passwd, history: bool) -> "Installation":
        """A copy of the code below the account's home. Root only reads; all is written with the account's rights."""
        copy = self.copy_for(account)
        base = copy.code.parent
        machine.say(f"The account cannot read {self.code}; working on a copy in {base}")
        os.environ.setdefault("COLLABORATORY_VAR", str(base / "var"))
        copy.fresh = base / f"code.{os.getpid()}"
        rights = machine.as_account(account)
        machine.run_quietly(["mkdir", "-p", str(copy.fresh), str(copy.code)], **rights)
        excluded = [f"--exclude={name}" for name in [*NOT_MIRRORED, *([] if history else ["./.git"])]]
        with subprocess.Popen(["tar", "-C", self.code, *excluded, "-c", "."], stdout=subprocess.PIPE) as pack:
            machine.run_quietly(["tar", "-x", "-C", str(copy.fresh)], stdin=pack.stdout, **rights)
        return copy

    # As the account

    def update_copy(self) -> None:
        """Make a copied checkout equal to the fresh copy, file by file: processes may be working in it."""
        if self.fresh is None:
            return
        for directory, folders, files in os.walk(self.fresh):
            target = self.code / Path(directory).relative_to(self.fresh)
            target.mkdir(exist_ok=True)
            for name in set(os.listdir(target)) - {*folders, *files, "__pycache__"}:
                _remove(target / name)
            for name in files:
                Path(directory, name).replace(target / name)
        shutil.rmtree(self.fresh)

    @property
    def run(self) -> Path:
        """Directory for sockets: `var/run`, or a short path elsewhere for a deep checkout."""
        inside = self.var / "run"
        if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self.var)).hexdigest()[:10]
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 - make_directories looks whose it is
        return base / f"collaboratory-{os.geteuid()}-{digest}"

    def make_directories(self) -> None:
        """Make the directories below `var`, accessible to the account alone."""
        self._make_var()
        if self.var.stat().st_uid != os.getuid():
            raise machine.RequirementError(
                f"{self.var} belongs to another account. Remove it, or run this as that account."
            )
        self.var.chmod(0o700)
        for name in ("redis", "log", "nginx/body", "drive/staging/nginx", "lab", "rooms", "static"):
            (self.var / name).mkdir(parents=True, exist_ok=True)
        self.run.mkdir(parents=True, exist_ok=True)
        # In /tmp somebody else could have made the directory first.
        if self.run.is_symlink() or self.run.stat().st_uid != os.getuid():
            raise machine.RequirementError(f"{self.run} belongs to another account.")
        self.run.chmod(0o700)

    def _make_var(self) -> None:
        try:
            self.var.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise machine.RequirementError(
                f"{self.var}, for the site's data, cannot be made ({error.strerror}). Name another place, which the"
                f" account that runs the site can write: COLLABORATORY_VAR=/srv/collaboratory {sys.argv[0]}"
            ) from error

    def environments(self) -> list[tuple[str, Path, list[Path]]]:
        """Virtual environments of the site: name, place, requirements that it may match."""
        portal = [self.code / "requirements.txt", self.code / "requirements-dev.txt"]
        return [
            ("the portal's packages", self.venv, portal),
            ("what renders notebooks and PDF", self.var / "preview", [self.code / "drive/preview/environment.txt"]),
            (
                "the Lab's base environment",
                self.var / "lab/environments/base",
                [self.code / "lab/environments/pins/base.txt"],
            ),
            (
                "what shows spreadsheets and science's files",
                self.var / "preview-science",
                [self.code / "drive/preview/science.txt"],
            ),
        ]

    def make_environments(self, python: str, *, dev: bool = False, lab: bool = True, science: bool = True) -> None:
        """Make the virtual environments of the portal and the previews, and the Lab's base environment, as pinned.

        At the same time: each waits for the network and for the disk.
        """
        wanted: list[Callable[[str], None]] = [functools.partial(self._make_portal, dev=dev)]
        wanted += [self._make_preview, self._make_base] if lab else []
        wanted += [self.make_science] if lab and science else []
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda make: make(python), wanted))

    def _make_portal(self, python: str, *, dev: bool) -> None:
        """The tests keep bytecode elsewhere (temporary_site): they have nothing of what is compiled here."""
        requirements = self.code / ("requirements-dev.txt" if dev else "requirements.txt")
        accepted = [requirements] if dev else [requirements, self.code / "requirements-dev.txt"]
        if not environment_is_made(self.venv, accepted, python):
            make_environment(
                self.venv, python, requirements, "the portal's packages", compiled=not dev, source=self.source
            )
        if not dev:
            for extra in wanted_extras():
                self.add_extra(extra, python)

    def add_extra(self, extra: Extra, python: str) -> None:
        """Add packages that a setting asks for to the portal's environment; they are compiled here, or were for us."""
        if self.has_extra(extra, python):
            return
        if self.source:
            offline.check_extra(self.source, extra)
        machine.say(f"Installing {extra.what}")
        pip = [str(self.venv / "bin/python"), "-m", "pip", "install", "--quiet", *_from(self.source)]
        machine.run_quietly([*pip, "-r", str(self.code / extra.requirements)])
        self._stamp_of(extra).write_text(_digest(self.code / extra.requirements, python))

    def has_extra(self, extra: Extra, python: str) -> bool:
        """True if these packages are in the portal's environment, as pinned."""
        stamp = self._stamp_of(extra)
        return stamp.exists() and stamp.read_text() == _digest(self.code / extra.requirements, python)

    def _stamp_of(self, extra: Extra) -> Path:
        return self.venv / f".{Path(extra.requirements).stem}"

    def _make_preview(self, python: str) -> None:
        preview, packages = self.var / "preview", self.code / "drive/preview/environment.txt"
        if not environment_is_made(preview, [packages], python):
            make_environment(preview, python, packages, "what renders notebooks and PDF", source=self.source)

    def _make_base(self, python: str) -> None:
        base = self.var / "lab/environments/base"
        packages = self.code / "lab/environments/pins/base.txt"
        if environment_is_made(base, [packages], python):
            return
        if base.exists() and list((self.run / "lab").glob("*.sock")):
            machine.say(
                "The Lab's base environment has changed. It will be rebuilt at the first start without running Labs"
            )
            return
        what = "the Lab's base environment (JupyterLab, NumPy, …); this takes a minute or two"
        make_environment(base, python, packages, what, source=self.source)

    def make_science(self, python: str, *, beside_site: bool = False) -> None:
        """Make the environment that reads science's files. The site needs it for their previews only."""
        environment, packages = self.var / "preview-science", self.code / "drive/preview/science.txt"
        if not environment_is_made(environment, [packages], python):
            how = ["nice", "setpriv", "--pdeathsig", "TERM"] if beside_site else []
            what = "what shows spreadsheets and science's files"
            what = f"{what}, while the site runs" if beside_site else what
            make_environment(environment, python, packages, what, how=how, source=self.source)

    def make_frontend_tools(self, python: str) -> Path:
        """Make the virtual environment with Node.js that bin/build-frontend needs."""
        tools, packages = self.var / "frontend/tools", self.code / "frontend/requirements.txt"
        if not environment_is_made(tools, [packages], python):
            make_environment(tools, python, packages, "Node.js and what builds with it")
        return tools

    def settings(self, port: int) -> dict[str, str]:
        """Environment variables of every process; `var/settings.env` overrides ours, the process environment both."""
        environment = {
            "COLLABORATORY_VAR": str(self.var),
            "COLLABORATORY_RUN": str(self.run),
            "DRIVE_ROOT": str(self.var / "drive"),
            "LAB_ROOT": str(self.var / "lab"),
            "LAB_CGROUP": control_groups.of_labs(self.var),
            "BACKGROUND_GROUP": control_groups.of_background(control_groups.name_of(self.var)),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "COLLABORATORY_COMMIT": self.commit(),
            "PORT": str(port),
            "PORTAL_URL": f"http://localhost:{port}",
            "LAB_DOMAIN": f"lab.localhost:{port}",
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{self.venv}/bin:{self.code}/bin:{machine.PATH}",
        }
        file = self.var / "settings.env"
        if file.exists():
            lines = [line.strip() for line in file.read_text().splitlines()]
            environment |= dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        kept = {name: value for name, value in os.environ.items() if name not in ("PATH", "VIRTUAL_ENV")}
        return {**environment, **kept}

    def commit(self) -> str:
        """Of the code, in its repository; empty without one.

        Read without git: root would obey a configuration there that another account may have written.
        """
        place = self.code / ".git"
        try:
            if place.is_file():  # a worktree
                place = self.code / place.read_text().removeprefix("gitdir:").strip()
            common = place / "commondir"
            shared = place / common.read_text().strip() if common.exists() else place
            head = (place / "HEAD").read_text().strip()
            name = head.removeprefix("ref:").strip()
            if name != head:
                head = _commit_of(shared, name)
        except (OSError, ValueError):
            return ""
        return head[:7] if re.fullmatch(r"[0-9a-f]{40,64}", head) else ""

    def make_secret(self) -> None:
        """Make the installation's secret key, once."""
        path = self.var / "secret-key"
        if not path.exists():
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(50))

    def prepare(self, environment: dict[str, str]) -> None:
        """Prepare the database, static files, first data and nginx's configuration."""
        for name in PLACES:
            _check_path(environment.get(name, ""))
        machine.say("Preparing the database and the static files")
        first_start = [str(self.venv / "bin/python"), "manage.py", "first_start"]
        if subprocess.run(first_start, cwd=self.code, env=environment).returncode:
            raise machine.RequirementError("See the messages above.")
        nginx.write(self.code, self.var, self.run, environment)


def _commit_of(repository: Path, name: str) -> str:
    """Commit of a branch: in a file of its own, or packed with others."""
    if (repository / name).is_file():
        return (repository / name).read_text().strip()
    packed = (line.split() for line in (repository / "packed-refs").read_text().splitlines())
    return next((words[0] for words in packed if words[1:] == [name]), "")


def _check_path(path: Path | str) -> None:
    if found := UNUSABLE.search(str(path)):
        raise machine.RequirementError(
            f"The path {path} has the character “{found[0]}”, with which the site cannot run. Put it elsewhere:"
            " letters, digits and . / @ + , = ~ - _ are possible."
        )


def chosen_port() -> int:
    """PORT of the process environment, 8000 by default. RequirementError for what is none."""
    return port_number(os.environ.get("PORT", "8000"))


def port_number(text: str) -> int:
    """A port from a setting. RequirementError for what is none."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= machine.LAST_PORT):
        raise machine.RequirementError(f"PORT must be a number from 1 to {machine.LAST_PORT}, not “{text}”.")
    return int(text)


def environment_is_made(path: Path, accepted: list[Path], python: str) -> bool:
    """True if a virtual environment is complete and matches one of these requirements files."""
    stamp = path / ".requirements"
    return stamp.exists() and stamp.read_text() in {_digest(file, python) for file in accepted}


def make_environment(
    path: Path,
    python: str,
    requirements: Path,
    what: str,
    *,
    how: Sequence[str] = (),
    compiled: bool = True,
    source: Path | None = None,
) -> None:
    """Make a virtual environment with exactly these packages. The stamp comes last: without it, it is made again.

    `how`: the command that runs each step. `compiled`: with the bytecode of the modules; otherwise each is compiled
    when it is first imported. `source`: a directory of `bin/up --download`, in place of the network.
    """
    machine.say(f"Installing {what}")
    shutil.rmtree(path, ignore_errors=True)
    machine.run_quietly([*how, python, "-m", "venv", str(path)])
    try:
        _install(path, requirements, how, compiled, source)
    except machine.RequirementError as error:
        raise error if source else machine.RequirementError(f"{error}\n\n{machine.WITHOUT_NETWORK}") from error
    (path / ".requirements").write_text(_digest(requirements, python))


def _install(path: Path, requirements: Path, how: Sequence[str], compiled: bool, source: Path | None) -> None:
    python_inside = f"{path}/bin/python"
    local = _from(source)
    pip = [*how, python_inside, "-m", "pip"]
    # uv installs in seconds what takes pip a minute; it is not needed afterwards. It does not read pip's configuration,
    # which a machine may need.
    machine.run_quietly([*pip, "install", "--quiet", *local, "uv"])
    uv = [*how, f"{path}/bin/uv", "pip", "install", "--quiet", "--link-mode=copy", *local]
    uv += ["--offline"] if source else []
    try:
        machine.run_quietly([*uv, "--python", python_inside, "-r", str(requirements)])
    except machine.RequirementError:
        machine.run_quietly([*pip, "install", "--quiet", *local, "-r", str(requirements)])
    machine.run_quietly([*pip, "uninstall", "--quiet", "-y", "uv"])
    if compiled:
        machine.run_quietly([*how, python_inside, "-c", COMPILE, f"{path}/lib"])


def _from(source: Path | None) -> list[str]:
    """Options of pip that take packages from a directory of `bin/up --download` alone."""
    return ["--no-index", "--find-links", str(source / "wheels")] if source else []


def _digest(requirements: Path, python: str) -> str:
    return hashlib.sha256(requirements.read_bytes() + python.encode()).hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _chown(path: Path, account: pwd.struct_passwd) -> None:
    machine.run_quietly(["chown", "-R", f"{account.pw_uid}:{account.pw_gid}", str(path)])
