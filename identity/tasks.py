"""Nightly deletion of what can be used no more."""

from datetime import timedelta

from allauth.idp.oidc.models import Token
from celery import shared_task
from django.utils import timezone

from .models import Grant, SpentRefreshToken

KEEP_GRANTS = timedelta(days=1)
"""Days that a sign-in without tokens is kept, to know its code again: that one is good for a minute."""


@shared_task
def forget_expired() -> None:
    """Delete expired tokens, and the sign-ins that nothing is left of."""
    Token.objects.expired().delete()
    SpentRefreshToken.objects.filter(expires_at__lte=timezone.now()).delete()
    Grant.objects.filter(tokens=None, spent=None, created_at__lt=timezone.now() - KEEP_GRANTS).delete()
