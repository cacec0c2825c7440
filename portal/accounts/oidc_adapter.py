"""Sign-in through OpenID Connect providers: account of a person, username, groups.

A person is identified by the provider's name and its `sub`, nothing else. An e-mail address from a provider never
signs in to an existing account: the provider may not have verified it, and the owner can connect the two accounts.
"""

import logging
from collections.abc import Iterable
from typing import Any

from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.account.utils import filter_users_by_email
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from portal import audit, hooks, usernames
from portal.models import User

log = logging.getLogger(__name__)

TRIES = 5
"""Attempts to create an account when somebody else takes the username at the same moment."""


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Adapter of allauth for people from providers."""

    def list_apps(
        self, request: HttpRequest | None, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Providers from the settings only: whoever could edit rows could sign in as anybody."""
        return [
            SocialApp(provider="openid_connect", **values)
            for values in settings.OIDC_PROVIDERS
            if provider in (None, "openid_connect", values["provider_id"]) and client_id in (None, values["client_id"])
        ]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """True if SIGNUP is `open` or `providers`."""
        return settings.SIGNUP in ("open", "providers")

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse contradictory subjects; trust verified e-mail addresses only where the settings say so."""
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
        """Log the reason for the operator; the person sees a general message."""
        log.warning("sign-in through %s: %s %r", provider.app.provider_id, error, exception)

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """True if an account can be made without a form; if the address has one already, the answer does not say so."""
        for address in sociallogin.email_addresses[:1]:
            if has_account(address.email):
                raise ImmediateHttpResponse(answer_as_if_free(request, address.email))
        return bool(super().is_auto_signup_allowed(request, sociallogin))

    def get_signup_form_initial_data(self, sociallogin: SocialLogin) -> dict[str, Any]:
        """Initial values of the sign-up form: a free username."""
        return super().get_signup_form_initial_data(sociallogin) | {"username": _username(sociallogin)}

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Create an account in one transaction."""
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


def has_account(address: str) -> bool:
    """True if an e-mail address is somebody's here, verified or not."""
    return bool(filter_users_by_email(address))


def answer_as_if_free(request: HttpRequest, address: str) -> HttpResponse:
    """Answer to a newcomer whose address has an account: the page of an address that is to be verified.

    The mail that the page speaks of goes to the owner, and says how to connect the two accounts; not more often than
    one that verifies. allauth does so by itself only where every address has to be verified.
    """
    login = Login(user=None, email=address, email_verification=EmailVerificationMethod.MANDATORY, signup=True)
    response: HttpResponse = perform_login(request, login)
    return response


def _username(sociallogin: SocialLogin) -> str:
    """Free username, derived from the provider's claims."""
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
    """Apply the provider's groups at a sign-in, if a claim for them is configured."""
    provider = sociallogin.provider
    claim = provider.app.settings["groups_claim"]
    if claim:
        names = list(group_names(_claims(sociallogin), claim))
        hooks.run("provider_groups", user=user, provider=provider.app.provider_id, names=names)


def group_names(claims: dict[str, Any], claim: str) -> Iterable[str]:
    """Group names at a dotted path of the claims such as `realm_access.roles`; none if it is missing."""
    found: Any = claims
    for part in claim.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        found = [found]
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
