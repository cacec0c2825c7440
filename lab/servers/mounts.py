"""Mounts of a person's Drive in a Lab, their digest, by which changes of access are noticed, and their quotas."""

import hashlib
import json
from dataclasses import replace

from drive.folders import MOUNTED
from drive.libraries.quota import Allowed, allowed
from drive.libraries.visibility import entries
from lab.launchers import Mount
from portal.models import User


def mounts_of(user: User) -> list[Mount]:
    """The libraries of the three private folders; the public folder is one mount that every server has anyway."""
    return [
        Mount(str(entry.folder), entry.name, entry.library_id, "rw" if entry.may_write else "ro")
        for entry in entries(user, folders=MOUNTED)
    ]


def with_quotas(mounts: list[Mount]) -> list[Mount]:
    """The mounts, those that can be written to with the quota that they count against. Two queries.

    Servers may make twice as many files as the quota allows, and one: it is of files alone, here folders and links
    count too, the library's own among them, and who goes beyond it loses a process.
    """
    found = allowed(mount.library_id for mount in mounts if mount.mode == "rw")
    return [_with_quota(mount, found.get(mount.library_id)) for mount in mounts]


def _with_quota(mount: Mount, quota: Allowed | None) -> Mount:
    if quota is None:
        return mount
    return replace(
        mount,
        quota=quota.owner,
        quota_files=2 * quota.max_files + 1,
        quota_bytes=max(1, quota.max_bytes),
        quota_libraries=tuple(map(str, quota.libraries)),
        quota_used=quota.used_bytes,
    )


def digest(mounts: list[Mount]) -> str:
    """Equal for equal views, whatever their order and their quotas."""
    views = ([mount.folder, mount.name, str(mount.library_id), mount.mode] for mount in mounts)
    return hashlib.sha256("\n".join(sorted(map(json.dumps, views))).encode()).hexdigest()
