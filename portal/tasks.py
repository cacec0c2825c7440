"""Tasks of the site itself."""

import logging

from celery import shared_task
from django.conf import settings

log = logging.getLogger(__name__)


@shared_task(soft_time_limit=220, time_limit=240)
def follow_directory() -> None:
    """Close the accounts of people who are gone from the LDAP directory. What does not fit in goes on in an hour.

    Not in the queue of what can wait: people who are gone must not stay for as long as a scan of the Drive takes.
    """
    if settings.LDAP is None:
        return
    from .accounts.directory import absence, client  # python-ldap is installed only where it is used

    try:
        absence.follow()
    except client.DirectoryAwayError as error:
        log.error("the directory is not followed: %s", error)  # noqa: TRY400 - an outage; told as it is
