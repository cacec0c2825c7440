"""Libraries and the shares that let others see them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from collabs.models import Collab, Membership, Person


class Permission(models.TextChoices):
    """What a share gives."""

    READ = "r", "can read"
    WRITE = "rw", "can read and write"


class LibraryQuerySet(models.QuerySet["Library"]):
    """Questions about many libraries; who sees which one is in visibility.py."""

    def live(self) -> "LibraryQuerySet":
        """All but the deleted."""
        return self.filter(deleted_at=None)

    def visible_to(self, user: Person) -> "LibraryQuerySet":
        """Those with at least one entry in `visibility.entries`."""
        if not user.is_active:
            return self.none()
        team = Membership.objects.filter(user=user, collab__deleted_at=None).values("collab")
        routes = Q(owner_user=user) | Q(owner_collab__in=team) | Q(is_public=True)
        shares = Share.objects.filter(Q(user=user) | Q(collab__in=team)).values("library")
        return self.live().filter(routes | Q(pk__in=shares))


class Library(models.Model):
    """Files that belong together: of one person, or of one Collab. On disk a directory named by the id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="libraries"
    )
    owner_collab = models.OneToOneField(Collab, null=True, blank=True, on_delete=models.PROTECT, related_name="library")
    name = models.CharField(max_length=100, help_text="As its owner sees it; a Collab's library has its title.")
    name_key = models.CharField(max_length=300, editable=False)
    shared_name = models.CharField(
        max_length=150, null=True, blank=True, help_text="As everybody else sees it; unique; set when first shared."
    )
    shared_key = models.CharField(max_length=450, null=True, unique=True, editable=False)
    is_default = models.BooleanField(default=False, help_text="A person's “My Library”, there from sign-up.")
    is_public = models.BooleanField(default=False, help_text="Everybody who is signed in can read it.")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="Kept for 30 days.")

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
                violation_error_message="You have a library with this name.",
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
