"""Fetching a repository into a folder: a real git, a real repository over http, and everything in its way."""

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

INSIDE = Path(__file__).parents[2] / "supervisor/inside"
PROGRAM = INSIDE / "git_pull.py"


@pytest.fixture(scope="session", autouse=True)
def importable() -> Iterator[None]:
    """In the Lab, the program finds its modules beside it."""
    sys.path.insert(0, str(INSIDE))
    yield
    sys.path.remove(str(INSIDE))


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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "www").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield serving.server_address[1]
        serving.shutdown()


@pytest.fixture(scope="session")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every test's repository is a copy of."""
    root = tmp_path_factory.mktemp("first-commit")
    made = Upstream(root)
    made.begin()
    made.put(a__txt="one\n", b__txt="b\n", nb__ipynb='{"cells": [\n1,\n2,\n3,\n4,\n5\n]}\n')
    return root


@pytest.fixture
def upstream(tmp_path: Path, server: int, first_commit: Path) -> Upstream:
    shutil.copytree(first_commit, tmp_path, dirs_exist_ok=True)
    return Upstream(tmp_path, server)


Pull = Callable[..., dict[str, Any]]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "library").mkdir()
    return tmp_path.resolve() / "library/course"


@pytest.fixture
def pull(upstream: Upstream, mine: Path) -> Pull:
    """Run the program as the Lab does; returns its last line."""

    def run(
        repo: str = "", *, branch: str = "", directory: Path = mine, allow: tuple[str, ...] = ("127.0.0.1",)
    ) -> Any:
        request = {"repo": repo or upstream.url, "branch": branch, "directory": str(directory), "allow": allow}
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM)], input=json.dumps(request), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".git")


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


# Tags and commits, which stay


@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_opens_again_and_again(pull: Pull, upstream: Upstream, mine: Path, annotated: bool) -> None:
    git(upstream.work, "tag", *(["-m", "one"] if annotated else []), "v1.0")
    upstream.publish("main", "v1.0")
    upstream.put(a__txt="later\n")
    assert pull(branch="v1.0")["done"]["what"] == "cloned"
    assert (mine / "a.txt").read_text() == "one\n"
    (mine / "b.txt").write_text("mine\n")
    for committed in (True, False):
        done = pull(branch="v1.0")["done"]
        assert (done["what"], done["committed"], done.get("kept")) == ("same", committed, None)
        assert [(mine / name).read_text() for name in ("a.txt", "b.txt")] == ["one\n", "mine\n"]
    assert git(mine, "symbolic-ref", "--short", "HEAD") == "pinned/v1.0"
    for other in ("main", ""):
        assert "The folder is at “v1.0”" in pull(branch=other)["failed"]


def test_a_tag_that_was_moved_is_followed(pull: Pull, upstream: Upstream, mine: Path) -> None:
    git(upstream.work, "tag", "term")
    upstream.publish("main", "term")
    pull(branch="term")
    (mine / "b.txt").write_text("mine\n")
    upstream.put(a__txt="two\n")
    git(upstream.work, "tag", "-f", "term")
    upstream.publish("main", "term")
    assert pull(branch="term")["done"]["what"] == "updated"
    assert [(mine / name).read_text() for name in ("a.txt", "b.txt")] == ["two\n", "mine\n"]


@pytest.mark.parametrize("length", [40, 10])
def test_a_commit_opens_again_and_again(pull: Pull, upstream: Upstream, mine: Path, length: int) -> None:
    commit = git(upstream.work, "rev-parse", "HEAD")
    upstream.put(a__txt="later\n")
    assert pull(branch=commit[:length])["done"]["what"] == "cloned"
    assert (mine / "a.txt").read_text() == "one\n"
    (mine / "b.txt").write_text("mine\n")
    upstream.put(b__txt="later\n")
    for asked in (commit[:length], commit[:length], commit):
        assert pull(branch=asked)["done"]["what"] == "same"
        assert [(mine / name).read_text() for name in ("a.txt", "b.txt")] == ["one\n", "mine\n"]
    assert "no branch, tag or commit" in pull(branch="0123456789")["failed"]


def test_a_folder_that_an_older_version_left_at_a_tag_is_taken_up(pull: Pull, upstream: Upstream, mine: Path) -> None:
    git(upstream.work, "tag", "v1.0")
    upstream.publish("main", "v1.0")
    git(mine.parent, "clone", "-q", "--single-branch", "--branch=v1.0", upstream.url, str(mine))
    (mine / "b.txt").write_text("mine\n")
    assert pull(branch="v1.0")["done"]["what"] == "same"
    assert (mine / "b.txt").read_text() == "mine\n"
    git(mine, "checkout", "-q", "--detach", "HEAD")
    assert "The folder is at “no branch”" in pull(branch="main")["failed"]


