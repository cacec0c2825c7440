"""Locks, properties and checksums that programs keep by WebDAV: in the database, one for all processes."""

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from drive.models import Library


class LockQuerySet(models.QuerySet["Lock"]):
    """Queries for locks."""

    def live(self) -> Self:
        """Locks that have not timed out."""
        return self.filter(expires_at__gt=timezone.now())


class Lock(models.Model):
    """Write lock (RFC 4918, section 6) on a file or folder. It binds programs that use WebDAV, and no page or Lab."""

    token = models.CharField(max_length=60, unique=True, editable=False)
    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    path = models.TextField(blank=True, help_text="Encoded by drive.storage.path_codec; empty for the whole library.")
    is_deep = models.BooleanField(help_text="Holds for all that is in the folder, too (Depth: infinity).")
    is_shared = models.BooleanField()
    owner = models.TextField(blank=True, help_text="What the program says of its owner, as XML.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    seconds = models.IntegerField(help_text="Time-out that was granted.")
    expires_at = models.DateTimeField(db_index=True)

    objects = LockQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.token


class Property(models.Model):
    """A property that a program has stored with a file or folder (a dead property, RFC 4918, section 4)."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    path = models.TextField(blank=True, help_text="Encoded by drive.storage.path_codec.")
    path_key = models.CharField(max_length=64, help_text="The path's SHA-256.")
    name = models.CharField(max_length=500, help_text="With its namespace: {http://example.org/}name.")
    value = models.TextField(help_text="The whole element, as XML.")

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "properties"
        constraints = [
            models.UniqueConstraint(fields=["library", "path_key", "name"], name="one_property_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Checksum(models.Model):
    """Hashes of a file that a program has uploaded, for as long as the file is the same."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="+")
    signature = models.CharField(
        max_length=100, help_text="Inode, size and times of the file: another file has another."
    )
    sha1 = models.CharField(max_length=40)
    md5 = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["library", "signature"], name="one_checksum_of_a_file")]

    def __str__(self) -> str:
        return self.sha1
