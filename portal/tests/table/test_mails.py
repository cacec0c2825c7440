"""Names, titles and addresses that would write headers of mails."""

from email.header import decode_header, make_header

import pytest
from django.core import mail
from django.test import Client

from api.models import Scope
from api.services import create_token
from collabs.models import Collab, Invitation
from collabs.tasks import mail_invitation
from conftest import PASSWORD, Queue
from notices.emails import message
from notices.models import Notice
from portal.models import User

from .people import signed_in

pytestmark = pytest.mark.django_db


INJECTED = "Ada\r\nBcc: victim@evil.example\r\n\r\nBuy now"


def headers_of(made: mail.EmailMessage) -> dict[str, str]:
    return {name: str(make_header(decode_header(str(value)))) for name, value in made.message().items()}


def check_mail(made: mail.EmailMessage) -> None:
    headers = headers_of(made)
    assert "Bcc" not in headers
    assert "\n" not in headers["Subject"]
    assert "evil" not in headers["To"]
    assert made.recipients() == made.to
    assert len(made.to) == 1


def test_it_writes_no_mail_headers_from_names_and_titles(owner: User, stranger: User, queue: Queue) -> None:
    User.objects.filter(pk=owner.pk).update(first_name=INJECTED, last_name="\nCc: victim@evil.example")
    client = signed_in()
    client.post("/account/", {"first_name": INJECTED, "last_name": "x"})
    client.post("/collabs/new/", {"title": f"Cortex {INJECTED}"})
    collab = Collab.objects.get()
    client.post(f"/collabs/{collab.slug}/team/add/", {"person": "stranger", "role": "editor"})
    client.post(
        f"/collabs/{collab.slug}/team/invitations/mail/",
        {"mail-email": "new@example.org", "mail-role": "viewer", "mail-days": "7"},
    )
    asked = [entry for entry in queue if entry[0] == mail_invitation.name]
    mail_invitation(*asked[0][1:])
    assert len(mail.outbox) == 1
    check_mail(mail.outbox[0])
    notices = Notice.objects.filter(user=stranger)
    assert notices.exists()
    for notice in notices:
        check_mail(message(notice))


@pytest.mark.parametrize(
    "address", ["a@example.org\nBcc: v@evil.example", "a@example.org,v@evil.example", "a@example.org\r\n", "<a@b.c>"]
)
def test_it_writes_no_mail_headers_from_addresses(address: str, owner: User, collab: Collab, queue: Queue) -> None:
    client = signed_in()
    form = {"mail-email": address, "mail-role": "viewer", "mail-days": "7"}
    client.post("/collabs/cortex/team/invitations/mail/", form)
    client.post("/account/password/reset/", {"email": address})
    client.post("/account/email/", {"action_add": "", "email": address})
    new = {"username": "newcomer", "email": address, "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/account/signup/", new)
    for invitation in Invitation.objects.all():
        assert invitation.email == "a@example.org"
    for made in mail.outbox:
        check_mail(made)
        assert made.to == ["a@example.org"]


def test_it_writes_no_mail_headers_from_a_subject_by_program(owner: User, viewer: User, collab: Collab) -> None:
    _token, secret = create_token(viewer, name="all", scopes=list(Scope), days=1)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    body = {"emailSubject": INJECTED, "emailContent": INJECTED}
    client.post("/rest/v1/collabs/cortex/contactadministrator", body, content_type="application/json")
    notice = Notice.objects.get(user=owner, kind="request")
    check_mail(message(notice))
