"""Fetching a repository into a folder: a real git, a real repository over http, and everything in its way."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from .upstream import Pull, Upstream, git, names


def test_it_clones(pull: Pull, mine: Path) -> None:
    assert pull()["done"]["what"] == "cloned"
    assert names(mine) == ["a.txt", "b.txt", "nb.ipynb"]
    assert names(mine.parent) == ["course"]


@pytest.mark.slow
def test_it_brings_what_is_new_and_says_when_there_is_nothing(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    assert pull()["done"]["what"] == "same"
    upstream.put(a__txt="two\n", c_in_new__txt="new\n", b__txt=None)
    assert pull()["done"]["what"] == "updated"
    assert ((mine / "a.txt").read_text(), names(mine), names(mine / "c")) == (
        "two\n",
        ["a.txt", "c", "nb.ipynb"],
        ["new.txt"],
    )


def test_it_takes_the_branch_that_the_link_names(pull: Pull, upstream: Upstream, mine: Path) -> None:
    git(upstream.work, "push", "-q", str(upstream.bare), "main:2026/autumn")
    git(upstream.bare, "update-server-info")
    assert pull(branch="2026/autumn")["done"]["what"] == "cloned"
    assert git(mine, "symbolic-ref", "--short", "HEAD") == "2026/autumn"
    assert "the link asks for “main”" in pull(branch="main")["failed"]
    assert "no branch, tag or commit of this name" in pull(branch="none", directory=mine.with_name("other"))["failed"]
    assert names(mine.parent) == ["course"]


@pytest.mark.slow
def test_it_keeps_what_was_changed_here_beside_what_is_new(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    (mine / "b.txt").write_text("mine\n")
    (mine / "own.txt").write_text("own\n")
    upstream.put(a__txt="two\n")
    done = pull()["done"]
    assert (done["what"], done["committed"], done["kept"]) == ("updated", True, [])
    assert [(mine / f"{name}.txt").read_text() for name in ("a", "b", "own")] == ["two\n", "mine\n", "own\n"]
    assert "own.txt" in git(mine, "status", "--porcelain")


@pytest.mark.slow
def test_it_keeps_the_whole_text_here_where_both_changed_it(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    (mine / "a.txt").write_text("mine\n")
    upstream.put(a__txt="theirs\n", b__txt="bb\n")
    done = pull()["done"]
    beside = f"a (upstream {done['commit']}).txt"
    assert done["kept"] == [{"path": "a.txt", "beside": beside}]
    assert [(mine / name).read_text() for name in ("a.txt", beside, "b.txt")] == ["mine\n", "theirs\n", "bb\n"]
    assert pull()["done"]["what"] == "same"
    upstream.put(b__txt="bbb\n")
    pull()
    assert [(mine / name).read_text() for name in ("a.txt", beside, "b.txt")] == ["mine\n", "theirs\n", "bbb\n"]


@pytest.mark.slow
def test_it_brings_back_what_was_deleted_here(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    (mine / "a.txt").unlink()
    git(mine, "rm", "-q", "b.txt")
    assert pull()["done"]["returned"] == ["a.txt", "b.txt"]
    git(mine, "rm", "-q", "b.txt")
    git(mine, "commit", "-q", "-m", "away")
    (mine / "a.txt").unlink()
    upstream.put(a__txt="two\n")
    assert pull()["done"]["returned"] == ["a.txt", "b.txt"]
    assert [(mine / name).read_text() for name in ("a.txt", "b.txt")] == ["two\n", "b\n"]


@pytest.mark.slow
def test_it_brings_back_what_was_deleted_here_and_changed_there(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    git(mine, "rm", "-q", "a.txt")
    git(mine, "commit", "-q", "-m", "away")
    upstream.put(a__txt="two\n")
    pull()
    assert (mine / "a.txt").read_text() == "two\n"


@pytest.mark.slow
def test_it_keeps_what_was_changed_here_and_deleted_there(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    (mine / "a.txt").write_text("mine\n")
    upstream.put(a__txt=None)
    assert pull()["done"]["kept"] == [{"path": "a.txt", "beside": ""}]
    assert (mine / "a.txt").read_text() == "mine\n"


@pytest.mark.slow
def test_it_keeps_a_file_of_ones_own_where_the_repository_has_a_new_one(
    pull: Pull, upstream: Upstream, mine: Path
) -> None:
    pull()
    (mine / "new.txt").write_text("mine\n")
    (mine / ".gitignore").write_text("ignored.txt\n")
    (mine / "ignored.txt").write_text("mine too\n")
    upstream.put(new__txt="theirs\n", ignored__txt="theirs\n")
    done = pull()["done"]
    assert {kept["path"] for kept in done["kept"]} == {"new.txt", "ignored.txt"}
    assert (mine / "new.txt").read_text() == "mine\n"
    assert (mine / "ignored.txt").read_text() == "mine too\n"
    assert (mine / f"new (upstream {done['commit']}).txt").read_text() == "theirs\n"


@pytest.mark.slow
def test_a_file_in_the_place_of_a_new_folder_is_not_lost(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    (mine / "data").write_text("mine\n")
    upstream.put(data_in_x__txt="theirs\n")
    pull()
    texts = [path.read_text() for path in mine.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert "mine\n" in texts


def numbers(**changed: str) -> str:
    """A list in JSON, a number per line; `_4="[4,"` writes line 4 so."""
    lines = [changed.get(f"_{number}", f"{number},") for number in range(30)]
    return "\n".join(["[", *lines, "30", "]", ""])


@pytest.mark.slow
def test_notebooks_stay_notebooks(pull: Pull, upstream: Upstream, mine: Path) -> None:
    """Two that are fine, and do not touch each other's lines, can be no JSON together."""
    upstream.put(nb__ipynb=numbers())
    pull()
    (mine / "nb.ipynb").write_text(numbers(_1='"mine",'))
    upstream.put(nb__ipynb=numbers(_20='"theirs",'))
    assert pull()["done"]["kept"] == []
    merged = json.loads((mine / "nb.ipynb").read_text())
    assert (merged[1], merged[20], len(merged)) == ("mine", "theirs", 31)

    ours = numbers(_1='"mine",', _4="[4,", _13="13],", _20='"theirs",')
    (mine / "nb.ipynb").write_text(ours)
    theirs = numbers(_8='{"a": [8,', _17="17]},", _20='"theirs",')
    upstream.put(nb__ipynb=theirs)
    (kept,) = pull()["done"]["kept"]
    assert (mine / "nb.ipynb").read_text() == ours
    assert (mine / kept["beside"]).read_text() == theirs


