"""Packages that a session installed in its environment, as lists to install them again from.

It is read from the layer that holds the session's changes, which code of its person wrote: names are matched, files are
opened without following links, nothing of it is run.
"""

import json
import os
import re
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from . import rescue_access

MAX_NAMES = 5000
FACTS_BYTES = 2**16
# Names and versions as packaging.python.org has them ("Recording installed projects", "Version specifiers").
_DISTRIBUTION = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)-([0-9][A-Za-z0-9.!+_]*)\.dist-info")
_CONDA = re.compile(r"([a-z0-9_][a-z0-9_.-]*)-([0-9A-Za-z_.!+]+)-([0-9A-Za-z_.]+)\.json")
_PYTHON = re.compile(r"python3\.\d+")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_ADDRESS = re.compile(r"https?://[!-~]{1,500}")


def requirements(changes: Path, prefix: Path) -> list[str]:
    """Lines for `pip install -r`: what is in `changes` and not in the environment at `prefix`. Sorted."""
    found = []
    for python in _names(changes, PurePosixPath("lib")):
        if not _PYTHON.fullmatch(python):
            continue
        place = PurePosixPath("lib", python, "site-packages")
        for name in _names(changes, place):
            match = _DISTRIBUTION.fullmatch(name)
            if match and not (prefix / place / name).is_dir() and _is_folder(changes, place / name):
                found.append(_line(match[1], match[2], _facts(changes, place / name / "direct_url.json")))
    return sorted(set(found), key=str.lower)


def conda_packages(changes: Path, prefix: Path) -> list[str]:
    """`name=version`, for `conda install --file`; as `requirements`."""
    place = PurePosixPath("conda-meta")
    matches = ((name, _CONDA.fullmatch(name)) for name in _names(changes, place))
    return sorted(
        {f"{match[1]}={match[2]}" for name, match in matches if match and not (prefix / place / name).exists()}
    )


def _line(name: str, version: str, origin: Any) -> str:
    """PEP 508; from where it came, if that was no package index (PEP 610, direct_url.json)."""
    if not isinstance(origin, dict):
        return f"{name}=={version}"
    address, source = origin.get("url"), origin.get("vcs_info")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        return f"# {name}=={version} was installed from a folder or a file"
    if isinstance(source, dict) and source.get("vcs") == "git":
        commit = source.get("commit_id")
        return (
            f"{name} @ git+{address}@{commit}"
            if re.fullmatch(r"[0-9a-f]{40,64}", str(commit))
            else f"{name}=={version}"
        )
    return f"{name} @ {address}"


def _names(top: Path, path: PurePosixPath) -> list[str]:
    with suppress(OSError):
        fd = _open(top, path)
        try:
            with os.scandir(fd) as entries:
                return sorted(entry.name for entry in islice(entries, MAX_NAMES))
        finally:
            os.close(fd)
    return []


def _is_folder(top: Path, path: PurePosixPath) -> bool:
    """A name that the session removed from the environment is a device here (overlayfs: whiteout)."""
    with suppress(OSError):
        os.close(_open(top, path))
        return True
    return False


def _facts(top: Path, path: PurePosixPath) -> Any:
    """A small JSON file; None for anything else."""
    with suppress(OSError, ValueError, RecursionError):
        folder = _open(top, path.parent)
        try:
            fd = rescue_access.open_file(path.name, dir_fd=folder)
        finally:
            os.close(folder)
        with os.fdopen(fd, "rb") as file:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return json.loads(file.read(FACTS_BYTES))
    return None


def _open(top: Path, path: PurePosixPath) -> int:
    """Open a folder name by name, never through a link; the caller closes it."""
    fd = rescue_access.open_folder(top)
    for name in path.parts:
        try:
            below = rescue_access.open_folder(name, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd
