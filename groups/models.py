"""Groups: named sets of people, such as an institute or a course, that can hold a role in a Collab as one.

A group holds people, and other groups with all of theirs. One join finds the people of a group over all nesting:
`Reach` has a row for every group that is inside another, over any number of steps, and for each group inside itself.
"""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext_lazy

from portal.models import User
from portal.text.unique_names import name_key, tidy_title


class GroupQuerySet(models.QuerySet["Group"]):
    """Queries over many groups."""

    def of_person(self, user: User) -> Self:
        """Groups that the person is in, through nested groups too."""
        return self.filter(pk__in=GroupMember.objects.filter(user=user).values("group__outer_reach__outer"))

    def managed_by(self, user: User) -> Self:
        """Groups that the person manages."""
        return self.filter(managers__user=user)

    def with_size(self) -> Self:
        """Annotated with `size`: active people in it, by nesting too, each counted once."""
        inside = GroupMember.objects.filter(group__outer_reach__outer=OuterRef("pk"), user__is_active=True)
        counted = inside.order_by().values("group__outer_reach__outer")
        return self.annotate(size=Coalesce(Subquery(counted.annotate(n=Count("user", distinct=True)).values("n")), 0))

    def matching(self, words: str) -> Self:
        """Groups with every word in the name or the description."""
        found = self
        for word in words.replace("\0", " ").split():  # PostgreSQL refuses NUL
            found = found.filter(Q(name_key__contains=name_key(word)) | Q(description__icontains=word))
        return found


class Group(models.Model):
    """A named set of people with its own managers."""

    slug = models.SlugField(max_length=80, unique=True, help_text="In the address. Never changes.")
    name = models.CharField(
        max_length=100, help_text=gettext_lazy("Unique. Everybody who is signed in can find it by this name.")
    )
    name_key = models.CharField(max_length=300, unique=True, editable=False)
    description = models.TextField(
        blank=True, max_length=2000, help_text=gettext_lazy("Who is in the group, and what it is for.")
    )
    provider_name = models.CharField(
        max_length=250,
        null=True,
        blank=True,
        unique=True,
        help_text="The group's name at a sign-in provider, as “provider:name”. Who signs in with it is in the group.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    size: int
    """Active people in it; set by `with_size`."""

    objects = GroupQuerySet.as_manager()

    class Meta:
        ordering = ["name_key"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: object, **kwargs: object) -> None:
        """Save, with the normalised key that makes names unique."""
        self.name = tidy_title(self.name)
        self.name_key = name_key(self.name)
        self.provider_name = self.provider_name or None
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return reverse("groups:page", args=[self.slug])

    def is_managed_by(self, user: User) -> bool:
        """True if the person, active, manages the group."""
        return user.is_active and self.managers.filter(user=user).exists()

    def has(self, user: User) -> bool:
        """True if the person, active, is in the group, through nested groups too."""
        return user.is_active and people_in(self).filter(pk=user.pk).exists()


def people_in(group: Group) -> models.QuerySet[User]:
    """Everybody in the group, by nesting too, each once; deactivated people included."""
    return User.objects.filter(pk__in=GroupMember.objects.filter(group__outer_reach__outer=group).values("user"))


class GroupMember(models.Model):
    """Membership of one person in one group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="group_members")
    from_provider = models.CharField(
        max_length=50, blank=True, help_text="Sign-in provider that added the person, and can remove them; else blank."
    )
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="once_in_a_group")]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class GroupManager(models.Model):
    """A person who may change a group; managers are not members by that."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="managers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="managed_groups")

    class Meta:
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="manager_once")]

    def __str__(self) -> str:
        return f"{self.user} manages {self.group}"


class Nesting(models.Model):
    """`inner` was put into `outer`: one step. There are no cycles."""

    outer = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="inner_nestings")
    inner = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="outer_nestings")

    class Meta:
        ordering = ["inner__name_key"]
        constraints = [models.UniqueConstraint(fields=["outer", "inner"], name="nested_once")]

    def __str__(self) -> str:
        return f"{self.inner} in {self.outer}"


class Reach(models.Model):
    """`inner` is in `outer` over any number of steps, or is it. Follows from `Nesting`; `nesting.py` writes it."""

    outer = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="inner_reach")
    inner = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="outer_reach")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["outer", "inner"], name="reached_once")]

    def __str__(self) -> str:
        return f"{self.inner} reached from {self.outer}"
