"""Who may pass the proxy: every way in, and every way that must not be one."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from lab.gateway import passes
from lab.models import Pass, Server, State, Ticket
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import state_of
from portal.digest import digest
from portal.models import User

pytestmark = pytest.mark.django_db

PLACE = "/lab/tree/drive/Shared%20with%20groups/Cortex/a.ipynb"
NAVIGATION = {"Accept": "text/html,*/*", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
OWN_PAGE = {**FETCH, "Sec-Fetch-Site": "same-origin"}


class Browser:
    """One browser, signed in on the portal or not, with a cookie jar per Lab; asks as the proxy would pass it on."""

    def __init__(self, portal: Client) -> None:
        self.portal = portal
        self.labs: dict[str, Client] = {}

    def lab(self, username: str) -> Client:
        return self.labs.setdefault(username, Client())

    def ask(self, username: str, headers: dict[str, str] = OWN_PAGE, method: str = "GET") -> Any:
        told = {"X-Lab-User": username, "X-Original-Method": method, "X-Original-URI": PLACE}
        return self.lab(username).get("/_gateway/auth", headers=headers | told)

    def arrive(self, username: str, place: str = PLACE, headers: dict[str, str] = NAVIGATION, method: str = "GET"):
        told = {"X-Lab-User": username, "X-Original-Method": method, "X-Original-URI": place}
        return self.lab(username).get("/_gateway/arrive", headers=headers | told)

    def follow_to_portal(self, response: Any) -> Any:
        address = urlsplit(response["Location"])
        assert f"{address.scheme}://{address.netloc}" == "http://localhost:8000"
        return self.portal.get(f"{address.path}?{address.query}")

    def redeem(self, username: str, ticket: str) -> Any:
        return self.lab(username).get("/_gateway/lab/enter", {"ticket": ticket}, headers={"X-Lab-User": username})

    def enter(self, username: str, place: str = PLACE) -> Any:
        return self.redeem(username, ticket_in(self.follow_to_portal(self.arrive(username, place))))


def ticket_in(response: Any) -> str:
    address = re.fullmatch(r"0; url=(.*)", response["Refresh"])
    assert address
    return parse_qs(urlsplit(address[1]).query)["ticket"][0]


@pytest.fixture
def browser(owner: User, sign_in: Callable[[User], Client]) -> Browser:
    return Browser(sign_in(owner))


class TestEntering:
    def test_it_leads_in_to_the_place(self, browser: Browser, running: Server) -> None:
        came = browser.enter("owner")
        assert came["Location"] == f"http://owner.lab.localhost:8000{PLACE}"
        cookie = came.cookies["lab_pass"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["domain"] == ""
        yes = browser.ask("owner")
        assert (yes.status_code, yes["X-Lab-Server"], yes["X-Lab-Token"]) == (204, running.pk.hex, running.token)

    def test_it_answers_the_proxy_with_one_query(
        self, browser: Browser, running: Server, django_assert_num_queries
    ) -> None:
        browser.enter("owner")
        with django_assert_num_queries(1):
            assert browser.ask("owner").status_code == 204

    def test_it_stores_no_secret(self, browser: Browser, running: Server) -> None:
        browser.enter("owner")
        cookie = browser.lab("owner").cookies["lab_pass"].value
        assert Pass.objects.get().digest != cookie
        assert Pass.objects.get().digest == digest(cookie)

    def test_the_link_survives_the_sign_in(self, owner: User, running: Server) -> None:
        visitor = Browser(Client())
        to_sign_in = visitor.follow_to_portal(visitor.arrive("owner"))
        address = urlsplit(to_sign_in["Location"])
        assert address.path == "/account/login/"
        visitor.portal.force_login(owner)
        back = visitor.portal.get(parse_qs(address.query)["next"][0])
        assert visitor.redeem("owner", ticket_in(back))["Location"].endswith(PLACE)

    def test_the_link_survives_the_launch(self, browser: Browser, server: Callable[..., Server]) -> None:
        server("stopped")
        browser.enter("owner")
        assert browser.ask("owner").status_code == 401
        to_portal = browser.arrive("owner")
        assert to_portal["Location"].startswith("http://localhost:8000/lab/?next=")
        page = browser.follow_to_portal(to_portal).content.decode()
        assert "You stopped it." in page
        assert f'value="{PLACE}"' in page

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
    def test_it_redirects_where_no_form_of_ours_can_be_the_beginning(
        self, browser: Browser, running: Server, site: str
    ) -> None:
        response = browser.portal.get("/lab/?next=/lab", headers={"Sec-Fetch-Site": site})
        assert (response.status_code, response["Location"]) == (302, "http://owner.lab.localhost:8000/lab")

    def test_tabs_that_arrive_together_all_get_in(self, browser: Browser, running: Server) -> None:
        first, second = browser.arrive("owner"), browser.arrive("owner")
        tickets = [ticket_in(browser.follow_to_portal(response)) for response in (first, second)]
        assert [browser.redeem("owner", ticket).status_code for ticket in tickets] == [302, 302]

    def test_a_used_ticket_in_the_history_leads_on(self, browser: Browser, running: Server) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        browser.redeem("owner", ticket)
        assert browser.redeem("owner", ticket)["Location"] == "http://owner.lab.localhost:8000/lab"
        assert Pass.objects.count() == 1


class TestTickets:
    def test_it_takes_a_ticket_once(self, browser: Browser, running: Server) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        assert browser.redeem("owner", ticket).status_code == 302
        del browser.lab("owner").cookies["lab_pass"]
        assert browser.redeem("owner", ticket).status_code == 403
        assert Pass.objects.count() == 1

    def test_it_refuses_an_old_ticket(self, browser: Browser, running: Server) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        Ticket.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert browser.redeem("owner", ticket).status_code == 403

    def test_it_refuses_a_ticket_in_another_browser(self, browser: Browser, running: Server) -> None:
        """Login CSRF: a victim's browser is sent to the attacker's Lab with a ticket of the attacker."""
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        victim = Browser(Client())
        assert victim.redeem("owner", ticket).status_code == 403
        victim.arrive("owner")  # with a state cookie of its own
        assert victim.redeem("owner", ticket).status_code == 403
        assert not Pass.objects.exists()

    def test_it_refuses_a_ticket_at_another_lab(self, browser: Browser, running: Server, stranger: User) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        browser.labs["stranger"] = browser.lab("owner")
        assert browser.redeem("stranger", ticket).status_code == 403

    def test_it_refuses_a_ticket_after_signing_out(self, browser: Browser, running: Server) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        browser.portal.logout()
        assert browser.redeem("owner", ticket).status_code == 403

    @pytest.mark.parametrize("ticket", ["", "x", "x" * 5000, "\0", "../../x"])
    def test_it_refuses_what_is_no_ticket(self, browser: Browser, running: Server, ticket: str) -> None:
        browser.arrive("owner")
        assert browser.redeem("owner", ticket).status_code == 403

    def test_it_gives_no_ticket_to_somebody_elses_lab(
        self, running: Server, stranger: User, sign_in: Callable[[User], Client]
    ) -> None:
        curious = Browser(sign_in(stranger))
        refused = curious.follow_to_portal(curious.arrive("owner"))
        assert refused.status_code == 403
        assert "somebody else’s Lab" in refused.content.decode()
        assert "/lab/open?path=Shared%20with%20groups%2FCortex%2Fa.ipynb" in refused.content.decode()
        assert not Ticket.objects.exists()


class TestPasses:
    @pytest.fixture(autouse=True)
    def inside(self, browser: Browser, running: Server) -> None:
        browser.enter("owner")

    def test_it_ends_with_the_sign_out(self, browser: Browser) -> None:
        browser.portal.logout()
        assert browser.ask("owner").status_code == 401

    def test_it_ends_with_the_account(self, browser: Browser, owner: User) -> None:
        User.objects.filter(pk=owner.pk).update(is_active=False)
        assert browser.ask("owner").status_code == 401

    def test_it_ends_with_the_password(self, browser: Browser, owner: User) -> None:
        owner.set_password("another-one-altogether")
        owner.save()
        assert browser.ask("owner").status_code == 401

    def test_it_ends_with_its_time(self, browser: Browser) -> None:
        Pass.objects.update(expires_at=timezone.now())
        assert browser.ask("owner").status_code == 401

    @pytest.mark.parametrize("state", [s for s in State if s != State.RUNNING])
    def test_it_leads_only_to_a_running_server(self, browser: Browser, running: Server, state: State) -> None:
        Server.objects.filter(pk=running.pk).update(state=state)
        assert browser.ask("owner").status_code == 401

    def test_it_is_for_one_lab(self, browser: Browser, stranger: User, server: Callable[..., Server]) -> None:
        server("running", owner=stranger)
        browser.labs["stranger"] = browser.lab("owner")
        assert browser.ask("stranger").status_code == 401

    @pytest.mark.parametrize("label", ["", "OWNER.", "owner.evil", "-", "a" * 64, "owner\t"])
    def test_it_needs_a_label_that_can_be_one(self, browser: Browser, label: str) -> None:
        browser.labs[label] = browser.lab("owner")
        assert browser.ask(label).status_code in (401, 403)


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
            ("link on the portal", "GET", {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}),
            ("browser without Sec-Fetch", "GET", {"Accept": "text/html"}),
        ],
    )
    def test_it_lets_through(self, browser: Browser, request_: str, method: str, headers: dict[str, str]) -> None:
        assert browser.ask("owner", headers, method).status_code == 204


class TestArriving:
    def test_it_answers_programs_shortly(self, browser: Browser, running: Server) -> None:
        nobody = browser.arrive("owner", headers=OWN_PAGE)
        assert (nobody.status_code, nobody["Content-Type"]) == (401, "application/json")
        browser.enter("owner")
        Server.objects.update(state=State.STOPPED)
        assert browser.arrive("owner", headers=OWN_PAGE).status_code == 503

    def test_it_puts_a_dead_server_right(self, browser: Browser, running: Server, launcher: InProcessLauncher) -> None:
        """The row says running, the proxy found nobody there."""
        browser.enter("owner")
        launcher.sandboxes.clear()
        assert browser.arrive("owner")["Location"].startswith("http://localhost:8000/lab/?next=")
        assert state_of(running) == State.STOPPING

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
            "/lab#" + "x" * 3000,
        ],
    )
    def test_it_leads_nowhere_else(self, browser: Browser, running: Server, evil: str) -> None:
        ticket = passes.give_ticket(running.owner, browser.portal.session.session_key or "", digest("s" * 43), evil)
        browser.lab("owner").cookies["lab_state"] = "s" * 43
        assert browser.redeem("owner", ticket)["Location"] == "http://owner.lab.localhost:8000/lab"

    def test_the_portal_leads_nowhere_else(self, browser: Browser, running: Server) -> None:
        for page in ("/lab/", "/lab/enter"):
            left = browser.portal.get(page, {"next": "//evil.example", "user": "owner", "state": "x"})
            assert left["Refresh"] == "0; url=http://owner.lab.localhost:8000/lab"
