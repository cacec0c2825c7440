"""A snapshot of the site's database while the site writes to it, and loading one in place of what is there.

SQLite: its own backup API, in one read transaction; in WAL mode nobody waits for it. PostgreSQL: pg_dump, which reads
one snapshot, and pg_restore, whose SQL psql runs in one transaction.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection
from psycopg.conninfo import make_conninfo

from portal.ops import database_version

from .backup_store import BackupError

FILES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_CONNINFO = ("dbname", "user", "host", "port", "service", "sslmode", "sslrootcert", "sslcert", "sslkey", "passfile")


def snapshot(place: Path, most: int | None = None) -> Path:
    """Write a snapshot of the site's database below `place`; returns its file.

    `most`: bytes that PostgreSQL's may have, whose size is not known before; BackupError where it has more.
    """
    target = place / FILES[connection.vendor]
    if connection.vendor == "sqlite":
        _copy_sqlite(target)
    else:
        _dump(target, most)
    target.chmod(0o600)
    return target


def _dump(target: Path, most: int | None) -> None:
    limit = [] if most is None else ["prlimit", f"--fsize={max(0, most)}"]
    words = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}", _address()]
    try:
        _run("pg_dump", *words, limit=limit)
    except BackupError as error:
        if most is not None and target.exists() and target.stat().st_size >= most:
            raise BackupError(
                f"There is not enough room in {target.parents[1]} for a copy of the database:"
                f" {max(0, most) / 2**20:.1f} MB may be used. Nothing was changed."
            ) from error
        raise


def size() -> int:
    """Bytes of SQLite's database, with what is in its log."""
    with sqlite3.connect(sqlite_path().absolute().as_uri() + "?mode=ro", uri=True, timeout=60) as source:
        pages, page = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    source.close()
    return int(pages * page)


def link(place: Path) -> Path:
    """SQLite's database itself, below `place`, until another takes its place (`load`); a copy on another disk.

    For a site that does not run.
    """
    target = place / FILES["sqlite"]
    connection.close()
    _fold_log(sqlite_path())
    try:
        os.link(sqlite_path(), target)
    except OSError:  # of another disk, or one without links
        shutil.copyfile(sqlite_path(), target)
        target.chmod(0o600)
    return target


def _copy_sqlite(target: Path) -> None:
    # Not a connection of Django's: that one may be in a transaction, which nobody else is to see.
    with sqlite3.connect(sqlite_path().absolute().as_uri() + "?mode=ro", uri=True, timeout=60) as source:
        copy = sqlite3.connect(target)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # all of it in one file
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
        copy.close()
    source.close()
    if found != "ok":
        raise BackupError(f"The database is damaged: {found}")


def sqlite_path() -> Path:
    """Where SQLite's database is."""
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


def load(path: Path, changes: Mapping[str, str] | None = None) -> None:
    """Load a snapshot in place of the site's database, all or nothing, however it ends. Nothing else may use it.

    `changes`: statements by the table that they need, run in what is loaded before anybody sees it.
    """
    connection.close()
    if connection.vendor == "sqlite":
        _load_sqlite(path, sqlite_path(), changes or {})
    else:
        _load_postgres(path, changes or {})


