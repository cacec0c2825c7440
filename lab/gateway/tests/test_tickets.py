"""Coming to a Lab: the ticket from the portal, and what it is exchanged for."""

import importlib.util
import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from lab.gateway import passes
from lab.models import Pass, Server, Ticket
from portal.digest import digest
from portal.models import Session, User

from .support import OWN_PAGE, PLACE, Browser, ticket_in

pytestmark = pytest.mark.django_db


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
