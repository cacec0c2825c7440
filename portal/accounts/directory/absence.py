"""Accounts of people who are gone from the directory are closed.

Every hour each of its people is asked for, those first who were asked for longest ago: what ends half-way is gone on
with by the next run. Who is not there is noted (`absent_since`), and closed when a later run does not find them either:
a replica that is being filled again shows fewer people than there are.
"""

import logging
import time
from dataclasses import replace
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.accounts import services
from portal.models import DirectoryAccount

from .client import Directory, DirectoryAwayError
from .settings import of_site

log = logging.getLogger(__name__)

FEW, MANY = 5, 0.5
"""More than FEW people gone, and this share of all, are believed to be a fault of the directory or the settings."""
APART = timedelta(minutes=30)
"""At least, between two runs that do not find somebody: one that is queued twice proves no more than one."""
ASKING_SECONDS = 120.0
"""After which a run goes on to what it has found so far."""
ANSWER_SECONDS = 30.0
"""For one search, of many people at once and perhaps without an index."""


def follow() -> int:
    """Deactivate the accounts of people who are gone from the directory; returns how many. DirectoryAwayError.

    Nothing is done where so many are gone that the directory, or a setting, must be wrong.
    """
    directory = Directory(replace(of_site(), seconds=ANSWER_SECONDS))
    began = timezone.now()
    if not directory.has_people():
        raise DirectoryAwayError("it has nobody whom LDAP_USER_FILTER finds below LDAP_USERS")
    _ask(directory)
    absent = _followed().exclude(absent_since=None)
    gone, people = absent.count(), _followed().count()
    if gone > max(FEW, MANY * people):
        log.error("%s of %s people are gone from the directory at once: nobody is deactivated", gone, people)
        absent.update(absent_since=None)  # a directory that is not believed now is no proof later
        return 0
    due = absent.filter(absent_since__lte=began - APART, checked_at__gte=began)
    return sum(_close(pk, began - APART) for pk in due.values_list("pk", flat=True))


def _followed() -> QuerySet[DirectoryAccount]:
    return DirectoryAccount.objects.filter(user__is_active=True, gone_at=None)


def _ask(directory: Directory) -> None:
    """Note who is there and who is not, batch by batch."""
    oldest_first = _followed().order_by(F("checked_at").asc(nulls_first=True), "pk")
    until = time.monotonic() + ASKING_SECONDS
    for asked, found in directory.present(oldest_first.values_list("uid", flat=True)):
        now = timezone.now()
        DirectoryAccount.objects.filter(uid__in=found).update(checked_at=now, absent_since=None)
        absent = DirectoryAccount.objects.filter(uid__in=asked - found)
        absent.update(checked_at=now, absent_since=Coalesce("absent_since", now))
        if time.monotonic() > until:
            log.warning("the directory is slow: the next run asks for the people who are left")
            return


@transaction.atomic
def _close(pk: int, since: datetime) -> bool:
    """Close an account unless its person has signed in by now, or somebody else decided about it."""
    row = DirectoryAccount.objects.select_for_update(of=("self",)).select_related("user").filter(pk=pk).first()
    if row is None or row.gone_at or not (row.absent_since and row.absent_since <= since):
        return False
    try:
        with transaction.atomic():
            closed = services.deactivate(None, row.user)
    except ValidationError as error:  # the last superuser
        log.error("%s is gone from the directory and stays active: %s", row.user.username, " ".join(error.messages))  # noqa: TRY400 - told as it is
        return False
    if closed:
        DirectoryAccount.objects.filter(pk=pk).update(gone_at=timezone.now(), absent_since=None)
    return closed
