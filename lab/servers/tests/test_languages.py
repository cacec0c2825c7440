"""What is told of a Lab, in its person's language: by a task that knows no request, or on a page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

from lab.formats import binary_size, duration, span
from lab.models import Server, StopReason
from lab.models.servers import ERRORS
from lab.servers import limits, notifications
from notices.models import Notice
from portal.models import User

pytestmark = pytest.mark.django_db
MADE_BY = [Path(__file__).parents[2] / folder for folder in ("launchers", "supervisor")]


def test_numbers_are_words_of_the_language() -> None:
    assert (duration(45), span(90_000), binary_size(3 * 2**29)) == ("45 seconds", "1 day 1 hour", "1.5 GiB")
    with translation.override("de"):
        assert (duration(45), span(90_000), binary_size(3 * 2**29)) == ("45 Sekunden", "1 Tag 1 Stunde", "1,5 GiB")


def test_a_notice_of_the_end_is_in_the_persons_language(server: Callable[..., Server], owner: User) -> None:
    owner.language = "de"
    owner.save()
    row = server("stopped", stop_reason=StopReason.DIED, error=limits.why_it_died(server("stopped"), None))
    notifications.tell_of_end(row)
    told = Notice.objects.get(user=owner)
    assert told.subject == "Ihr Lab wurde gestoppt"
    assert told.text.startswith("Es wurde unerwartet beendet: Sein Prozess wurde beendet.")
    assert "unverändert" in told.text


def test_errors_of_launchers_are_translated_where_they_are_shown(server: Callable[..., Server]) -> None:
    row = server("stopped", stop_reason=StopReason.START_FAILED, error=ERRORS[0])
    assert row.stop_sentence == f"It did not start: {ERRORS[0]}"
    with translation.override("de"):
        assert row.stop_sentence == "Es ist nicht gestartet: Jupyter wurde beim Starten beendet."


def test_the_sentences_of_launchers_are_those_that_they_say() -> None:
    code = "".join(path.read_text() for folder in MADE_BY for path in folder.rglob("*.py"))
    assert [sentence for sentence in ERRORS if f'"{sentence}"' not in code] == []


def test_my_lab_is_in_the_language_of_the_page(sign_in: Callable[[User], Client], running: Server) -> None:
    page = sign_in(running.owner).get("/lab/", headers={"Accept-Language": "de"}).text
    assert 'Ihr Lab <span class="badge running">läuft</span>' in page
    assert "Wird es nicht benutzt, stoppt es automatisch" in page
