"""Settings of the directory, from environment variables (docs/how-to/sign-in-with-ldap.md)."""

from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from environ import Env

PROVIDER = "ldap"
"""Of groups that follow the directory's: `ldap:cortex`."""
SCHEMES = ("ldap", "ldaps", "ldapi")
ATTRIBUTES = {"username": "uid", "email": "mail", "first_name": "givenName", "last_name": "sn"}
GROUP_FILTER = "(|(member=%(dn)s)(uniqueMember=%(dn)s)(memberUid=%(user)s))"


@dataclass(frozen=True)
class DirectorySettings:
    """How to ask the directory."""

    url: str
    start_tls: bool
    ca_file: str
    """Certificates of authorities, PEM; empty for those of the machine."""
    bind_dn: str
    """Who looks for people; empty for nobody."""
    bind_password: str
    users: str
    """DN below which people are."""
    user_filter: str
    id_attribute: str
    attributes: dict[str, str]
    """Attribute of each of ATTRIBUTES."""
    groups: str
    """DN below which groups are; empty to follow none."""
    group_filter: str
    seconds: float = 5.0
    """For each connection and each answer."""


def of_site() -> DirectorySettings:
    """Those of a site that has a directory."""
    found: DirectorySettings | None = settings.LDAP
    assert found
    return found


def from_environment(env: Env) -> DirectorySettings | None:
    """None without LDAP_URL. ImproperlyConfigured names what is missing or wrong."""
    url = env.str("LDAP_URL", default="")
    if not url:
        return None
    if find_spec("ldap") is None:
        raise ImproperlyConfigured("LDAP_URL is set and python-ldap is missing: pip install -r requirements-ldap.txt")
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise ImproperlyConfigured(f"LDAP_URL is {url!r}: ldaps://…, ldap://… or ldapi://…")
    users = env.str("LDAP_USERS", default="")
    if not users:
        raise ImproperlyConfigured(
            "Set LDAP_USERS: the DN below which people are, such as ou=people,dc=example,dc=org."
        )
    user_filter = env.str("LDAP_USER_FILTER", default="(uid=%(user)s)")
    if "%(user)s" not in user_filter:
        raise ImproperlyConfigured("LDAP_USER_FILTER must have %(user)s in it: what a person types as username.")
    return DirectorySettings(
        url=url,
        start_tls=env.bool("LDAP_START_TLS", default=scheme == "ldap"),
        ca_file=env.str("LDAP_CA_FILE", default=""),
        bind_dn=env.str("LDAP_BIND_DN", default=""),
        bind_password=env.str("LDAP_BIND_PASSWORD", default=""),
        users=users,
        user_filter=user_filter,
        id_attribute=env.str("LDAP_ID_ATTRIBUTE", default="entryUUID"),
        attributes={
            name: env.str(f"LDAP_{name.upper()}_ATTRIBUTE", default=default) for name, default in ATTRIBUTES.items()
        },
        groups=env.str("LDAP_GROUPS", default=""),
        group_filter=env.str("LDAP_GROUP_FILTER", default=GROUP_FILTER),
    )
