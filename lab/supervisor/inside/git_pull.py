"""Bring a folder up to date with a git repository, and lose nothing that a person wrote in it.

A program of its own, run in the person's sandbox: `{"repo", "branch", "directory", "allow"}` as JSON on standard input;
on standard output a JSON object per line, `{"progress": "…"}` and at last `{"done": {…}}` or `{"failed": "…"}`.

The link that asks for this may come from anybody, and others may have written into the library. So the address must be
a public one, and is asked at the very addresses that were looked at; redirects are not followed; nothing but http and
https is spoken; and of the folder's own git configuration, which can name programs to run, only what is harmless is
accepted. Standard library only.
"""

import contextlib
import ipaddress
import json
import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

NAMED = 50
"""So many paths of each kind are reported."""
NAMES_TRIED = 100
OLDEST = (2, 37)
"""The first git that knows http.curloptResolve."""
LEFT_OVER_SECONDS = 3600
"""A clone that was begun so long ago and has not got its name was cut off."""
PORTS = {"http": 80, "https": 443}
HARMLESS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks)"
    r"|remote\.origin\.(url|fetch|tagopt)|branch\..+\.(remote|merge)|user\.(name|email)|extensions\.objectformat"
)
"""Settings of a repository that name no program, no other file and no other address."""
UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "index.lock")
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
    "merge.directoryRenames": "false",
    "http.followRedirects": "false",
    "http.proxy": "",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "safe.directory": "*",
}


class PullRefusedError(Exception):
    """The pull was refused, and nothing was changed. The text is for the person."""


def is_public(address: str) -> bool:
    """True for an address of the public internet, whatever it is wrapped in."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64 (RFC 6052)
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if wrapped:
            return is_public(str(wrapped))
    return ip.is_global and not ip.is_multicast


def where_to_ask(repo: str, allow: list[str]) -> str:
    """`host:port:address` for curl, which then looks the name up no second time. `allow`: hosts that may be private."""
    parts = urlsplit(repo)
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc:
        raise PullRefusedError("A repository's address must begin with https:// or http:// and contain no user name.")
    port = parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise PullRefusedError(
            f"{parts.hostname} was not found, or this Lab has no network: {error.strerror}."
        ) from error
    addresses = [str(sockaddr[0]) for *_, sockaddr in sorted(found, key=lambda info: info[0] != socket.AF_INET)]
    if parts.hostname not in allow and not all(is_public(address) for address in addresses):
        raise PullRefusedError(f"{parts.hostname} is in a private network. Only public addresses are allowed.")
    first = addresses[0].partition("%")[0]
    return f"{parts.hostname}:{port}:{f'[{first}]' if ':' in first else first}"


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
            raise PullRefusedError(_plainly(done.stderr.decode(errors="replace")))
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
            raise PullRefusedError(_plainly(said.decode(errors="replace")))

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


def _plainly(said: str) -> str:
    """What git complained about, in a sentence where we know one."""
    known = {
        "redirect": "The repository has moved. Follow its address in a browser, and use the one where it ends.",
        "HTTP code = 3": "The repository has moved. Follow its address in a browser, and use the one where it ends.",
        "error: 3": "The repository has moved. Follow its address in a browser, and use the one where it ends.",
        "Remote branch": "The repository has no branch of this name.",
        "couldn't find remote ref": "The repository has no branch of this name.",
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


def pull(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Clone, or bring up to date; returns what happened."""
    repo, branch, directory = request["repo"], request["branch"], Path(request["directory"])
    _check_git()
    git = Git(where_to_ask(repo, request["allow"]), tell)
    _check_way(directory.parent)
    if not os.path.lexists(directory):
        return _clone(git, repo, branch, directory)
    _check_repository(git, repo, directory)
    git.directory = directory
    return _update(git, repo, branch)


def _check_git() -> None:
    if shutil.which("git") is None:
        raise PullRefusedError("git is not installed in this Lab. Ask an operator of this site to install it.")
    said = subprocess.run(["git", "version"], capture_output=True, text=True, check=False).stdout
    version = tuple(map(int, re.findall(r"\d+", said)[:2]))
    if version < OLDEST:
        raise PullRefusedError("The version of git in this Lab is too old to fetch safely.")


def _check_way(folder: Path) -> None:
    if folder.resolve() != folder or not folder.is_dir():
        raise PullRefusedError("The folder to fetch into does not exist, or is reached through a link.")


