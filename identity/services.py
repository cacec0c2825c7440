"""What people and operators change: which services are known, and which may know of whom."""

from typing import Any

from allauth.idp.oidc.models import Client, Token
from django.db import models, transaction

from portal import audit
from portal.models import User


def services_of(user: User) -> models.QuerySet[Client]:
    """Those that hold a token of the person, with `since`."""
    held = Token.objects.valid().filter(user=user)
    return Client.objects.filter(token__in=held).annotate(since=models.Min("token__created_at")).order_by("name")


@transaction.atomic
def revoke(actor: User, user: User, client: Client) -> bool:
    """The service learns nothing more of the person until they let it in again; False when it held nothing."""
    count, _ = Token.objects.filter(user=user, client=client).delete()
    if count:
        audit.record(actor, "account.service.revoked", user, service=client.name)
    return bool(count)


def revoke_all(actor: User | None, user: User, **_: Any) -> None:
    """At a deactivation."""
    Token.objects.filter(user=user).delete()


@transaction.atomic
def remove_client(actor: User, client: Client) -> None:
    """A service that is not to be known any more; its tokens go with it."""
    audit.record(actor, "identity.client.removed", client, name=client.name)
    client.delete()


def export(user: User) -> dict[str, Any]:
    """For somebody who takes their data along."""
    return {"services.json": list(services_of(user).values("name", "since"))}
