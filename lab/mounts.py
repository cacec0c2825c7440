"""What a person's Drive in a running Lab holds, and whether that is still what they may see."""

import hashlib
import json

from drive import visibility
from portal.models import User

from .launchers import Mount


def mounts_of(user: User) -> list[Mount]:
    """The libraries of the three private folders; the public folder is one mount that every server has anyway."""
    return [
        Mount(folder=str(m.folder), name=m.name, library_id=m.library_id, mode=m.mode) for m in visibility.mounts(user)
    ]


def digest(mounts: list[Mount]) -> str:
    """Equal for equal views, whatever their order."""
    lines = sorted(json.dumps(mount.as_json(), sort_keys=True) for mount in mounts)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
