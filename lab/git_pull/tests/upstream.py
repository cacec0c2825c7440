"""A repository on a web server."""

import os
import subprocess
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

Pull = Callable[..., dict[str, Any]]
"""Fetch into the folder as a Lab does: the program's last line."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def git(directory: Path, *words: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{key}": "teacher" for who in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
    }
    done = subprocess.run(["git", *words], cwd=directory, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Upstream:
    """A repository on a web server: `put` is a commit and its publication."""

    def __init__(self, root: Path, port: int = 0) -> None:
        self.work, self.url = root / "work", f"http://127.0.0.1:{port}/course.git"
        self.bare = root / "www/course.git"

    def begin(self) -> None:
        """Make the repository, empty."""
        self.work.mkdir()
        git(self.work, "init", "-q", "-b", "main")
        git(self.work, "init", "-q", "--bare", "-b", "main", str(self.bare))

    def put(self, **files: str | None) -> None:
        """Names with `__` for a dot; None deletes."""
        self.put_on("main", **files)

    def put_on(self, branch: str, **files: str | None) -> None:
        """As `put`, on another branch, which is checked out."""
        for name, text in files.items():
            path = self.work / name.replace("__", ".").replace("_in_", "/")
            path.parent.mkdir(exist_ok=True)
            path.unlink() if text is None else path.write_text(text)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "-m", "more")
        self.publish(branch)

    def publish(self, *names: str) -> None:
        git(self.work, "push", "-q", "--force", str(self.bare), *(names or ("main",)))
        git(self.bare, "update-server-info")

    def rename_default(self, name: str) -> None:
        """As GitHub does on demand: the old branch is gone."""
        git(self.work, "branch", "-m", name)
        git(self.bare, "branch", "-m", "main", name)
        git(self.bare, "symbolic-ref", "HEAD", f"refs/heads/{name}")
        git(self.bare, "update-server-info")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".git")
