"""Housekeeping."""

from allauth.idp.oidc.models import Token
from celery import shared_task


@shared_task
def forget_expired() -> None:
    """Tokens that nobody can use any more."""
    Token.objects.expired().delete()
