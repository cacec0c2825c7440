"""Upgrades of sites that released versions have made, and the way back, by the commands, as processes of their own.

The old code comes from the repository's history. SQLite and PostgreSQL; killed at any moment; failing half way.
"""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ..support.site import CODE
from .test_updates import Checkout, git

sys.path.insert(0, str(CODE / "bin/lib"))

import temporary_site

pytestmark = pytest.mark.sandbox

FIRST = {"0.2.0": "54f60c1"}
"""Released versions before there were tags, and the first commit whose changelog has them (0.1.0 came with it)."""
TABLES = ("portal_user", "portal_auditentry", "collabs_collab", "drive_library", "drive_file", "drive_version")
LAST = """
from django.db import migrations
def fail(apps, schema_editor): raise RuntimeError("the last one fails")
class Migration(migrations.Migration):
    dependencies = [("console", "{before}")]
    operations = [migrations.RunPython(fail)]
"""


def versions() -> list[str]:
    """Commits of all released versions; none where this copy of the code has no history."""
    with contextlib.suppress(subprocess.CalledProcessError):
        return [*FIRST.values(), *git("tag", "--list", "v*").decode().split()]
    return []


class Upgraded:
    """A site in a directory of its own, whose code changes."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        self.var = place / "var"
        self.environment = environment
        (self.var / "drive/staging").mkdir(parents=True)
        (self.var / "lab").mkdir()

    def command(self, code: Path, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=code, env=self.environment, capture_output=True, text=True)

    def start(self, code: Path) -> str:
        """What bin/up runs before it serves; its output. AssertionError where it fails."""
        done = self.command(code, "first_start")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def roll_back(self) -> str:
        done = self.command(CODE, "rollback", "--yes")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self) -> dict[str, list[str]]:
        """Of tables that every version has, as text."""
        with self.database() as database:
            found = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}
        return {name: sorted(map(repr, rows)) for name, rows in found.items()}

    @contextlib.contextmanager
    def database(self) -> Iterator[Any]:
        """A connection, past Django."""
        url = self.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
        is_sqlite = url.startswith("sqlite")
        connection: Any = sqlite3.connect(self.var / "portal.sqlite3") if is_sqlite else psycopg.connect(url)
        with contextlib.closing(connection):
            yield connection

    def answers(self, code: Path) -> str:
        """Status of the first page, by this code in a process of its own."""
        ask = "from django.test import Client; print('status', Client().get('/', HTTP_HOST='localhost').status_code)"
        return self.command(code, "shell", "-c", ask).stdout.strip().splitlines()[-1]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Upgraded]:
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(tempfile.TemporaryDirectory(prefix="run-"))  # the address of a socket is short
        is_sqlite = request.param == "SQLite"
        var = tmp_path / "var"
        url = f"sqlite:///{var}/portal.sqlite3" if is_sqlite else stack.enter_context(temporary_site.postgres())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "OIDC_"))}
        yield Upgraded(
            tmp_path,
            kept
            | {"COLLABORATORY_VAR": str(var), "COLLABORATORY_RUN": run, "DATABASE_URL": url}
            | {"DRIVE_ROOT": f"{var}/drive", "LAB_ROOT": f"{var}/lab", "REDIS_URL": "unix:///nowhere"},
        )


@pytest.fixture(params=versions())
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The code of a released version."""
    (tmp_path / "before").mkdir()
    return Checkout(tmp_path / "before", request.param).directory


def test_an_upgrade_and_the_way_back(upgraded: Upgraded, before: Path) -> None:
    upgraded.start(before)
    rows = upgraded.rows()
    [readme] = upgraded.var.glob("drive/*/**/README.md")
    said = upgraded.start(CODE)
    assert "Upgrade of the database from " in said
    assert "Made the restore point " in said
    assert upgraded.answers(CODE) == "status 200"
    assert upgraded.start(CODE) == ""  # once
    made = upgraded.command(CODE, "people", "create", "ada", "--email", "ada@example.org")
    assert made.returncode == 0, made.stderr
    readme.write_text("written since")

    said = upgraded.roll_back()
    assert "+1  users" in said
    assert "Entries of the audit trail since then: " in said
    assert "To serve as before: " in said
    assert upgraded.rows() == rows
    [readme] = upgraded.var.glob("drive/*/**/README.md")  # shown to nobody until the old rows are asked
    assert readme.read_text() == "written since"

    upgraded.start(before)
    assert upgraded.rows() == rows
    assert upgraded.answers(before) == "status 200"
    assert "Made the restore point " in upgraded.start(CODE)  # and forward once more
    assert upgraded.answers(CODE) == "status 200"


