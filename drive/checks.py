"""System checks of the Drive's settings and disk; docs/reference/checks.md explains each id."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from portal.ops.checks import check_message

from .storage import openat2
from .versions import retention


@register()
def retention_rules(**_: Any) -> list[CheckMessage]:
    """VERSION_KEEP can be read."""
    try:
        retention.rules()
    except ImproperlyConfigured as error:
        return [check_message(Error, str(error), "drive.E001")]
    return []


@register()
def file_system(**_: Any) -> list[CheckMessage]:
    """The kernel and the file system of DRIVE_ROOT can do what nothing here is done without; tried, where it exists."""
    staging = Path(settings.DRIVE_ROOT) / "staging"
    if not os.access(staging, os.W_OK):
        return []
    place = staging / f"check-{secrets.token_hex(8)}"
    place.mkdir()
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in ("a", "b"):
            (place / name).touch()
        openat2.rename(fd, b"a", fd, b"b", openat2.EXCHANGE)
        os.close(openat2.open_beneath(fd, b"a", os.O_RDONLY))
    except OSError as error:
        message = f"The file system of DRIVE_ROOT, or this kernel, lacks openat2 or renameat2 with its flags: {error}."
        return [check_message(Error, message, "drive.E002")]
    finally:
        os.close(fd)
        for name in ("a", "b"):
            (place / name).unlink(missing_ok=True)
        place.rmdir()
    return []