def _clone(git: Git, repo: str, branch: str, directory: Path) -> dict[str, Any]:
    """Into a folder that gets its name when it is complete."""
    _sweep(directory)
    made = directory.with_name(f"{_unnamed(directory)}{secrets.token_hex(4)}")
    words = ["clone", "--progress", "--no-tags", "--single-branch", "--origin=origin", "--template="]
    try:
        git.slowly(*words, *([f"--branch={branch}"] if branch else []), "--", repo, str(made))
        made.rename(directory)  # onto something that has come meanwhile: an error, unless it is an empty folder
    except OSError as error:
        raise PullRefusedError("The name is already taken, or the folder cannot be written to.") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    git.directory = directory
    return {"what": "cloned", "commit": git.text("rev-parse", "--short", "HEAD", fine=(0, 128))[:40]}


def _unnamed(directory: Path) -> str:
    return f".{directory.name}.git-pull-"


def _sweep(directory: Path) -> None:
    """Remove what earlier clones left here that ended with their server."""
    for left in directory.parent.iterdir():
        is_ours = re.fullmatch(re.escape(_unnamed(directory)) + "[0-9a-f]{8}", left.name) and _is(left, stat.S_ISDIR)
        if is_ours and time.time() - left.lstat().st_mtime > LEFT_OVER_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _check_repository(git: Git, repo: str, directory: Path) -> None:
    """PullRefusedError unless the folder is a clone of this very repository in which git runs nobody's programs."""
    inside = directory / ".git"
    if directory.is_symlink() or not directory.is_dir() or not _is(inside, stat.S_ISDIR):
        raise PullRefusedError(
            "The name is already taken by something that is not a clone of the repository. Choose another folder."
        )
    strange = [name for name in ("commondir", "config.worktree") if os.path.lexists(inside / name)]
    if strange or not _is(inside / "config", stat.S_ISREG):
        raise PullRefusedError(
            "The folder's git repository is set up in a special way. Update it in a terminal in the Lab."
        )
    listed = git("config", "--no-includes", "--file", str(inside / "config"), "--list", "-z").stdout
    config = dict(line.partition("\n")[::2] for line in listed.decode(errors="replace").split("\0") if line)
    special = [key for key in config if not HARMLESS.fullmatch(key)]
    if special:
        raise PullRefusedError(
            f"The folder's git repository has settings of its own ({special[0]}). Update it in a terminal in the Lab."
        )
    if _bare(config.get("remote.origin.url", "")) != _bare(repo):
        raise PullRefusedError("The folder is a clone of another repository. Choose another folder.")
    if any(os.path.lexists(inside / name) for name in UNDER_WAY):
        raise PullRefusedError("An operation such as a merge is in progress in this folder. Finish it first.")


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.lstat().st_mode)
    except OSError:
        return False


def _bare(repo: str) -> str:
    return repo.rstrip("/").removesuffix(".git")


def _update(git: Git, repo: str, branch: str) -> dict[str, Any]:
    head = git.text("symbolic-ref", "--short", "-q", "HEAD", fine=(0, 1))
    branch = branch or head
    if not head or head != branch:
        raise PullRefusedError(
            f"The folder is at “{head or 'no branch'}”, and the link asks for “{branch}”. Choose another folder."
        )
    upstream = f"refs/remotes/origin/{branch}"
    git.slowly("fetch", "--progress", "--no-tags", "--", repo, f"+refs/heads/{branch}:{upstream}")
    report: dict[str, Any] = {"what": "same", "commit": git.text("rev-parse", "--short", upstream)}
    returned = _bring_back(git, "HEAD")
    report["committed"] = _commit_own(git, upstream)
    if git("merge-base", "--is-ancestor", upstream, "HEAD", fine=(0, 1)).returncode:
        report["what"] = "updated"
        if git("merge-base", "--is-ancestor", "HEAD", upstream, fine=(0, 1)).returncode == 0:
            git("merge", "-q", "--ff-only", upstream)
        else:
            report["kept"] = _merge(git, upstream)
    returned |= _bring_back(git, upstream)
    report["returned"] = sorted(returned)[:NAMED]
    return report


def _bring_back(git: Git, commit: str) -> set[str]:
    """Files of a commit that were deleted here; those whose place is taken by something else stay away."""
    assert git.directory
    names = git.paths("ls-tree", "-r", "-z", "--name-only", commit)
    gone = [name for name in names if not os.path.lexists(git.directory / name) and _has_room(git.directory, name)]
    if gone:
        git(
            "checkout",
            "-q",
            commit,
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
            given=b"\0".join(map(os.fsencode, gone)),
        )
    return {name for name in gone if os.path.lexists(git.directory / name)}


def _has_room(directory: Path, name: str) -> bool:
    for parent in PurePosixPath(name).parents:
        place = directory / parent
        if os.path.lexists(place) and not _is(place, stat.S_ISDIR):
            return False
    return True


