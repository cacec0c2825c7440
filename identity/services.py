"""Clients and their tokens: list, revoke, remove."""

from typing import Any

from allauth.idp.oidc.models import Client, Token
from django.db import models, transaction

from portal import audit
from portal.models import User


def services_of(user: User) -> models.QuerySet[Client]:
    """Clients that hold a valid token of the person, annotated with `since`."""
    held = Token.objects.valid().filter(user=user)
    return Client.objects.filter(token__in=held).annotate(since=models.Min("token__created_at")).order_by("name")


@transaction.atomic
def revoke(actor: User, user: User, client: Client) -> bool:
    """Revoke a client's tokens of a person; False if it had none."""
    count, _ = Token.objects.filter(user=user, client=client).delete()
    if count:
        audit.record(actor, "account.service.revoked", user, service=client.name)
    return bool(count)


def revoke_all(actor: User | None, user: User, **_: Any) -> None:
    """Revoke all tokens of a person who was deactivated."""
    Token.objects.filter(user=user).delete()


@transaction.atomic
def remove_client(actor: User, client: Client) -> None:
    """Remove a client with its tokens."""
    audit.record(actor, "identity.client.removed", client, name=client.name)
    client.delete()


def export(user: User) -> dict[str, Any]:
    """Export of personal data: the services that have access, by file name."""
    return {"services.json": list(services_of(user).values("name", "since"))}
