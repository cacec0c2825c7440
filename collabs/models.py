"""Collabs, their members and roles, tags, favourites, invitations and join requests."""

import unicodedata
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, Exists, F, Func, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from groups.models import Group, GroupMember
from portal.addresses import address
from portal.models import User
from portal.prepared_queries import prepared
from portal.text.unique_names import name_key, tidy_title

from . import search, tags

Person = User | AnonymousUser

TITLE_TAKEN = gettext_lazy("This title is taken, perhaps by a private Collab or a deleted one. Please choose another.")


class Role(models.TextChoices):
    """A member's role in a Collab; the table of their rights is in docs/explanation/access.md."""

    ADMINISTRATOR = "administrator", gettext_lazy("Administrator")
    EDITOR = "editor", gettext_lazy("Editor")
    VIEWER = "viewer", gettext_lazy("Viewer")

    @property
    def noun(self) -> str:
        """The role within a sentence, where English has a small letter: “as editor”."""
        return str(NOUNS[self.value])

    @property
    def rank(self) -> int:
        """Roles in order of their rights: a role may do all that those of a lower rank may. See RANKS."""
        return RANKS[self.value]

    def includes(self, other: "Role") -> bool:
        """True if this role may do all that `other` may."""
        return self.rank >= other.rank


RANKS: dict[str, int] = {Role.VIEWER.value: 10, Role.EDITOR.value: 20, Role.ADMINISTRATOR.value: 30}
"""Rank by role; a new role gets a number between these. Neither the names' alphabet nor the order of `Role` counts."""


NOUNS: dict[str, Promise] = {
    Role.ADMINISTRATOR.value: pgettext_lazy("role within a sentence", "administrator"),
    Role.EDITOR.value: pgettext_lazy("role within a sentence", "editor"),
    Role.VIEWER.value: pgettext_lazy("role within a sentence", "viewer"),
}


def role_rank(role: str = "role") -> Func:
    """`Role.rank` of a column, for queries: `.order_by(role_rank().desc())`. 0 for a value that is no role.

    One expression of constants: a `Case` with its `When`s takes Django twice as long to compile into the query.
    """
    ranks = " ".join(f"WHEN '{name}' THEN {rank}" for name, rank in RANKS.items())
    return Func(F(role), template=f"CASE %(expressions)s {ranks} ELSE 0 END", output_field=models.IntegerField())


def validate_title(title: str) -> None:
    """ValidationError for a title that cannot name a directory: it does, in every member's Lab."""
    if "/" in title or any(_is_invisible(c) for c in title):
        raise ValidationError(gettext("A title cannot contain “/” or invisible characters."))
    if title != title.strip() or title.startswith(".") or title.endswith("."):
        raise ValidationError(gettext("A title cannot begin or end with a space or a dot."))
    if len(title.encode()) > 200:
        raise ValidationError(gettext("This title is too long to name a folder (200 bytes in UTF-8)."))


