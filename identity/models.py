"""What a person lets a service have, and what came of each sign-in there; clients and tokens are allauth's."""

from allauth.idp.oidc.models import Client, Token
from django.conf import settings
from django.db import models


class Consent(models.Model):
    """Scopes that a person lets a client have; one row for both (OpenID Connect Core 3.1.2.4)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="consents")
    scopes = models.JSONField(default=list)
    email = models.EmailField(blank=True)
    """Address that the person chose to show, of several; empty: the primary one."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "client"], name="one_consent_per_client")]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.client_id}"

    def covers(self, scopes: list[str]) -> bool:
        """True if all of these scopes were allowed."""
        return set(scopes) <= set(self.scopes)


class Grant(models.Model):
    """One sign-in of a person at a client: the authorization code and all tokens that came of it; they end together."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    code_hash = models.CharField(max_length=64, unique=True, null=True)
    """SHA-256 of the code; None for tokens that are older than this table. Unique: of two requests one is the first."""
    auth_time = models.BigIntegerField(null=True)
    """When the person signed in here, in Unix seconds (claim `auth_time`); None if the session does not tell."""
    tokens = models.ManyToManyField(Token, related_name="grants")
    revoked_at = models.DateTimeField(null=True)
    """Set before its tokens are deleted: a request that is about to save another one sees it."""
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.user_id} at {self.client_id}, {self.created_at:%Y-%m-%d %H:%M}"


class SpentRefreshToken(models.Model):
    """Refresh token that was exchanged for another, kept to notice its second use (RFC 9700, 4.14.2)."""

    hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of the token."""
    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, related_name="spent")
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"of {self.grant}"
