"""Every main page, looked at by axe-core: in light and dark, on a wide screen and on a phone."""

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from collabs import services
from collabs.models import Collab
from drive.files import operations
from drive.models import Library

from ..support.axe import LOOKS, wrong
from ..support.browser import Visitor
from ..support.people import Person

pytestmark = pytest.mark.browser

TEXT = b"# Protocol\n\n- [x] cut\n- [ ] stain\n\n[next](n.md)\n\n|a|b|\n|---|--:|\n|1|2|\n\n```r\n1 < 2\n```\n"
"""What is in the files."""

VISITOR = [
    "/",
    "/collabs/",
    "{collab}",
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
    "/account/password/reset/done/",
    "/account/password/reset/key/done/",
    "/account/password/reset/key/1-wrong/",
    "/account/confirm-email/wrong/",
    "/account/confirm-email/",
    "/account/inactive/",
    "/docs/",
    "/docs/how-to/webdav.md",
    "/account/3rdparty/login/cancelled/",
    "/no-such-page/",
]
COLLAB = [
    "",
    "pages/",
    "pages/README.md",
    "pages/missing.md",
    "files/",
    "files/data.csv",
    "files/README.md",
    "files/README.md?show=edit",
    "files/README.md?show=versions",
    "files/?show=trash",
    "team/",
    "team/groups/",
    "team/invitations/",
    "team/requests/",
    "team/hand-over/",
    "team/leave/",
    "files/?show=find&q=a",
    "settings/",
]
MEMBER = ["/", "/collabs/", "/collabs/new/", "/collabs/deleted/", *(f"{{collab}}{below}" for below in COLLAB)]
MEMBER += ["/groups/", "/groups/new/", "/drive/", "/drive/find/?q=a", "/drive/shared-by-me/", "/drive/shared-with-me/"]
MEMBER += ["/drive/deleted/", "/drive/{library}/", "/drive/sharing/{library}/", "/drive/links/{library}/", "/lab/"]
MEMBER += ["/collabs/?mine=on", "/drive/sharing/{library}/transfer/", "/notices/", "/notices/settings/"]
MEMBER += [
    "/account/2fa/",
    "/account/2fa/totp/activate/",
    "/account/2fa/webauthn/add/",
    "/account/reauthenticate/",
    "/account/sessions/",
    "/account/3rdparty/",
    "/account/delete/",
    "/account/logout/",
    "/account/tokens/new/",
    "/account/tokens/",
    "/api/v1/docs",
    "/account/",
    "/account/email/",
    "/account/password/change/",
    "/no-such-page/",
]


@pytest.fixture
def collab(owner: Person) -> Collab:
    title = f"Atlas of {owner.user.username}"
    collab = services.create_collab(owner.user, title=title, description="Slices.", is_public=True, tags=["mouse"])
    operations.write(owner.user, collab.library, "README.md", TEXT)
    operations.write(owner.user, collab.library, "data.csv", b"a,b\n1,2\n")
    return collab


@pytest.mark.parametrize(("who", "addresses"), [("visitor", VISITOR), ("member", MEMBER)])
def test_it_has_nothing_that_shuts_people_out(
    browser: Browser, owner: Person, collab: Collab, who: str, addresses: list[str]
) -> None:
    visitor = Visitor(browser)
    if who == "member":
        owner.sign_in_at(visitor.context)
    page = visitor.page
    library = Library.objects.get(owner_user=owner.user, is_default=True)
    faults: dict[str, list] = {}
    for address in addresses:
        path = address.format(collab=collab.get_absolute_url(), library=library.pk)
        response = page.goto(f"{settings.PORTAL_URL}{path}")
        assert response, path
        assert response.status < 500, path
        for scheme, width in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 860})
            if found := wrong(page):
                faults[f"{path}, {scheme}"] = found
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults[f"{path} is wider than {width}"] = []
    assert not faults


def test_the_menu_of_a_row_and_the_question_before_publishing_shut_nobody_out(
    browser: Browser, owner: Person, collab: Collab
) -> None:
    services.update_collab(owner.user, collab, title=collab.title, description="", is_public=False)
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    faults: dict[str, list] = {}
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 860})
        page.goto(f"{settings.PORTAL_URL}{collab.get_absolute_url()}files/")
        page.get_by_role("link", name="Actions for data.csv").click()
        expect(page.get_by_role("dialog")).to_contain_text("Copy link")
        faults[f"menu, {scheme}"] = wrong(page)
        page.get_by_role("link", name="Rename…").click()
        expect(page.get_by_role("dialog")).to_contain_text("Rename “data.csv”")
        faults[f"rename, {scheme}"] = wrong(page)
        page.goto(f"{settings.PORTAL_URL}{collab.get_absolute_url()}settings/")
        page.get_by_label("Public").check()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="Make this Collab public?")).to_be_visible()
        faults[f"question, {scheme}"] = wrong(page)
    assert not any(faults.values()), faults


def test_the_menu_of_a_row_closes_where_the_window_becomes_another(
    browser: Browser, owner: Person, collab: Collab
) -> None:
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    page.goto(f"{settings.PORTAL_URL}{collab.get_absolute_url()}files/")
    page.get_by_role("link", name="Actions for data.csv").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 860})
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="Actions for data.csv").click()
    expect(page.get_by_role("link", name="Rename…")).to_be_in_viewport()
