"""Nightly deletion of expired tokens."""

from allauth.idp.oidc.models import Token
from celery import shared_task


@shared_task
def forget_expired() -> None:
    """Delete expired tokens."""
    Token.objects.expired().delete()
