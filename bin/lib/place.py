"""Where the code runs and where its state is: a checkout, its `var`, its virtual environments, its settings."""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from pathlib import Path

import machine
import nginx

SOCKET_PATH_BYTES = 60
"""RUN_DIR may be this long: what is below it adds up to 42 bytes, and a socket's address holds 107 (unix(7))."""
NOT_MIRRORED = shutil.ignore_patterns("var", ".git", "__pycache__", ".venv", ".*_cache", ".hypothesis")


class Place:
    """A checkout and everything that belongs to it."""

    def __init__(self, code: Path) -> None:
        self.code = code
        self.var = Path(os.environ.get("COLLABORATORY_VAR") or code / "var")
        self.venv = self.var / "venv"

    # As root

    def for_account(self, account: pwd.struct_passwd) -> "Place":
        """This place, made usable for the account; or a copy of the code, where the account cannot read this one."""
        readable = ["test", "-r", str(self.code / "manage.py"), "-a", "-x", str(self.code)]
        if subprocess.run(readable, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/").returncode:
            return self._mirrored(account)
        self.var.mkdir(parents=True, exist_ok=True)
        if self.var.stat().st_uid != account.pw_uid:
            _chown(self.var, account)
        return self

    def _mirrored(self, account: pwd.struct_passwd) -> "Place":
        label = f"{self.code.name}-{hashlib.sha256(str(self.code).encode()).hexdigest()[:8]}"
        base = Path(account.pw_dir) / label
        machine.say(f"The account cannot read {self.code}; working on a copy in {base}")
        base.mkdir(exist_ok=True)
        fresh, code = base / "code.new", base / "code"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(self.code, fresh, ignore=NOT_MIRRORED, symlinks=True)
        shutil.rmtree(code, ignore_errors=True)
        fresh.rename(code)
        os.environ.setdefault("COLLABORATORY_VAR", str(base / "var"))
        copy = Place(code)
        copy.var.mkdir(exist_ok=True)
        for path in (base, code, copy.var):
            if path.stat().st_uid != account.pw_uid:
                _chown(path, account)
        return copy

    # As the account

    @property
    def run(self) -> Path:
        """The directory for sockets: `var/run`, or a short one elsewhere for a deep checkout."""
        inside = self.var / "run"
        if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self.var)).hexdigest()[:10]
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
        return base / f"collaboratory-{os.getuid()}-{digest}"

    def make_directories(self) -> None:
        """Everything below `var`, for us alone."""
        self.var.mkdir(parents=True, exist_ok=True)
        if self.var.stat().st_uid != os.getuid():
            raise machine.Missing(f"{self.var} belongs to another account; remove it, or start as that account.")
        self.var.chmod(0o700)
        for name in ("redis", "log", "nginx/body", "drive/staging/nginx", "lab", "static"):
            (self.var / name).mkdir(parents=True, exist_ok=True)
        self.run.mkdir(parents=True, exist_ok=True)
        # In /tmp somebody else could have made the directory first.
        if self.run.is_symlink() or self.run.stat().st_uid != os.getuid():
            raise machine.Missing(f"{self.run} belongs to another account.")
        self.run.chmod(0o700)

    def make_environments(self, python: str, *, dev: bool = False) -> None:
        """The portal's virtual environment and the Lab's base environment, as pinned."""
        requirements = self.code / ("requirements-dev.txt" if dev else "requirements.txt")
        accepted = [requirements] if dev else [requirements, self.code / "requirements-dev.txt"]
        _environment(self.venv, python, requirements, "the portal's packages", accepted)
        base = self.var / "lab/environments/base"
        packages = self.code / "lab/environments/base.txt"
        _environment(base, python, packages, "the Lab's base environment (JupyterLab, NumPy, …)", [packages])

    def settings(self, port: int) -> dict[str, str]:
        """The variables of every process: ours, then `var/settings.env`, then what is set already."""
        environment = {
            "COLLABORATORY_VAR": str(self.var),
            "COLLABORATORY_RUN": str(self.run),
            "DRIVE_ROOT": str(self.var / "drive"),
            "LAB_ROOT": str(self.var / "lab"),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
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

    def make_secret(self) -> None:
        """The secret key of this machine."""
        path = self.var / "secret-key"
        if not path.exists():
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(50))

    def prepare(self, environment: dict[str, str]) -> None:
        """Database, static files, first data, the proxy's configuration."""
        machine.say("Preparing the database and the static files")
        manage = [str(self.venv / "bin/python"), "manage.py"]
        for command in (["migrate", "--verbosity=0"], ["collectstatic", "--noinput", "--verbosity=0"]):
            machine.run_quietly([*manage, *command], cwd=self.code, env=environment)
        subprocess.run([*manage, "first_start"], cwd=self.code, env=environment, check=True)
        nginx.write(self.code, self.var, self.run, environment)


def _environment(path: Path, python: str, requirements: Path, what: str, accepted: list[Path]) -> None:
    """A virtual environment with exactly these packages; nothing is done when its stamp says so already."""
    stamp = path / ".requirements"
    if stamp.exists() and stamp.read_text() in {_digest(file, python) for file in accepted}:
        return
    machine.say(f"Installing {what}")
    shutil.rmtree(path, ignore_errors=True)
    machine.run_quietly([python, "-m", "venv", str(path)])
    # uv installs in seconds what takes pip a minute; it is not needed afterwards.
    machine.run_quietly([f"{path}/bin/python", "-m", "pip", "install", "--quiet", "uv"])
    install = [f"{path}/bin/uv", "pip", "install", "--quiet", "--compile-bytecode", "--link-mode=copy"]
    machine.run_quietly([*install, "--python", f"{path}/bin/python", "-r", str(requirements)])
    machine.run_quietly([f"{path}/bin/python", "-m", "pip", "uninstall", "--quiet", "-y", "uv"])
    stamp.write_text(_digest(requirements, python))


def _digest(requirements: Path, python: str) -> str:
    return hashlib.sha256(requirements.read_bytes() + python.encode()).hexdigest()


def _chown(path: Path, account: pwd.struct_passwd) -> None:
    machine.run_quietly(["chown", "-R", f"{account.pw_uid}:{account.pw_gid}", str(path)])
