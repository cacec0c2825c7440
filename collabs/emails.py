"""The e-mail that invites somebody to a Collab, who may have no account yet."""

from email.utils import make_msgid
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.translation import gettext

from notices.services import one_line
from portal import languages
from portal.models import User

from .models import Invitation


def invitation_mail(invitation: Invitation, token: str) -> EmailMessage:
    """E-mail to the invited address, with the link; in the language of whoever has the address, else the inviter's."""
    invited = User.objects.filter(emailaddress__email=invitation.email, emailaddress__verified=True).first()
    with languages.speaking_to(invited or invitation.created_by):
        return _written(invitation, token)


def _written(invitation: Invitation, token: str) -> EmailMessage:
    inviter = invitation.created_by.display_name if invitation.created_by else settings.SITE_NAME
    said = gettext("{actor} invites you to “{collab}”").format(actor=inviter, collab=invitation.collab)
    subject = one_line(f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{said}")
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
