"""Manifest of one backup, an SQLite database: one row per file, folder and link. Names are bytes.

Paths are below the Drive (`libraries/<id>/…`, `trash/<id>/<place>/…`, `objects/…`, `staging/…`), or below
`rooms/` and `homes/`.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

BATCH = 1000
_TABLES = """
CREATE TABLE entries (
    path BLOB PRIMARY KEY, kind TEXT NOT NULL, mode INTEGER NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL,
    changed INTEGER NOT NULL, inode INTEGER NOT NULL, links INTEGER NOT NULL, sha256 TEXT, extents TEXT, target BLOB,
    torn INTEGER NOT NULL, round INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX contents ON entries (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX moved ON entries (inode) WHERE kind = 'file';
CREATE TABLE needed (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE left_out (path BLOB PRIMARY KEY, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE libraries (id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class SavedLibrary:
    """A library in a backup."""

    id: str
    name: str
    """As its owner saw it; empty in backups that were made before names were noted."""
    owner: str
    """A username, or the title of a Collab."""

    @property
    def path(self) -> bytes:
        return f"libraries/{self.id}".encode()


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link, as it was. Times in nanoseconds."""

    path: bytes
    kind: str
    mode: int
    size: int
    modified: int
    changed: int
    inode: int
    links: int
    sha256: str | None = None
    """SHA-256 of the stored bytes: all of a file, or its `extents` one after the other."""
    extents: str | None = None
    """Extents of a sparse file, [[offset, length], …] in JSON; the rest is holes."""
    target: bytes | None = None
    torn: int = 0
    """1 if it was written each time that it was read."""
    round: int = 0
    """Number of the round in which it was last seen."""

    @classmethod
    def of(cls, path: bytes, kind: str, status: os.stat_result) -> "Entry":
        """Entry from stat(2)."""
        times = (status.st_mtime_ns, status.st_ctime_ns)
        return cls(path, kind, status.st_mode & 0o7777, status.st_size, *times, status.st_ino, status.st_nlink)

    def looks_like(self, other: "Entry") -> bool:
        """True if the file was not changed in between: nobody can set a ctime."""
        return self.looks == other.looks

    @property
    def looks(self) -> tuple[object, ...]:
        return self.kind, self.inode, self.size, self.modified, self.changed

    @property
    def signature(self) -> str:
        """Signature of the file in the Drive's rows (drive.storage.signature)."""
        return f"{self.inode:x}-{self.modified:x}-{self.changed:x}-{self.size:x}"

    def parts(self) -> list[tuple[int, int]]:
        """Extents of a file that have data: offset and length."""
        if self.extents is None:
            return [(0, self.size)]
        return [(int(offset), int(length)) for offset, length in json.loads(self.extents)]

    def with_content(self, other: "Entry") -> "Entry":
        """The same entry, with the content of another."""
        return replace(self, sha256=other.sha256, extents=other.extents, target=other.target, torn=other.torn)


_COLUMNS = list(Entry.__slots__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM entries"  # noqa: S608
_INSERT = f"INSERT OR REPLACE INTO entries VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


class Manifest:
    """A manifest on disk; `create` makes one, `open` reads a complete one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.db = connection
        self.waiting: list[Entry] = []

    @classmethod
    def create(cls, path: Path) -> "Manifest":
        """Create an empty manifest. It is not synced before its backup is complete."""
        path.touch(mode=0o600)
        manifest = cls(sqlite3.connect(path))
        manifest.db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLES)
        return manifest

    @classmethod
    def open(cls, path: Path) -> "Manifest":
        """Open an existing manifest, read-only."""
        return cls(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True))

    def close(self) -> None:
        self.flush()
        self.db.commit()
        self.db.close()

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Writing

    def add(self, entry: Entry) -> None:
        """Add an entry, or replace that of the same path."""
        self.waiting.append(entry)
        if len(self.waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write pending entries, so that queries see them."""
        if self.waiting:
            rows = ([getattr(entry, column) for column in _COLUMNS] for entry in self.waiting)
            self.db.executemany(_INSERT, rows)
            self.waiting.clear()

    def leave_out(self, path: bytes, why: str) -> None:
        """Record that a path is not in the backup, and why."""
        self.db.execute("INSERT OR REPLACE INTO left_out VALUES (?, ?)", (path, why))

    def take_in(self, path: bytes) -> None:
        """Undo `leave_out`: it could be read after all."""
        self.db.execute("DELETE FROM left_out WHERE path = ?", (path,))

    def need(self, paths: Iterator[bytes]) -> None:
        """Record the paths that the database's rows refer to."""
        self.db.executemany("INSERT OR IGNORE INTO needed VALUES (?)", ((path,) for path in paths))

    def add_libraries(self, libraries: Iterable[SavedLibrary]) -> None:
        """Record the libraries whose files are in the backup."""
        rows = ((library.id, library.name, library.owner) for library in libraries)
        self.db.executemany("INSERT INTO libraries VALUES (?, ?, ?)", rows)

    def drop_moved(self, prefix: bytes, number: int) -> int:
        """Drop files that a later round found elsewhere, and folders left empty by that; returns how many."""
        self.flush()
        done = self.db.execute(
            "DELETE FROM entries WHERE path >= ? AND path < ? AND round < ? AND kind = 'file' AND EXISTS (SELECT 1 FROM"
            " entries AS other WHERE other.inode = entries.inode AND other.kind = 'file' AND other.round = ?"
            " AND other.size = entries.size AND other.modified = entries.modified)",
            (prefix, _after(prefix), number, number),
        ).rowcount
        return done + self._drop_empty(prefix, number)

    def _drop_empty(self, prefix: bytes, number: int) -> int:
        """Drop empty folders that the last round did not see, from the deepest upwards; returns how many."""
        gone = (
            "SELECT path FROM entries WHERE path >= ? AND path < ? AND round < ? AND kind = 'folder' ORDER BY path DESC"
        )
        dropped = 0
        for (path,) in self.db.execute(gone, (prefix, _after(prefix), number)).fetchall():
            inside = self.db.execute("SELECT 1 FROM entries WHERE path > ? AND path < ?", (path + b"/", path + b"0"))
            if not inside.fetchone():
                self.db.execute("DELETE FROM entries WHERE path = ?", (path,))
                dropped += 1
        return dropped

    # Reading

    def get(self, path: bytes) -> Entry | None:
        row = self.db.execute(f"{_SELECT} WHERE path = ?", (path,)).fetchone()
        return Entry(*row) if row else None

    def entries(self, *, below: bytes = b"", backwards: bool = False) -> Iterator[Entry]:
        """Entries, all or at and below a path; folders before their contents, or after (`backwards`)."""
        order = "ORDER BY path DESC" if backwards else "ORDER BY path"
        where = "WHERE path = ? OR (path > ? AND path < ?)" if below else ""
        bounds = (below, below + b"/", below + b"0") if below else ()
        cursor = self.db.execute(f"{_SELECT} {where} {order}", bounds)
        while rows := cursor.fetchmany(BATCH):
            yield from (Entry(*row) for row in rows)

    def libraries(self, text: str) -> list[SavedLibrary]:
        """Libraries with this id or this name (case does not matter)."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'libraries'").fetchone():
            return [SavedLibrary(text, "", "")] if self.get(f"libraries/{text}".encode()) else []
        rows = self.db.execute("SELECT id, name, owner FROM libraries ORDER BY owner, id")
        return [SavedLibrary(*row) for row in rows if text.casefold() in (row[0], row[1].casefold())]

    def contents(self, prefix: str = "") -> Iterator[str]:
        """SHA-256 of each content, once, in order; only those with a prefix."""
        query = "SELECT DISTINCT sha256 FROM entries WHERE sha256 >= ? AND sha256 < ? ORDER BY sha256"
        cursor = self.db.execute(query, (prefix, prefix + "g"))
        while rows := cursor.fetchmany(BATCH):
            yield from (row[0] for row in rows)

    def missing(self) -> list[bytes]:
        """Paths that rows refer to and that are not in the backup."""
        self.flush()
        query = "SELECT path FROM needed WHERE path NOT IN (SELECT path FROM entries) ORDER BY path"
        return [row[0] for row in self.db.execute(query)]

    def torn(self) -> list[bytes]:
        """Files that were written each time that they were read."""
        self.flush()
        return [row[0] for row in self.db.execute("SELECT path FROM entries WHERE torn ORDER BY path")]

    def left(self) -> list[tuple[bytes, str]]:
        """Paths that are not in the backup, and why."""
        return self.db.execute("SELECT path, why FROM left_out ORDER BY path").fetchall()

    def contents_below(self, path: bytes) -> list[str]:
        """SHA-256 of each content of the files at or below a path, once, in order."""
        return sorted({entry.sha256 for entry in self.entries(below=path) if entry.sha256})

    def totals(self, below: bytes = b"") -> tuple[int, int]:
        """Number of files, all or at and below a path, and of their bytes without holes."""
        self.flush()
        files = total = 0
        for entry in self.entries(below=below):
            if entry.kind == "file":
                files += 1
                total += sum(length for _offset, length in entry.parts())
        return files, total


def _after(prefix: bytes) -> bytes:
    """Smallest path that is greater than all with this prefix."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def shown(path: bytes) -> str:
    """A path on one line, with escapes for what cannot be printed."""
    text = path.decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
