"""Sign-in through OpenID Connect and SAML providers: account of a person, username, groups.

A person is identified by the provider's name and its `sub`, or, with SAML, what SAML_<NAME>_ID_ATTRIBUTE names; by
nothing else. An e-mail address from a provider never
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

SAML = "saml"
"""As allauth calls that kind of provider."""
SAML_SUBJECT = "saml_subject"
"""In the session: whom a SAML provider signed in, by which it names them when it signs them out."""
TRIES = 5
"""Attempts to create an account when somebody else takes the username at the same moment."""


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Adapter of allauth for people from providers."""

    def list_apps(
        self, request: HttpRequest | None, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Providers from the settings only: whoever could edit rows could sign in as anybody."""
        return [
            SocialApp(provider=kind, **values)
            for kind, providers in (("openid_connect", settings.OIDC_PROVIDERS), (SAML, settings.SAML_PROVIDERS))
            for values in providers
            if provider in (None, kind, values["provider_id"]) and client_id in (None, values["client_id"])
        ]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """True if SIGNUP is `open` or `providers`."""
        return settings.SIGNUP in ("open", "providers")

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse who is not identified; trust verified e-mail addresses only where the settings say so."""
        if not (_is_identified_by_saml if _is_saml(sociallogin) else _is_one_subject)(sociallogin):
            error = ValueError("the provider does not say who it is")
            raise ImmediateHttpResponse(render_authentication_error(request, sociallogin.provider, exception=error))
        trusted = sociallogin.provider.app.settings["trust_email"]
        for address in sociallogin.email_addresses:
            address.verified = trusted and (address.verified or _is_saml(sociallogin))

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


def _is_saml(sociallogin: SocialLogin) -> bool:
    return bool(sociallogin.provider.app.provider == SAML)


def _is_one_subject(sociallogin: SocialLogin) -> bool:
    """OpenID Connect Core 5.3.2: all parts speak of the same person."""
    data = sociallogin.account.extra_data
    return (
        len({str(part["sub"]) for part in (data.get("userinfo"), data.get("id_token")) if part and "sub" in part}) == 1
    )


def _is_identified_by_saml(sociallogin: SocialLogin) -> bool:
    """Not by a subject that allauth takes in place of an attribute that is missing: it may be another each time."""
    wanted = sociallogin.provider.app.settings["attribute_mapping"]["uid"]
    return not wanted or bool(_attribute(sociallogin, "uid"))


def _attribute(sociallogin: SocialLogin, key: str) -> str:
    """First value of what SAML_<NAME>_…_ATTRIBUTE names for `key`; "" if the provider does not tell it."""
    told = sociallogin.account.extra_data
    for name in sociallogin.provider.app.settings["attribute_mapping"][key]:
        if told.get(name):
            return str(told[name][0])
    return ""


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
    """Free username, derived from what the provider tells."""
    texts = [*(_texts_of_saml if _is_saml(sociallogin) else _texts_of_claims)(sociallogin), "person"]
    wanted = usernames.suggest([str(text) for text in texts if text])
    taken = set(User.objects.filter(username__startswith=wanted[:20]).values_list("username", flat=True))
    return usernames.first_free(wanted, taken)


def _texts_of_claims(sociallogin: SocialLogin) -> list[Any]:
    claims = _claims(sociallogin)
    address = str(claims.get("email", "")).partition("@")[0]
    return [claims.get("preferred_username"), claims.get("nickname"), address, claims.get("name")]


def _texts_of_saml(sociallogin: SocialLogin) -> list[str]:
    told = {key: _attribute(sociallogin, key) for key in ("username", "email", "first_name", "last_name")}
    texts = [told["username"].partition("@")[0], told["email"].partition("@")[0]]
    return [*texts, f"{told['first_name']} {told['last_name']}".strip()]


def _claims(sociallogin: SocialLogin) -> dict[str, Any]:
    data = sociallogin.account.extra_data
    return {**(data.get("id_token") or {}), **(data.get("userinfo") or {})}


def follow_groups(user: User, sociallogin: SocialLogin) -> None:
    """Apply the provider's groups at a sign-in, if a claim for them is configured."""
    provider = sociallogin.provider
    claim = provider.app.settings["groups_claim"]
    if claim:
        saml = _is_saml(sociallogin)
        names = (
            sociallogin.account.extra_data.get(claim, []) if saml else list(group_names(_claims(sociallogin), claim))
        )
        hooks.run("provider_groups", user=user, provider=provider.app.provider_id, names=names)


def group_names(claims: dict[str, Any], claim: str) -> Iterable[str]:
    """Group names at a dotted path of the claims such as `realm_access.roles`; none if it is missing."""
    found: Any = claims
    for part in claim.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        found = [found]
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
