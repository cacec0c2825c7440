"""Encrypted copies of the backup directory in a restic repository: another disk, another machine, an object store.

restic reads and writes the backup directory alone, in which every file is ours. That it does not read the Drive itself
has reasons: docs/explanation/backup-store.md. After each backup there is one snapshot, tagged with the backup's name.

The repository's location and password go to restic by environment and file: others on the machine can see the words of
a command.
"""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from .backup_store import UNFINISHED, BackupError, BackupStore, sync
from .create import write_secret
from .retention import Retention

PROGRAM = "restic"
HOST = "collaboratory"
"""Host of all snapshots: retention does not depend on which machine the site is on."""
PASSWORD_FILE = "backup-password"  # noqa: S105
_PASSWORD_VARIABLES = ("RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD", "RESTIC_PASSWORD_COMMAND")
_WRONG_PASSWORD = re.compile(r"wrong password|no key found")
_CREDENTIALS = re.compile(r"//[^/@\s]*@")
INCLUDES = 500
"""Paths per call of `restic restore`."""
SAID = 10
"""Lines of an error message that are shown: on a full disk, restic 0.14 ends with a stack trace."""


class ResticError(BackupError):
    """restic failed; the text is what it said."""


class ResticRepository:
    """A restic repository that holds copies of one site's backup directory."""

    def __init__(self, location: str, password_file: Path | None = None) -> None:
        """`location` as in RESTIC_REPOSITORY; `password_file` goes before what else names the password."""
        self.location = location
        given = password_file is not None or any(os.environ.get(name) for name in _PASSWORD_VARIABLES)
        self.own_password = None if given else Path(settings.VAR_DIR) / PASSWORD_FILE
        self.password_file = password_file or self.own_password

    def __str__(self) -> str:
        return without_credentials(self.location)

    # Making one

    def prepare(self) -> bool:
        """Open the repository, or make it where there is none; returns whether a password was made for it."""
        if self._has_password() and self._opens():
            return False
        made = not self._has_password()
        if made:
            self._make_password()
        try:
            self.run("init")
        except ResticError as error:
            if made and self.own_password:
                self.own_password.unlink()
            raise self._explained(error, made) from error
        return made

    def _has_password(self) -> bool:
        return self.own_password is None or self.own_password.exists()

    def _opens(self) -> bool:
        """Whether it is there and answers. BackupError where the password is another one."""
        try:
            self.run("cat", "config")
        except ResticError:
            return False
        return True

    def _make_password(self) -> None:
        assert self.own_password
        write_secret(self.own_password, f"{secrets.token_urlsafe(32)}\n".encode())
        sync(self.own_password.parent)

    def _explained(self, error: ResticError, made: bool) -> BackupError:
        if made and "already" in str(error):
            return BackupError(
                f"The repository {self} exists, but {self.own_password}, which holds its password, is missing."
                " Put it back, or name another file with --password-file."
            )
        return error

    # Copying to it

    def copy(self, store: BackupStore, name: str) -> int:
        """Copy the backup directory, after the backup of this name; returns how many bytes the repository grew by."""
        excluded = ["--exclude", "lock", "--exclude", f"{UNFINISHED}*"]
        said = self.run("backup", ".", "--json", "--host", HOST, "--tag", name, *excluded, cwd=store.path)
        return int(json.loads(said.splitlines()[-1])["data_added"])

    def apply(self, retention: Retention) -> None:
        """Remove the snapshots that the policy does not keep, and prune the data that no other one needs."""
        options = ["--host", HOST, "--group-by", "host", *retention.restic_options()]
        self.run("unlock")  # locks of processes that were killed, which would be in the way; never one in use
        self.run("forget", "--prune", "--quiet", *options)

    def check(self, *, read_data: bool) -> None:
        """Check the repository's structure; with `read_data`, also read every byte of it. ResticError if damaged."""
        self.run("check", *(["--read-data"] if read_data else []))

    def snapshots(self) -> list[dict[str, Any]]:
        """Snapshots, oldest first, as restic's JSON has them: `short_id`, `time`, `tags` (the backup's name), …"""
        found: list[dict[str, Any]] = json.loads(self.run("snapshots", "--host", HOST, "--json")) or []
        return sorted(found, key=lambda snapshot: str(snapshot["time"]))

    # Fetching from it

    def snapshot_of(self, name: str | None) -> str:
        """The id of the snapshot of the backup of this name, or of the latest. BackupError when there is none."""
        found = self.snapshots()
        if not found:
            raise BackupError(f"There is no snapshot in the repository {self}.")
        tagged = [snapshot for snapshot in found if name in (snapshot.get("tags") or [])]
        return str((tagged or found)[-1]["short_id"])

    def fetch(self, snapshot: str, target: Path) -> None:
        """Fetch all of a snapshot: the backup directory as it was."""
        self._restore(snapshot, target)

    def fetch_backup(self, snapshot: str, target: Path, name: str | None) -> None:
        """Fetch one backup of a snapshot, or its last one, without contents."""
        self._restore(snapshot, target, [f"/{BackupStore.MARK}", f"/{name or self._last_backup(snapshot)}"])

    def fetch_contents(self, snapshot: str, target: Path, contents: Sequence[str]) -> None:
        """Fetch contents, by their SHA-256."""
        for start in range(0, len(contents), INCLUDES):
            batch = contents[start : start + INCLUDES]
            self._restore(snapshot, target, [f"/objects/{sha256[:2]}/{sha256}" for sha256 in batch])

    def _last_backup(self, snapshot: str) -> str:
        nodes = [json.loads(line) for line in self.run("ls", "--json", snapshot, "/").splitlines()]
        return max(node["name"] for node in nodes if BackupStore.NAME.fullmatch(node.get("name", "")))

    def _restore(self, snapshot: str, target: Path, only: Iterable[str] = ()) -> None:
        self.run("restore", snapshot, "--target", str(target), *(f"--include={path}" for path in only))

    # restic

    def run(self, *words: str, cwd: Path | None = None) -> str:
        """Output of `restic <words>`. ResticError where it fails, or could read only a part."""
        if not self._has_password():
            raise BackupError(
                f"{self.own_password} is missing, which holds the password of the repository {self}."
                " Put it back, or name another file with --password-file."
            )
        options: dict[str, Any] = {"env": self.environment(), "cwd": cwd, "stdin": subprocess.DEVNULL}
        try:
            done = subprocess.run(
                [PROGRAM, *words], capture_output=True, text=True, errors="backslashreplace", check=False, **options
            )
        except FileNotFoundError as error:
            raise BackupError(f"{PROGRAM} is missing. On Debian: apt-get install restic") from error
        if done.returncode:
            if _WRONG_PASSWORD.search(done.stderr):
                raise BackupError(f"The password is not that of the repository {self}.")
            said = (done.stderr or done.stdout).strip().splitlines()[:SAID]
            raise ResticError(without_credentials(f"restic {words[0]}: " + "\n".join(said)))
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Environment variables for restic: repository, password, cache."""
        environment = {"RESTIC_CACHE_DIR": str(Path(settings.VAR_DIR) / "restic-cache"), **os.environ}
        environment["RESTIC_REPOSITORY"] = self.location
        if self.password_file:
            for name in _PASSWORD_VARIABLES:
                environment.pop(name, None)
            environment["RESTIC_PASSWORD_FILE"] = str(self.password_file)
        return environment


def without_credentials(text: str) -> str:
    """The text without names and passwords in addresses."""
    return _CREDENTIALS.sub("//", text)
