"""Adapter of allauth's list of sessions."""

from typing import Any

from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from django.db import transaction

from portal import hooks
from portal.access import person


class SessionsAdapter(DefaultUserSessionsAdapter):
    """Ends more than browsers' sessions when a person signs out everywhere else."""

    @transaction.atomic
    def end_sessions(self, sessions: Any) -> None:
        """End these sessions, and run the hooks, also where there is no other session."""
        super().end_sessions(sessions)
        hooks.run("signed_out_everywhere", user=person(self.request))
