"""All that the site keeps of a person, in one archive: for whoever asks for it (GDPR, article 15 and 20)."""

import errno
import json
import os
import secrets
import zipfile
from pathlib import Path
from typing import IO, Any, cast

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet, Sum

from drive.files import zip_stream
from drive.models import Library
from drive.storage import DiskFullError, StorageError, disk_space, layout
from portal import hooks
from portal.models import User


def write_file(user: User, path: Path) -> list[str]:
    """Write the archive of `write` into a new file, whole or not at all, that the site's account alone can read.

    CannotWriteError, also where the file would use up the reserve of the disk that it is on.
    """
    if path.exists():
        raise CannotWriteError(os.strerror(errno.EEXIST))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        disk_space.require(_libraries(user).aggregate(size=Sum("used_bytes"))["size"] or 0, path.parent)
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w+b") as file:
            missing = write(user, _Reserving(file, path.parent))
            file.flush()
            os.fsync(fd)
        draft.rename(path)
    except (DiskFullError, OSError) as error:
        raise CannotWriteError(getattr(error, "strerror", None) or str(error)) from error
    finally:
        draft.unlink(missing_ok=True)
    return missing


class CannotWriteError(Exception):
    """The archive cannot be written; nothing of it is left."""


class _Reserving:
    """A file that asks for room before each write; what zipfile needs of one."""

    def __init__(self, file: IO[bytes], place: Path) -> None:
        self._file, self._place = file, place
        self.tell, self.seek, self.flush = file.tell, file.seek, file.flush

    def write(self, data: bytes) -> int:
        try:
            disk_space.require(len(data), self._place)
            return self._file.write(data)
        except (DiskFullError, OSError) as error:  # of the archive, not of a library that cannot be read
            raise CannotWriteError(getattr(error, "strerror", None) or str(error)) from error


def write(user: User, file: _Reserving) -> list[str]:
    """Write the archive: rows as JSON, as the person downloads them, and each of their libraries as a ZIP in it.

    Returns the libraries that could not be read. Versions and trash are not in it.
    """
    missing = []
    with zipfile.ZipFile(cast("IO[bytes]", file), "w", zipfile.ZIP_DEFLATED) as archive:
        found: list[dict[str, Any]] = hooks.collect("account_export", user=user)
        for name, content in (item for part in found for item in part.items()):
            archive.writestr(name, json.dumps(content, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
        for library in _libraries(user).order_by("name_key", "pk"):
            try:
                _add(archive, library)
            except (StorageError, OSError):
                missing.append(f"{library.name} ({library.pk})")
    return missing


def _libraries(user: User) -> QuerySet[Library]:
    return Library.objects.filter(owner_user=user, removed_at=None)


def _add(archive: zipfile.ZipFile, library: Library) -> None:
    """What is compressed once is not compressed again; the id keeps apart a deleted one of the same name."""
    inner = zipfile.ZipInfo(f"libraries/{library.name}-{str(library.pk)[:8]}.zip")
    with layout.open_library(library) as files, archive.open(inner, "w", force_zip64=True) as target:
        for piece in zip_stream.pack(files, [("", library.name)]):
            target.write(piece)
