"""A person in the directory, as it was asked about them. What needs no python-ldap imports this, not `client`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A person in the directory."""

    dn: str
    uid: str
    """What identifies them, for ever."""
    username: str
    email: str
    first_name: str
    last_name: str
