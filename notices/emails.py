"""Send notices by e-mail, with retries.

The state is in the row, so an outage of the broker or the mail server loses nothing.
"""

import logging
from datetime import timedelta
from email.utils import make_msgid
from smtplib import SMTPRecipientsRefused
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone

from portal import languages

from .models import Mail, Notice

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(minutes=1)
MOST_TRIES = 12
"""Maximum attempts; with a pause that doubles, the last is a day and a half after the first."""


def send(notice: Notice) -> bool:
    """Attempt to send a notice once; True if it was sent. Of two simultaneous attempts, one sends."""
    if not _take(notice):
        return False
    if not notice.user.is_active or not notice.user.email:
        Notice.objects.filter(pk=notice.pk).update(mail=Mail.NONE)
        return False
    try:
        message(notice).send()
    except SMTPRecipientsRefused as error:
        log.warning("mail of notice %s refused: %s", notice.pk, error)
        Notice.objects.filter(pk=notice.pk).update(mail=Mail.FAILED)
        return False
    except OSError as error:  # smtplib's errors are among them
        log.warning("mail of notice %s not sent, try %s: %s", notice.pk, notice.mail_tries, error)
        if notice.mail_tries >= MOST_TRIES:
            Notice.objects.filter(pk=notice.pk).update(mail=Mail.FAILED)
        return False
    Notice.objects.filter(pk=notice.pk).update(mail=Mail.SENT, mail_again_at=None)
    return True


def _take(notice: Notice) -> bool:
    """Claim an attempt and schedule the next one, which takes over if this worker is killed."""
    now = timezone.now()
    due = Notice.objects.filter(pk=notice.pk, mail=Mail.WAITING, mail_again_at__lte=now, mail_tries=notice.mail_tries)
    pause = FIRST_PAUSE * 2**notice.mail_tries
    if not due.update(mail_tries=notice.mail_tries + 1, mail_again_at=now + pause):
        return False
    notice.mail_tries += 1
    return True


def message(notice: Notice) -> EmailMessage:
    """E-mail of a notice. The Message-ID has the site's domain: looking up the machine's own name can take seconds."""
    with languages.speaking_to(notice.user):
        text = render_to_string("notices/mail.txt", {"notice": notice, "portal_url": settings.PORTAL_URL})
    subject = f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{notice.subject}"
    host = urlsplit(settings.PORTAL_URL).hostname or "localhost"
    headers = {"Message-ID": make_msgid(str(notice.pk), domain=host), "Auto-Submitted": "auto-generated"}
    return EmailMessage(subject, text, to=[notice.user.email], headers=headers)