def _is_invisible(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("C") or category in ("Zl", "Zp")


class CollabQuerySet(models.QuerySet["Collab"]):
    """Queries over many Collabs."""

    def visible_to(self, user: Person) -> Self:
        """Public Collabs, and those that the person is a member of."""
        if not user.is_active:
            return self.filter(is_public=True)
        return self.filter(Q(is_public=True) | Q(pk__in=EffectiveRole.objects.filter(user=user).values("collab")))

    def of_member(self, user: User) -> Self:
        """Collabs that the person is a member of, through groups too."""
        return self.filter(pk__in=EffectiveRole.objects.filter(user=user).values("collab"))

    def with_role_of(self, user: Person) -> Self:
        """Annotated with `my_role`, the person's highest role over all routes; None if they are not a member."""
        if not user.is_active:
            return self.annotate(my_role=Value(None, output_field=models.CharField(null=True)))
        mine = EffectiveRole.objects.filter(collab=OuterRef("pk"), user=user).order_by(role_rank().desc())
        return self.annotate(my_role=Subquery(mine.values("role")[:1]))

    def with_team_size(self) -> Self:
        """Annotated with `team_size`: active people, each counted once over all routes.

        Own roles, and then those who have none, by groups: SQLite would not look up `EffectiveRole` Collab by Collab.
        """
        own = Membership.objects.filter(collab=OuterRef("pk"), user__is_active=True).order_by().values("collab")
        named = Membership.objects.filter(collab=OuterRef(OuterRef("pk")), user=OuterRef("user"))
        route = "group__outer_reach__outer__roles__collab"
        others = GroupMember.objects.filter(~Exists(named), user__is_active=True, **{route: OuterRef("pk")})
        by_group = others.order_by().values(route).annotate(size=Count("user", distinct=True)).values("size")
        own_size = Coalesce(Subquery(own.annotate(size=Count("pk")).values("size")), 0)
        return self.annotate(team_size=own_size + Coalesce(Subquery(by_group), 0))

    def restorable_by(self, user: User) -> Self:
        """Deleted Collabs that the person administers and can still restore."""
        mine = EffectiveRole.objects.filter(user=user, role=Role.ADMINISTRATOR).values("collab")
        return self.filter(pk__in=mine, removed_at=None).exclude(deleted_at=None)

    def unadministered(self) -> Self:
        """Collabs without an active administrator, after a deactivation: an operator has to appoint one."""
        return self.exclude(
            pk__in=Membership.objects.filter(role=Role.ADMINISTRATOR, user__is_active=True).values("collab")
        )

    def favourites_of(self, user: User) -> Self:
        """The person's favourites, as far as they can still see them."""
        return self.filter(pk__in=Favourite.objects.filter(user=user).values("collab")).visible_to(user)

    def with_favourite_of(self, user: Person) -> Self:
        """Annotated with `is_favourite`, for this person."""
        if not user.is_active:
            return self.annotate(is_favourite=Value(False))
        return self.annotate(is_favourite=Exists(Favourite.objects.filter(collab=OuterRef("pk"), user=user)))

    def current(self) -> Self:
        """Collabs that are not archived."""
        return self.filter(archived_at=None)

    def tagged(self, name: str) -> Self:
        """Collabs with a tag."""
        return self.filter(pk__in=Tag.objects.filter(name=name).values("collab"))

    def matching(self, words: str) -> Self:
        """Collabs that a full-text search finds, annotated with `distance`: the best match has the least."""
        return search.narrow(self, words)


class LiveCollabs(models.Manager.from_queryset(CollabQuerySet)):  # type: ignore[misc]
    """Collabs that are not deleted."""

    def get_queryset(self) -> CollabQuerySet:
        return super().get_queryset().filter(deleted_at=None)


class Collab(models.Model):
    """A team, its page and its library."""

    slug = models.SlugField(max_length=80, unique=True, help_text="In the address. Never changes, never reused.")
    title = models.CharField(
        max_length=100,
        validators=[validate_title],
        help_text=gettext_lazy("Unique. Also the name of the team's folder in the Lab."),
    )
    title_key = models.CharField(max_length=300, unique=True, editable=False)
    description = models.TextField(
        blank=True, max_length=2000, help_text=gettext_lazy("What you work on, in a sentence or two.")
    )
    is_public = models.BooleanField(
        gettext_lazy("public"),
        default=False,
        help_text=gettext_lazy("Anybody can see the page; everybody who is signed in can read the files."),
    )
    visitors_read = models.BooleanField(
        gettext_lazy("open to visitors"),
        default=False,
        help_text=gettext_lazy(
            "Where it is public: visitors without an account read the files, previews and notebooks."
        ),
    )
    coediting = models.BooleanField(
        gettext_lazy("editing together"),
        default=True,
        help_text=gettext_lazy(
            "Several people can edit a notebook or text file at the same time, and see each other type."
        ),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    archived_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Time of archiving. Nothing in it can be changed since."
    )
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="Kept for 30 days, title and address included.")
    removed_at = models.DateTimeField(
        null=True, editable=False, help_text="Time of its permanent removal. Only its address stays taken."
    )

    my_role: Role | None
    is_favourite: bool
    """For the person of the request; both are set by `access.get_collab`."""
    team_size: int
    """Set by `cards`."""

    all_objects = CollabQuerySet.as_manager()
    objects = LiveCollabs()

    class Meta:
        ordering = ["title_key"]
        base_manager_name = "all_objects"
        default_manager_name = "all_objects"
        indexes = [
            models.Index(fields=["is_public", "deleted_at"]),
            models.Index(fields=["title_key"], condition=Q(deleted_at=None, archived_at=None), name="current_by_title"),
            models.Index(fields=["-created_at"], condition=Q(deleted_at=None, archived_at=None), name="current_by_age"),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: object, **kwargs: object) -> None:
        """Save, with the normalised key that makes titles unique."""
        self.title = tidy_title(self.title)
        self.title_key = name_key(self.title)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return address("collabs:page", self.slug)

    @cached_property
    def tag_names(self) -> list[str]:
        """In order. Set by `cards` for many, with one query."""
        return [tag.name for tag in self.tags.all()]

    @property
    def lets_visitors_read(self) -> bool:
        """True if visitors without an account may read its files: it is public, was opened to them, the site allows it.

        What they read of which library says drive/libraries/visibility.py.
        """
        return settings.VISITORS_READ_FILES and self.is_public and self.visitors_read and self.deleted_at is None

    @property
    def kept_until(self) -> datetime | None:
        """Time at which a deleted Collab is removed permanently; None if it is not deleted."""
        return self.deleted_at + timedelta(days=settings.LIBRARY_KEEP_DAYS) if self.deleted_at else None

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Tidy the title before its length is checked: NFC may be longer than what was typed."""
        self.title = tidy_title(self.title)
        super().clean_fields(exclude)

    def clean(self) -> None:
        """ValidationError if the title is taken. Race: of two at the same moment, the unique key refuses one."""
        if Collab.all_objects.exclude(pk=self.pk).filter(title_key=name_key(self.title)).exists():
            raise ValidationError({"title": TITLE_TAKEN})

    def role_of(self, user: Person) -> Role | None:
        """The person's effective role: the highest over all routes. None for strangers and for inactive people."""
        effective = self.effective_role_of(user)
        return Role(effective.role) if effective else None

    def effective_role_of(self, user: Person) -> "EffectiveRole | None":
        """The route that gives the person their effective role; their own membership before one by a group."""
        if not user.is_active:
            return None
        return next(iter(_effective_role(*RANKS.items(), collab=self.pk, user=user.pk)), None)

    def is_administered(self) -> bool:
        """True if an active administrator is left, by a membership; a deactivation may take the last one away.

        Administrators by a group do not count: the group's managers, who know nothing of this Collab, could take them.
        """
        return self.memberships.filter(role=Role.ADMINISTRATOR, user__is_active=True).exists()