def _commit_own(git: Git, upstream: str) -> bool:
    """What was changed here becomes a commit, with files that stand where the repository has new ones."""
    git("add", "-u")
    new = set(git.paths("ls-tree", "-r", "-z", "--name-only", upstream))
    in_the_way = [name for name in git.paths("ls-files", "-z", "--others") if name in new]
    if in_the_way:
        git(
            "add", "-f", "--pathspec-from-file=-", "--pathspec-file-nul", given=b"\0".join(map(os.fsencode, in_the_way))
        )
    if git("diff", "--cached", "--quiet", fine=(0, 1)).returncode == 0:
        return False
    git("commit", "-q", "--no-verify", "-m", "Changes made in the Lab")
    return True


def _merge(git: Git, upstream: str) -> list[dict[str, str]]:
    """Merge; where both have changed the same lines the whole text here stays. Returns what was kept so."""
    base = git.text("merge-base", "HEAD", upstream, fine=(0, 1))
    try:
        merged = git("merge", "-q", "--no-commit", "--no-ff", "-s", "ort", "-X", "no-renames", upstream, fine=(0, 1))
        unmerged = _unmerged(git)
        if merged.returncode and not unmerged:
            raise PullRefusedError(_plainly((merged.stderr + merged.stdout).decode(errors="replace")))
        kept = [_keep(git, path, stages, upstream) for path, stages in unmerged.items()]
        kept += [_keep_notebook(git, path, upstream) for path in _broken(git, base, upstream)]
        git("commit", "-q", "--no-verify", "-m", "Merge what is new in the repository")
    except BaseException:
        with contextlib.suppress(PullRefusedError):
            git("merge", "--abort")
        raise
    return kept[:NAMED]


def _unmerged(git: Git) -> dict[str, dict[str, tuple[str, str]]]:
    """Paths in conflict, with mode and object of each stage: 1 before, 2 here, 3 in the repository."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for line in git.paths("ls-files", "-u", "-z"):
        about, _, path = line.partition("\t")
        mode, blob, stage = about.split()
        found.setdefault(path, {})[stage] = (mode, blob)
    return found


def _keep(git: Git, path: str, stages: dict[str, tuple[str, str]], upstream: str) -> dict[str, str]:
    beside = ""
    if "2" not in stages:
        git("checkout", "-q", "--theirs", "--", path)
    else:
        git("checkout", "-q", "--ours", "--", path)
        if stages.get("3", ("", ""))[0].startswith("100"):
            beside = _put_beside(git, path, stages["3"][1], upstream)
    git("add", "-f", "--", path)
    return {"path": path, "beside": beside}


def _broken(git: Git, base: str, upstream: str) -> list[str]:
    """Notebooks that both have changed, in different lines, and that are no notebooks any more when put together."""
    if not base:
        return []
    ours, theirs = (
        set(git.paths("diff", "--name-only", "-z", "--no-renames", base, end)) for end in ("HEAD", upstream)
    )
    assert git.directory
    return [path for path in sorted(ours & theirs) if path.endswith(".ipynb") and not _is_json(git.directory / path)]


def _is_json(path: Path) -> bool:
    if not _is(path, stat.S_ISREG):
        return True
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _keep_notebook(git: Git, path: str, upstream: str) -> dict[str, str]:
    git("checkout", "-q", "HEAD", "--", path)
    return {"path": path, "beside": _put_beside(git, path, git.text("rev-parse", f"{upstream}:{path}"), upstream)}


def _put_beside(git: Git, path: str, blob: str, upstream: str) -> str:
    """The repository's text as a file of its own; its path."""
    assert git.directory
    content = git("cat-file", "blob", blob).stdout
    pure, commit = PurePosixPath(path), git.text("rev-parse", "--short", upstream)
    for number in range(1, NAMES_TRIED):
        again = f" {number}" if number > 1 else ""
        name = str(pure.with_name(f"{pure.stem} (upstream {commit}{again}){pure.suffix}"))
        try:
            fd = os.open(git.directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        except FileExistsError:
            continue
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        return name
    raise PullRefusedError("There are too many earlier versions from the repository next to your files.")


def main() -> None:
    """Read, do, tell."""

    def tell(line: dict[str, Any]) -> None:
        print(json.dumps(line), flush=True)

    try:
        tell({"done": pull(json.load(sys.stdin), tell)})
    except PullRefusedError as error:
        tell({"failed": str(error)})
    except OSError as error:
        tell({"failed": f"Fetching failed: {error.strerror}."})


if __name__ == "__main__":
    main()
