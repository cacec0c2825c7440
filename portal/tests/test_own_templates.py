"""Templates of one's own: used instead of the site's; a broken one costs nobody a mail or a page."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from pytest_django import Settings

from notices import emails
from notices.models import Kind, Mail, Notice
from portal.models import User
from portal.web import checks, own_templates

pytestmark = pytest.mark.django_db

BROKEN = {
    "syntax": "{% if %} of ours",
    "unknown tag": "{% nothing %}",
    "encoding": b"\xff\xfe of ours",
    "unknown page": "{% url 'nowhere' %} of ours",
    "unknown part": "{% include 'nothing.txt' %} of ours",
    "endless": "{% include 'notices/mail.txt' %} of ours",
}


def with_own(directory: Path) -> list[dict[str, Any]]:
    """TEMPLATES as the settings have it when TEMPLATES_DIR names a directory."""
    first, backend = site_settings.TEMPLATES[0], "portal.web.own_templates.OwnTemplates"
    return [first | {"BACKEND": backend, "NAME": "django", "DIRS": [directory, *first["DIRS"]]}]


@pytest.fixture
def own(tmp_path: Path, settings: Settings) -> Callable[[str, str | bytes], None]:
    """Writes a template of one's own; the setting names their directory."""
    directory = tmp_path / "own"
    directory.mkdir()
    settings.TEMPLATES = with_own(directory)

    def write(name: str, text: str | bytes) -> None:
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


@pytest.fixture
def notice(owner: User) -> Notice:
    row = Notice.objects.create(user=owner, kind=Kind.DONE, subject="Copied", text="All of it.", mail=Mail.WAITING)
    Notice.objects.filter(pk=row.pk).update(mail_again_at=row.created_at)
    return row


def templates(*words: str) -> str:
    said = io.StringIO()
    call_command("templates", *words, stdout=said)
    return said.getvalue()


def test_a_mail_of_ones_own_is_sent(own: Callable[..., None], notice: Notice) -> None:
    own(
        "notices/mail.txt",
        "{% autoescape off %}Dear {{ notice.user.first_name }}: {{ notice.subject }}{% endautoescape %}",
    )
    assert emails.send(notice)
    assert mail.outbox[0].body == "Dear Olga: Copied"
    assert not checks.templates_are_usable()


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_one_costs_nobody_a_mail(
    own: Callable[..., None], notice: Notice, text: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    own("notices/mail.txt", text)
    assert emails.send(notice)
    assert "All of it." in mail.outbox[0].body
    assert "of ours" not in mail.outbox[0].body
    assert "notices/mail.txt" in caplog.text


def test_the_check_tells_what_is_broken(own: Callable[..., None]) -> None:
    own("notices/mail.txt", BROKEN["syntax"])
    own("collabs/invitation_mail.txt", BROKEN["unknown part"])
    own("portal/hoem.html", "misspelt")
    own(
        "portal/home.html",
        "{% extends 'base.html' %}{% block content %}{% include 'portal/_ours.html' %}{% endblock %}",
    )
    own("portal/_ours.html", "a part")
    found = {message.msg.partition(":")[0]: message for message in checks.templates_are_usable()}
    assert set(found) == {"notices/mail.txt", "collabs/invitation_mail.txt", "portal/hoem.html"}
    assert {message.id for message in found.values()} == {"portal.W003"}


def test_a_directory_that_is_not_there_is_told_and_does_no_harm(
    tmp_path: Path, settings: Settings, client: Client
) -> None:
    settings.TEMPLATES = with_own(tmp_path / "none")
    [message] = checks.templates_are_usable()
    assert "no such directory" in message.msg
    assert "</html>" in client.get("/status/").text


def test_pages_are_ones_own_too_and_stay_when_they_break(own: Callable[..., None], client: Client) -> None:
    own("console/site_status.html", "{% extends 'base.html' %}{% block content %}Ours{% endblock %}")
    assert "Ours" in client.get("/status/").text
    own("console/site_status.html", "{% extends 'base.html' %}{% block content %}{% url 'nowhere' %}{% endblock %}")
    own_templates.engine().engine.template_loaders[0].reset()
    page = client.get("/status/")
    assert page.status_code == 200
    assert "</html>" in page.text
    own("base.html", "{% block content %}{% endblock %}{% url 'nowhere' %}")
    own_templates.engine().engine.template_loaders[0].reset()
    assert "</html>" in client.get("/status/").text


def test_the_command_says_what_there_is(own: Callable[..., None]) -> None:
    own("notices/mail.txt", BROKEN["syntax"])
    rows = {row["template"]: row for row in json.loads(templates("list", "--mails", "--json"))}
    assert {"notices/mail.txt", "collabs/invitation_mail.txt"} <= set(rows)
    assert "account/email/password_reset_key_message.txt" in rows, "those of packages too"
    assert "portal/home.html" not in rows
    assert rows["notices/mail.txt"]["own"]
    assert rows["notices/mail.txt"]["not_used_because"]
    assert [row["template"] for row in json.loads(templates("list", "--own", "--json"))] == ["notices/mail.txt"]
    built_in = Path(site_settings.BASE_DIR, "templates/notices/mail.txt").read_text()
    assert templates("show", "notices/mail.txt") == built_in
    with pytest.raises(CommandError, match="no template nothing"):
        templates("show", "nothing")


def test_without_the_setting_nothing_is_different() -> None:
    assert own_templates.own() is None
    assert not checks.templates_are_usable()
    assert "collabs/invitation_mail.txt" in own_templates.built_in_names()
