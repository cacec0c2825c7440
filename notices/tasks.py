"""Mail, in the background."""

from celery import shared_task
from django.utils import timezone

from . import emails, services
from .models import Mail, Notice

AT_ONCE = 200


@shared_task
def send(notice_id: int) -> None:
    """One notice's mail; what fails is tried again by `send_waiting`."""
    notice = Notice.objects.select_related("user").filter(pk=notice_id).first()
    if notice:
        emails.send(notice)


@shared_task
def send_waiting() -> None:
    """What was not sent at once, because the broker or the mail server was away."""
    waiting = Notice.objects.filter(mail=Mail.WAITING, mail_again_at__lte=timezone.now())
    for notice in waiting.select_related("user").order_by("mail_again_at")[:AT_ONCE]:
        emails.send(notice)


@shared_task
def forget_old() -> None:
    """Nightly."""
    services.forget_old()
