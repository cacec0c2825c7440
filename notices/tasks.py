"""Background tasks: send e-mails."""

from celery import shared_task
from django.utils import timezone

from . import emails
from .models import Mail, Notice

AT_ONCE = 200


@shared_task
def send(notice_id: int) -> None:
    """Send the e-mail of a notice; `send_waiting` retries failures."""
    notice = Notice.objects.select_related("user").filter(pk=notice_id).first()
    if notice:
        emails.send(notice)


@shared_task
def send_waiting() -> None:
    """Send e-mails that are due, e.g. after an outage of the broker or the mail server."""
    waiting = Notice.objects.filter(mail=Mail.WAITING, mail_again_at__lte=timezone.now())
    for notice in waiting.select_related("user").order_by("mail_again_at")[:AT_ONCE]:
        emails.send(notice)
