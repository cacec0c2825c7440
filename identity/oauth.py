"""OAuth 2.0 server: the authorization code flow with PKCE, refresh and revocation, for OpenID Connect.

allauth's own is stricter nowhere and looser here and there: it takes a person's tokens at any client for consent to
all, does not ask every client for PKCE, compares redirect URIs by their parts, revokes tokens for clients that they do
not belong to, and offers every flow that oauthlib has. This one offers what the portal documents, and nothing else.
"""

import re
from typing import Any

from allauth.core import context
from allauth.idp.oidc import app_settings
from allauth.idp.oidc.internal.oauthlib.request_validator import OAuthLibRequestValidator
from allauth.idp.oidc.internal.oauthlib.server import generate_access_token, generate_refresh_token
from allauth.idp.oidc.internal.oauthlib.utils import get_validator_context
from allauth.idp.oidc.models import Client, Token
from django.db import transaction
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.endpoints import AuthorizationEndpoint, RevocationEndpoint, TokenEndpoint
from oauthlib.oauth2.rfc6749.tokens import BearerToken
from oauthlib.openid.connect.core.endpoints.userinfo import UserInfoEndpoint
from oauthlib.openid.connect.core.exceptions import RequestNotSupported, RequestURINotSupported
from oauthlib.openid.connect.core.grant_types import AuthorizationCodeGrant, RefreshTokenGrant

from portal.digest import digest

from . import redirect_uris, services
from .models import Consent, Grant, SpentRefreshToken

ONCE = {"code_challenge", "code_challenge_method", "nonce", "prompt", "max_age", "response_mode", "id_token_hint"}
"""Parameters that oauthlib takes the last of (RFC 6749, 3.1: none may be there twice)."""
TOKENS = (Token.Type.ACCESS_TOKEN, Token.Type.REFRESH_TOKEN)


class Server(AuthorizationEndpoint, TokenEndpoint, RevocationEndpoint, UserInfoEndpoint):
    """Endpoints for one request."""

    def __init__(self) -> None:
        validator = Validator()
        code, refresh = AuthorizationCodeGrant(validator), RefreshTokenGrant(validator)
        code.custom_validators.pre_auth.append(_check_authorization_request)
        lifetime = app_settings.ACCESS_TOKEN_EXPIRES_IN
        bearer = BearerToken(validator, generate_access_token, lifetime, generate_refresh_token)
        AuthorizationEndpoint.__init__(self, "code", bearer, {"code": code})
        grants = {"authorization_code": code, "refresh_token": refresh}
        TokenEndpoint.__init__(self, "authorization_code", bearer, grants)
        RevocationEndpoint.__init__(self, validator)
        UserInfoEndpoint.__init__(self, validator)


def _check_authorization_request(request: Request) -> dict[str, Any]:
    """Refuse, by an answer to the client, what is not offered; PKCE with S256 is for all clients (RFC 9700, 2.1.1)."""
    if twice := ONCE.intersection(request.duplicate_params):
        raise errors.InvalidRequestError(f"Duplicate {min(twice)} parameter.", request=request)
    if getattr(request, "request", None):
        raise RequestNotSupported(request=request)
    if getattr(request, "request_uri", None):
        raise RequestURINotSupported(request=request)
    if not request.code_challenge:
        raise errors.MissingCodeChallengeError(request=request)
    if request.code_challenge_method != "S256":
        raise errors.UnsupportedCodeChallengeMethodError(request=request)
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", request.code_challenge):
        raise errors.InvalidRequestError("The code challenge is not a SHA-256 hash in base64url.", request=request)
    if request.max_age and not re.fullmatch(r"[0-9]{1,10}", request.max_age):
        raise errors.InvalidRequestError("max_age is not a number of seconds.", request=request)
    request.claims = None  # not offered, so ignored
    return {}


