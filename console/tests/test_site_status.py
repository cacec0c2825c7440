"""The status page for people."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from console.site_status import SERVICES, services
from lab.models import Pause
from portal.models import User
from portal.ops import health
from portal.ops.health import HEALTH, Part, PartStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Parts of a site of which these do not work; the checks run as always."""

    def fail() -> None:
        raise health.HealthCheckError("secret reason at 10.1.2.3")

    def make(*broken: str) -> None:
        made = [Part(part.name, fail if part.name in broken else lambda: None, part.needed) for part in health.parts()]
        monkeypatch.setattr(health, "parts", lambda: made)
        HEALTH.forget()

    yield make
    HEALTH.forget()


def test_every_part_is_in_a_service() -> None:
    assert {part.name for part in health.parts()} == set().union(*(parts for _title, parts in SERVICES))


def test_it_says_that_all_works(client: Client, answering: Callable[..., None]) -> None:
    answering()
    page = client.get("/status/").text
    assert "Everything works." in page
    assert "does not work" not in page
    assert "None is planned." in page


@pytest.mark.parametrize(("part", "service"), [(part, title) for title, parts in SERVICES for part in sorted(parts)])
def test_it_says_what_does_not_without_the_reason(
    client: Client, answering: Callable[..., None], part: str, service: str
) -> None:
    answering(part)
    page = client.get("/status/").text
    row = page[page.index(str(service)) :].partition("</tr>")[0]
    assert "does not work" in row
    assert page.count('class="badge failed"') == 1
    assert "10.1.2.3" not in page


def test_a_service_that_a_site_does_not_have_is_not_shown() -> None:
    shown = list(services([PartStatus("database", ok=True, needed=True, milliseconds=1)], paused=True))
    assert [str(service.title) for service in shown] == ["Pages, Collabs and files"]


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [(-2, -1, "None is planned"), (-1, 3, "Now, and for"), (5, 6, "In 5")],
)
def test_it_counts_down_to_maintenance(
    client: Client, answering: Callable[..., None], begins: int, ends: int, said: str
) -> None:
    answering()
    now = timezone.now() + timedelta(seconds=30)
    times = {"starts_at": now + timedelta(hours=begins), "ends_at": now + timedelta(hours=ends)}
    Pause.objects.create(text="New disks <b>.", **times)
    page = client.get("/status/").text.replace("\xa0", " ")
    assert said in page
    assert "<b>." not in page
    assert ("Everything works." in page) == (page.count(">paused<") == 0) == (not begins <= 0 < ends)


def test_it_is_in_the_foot_of_pages(client: Client, owner: User) -> None:
    assert 'href="/status/"' in client.get("/").text
