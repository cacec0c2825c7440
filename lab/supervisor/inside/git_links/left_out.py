"""What a repository has that is not fetched with it, named: submodules (gitsubmodules(7)), and files in Git LFS.

Either is asked of an address that the repository names, and put in place by a program that its configuration names. A
person may do that in a terminal; a link from anybody may not.
"""

import os
import stat
from pathlib import Path

from .command import Git
from .merging import NAMED, SUBMODULE

POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_BYTES = 1024
"""No pointer is larger (git-lfs's specification)."""
ATTRIBUTES_BYTES = 2**16


def left_out(git: Git) -> dict[str, list[str]]:
    """Paths of submodules that are empty here, and of files of which only the pointer is."""
    assert git.directory
    trees = [line.partition("\t") for line in git.paths("ls-tree", "-r", "-l", "-z", "HEAD")]
    modules = [path for about, _, path in trees if about.startswith(SUBMODULE)]
    small = [path for about, _, path in trees if _size(about) <= POINTER_BYTES]
    attributes = [path for _, _, path in trees if path.split("/")[-1] == ".gitattributes"]
    uses_lfs = any(b"filter=lfs" in _head(git.directory / path, ATTRIBUTES_BYTES) for path in attributes)
    return {
        "submodules": [path for path in modules if not os.path.lexists(git.directory / path / ".git")][:NAMED],
        "lfs": [path for path in small if uses_lfs and _head(git.directory / path).startswith(POINTER)][:NAMED],
    }


def _size(about: str) -> int:
    """Bytes of a blob, from a line of `ls-tree -l`; many for what is none."""
    size = about.split()[-1]
    return int(size) if size.isdigit() else POINTER_BYTES + 1


def _head(path: Path, length: int = POINTER_BYTES) -> bytes:
    """The first bytes of a regular file; none of anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, length) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
