"""Who may pass the proxy: every way in, and every way that must not be one."""

import importlib.util
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from lab.gateway import passes
from lab.models import Pass, Server, State, Ticket
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import state_of
from portal.digest import digest
from portal.models import Session, User

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

    def test_the_ticket_goes_to_its_persons_lab(self, browser: Browser, running: Server) -> None:
        address = browser.follow_to_portal(browser.arrive("owner"))["Refresh"].removeprefix("0; url=")
        assert address.startswith("http://owner.lab.localhost:8000/.collaboratory/enter?ticket=")

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
        came = [browser.redeem("owner", ticket) for ticket in tickets]
        assert [response.status_code for response in came] == [302, 302]
        assert all(response["Location"].endswith(PLACE) for response in came), "each to the place it was opened for"

    def test_a_used_ticket_in_the_history_leads_on(self, browser: Browser, running: Server) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        browser.redeem("owner", ticket)
        assert browser.redeem("owner", ticket)["Location"] == "http://owner.lab.localhost:8000/lab"
        assert Pass.objects.count() == 1

    def test_it_keeps_no_state_that_is_none_of_ours(self, browser: Browser, running: Server) -> None:
        browser.lab("owner").cookies["lab_state"] = "chosen-by-somebody"
        left = browser.arrive("owner")
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", left.cookies["lab_state"].value)
        assert parse_qs(urlsplit(left["Location"]).query)["state"] == [digest(left.cookies["lab_state"].value)]

    def test_a_link_whose_state_is_none_begins_anew(self, browser: Browser, running: Server) -> None:
        left = browser.portal.get("/lab/enter", {"user": "OWNER", "next": PLACE, "state": "x"})
        assert left["Refresh"] == f"0; url=http://owner.lab.localhost:8000{PLACE}"
        assert not Ticket.objects.exists()

    def test_a_link_that_says_nothing_is_nobodys(self, browser: Browser, running: Server) -> None:
        refused = browser.portal.get("/lab/enter")
        assert refused.status_code == 403
        assert 'href="/lab/"' in refused.content.decode()
        left = browser.portal.get("/lab/enter", {"user": "owner"})
        assert left["Refresh"] == "0; url=http://owner.lab.localhost:8000/lab"

    def test_a_pass_lasts_as_long_as_a_sign_in(self, browser: Browser, running: Server, settings: Settings) -> None:
        settings.SESSION_COOKIE_AGE = 1000
        came = browser.enter("owner")
        assert came.cookies["lab_pass"]["path"] == "/"
        left = Pass.objects.get().expires_at - timezone.now()
        assert timedelta(seconds=990) < left <= timedelta(seconds=1000)

    def test_no_step_is_kept_in_a_cache(self, browser: Browser, running: Server) -> None:
        arrived = browser.arrive("owner")
        with_ticket = browser.follow_to_portal(arrived)
        elsewhere = browser.portal.get("/lab/enter", {"user": "viewer"})
        came = browser.redeem("owner", ticket_in(with_ticket))
        busy = browser.arrive("owner")
        for response in (arrived, with_ticket, elsewhere, came, busy):
            assert "no-store" in response["Cache-Control"]

    def test_a_step_is_only_ever_gone_to(self, browser: Browser, running: Server) -> None:
        assert browser.portal.post("/lab/enter").status_code == 405
        assert browser.lab("owner").post("/_gateway/lab/enter", headers={"X-Lab-User": "owner"}).status_code == 405

    def test_pages_on_the_labs_origin_may_take_the_portals_styles(self, browser: Browser, running: Server) -> None:
        refused = browser.redeem("owner", "x" * 43)
        browser.enter("owner")
        busy = browser.arrive("owner")
        for page in (refused, busy):
            [styles] = re.findall("style-src ([^;]*)", page["Content-Security-Policy"])
            assert "http://localhost:8000" in styles.split()

    def test_the_origin_stands_in_for_a_token_against_forged_requests(self, browser: Browser, running: Server) -> None:
        """Neither page can have Django's token: the first is asked by the proxy, the second stands for any request."""
        browser.enter("owner")
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.lab("owner").cookies
        told = {**OWN_PAGE, "X-Lab-User": "owner", "X-Original-Method": "POST"}
        assert strict.post("/_gateway/auth", headers=told).status_code == 204
        assert strict.post("/_gateway/arrive", headers=told).status_code == 503

    @pytest.mark.parametrize("https", [True, False])
    def test_where_there_is_https_the_cookies_are_bound_to_their_host(
        self, browser: Browser, running: Server, settings: Settings, https: bool
    ) -> None:
        settings.HTTPS = https
        spec = importlib.util.find_spec(passes.__name__)
        assert spec
        assert spec.loader
        afresh = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(afresh)
        names = ("__Host-lab_state", "__Host-lab_pass") if https else ("lab_state", "lab_pass")
        assert names == (afresh.STATE_COOKIE, afresh.PASS_COOKIE)
        state = browser.arrive("owner").cookies["lab_state"]
        assert (bool(state["secure"]), state["httponly"], state["samesite"]) == (https, True, "Lax")
        assert (state["domain"], state["path"]) == ("", "/")


