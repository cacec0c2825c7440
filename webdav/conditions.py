"""The If header (RFC 4918, section 10.4): lists of lock tokens and ETags, of which one list must hold."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .errors import DavError

NO_LOCK = "DAV:no-lock"
_PART = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<no>Not\b)|<(?P<url>[^>]*)>|\[(?P<etag>[^\]]*)\])", re.IGNORECASE
)
MOST_BYTES = 16 * 1024


@dataclass(frozen=True)
class Condition:
    """One token or ETag, or its negation."""

    is_etag: bool
    value: str
    is_negated: bool

    def holds(self, state: "State") -> bool:
        """True of a resource in this state."""
        found = (self.value == state.etag) if self.is_etag else (self.value in state.tokens)
        return found != self.is_negated


@dataclass(frozen=True)
class State:
    """What conditions are held against: a resource's ETag ("" for nothing there), and the tokens of locks on it."""

    etag: str
    tokens: frozenset[str]


@dataclass(frozen=True)
class If:
    """The header: lists of conditions, each with the address that it is about ("" for the request's own)."""

    lists: tuple[tuple[str, tuple[Condition, ...]], ...] = ()

    @property
    def tokens(self) -> frozenset[str]:
        """Lock tokens that the client shows to know."""
        every = [condition for _where, conditions in self.lists for condition in conditions]
        return frozenset(one.value for one in every if not one.is_etag)

    def holds(self, state_of: Callable[[str], State]) -> bool:
        """True if there is no header, or one list of it holds."""
        return not self.lists or any(
            all(condition.holds(state_of(where)) for condition in conditions) for where, conditions in self.lists
        )

    @property
    def needs_etag(self) -> bool:
        """True if an ETag decides, which another request may change in this moment."""
        return any(condition.is_etag for _where, conditions in self.lists for condition in conditions)


def parse(header: str) -> If:
    """Parse the header; 400 for anything else."""
    lists: list[tuple[str, tuple[Condition, ...]]] = []
    where, inside, negated = "", False, False
    conditions: list[Condition] = []
    at, header = 0, header.strip()
    if len(header) > MOST_BYTES:
        raise _wrong()
    while at < len(header):
        found = _PART.match(header, at)
        if not found:
            raise _wrong()
        at = found.end()
        if found["open"]:
            if inside:
                raise _wrong()
            inside, conditions = True, []
        elif found["close"]:
            if not inside or negated or not conditions:
                raise _wrong()
            inside = False
            lists.append((where, tuple(conditions)))
        elif found["no"]:
            if not inside or negated:
                raise _wrong()
            negated = True
        elif inside:
            is_etag = found["etag"] is not None
            conditions.append(Condition(is_etag, found["etag"] if is_etag else found["url"], negated))
            negated = False
        elif found["url"]:
            where = found["url"]
        else:
            raise _wrong()
    if inside or (header and not lists):
        raise _wrong()
    return If(tuple(lists))


def _wrong() -> DavError:
    return DavError(400, "Invalid If header.")
