"""Signing in with an account that somebody has elsewhere (OpenID Connect): who that is here, and in which groups.

A person is known by the provider's name and its `sub`, nothing else. An e-mail address that a provider states never
leads into an account that exists: whose it is, the provider may not know, and its owner can connect the two.
"""

import logging
from collections.abc import Iterable
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from portal import audit, hooks, usernames
from portal.models import User

log = logging.getLogger(__name__)

TRIES = 5
"""How often a username that somebody else took in the same moment is given up for the next."""


class ProviderAdapter(DefaultSocialAccountAdapter):
    """How allauth treats people from providers."""

    def list_apps(
        self, request: HttpRequest | None, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Those of the settings, and no rows: who may edit rows could sign in as anybody."""
        return [
            SocialApp(provider="openid_connect", **values)
            for values in settings.OIDC_PROVIDERS
            if provider in (None, "openid_connect", values["provider_id"]) and client_id in (None, values["client_id"])
        ]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """As SIGNUP says."""
        return settings.SIGNUP in ("open", "providers")

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse contradictory answers; believe what is said of an address only where the settings do."""
        data = sociallogin.account.extra_data
        subjects = {str(part["sub"]) for part in (data.get("userinfo"), data.get("id_token")) if part and "sub" in part}
        if len(subjects) != 1:  # OpenID Connect Core 5.3.2
            raise ImmediateHttpResponse(render_authentication_error(request, sociallogin.provider))
        if not sociallogin.provider.app.settings["trust_email"]:
            for address in sociallogin.email_addresses:
                address.verified = False

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        """The person reads that it did not work; why is for the operator."""
        log.warning("sign-in through %s: %s %r", provider.app.provider_id, error, exception)

    def get_signup_form_initial_data(self, sociallogin: SocialLogin) -> dict[str, Any]:
        """For those whose provider tells no address: a username that is free."""
        return super().get_signup_form_initial_data(sociallogin) | {"username": _username(sociallogin)}

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """A new account, all of it or nothing."""
        for attempt in range(1, TRIES + 1):
            try:
                with transaction.atomic():
                    if form is None:
                        sociallogin.user.username = _username(sociallogin)
                    user: User = super().save_user(request, sociallogin, form)
                    audit.record(user, "account.created", user, provider=sociallogin.account.provider)
                    return user
            except IntegrityError:
                if form is not None or attempt == TRIES:
                    raise
                sociallogin.user.pk = None
                sociallogin.user._state.adding = True
        raise AssertionError


def _username(sociallogin: SocialLogin) -> str:
    """A free one, like what the provider calls the person."""
    claims = _claims(sociallogin)
    address = str(claims.get("email", "")).partition("@")[0]
    texts = [claims.get("preferred_username"), claims.get("nickname"), address, claims.get("name"), "person"]
    wanted = usernames.suggest([str(text) for text in texts if text])
    taken = set(User.objects.filter(username__startswith=wanted[:20]).values_list("username", flat=True))
    return usernames.first_free(wanted, taken)


def _claims(sociallogin: SocialLogin) -> dict[str, Any]:
    data = sociallogin.account.extra_data
    return {**(data.get("id_token") or {}), **(data.get("userinfo") or {})}


def follow_groups(user: User, sociallogin: SocialLogin) -> None:
    """At each sign-in: the groups that the provider names, where the settings say in which claim it does."""
    provider = sociallogin.provider
    claim = provider.app.settings["groups_claim"]
    if claim:
        names = list(group_names(_claims(sociallogin), claim))
        hooks.run("provider_groups", user=user, provider=provider.app.provider_id, names=names)


def group_names(claims: dict[str, Any], claim: str) -> Iterable[str]:
    """Texts at a dotted path such as `realm_access.roles`; a claim that is missing names none."""
    found: Any = claims
    for part in claim.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        found = [found]
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
