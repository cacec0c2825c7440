"""The panel in JupyterLab, in a browser: time left, keep, notes, stop, and back to the Collab."""

import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from collabs import services
from collabs.models import Collab
from lab.models import Server, State, StopReason
from lab.servers.limits import add_notes
from lab.servers.services import request_server, stop_server

from ..support.browser import Visitor
from ..support.people import LAUNCH_SECONDS, Person
from ..support.site import Site, forked_only, wait_for

pytestmark = pytest.mark.browser

SAVE = """() => fetch("/api/contents/x.txt", {
    method: "PUT",
    headers: {"X-XSRFToken": document.cookie.match(/_xsrf=([^;]+)/)[1]},
    body: JSON.stringify({type: "file", format: "text", content: "x"}),
}).then(answer => answer.status)"""
"""What JupyterLab sends to save a file; 201: it was made."""


@pytest.fixture
def collab(owner: Person) -> Collab:
    return services.create_collab(owner.user, title=f"Panel of {owner.user.username}")


@pytest.fixture
def launched(way: str, site: Site, owner: Person) -> Person:
    """Somebody whose Lab runs, started in either way, and who is not let in yet."""
    request_server(owner.user, owner.user)
    wait_for(lambda: owner.server().state in (State.RUNNING, State.FAILED), LAUNCH_SECONDS, "the Lab did not start")
    assert site.is_forked(owner.server()) == (way == "fork")
    return owner


@pytest.fixture
def lab(way: str, browser: Browser, owner: Person, collab: Collab) -> Page:
    """JupyterLab, opened at the Collab's library, in either way of launching."""
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    visitor.page.goto(f"{settings.PORTAL_URL}/lab/open?path=Shared with groups/{collab.title}")
    visitor.page.wait_for_url(re.compile(r"//[^/]+\.lab\.localhost"), timeout=90_000)
    expect(visitor.page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
    return visitor.page


def item(page: Page, name: str) -> None:
    """Choose something of the panel's menu."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Lab$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=name).click()


def close(dialog: Locator) -> None:
    """Put a dialog of JupyterLab away."""
    dialog.get_by_role("button", name="Close").click()


def test_it_says_how_long_the_lab_stays_keeps_it_and_stops_it(lab: Page, owner: Person, collab: Collab) -> None:
    expect(lab.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Lab: 1[12] h left"))
    item(lab, "Keep it for 24 hours")
    expect(lab.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Lab: 2[34] h left"))
    assert owner.server().keep_until
    with lab.context.expect_page() as opened:
        item(lab, f"Back to {collab.title}")
    expect(opened.value).to_have_url(f"{settings.PORTAL_URL}{collab.get_absolute_url()}")
    item(lab, "Stop my Lab")
    lab.get_by_role("button", name="Stop", exact=True).click()
    lab.wait_for_url(f"{settings.PORTAL_URL}/lab/**", timeout=30_000)
    wait_for(lambda: owner.server().state == State.STOPPED, 60, "the Lab did not stop")


@forked_only
def test_it_warns_and_tells_what_happened(lab: Page, owner: Person) -> None:
    server = owner.server()
    add_notes(server, ["12:00: Your Lab ran out of memory at 400 MiB."])
    soon = timezone.now() - timedelta(seconds=settings.LAB_IDLE_LIMIT) + timedelta(minutes=10)
    Server.objects.filter(pk=server.pk).update(last_interaction=soon)
    lab.reload()
    expect(lab.get_by_text("ran out of memory at 400 MiB").first).to_be_visible()
    warning = lab.get_by_text(re.compile(r"Your Lab stops at \d\d:\d\d if it stays idle")).first
    expect(warning).to_be_visible()
    lab.get_by_role("button", name="Keep it for 1 h").first.click()
    wait_for(lambda: bool(owner.server().keep_until), 20, "it was not kept")
    expect(warning).to_be_hidden()
    lab.reload()
    expect(lab.locator("#jp-main-statusbar")).to_contain_text("left", timeout=60_000)
    expect(lab.get_by_text("ran out of memory at 400 MiB")).to_be_hidden()  # told once in a tab


@forked_only
def test_it_says_why_the_lab_stopped_and_goes_on_in_the_next_one(lab: Page, owner: Person) -> None:
    """In place of JupyterLab's guess about the network; what was not saved is still there, and can be."""
    expect(lab.locator("#jp-main-statusbar")).to_contain_text("left", timeout=60_000)
    # Whatever JupyterLab was just asking for, it says of that first that it cannot.
    lab.add_locator_handler(lab.locator(".jp-Dialog", has_text="Cannot open"), close)
    stop_server(None, owner.server(), StopReason.OPERATOR)
    expect(lab.get_by_text("An operator stopped it. What is open in this tab is still here")).to_be_visible(
        timeout=60_000
    )
    expect(lab.locator("#jp-main-statusbar")).to_contain_text(re.compile("Lab: (closing|stopped)"))
    with lab.context.expect_page() as opened:
        lab.get_by_role("button", name="Start it again").click()
    opened.value.get_by_role("button", name=re.compile("^Start")).click()
    opened.value.wait_for_url(re.compile(r"//[^/]+\.lab\.localhost"), timeout=90_000)
    expect(lab.get_by_text("Your Lab runs again").first).to_be_visible(timeout=90_000)
    assert lab.evaluate(SAVE) == 201


@forked_only
def test_it_says_that_the_sign_in_has_ended(lab: Page, owner: Person) -> None:
    expect(lab.locator("#jp-main-statusbar")).to_contain_text("left", timeout=60_000)
    lab.add_locator_handler(lab.locator(".jp-Dialog", has_text="Cannot open"), close)  # ours comes after it
    import_module(settings.SESSION_ENGINE).SessionStore(owner.session_key).delete()
    lab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(lab.get_by_text("sign in again in another tab").first).to_be_visible(timeout=60_000)
    expect(lab.locator("#jp-main-statusbar")).to_contain_text("Lab: signed out")


@forked_only
def test_it_obeys_no_other_page(launched: Person) -> None:
    """Another site, another Lab's origin, no pass: nothing of it."""
    owner = launched
    stop = f"{owner.origin}/.collaboratory/stop"
    for origin in ("http://evil.example", settings.PORTAL_URL, owner.origin.replace("//", "//x")):
        assert owner.session.post(stop, headers={"Origin": origin}, timeout=20).status_code == 403
    assert owner.session.post(stop, headers={"Origin": owner.origin}, timeout=20).status_code == 401
    assert owner.server().state == State.RUNNING
