"""Health checks of the Drive."""

import os
import secrets
from pathlib import Path

from django.conf import settings

from portal.ops.health import Part


def parts() -> list[Part]:
    """For `/readyz`. Notebooks, previews and pages without files go on without it."""
    return [Part("drive", write, needed=False)]


def write() -> None:
    """A file can be written, and is on the disk before it is removed."""
    path = Path(settings.DRIVE_ROOT) / "staging" / f"health-{secrets.token_hex(8)}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, b"ok")
        os.fdatasync(fd)
    finally:
        os.close(fd)
        path.unlink(missing_ok=True)
