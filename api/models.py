"""Personal access tokens, with which programs act for a person, and their scopes."""

from typing import Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy


class Scope(models.TextChoices):
    """Permission of a token; never more than its person has."""

    READ = "read", gettext_lazy("Read: see Collabs, teams, libraries and files")
    WRITE = "write", gettext_lazy("Write: upload, move, copy and delete files")
    SHARE = "share", gettext_lazy("Share: share your own libraries with people and teams, and stop sharing them")
    MANAGE = (
        "manage",
        gettext_lazy(
            "Manage: create, change and delete Collabs, libraries and groups, and control access to them; public links"
        ),
    )
    LAB = "lab", gettext_lazy("Lab: see its state, start and stop it")


class TokenQuerySet(models.QuerySet["Token"]):
    """Queries for tokens."""

    def usable(self) -> Self:
        """Tokens that are valid now."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True)


class Token(models.Model):
    """Lets programs act for a person. Only the secret's SHA-256 is kept: it is long and random, so one hash will do."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100, help_text="Purpose, such as “backup on my laptop”.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(
        max_length=12, editable=False, help_text="First characters of the token, to tell tokens apart."
    )
    scopes = models.JSONField(default=list)
    libraries = models.JSONField(
        null=True, blank=True, help_text="Ids of the libraries that it is limited to; empty for no limit."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Time of the last use, to the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["user", "-created_at"], name="tokens_of_person")]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @property
    def is_expired(self) -> bool:
        """True after the expiry date."""
        return self.expires_at <= timezone.now()

    def allows(self, scope: Scope) -> bool:
        """True if the token includes this scope."""
        return scope in self.scopes or (scope == Scope.SHARE and Scope.MANAGE in self.scopes)

    @property
    def only_libraries(self) -> frozenset[UUID] | None:
        """Ids of the libraries that it is limited to, deleted ones too; None: no limit."""
        return None if self.libraries is None else frozenset(map(UUID, self.libraries))

    @property
    def scope_names(self) -> list[str]:
        """Scopes in the order of `Scope`."""
        return [scope.value for scope in Scope if scope in self.scopes]
