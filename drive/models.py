"""Libraries and the shares that let others see them."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from collabs.models import Collab, EffectiveRole, Person, administers
from portal.models import User


class Permission(models.TextChoices):
    """Permission of a share."""

    READ = "r", gettext_lazy("can read")
    WRITE = "rw", gettext_lazy("can read and write")


class LibraryQuerySet(models.QuerySet["Library"]):
    """Questions about many libraries; who sees which one is in visibility.py."""

    def live(self) -> "LibraryQuerySet":
        """All but the deleted."""
        return self.filter(deleted_at=None)

    def visible_to(self, user: Person) -> "LibraryQuerySet":
        """Those with at least one entry in `visibility.entries`."""
        if not user.is_active:
            return self.none()
        team = EffectiveRole.objects.filter(user=user, collab__deleted_at=None).values("collab")
        routes = Q(owner_user=user) | Q(owner_collab__in=team) | Q(is_public=True)
        shares = Share.objects.filter(Q(user=user) | Q(collab__in=team)).values("library")
        seen = self.live().filter(routes | Q(pk__in=shares))
        only = user.only_libraries if isinstance(user, User) else None
        return seen if only is None else seen.filter(pk__in=only)


class Library(models.Model):
    """Files that belong together: of one person, or of one Collab. On disk a directory named by the id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="libraries"
    )
    owner_collab = models.OneToOneField(Collab, null=True, blank=True, on_delete=models.PROTECT, related_name="library")
    name = models.CharField(max_length=100, help_text="Name for the owner; a Collab's library has the Collab's title.")
    name_key = models.CharField(max_length=300, editable=False)
    shared_name = models.CharField(
        max_length=150, null=True, blank=True, help_text="Name for everybody else; unique; set when first shared."
    )
    shared_key = models.CharField(max_length=450, null=True, unique=True, editable=False)
    is_default = models.BooleanField(default=False, help_text="The person's “My Library”, which exists from sign-up.")
    is_public = models.BooleanField(default=False, help_text="Everybody who is signed in can read it.")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="Kept for 30 days.")
    removed_at = models.DateTimeField(
        null=True, editable=False, help_text="When its permanent removal began; it cannot be restored any more."
    )
    used_bytes = models.BigIntegerField(default=0, editable=False)
    used_files = models.BigIntegerField(default=0, editable=False)
    counted_at = models.DateTimeField(null=True, editable=False, help_text="Time of the scan that last counted them.")

    objects = LibraryQuerySet.as_manager()

    class Meta:
        ordering = ["name_key"]
        verbose_name_plural = "libraries"
        constraints = [
            models.CheckConstraint(
                condition=Q(owner_user__isnull=True) ^ Q(owner_collab__isnull=True), name="library_has_one_owner"
            ),
            models.UniqueConstraint(
                fields=["owner_user", "name_key"],
                condition=Q(deleted_at=None),
                name="one_library_of_a_name_per_person",
                violation_error_message=gettext_lazy("You have a library with this name."),
            ),
            models.UniqueConstraint(
                fields=["owner_user"], condition=Q(is_default=True), name="one_default_library_per_person"
            ),
        ]
        indexes = [models.Index(fields=["shared_key"], condition=Q(is_public=True, deleted_at=None), name="public")]

    def __str__(self) -> str:
        return self.shared_name or self.name

    def get_absolute_url(self) -> str:
        return reverse("drive:library", args=[self.pk])

    @property
    def kept_until(self) -> datetime | None:
        """When a deleted one is removed for good."""
        return self.deleted_at + timedelta(days=settings.LIBRARY_KEEP_DAYS) if self.deleted_at else None


class Via(models.TextChoices):
    """Origin of a change."""

    WEB = "web", gettext_lazy("on the web")
    LAB = "lab", gettext_lazy("in a Lab")
    RESTORED = "restored", "restored"
    TOGETHER = "together", gettext_lazy("edited together")
    LINK = "link", gettext_lazy("through an upload link")


