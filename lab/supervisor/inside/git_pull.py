"""Bring a folder up to date with a git repository, and lose nothing that a person wrote in it.

A program of its own, run in the person's sandbox: `{"repo", "branch", "directory", "allow"}` as JSON on standard input,
where `branch` may be a tag or a commit;
on standard output a JSON object per line, `{"progress": "…"}` and at last `{"done": {…}}` or `{"failed": "…"}`.

The link that asks for this may come from anybody, and others may have written into the library. So the address must be
a public one, and is asked at the very addresses that were looked at; redirects are not followed; nothing but http and
https is spoken; and of the folder's own git configuration, which can name programs to run, only what is harmless is
accepted. Standard library only.
"""

import json
import os
import re
import secrets
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from git_links.addresses import PullRefusedError, where_to_ask  # type: ignore[import-not-found]
from git_links.command import Git, is_kind  # type: ignore[import-not-found]
from git_links.left_out import left_out  # type: ignore[import-not-found]
from git_links.locks import remove_stale_locks  # type: ignore[import-not-found]
from git_links.merging import NAMED, bring_back, commit_own, merge  # type: ignore[import-not-found]
from git_links.wanted import PINNED, Repository, Wanted  # type: ignore[import-not-found]

OLDEST = (2, 37)
"""The first git that knows http.curloptResolve."""
LEFT_OVER_SECONDS = 3600
"""A clone that was begun so long ago and has not got its name was cut off."""
HARMLESS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks)"
    r"|submodule\..+\.(url|active)|submodule\.active"
    r"|remote\.origin\.(url|fetch|tagopt)|branch\..+\.(remote|merge)|user\.(name|email)|extensions\.objectformat"
)
"""Settings of a repository that name no program, no other file and no other address."""
UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


