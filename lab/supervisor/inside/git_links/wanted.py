"""What a git link asks for, found in the repository as it is now: a branch, a tag or a commit."""

import re
from dataclasses import dataclass, replace

from .addresses import PullRefusedError
from .command import Git

COMMIT = re.compile(r"[0-9a-f]{7,64}")
FULL = 40
"""Characters of a commit's whole name (SHA-1); SHA-256 has more."""
PINNED = "pinned/"
"""How the branches of a clone begin that hold what is changed here on top of a tag or commit."""
PINNED_CHARACTERS = 12
FORMER_DEFAULT = "master"
"""git's own default branch until 2020, and that of links; many repositories have renamed it since."""
NOTHING = "The repository has no branch, tag or commit of this name."


@dataclass(frozen=True)
class Wanted:
    """A branch, which moves, or a tag or commit, at which a clone stays."""

    kind: str
    """`branch`, `tag` or `commit`."""
    name: str
    """As in the repository; of a commit what the link says, or the whole."""
    asked: str = ""
    """Branch that was asked for and is gone: this one is the repository's default now."""

    @property
    def local(self) -> str:
        """The clone's own branch that follows it."""
        if self.kind == "branch":
            return self.name
        return f"{PINNED}{self.name[:PINNED_CHARACTERS] if self.kind == 'commit' else self.name}"

    def named_in_full(self, git: Git, repo: str) -> "Wanted":
        """The same, with a commit's whole name, for which it may have to be fetched."""
        return replace(self, name=self.fetch(git, repo)) if self.kind == "commit" else self

    def fetch(self, git: Git, repo: str) -> str:
        """Fetch it into the clone; what git calls it there."""
        if self.kind == "branch":
            upstream = f"refs/remotes/origin/{self.name}"
            git.slowly(*_FETCH, "--", repo, f"+refs/heads/{self.name}:{upstream}")
            return upstream
        if self.kind == "tag":
            tag = f"refs/tags/{self.name}"
            git.slowly(*_FETCH, "--", repo, f"+{tag}:{tag}")
            return git.text("rev-parse", f"{tag}^{{commit}}")
        if not (found := commit_of(git, self.name)):
            git.slowly(*_FETCH, "--", repo, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
            found = commit_of(git, self.name)
        if (
            not found and len(self.name) >= FULL
        ):  # on no branch any more, or of a request to merge: where servers give it
            git.slowly(*_FETCH, "--", repo, self.name)
            found = commit_of(git, self.name)
        if not found:
            raise PullRefusedError(NOTHING)
        return found


_FETCH = ("fetch", "--progress", "--no-tags")


def commit_of(git: Git, name: str) -> str:
    """The whole name of a commit that the clone has; "" for none, and where several begin so."""
    return git.text("rev-parse", "--verify", "-q", f"{name}^{{commit}}", fine=(0, 1, 128))


class Repository:
    """Branches and tags of a repository that matter to one link, as its server says them now (git-ls-remote(1))."""

    def __init__(self, git: Git, repo: str, *names: str) -> None:
        asked = [f"refs/{kind}/{name}" for name in names if name for kind in ("heads", "tags")]
        self.default, self.refs = "", set()
        for line in (
            git("ls-remote", "--symref", "--", repo, "HEAD", *asked).stdout.decode(errors="replace").splitlines()
        ):
            value, _, ref = line.partition("\t")
            if ref == "HEAD" and value.startswith("ref: refs/heads/"):
                self.default = value.removeprefix("ref: refs/heads/")
            self.refs.add(ref)

    def has_branch(self, name: str) -> bool:
        """True if it is there."""
        return f"refs/heads/{name}" in self.refs

    def find(self, name: str, head: str = "") -> Wanted:
        """What a link names; without a name, the branch at which the clone is, else the repository's default.

        PullRefusedError: the repository does not have it.
        """
        if not name and (not head or head.startswith(PINNED)):
            return Wanted("branch", self.default)
        wanted = name or head
        if self.has_branch(wanted):
            return Wanted("branch", wanted)
        if f"refs/tags/{wanted}" in self.refs:
            return Wanted("tag", wanted)
        if COMMIT.fullmatch(wanted):
            return Wanted("commit", wanted)
        if self.default and (not name or name == FORMER_DEFAULT):
            return Wanted("branch", self.default, asked=wanted)
        raise PullRefusedError(NOTHING)
