"""Packages of the portal that only some sites need: a setting asks for them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Extra:
    """Some of them."""

    setting: str
    """That asks for them when it is set."""
    example: str
    requirements: str
    what: str
    """In words, as in "Installing …"."""
    wheel: str
    """Pattern of the wheel by which a directory of `bin/up --download` is known to have them."""


DIRECTORY = Extra(
    "LDAP_URL",
    "ldaps://…",
    "requirements-ldap.txt",
    "what signs in with an LDAP directory",
    "python_ldap-*.whl",
)
SAML = Extra("SAML_PROVIDERS", "…", "requirements-saml.txt", "what signs in with SAML", "python3_saml-*.whl")
ALL = (DIRECTORY, SAML)