class Trashed(models.Model):
    """Something that was deleted from a library: a file or folder, restorable as a whole.

    What was deleted on the web lies in the library's trash directory, at `place`. What vanished in a Lab is made again
    from the last captured version of each file; then `place` is empty.
    """

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="trash")
    path = models.TextField(help_text="Path that it was deleted from.")
    kind = models.CharField(max_length=6, help_text="file, folder, link or other")
    place = models.CharField(max_length=100, blank=True)
    files = models.BigIntegerField(default=1)
    size = models.BigIntegerField(default=0)
    deleted_at = models.DateTimeField(db_index=True)
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    via = models.CharField(max_length=8, choices=Via)
    loss = models.ForeignKey("Loss", null=True, on_delete=models.SET_NULL, related_name="trashed")

    class Meta:
        ordering = ["-deleted_at", "-pk"]
        verbose_name_plural = "trashed"
        indexes = [models.Index(fields=["library", "-deleted_at"], name="trash_of_library")]

    def __str__(self) -> str:
        return self.path


class Loss(models.Model):
    """A large share of a library vanished at once: its people are told until one of them has answered."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="losses")
    files = models.BigIntegerField()
    of_files = models.BigIntegerField(help_text="Number of files before the loss.")
    noticed_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-noticed_at"]
        verbose_name_plural = "losses"

    def __str__(self) -> str:
        return f"{self.files} of {self.of_files} files of {self.library}"


class File(models.Model):
    """The history of one file, through renames, deletion and restore. Made when the file is first seen or changed."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="files")
    path = models.TextField(help_text="Current path, or the path at deletion, encoded by drive.storage.path_codec.")
    path_key = models.CharField(max_length=64, help_text="The path's SHA-256: paths are longer than an index may hold.")
    signature = models.CharField(max_length=80, help_text="Inode, size and times when it was last seen or written.")
    size = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    via = models.CharField(max_length=8, choices=Via)
    noted_at = models.DateTimeField(
        null=True,
        help_text="When this row learned of a new content or path; a Lab wrote earlier. For programs that follow.",
    )
    is_captured = models.BooleanField(default=False, help_text="True if the newest version is the current content.")
    capture_after = models.DateTimeField(
        null=True, help_text="No version is made before: it is being edited together, and saved every few seconds."
    )
    trashed = models.ForeignKey(Trashed, null=True, on_delete=models.CASCADE, related_name="histories")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["library", "path_key"], condition=Q(trashed=None), name="one_live_file_per_path"
            ),
        ]
        indexes = [
            models.Index(fields=["library"], condition=Q(is_captured=False, trashed=None), name="not_captured"),
            models.Index(fields=["library", "-changed_at"], condition=Q(trashed=None), name="latest_files"),
            models.Index(fields=["library", "noted_at"], condition=Q(trashed=None), name="noted_files"),
            models.Index(fields=["noted_at"], condition=Q(trashed=None), name="noted_lately"),
        ]

    def __str__(self) -> str:
        return self.path


class Version(models.Model):
    """Content of a file at some time. The bytes are in the object store, under their SHA-256."""

    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="versions")
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()
    modified = models.DateTimeField(help_text="Modification time of the file.")
    captured_at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    via = models.CharField(max_length=8, choices=Via)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.file} of {self.modified:%Y-%m-%d %H:%M}"


