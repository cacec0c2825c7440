"""Files such as a notebook can make, and how to compare two trees of them."""

import os
from pathlib import Path

ODD = os.fsdecode(b"caf\xe9\nline \\ \x7f\xff.txt")
"""A name that is no text, with a line break."""


def make_odd_files(place: Path) -> None:
    """What a notebook can make, and a backup must keep."""
    (place / "by-notebook.txt").write_text("removed with rm")
    (place / ODD).write_bytes(b"odd")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o751)
    os.link(place / "run.sh", place / "same.sh")
    (place / "away").symlink_to("/etc/passwd")
    (place / os.fsdecode(b"to \xff")).symlink_to(os.fsdecode(b"\xfe\n"))
    (place / "deep/empty").mkdir(parents=True)
    os.utime(place / "deep/empty", ns=(1, 1_234_567_890_123_456_789))
    with (place / "sparse").open("wb") as sparse:
        sparse.write(b"begin")
        sparse.seek(5 * 2**20)
        sparse.write(b"middle")
        sparse.truncate(10 * 2**20)
    os.utime(place / "sparse", ns=(1, -5_000_000_000))
    os.mkfifo(place / "pipe")


def look(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Everything below a directory that a backup has to keep: kind, mode, time, content, and who is whose hard link."""
    found: dict[bytes, tuple[object, ...]] = {}
    names: dict[int, bytes] = {}
    for here, folders, files in os.walk(os.fsencode(root)):
        for name in sorted([*folders, *files]):
            path = os.path.join(here, name)  # noqa: PTH118  # bytes
            status = os.lstat(path)
            if os.path.islink(path):  # noqa: PTH114
                content: object = os.readlink(path)
            elif name in files and not path.endswith(b"/pipe"):
                with open(path, "rb") as source:  # noqa: PTH123
                    content = source.read()
            else:
                content = None
            short = os.path.relpath(path, os.fsencode(root))
            first = names.setdefault(status.st_ino, short)
            found[short] = (oct(status.st_mode), status.st_mtime_ns, content, first)
    return found
