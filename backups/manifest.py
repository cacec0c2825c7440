"""What one backup holds, in a small SQLite database: names can be any bytes, and ten million rows need no memory.

Paths are below the Drive (`libraries/<id>/…`, `trash/<id>/<place>/…`, `objects/…`, `staging/…`), or below `homes/`.
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
    """Of the bytes that are kept: all of a file, or its `extents` one after the other."""
    extents: str | None = None
    """Where the bytes of a sparse file are: [[offset, length], …] in JSON; the rest is holes."""
    target: bytes | None = None
    torn: int = 0
    """Whether it was being written each time that it was read."""
    round: int = 0
    """In which round over the files it was last seen."""

    @classmethod
    def of(cls, path: bytes, kind: str, status: os.stat_result) -> "Entry":
        """As stat(2) tells it."""
        times = (status.st_mtime_ns, status.st_ctime_ns)
        return cls(path, kind, status.st_mode & 0o7777, status.st_size, *times, status.st_ino, status.st_nlink)

    def looks_like(self, other: "Entry") -> bool:
        """Whether the file was not touched in between: nobody sets the time of change."""
        return self.looks == other.looks

    @property
    def looks(self) -> tuple[object, ...]:
        return self.kind, self.inode, self.size, self.modified, self.changed

    @property
    def signature(self) -> str:
        """As the Drive's rows know it (drive.storage.signature)."""
        return f"{self.inode:x}-{self.modified:x}-{self.changed:x}-{self.size:x}"

    def parts(self) -> list[tuple[int, int]]:
        """The stretches of a file that have bytes: offset and length."""
        if self.extents is None:
            return [(0, self.size)]
        return [(int(offset), int(length)) for offset, length in json.loads(self.extents)]

    def with_content(self, other: "Entry") -> "Entry":
        """The same, with the bytes of another."""
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
        """An empty one. It is synced by whoever calls its backup complete."""
        path.touch(mode=0o600)
        manifest = cls(sqlite3.connect(path))
        manifest.db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLES)
        return manifest

    @classmethod
    def open(cls, path: Path) -> "Manifest":
        """An existing one, read-only."""
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
        """Note an entry, or what became of it."""
        self.waiting.append(entry)
        if len(self.waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """What was added can be asked for."""
        if self.waiting:
            rows = ([getattr(entry, column) for column in _COLUMNS] for entry in self.waiting)
            self.db.executemany(_INSERT, rows)
            self.waiting.clear()

    def leave_out(self, path: bytes, why: str) -> None:
        """Note something that is not in the backup."""
        self.db.execute("INSERT OR REPLACE INTO left_out VALUES (?, ?)", (path, why))

    def take_in(self, path: bytes) -> None:
        """It could be read after all."""
        self.db.execute("DELETE FROM left_out WHERE path = ?", (path,))

    def need(self, paths: Iterator[bytes]) -> None:
        """Note what the rows of the database refer to."""
        self.db.executemany("INSERT OR IGNORE INTO needed VALUES (?)", ((path,) for path in paths))

    def add_libraries(self, libraries: Iterable[SavedLibrary]) -> None:
        """Note the libraries whose files are in the backup."""
        rows = ((library.id, library.name, library.owner) for library in libraries)
        self.db.executemany("INSERT INTO libraries VALUES (?, ?, ?)", rows)

    def drop_moved(self, prefix: bytes, number: int) -> int:
        """Forget files that a later round found elsewhere, and folders that are gone with them; returns how many."""
        self.flush()
        done = self.db.execute(
            "DELETE FROM entries WHERE path >= ? AND path < ? AND round < ? AND kind = 'file' AND EXISTS (SELECT 1 FROM"
            " entries AS other WHERE other.inode = entries.inode AND other.kind = 'file' AND other.round = ?"
            " AND other.size = entries.size AND other.modified = entries.modified)",
            (prefix, _after(prefix), number, number),
        ).rowcount
        return done + self._drop_empty(prefix, number)

    def _drop_empty(self, prefix: bytes, number: int) -> int:
        """Folders not seen any more that hold nothing, from the deepest upwards."""
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
        """All, or a path and what is below it; folders before what is in them, or after (`backwards`)."""
        order = "ORDER BY path DESC" if backwards else "ORDER BY path"
        where = "WHERE path = ? OR (path > ? AND path < ?)" if below else ""
        bounds = (below, below + b"/", below + b"0") if below else ()
        cursor = self.db.execute(f"{_SELECT} {where} {order}", bounds)
        while rows := cursor.fetchmany(BATCH):
            yield from (Entry(*row) for row in rows)

    def libraries(self, text: str) -> list[SavedLibrary]:
        """Those with this id, or with this name (case does not matter)."""
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'libraries'").fetchone():
            return [SavedLibrary(text, "", "")] if self.get(f"libraries/{text}".encode()) else []
        rows = self.db.execute("SELECT id, name, owner FROM libraries ORDER BY owner, id")
        return [SavedLibrary(*row) for row in rows if text.casefold() in (row[0], row[1].casefold())]

    def contents(self, prefix: str = "") -> Iterator[str]:
        """The SHA-256 of each content, once, in order; those that begin so."""
        query = "SELECT DISTINCT sha256 FROM entries WHERE sha256 >= ? AND sha256 < ? ORDER BY sha256"
        cursor = self.db.execute(query, (prefix, prefix + "g"))
        while rows := cursor.fetchmany(BATCH):
            yield from (row[0] for row in rows)

    def missing(self) -> list[bytes]:
        """What rows refer to and is not there."""
        self.flush()
        query = "SELECT path FROM needed WHERE path NOT IN (SELECT path FROM entries) ORDER BY path"
        return [row[0] for row in self.db.execute(query)]

    def torn(self) -> list[bytes]:
        """Files that were being written each time that they were read."""
        self.flush()
        return [row[0] for row in self.db.execute("SELECT path FROM entries WHERE torn ORDER BY path")]

    def left(self) -> list[tuple[bytes, str]]:
        """What is not in the backup, and why."""
        return self.db.execute("SELECT path, why FROM left_out ORDER BY path").fetchall()

    def contents_below(self, path: bytes) -> list[str]:
        """The SHA-256 of each content of the files at or below a path, in order."""
        return sorted({entry.sha256 for entry in self.entries(below=path) if entry.sha256})

    def totals(self, below: bytes = b"") -> tuple[int, int]:
        """Files, all or at and below a path, and their bytes (holes do not count)."""
        self.flush()
        files = total = 0
        for entry in self.entries(below=below):
            if entry.kind == "file":
                files += 1
                total += sum(length for _offset, length in entry.parts())
        return files, total


def _after(prefix: bytes) -> bytes:
    """The first path that does not begin so."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def shown(path: bytes) -> str:
    """A path for a report: one line, whatever is in it."""
    text = path.decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