def _load_sqlite(path: Path, target: Path, changes: Mapping[str, str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.restored")
    shutil.copyfile(path, fresh)
    fresh.chmod(0o600)
    if changes:
        _change_sqlite(fresh, changes)
    _sync(fresh)
    _fold_log(target)
    fresh.replace(target)
    _sync(target.parent)


def _change_sqlite(path: Path, changes: Mapping[str, str]) -> None:
    try:
        with closing(sqlite3.connect(path)) as database, database:
            # No file beside it: what is cut off here is copied anew, and another copy's journal would be read into it.
            database.execute("PRAGMA journal_mode=MEMORY")
            there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table, statement in changes.items():
                if table in there:
                    database.execute(statement)
    except sqlite3.Error as error:
        raise BackupError(f"The database was not loaded, and is as it was: {error}.") from error


def log_size() -> int:
    """Bytes of the log beside SQLite's database, by which that may grow when it is closed."""
    log = sqlite_path().with_name(f"{sqlite_path().name}-wal")
    return log.stat().st_size if log.exists() else 0


def _fold_log(path: Path) -> None:
    """Take a database's log into its file: beside another database the log would be taken for that one's.

    BackupError where that fails, and the log stays: without it the database would lack what was committed last. Only
    that of a damaged database is removed.
    """
    try:
        if path.exists():
            with closing(sqlite3.connect(path)) as database:
                [mode] = database.execute("PRAGMA journal_mode=DELETE").fetchone()
            if mode != "delete":
                raise BackupError(f"Another process has {path} open. End it first.")
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BackupError(f"Another process has {path} open. End it first.") from error
        if code not in _DAMAGED:
            raise BackupError(f"{path} could not be closed, and is as it was: {error}.") from error
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_EMPTY = """
BEGIN;
SET client_min_messages = error;
DO $$ DECLARE it record; BEGIN
  FOR it IN SELECT relname, CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        ELSE 'TABLE' END AS kind FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
          AND deptype = 'e')
      ORDER BY relkind = 'S' LOOP
    EXECUTE format('DROP %s IF EXISTS %I CASCADE', it.kind, it.relname);
  END LOOP;
END $$;
"""
"""Tables, views and sequences of the site: it makes nothing else. What belongs to an extension stays."""
_OF_NEWER_SERVERS = b"SET transaction_timeout = 0;\n"
"""PostgreSQL 17's pg_restore writes it for older servers, too, which do not know it."""


def _load_postgres(path: Path, changes: Mapping[str, str]) -> None:
    """psql runs the SQL that pg_restore writes. It commits once that has come to its end; else nothing has changed."""
    words = ["--no-owner", "--no-privileges", "--no-comments", "--file=-", str(path)]
    into = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", f"--dbname={_address()}"]
    with tempfile.TemporaryFile() as said, _started("pg_restore", words, stdout=subprocess.PIPE, stderr=said) as source:
        with _started("psql", into, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as target:
            assert source.stdout
            assert target.stdin
            with suppress(BrokenPipeError), target.stdin as stream:
                stream.write(_EMPTY.encode())
                stream.writelines(line for line in islice(source.stdout, 50) if line != _OF_NEWER_SERVERS)
                shutil.copyfileobj(source.stdout, stream)
                if source.wait() == 0:
                    stream.write(_after(changes).encode() + b"COMMIT;\n")
            source.stdout.close()
        if source.wait() or target.returncode:
            said.seek(0)
            raise BackupError(f"The database was not loaded, and is as it was: {said.read().decode().strip()}")


def _after(changes: Mapping[str, str]) -> str:
    """The statements as SQL. A dump leaves the search path empty."""
    lines = [
        f"DO $$ BEGIN IF to_regclass('{table}') IS NOT NULL THEN {statement}; END IF; END $$;\n"
        for table, statement in changes.items()
    ]
    return "RESET search_path;\n" + "".join(lines)


def postgres_size() -> int:
    """Bytes of PostgreSQL's database if its server is on this machine; 0 elsewhere."""
    host = str(_parameters().get("host") or "")
    if host and not host.startswith(("/", "@")) and host not in ("localhost", "127.0.0.1", "::1"):
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def other_connections() -> list[str]:
    """Who else is connected to PostgreSQL's database with the site's own name; none where it is SQLite's."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(nullif(application_name, ''), 'process ' || pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
        return sorted(str(name) for (name,) in cursor.fetchall())


def is_empty() -> bool:
    """True if the site's database has no table."""
    if connection.vendor == "sqlite" and not sqlite_path().exists():
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


def _run(program: str, *words: str, limit: Sequence[str] = ()) -> None:
    """`limit`: a command that runs it under a limit."""
    command = [*limit, find_program(program), *words]
    try:
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)
    except OSError as error:
        raise BackupError(f"{program} could not be started: {error}") from error
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip() or done.returncode}")


def _started(program: str, words: list[str], **options: Any) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen([find_program(program), *words], env=_environment(), **options)
    except OSError as error:
        raise BackupError(f"{program} could not be started: {error}") from error


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    if connection.vendor == "postgresql" and (password := _parameters().get("password")):
        environment["PGPASSWORD"] = str(password)
    return environment


def find_program(program: str) -> str:
    """Path of a PostgreSQL program: Debian's newest version, or what is on PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    found = str(installed[-1]) if installed else shutil.which(program)
    if not found:
        raise BackupError(f"{program} is missing. On Debian: apt-get install postgresql-client")
    return found
