"""Prometheus metrics of the Drive."""

import os
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count, Q, Sum
from prometheus_client.core import Metric

from portal.ops.metrics import Counter, gauge

from .models import File, Library

CAPTURES = Counter("drive_captured_versions_total", "Versions of files that were kept.")


def families(up: frozenset[str]) -> Iterator[Metric]:
    """Room on the disk, and what the database knows of libraries."""
    if "drive" in up:
        disk = os.statvfs(settings.DRIVE_ROOT)
        yield gauge("drive_disk_size_bytes", "Size of the Drive's disk.", disk.f_blocks * disk.f_frsize)
        yield gauge("drive_disk_free_bytes", "Free space on the Drive's disk.", disk.f_bavail * disk.f_frsize)
    if "database" in up:
        live, deleted = Q(deleted_at=None), Q(deleted_at__isnull=False)
        sums = Library.objects.aggregate(
            live=Count("pk", filter=live),
            deleted=Count("pk", filter=deleted),
            size=Sum("used_bytes"),
            files=Sum("used_files"),
        )
        states = {"live": sums["live"], "deleted": sums["deleted"]}
        yield gauge("drive_libraries", "Libraries.", states, "state")
        yield gauge("drive_used_bytes", "Size of the files in all libraries, as last counted.", sums["size"] or 0)
        yield gauge("drive_files", "Files in all libraries, as last counted.", sums["files"] or 0)
        waiting = File.objects.filter(is_captured=False, trashed=None, size__lte=settings.VERSION_MAX_BYTES)
        yield gauge("drive_uncaptured_files", "Files whose newest content has no version yet.", waiting.count())
