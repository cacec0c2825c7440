"""The e-mail that invites somebody to a Collab, who may have no account yet."""

from email.utils import make_msgid
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from notices.services import one_line

from .models import Invitation


def invitation_mail(invitation: Invitation, token: str) -> EmailMessage:
    """E-mail to the invited address, with the link."""
    inviter = invitation.created_by.display_name if invitation.created_by else settings.SITE_NAME
    subject = one_line(f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{inviter} invites you to “{invitation.collab}”")
    context = {
        "invitation": invitation,
        "inviter": one_line(inviter),
        "link": f"{settings.PORTAL_URL}{invitation.path(token)}",
        "site_name": settings.SITE_NAME,
    }
    host = urlsplit(settings.PORTAL_URL).hostname or "localhost"
    headers = {"Message-ID": make_msgid("invitation", domain=host), "Auto-Submitted": "auto-generated"}
    text = render_to_string("collabs/invitation_mail.txt", context)
    return EmailMessage(subject, text, to=[invitation.email], headers=headers)