def test_an_upgrade_that_fails_half_way(upgraded: Upgraded, before: Path, tmp_path: Path) -> None:
    upgraded.start(before)
    rows = upgraded.rows()
    broken = tmp_path / "broken"
    broken.mkdir()
    Checkout(broken, "HEAD").update()
    last = max(path.stem for path in (CODE / "console/migrations").glob("0*.py"))
    (broken / "console/migrations/9999_fails.py").write_text(LAST.format(before=last))
    for again in (False, True):
        done = upgraded.command(broken, "first_start")
        assert done.returncode == 1
        assert "the last one fails" in done.stderr
        assert ("It was begun before and stopped half way" in done.stdout) == again
    assert len(list((upgraded.var / "restore-points").iterdir())) == 1
    upgraded.roll_back()
    assert upgraded.rows() == rows
    upgraded.start(before)
    upgraded.start(CODE)
    assert upgraded.answers(CODE) == "status 200"


UPGRADE_STEPS = (
    "backups.upgrades.restore_points._finish",
    "backups.upgrades.restore_points.checksum",
    "backups.upgrades.restore_points._write",
    "backups.upgrades.restore_points.finish",
)
BACK_STEPS = (
    "backups.upgrades.restore_points.keep_replaced",
    "backups.upgrades.restore_points.checksum",
    "backups.upgrades.kept_files.keep",
    "backups.upgrades.kept_files.give_back",
    "backups.database.load",
    "backups.database.{middle}",
    "portal.ops.code_version.note",
    "backups.upgrades.restore_points.finish",
)
KILL = """
import importlib, os, signal
from django.core.management import call_command
module, _, name = {step!r}.rpartition(".")
setattr(importlib.import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
call_command(*{words!r})
"""
"""The command, which is killed as soon as it comes to this function."""


def test_both_may_be_killed_at_any_step(upgraded: Upgraded, before: Path) -> None:
    """Whichever that is: the database is whole, the point is, and what was begun can be done again."""

    def kill(step: str, *words: str) -> None:
        done = upgraded.command(CODE, "shell", "-c", KILL.format(step=step, words=words))
        assert done.returncode == -signal.SIGKILL, f"{step}: {done.stdout}{done.stderr}"

    upgraded.start(before)
    rows = upgraded.rows()
    for step in UPGRADE_STEPS:
        kill(step, "first_start")
        upgraded.start(CODE)
        upgraded.roll_back()
        assert upgraded.rows() == rows, step
    is_sqlite = upgraded.environment["DATABASE_URL"].startswith("sqlite")
    for step in BACK_STEPS:
        upgraded.start(CODE)
        kill(step.format(middle="_change_sqlite" if is_sqlite else "_after"), "rollback", "--yes")
    upgraded.start(CODE)
    assert upgraded.answers(CODE) == "status 200"
    upgraded.roll_back()
    assert upgraded.rows() == rows
    assert not list((upgraded.var / "restore-points").glob("unfinished-*"))


def test_an_upgrade_is_refused_where_the_point_does_not_fit(upgraded: Upgraded, before: Path) -> None:
    upgraded.start(before)
    rows = upgraded.rows()
    upgraded.environment["DISK_RESERVE_BYTES"] = str(10**18)
    done = upgraded.command(CODE, "first_start")
    assert done.returncode == 1
    assert "There is not enough room in " in done.stderr
    assert "Nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    del upgraded.environment["DISK_RESERVE_BYTES"]
    upgraded.start(before)
    assert upgraded.rows() == rows


def test_the_command_of_bin(upgraded: Upgraded, before: Path) -> None:
    """As an operator types it."""
    upgraded.start(before)
    rows = upgraded.rows()
    upgraded.start(CODE)
    (upgraded.var / "venv").symlink_to(Path(sys.executable).parents[1])
    command = [sys.executable, str(CODE / "bin/rollback")]
    listed = subprocess.run([*command, "--list"], env=upgraded.environment, capture_output=True, text=True)
    assert "before an upgrade" in listed.stdout, listed.stderr
    done = subprocess.run([*command, "--yes"], env=upgraded.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert upgraded.rows() == rows
    shutil.rmtree(upgraded.var / "restore-points")
    none = subprocess.run([*command, "--yes"], env=upgraded.environment, capture_output=True, text=True)
    assert (none.returncode, "There is no restore point in" in none.stderr) == (1, True)
