"""The session engine (`SESSION_ENGINE`): database sessions whose rows carry the person."""

from datetime import datetime
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.utils import timezone

from .models import Session
from .prepared_queries import prepared


class SessionStore(DatabaseStore):
    """As Django's database sessions, with `portal.models.Session` as their row."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        """The session's row, unless it has expired; called once for each page, so its query is prepared."""
        row = next(iter(_live(key=self.session_key, now=timezone.now())), None)
        if row is None:
            self._session_key = None
        return row

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = cast(Session, super().create_model_instance(data))
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        return row


@prepared
def _live(key: str, now: datetime) -> QuerySet[Session]:
    return Session.objects.filter(session_key=key, expire_date__gt=now)