# A default branch that was renamed


def test_a_default_branch_that_was_renamed_is_followed_and_told(pull: Pull, upstream: Upstream, mine: Path) -> None:
    pull()
    (mine / "b.txt").write_text("mine\n")
    upstream.rename_default("trunk")
    upstream.put_on("trunk", a__txt="two\n")
    done = pull()["done"]
    assert (done["what"], done["renamed"]) == ("updated", {"from": "main", "to": "trunk"})
    assert [(mine / name).read_text() for name in ("a.txt", "b.txt")] == ["two\n", "mine\n"]
    assert "renamed" not in pull()["done"]
    assert pull(branch="trunk")["done"]["what"] == "same"
    git(mine, "pull", "-q", "--no-rebase")  # in a terminal, too


def test_a_link_to_master_follows_to_the_default_branch(pull: Pull, upstream: Upstream, mine: Path) -> None:
    """The default of git itself until 2020, in the links of that time."""
    done = pull(branch="master")["done"]
    assert (done["what"], done["renamed"]) == ("cloned", {"from": "master", "to": "main"})
    assert pull(branch="master")["done"]["what"] == "same"


def test_a_folder_at_master_follows_a_link_to_what_that_is_now(pull: Pull, upstream: Upstream, mine: Path) -> None:
    upstream.rename_default("master")
    pull(branch="master")
    git(upstream.work, "branch", "-m", "main")
    git(upstream.bare, "branch", "-m", "master", "main")
    git(upstream.bare, "symbolic-ref", "HEAD", "refs/heads/main")
    git(upstream.bare, "update-server-info")
    assert pull(branch="main")["done"]["renamed"] == {"from": "master", "to": "main"}


def test_another_branch_that_is_gone_is_not_replaced(pull: Pull, upstream: Upstream, mine: Path) -> None:
    git(upstream.work, "push", "-q", str(upstream.bare), "main:autumn")
    git(upstream.bare, "update-server-info")
    pull(branch="autumn")
    git(upstream.bare, "branch", "-D", "autumn")
    git(upstream.bare, "update-server-info")
    assert "no branch, tag or commit" in pull(branch="autumn")["failed"]


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


def test_no_program_runs_that_the_configuration_of_a_submodule_names(
    pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path
) -> None:
    """Of a repository within the folder, which somebody else has put there: git would ask git in it how it is."""
    commit = git(upstream.work, "rev-parse", "HEAD")
    git(upstream.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},tools")
    git(upstream.work, "commit", "-q", "-m", "a submodule")
    upstream.publish()
    pull()
    git(mine, "clone", "-q", str(upstream.bare), "tools")
    git(mine / "tools", "config", "filter.x.clean", f"touch {tmp_path}/done; cat")
    git(mine / "tools", "config", "core.fsmonitor", f"touch {tmp_path}/done")
    (mine / "tools/.git/info/attributes").write_text("* filter=x\n")
    (mine / "tools/a.txt").write_text("changed\n")
    (mine / "b.txt").write_text("mine\n")
    (upstream.work / "tools").mkdir()
    upstream.put(a__txt="two\n")
    done = pull()["done"]
    assert (done["what"], done["committed"], (mine / "a.txt").read_text()) == ("updated", True, "two\n")
    assert not (tmp_path / "done").exists()


# What others may have written into the folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.fsmonitor", "touch {}"),
        ("core.sshCommand", "touch {}"),
        ("filter.x.clean", "touch {}"),
        ("merge.x.driver", "touch {}"),
        ("credential.helper", "!touch {}"),
        ("include.path", "/etc/passwd"),
        ("url.file:///.insteadOf", "http://"),
        ("core.worktree", "/tmp"),
        ("remote.origin.uploadpack", "touch {}"),
        ("remote.origin.vcs", "ext"),
        ("http.proxy", "http://127.0.0.1:1"),
        ("gpg.program", "touch {}"),
    ],
)
def test_it_runs_nothing_that_the_folders_git_names(
    pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path, key: str, value: str
) -> None:
    pull()
    done = tmp_path / "done"
    git(mine, "config", key, value.format(done))
    (mine / ".gitattributes").write_text("* filter=x merge=x\n")
    (mine / "a.txt").write_text("mine\n")
    upstream.put(a__txt="two\n")
    assert key.lower() in pull()["failed"].lower()
    assert not done.exists()


@pytest.mark.slow
def test_it_runs_no_hook(pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path) -> None:
    pull()
    for name in ("pre-commit", "post-checkout", "post-merge", "pre-merge-commit", "reference-transaction"):
        hook = mine / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/done\n")
        hook.chmod(0o755)
    (mine / "b.txt").write_text("mine\n")
    upstream.put(a__txt="two\n")
    assert pull()["done"]["what"] == "updated"
    assert not (tmp_path / "done").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["commondir", "config.worktree"])
