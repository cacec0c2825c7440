"""Questions to the directory. Each opens a connection of its own: sign-ins are rare, and a directory is restarted."""

import itertools
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ldap
from ldap.controls import SimplePagedResultsControl
from ldap.filter import escape_filter_chars

from .entry import Entry
from .settings import DirectorySettings

log = logging.getLogger(__name__)

WRONG_PASSWORD = (
    ldap.INVALID_CREDENTIALS,
    ldap.INAPPROPRIATE_AUTH,
    ldap.NO_SUCH_OBJECT,
    ldap.UNWILLING_TO_PERFORM,
    ldap.CONSTRAINT_VIOLATION,
    ldap.INSUFFICIENT_ACCESS,
)
"""Answers to a bind that mean no: also of an account that is locked, or has no password."""
BATCH = 100
"""People who are asked for in one search."""
PAGE = 100
"""Entries in one answer (RFC 2696): many directories give no more than 500 or 1,000 otherwise."""

Row = tuple[str, dict[str, list[bytes]]]


class DirectoryAwayError(Exception):
    """The directory does not answer, or not as it should; `str(error)` is for the log."""


class Directory:
    """The directory of these settings. All methods raise DirectoryAwayError."""

    def __init__(self, settings: DirectorySettings) -> None:
        self.settings = settings

    def find(self, name: str) -> Entry | None:
        """Person who signs in as `name`; None if there is none, or more than one."""
        entries = list(self._people(self._user_filter(escape_filter_chars(name))))
        if len(entries) > 1:
            log.error("LDAP_USER_FILTER finds %s people for one username: %s", len(entries), [e.dn for e in entries])
        return entries[0] if len(entries) == 1 else None

    def by_uid(self, uid: str) -> Entry | None:
        """The person whom this identifies; None if they are gone, or no longer one whom LDAP_USER_FILTER finds."""
        wanted = f"(&({self.settings.id_attribute}={_escaped_id(uid)}){self._user_filter('*')})"
        return next(self._people(wanted), None)

    def has_people(self) -> bool:
        """Whether LDAP_USER_FILTER finds anybody at all."""
        users = self.settings.users
        with self._searching(users) as connection:
            pages = _pages(connection, users, self._user_filter("*"), [self.settings.id_attribute], 1, self.settings)
            return next(pages, None) is not None

    def present(self, uids: Iterable[str]) -> Iterator[tuple[set[str], set[str]]]:
        """Of people whom these identify, batch by batch over one connection: who was asked for, who of them is there.

        LDAP_USER_FILTER has to find them, too. Ids are compared without regard to case, as most directories do.
        """
        name, users = self.settings.id_attribute, self.settings.users
        rest = iter(uids)
        with self._searching(users) as connection:
            while asked := set(itertools.islice(rest, BATCH)):
                any_of = "".join(f"({name}={_escaped_id(uid)})" for uid in sorted(asked))
                wanted = f"(&(|{any_of}){self._user_filter('*')})"
                rows = _pages(connection, users, wanted, [name], PAGE, self.settings)
                found = {
                    _id(value).casefold() for _dn, attributes in rows for value in attributes.get(name.lower(), ())
                }
                yield asked, {uid for uid in asked if uid.casefold() in found}

    def is_password(self, entry: Entry, password: str) -> bool:
        """True if the directory lets the person in with it. An empty one is nobody's, though LDAP takes it."""
        if not password:
            return False
        try:
            with self._connection() as connection:
                connection.simple_bind_s(entry.dn, password)
        except WRONG_PASSWORD:
            return False
        return True

    def groups_of(self, entry: Entry) -> list[str]:
        """Names (cn) of the person's groups below LDAP_GROUPS, as their own entries list people."""
        if not self.settings.groups:
            return []
        values = {"dn": escape_filter_chars(entry.dn), "user": escape_filter_chars(entry.username)}
        rows = self._search(self.settings.groups, self.settings.group_filter % values, ["cn"])
        return sorted({_first(attributes, "cn") for _dn, attributes in rows} - {""})

    def _user_filter(self, escaped: str) -> str:
        return self.settings.user_filter.replace("%(user)s", escaped)

    def _people(self, wanted: str) -> Iterator[Entry]:
        names = self.settings.attributes
        rows = self._search(self.settings.users, wanted, [self.settings.id_attribute, *names.values()])
        for dn, attributes in rows:
            uid = _id((attributes.get(self.settings.id_attribute.lower()) or [b""])[0])
            if uid:
                yield Entry(dn=dn, uid=uid, **{key: _first(attributes, name) for key, name in names.items()})
            else:
                log.error(
                    "%s has no %s (LDAP_ID_ATTRIBUTE): nobody can be identified by it", dn, self.settings.id_attribute
                )

    def _search(self, base: str, wanted: str, names: list[str]) -> list[Row]:
        with self._searching(base) as connection:
            return list(_pages(connection, base, wanted, names, PAGE, self.settings))

    @contextmanager
    def _searching(self, base: str) -> Iterator[Any]:
        """A connection of LDAP_BIND_DN."""
        try:
            with self._connection() as connection:
                if self.settings.bind_dn:
                    connection.simple_bind_s(self.settings.bind_dn, self.settings.bind_password)
                yield connection
        except WRONG_PASSWORD as error:
            raise DirectoryAwayError(
                f"LDAP_BIND_DN may not search below {base}, or there is none: {error!r}"
            ) from error

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        connection = ldap.initialize(self.settings.url)
        try:
            for option, value in self._options():
                connection.set_option(option, value)
            if self.settings.start_tls:
                connection.start_tls_s()
            yield connection
        except WRONG_PASSWORD:
            raise
        except ldap.LDAPError as error:
            raise DirectoryAwayError(f"{self.settings.url}: {error!r}") from error
        finally:
            connection.unbind_s()

    def _options(self) -> Iterator[tuple[int, Any]]:
        yield ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3
        yield ldap.OPT_REFERRALS, 0
        yield ldap.OPT_NETWORK_TIMEOUT, self.settings.seconds
        yield ldap.OPT_TIMEOUT, self.settings.seconds
        if self.settings.ca_file:
            yield ldap.OPT_X_TLS_CACERTFILE, self.settings.ca_file
        yield ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND
        yield ldap.OPT_X_TLS_NEWCTX, 0  # last: it makes the options above count


