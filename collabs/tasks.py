"""Task that mails invitations: the invited may have no account, and so get no notices."""

from smtplib import SMTPException

from celery import shared_task

from .emails import invitation_mail
from .models import Invitation


@shared_task(autoretry_for=(SMTPException, OSError), retry_backoff=60, retry_backoff_max=3600, max_retries=10)
def mail_invitation(invitation_id: int, token: str) -> None:
    """Send the e-mail of an invitation; tried again for a while if the mail server is away.

    The token is in the task alone, because nobody but the invited person shall have it. A broker that is away when
    somebody invites is said on the page; the invitation can be sent again there.
    """
    invitation = Invitation.objects.open().filter(pk=invitation_id, mailed_at=None).first()
    if invitation:
        invitation_mail(invitation, token).send()
        invitation.note_mailed()
