"""Verification of backups: every byte is read and its checksum compared."""

from dataclasses import dataclass, field
from pathlib import Path

from . import database
from .backup_store import Backup, BackupStore, checksum
from .manifest import Manifest, shown

SHARES = 16
"""Each backup reads one share of the contents that it relies on: all of them are read in so many backups."""


@dataclass
class Findings:
    """What is wrong with backups."""

    damage: list[str] = field(default_factory=list)
    """In words; empty if there is none."""
    contents: list[str] = field(default_factory=list)
    """Contents that are damaged or missing. Once noted (BackupStore.note_damaged), the next backup stores them anew."""


def verify(store: BackupStore, backups: list[Backup]) -> Findings:
    """Read these backups. Contents that several share are read once; nothing is written."""
    findings = Findings()
    wrong, readable = findings.damage, []
    for backup in backups:
        found = _own_files(backup)
        wrong += [f"{backup.name}: {text}" for text in found.values()]
        if "manifest.sqlite3" not in found:
            readable.append(backup)
    for prefix in (f"{number:02x}" for number in range(256)):
        needed: set[str] = set()
        for backup in readable:
            with backup.manifest() as manifest:
                needed |= set(manifest.contents(prefix))
        for sha256 in sorted(needed):
            if why := _content(store.content(sha256), sha256):
                wrong.append(f"{why}, of {_whose(readable, sha256)}")
                findings.contents.append(sha256)
    return findings


def damaged_share(store: BackupStore, manifest: Manifest, share: int) -> list[str]:
    """Contents of one share (0 to SHARES-1) of a backup that are damaged or missing."""
    prefixes = (f"{number:02x}" for number in range(share, 256, SHARES))
    needed = (sha256 for prefix in prefixes for sha256 in manifest.contents(prefix))
    return [sha256 for sha256 in needed if _content(store.content(sha256), sha256)]


def _own_files(backup: Backup) -> dict[str, str]:
    """Damage of a backup's own files (database, manifest, secrets), by name."""
    wrong = {}
    for name, sha256 in backup.about["sha256"].items():
        path = backup.path / name
        if why := _content(path, sha256):
            wrong[name] = why
        elif name.startswith("database.") and (why := database.check(path)):
            wrong[name] = f"{name}: {why}"
    return wrong


def _content(path: Path, sha256: str) -> str:
    try:
        found = checksum(path)
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})"
    return "" if found == sha256 else f"{path.name} is damaged"


def _whose(backups: list[Backup], sha256: str) -> str:
    """Path of the first file with a content, for the report."""
    for backup in backups:
        with backup.manifest() as manifest:
            row = manifest.db.execute("SELECT path FROM entries WHERE sha256 = ? ORDER BY path", (sha256,)).fetchone()
        if row:
            return shown(row[0])
    return "no file"