def test_it_takes_no_configuration_from_elsewhere(pull: Pull, mine: Path, name: str) -> None:
    pull()
    (mine / ".git" / name).write_text("/tmp")
    assert "special way" in pull()["failed"]
    (mine / ".git" / name).unlink()
    (mine / ".git/config").rename(mine / "config")
    (mine / ".git/config").symlink_to(mine / "config")
    assert "special way" in pull()["failed"]


# Where it may ask


@pytest.mark.parametrize(
    "repo",
    [
        "http://127.0.0.1:{port}/course.git",
        "http://localhost:{port}/course.git",
        "http://127.1:{port}/course.git",
        "http://2130706433:{port}/course.git",
        "http://0x7f000001:{port}/course.git",
        "http://[::1]:{port}/course.git",
        "http://[::ffff:127.0.0.1]:{port}/course.git",
        "http://0.0.0.0:{port}/course.git",
        "http://10.0.2.2/x",
        "http://10.0.2.3/x",
        "http://169.254.169.254/latest/meta-data",
        "http://192.168.1.1/x",
        "http://user:secret@127.0.0.1:{port}/course.git",
        "http://example.org@127.0.0.1:{port}/course.git",
        "file:///etc",
        "/etc",
        "ssh://git@example.org/x",
        "git@example.org:x/y",
        "git://example.org/x",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch /tmp/x",
        "ftp://example.org/x",
        "http://",
    ],
)
def test_it_asks_public_web_servers_only(pull: Pull, server: int, mine: Path, repo: str) -> None:
    assert "failed" in pull(repo.format(port=server), allow=())
    assert not mine.exists()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_it_knows_a_public_address(address: str, public: bool) -> None:
    from git_links.addresses import is_public  # type: ignore[import-not-found]

    assert is_public(address) is public


def test_one_private_address_among_public_ones_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, 0, 0, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.1")]
    from git_links.addresses import PullRefusedError, where_to_ask

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(PullRefusedError):
        where_to_ask("https://rebind.example/x", [])
    answers.pop()
    assert where_to_ask("https://rebind.example/x", []) == "rebind.example:443:8.8.8.8"


def test_it_follows_no_redirect(pull: Pull, upstream: Upstream, mine: Path) -> None:
    """A public server that leads to a private one leads nowhere."""
    asked: list[str] = []

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", upstream.url + self.path.removeprefix("/course.git"))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as serving:
        threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        answer = pull(f"http://127.0.0.1:{serving.server_address[1]}/course.git")
        serving.shutdown()
    assert "The repository has moved" in answer["failed"]
    assert asked
    assert not mine.exists()


def test_it_looks_for_nothing_on_a_second_server(pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path) -> None:
    """A repository can say that its objects are elsewhere (info/http-alternates, gitrepository-layout(5))."""
    asked: list[str] = []

    class Elsewhere(Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    objects = upstream.bare / "objects"
    (tmp_path / "elsewhere").mkdir()
    for folder in objects.glob("[0-9a-f][0-9a-f]"):
        folder.rename(tmp_path / "elsewhere" / folder.name)
    handler = functools.partial(Elsewhere, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        elsewhere = f"http://127.0.0.1:{serving.server_address[1]}/elsewhere\n"
        (objects / "info/http-alternates").write_text(elsewhere)
        answer = pull()
        serving.shutdown()
    assert "failed" in answer
    assert asked == []
    assert not mine.exists()


def test_it_removes_what_a_clone_left_that_was_cut_off(pull: Pull, mine: Path) -> None:
    old, new, own = (mine.with_name(f".course.{end}") for end in ("git-pull-01234567", "git-pull-89abcdef", "notes"))
    for folder in (old, new, own):
        folder.mkdir()
    for folder in (old, own):
        os.utime(folder, (1, 1))
    pull()
    assert names(mine.parent) == [new.name, own.name, "course"]


def test_it_refuses_a_git_that_would_look_a_name_up_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    import git_pull  # type: ignore[import-not-found]
    from git_links.addresses import PullRefusedError

    monkeypatch.setattr(git_pull, "OLDEST", (99, 0))
    with pytest.raises(PullRefusedError, match="too old"):
        git_pull._check_git()


def test_it_leaves_nothing_of_a_clone_that_failed(pull: Pull, upstream: Upstream, server: int, mine: Path) -> None:
    assert "no public repository" in pull(f"http://127.0.0.1:{server}/none.git")["failed"]
    assert list(mine.parent.iterdir()) == []
