"""Which usernames exist: DNS labels (RFC 1123) that no address of the site needs for itself."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

RESERVED = frozenset(
    "account accounts admin api collab collabs drive hub lab localhost mail portal root static support system "
    "www".split()
)

_label = RegexValidator(
    r"\A[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?\Z",
    "Use lower-case letters, digits and hyphens; start with a letter; at most 32 characters.",
)


def validate_username(value: str) -> None:
    """Refuse what cannot be a host name's label, punycode prefixes included, and names the site keeps for itself."""
    _label(value)
    if value in RESERVED or value[2:4] == "--":
        raise ValidationError("This username is reserved.")


USERNAME_VALIDATORS = [validate_username]
"""For allauth's ACCOUNT_USERNAME_VALIDATORS."""
