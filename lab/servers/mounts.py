"""Mounts of a person's Drive in a Lab, and their digest, by which changes of access are noticed."""

import hashlib
import json

from drive.folders import MOUNTED
from drive.libraries.visibility import entries
from lab.launchers import Mount
from portal.models import User


def mounts_of(user: User) -> list[Mount]:
    """The libraries of the three private folders; the public folder is one mount that every server has anyway."""
    return [
        Mount(str(entry.folder), entry.name, entry.library_id, "rw" if entry.may_write else "ro")
        for entry in entries(user, folders=MOUNTED)
    ]


def digest(mounts: list[Mount]) -> str:
    """Equal for equal views, whatever their order."""
    lines = sorted(json.dumps(mount.as_json(), sort_keys=True) for mount in mounts)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
