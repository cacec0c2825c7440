"""OpenID Connect provider: scopes, claims of a person (OpenID Connect Core 5.1), metadata."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.models import Client
from django.conf import settings
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy

from collabs.models import Collab
from groups.models import Group
from portal.models import User

SCOPES = {
    "openid": gettext_lazy("Know that it is you"),
    "profile": gettext_lazy("See your name and username"),
    "email": gettext_lazy("See your e-mail address"),
    "team": gettext_lazy("See the Collabs you are in, and your role in each"),
    "group": gettext_lazy("See the groups you are in"),
    "clb.wiki.read": gettext_lazy("Read what you can read here: Collabs, their teams, groups, libraries and files"),
    "clb.wiki.write": gettext_lazy(
        "Change what you can change here: Collabs, their teams, groups, libraries and files"
    ),
}
FOR_SIGN_IN = ("openid", "profile", "email", "team", "group")
"""Scopes that a new client may ask for unless operators choose others: who somebody is, but not to act for them."""
GRANTS = ("authorization_code", "refresh_token")


class IdentityAdapter(DefaultOIDCAdapter):
    """Adapter of allauth's provider."""

    scope_display = SCOPES

    def get_issuer(self) -> str:
        """Issuer: PORTAL_URL, whatever the request's Host is."""
        return settings.PORTAL_URL

    def generate_client_secret(self) -> str:
        """Client secret of letters and digits, which need no quoting in configuration files."""
        return get_random_string(48)

    def get_user_sub(self, client: Client, user: User) -> str:
        """Subject identifier: the account's UUID, which never changes and is never reused."""
        return str(user.uuid)

    def get_user_by_sub(self, client: Client, sub: str) -> User | None:
        """Active person of a subject identifier; None otherwise."""
        try:
            return User.objects.filter(uuid=UUID(sub), is_active=True).first()
        except ValueError:
            return None

    def get_claims(
        self, purpose: Any, user: User, client: Client, scopes: Iterable[str], **more: Any
    ) -> dict[str, Any]:
        """Standard claims, and `roles` in the shape that services for EBRAINS read."""
        claims: dict[str, Any] = super().get_claims(purpose, user, client, scopes, **more)
        roles = {name: told(user) for name, told in (("team", teams), ("group", groups)) if name in scopes}
        return claims | ({"roles": roles} if roles else {})

    def populate_server_metadata(self, data: dict[str, Any]) -> None:
        """Metadata of what is offered, with addresses below the issuer's whatever the request's Host is."""
        for name, value in data.items():
            if isinstance(value, str) and value.startswith(("http://", "https://")):
                data[name] = settings.PORTAL_URL + urlsplit(value).path.rstrip("/")
        data.pop("device_authorization_endpoint", None)
        data["scopes_supported"] = list(SCOPES)
        data["grant_types_supported"] = list(GRANTS)
        data["response_types_supported"] = ["code"]
        data["authorization_response_iss_parameter_supported"] = True
        data["claims_parameter_supported"] = False
        data["request_parameter_supported"] = False
        data["request_uri_parameter_supported"] = False


def teams(user: User) -> list[str]:
    """Claim `team`: `collab-<slug>-<role>` with the effective role in each Collab. A slug may contain hyphens."""
    rows = Collab.objects.of_member(user).with_role_of(user).order_by("slug").values_list("slug", "my_role")
    return [f"collab-{slug}-{role}" for slug, role in rows if role]


def groups(user: User) -> list[str]:
    """Slugs of a person's groups, outer groups included."""
    return list(Group.objects.of_person(user).order_by("slug").values_list("slug", flat=True))
