"""OpenID Connect providers that people can sign in with, from environment variables.

`OIDC_PROVIDERS=keycloak,orcid` names them; each has variables of its own, `OIDC_KEYCLOAK_ISSUER` and so on
 (docs/how-to/sign-in-with-a-provider.md). The name becomes part of addresses and of the names of groups.
"""

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def from_environment(env: Env) -> list[dict[str, Any]]:
    """Providers in allauth's format ("OpenID Connect" in its docs). ImproperlyConfigured names what is missing."""
    return [_provider(env, name) for name in env.list("OIDC_PROVIDERS", default=[])]


def _provider(env: Env, name: str) -> dict[str, Any]:
    if not _NAME.fullmatch(name):
        raise ImproperlyConfigured(f"OIDC_PROVIDERS: {name!r} is not made of lower-case letters, digits and hyphens.")
    prefix = f"OIDC_{name.upper().replace('-', '_')}_"

    def required(key: str) -> str:
        value = env.str(prefix + key, default="")
        if not value:
            raise ImproperlyConfigured(f"Set {prefix}{key}: OIDC_PROVIDERS names {name}.")
        return value

    return {
        "provider_id": name,
        "name": env.str(f"{prefix}NAME", default=name.capitalize()),
        "client_id": required("CLIENT_ID"),
        "secret": env.str(f"{prefix}CLIENT_SECRET", default=""),
        "settings": {
            "server_url": required("ISSUER").rstrip("/"),
            "scope": env.str(f"{prefix}SCOPES", default="openid profile email").split(),
            "oauth_pkce_enabled": True,
            "trust_email": env.bool(f"{prefix}TRUST_EMAIL", default=False),
            "groups_claim": env.str(f"{prefix}GROUPS_CLAIM", default=""),
        },
    }