@pytest.mark.slow
def test_it_survives_a_history_that_was_rewritten(pull: Pull, upstream: Upstream, mine: Path) -> None:
    upstream.put(a__txt="two\n")
    pull()
    (mine / "b.txt").write_text("mine\n")
    git(upstream.work, "reset", "-q", "--hard", "HEAD~1")
    upstream.put(a__txt="three\n")
    done = pull()["done"]
    assert (mine / "a.txt").read_text() == "two\n"  # as it was here; the repository's new text is beside it
    assert (mine / done["kept"][0]["beside"]).read_text() == "three\n"
    assert (mine / "b.txt").read_text() == "mine\n"


def test_it_changes_nothing_in_a_folder_that_is_something_else(pull: Pull, upstream: Upstream, mine: Path) -> None:
    mine.mkdir()
    (mine / "a.txt").write_text("mine\n")
    assert "not a clone of the repository" in pull()["failed"]
    git(mine, "init", "-q")
    git(mine, "remote", "add", "origin", "https://example.org/other.git")
    assert "another repository" in pull()["failed"]
    assert names(mine) == ["a.txt"]
    mine.with_name("file").write_text("x")
    assert "failed" in pull(directory=mine.with_name("file"))


def test_it_leaves_a_merge_alone_that_somebody_is_at(pull: Pull, mine: Path) -> None:
    pull()
    (mine / ".git/MERGE_HEAD").write_text(git(mine, "rev-parse", "HEAD"))
    assert "in progress in this folder" in pull()["failed"]