class Contributor(models.Model):
    """One of those who typed what a version holds, where several edit a file together."""

    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="contributors")
    version = models.ForeignKey(
        Version,
        null=True,
        on_delete=models.CASCADE,
        related_name="contributors",
        help_text="None: since the newest version.",
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["version", "user"], name="one_contributor_per_version"),
            models.UniqueConstraint(
                fields=["file", "user"], condition=Q(version=None), name="one_contributor_since_the_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.file}"


class Share(models.Model):
    """Lets a person, or the team of a Collab, see a library."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="shares")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="shares"
    )
    collab = models.ForeignKey(Collab, null=True, blank=True, on_delete=models.CASCADE, related_name="shares")
    permission = models.CharField(max_length=2, choices=Permission, default=Permission.READ)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = [F("user__username").asc(nulls_last=True), "collab__title_key"]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=True) ^ Q(collab__isnull=True), name="share_has_one_target"
            ),
            models.UniqueConstraint(fields=["library", "user"], name="one_share_per_person"),
            models.UniqueConstraint(fields=["library", "collab"], name="one_share_per_team"),
        ]

    def __str__(self) -> str:
        return f"{self.library} with {self.user or self.collab}"


class Owner(User):
    """A person as the owner of libraries: for the operators' list of who uses how much."""

    class Meta:
        proxy = True
        verbose_name_plural = "owners"


class Quota(models.Model):
    """Room for one person's libraries, or for one Collab's, where it is not what the settings give everybody."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="quota"
    )
    collab = models.OneToOneField(Collab, null=True, blank=True, on_delete=models.CASCADE, related_name="quota")
    max_bytes = models.PositiveBigIntegerField(
        "bytes", null=True, blank=True, help_text="Total size of all files. Empty: the site's default."
    )
    max_files = models.PositiveBigIntegerField("files", null=True, blank=True, help_text="Empty: the site's default.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=True) ^ Q(collab__isnull=True),
                name="quota_is_for_one",
                violation_error_message="A quota is for a person or for a Collab.",
            ),
        ]

    def __str__(self) -> str:
        return f"Quota of {self.user or self.collab}"


class PublicLinkQuerySet(models.QuerySet["PublicLink"]):
    """Questions about many links."""

    def open(self, now: datetime | None = None) -> "PublicLinkQuerySet":
        """Those that let visitors in: whoever made one is active and could make it today."""
        administered = administers(user=OuterRef("created_by"), collab=OuterRef("library__owner_collab"))
        may_link = Q(library__owner_user=F("created_by")) | administered
        in_time = Q(expires_at=None) | Q(expires_at__gt=now or timezone.now())
        return self.filter(may_link, in_time, revoked_at=None, library__deleted_at=None, created_by__is_active=True)


class PublicLink(models.Model):
    """Lets whoever knows its address read one file or folder of a library, without an account."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="links")
    path = models.TextField(blank=True, help_text="Encoded by drive.storage.path_codec; empty for the whole library.")
    is_folder = models.BooleanField()
    password = models.CharField(max_length=128, blank=True, help_text="Hashed; empty for no password.")
    expires_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    uses = models.BigIntegerField(default=0, help_text="Number of pages and files opened through the link.")
    last_used_at = models.DateTimeField(null=True, blank=True)
    wrong_tries = models.IntegerField(default=0, editable=False, help_text="Wrong passwords since `wrong_since`.")
    wrong_since = models.DateTimeField(null=True, editable=False)

    objects = PublicLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["library", "-created_at"], name="links_of_library")]

    def __str__(self) -> str:
        return f"{self.library}/{self.path}"


class UploadLink(models.Model):
    """Lets whoever knows its address upload files into one folder of a library, and see nothing of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="upload_links")
    path = models.TextField(help_text="Of the folder; encoded by drive.storage.path_codec; never the whole library.")
    title = models.CharField(max_length=100, help_text="What is asked for: the title of the page that senders see.")
    message = models.TextField(blank=True, max_length=2000, help_text="Shown to senders.")
    asks_name = models.BooleanField(default=True, help_text="Senders are asked for their name, and need not say it.")
    password = models.CharField(max_length=128, blank=True, help_text="Hashed; empty for no password.")
    expires_at = models.DateTimeField(null=True, blank=True)
    max_file_bytes = models.BigIntegerField(null=True, blank=True, help_text="Largest file; empty: only `max_bytes`.")
    max_bytes = models.BigIntegerField(help_text="All files together that are uploaded through the link.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    wrong_tries = models.IntegerField(default=0, editable=False, help_text="Wrong passwords since `wrong_since`.")
    wrong_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["library", "-created_at"], name="upload_links_of_library")]

    def __str__(self) -> str:
        return f"{self.title} ({self.library}/{self.path})"


class ReceivedFile(models.Model):
    """A file that is uploaded through a link: its bytes are promised room from the beginning."""

    link = models.ForeignKey(UploadLink, on_delete=models.CASCADE, related_name="received")
    upload_id = models.CharField(max_length=32, unique=True, help_text="Of the resumable upload (drive.uploads.tus).")
    name = models.CharField(max_length=300, help_text="Name of the file; in the folder it may have got a number.")
    sender = models.CharField(
        max_length=100, blank=True, help_text="As senders call themselves: nobody has checked it."
    )
    size = models.BigIntegerField()
    begun_at = models.DateTimeField(auto_now_add=True)
    arrived_at = models.DateTimeField(null=True, help_text="None while it is uploaded.")
    told_at = models.DateTimeField(null=True, help_text="When the link's maker was told of it.")

    class Meta:
        ordering = ["-arrived_at", "-pk"]
        indexes = [
            models.Index(fields=["arrived_at"], condition=Q(told_at=None), name="received_not_told"),
        ]

    def __str__(self) -> str:
        return self.name
