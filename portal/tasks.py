"""Tasks of the site itself."""

import logging

from celery import shared_task
from django.conf import settings

log = logging.getLogger(__name__)


@shared_task
def follow_directory() -> None:
    """Close the accounts of people who are gone from the LDAP directory."""
    if settings.LDAP is None:
        return
    from .accounts.directory import accounts, client  # python-ldap is installed only where it is used

    try:
        accounts.follow()
    except client.DirectoryAwayError as error:
        log.error("the directory is not followed: %s", error)  # noqa: TRY400 - an outage; told as it is
