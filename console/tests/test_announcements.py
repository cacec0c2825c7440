"""A sentence on every page, for a time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from console import announcements
from console.models import Announcement
from portal.models import AuditEntry, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def announce(operator: User) -> Callable[..., Announcement]:
    def make(text: str = "Maintenance on Friday.", begins: float = -1, ends: float = 1, **fields: Any) -> Announcement:
        now = timezone.now()
        times = {"begins_at": now + timedelta(hours=begins), "ends_at": now + timedelta(hours=ends)}
        made = Announcement(text=text, **(times | fields))
        announcements.save(operator, made, is_new=True)
        return made

    return make


@pytest.mark.parametrize("address", ["/", "/account/login/", "/collabs/", "/no-such-page"])
def test_it_stands_on_every_page(client: Client, announce: Callable[..., Announcement], address: str) -> None:
    announce(link="https://status.example.org/")
    page = client.get(address).text
    assert "Maintenance on Friday." in page
    assert 'href="https://status.example.org/"' in page


@pytest.mark.parametrize(("begins", "ends", "shown"), [(-1, 1, True), (1, 2, False), (-2, -1, False)])
def test_it_stands_there_in_its_time_only(
    client: Client, announce: Callable[..., Announcement], begins: float, ends: float, shown: bool
) -> None:
    announce(begins=begins, ends=ends)
    assert ("Maintenance" in client.get("/").text) == shown


def test_it_asks_the_database_for_no_page(
    client: Client, announce: Callable[..., Announcement], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    announce()
    client.get("/account/login/")
    with django_assert_num_queries(0):
        assert "Maintenance" in client.get("/account/login/").text


def test_it_is_known_to_other_processes_within_half_a_minute(
    client: Client, announce: Callable[..., Announcement]
) -> None:
    """They share the cache, and each believes itself for some seconds."""
    client.get("/")
    announce("Something new.")
    assert "Something new." in client.get("/").text
    assert announcements.SECONDS <= 30
    cache.clear()
    Announcement.objects.update(text="Changed behind our back.")
    announcements._own["until"] = 0.0
    assert "Changed behind our back." in client.get("/").text


def test_it_shows_text_as_text(client: Client, announce: Callable[..., Announcement]) -> None:
    announce("<script>alert(1)</script> & so on")
    page = client.get("/").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; so on" in page


def test_it_is_put_away_by_one_browser_without_scripts(client: Client, announce: Callable[..., Announcement]) -> None:
    first, second = announce("First."), announce("Second.")
    response = client.post(f"/announcements/{first.pk}/dismiss", {"next": "/collabs/?q=x"})
    assert response["Location"] == "/collabs/?q=x"
    assert response.cookies["dismissed"]["httponly"]
    assert response.cookies["dismissed"]["samesite"] == "Lax"
    page = client.get("/").text
    assert "First." not in page
    assert "Second." in page
    client.post(f"/announcements/{second.pk}/dismiss")
    assert "Second." not in client.get("/").text
    assert "First." in Client().get("/").text


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_it_leads_nowhere_else(client: Client, target: str) -> None:
    assert client.post("/announcements/1/dismiss", {"next": target})["Location"] == "/"


@pytest.mark.parametrize("value", ["x" * 5000, "a.b.-1", ".".join(["9" * 12] * 500), "-1"])
def test_it_minds_no_strange_cookie(client: Client, announce: Callable[..., Announcement], value: str) -> None:
    announce()
    client.cookies["dismissed"] = value
    assert "Maintenance" in client.get("/").text


def test_it_is_made_and_ended_by_operators(operator: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(operator)
    now = timezone.now()
    data = {"text": "Back at noon.", "level": "warning", "begins_at_0": now.date(), "begins_at_1": "00:00:00"}
    later = now + timedelta(days=2)
    client.post("/admin/console/announcement/add/", data | {"ends_at_0": later.date(), "ends_at_1": "00:00:00"})
    assert "Back at noon." in Client().get("/").text
    made = Announcement.objects.get()
    assert made.created_by == operator
    client.post("/admin/console/announcement/", {"action": "end", "_selected_action": [made.pk]})
    assert "Back at noon." not in Client().get("/").text
    verbs = list(AuditEntry.objects.filter(verb__startswith="announcement").values_list("verb", flat=True))
    assert sorted(verbs) == ["announcement.ended", "announcement.made"]


def test_it_refuses_a_time_that_goes_backwards(operator: User, sign_in: Callable[[User], Client]) -> None:
    data = {"text": "x", "level": "info", "begins_at_0": "2030-01-02", "begins_at_1": "00:00:00"}
    data |= {"ends_at_0": "2030-01-01", "ends_at_1": "00:00:00"}
    response = sign_in(operator).post("/admin/console/announcement/add/", data)
    assert "The end must be after the beginning." in response.text
    assert not Announcement.objects.exists()