class Membership(models.Model):
    """Membership of one person in one Collab, with their role."""

    collab = models.ForeignKey(Collab, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = [role_rank().desc(), "user__username"]  # administrators first, viewers last
        constraints = [models.UniqueConstraint(fields=["collab", "user"], name="one_role_per_member")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class Tag(models.Model):
    """Tag of a Collab; `tags.tidy` normalises its name."""

    collab = models.ForeignKey(Collab, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=tags.MAX_LENGTH)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["name", "collab"], name="one_tag_of_a_name")]

    def __str__(self) -> str:
        return self.name


class Favourite(models.Model):
    """Favourite Collab of one person; private to them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="favourites")
    collab = models.ForeignKey(Collab, on_delete=models.CASCADE, related_name="favourites")
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-since"]
        constraints = [models.UniqueConstraint(fields=["user", "collab"], name="one_favourite")]

    def __str__(self) -> str:
        return f"{self.collab} of {self.user}"


class SearchEntry(models.Model):
    """Entry of the full-text index: an FTS5 table, or one with a tsvector (search_index.py)."""

    collab = models.OneToOneField(
        Collab, on_delete=models.DO_NOTHING, primary_key=True, db_column="rowid", related_name="search_entry"
    )
    document = search.DocumentField(db_column=search.TABLE)

    class Meta:
        managed = False
        db_table = search.TABLE

    def __str__(self) -> str:
        return f"search entry {self.pk}"


class GroupRole(models.Model):
    """Role of a group in a Collab: everybody in the group has it, now and later."""

    collab = models.ForeignKey(Collab, on_delete=models.CASCADE, related_name="group_roles")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=16, choices=Role)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = [role_rank().desc(), "group__name_key"]
        constraints = [models.UniqueConstraint(fields=["collab", "group"], name="one_role_per_group")]

    def __str__(self) -> str:
        return f"{self.group} ({self.role})"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Queries over many invitations."""

    def open(self, now: datetime | None = None) -> Self:
        """Invitations that can be used at a time, which is now: not revoked, used up or expired."""
        return self.filter(revoked_at=None, uses_left__gt=0, expires_at__gt=now or timezone.now())


