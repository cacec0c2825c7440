"""Requests that come from elsewhere: of other Labs, of links and forms, and where arriving leads."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from lab.gateway import passes
from lab.models import Server, State
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import state_of
from portal.digest import digest
from portal.models import User

from .support import FETCH, NAVIGATION, OWN_PAGE, PLACE, Browser

pytestmark = pytest.mark.django_db


class TestOtherLabsAreTheSameSite:
    """Scripts in eve's Lab send requests to the owner's Lab; the browser adds the owner's cookie (SameSite=Lax)."""

    EVE = "http://eve.lab.localhost:8000"

    @pytest.fixture(autouse=True)
    def inside(self, browser: Browser, running: Server) -> None:
        browser.enter("owner")

    @pytest.mark.parametrize(
        ("attack", "method", "headers"),
        [
            ("fetch with a body", "POST", {**FETCH, "Origin": EVE, "Sec-Fetch-Site": "same-site"}),
            ("form", "POST", {**NAVIGATION, "Origin": EVE, "Sec-Fetch-Site": "same-site"}),
            ("form of a sandboxed frame", "POST", {**NAVIGATION, "Origin": "null", "Sec-Fetch-Site": "cross-site"}),
            ("fetch", "GET", {**FETCH, "Origin": EVE, "Sec-Fetch-Site": "same-site"}),
            ("fetch without CORS", "GET", {**FETCH, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-site"}),
            ("script element", "GET", {"Accept": "*/*", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-site"}),
            ("frame", "GET", {**NAVIGATION, "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-site"}),
            ("frame from elsewhere", "GET", {**NAVIGATION, "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}),
            ("socket", "GET", {"Origin": EVE, "X-Original-Upgrade": "websocket"}),
            ("socket without an origin", "GET", {"X-Original-Upgrade": "websocket"}),
            ("old browser's form", "POST", {"Accept": "text/html", "Origin": EVE}),
            ("form that hides where it stands", "POST", {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}),
            ("half a navigation", "GET", {**NAVIGATION, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"}),
            ("neither header", "DELETE", {"Accept": "*/*"}),
            ("almost its origin", "POST", {**OWN_PAGE, "Origin": "http://owner.lab.localhost:8000.evil.example"}),
            ("its origin, other scheme", "POST", {**OWN_PAGE, "Origin": "https://owner.lab.localhost:8000"}),
            ("its origin, other port", "POST", {**OWN_PAGE, "Origin": "http://owner.lab.localhost"}),
        ],
    )
    def test_it_refuses(self, browser: Browser, attack: str, method: str, headers: dict[str, str]) -> None:
        assert browser.ask("owner", headers, method).status_code == 403
        assert browser.arrive("owner", headers=headers, method=method).status_code == 403

    @pytest.mark.parametrize(
        ("request_", "method", "headers"),
        [
            ("fetch", "GET", OWN_PAGE),
            ("save", "PUT", {**OWN_PAGE, "Origin": "http://owner.lab.localhost:8000"}),
            ("socket", "GET", {"Origin": "http://owner.lab.localhost:8000", "X-Original-Upgrade": "websocket"}),
            ("typed address", "GET", {**NAVIGATION, "Sec-Fetch-Site": "none"}),
            ("the browser's own request", "GET", {**FETCH, "Sec-Fetch-Site": "none"}),
            ("link on the portal", "GET", {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}),
            ("browser without Sec-Fetch", "GET", {"Accept": "text/html"}),
        ],
    )
    def test_it_lets_through(self, browser: Browser, request_: str, method: str, headers: dict[str, str]) -> None:
        assert browser.ask("owner", headers, method).status_code == 204
        assert browser.arrive("owner", headers=headers, method=method).status_code == 503, "the Lab did not answer"


class TestNavigation:
    @pytest.mark.parametrize(
        ("kind", "method", "headers", "is_one"),
        [
            ("link", "GET", NAVIGATION, True),
            ("head", "HEAD", NAVIGATION, True),
            ("browser without Sec-Fetch", "GET", {"Accept": "text/html"}, True),
            ("program", "GET", {}, False),
            ("script", "GET", {**NAVIGATION, "Sec-Fetch-Mode": "cors"}, False),
            ("frame", "GET", {**NAVIGATION, "Sec-Fetch-Dest": "iframe"}, False),
            ("picture", "GET", {**NAVIGATION, "Accept": "image/*"}, False),
            ("form", "POST", NAVIGATION, False),
            ("socket", "GET", {**NAVIGATION, "X-Original-Upgrade": "websocket"}, False),
        ],
    )
    def test_it_knows_a_person_going_to_a_page(
        self, kind: str, method: str, headers: dict[str, str], is_one: bool
    ) -> None:
        assert passes.is_navigation(RequestFactory(headers=headers).get("/").headers, method) is is_one

    def test_it_asks_a_head_request_as_it_came(self, browser: Browser, running: Server) -> None:
        browser.enter("owner")
        assert browser.ask("owner", {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}, "HEAD").status_code == 204

    def test_a_request_whose_method_is_not_told_is_a_get(self, browser: Browser, running: Server) -> None:
        browser.enter("owner")
        told = {**NAVIGATION, "Sec-Fetch-Site": "cross-site", "X-Lab-User": "owner"}
        assert browser.lab("owner").get("/_gateway/auth", headers=told).status_code == 204
        assert browser.lab("owner").get("/_gateway/arrive", headers=told)["Refresh"] == "1; url=/lab"
        assert browser.lab("owner").post("/_gateway/arrive", headers=told).status_code == 403


class TestArriving:
    def test_it_tells_programs_what_their_person_can_do(
        self, browser: Browser, running: Server, launcher: InProcessLauncher
    ) -> None:
        def told(headers: dict[str, str] = OWN_PAGE) -> str:
            answer = browser.arrive("owner", headers=headers).json()
            assert answer["message"] == answer["reason"]
            return str(answer["message"])

        assert told({**OWN_PAGE, "Sec-Fetch-Site": "cross-site"}).startswith("This request does not come from")
        assert told().startswith("Your sign-in has ended.")
        browser.enter("owner")
        assert told().startswith("This Lab is busy")
        launcher.away = True
        assert told().startswith("This Lab is busy")
        Server.objects.update(state=State.STOPPED)
        assert told().startswith("This Lab is not running.")

    def test_the_busy_page_leads_on_to_the_place(self, browser: Browser, running: Server) -> None:
        browser.enter("owner")
        busy = browser.arrive("owner")
        assert busy["Retry-After"] == "1"
        assert f'href="{PLACE}"' in busy.content.decode()
        assert 'href="http://localhost:8000/lab/"' in busy.content.decode()

    def test_a_refused_ticket_leads_to_the_lab_again(self, browser: Browser, running: Server) -> None:
        without = browser.lab("owner").get("/_gateway/lab/enter", headers={"X-Lab-User": "owner"})
        assert without.status_code == 403
        refused = browser.redeem("owner", "x" * 43)
        assert refused.status_code == 403
        assert 'href="/lab"' in refused.content.decode()
        assert 'href="http://localhost:8000/lab/"' in refused.content.decode()

    def test_it_answers_programs_shortly(self, browser: Browser, running: Server) -> None:
        nobody = browser.arrive("owner", headers=OWN_PAGE)
        assert (nobody.status_code, nobody["Content-Type"]) == (401, "application/json")
        browser.enter("owner")
        Server.objects.update(state=State.STOPPED)
        assert browser.arrive("owner", headers=OWN_PAGE).status_code == 503

    def test_it_puts_a_dead_server_right(
        self,
        browser: Browser,
        running: Server,
        launcher: InProcessLauncher,
        server: Callable[..., Server],
        stranger: User,
    ) -> None:
        """The row says running, the proxy found nobody there. Another's Lab runs on."""
        browser.enter("owner")
        launcher.sandboxes.clear()
        other = server("running", owner=stranger)
        assert browser.arrive("owner")["Location"].startswith("http://localhost:8000/lab/?next=")
        assert state_of(running) == State.STOPPING
        assert state_of(other) == State.RUNNING

    def test_it_looks_at_the_server_that_runs_now(
        self, browser: Browser, running: Server, server: Callable[..., Server]
    ) -> None:
        browser.enter("owner")
        now = timezone.now()
        for hours in (-1, 1):
            server("stopped", requested_at=now + timedelta(hours=hours))
        assert browser.arrive("owner").status_code == 503

    def test_it_tries_again_while_a_living_server_is_silent(self, browser: Browser, running: Server) -> None:
        browser.enter("owner")
        busy = browser.arrive("owner")
        assert (busy.status_code, busy["Refresh"]) == (503, f"1; url={PLACE}")
        assert state_of(running) == State.RUNNING

    def test_it_keeps_the_row_while_the_supervisor_is_away(
        self, browser: Browser, running: Server, launcher: InProcessLauncher
    ) -> None:
        browser.enter("owner")
        launcher.away = True
        assert browser.arrive("owner").status_code == 503
        assert state_of(running) == State.RUNNING

    @pytest.mark.parametrize(
        "evil",
        [
            "//evil.example/",
            "/\\evil.example/",
            "https://evil.example/",
            "javascript:alert(1)",
            "\thttp://evil.example",
            "/\r\nLocation: http://evil.example",
            "@evil.example",
            ".evil.example",
            "/.collaboratory/enter?ticket=x",
            "/lab#" + "x" * 5000,
        ],
    )
    def test_it_leads_nowhere_else(self, browser: Browser, running: Server, evil: str) -> None:
        ticket = passes.issue_ticket(running.owner, browser.portal.session.session_key or "", digest("s" * 43), evil)
        browser.lab("owner").cookies["lab_state"] = "s" * 43
        assert browser.redeem("owner", ticket)["Location"] == "http://owner.lab.localhost:8000/lab"

    def test_the_portal_leads_nowhere_else(self, browser: Browser, running: Server) -> None:
        for page in ("/lab/", "/lab/enter"):
            left = browser.portal.get(page, {"next": "//evil.example", "user": "owner", "state": "x"})
            assert left["Refresh"] == "0; url=http://owner.lab.localhost:8000/lab"
