"""Messages: who is told what, and that no mail is lost, doubled or made to say more than it should."""

import socket
from collections.abc import Callable, Iterator
from email.message import Message

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from conftest import Queue
from notices import emails, services, tasks
from notices.models import Kind, Mail, Notice
from portal.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


class Postbox(MessageHandler):
    """Mails that a real mail server on loopback received."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.received.append(message)


@pytest.fixture
def postbox(settings: Settings) -> Iterator[Postbox]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    handler = Postbox()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    controller.start()
    yield handler
    if controller.server:
        controller.stop()


def deliver(queue: list[tuple]) -> None:
    """Run the task as a worker does."""
    while queue:
        name, *arguments = queue.pop(0)
        assert name == "notices.tasks.send"
        tasks.send(*arguments)


def test_it_tells_in_the_site_and_by_mail(owner: User, queue: list, postbox: Postbox) -> None:
    services.notify([owner], Kind.SHARE, subject="Ada shares “Data”", text="You can read it.", url="/drive/1/")
    deliver(queue)
    (message,) = postbox.received
    assert message["To"] == owner.email
    assert message["Message-ID"].endswith("@localhost>")
    body = str(message.get_payload())
    assert "http://localhost:8000/drive/1/" in body
    assert "You can read it." in body
    assert Notice.objects.get().mail == Mail.SENT


def test_it_cannot_be_made_to_send_to_others(owner: User, queue: list, postbox: Postbox) -> None:
    services.notify([owner], Kind.SHARE, subject="Data\r\nBcc: victim@example.org\n\nBuy", text="a\n.\nb")
    deliver(queue)
    (message,) = postbox.received
    assert message["Bcc"] is None
    assert message["X-RcptTo"] == owner.email
    assert "Bcc: victim" in " ".join(message["Subject"].split())


def test_it_asks_what_people_wish(owner: User, editor: User, queue: list) -> None:
    services.set_mail_preferences(owner, [Kind.ROLE])
    services.notify([owner, editor], Kind.ROLE, subject="Editor now")
    services.notify([owner, editor], Kind.SHARE, subject="Shared")
    mailed = Notice.objects.filter(mail=Mail.WAITING).values_list("user__username", "kind")
    assert set(mailed) == {("owner", "role"), ("editor", "share")}
    assert Notice.objects.count() == 4


def test_it_tells_nobody_what_was_undone(owner: User, queue: list) -> None:
    with transaction.atomic():
        services.notify([owner], Kind.SHARE, subject="Shared")
        transaction.set_rollback(True)
    assert queue == []
    assert not Notice.objects.exists()


def test_it_tells_no_deactivated_person(owner: User, queue: list) -> None:
    services.notify([owner], Kind.SHARE, subject="Shared")
    owner.is_active = False
    owner.save()
    deliver(queue)
    services.notify([owner], Kind.SHARE, subject="Shared again")
    assert [notice.mail for notice in Notice.objects.all()] == [Mail.NONE]
    assert mail.outbox == []


def test_it_sends_once_of_two_tries_at_once(owner: User, queue: list) -> None:
    services.notify([owner], Kind.SHARE, subject="Shared")
    first, second = Notice.objects.get(), Notice.objects.get()
    assert emails.send(first)
    assert not emails.send(second)
    assert len(mail.outbox) == 1


def test_it_tries_again_until_the_mail_server_is_back(
    owner: User, queue: list, postbox: Postbox, settings: Settings
) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    services.notify([owner], Kind.SHARE, subject="Shared")
    deliver(queue)
    notice = Notice.objects.get()
    assert (notice.mail, notice.mail_tries) == (Mail.WAITING, 1)
    settings.EMAIL_PORT = port
    tasks.send_waiting()
    assert postbox.received == [], "not before its time"
    Notice.objects.update(mail_again_at=timezone.now())
    tasks.send_waiting()
    assert len(postbox.received) == 1


def test_it_gives_up_in_the_end_and_says_so(owner: User, queue: list, postbox: Postbox, settings: Settings) -> None:
    settings.EMAIL_PORT = 1
    services.notify([owner], Kind.SHARE, subject="Shared")
    for _ in range(emails.MOST_TRIES):
        Notice.objects.update(mail_again_at=timezone.now())
        tasks.send_waiting()
    assert Notice.objects.get().mail == Mail.FAILED


def test_it_waits_while_the_broker_is_away(owner: User, queue: Queue) -> None:
    queue.up = False
    services.notify([owner], Kind.SHARE, subject="Shared")
    assert mail.outbox == []
    tasks.send_waiting()
    assert len(mail.outbox) == 1


def test_its_pages_are_ones_own(sign_in: SignIn, owner: User, stranger: User, queue: list) -> None:
    services.notify([owner], Kind.SHARE, subject="Ada shares <b>Data</b>", url="/drive/")
    notice = Notice.objects.get()
    client = sign_in(owner)
    assert "1<span" in client.get("/drive/").text
    assert "Ada shares &lt;b&gt;Data" in client.get("/notices/").text
    assert sign_in(stranger).post(f"/notices/{notice.pk}/").status_code == 404
    assert "Ada" not in sign_in(stranger).get("/notices/").text
    assert client.post(f"/notices/{notice.pk}/")["Location"] == "/drive/"
    assert not Notice.objects.unread(owner).exists()
    assert Client().get("/notices/").status_code == 302


def test_it_leads_to_no_other_site(sign_in: SignIn, owner: User, queue: list) -> None:
    services.notify([owner], Kind.SHARE, subject="Look", url="https://evil.example/")
    services.notify([owner], Kind.SHARE, subject="Look", url="//evil.example/")
    for notice in Notice.objects.all():
        assert sign_in(owner).post(f"/notices/{notice.pk}/")["Location"] == "/notices/"


def test_it_keeps_what_a_person_wishes(sign_in: SignIn, owner: User) -> None:
    client = sign_in(owner)
    assert client.get("/notices/settings/").text.count(" checked") == 7
    client.post("/notices/settings/", {"by_mail": ["role", "nonsense"]})
    assert [kind for kind, by_mail in services.mail_preferences(owner).items() if by_mail] == [Kind.ROLE]


def test_its_page_asks_the_same_number_of_questions_however_long(
    sign_in: SignIn, owner: User, queue: list, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        services.notify([owner], Kind.ROLE, subject=f"Message {number}")
    client = sign_in(owner)
    with django_assert_max_num_queries(8):
        client.get("/notices/")
    client.post("/notices/read/")
    assert not Notice.objects.unread(owner).exists()