def test_it_follows_no_link_in_the_library(pull: Pull, mine: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (mine.parent / "link").symlink_to(outside)
    assert "failed" in pull(directory=mine.parent / "link")
    assert "failed" in pull(directory=mine.parent / "link/course")
    assert names(outside) == []


# Folders in folders


def test_it_makes_the_folders_on_the_way_and_goes_through_no_link(pull: Pull, mine: Path, tmp_path: Path) -> None:
    deep = mine.parent / "2026/autumn/course"
    assert pull(directory=deep)["done"]["what"] == "cloned"
    assert pull(directory=deep)["done"]["what"] == "same"
    (tmp_path / "outside").mkdir()
    (mine.parent / "way").symlink_to(tmp_path / "outside")
    (mine.parent / "nowhere").symlink_to(tmp_path / "none")
    for way in ("way", "nowhere", "2026/autumn/course/a.txt"):
        assert "failed" in pull(directory=mine.parent / way / "x/course")
    assert names(tmp_path / "outside") == []
    assert not (tmp_path / "none").exists()


# Locks that were left behind


LOCKS = ("index.lock", "HEAD.lock", "refs/heads/main.lock", "refs/remotes/origin/main.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_was_left_behind_is_removed(pull: Pull, upstream: Upstream, mine: Path, lock: str) -> None:
    pull()
    upstream.put(a__txt="two\n")
    left = mine / ".git" / lock
    left.touch()
    os.utime(left, (1, 1))
    assert pull()["done"]["what"] == "updated"
    assert not left.exists()


def test_a_lock_of_a_moment_ago_stays(pull: Pull, mine: Path) -> None:
    """Somebody may be at work in another Lab, which cannot be seen from here."""
    pull()
    lock = mine / ".git/index.lock"
    lock.touch()
    assert "Follow the link again in 10 minutes" in pull()["failed"]
    assert lock.exists()


def test_a_lock_stays_while_a_process_here_holds_it(pull: Pull, mine: Path) -> None:
    pull()
    lock = mine / ".git/index.lock"
    with lock.open("w"):
        os.utime(lock, (1, 1))
        assert "is at work in this folder" in pull()["failed"]
    assert lock.exists()


def test_a_lock_stays_while_git_waits_here(pull: Pull, mine: Path) -> None:
    """`git commit -a` holds the lock while its editor is open, and has closed the file."""
    pull()
    lock = mine / ".git/index.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    waiting = subprocess.Popen(["git", "cat-file", "--batch"], cwd=mine, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert waiting.stdin
        assert waiting.stdout
        waiting.stdin.write(b"HEAD\n")  # answered, so it is git by now
        waiting.stdin.flush()
        assert waiting.stdout.readline()
        assert "git (process" in pull()["failed"]
    finally:
        waiting.kill()
        waiting.communicate()
    assert lock.exists()
    assert pull()["done"]["what"] == "same"


# What is not fetched is named


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


def test_submodules_and_large_files_are_named(pull: Pull, upstream: Upstream, mine: Path) -> None:
    commit = git(upstream.work, "rev-parse", "HEAD")
    git(upstream.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},lib/tools")
    git(upstream.work, "commit", "-q", "-m", "a submodule")
    (upstream.work / "lib/tools").mkdir(parents=True)
    upstream.put(**{"__gitattributes": "*.bin filter=lfs\n", "big__bin": POINTER, "a__txt": POINTER[:9]})
    for what in ("cloned", "same"):
        done = pull()["done"]
        assert (done["what"], done["submodules"], done["lfs"]) == (what, ["lib/tools"], ["big.bin"])
    git(mine, "config", "submodule.lib/tools.url", "https://example.org/tools")  # as `git submodule init` does
    git(mine, "config", "submodule.lib/tools.active", "true")
    (mine / "big.bin").write_text("the content")
    (mine / "lib/tools/.git").write_text("gitdir: /nowhere")
    done = pull()["done"]
    assert (done["submodules"], done["lfs"]) == ([], [])


def test_it_removes_what_a_clone_left_that_was_cut_off(pull: Pull, mine: Path) -> None:
    old, new, own = (mine.with_name(f".course.{end}") for end in ("git-pull-01234567", "git-pull-89abcdef", "notes"))
    for folder in (old, new, own):
        folder.mkdir()
    for folder in (old, own):
        os.utime(folder, (1, 1))
    pull()
    assert names(mine.parent) == [new.name, own.name, "course"]


def test_it_leaves_nothing_of_a_clone_that_failed(pull: Pull, upstream: Upstream, port: int, mine: Path) -> None:
    assert "no public repository" in pull(f"http://127.0.0.1:{port}/none.git")["failed"]
    assert list(mine.parent.iterdir()) == []