class Invitation(models.Model):
    """Invitation to a Collab, for whoever has its token. Only the token's digest is stored."""

    collab = models.ForeignKey(Collab, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=16, choices=Role)
    email = models.EmailField(blank=True, help_text="Address that it was sent to; empty for a link.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    uses_left = models.PositiveIntegerField()
    expires_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["email"], name="invitations_by_address")]

    def __str__(self) -> str:
        return f"{self.email or 'a link'} ({self.role})"

    @staticmethod
    def path(token: str) -> str:
        """Path of the page of the invitation with this token."""
        return reverse("collabs:invitation", args=[token])

    @property
    def why_closed(self) -> str:
        """Reason, as a sentence, why it cannot be used; empty while it can."""
        if self.revoked_at:
            return gettext("This invitation was withdrawn.")
        if self.uses_left < 1:
            return gettext("This invitation has been used.")
        return gettext("This invitation has expired.") if self.expires_at <= timezone.now() else ""

    def note_mailed(self) -> None:
        """Record that a mail server has accepted its e-mail."""
        Invitation.objects.filter(pk=self.pk).update(mailed_at=timezone.now())


class JoinRequest(models.Model):
    """Request of a person to join a public Collab."""

    collab = models.ForeignKey(Collab, on_delete=models.CASCADE, related_name="requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="join_requests")
    note = models.TextField(
        blank=True, max_length=1000, help_text=gettext_lazy("Who you are, and what you would like to do.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    approved = models.BooleanField(default=False)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["collab", "user"], condition=Q(decided_at=None), name="one_open_request_per_person"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} to {self.collab}"


class EffectiveRole(models.Model):
    """One route by which a person has a role in a Collab: their own membership, or a group that they are in.

    A view of the database (effective_roles_view.py), so it is never out of date. A person may have several rows in a
    Collab: the role with the highest `role_rank()` is in effect. Deactivated people are in it as well.
    """

    id = models.TextField(primary_key=True)
    collab = models.ForeignKey(Collab, on_delete=models.DO_NOTHING, related_name="effective_roles")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="effective_roles")
    role = models.CharField(max_length=16, choices=Role)
    group = models.ForeignKey(
        Group, null=True, on_delete=models.DO_NOTHING, related_name="+", help_text="Null for the person's own role."
    )

    class Meta:
        managed = False
        db_table = "collabs_standing"

    def __str__(self) -> str:
        return f"{self.user} ({self.role}, by {self.group or 'membership'})"


def administers(*, user: OuterRef, collab: OuterRef) -> Q:
    """Condition: a person has an administrator's role, for queries over many people at once.

    Over the tables themselves: SQLite would put all of `EffectiveRole` together for each row.
    """
    own = Membership.objects.filter(user=user, collab=collab, role=Role.ADMINISTRATOR)
    held = "group__outer_reach__outer__roles"
    by_group = GroupMember.objects.filter(user=user, **{f"{held}__collab": collab, f"{held}__role": Role.ADMINISTRATOR})
    return Q(Exists(own)) | Q(Exists(by_group))


@prepared
def _effective_role(*_ranks: tuple[str, int], collab: int, user: int) -> models.QuerySet[EffectiveRole]:
    """The route of `Collab.effective_role_of`, which most pages of a Collab ask for; the ranks are in the query."""
    routes = EffectiveRole.objects.filter(collab=collab, user=user).select_related("group")
    return routes.order_by(role_rank().desc(), models.F("group").asc(nulls_first=True))[:1]
