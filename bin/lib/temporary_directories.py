"""Directories of temporary sites, for tests and benchmarks; started by root, with uids of Labs prepared for each."""

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import lab_uids
import machine

if TYPE_CHECKING:
    from installation import Installation

PREPARED = "COLLABORATORY_TRIAL_DIRECTORIES"
LABS = 40
OF_THE_SITE = 2
"""Blocks of uids, as many as a temporary site has, that are left to the account's own site."""


def make(account: pwd.struct_passwd, installation: "Installation", count: int) -> None:
    """As root: directories for the account, each with a Lab's namespace in which Labs have uids of their own.

    No two have the same ones, nor has the account's own site: a hostile Lab of one test would use up what the kernel
    counts per uid for a Lab of another. Runs beside each other have others, too.
    """
    made = []
    each = LABS + lab_uids.SPARE
    blocks = lab_uids.SUBORDINATE // each - OF_THE_SITE
    for number in range(count):
        directory = Path(tempfile.mkdtemp(prefix="lab-"))
        os.chown(directory, account.pw_uid, account.pw_gid)
        seen = [directory / "drive", installation.var / "lab/environments", installation.code / lab_uids.INSIDE]
        lab_root, run = directory / "lab", directory / "run"
        skip = each * (OF_THE_SITE + (os.getpid() * count + number) % blocks)
        if problem := lab_uids.give(account, lab_root=lab_root, run=run, directories=seen, count=LABS, skip=skip):
            machine.say(f"Labs of the tests share one user id: {problem}")
        made.append(str(directory))
    os.environ[PREPARED] = ":".join(made)


@contextlib.contextmanager
def directory(*, prepared: bool = True) -> Iterator[Path]:
    """One of them, or any new one; removed afterwards, with what holds the Lab's namespace there."""
    first, _, others = os.environ.get(PREPARED, "").partition(":") if prepared else ("", "", "")
    if first:
        os.environ[PREPARED] = others
    path = Path(first or tempfile.mkdtemp(prefix="lab-"))
    try:
        yield path
    finally:
        lab_uids.end_namespace(path / "lab")
        shutil.rmtree(path, ignore_errors=True)