def _pages(
    connection: Any, base: str, wanted: str, names: list[str], size: int, settings: DirectorySettings
) -> Iterator[Row]:
    """What a search finds, `size` entries in one answer; all in one if the directory has no pages."""
    page = SimplePagedResultsControl(criticality=False, size=size, cookie="")
    while True:
        message = connection.search_ext(base, ldap.SCOPE_SUBTREE, wanted, names, serverctrls=[page])
        _kind, rows, _message, controls = connection.result3(message, timeout=settings.seconds)
        yield from ((dn, _lower(attributes)) for dn, attributes in rows if dn)  # without one: a referral elsewhere
        cookies = [one.cookie for one in controls if one.controlType == page.controlType]
        if not any(cookies):
            return
        [page.cookie] = cookies


def _lower(attributes: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """By names as they are compared: the directory may write another case than it was asked with."""
    return {name.lower(): values for name, values in attributes.items()}


def _first(attributes: dict[str, list[bytes]], name: str) -> str:
    values = attributes.get(name.lower()) or [b""]
    return values[0].decode("utf-8", "replace").strip()


def _id(value: bytes) -> str:
    """As text, or, of Active Directory's objectGUID, its bytes in hexadecimal."""
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and text else f"hex:{value.hex()}" if value else ""


def _escaped_id(uid: str) -> str:
    if not uid.startswith("hex:"):
        return str(escape_filter_chars(uid))
    return "".join(f"\\{byte:02x}" for byte in bytes.fromhex(uid.removeprefix("hex:")))