class Validator(OAuthLibRequestValidator):
    """What is asked of each request, beyond what allauth asks."""

    def __init__(self) -> None:
        super().__init__()
        self._grant: Grant | None = None
        """What the tokens of this request come of."""

    def _lookup_client(self, request: Request, client_id: str | None) -> Client | None:
        if client_id and "\0" in client_id:  # PostgreSQL refuses NUL
            return None
        return super()._lookup_client(request, client_id)

    # Authorization requests

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        return redirect_uris.is_registered(redirect_uri, request.client.get_redirect_uris())

    def validate_response_type(
        self, client_id: str, response_type: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        return response_type == "code"

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        return "openid" in scopes and super().validate_scopes(client_id, scopes, client, request)

    def validate_user_match(self, id_token_hint: str, scopes: list[str], claims: Any, request: Request) -> bool:
        """True if the hint, if any, is about the person; who is not signed in yet is asked again afterwards."""
        if not context.request.user.is_authenticated:
            return True
        return bool(super().validate_user_match(id_token_hint, scopes, claims, request))

    def validate_silent_authorization(self, request: Request) -> bool:
        """True if this client may have these scopes of the person without a page (`prompt=none`)."""
        if not services.is_recognizable(request.client, request.redirect_uri):
            return False
        if request.client.skip_consent:
            return True
        consent = services.consent_of(context.request.user, request.client, request.scopes)
        if consent:
            get_validator_context().email = consent.email or None
        return consent is not None

    def save_authorization_code(
        self, client_id: str, code: dict[str, Any], request: Request, *args: Any, **kwargs: Any
    ) -> None:
        super().save_authorization_code(
            client_id, code | {"auth_time": services.signed_in_at(context.request)}, request
        )

    # Token requests; no transaction is open while a secret is checked, which takes a while

    def validate_code(
        self, client_id: str, code: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """True for a code that is tried for the first time; the second revokes what came of it (RFC 6749, 4.1.2)."""
        if not (code.isascii() and code.isalnum()):  # none of ours; it becomes part of a key in the cache
            return False
        if not super().validate_code(client_id, code, client, request):
            used = Grant.objects.filter(code_hash=digest(code), client=client).first()
            if used:
                services.revoke_reused(used, "A code")
            return False
        if not client.skip_consent and not services.consent_of(request.user, client, request.scopes):
            return False
        auth_time = self._lookup_authorization_code(request, client_id, code)["code"].get("auth_time")
        values = {"user": request.user, "client": client, "auth_time": auth_time}
        self._grant, first = Grant.objects.get_or_create(code_hash=digest(code), defaults=values)
        if not first:
            services.revoke_reused(self._grant, "A code")
        return first

    def validate_refresh_token(
        self, refresh_token: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """True for a valid one; one that was exchanged already revokes all that came of the same sign-in."""
        if super().validate_refresh_token(refresh_token, client, request):
            self._grant = Grant.objects.filter(tokens=get_validator_context().refresh_token).first()
            return True
        spent = SpentRefreshToken.objects.filter(hash=digest(refresh_token), grant__client=client).first()
        if spent:
            services.revoke_reused(spent.grant, "A refresh token")
        return False

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """Save the tokens with what they came of; InvalidGrantError if that has ended, or if another was quicker."""
        with transaction.atomic():
            grant = self._locked_grant(request)
            may = grant is not None and self._spend(get_validator_context().refresh_token, grant)
            if grant and may:
                super().save_bearer_token(token, request)
                values = [digest(token[name]) for name in ("access_token", "refresh_token")]
                grant.tokens.add(*Token.objects.filter(type__in=TOKENS, hash__in=values))
        if not may:  # after the commit of what was revoked
            raise errors.InvalidGrantError(request=request)

    def _locked_grant(self, request: Request) -> Grant | None:
        """What the tokens come of, until the commit; None if it was revoked since it was looked up."""
        if self._grant is None:  # of a token that is older than grants
            return Grant.objects.create(user=request.user, client=request.client)
        if get_validator_context().refresh_token is None and not request.client.skip_consent:
            consents = Consent.objects.select_for_update().filter(user=request.user, client=request.client)
            consent = consents.first()
            if consent is None or not consent.covers(request.scopes):  # revoked before there was a grant to be revoked
                return None
        return Grant.objects.select_for_update().filter(pk=self._grant.pk, revoked_at=None).first()

    @staticmethod
    def _spend(token: Token | None, grant: Grant) -> bool:
        """Note a refresh token as exchanged, if there is one; False if it is gone, and all revoked if it was used."""
        if token is None:
            return True
        values = {"grant": grant, "expires_at": token.expires_at}
        spent, first = SpentRefreshToken.objects.get_or_create(hash=token.hash, defaults=values)
        if not first:
            services.revoke_reused(spent.grant, "A refresh token")
        return first and Token.objects.select_for_update().filter(pk=token.pk).first() is not None

    def finalize_id_token(
        self, id_token: dict[str, Any], token: dict[str, Any], token_handler: Any, request: Request
    ) -> str:
        if self._grant and self._grant.auth_time:
            id_token["auth_time"] = self._grant.auth_time
        return str(super().finalize_id_token(id_token, token, token_handler, request))

    # Revocation and userinfo

    def revoke_token(self, token: str, token_type_hint: str, request: Request, *args: Any, **kwargs: Any) -> None:
        """Revoke a token of this client: a refresh token with all that came of the same sign-in (RFC 7009, 2.1)."""
        found = Token.objects.by_value(token).filter(type__in=TOKENS, client=request.client).first()
        if found and found.type == Token.Type.ACCESS_TOKEN:
            found.delete()
            return
        mine = Grant.objects.filter(client=request.client)
        for grant in mine.filter(tokens=found) if found else mine.filter(spent__hash=digest(token)):
            services.revoke_grant(grant)
        if found:
            found.delete()

    def validate_bearer_token(self, token: str, scopes: list[str], request: Request) -> bool:
        """True for a valid token; userinfo itself looks for its scope, and so can say that it is missing."""
        return bool(super().validate_bearer_token(token, [], request))
