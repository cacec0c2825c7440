"""The Lab's pages, in every state, and with every part of the machinery away."""

import json
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from django.utils.http import urlencode
from pytest_django import DjangoAssertNumQueries, Settings

from collabs.models import Collab
from conftest import Queue, Sleep
from drive.files import operations
from drive.models import Library
from lab.models import Environment, Server, State, StopReason
from lab.servers import lifecycle, services
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import Jupyter
from portal.models import User
from portal.ops.logs import RefusalsAreInformation

pytestmark = pytest.mark.django_db

LAB = "http://owner.lab.localhost:8000"


@pytest.fixture
def me(owner: User, sign_in: Callable[[User], Client], environment: Environment) -> Client:
    return sign_in(owner)


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response
    return response.content.decode()


class TestOpen:
    def test_it_starts_and_shows_progress(self, me: Client, owner: User, collab: Collab, queue: Queue) -> None:
        operations.write(owner, collab.library, "first look.ipynb", b"{}")
        text = page(me, "/lab/open?path=Shared+with+groups/Cortex/first+look.ipynb")
        row = Server.objects.get()
        assert (row.state, row.place) == (State.REQUESTED, "Shared with groups/Cortex/first look.ipynb")
        assert ("lab.tasks.launch", row.pk.hex) in queue
        assert "Waiting for its turn: next" in text
        assert "hx-get" in text

    def test_it_goes_straight_to_a_running_lab(
        self, me: Client, owner: User, collab: Collab, running: Server, queue: Queue
    ) -> None:
        operations.write(owner, collab.library, "a&b.ipynb", b"{}")
        response = me.get("/lab/open?path=drive/Shared+with+groups/Cortex/a%26b.ipynb")
        assert response["Refresh"] == f"0; url={LAB}/lab/tree/drive/Shared%20with%20groups/Cortex/a%26b.ipynb"
        assert queue[-1][0] == "lab.tasks.start_kernel"

    def test_it_goes_straight_to_a_lab_that_is_up_in_a_moment(
        self, me: Client, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch, sleep_in: Sleep, queue: Queue
    ) -> None:
        monkeypatch.setattr(services, "BRIEF_SECONDS", 5)
        sleep_in(services, lambda seconds: lifecycle.launch(Server.objects.get().pk))
        response = me.get("/lab/open")
        assert response["Refresh"] == f"0; url={LAB}/lab"
        assert set(re.findall(r'(?:href|src)="([^"]*)"', response.text)) == {"data:,", f"{LAB}/lab"}  # nothing to load

    def test_it_does_not_make_a_click_wait_behind_others(
        self,
        me: Client,
        server: Callable[..., Server],
        stranger: User,
        monkeypatch: pytest.MonkeyPatch,
        sleep_in: Sleep,
    ) -> None:
        server("requested", owner=stranger)
        monkeypatch.setattr(services, "BRIEF_SECONDS", 5)
        sleep_in(services, lambda seconds: pytest.fail("it waits"))
        assert "number 2 in the queue" in page(me, "/lab/open")

    def test_it_opens_the_lab_itself(self, me: Client, running: Server) -> None:
        assert me.get("/lab/open")["Refresh"] == f"0; url={LAB}/lab"

    @pytest.mark.parametrize(
        "path", ["../../etc/passwd", "Shared with groups/../x", "a\0b", "a\nb", "..", "x" * 3000, "./x"]
    )
    def test_it_refuses_what_is_no_place(self, me: Client, path: str) -> None:
        text = page(me, f"/lab/open?{urlencode({'path': path})}", 400)
        assert "This link does not work" in text
        assert not Server.objects.exists()

    def test_it_says_when_the_library_is_not_there_and_offers_the_lab(self, me: Client) -> None:
        text = page(me, "/lab/open?path=Shared+with+groups/Nothing/a.ipynb", 404)
        assert "There is no library “Nothing”" in text
        assert 'href="/lab/open"' in text
        assert not Server.objects.exists()

    def test_it_says_when_the_folder_is_not_there(self, me: Client) -> None:
        assert "The Drive has four folders" in page(me, "/lab/open?path=Elsewhere/x", 404)

    def test_a_members_link_leads_others_to_the_public_place(
        self,
        public_collab: Collab,
        owner: User,
        stranger: User,
        sign_in: Callable[[User], Client],
        environment: Environment,
    ) -> None:
        operations.make_folder(owner, public_collab.library, "data")
        page(sign_in(stranger), "/lab/open?path=Shared+with+groups/Open+Cortex/data")
        assert Server.objects.get().place == "Shared with all/Open Cortex/data"

    def test_it_leads_through_the_sign_in(self, db: None) -> None:
        response = Client().get("/lab/open?path=My+Libraries/My+Library")
        assert response["Location"] == "/account/login/?next=/lab/open%3Fpath%3DMy%2BLibraries/My%2BLibrary"

    def test_it_starts_nothing_for_a_guess_of_the_browser(self, me: Client) -> None:
        me.get("/lab/open", headers={"Sec-Purpose": "prefetch"})
        assert not Server.objects.exists()

    def test_it_says_that_nothing_can_be_started_now(self, me: Client, queue: Queue) -> None:
        queue.up = False
        assert "cannot be started now" in page(me, "/lab/open", 503)
        assert not Server.objects.exists()

    @pytest.mark.parametrize(("broker_is_up", "said"), [(False, "task queue is not responding"), (True, "is full")])
    def test_it_logs_an_expected_refusal_as_information(
        self,
        broker_is_up: bool,
        said: str,
        me: Client,
        stranger: User,
        server: Callable[..., Server],
        queue: Queue,
        settings: Settings,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        refusals = RefusalsAreInformation()
        caplog.handler.addFilter(refusals)
        queue.up, settings.LAB_MAX_SERVERS = broker_is_up, 1
        server("running", owner=stranger)
        assert said in page(me, "/lab/open", 503)
        caplog.handler.removeFilter(refusals)
        assert [record.levelname for record in caplog.records if record.name == "django.request"] == ["INFO"]
        assert not [record for record in caplog.records if record.levelno > logging.INFO]

    def test_it_follows_a_server_that_is_stopping(self, me: Client, server: Callable[..., Server]) -> None:
        server("stopping", phase="rescuing")
        text = page(me, "/lab/open")
        assert "Closing your previous Lab" in text
        assert "Copying notebooks" in text


class TestQueries:
    """A place is looked for once, with its library."""

    @pytest.fixture
    def link(self, owner: User, collab: Collab) -> str:
        operations.write(owner, collab.library, "a.ipynb", b"{}")
        return "/lab/open?path=Shared+with+groups/Cortex/a.ipynb"

    def test_it_needs_few_to_start_a_lab_at_a_notebook(
        self, me: Client, link: str, queue: Queue, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        me.get("/lab/")  # what is asked for once per process is known by then
        with django_assert_max_num_queries(20):
            page(me, link)
        assert Server.objects.exists()

    def test_it_needs_few_to_go_on_to_a_running_lab(
        self,
        me: Client,
        link: str,
        running: Server,
        queue: Queue,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        me.get("/lab/")
        with django_assert_max_num_queries(5):  # session, person, library, access, server
            page(me, link)

    def test_it_needs_few_to_offer_a_copy(
        self,
        link: str,
        viewer: User,
        environment: Environment,
        sign_in: Callable[[User], Client],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        visitor = sign_in(viewer)
        with django_assert_max_num_queries(7):
            assert "Make my own copy" in page(visitor, link)


class TestStatus:
    def test_it_moves_on_when_it_runs(self, me: Client, running: Server) -> None:
        response = me.get("/lab/status?next=/lab/tree/drive/x.ipynb")
        assert response["HX-Redirect"] == f"{LAB}/lab/tree/drive/x.ipynb"

    def test_it_leads_nowhere_else(self, me: Client, running: Server) -> None:
        assert me.get("/lab/status?next=//evil.example")["HX-Redirect"] == f"{LAB}/lab"

    def test_it_says_nothing_while_nothing_changes(self, me: Client, server: Callable[..., Server]) -> None:
        starting = server("starting")
        seen = me.get("/lab/status").context["seen"]
        assert me.get("/lab/status", {"seen": seen}).status_code == 204
        Server.objects.update(phase="jupyter")
        assert me.get("/lab/status", {"seen": seen}).status_code == 200
        assert starting.pk.hex[:8] in seen

    def test_it_says_that_what_starts_it_does_not_respond(self, me: Client, server: Callable[..., Server]) -> None:
        server("starting", phase="awaiting")
        assert "What starts Labs does not respond; the start is tried again" in page(me, "/lab/status")

    def test_it_shows_the_honest_place_in_the_queue(
        self, me: Client, environment: Environment, person: Callable[..., User], owner: User
    ) -> None:
        before = timezone.now() - timedelta(seconds=5)
        Server.objects.create(owner=person("ada"), environment=environment, requested_at=before)
        Server.objects.create(owner=owner, environment=environment)
        assert "number 2 in the queue" in page(me, "/lab/status")

    def test_it_shows_what_went_wrong(self, me: Client, server: Callable[..., Server]) -> None:
        server("failed", stop_reason="start-failed", error="No <space> left.", log_tail="Traceback <x>")
        text = page(me, "/lab/status")
        assert "It did not start: No &lt;space&gt; left." in text
        assert "Traceback &lt;x&gt;" in text
        assert "hx-get" not in text

    def test_it_reloads_the_page_of_somebody_who_signed_out(self, db: None) -> None:
        assert Client().get("/lab/status")["HX-Refresh"] == "true"

    def test_it_needs_few_queries(
        self, me: Client, server: Callable[..., Server], django_assert_max_num_queries
    ) -> None:
        server("requested")
        with django_assert_max_num_queries(5):  # session, person, server with environment, position
            me.get("/lab/status")


@pytest.mark.parametrize("address", ["start", "keep", "stop", "copy", "git-pull"])
def test_it_leads_back_to_the_page_with_the_button_when_the_session_ended(db: None, address: str) -> None:
    """Not to the button's own address, where a browser that only looks finds nothing."""
    answer = Client().post(f"/lab/{address}", headers={"Referer": "http://testserver/lab/open?path=a"})
    assert answer["Location"] == "/account/login/?next=/lab/open%3Fpath%3Da"


class TestHome:
    def test_a_lab_that_never_was(self, me: Client) -> None:
        assert "Start my Lab" in page(me, "/lab/")

    def test_it_starts_nothing_by_itself(self, me: Client) -> None:
        page(me, "/lab/?next=/lab/tree/drive/x")
        assert not Server.objects.exists()

    def test_a_running_lab(self, me: Client, running: Server) -> None:
        text = page(me, "/lab/")
        assert re.search("stops automatically in (11 hours|10 hours 59 minutes)", text)  # as fast as it was rendered
        assert "changes are discarded when your Lab stops" in text

    def test_it_goes_on_to_where_somebody_was_going(self, me: Client, running: Server) -> None:
        assert me.get("/lab/?next=/lab/tree/drive/x")["Refresh"] == f"0; url={LAB}/lab/tree/drive/x"

    @pytest.mark.parametrize("reason", StopReason.values)
    def test_it_says_why_it_was_stopped(self, me: Client, server: Callable[..., Server], reason: str) -> None:
        row = server("stopped", stop_reason=reason, ended_at=timezone.now())
        assert row.stop_sentence in page(me, "/lab/").replace("&#x27;", "'")

    def test_it_shows_what_was_rescued(self, me: Client, server: Callable[..., Server], owner: User) -> None:
        library = Library.objects.get(owner_user=owner)
        folder = "Rescued from the Lab/2026-11-23 12.00.00"
        rescued = {
            "library": str(library.pk),
            "folder": folder,
            "files": 3,
            "bytes": 5_200_000,
            "skipped": 1,
            "error": "",
        }
        server("stopped", rescued=rescued)
        text = page(me, "/lab/")
        assert "3 files (5 MB)" in text
        assert f"/drive/{library.pk}/Rescued%20from%20the%20Lab/2026-11-23%2012.00.00" in text

    def test_it_shows_what_was_taken_away(self, me: Client, server: Callable[..., Server]) -> None:
        server("running", notes=["Process python3 was stopped."])
        assert "Process python3 was stopped." in page(me, "/lab/")

    def test_it_warns_where_labs_are_not_isolated(self, me: Client, launcher: InProcessLauncher) -> None:
        launcher.isolated = False
        assert "This Lab is not isolated" in page(me, "/lab/")
        assert "This Lab is not isolated" in page(me, "/lab/open")

    def test_it_shows_only_ones_own(self, me: Client, server: Callable[..., Server], stranger: User) -> None:
        server("running", owner=stranger)
        assert "Start my Lab" in page(me, "/lab/")

    @pytest.mark.parametrize("state", State.values)
    def test_no_part_that_is_away_breaks_it(
        self, me: Client, server: Callable[..., Server], queue: Queue, launcher: InProcessLauncher, state: str
    ) -> None:
        server(state)
        queue.up, launcher.away = False, True
        assert "task queue is not responding" in page(me, "/lab/")


class TestStop:
    def test_it_stops(self, me: Client, running: Server, queue: Queue) -> None:
        assert me.post("/lab/stop")["Location"] == "/lab/"
        assert Server.objects.get().state == State.STOPPING
        lifecycle.end(running.pk)
        assert "You stopped it." in page(me, "/lab/")

    def test_it_needs_a_click(self, me: Client, running: Server) -> None:
        assert me.get("/lab/stop").status_code == 405
        assert Client(enforce_csrf_checks=True).post("/lab/stop").status_code == 403

    def test_it_stops_only_ones_own(self, me: Client, server: Callable[..., Server], stranger: User) -> None:
        theirs = server("running", owner=stranger)
        me.post("/lab/stop")
        assert Server.objects.get(pk=theirs.pk).state == State.RUNNING

    def test_it_says_what_happens_while_the_broker_is_away(self, me: Client, running: Server, queue: Queue) -> None:
        queue.up = False
        response = me.post("/lab/stop", follow=True)
        assert "as soon as it is back" in response.content.decode()

    def test_one_click_makes_a_fresh_lab(self, me: Client, running: Server, queue: Queue) -> None:
        form = page(me, "/lab/").partition("An installed package broke something?")[2].partition("</form>")[0]
        assert "Start with a fresh Lab" in form
        assert 'action="/lab/start"' in form
        fields = dict(re.findall(r'<input type="hidden" name="(next|restart)" value="([^"]*)"', form))
        for _ in range(2):  # a second click ends nothing that the first one made
            me.post("/lab/start", fields)
        row = Server.objects.get()
        assert (row.pk, row.state, row.again) == (running.pk, State.STOPPING, True)
        lifecycle.end(running.pk)
        fresh = Server.objects.exclude(pk=running.pk).get()
        assert fresh.state == State.REQUESTED
        me.post("/lab/start", fields)
        assert Server.objects.exclude(pk=running.pk).get().state == State.REQUESTED

    def test_no_lab_is_called_fresh_that_keeps_its_home(
        self, me: Client, running: Server, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(launcher, "keeps_home", True)
        assert "Start with a fresh Lab" not in page(me, "/lab/")

    def test_it_starts_with_the_button_too(self, me: Client) -> None:
        response = me.post("/lab/start", {"next": "/lab/tree/drive/My%20Libraries/My%20Library/a.ipynb"})
        assert response["Location"].startswith("/lab/?next=")
        assert Server.objects.get().place == "My Libraries/My Library/a.ipynb"


@pytest.mark.parametrize(
    ("state", "word"), [("requested", "starting"), ("running", "11 hours"), ("stopping", "closing"), ("stopped", "off")]
)
def test_the_header_says_how_my_lab_is(me: Client, server: Callable[..., Server], state: str, word: str) -> None:
    server(state)
    header = page(me, "/account/").partition("</header>")[0]
    assert word in header


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("/lab/open?path=Shared+with+groups/Cortex/first+look.ipynb", "Shared with groups/Cortex/first look.ipynb"),
        ("/lab/open?path=<script>alert(1)</script>", "&lt;script&gt;"),
        ("/lab/git-pull?repo=https://example.org/course&path=a.ipynb", "https://example.org/course"),
        ("/lab/open?path=" + "a" * 200, "a" * 99 + "…"),
    ],
)
def test_the_sign_in_says_what_opens_after_it(db: None, wanted: str, said: str) -> None:
    visitor = Client()
    address = visitor.get(wanted, follow=True).redirect_chain[-1][0]
    assert f"<strong>{said}" in page(visitor, address)


BAD = ["/lab/open?path=../a", "/lab/open?path=a%0Ab", "/lab/open?repo=https://a", "/lab/git-pull?repo=Call+us+now"]


@pytest.mark.parametrize(
    "wanted", ["/collabs/", "", "http://[", "//example.org/lab/open?path=a", "/lab/open?path=", *BAD]
)
def test_the_sign_in_says_nothing_of_other_ways(db: None, wanted: str) -> None:
    text = page(Client(), f"/account/login/?{urlencode({'next': wanted})}")
    assert "Next, " not in text
    assert "in your Lab" not in text


class TestUse:
    def test_it_shows_what_is_used_of_each_limit_and_asks_again(self, me: Client, running: Server) -> None:
        said = {"memory": 2**29, "memory_limit": 2**30, "disk": 0, "disk_limit": 2**31, "processes": 7}
        file = settings.LAB_ROOT / "servers" / running.pk.hex / "facts/usage.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(said | {"process_limit": 1500, "files": 1, "file_limit": 0}))
        for text in (page(me, "/lab/"), page(me, "/lab/usage")):
            for shown in ("512 MiB of 1.0 GiB", "0 MiB of 2.0 GiB", "7 of 1,500", 'hx-get="/lab/usage"'):
                assert shown in text
            assert "Files outside the Drive" not in text

    @pytest.mark.parametrize("said", ["", "[]", "{", '{"memory_limit": "much"}'])
    def test_a_file_that_is_none_shows_nothing(self, me: Client, running: Server, said: str) -> None:
        file = settings.LAB_ROOT / "servers" / running.pk.hex / "facts/usage.json"
        file.parent.mkdir(parents=True)
        file.write_text(said)
        assert "<meter" not in page(me, "/lab/usage")

    def test_one_that_has_ended_meanwhile_loads_the_page_anew(self, me: Client) -> None:
        assert me.get("/lab/usage")["HX-Refresh"] == "true"


class TestStopOfABusyLab:
    BUSY: ClassVar = {
        "now": "2026-01-01T12:00:00+00:00",
        "kernels": [{"busy": True}, {"busy": True}, {"busy": False}],
        "terminals": [{"running": True}],
    }

    def test_it_asks_once_when_something_runs(self, me: Client, running: Server, jupyter: Jupyter) -> None:
        jupyter.answers["GET /api/collaboratory/activity"] = (200, json.dumps(self.BUSY).encode())
        asked = me.post("/lab/stop").content.decode()
        assert "2 notebooks or consoles compute." in asked
        assert "1 command runs in a terminal." in asked
        running.refresh_from_db()
        assert running.state == State.RUNNING
        assert me.post("/lab/stop", {"sure": "yes"}).status_code == 302
        running.refresh_from_db()
        assert running.state == State.STOPPING

    @pytest.mark.parametrize("answer", [(200, b'{"kernels": [{"busy": false}]}'), (500, b""), (200, b"no")])
    def test_it_stops_at_once_when_nothing_does(
        self, me: Client, running: Server, jupyter: Jupyter, answer: tuple[int, bytes]
    ) -> None:
        jupyter.answers["GET /api/collaboratory/activity"] = answer
        assert me.post("/lab/stop").status_code == 302
        running.refresh_from_db()
        assert running.state == State.STOPPING
