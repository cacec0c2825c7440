"""Bring together what a person changed in a clone and what is new in the repository, so that nothing is lost."""

import contextlib
import json
import os
import stat
from pathlib import Path, PurePosixPath

from .addresses import PullRefusedError
from .command import Git, is_kind, plainly

NAMED = 50
"""So many paths of each kind are reported."""
NAMES_TRIED = 100
SUBMODULE = "160000"
"""Mode of a submodule in a tree (gitsubmodules(7))."""


def bring_back(git: Git, commit: str) -> set[str]:
    """Files of a commit that were deleted here; those whose place is taken by something else stay away."""
    assert git.directory
    names = file_names(git, commit)
    gone = [name for name in names if not os.path.lexists(git.directory / name) and _has_room(git.directory, name)]
    if gone:
        _for_paths(git, gone, "checkout", "-q", commit)
    return {name for name in gone if os.path.lexists(git.directory / name)}


def file_names(git: Git, commit: str) -> list[str]:
    """Paths of a commit's files and links; submodules are none."""
    lines = (line.partition("\t") for line in git.paths("ls-tree", "-r", "-z", commit))
    return [path for about, _, path in lines if not about.startswith(SUBMODULE)]


def _for_paths(git: Git, paths: list[str], *words: str) -> None:
    given = b"\0".join(map(os.fsencode, paths))
    git(*words, "--pathspec-from-file=-", "--pathspec-file-nul", given=given)


def _has_room(directory: Path, name: str) -> bool:
    for parent in PurePosixPath(name).parents:
        place = directory / parent
        if os.path.lexists(place) and not is_kind(place, stat.S_ISDIR):
            return False
    return True


def commit_own(git: Git, upstream: str) -> bool:
    """What was changed here becomes a commit, with files that stand where the repository has new ones."""
    # Never submodules: git would run git in them, as their own configuration says, and others may have written that.
    changed = git.paths("diff-files", "--name-only", "-z", "--ignore-submodules=all")
    if changed:
        _for_paths(git, changed, "add", "-u")
    new = set(file_names(git, upstream))
    in_the_way = [name for name in git.paths("ls-files", "-z", "--others") if name in new]
    if in_the_way:
        _for_paths(git, in_the_way, "add", "-f")
    if git("diff", "--cached", "--quiet", fine=(0, 1)).returncode == 0:
        return False
    git("commit", "-q", "--no-verify", "-m", "Changes made in the Lab")
    return True


def merge(git: Git, upstream: str) -> list[dict[str, str]]:
    """Merge; where both have changed the same lines the whole text here stays. Returns what was kept so."""
    base = git.text("merge-base", "HEAD", upstream, fine=(0, 1))
    try:
        merged = git("merge", "-q", "--no-commit", "--no-ff", "-s", "ort", "-X", "no-renames", upstream, fine=(0, 1))
        unmerged = _unmerged(git)
        if merged.returncode and not unmerged:
            raise PullRefusedError(plainly((merged.stderr + merged.stdout).decode(errors="replace")))
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
    if not is_kind(path, stat.S_ISREG):
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
