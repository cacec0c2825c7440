"""git without anybody's configuration, programs or passwords, and what it complains about in a sentence."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .addresses import PullRefusedError

CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.autocrlf": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "credential.helper": "",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "diff.ignoreSubmodules": "all",
    "merge.directoryRenames": "false",
    "http.followRedirects": "false",
    "http.proxy": "",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "safe.directory": "*",
}


class Git:
    """git, without anybody's configuration, programs or passwords."""

    def __init__(self, pin: str, tell: Callable[[dict[str, Any]], None]) -> None:
        self.config = CONFIG | {"http.curloptResolve": pin}
        self.tell = tell
        self.directory: Path | None = None

    def __call__(self, *words: str, given: bytes = b"", fine: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess:
        """Run a command; PullRefusedError with what git said unless its status is `fine`."""
        done = subprocess.run(self._command(words), input=given, capture_output=True, env=_environment(), check=False)
        if done.returncode not in fine:
            raise PullRefusedError(plainly(done.stderr.decode(errors="replace")))
        return done

    def slowly(self, *words: str) -> None:
        """Run a command that tells how far it is."""
        process = subprocess.Popen(
            self._command(words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=_environment(),
        )  # fmt: skip
        assert process.stderr
        said, last = b"", ""
        while data := os.read(process.stderr.fileno(), 4096):
            said = (said + data)[-4096:]
            line = re.split(rb"[\r\n]", said.rstrip())[-1].decode(errors="replace").strip()
            if line != last and re.match(r"(Receiving|Resolving|Updating)", line):
                last = line
                self.tell({"progress": line[:200]})
        if process.wait():
            raise PullRefusedError(plainly(said.decode(errors="replace")))

    def text(self, *words: str, fine: tuple[int, ...] = (0,)) -> str:
        """The one line that a command prints."""
        return self(*words, fine=fine).stdout.decode(errors="replace").strip()

    def paths(self, *words: str) -> list[str]:
        """The paths that a command prints with -z."""
        return [os.fsdecode(path) for path in self(*words).stdout.split(b"\0") if path]

    def _command(self, words: tuple[str, ...]) -> list[str]:
        command = ["git"]
        if self.directory:
            command += [f"--git-dir={self.directory}/.git", f"--work-tree={self.directory}", "-C", str(self.directory)]
        for name, value in self.config.items():
            command += ["-c", f"{name}={value}"]
        return [*command, *words]


def _environment() -> dict[str, str]:
    who = {key: value for key, value in os.environ.items() if re.match(r"GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL)$", key)}
    nobody = {f"GIT_{role}_{key}": "lab" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    return {
        **nobody,
        **who,
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ALLOW_PROTOCOL": "http:https",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_LITERAL_PATHSPECS": "1",
    }


def plainly(said: str) -> str:
    """What git complained about, in a sentence where we know one."""
    known = {
        "redirect": "The repository has moved. Follow its address in a browser, and use the one where it ends.",
        "HTTP code = 3": "The repository has moved. Follow its address in a browser, and use the one where it ends.",
        "error: 3": "The repository has moved. Follow its address in a browser, and use the one where it ends.",
        "couldn't find remote ref": "The repository has no branch, tag or commit of this name.",
        "not found": "There is no public repository at this address.",
        "could not read Username": "There is no public repository at this address.",
        "Authentication failed": "There is no public repository at this address.",
        "unrelated histories": "The repository was restarted after this folder was created. Choose another folder.",
        "would be overwritten": "New files would replace files of yours. Rename yours, then follow the link again.",
        "Failed to connect": "The repository's server is not responding.",
        "timed out": "The repository's server is not responding.",
        "No space left": "There is no space left.",
        "Read-only file system": "This library cannot be written to.",
    }  # fmt: skip
    for sign, sentence in known.items():
        if sign in said:
            return sentence
    lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:"))]
    return f"git says: {lines[-1][:300]}" if lines else "git failed and did not say why."


def is_kind(path: Path, kind: Callable[[int], bool]) -> bool:
    """True if there is something of this kind at the path itself; links are not followed."""
    try:
        return kind(path.lstat().st_mode)
    except OSError:
        return False
