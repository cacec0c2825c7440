"""Who may pass the proxy: which passes are good, and until when."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from lab.gateway import passes
from lab.models import Pass, Server, State
from portal.models import Session, User

from .support import OWN_PAGE, Browser

pytestmark = pytest.mark.django_db


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
