"""Collabs and who belongs to them."""

import unicodedata
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from portal.models import User

Person = User | AnonymousUser

TITLE_TAKEN = "This title is taken, perhaps by a private Collab or a deleted one. Please choose another."


class Role(models.TextChoices):
    """What a member may do; the table is in docs/explanation/access.md."""

    ADMINISTRATOR = "administrator"
    EDITOR = "editor"
    VIEWER = "viewer"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do all that `other` may."""
        order = list(Role)
        return order.index(self) <= order.index(other)


def title_key(title: str) -> str:
    """Two titles with one key are the same title: NFC, without regard to case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", title).casefold())


def tidy_title(title: str) -> str:
    """The title as it is kept: NFC, no outer spaces, single plain spaces between words."""
    return unicodedata.normalize("NFC", " ".join(title.split()))


def validate_title(title: str) -> None:
    """A title names a directory in every member's Lab, so it must be a good name for one."""
    if "/" in title or any(_is_invisible(c) for c in title):
        raise ValidationError("A title cannot contain “/” or invisible characters.")
    if title != title.strip() or title.startswith(".") or title.endswith("."):
        raise ValidationError("A title cannot begin or end with a space or a dot.")
    if len(title.encode()) > 200:
        raise ValidationError("This title is too long to name a folder (200 bytes in UTF-8).")


def _is_invisible(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("C") or category in ("Zl", "Zp")


class CollabQuerySet(models.QuerySet["Collab"]):
    """Questions about many Collabs."""

    def visible_to(self, user: Person) -> Self:
        """Public ones, and those that the person is a member of."""
        if not user.is_active:
            return self.filter(is_public=True)
        return self.filter(Q(is_public=True) | Q(pk__in=Membership.objects.filter(user=user).values("collab")))

    def of_member(self, user: User) -> Self:
        """Those that the person is a member of."""
        return self.filter(pk__in=Membership.objects.filter(user=user).values("collab"))

    def with_role_of(self, user: Person) -> Self:
        """Annotated with `my_role`, None for who is not a member."""
        if not user.is_active:
            return self.annotate(my_role=models.Value(None, output_field=models.CharField(null=True)))
        mine = Membership.objects.filter(collab=OuterRef("pk"), user=user).values("role")[:1]
        return self.annotate(my_role=Subquery(mine))

    def with_team_size(self) -> Self:
        """Annotated with `team_size`, active members only."""
        team = Membership.objects.filter(collab=OuterRef("pk"), user__is_active=True).order_by().values("collab")
        return self.annotate(team_size=Coalesce(Subquery(team.annotate(size=Count("pk")).values("size")), 0))

    def restorable_by(self, user: User) -> Self:
        """Deleted ones that the person administers, while they are kept."""
        mine = Membership.objects.filter(user=user, role=Role.ADMINISTRATOR).values("collab")
        return self.filter(pk__in=mine, removed_at=None).exclude(deleted_at=None)

    def unadministered(self) -> Self:
        """Those whose last administrator was deactivated: an operator has to appoint another."""
        return self.exclude(
            pk__in=Membership.objects.filter(role=Role.ADMINISTRATOR, user__is_active=True).values("collab")
        )

    def matching(self, words: str) -> Self:
        """Those with every word in the title or the description; in titles without regard to case in any script."""
        found = self
        for word in words.replace("\0", " ").split():  # PostgreSQL refuses NUL
            found = found.filter(Q(title_key__contains=title_key(word)) | Q(description__icontains=word))
        return found


class LiveCollabs(models.Manager.from_queryset(CollabQuerySet)):  # type: ignore[misc]
    """All but the deleted."""

    def get_queryset(self) -> CollabQuerySet:
        return super().get_queryset().filter(deleted_at=None)


class Collab(models.Model):
    """A team and what it works on."""

    slug = models.SlugField(max_length=80, unique=True, help_text="In the address. Never changes, never reused.")
    title = models.CharField(
        max_length=100,
        validators=[validate_title],
        help_text="Unique. Also the name of the team's folder in the Lab.",
    )
    title_key = models.CharField(max_length=300, unique=True, editable=False)
    description = models.TextField(blank=True, max_length=2000, help_text="What you work on, in a sentence or two.")
    is_public = models.BooleanField(
        "public",
        default=False,
        help_text="Anybody can see the page; everybody who is signed in can read the files.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="Kept for 30 days, title and address included.")
    removed_at = models.DateTimeField(
        null=True, editable=False, help_text="When it was removed for good. Only its address stays taken."
    )

    my_role: Role | None
    """Of the person who asks; set by `access.get_collab`."""

    all_objects = CollabQuerySet.as_manager()
    objects = LiveCollabs()

    class Meta:
        ordering = ["title_key"]
        base_manager_name = "all_objects"
        default_manager_name = "all_objects"
        indexes = [models.Index(fields=["is_public", "deleted_at"])]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: object, **kwargs: object) -> None:
        """Save, with the key that keeps titles apart."""
        self.title = tidy_title(self.title)
        self.title_key = title_key(self.title)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return reverse("collabs:page", args=[self.slug])

    @property
    def kept_until(self) -> datetime | None:
        """When a deleted one is removed for good."""
        return self.deleted_at + timedelta(days=settings.LIBRARY_KEEP_DAYS) if self.deleted_at else None

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Tidy the title before its length is checked: NFC may be longer than what was typed."""
        self.title = tidy_title(self.title)
        super().clean_fields(exclude)

    def clean(self) -> None:
        """Refuse a title that is taken; the unique key decides between two who want it in the same moment."""
        if Collab.all_objects.exclude(pk=self.pk).filter(title_key=title_key(self.title)).exists():
            raise ValidationError({"title": TITLE_TAKEN})

    def role_of(self, user: Person) -> Role | None:
        """The person's role; None for strangers and for inactive people."""
        if not user.is_active:
            return None
        role = self.memberships.filter(user=user).values_list("role", flat=True).first()
        return Role(role) if role else None

    def is_administered(self) -> bool:
        """Whether an active administrator is left; a deactivation may take the last one away."""
        return self.memberships.filter(role=Role.ADMINISTRATOR, user__is_active=True).exists()


class Membership(models.Model):
    """One person's role in one Collab."""

    collab = models.ForeignKey(Collab, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["role", "user__username"]  # the alphabet puts administrators first, viewers last
        constraints = [models.UniqueConstraint(fields=["collab", "user"], name="one_role_per_member")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"
