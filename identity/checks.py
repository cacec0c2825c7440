"""What can be wrong with the signing keys."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

PAGE = "docs/reference/checks.md"


@register(Tags.security)
def keys_are_private(**_: Any) -> Sequence[CheckMessage]:
    """Who reads a key can be anybody at every service that believes this portal."""
    return [
        Error(f"{path} can be read by other accounts.", hint=f"See {PAGE}#identitye001", id="identity.E001")
        for path in settings.IDENTITY_KEYS.glob("*.pem")
        if path.stat().st_mode & 0o077
    ]


@register(deploy=True)
def there_is_a_key(**_: Any) -> Sequence[CheckMessage]:
    """Without one, no other service can sign people in here."""
    if settings.IDP_OIDC_PRIVATE_KEYS:
        return []
    message = f"There is no signing key in {settings.IDENTITY_KEYS}."
    return [Error(message, hint=f"See {PAGE}#identitye002", id="identity.E002")]
