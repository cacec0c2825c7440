"""SAML identity providers that people can sign in with, from environment variables.

`SAML_PROVIDERS=institute` names them; each has variables of its own, `SAML_INSTITUTE_ENTITY_ID` and so on
(docs/how-to/sign-in-with-saml.md). The name becomes part of addresses and of the names of groups.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from .directory.settings import PROVIDER as DIRECTORY

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
NAME_ID = "NameID"
"""As SAML_<NAME>_ID_ATTRIBUTE: the subject itself, instead of an attribute."""
SUBJECT_ID = "urn:oasis:names:tc:SAML:attribute:subject-id"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
ATTRIBUTES = {
    "username": ["urn:oid:0.9.2342.19200300.100.1.1", f"{_CLAIMS}/name"],
    "email": ["urn:oid:0.9.2342.19200300.100.1.3", f"{_CLAIMS}/emailaddress"],
    "first_name": ["urn:oid:2.5.4.42", f"{_CLAIMS}/givenname"],
    "last_name": ["urn:oid:2.5.4.4", f"{_CLAIMS}/surname"],
}
"""Attributes as Shibboleth and SimpleSAMLphp name them, and as Active Directory and Entra ID do."""


def from_environment(env: Env, others: list[str]) -> list[dict[str, Any]]:
    """Providers in allauth's format ("SAML" in its docs). ImproperlyConfigured names what is missing or wrong.

    `others`: names that providers of another kind have already.
    """
    names = env.list("SAML_PROVIDERS", default=[])
    if names and find_spec("onelogin") is None:
        raise ImproperlyConfigured(
            "SAML_PROVIDERS is set and python3-saml is missing: pip install -r requirements-saml.txt"
        )
    if DIRECTORY in names:
        raise ImproperlyConfigured(f"SAML_PROVIDERS names {DIRECTORY}, as the groups of an LDAP directory are called.")
    if taken := set(names) & set(others):
        raise ImproperlyConfigured(f"SAML_PROVIDERS and OIDC_PROVIDERS both name {', '.join(sorted(taken))}.")
    return [_provider(env, name) for name in names]


def _provider(env: Env, name: str) -> dict[str, Any]:
    if not _NAME.fullmatch(name):
        raise ImproperlyConfigured(f"SAML_PROVIDERS: {name!r} is not made of lower-case letters, digits and hyphens.")
    prefix = f"SAML_{name.upper().replace('-', '_')}_"

    def required(key: str) -> str:
        value = env.str(prefix + key, default="")
        if not value:
            raise ImproperlyConfigured(f"Set {prefix}{key}: SAML_PROVIDERS names {name}.")
        return str(value)

    id_attribute = env.str(f"{prefix}ID_ATTRIBUTE", default=SUBJECT_ID)
    by_name_id = id_attribute == NAME_ID
    attributes = {key: env.list(f"{prefix}{key.upper()}_ATTRIBUTE", default=names) for key, names in ATTRIBUTES.items()}
    return {
        "provider_id": name,
        "client_id": name,
        "name": env.str(f"{prefix}NAME", default=name.capitalize()),
        "settings": {
            "idp": {"entity_id": required("ENTITY_ID"), "metadata_url": _metadata(required("METADATA_URL"), prefix)},
            "attribute_mapping": {"uid": [] if by_name_id else [id_attribute], **attributes},
            "groups_claim": env.str(f"{prefix}GROUPS_ATTRIBUTE", default=""),
            "trust_email": env.bool(f"{prefix}TRUST_EMAIL", default=False),
            "advanced": _advanced(env, prefix) | ({"name_id_format": PERSISTENT} if by_name_id else {}),
        },
    }


def _metadata(url: str, prefix: str) -> str:
    """The certificates in it decide who signs in: it comes from a file, or over TLS."""
    if urlsplit(url).scheme not in ("https", "file"):
        raise ImproperlyConfigured(f"{prefix}METADATA_URL is {url!r}: https://… or file:///…")
    return url


def _advanced(env: Env, prefix: str) -> dict[str, Any]:
    """What is demanded of answers, and the key with which ours are signed and theirs decrypted, if there is one."""
    demands = {"strict": True, "reject_idp_initiated_sso": True, "allow_single_label_domains": True}
    files = {"private_key": f"{prefix}KEY_FILE", "x509cert": f"{prefix}CERTIFICATE_FILE"}
    paths = {key: env.str(name, default="") for key, name in files.items()}
    if not any(paths.values()):
        return demands
    try:
        own = {key: Path(path).read_text() for key, path in paths.items()}
    except OSError as error:
        raise ImproperlyConfigured(f"{prefix}KEY_FILE, {prefix}CERTIFICATE_FILE: {error}") from error
    return demands | own | dict.fromkeys(("authn_request_signed", "logout_response_signed"), True)