class TestTickets:
    def test_a_ticket_is_good_for_half_a_minute(self, browser: Browser, running: Server) -> None:
        browser.follow_to_portal(browser.arrive("owner"))
        left = Ticket.objects.get().expires_at - timezone.now()
        assert timedelta(seconds=20) < left <= timedelta(seconds=30)

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

    def test_it_refuses_the_ticket_of_who_was_deactivated_since(
        self, browser: Browser, running: Server, owner: User
    ) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        User.objects.filter(pk=owner.pk).update(is_active=False)
        assert browser.redeem("owner", ticket).status_code == 403
        assert Ticket.objects.get().used_at is None

    def test_it_refuses_a_ticket_whose_sign_in_has_run_out(self, browser: Browser, running: Server) -> None:
        ticket = ticket_in(browser.follow_to_portal(browser.arrive("owner")))
        Session.objects.update(expire_date=timezone.now())
        assert browser.redeem("owner", ticket).status_code == 403

    def test_it_refuses_a_made_up_ticket_while_a_real_one_is_there(self, browser: Browser, running: Server) -> None:
        browser.follow_to_portal(browser.arrive("owner"))
        assert browser.redeem("owner", "t" * 43).status_code == 403
        assert Ticket.objects.get().used_at is None

    def test_it_notes_when_a_ticket_was_used(self, browser: Browser, running: Server) -> None:
        began = timezone.now()
        browser.enter("owner")
        used = Ticket.objects.get().used_at
        assert used
        assert began <= used <= timezone.now()

    def test_what_cannot_be_a_ticket_costs_no_query(self, db: None, django_assert_num_queries) -> None:
        with django_assert_num_queries(0):
            assert passes.redeem_ticket("x", "owner", "s" * 43) is None
            assert passes.redeem_ticket("t" * 43, "", "s" * 43) is None
            assert passes.redeem_ticket("t" * 43, "owner", "") is None

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
        assert "signed in as <strong>stranger</strong>" in refused.content.decode()
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

    def test_other_peoples_sign_ins_do_not_keep_it(
        self, browser: Browser, stranger: User, sign_in: Callable[[User], Client]
    ) -> None:
        sign_in(stranger)
        browser.portal.logout()
        assert browser.ask("owner").status_code == 401

    def test_a_made_up_one_is_none_while_a_real_one_is_there(self, browser: Browser) -> None:
        browser.lab("owner").cookies["lab_pass"] = "p" * 43
        assert browser.ask("owner").status_code == 401

    def test_it_leads_to_its_persons_own_server(
        self, browser: Browser, running: Server, stranger: User, editor: User, server: Callable[..., Server]
    ) -> None:
        for other in (stranger, editor):
            server("running", owner=other, token=f"token of {other}")
        assert browser.ask("owner")["X-Lab-Server"] == running.pk.hex
        assert browser.ask("owner")["X-Lab-Token"] == running.token
        Server.objects.filter(pk=running.pk).update(state=State.STOPPED)
        assert browser.ask("owner").status_code == 401
        assert browser.arrive("owner", headers=OWN_PAGE).json()["message"] == passes.START_AGAIN

    def test_it_ends_with_the_time_of_the_sign_in(self, browser: Browser) -> None:
        Session.objects.update(expire_date=timezone.now())
        assert browser.ask("owner").status_code == 401

    @pytest.mark.parametrize(("cookie", "label"), [("", "owner"), ("short", "owner"), ("p" * 43, "")])
    def test_who_shows_no_pass_costs_no_query(
        self, browser: Browser, django_assert_num_queries, cookie: str, label: str
    ) -> None:
        browser.lab("owner").cookies["lab_pass"] = cookie
        browser.labs[label] = browser.lab("owner")
        with django_assert_num_queries(0):
            assert browser.ask(label).status_code == 401

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
        assert browser.arrive(label).status_code == 403

    def test_it_needs_to_be_told_whose_lab_it_is(self, browser: Browser) -> None:
        for page, refusal in (("auth", 401), ("arrive", 403)):
            assert browser.lab("owner").get(f"/_gateway/{page}", headers=OWN_PAGE).status_code == refusal

    def test_it_takes_a_name_in_capitals_as_hosts_are(self, browser: Browser) -> None:
        browser.labs["OWNER"] = browser.lab("owner")
        assert browser.ask("OWNER").status_code == 204


