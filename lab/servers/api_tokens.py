"""The token with which a program in a Lab asks the portal's API for the Lab's person.

It is signed, not stored: it names its server, and counts only while that runs, for an hour at most. The supervisor
keeps a fresh one in a file in the sandbox (`reconcile` sees to that): a copy that leaves the Lab is soon worth nothing.
"""

import time
from uuid import UUID

from django.core.signing import BadSignature, TimestampSigner, b62_decode

from lab.models import Server, State

PREFIX = "lab_"
GOOD_FOR = 3600
"""Seconds."""
RENEW_AFTER = 1200
"""Seconds; the rest is for a supervisor, or a broker, that is away."""
AHEAD = 60
"""Seconds by which the clocks of two machines may differ."""


def make(server_id: UUID) -> str:
    """A new one for this server."""
    return PREFIX + _signer().sign(server_id.hex)


def server_of(token: str) -> Server | None:
    """The running server that this was made for, with its owner; None for any other, or one whose time is over."""
    signed = token.removeprefix(PREFIX)
    try:
        name = _signer().unsign(signed, max_age=GOOD_FOR)
    except BadSignature:
        return None
    return None if _is_ahead(signed) else running_server(UUID(name))


def _is_ahead(signed: str) -> bool:
    """True if it was made before the clock was set back: it would be good for as long as that."""
    return b62_decode(signed.split(":")[1]) > time.time() + AHEAD


def running_server(server_id: UUID) -> Server | None:
    """The server with its owner, while it runs for somebody who is active."""
    running = Server.objects.filter(pk=server_id, state__in=(State.STARTING, State.RUNNING), owner__is_active=True)
    return running.select_related("owner").first()


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="lab.portal_tokens")
