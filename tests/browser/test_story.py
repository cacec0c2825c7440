"""The whole story of a person, in a browser: from sign-up to a reaped Lab. No console error, no policy violation."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from lab.models import Server, State, StopReason
from lab.servers.services import stop_server

from ..support.browser import Visitor
from ..support.people import new_name
from ..support.site import CODE, Site, wait_for

pytestmark = pytest.mark.browser

NOTEBOOK = CODE / "lab/demo/Waves.ipynb"
PASSWORD = "a long enough phrase"


def sign_up(page: Page, username: str) -> None:
    page.goto(settings.PORTAL_URL)
    page.get_by_role("link", name="Sign up").first.click()
    page.locator("[name=username]").fill(username)
    page.locator("[name=email]").fill(f"{username}@example.org")
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    page.locator("main form .primary[type=submit]").click()
    expect(page.get_by_role("heading", name=f"Hello, {username}")).to_be_visible()


def upload(page: Page, *paths: Path) -> None:
    for path in paths:
        page.locator("input[type=file]").first.set_input_files(path)  # it is sent as soon as it is chosen
        expect(page.get_by_role("link", name=path.name, exact=True)).to_be_visible()


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def test_it_takes_a_team_from_sign_up_to_a_stopped_lab(site: Site, browser: Browser, tmp_path: Path) -> None:
    ada, ben = Visitor(browser), Visitor(browser)
    ada_name, ben_name, title = new_name("ada"), new_name("ben"), new_name("Wave Group ")
    page = ada.page

    # 1. Sign-up leads to Collabs, Drive and Lab.
    sign_up(ben.page, ben_name)
    sign_up(page, ada_name)
    expect(page.get_by_text("My Lab")).to_be_visible()

    # 2. and 3. A Collab with a team, a library and a README.
    page.get_by_role("link", name="New Collab").click()
    page.locator("[name=title]").fill(title)
    page.locator("[name=description]").fill("We fit waves.")
    page.get_by_role("button", name="Create the Collab").click()
    collab = page.url
    page.get_by_role("link", name="Files", exact=True).click()
    readme = tmp_path / "README.md"
    readme.write_text("# About waves\n\nSee [the notebook](Waves.ipynb).")
    upload(page, readme, NOTEBOOK, CODE / "lab/demo/measurements.csv")
    page.goto(collab)
    expect(page.get_by_role("heading", name="About waves")).to_be_visible()
    page.get_by_role("link", name="Team", exact=True).click()
    page.locator("[name=person]").fill(ben_name)
    page.locator("select[name=role]").first.select_option("viewer")
    page.get_by_role("button", name=re.compile("Add")).first.click()
    expect(page.get_by_role("cell", name=re.compile(ben_name)).first).to_be_visible()

    # 4. "Open in Lab" on the notebook opens it, and it runs.
    page.goto(f"{collab}files/")
    page.get_by_role("row", name=re.compile("Waves")).get_by_role("link", name=re.compile("Open in Lab")).click()
    page.wait_for_url(
        re.compile(rf"//{ada_name}\.lab\.localhost:\d+/lab/tree/drive/Shared%20with%20groups/{quote(title)}/Waves"),
        timeout=90_000,
    )
    deep_link = page.url
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible(timeout=60_000)
    run_all(page)
    expect(page.locator(".jp-RenderedImage img")).to_be_visible(timeout=90_000)
    page.keyboard.press("Control+s")
    names = {cookie["name"] for cookie in ada.context.cookies(page.url)}
    assert settings.SESSION_COOKIE_NAME not in names
    assert "lab_pass" not in page.evaluate("document.cookie")

    # The viewer sees the result at the same path, read-only, through a deep link that survives sign-in and launch.
    ben.page.goto(f"{settings.PORTAL_URL}/lab/open?path=Shared with groups/{title}/Waves.ipynb")
    ben.page.get_by_role("link", name="Open it read-only").click()
    ben.page.wait_for_url(
        re.compile(rf"//{ben_name}\.lab\.localhost:\d+/lab/tree/drive/Shared%20with%20groups/{quote(title)}/Waves"),
        timeout=90_000,
    )
    expect(ben.page.locator(".jp-RenderedImage img")).to_be_visible(timeout=90_000)

    # Ben's browser does not get into Ada's Lab.
    other = ben.watch(ben.context.new_page())
    answer = other.goto(deep_link)
    assert answer
    assert answer.status == 403
    ben.complaints.clear()  # the browser notes the 403 that was to come
    other.close()

    # 6. Stopped while away: a page says so, and the same link works again.
    server = Server.objects.get(owner__username=ada_name, state=State.RUNNING)
    page.goto("about:blank")  # an open JupyterLab rightly complains when its server goes
    stop_server(None, server, StopReason.IDLE)
    wait_for(lambda: Server.objects.get(pk=server.pk).state == State.STOPPED, 30, "the Lab did not stop")
    page.goto(deep_link)
    expect(page.get_by_text("It was idle for 12 hours")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name=re.compile("(Start|Open).*", re.I)).first.click()
    page.wait_for_url(deep_link, timeout=90_000)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)

    page.goto("about:blank")

    # 7. An operator sees it, and stops it.
    operator = Visitor(browser)
    operator.page.goto(f"{settings.PORTAL_URL}/admin/lab/server/")
    operator.page.locator("[name=login]").fill("admin")
    operator.page.locator("[name=password]").fill((settings.VAR_DIR / "first-password").read_text().strip())
    operator.page.locator("main form .primary[type=submit]").click()
    row = operator.page.get_by_role("row", name=re.compile(f"{ada_name}.*running", re.S))
    row.locator("input[type=checkbox]").check()
    operator.page.locator("select[name=action]").select_option(label=_action(operator.page, "Stop"))
    operator.page.get_by_role("button", name=re.compile("Go|Run")).click()
    running = Server.objects.live().filter(owner__username=ada_name)
    wait_for(lambda: not running.exists(), 30, "the operator could not stop it")

    for visitor in (ada, ben, operator):
        assert not visitor.complaints


def _action(page: Page, word: str) -> str:
    """The label of the admin action that begins with `word`."""
    labels = page.locator("select[name=action] option").all_inner_texts()
    return next(label for label in labels if label.startswith(word))
