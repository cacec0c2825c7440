"""System checks of the signing keys."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

PAGE = "docs/reference/checks.md"


@register(Tags.security)
def keys_are_private(**_: Any) -> Sequence[CheckMessage]:
    """E001: a signing key is readable by other accounts, who could sign in as anybody at every service."""
    return [
        Error(f"{path} can be read by other accounts.", hint=f"See {PAGE}#identitye001", id="identity.E001")
        for path in settings.IDENTITY_KEYS.glob("*.pem")
        if path.stat().st_mode & 0o077
    ]


@register(deploy=True)
def there_is_a_key(**_: Any) -> Sequence[CheckMessage]:
    """E002: there is no signing key, so no service can sign people in."""
    if settings.IDP_OIDC_PRIVATE_KEYS:
        return []
    message = f"There is no signing key in {settings.IDENTITY_KEYS}."
    return [Error(message, hint=f"See {PAGE}#identitye002", id="identity.E002")]