class TestWhichPassesAreGood:
    """The relay of WebSockets asks, every second, about those that are open."""

    @staticmethod
    def good(*ids: int | str) -> list[int]:
        """No browser asks it, so there is no token against forged requests."""
        body = ",".join(map(str, ids))
        answer = Client(enforce_csrf_checks=True).post("/_gateway/valid-passes", body, content_type="text/plain")
        text = answer.content.decode()
        assert (answer.status_code, text[-1]) == (200, "\n")
        return [int(word) for word in text.strip().split(",") if word]

    @pytest.fixture
    def mine(self, browser: Browser, running: Server) -> int:
        browser.enter("owner")
        number = int(browser.ask("owner")["X-Lab-Pass"])
        assert self.good(number, number + 1000) == [number]
        return number

    @pytest.mark.parametrize(
        "end",
        [
            lambda browser, owner: browser.portal.logout(),
            lambda browser, owner: User.objects.filter(pk=owner.pk).update(is_active=False),
            lambda browser, owner: (owner.set_password("another-one-altogether"), owner.save()),
            lambda browser, owner: Pass.objects.update(expires_at=timezone.now()),
            lambda browser, owner: Session.objects.update(expire_date=timezone.now()),
            lambda browser, owner: Session.objects.all().delete(),
            lambda browser, owner: Pass.objects.all().delete(),
        ],
    )
    def test_one_ends_with_what_it_came_from(
        self, browser: Browser, owner: User, mine: int, end: Callable[[Browser, User], object]
    ) -> None:
        end(browser, owner)
        assert self.good(mine) == []

    def test_the_end_of_one_leaves_the_others(
        self, mine: int, owner: User, stranger: User, server: Callable[..., Server], sign_in: Callable[[User], Client]
    ) -> None:
        server("running", owner=stranger)
        elsewhere, other = Browser(sign_in(owner)), Browser(sign_in(stranger))
        for browser, name in ((elsewhere, "owner"), (other, "stranger")):
            browser.enter(name)
        passes = [int(elsewhere.ask("owner")["X-Lab-Pass"]), int(other.ask("stranger")["X-Lab-Pass"])]
        elsewhere.portal.logout()
        assert set(self.good(mine, *passes)) == {mine, passes[1]}

    def test_many_are_one_query(self, mine: int, django_assert_num_queries) -> None:
        with django_assert_num_queries(1):
            assert self.good(*range(mine + 500)) == [mine]

    @pytest.mark.parametrize("body", ["", ",", "x", "-1", "9" * 19, "1 2", "²", "1" * 5000])
    def test_what_is_no_pass_is_not_good(self, db: None, body: str) -> None:
        assert self.good(body) == []


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
