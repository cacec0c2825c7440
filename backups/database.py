"""A snapshot of the site's database while the site writes to it, and loading one into an empty database.

SQLite: its own backup API, in one read transaction; in WAL mode nobody waits for it. PostgreSQL: pg_dump, which reads
one snapshot, and pg_restore.
"""

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from django.db import connection
from psycopg.conninfo import make_conninfo

from portal.ops import database_version

from .backup_store import BackupError

FILES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
_CONNINFO = ("dbname", "user", "host", "port", "service", "sslmode", "sslrootcert", "sslcert", "sslkey", "passfile")


def snapshot(place: Path) -> Path:
    """Write a snapshot of the site's database below `place`; returns its file."""
    target = place / FILES[connection.vendor]
    if connection.vendor == "sqlite":
        _copy_sqlite(target)
    else:
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}", _address())
    target.chmod(0o600)
    return target


def _copy_sqlite(target: Path) -> None:
    # Not a connection of Django's: that one may be in a transaction, which nobody else is to see.
    with sqlite3.connect(_sqlite_path().absolute().as_uri() + "?mode=ro", uri=True, timeout=60) as source:
        copy = sqlite3.connect(target)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # all of it in one file
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
        copy.close()
    source.close()
    if found != "ok":
        raise BackupError(f"The database is damaged: {found}")


def _sqlite_path() -> Path:
    return Path(connection.settings_dict["NAME"])


def check(path: Path) -> str:
    """Damage of a snapshot, in words; empty if there is none."""
    if path.name == FILES["sqlite"]:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True) as copy:
            try:
                found = copy.execute("PRAGMA integrity_check").fetchone()[0]
            except sqlite3.DatabaseError as error:
                found = str(error)
        copy.close()
        return "" if found == "ok" else found
    try:
        _run("pg_restore", "--list", str(path))
    except BackupError as error:
        return str(error)
    return ""


def load(path: Path) -> None:
    """Load a snapshot into the site's database, all or nothing. Call it for an empty database only."""
    connection.close()
    if connection.vendor == "sqlite":
        target = _sqlite_path()
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.restored")
        shutil.copyfile(path, fresh)
        fresh.chmod(0o600)
        for suffix in ("-wal", "-shm"):  # of an empty one; they would be taken for this one's
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        fresh.replace(target)
        return
    options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    _run("pg_restore", *options, f"--dbname={_address()}", str(path))


def is_empty() -> bool:
    """True if the site's database has no table."""
    if connection.vendor == "sqlite" and not _sqlite_path().exists():
        return True
    return not connection.introspection.table_names()


def applied() -> dict[str, list[str]]:
    """The migrations that the site's database has had, by app."""
    found: dict[str, list[str]] = {}
    for app, name in sorted(database_version.applied(connection)):
        found.setdefault(app, []).append(name)
    return found


def refusal(migrations: dict[str, list[str]]) -> str:
    """Reason why a database with these migrations cannot be loaded; empty if it can."""
    found = database_version.difference({(app, name) for app, names in migrations.items() for name in names})
    if found.unknown:
        unknown = database_version.names(found.unknown)
        return f"The backup is of a newer version, with migrations unknown here: {unknown}."
    if found.halfway:
        lacks = database_version.names(found.halfway)
        return f"The backup lacks {lacks}. Restore it with {database_version.LAST_BEFORE_SQUASHED}, then update."
    return ""


# PostgreSQL's programs


def _address() -> str:
    """Connection string of the database, without the password: others on the machine see the words of a command."""
    found = {name: value for name, value in _parameters().items() if name in _CONNINFO and value not in ("", None)}
    return make_conninfo(**found)


def _parameters() -> dict[str, Any]:
    return connection.get_connection_params()


def _run(program: str, *words: str) -> None:
    environment = dict(os.environ)
    if connection.vendor == "postgresql" and (password := _parameters().get("password")):
        environment["PGPASSWORD"] = str(password)
    try:
        done = subprocess.run([_find(program), *words], env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BackupError(f"{program} could not be started: {error}") from error
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()}")


def _find(program: str) -> str:
    """Path of a PostgreSQL program: Debian's newest version, or what is on PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    found = str(installed[-1]) if installed else shutil.which(program)
    if not found:
        raise BackupError(f"{program} is missing. On Debian: apt-get install postgresql-client")
    return found