def pull(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Clone, or bring up to date; returns what happened."""
    repo, branch, directory = request["repo"], request["branch"], Path(request["directory"])
    _check_git()
    git = Git(where_to_ask(repo, request["allow"]), tell)
    _make_way(directory.parent)
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


def _make_way(folder: Path) -> None:
    """Make the folders in which the clone is to be, below one that is there, and none of which is a link."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    _check_way(folder)
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        _check_way(made)


def _check_way(folder: Path) -> None:
    if folder.resolve() != folder or not folder.is_dir():
        raise PullRefusedError("The folder to fetch into does not exist, or is reached through a link.")


def _clone(git: Git, repo: str, branch: str, directory: Path) -> dict[str, Any]:
    """Into a folder that gets its name when it is complete."""
    _sweep(directory)
    wanted = Repository(git, repo, branch).find(branch)
    made = directory.with_name(f"{_unnamed(directory)}{secrets.token_hex(4)}")
    try:
        git.slowly(*_words_to_clone(wanted), "--", repo, str(made))
        git.directory = made
        if wanted.kind != "branch":
            wanted = wanted.named_in_full(git, repo)
            git("checkout", "-q", "-B", wanted.local, wanted.fetch(git, repo))
        made.rename(directory)  # onto something that has come meanwhile: an error, unless it is an empty folder
    except OSError as error:
        raise PullRefusedError("The name is already taken, or the folder cannot be written to.") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    git.directory = directory
    commit = git.text("rev-parse", "--short", "HEAD", fine=(0, 128))[:40]
    return {"what": "cloned", "commit": commit, **_renamed(wanted), **(left_out(git) if commit != "HEAD" else {})}


def _words_to_clone(wanted: Wanted) -> list[str]:
    words = ["clone", "--progress", "--no-tags", "--origin=origin", "--template="]
    if wanted.kind == "commit":  # which branch has it is not known before
        return [*words, "--no-checkout"]
    return [*words, "--single-branch", *([f"--branch={wanted.name}"] if wanted.name else [])]


def _renamed(wanted: Wanted) -> dict[str, Any]:
    return {"renamed": {"from": wanted.asked, "to": wanted.name}} if wanted.asked else {}


def _unnamed(directory: Path) -> str:
    return f".{directory.name}.git-pull-"


def _sweep(directory: Path) -> None:
    """Remove what earlier clones left here that ended with their server."""
    for left in directory.parent.iterdir():
        is_ours = re.fullmatch(re.escape(_unnamed(directory)) + "[0-9a-f]{8}", left.name) and is_kind(
            left, stat.S_ISDIR
        )
        if is_ours and time.time() - left.lstat().st_mtime > LEFT_OVER_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _check_repository(git: Git, repo: str, directory: Path) -> None:
    """PullRefusedError unless the folder is a clone of this very repository in which git runs nobody's programs."""
    inside = directory / ".git"
    if directory.is_symlink() or not directory.is_dir() or not is_kind(inside, stat.S_ISDIR):
        raise PullRefusedError(
            "The name is already taken by something that is not a clone of the repository. Choose another folder."
        )
    strange = [name for name in ("commondir", "config.worktree") if os.path.lexists(inside / name)]
    if strange or not is_kind(inside / "config", stat.S_ISREG):
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
    remove_stale_locks(directory)


def _bare(repo: str) -> str:
    return repo.rstrip("/").removesuffix(".git")


def _update(git: Git, repo: str, branch: str) -> dict[str, Any]:
    head = git.text("symbolic-ref", "--short", "-q", "HEAD", fine=(0, 1))
    repository = Repository(git, repo, branch, head)
    wanted = repository.find(branch, head).named_in_full(git, repo)
    follows = bool(head) and head != wanted.local and _was_renamed(head, wanted, repository)
    if head and head != wanted.local and not follows:
        raise PullRefusedError(_elsewhere(head, wanted))
    upstream = wanted.fetch(git, repo)
    if not head:
        _take_up(git, wanted, upstream)
    renamed = _rename(git, head, wanted) if follows else {}
    report: dict[str, Any] = {"what": "same", "commit": git.text("rev-parse", "--short", upstream), **renamed}
    returned = bring_back(git, "HEAD")
    report["committed"] = commit_own(git, upstream)
    if git("merge-base", "--is-ancestor", upstream, "HEAD", fine=(0, 1)).returncode:
        report["what"] = "updated"
        if git("merge-base", "--is-ancestor", "HEAD", upstream, fine=(0, 1)).returncode == 0:
            git("merge", "-q", "--ff-only", upstream)
        else:
            report["kept"] = merge(git, upstream)
    returned |= bring_back(git, upstream)
    report["returned"] = sorted(returned)[:NAMED]
    return report | left_out(git)


def _elsewhere(head: str, wanted: Wanted) -> str:
    here = head.removeprefix(PINNED) or "no branch"
    return f"The folder is at “{here}”, and the link asks for “{wanted.name}”. Choose another folder."


def _was_renamed(head: str, wanted: Wanted, repository: Repository) -> bool:
    """True if the clone is at a branch that is gone, and the link leads to what is the default now."""
    gone = not head.startswith(PINNED) and not repository.has_branch(head)
    return gone and wanted.kind == "branch" and wanted.name == repository.default


def _rename(git: Git, head: str, wanted: Wanted) -> dict[str, Any]:
    """Follow the repository, which has renamed its default branch: the clone's own is renamed too."""
    git("branch", "-m", head, wanted.name)
    for key, value in (
        (f"branch.{wanted.name}.remote", "origin"),
        (f"branch.{wanted.name}.merge", f"refs/heads/{wanted.name}"),
        ("remote.origin.fetch", f"+refs/heads/{wanted.name}:refs/remotes/origin/{wanted.name}"),
    ):
        git("config", "--file", f"{git.directory}/.git/config", "--replace-all", key, value)
    return {"renamed": {"from": head, "to": wanted.name}}


def _take_up(git: Git, wanted: Wanted, upstream: str) -> None:
    """A clone at no branch: what is there, and what was committed on top of a tag or commit, gets one."""
    is_on_top = git("merge-base", "--is-ancestor", upstream, "HEAD", fine=(0, 1)).returncode == 0
    if wanted.kind == "branch" or not is_on_top:
        raise PullRefusedError(_elsewhere("", wanted))
    git("checkout", "-q", "-b", wanted.local)


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
