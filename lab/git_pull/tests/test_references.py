"""Which branch, tag or commit is fetched, and what becomes of a folder when that changes upstream."""

from pathlib import Path

import pytest

from .upstream import Pull, Upstream, git

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
