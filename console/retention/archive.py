"""Audit entries as lines of JSON: for export, and for the archive that is written before old ones are removed.

The archive is a file per month and kind, `audit-2026-11.jsonl`, which is only appended to; earlier months are packed
(gzip). Lines are on disk before their rows are removed. A crash in between leaves rows that are written once more in
the next night: of two lines with one `id` either will do.
"""

import gzip
import json
import os
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from portal.models import AuditEntry

CHUNK = 2**16
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def line(row: Model) -> str:
    """One row as a line of JSON, in ASCII, without its line break. TypeError for what is no audit entry."""
    return json.dumps(_audit_entry(row) if isinstance(row, AuditEntry) else _log_entry(row), allow_nan=False)


def append(rows: Iterable[Model], now: datetime) -> None:
    """Append rows of one kind to the archive of this month; OSError if they are not on disk."""
    found = list(rows)
    if not found:
        return
    directory = Path(settings.AUDIT_ARCHIVE)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "".join(f"{line(row)}\n" for row in found).encode()
    path = directory / f"{name_of(type(found[0]))}-{now:%Y-%m}.jsonl"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b") as file:
        file.truncate(_whole_lines(file))
        file.seek(0, os.SEEK_END)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _sync(directory)


def pack(now: datetime) -> int:
    """Pack the files of earlier months; returns how many."""
    count = 0
    for path in sorted(Path(settings.AUDIT_ARCHIVE).glob("*-[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl")):
        if path.stem[-7:] < f"{now:%Y-%m}":
            draft, packed = path.with_suffix(".jsonl.new"), path.with_suffix(".jsonl.gz")
            if packed.exists():  # of a clock that was set back
                packed = path.with_suffix(f".{now:%Y%m%d%H%M%S}.jsonl.gz")
            with path.open("rb") as source, os.fdopen(os.open(draft, _WRITE, 0o600), "wb") as file:
                with gzip.GzipFile(fileobj=file, mode="wb") as target:
                    shutil.copyfileobj(source, target)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(packed)
            _sync(path.parent)
            path.unlink()
            count += 1
    return count


def name_of(model: type[Model]) -> str:
    """First part of the archive's file names."""
    return "audit" if model is AuditEntry else "administration"


def _audit_entry(row: AuditEntry) -> dict[str, Any]:
    return {
        "id": row.pk,
        "at": row.at.isoformat(),
        "actor": row.actor_name,
        "actor_id": row.actor_id,
        "verb": row.verb,
        "target_type": _type(row.target_type_id),
        "target_id": row.target_id,
        "target_name": row.target_name,
        "details": row.details,
    }


def _log_entry(row: Model) -> dict[str, Any]:
    if not isinstance(row, LogEntry):
        raise TypeError(f"{row!r} is no audit entry")
    return {
        "id": row.pk,
        "at": row.action_time.isoformat(),
        "actor_id": row.user_id,
        "verb": row.get_action_flag_display(),
        "target_type": _type(row.content_type_id),
        "target_id": row.object_id,
        "target_name": row.object_repr,
        "details": row.change_message,
    }


def _type(key: int | None) -> str:
    """Label of a model, such as `collabs.collab`; cached by Django."""
    if key is None:
        return ""
    found = ContentType.objects.get_for_id(key)
    return f"{found.app_label}.{found.model}"


def _whole_lines(file: Any) -> int:
    """Length of the file up to its last line break: what follows was being written when the power went."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - CHUNK)
        file.seek(start)
        if (found := file.read(end - start).rfind(b"\n")) >= 0:
            return int(start + found + 1)
        end = start
    return 0


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
