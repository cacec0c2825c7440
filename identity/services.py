"""Clients, consents and tokens: list, allow, revoke, remove."""

import logging
from collections.abc import Iterable
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.idp.oidc.models import Client, Token
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from portal import audit
from portal.models import User

from .models import Consent, Grant

log = logging.getLogger(__name__)


def services_of(user: User) -> models.QuerySet[Client]:
    """Clients that a person lets in or that hold a valid token of theirs, annotated with `since`."""
    consents = Consent.objects.filter(user=user, client=models.OuterRef("pk"))
    tokens = Token.objects.valid().filter(user=user, client=models.OuterRef("pk")).order_by("created_at")
    since = Coalesce(
        models.Subquery(consents.values("created_at")[:1]), models.Subquery(tokens.values("created_at")[:1])
    )
    return Client.objects.annotate(since=since).filter(since__isnull=False).order_by("name")


def signed_in_at(request: HttpRequest) -> int | None:
    """Unix time at which the person last proved who they are in this session; None if the session does not tell."""
    times = [record["at"] for record in get_authentication_records(request, request.user)]
    return int(max(times)) if times else None


def provider_of(user: User) -> str | None:
    """Name of the provider, of those that are configured, with which the person signed in last; None without one."""
    offered = [values["provider_id"] for values in settings.OIDC_PROVIDERS]
    accounts = SocialAccount.objects.filter(user=user, provider__in=offered).order_by("-last_login")
    return accounts.values_list("provider", flat=True).first()


def is_recognizable(client: Client, redirect_uri: str) -> bool:
    """True if nobody else can answer for the client: it has a secret, or its redirect URI is a web server's.

    A program without a secret on a person's own machine is whatever program says so (RFC 8252, 8.6).
    """
    return client.type == Client.Type.CONFIDENTIAL or redirect_uri.startswith("https://")


def consent_of(user: User, client: Client, scopes: list[str]) -> Consent | None:
    """The person's consent that this client gets these scopes; None if there is none, or not to all of them."""
    consent = Consent.objects.filter(user=user, client=client).first()
    return consent if consent and consent.covers(scopes) else None


@transaction.atomic
def allow(user: User, client: Client, asked: Iterable[str], given: Iterable[str], email: str = "") -> None:
    """Record the answer on the consent page: `given` of the scopes `asked` for; the others of them are withdrawn.

    Earlier sign-ins that have one of those end.
    """
    consent, _ = Consent.objects.select_for_update().get_or_create(user=user, client=client)
    before = set(consent.scopes)
    consent.scopes = sorted((before - set(asked)) | set(given))
    consent.email = email
    consent.save()
    _end_sign_ins_with(set(asked) - set(given), user, client)
    if set(given) - before:
        audit.record(user, "account.service.allowed", user, service=client.name, scopes=sorted(given))


@transaction.atomic
def revoke(actor: User, user: User, client: Client) -> bool:
    """Revoke a client's tokens and consent of a person; False if it had none."""
    consents, _ = Consent.objects.filter(user=user, client=client).delete()
    tokens = _end_sign_ins(user, client=client)
    if consents or tokens:
        audit.record(actor, "account.service.revoked", user, service=client.name)
    return bool(consents or tokens)


@transaction.atomic
def revoke_all(actor: User | None, user: User, **_: Any) -> None:
    """Revoke all tokens of a person who was deactivated."""
    _end_sign_ins(user)


@transaction.atomic
def sign_out_everywhere(user: User) -> None:
    """End a person's sign-ins at all clients, with their tokens; consents stay."""
    if _end_sign_ins(user):
        audit.record(user, "account.services.signed_out", user)


def _end_sign_ins(user: User, **of: Any) -> int:
    """Delete a person's grants and tokens; how many rows of tokens.

    Tokens come last: a renewal that is under way holds its grant's row, and when that is free its tokens are there.
    """
    grants = Grant.objects.filter(user=user, **of)
    list(grants.select_for_update().values_list("pk"))
    grants.delete()
    rows, _ = Token.objects.filter(user=user, **of).delete()
    return rows


def _end_sign_ins_with(withdrawn: set[str], user: User, client: Client) -> None:
    """Revoke what came of sign-ins with any of these scopes; a renewal under way is waited for, as its row is held."""
    tokens = Token.objects.filter(user=user, client=client)
    found = [token.pk for token in tokens if withdrawn.intersection(token.get_scopes())]
    for grant in list(Grant.objects.filter(tokens__in=found).distinct()):
        revoke_grant(grant)
    tokens.filter(pk__in=found).delete()  # those that are older than grants


def leave(user: User, answers: dict[str, str]) -> None:
    """Delete tokens and consents of a person who deletes the account."""
    revoke_all(user, user)
    Consent.objects.filter(user=user).delete()


@transaction.atomic
def revoke_grant(grant: Grant) -> bool:
    """Revoke all tokens of one sign-in; False if that was done already.

    The grant stays, so that its code and refresh tokens stay known as used.
    """
    if not Grant.objects.filter(pk=grant.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    Token.objects.filter(grants=grant).delete()
    return True


@transaction.atomic
def revoke_reused(grant: Grant, what: str) -> None:
    """Revoke all tokens of one sign-in because `what` of it was used twice: one of the two was a thief."""
    if revoke_grant(grant):
        log.warning("%s of client %s was used twice: the tokens of that sign-in are revoked", what, grant.client_id)
        audit.record(None, "account.service.reuse", grant.user, service=grant.client.name, what=what)


@transaction.atomic
def remove_client(actor: User, client: Client) -> None:
    """Remove a client with its tokens."""
    audit.record(actor, "identity.client.removed", client, name=client.name)
    client.delete()


def export(user: User) -> dict[str, Any]:
    """Export of personal data: the services that have access, and what they may see, by file name."""
    allowed = dict(Consent.objects.filter(user=user).values_list("client", "scopes"))
    rows = services_of(user).values("pk", "name", "since")
    return {"services.json": [{"scopes": allowed.get(row.pop("pk"), []), **row} for row in rows]}
