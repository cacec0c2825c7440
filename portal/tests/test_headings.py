"""Every page says where one is: one first heading, a title of its own, a language, and the parts of a page."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from pytest_django.asserts import assertContains

from collabs.models import Collab
from conftest import PASSWORD
from drive.files import operations
from drive.libraries import public_links
from groups import services as groups
from portal.models import User

TEXT = b"# A heading\n\n## Another\n\n<h1>Raw</h1>\n"
VISITOR = [
    "/",
    "/collabs/",
    "/collabs/?q=nothing",
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
    "/account/3rdparty/login/cancelled/",
    "/nothing/",
]
COLLAB = ["", "pages/", "pages/README.md", "pages/none.md", "files/", "files/README.md", "files/notes.txt?show=edit"]
COLLAB += ["files/notes.txt?show=versions", "files/?show=trash", "files/?show=find&q=a", "team/", "team/groups/"]
COLLAB += ["team/invitations/", "team/requests/", "team/hand-over/", "team/leave/", "settings/"]
MEMBER = ["/", "/collabs/", "/collabs/?mine=on", "/collabs/?q=cortex", "/collabs/new/", "/collabs/deleted/"]
MEMBER += [f"{{collab}}{below}" for below in COLLAB]
MEMBER += ["/groups/", "/groups/new/", "/groups/institute/", "/groups/institute/settings/", "/notices/", "/lab/"]
MEMBER += ["/drive/", "/drive/find/", "/drive/find/?q=a", "/drive/shared-by-me/", "/drive/shared-with-me/"]
MEMBER += ["/drive/deleted/", "/drive/{library}/", "/drive/{library}/own.md", "/drive/{library}/own.md?show=edit"]
MEMBER += ["/drive/{library}/own.md?show=versions", "/drive/{library}/?show=trash", "/drive/sharing/{library}/"]
MEMBER += ["/drive/links/{library}/", "/notices/settings/", "/account/", "/account/delete/", "/account/email/"]
MEMBER += [
    "/account/password/change/",
    "/account/2fa/",
    "/account/2fa/totp/activate/",
    "/account/2fa/webauthn/add/",
    "/account/sessions/",
    "/account/tokens/",
]
MEMBER += ["/account/tokens/new/", "/account/3rdparty/", "/account/logout/", "/api/v1/docs", "/nothing/"]


class Outline(HTMLParser):
    """Outline of a page as a screen reader announces it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.title, self.lang, self.levels = "", "", list[int]()
        self.skips, self.ids, self._in_title = False, Counter[str](), False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.count[tag] += 1
        self.ids[names.get("id") or ""] += 1
        self.lang = (names.get("lang") or "") if tag == "html" else self.lang
        self.skips |= tag == "a" and names.get("href") == "#content"
        self._in_title = tag == "title"
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))

    def handle_data(self, data: str) -> None:
        self.title += data.strip() if self._in_title else ""

    def faults(self) -> list[str]:
        """Faults of the outline, as sentences."""
        found = [f"{self.count[tag]} <{tag}>" for tag in ("h1", "main", "title") if self.count[tag] != 1]
        found += [f"no <{tag}>" for tag in ("header", "nav", "footer") if not self.count[tag]]
        found += ["no language"] * (self.lang != "en") + ["no way past the header"] * (not self.skips)
        found += [f"h{a} then h{b}" for a, b in zip(self.levels, self.levels[1:], strict=False) if b > a + 1]
        found += [f"id {name} {times} times" for name, times in self.ids.items() if name and times > 1]
        return found + ["no title of its own"] * (not self.title.replace("· Collaboratory", "").strip())


def outlines(client: Client, addresses: list[str], **places: object) -> dict[str, Outline]:
    return {
        address: Outline(client.get(address.format(**places), follow=True).content.decode()) for address in addresses
    }


def check(found: dict[str, Outline]) -> None:
    faults = {address: each.faults() for address, each in found.items() if each.faults()}
    assert not faults
    titles = Counter(each.title for each in found.values())
    assert sorted(title for title, times in titles.items() if times > 1) == []


@pytest.fixture
def collab(public_collab: Collab, owner: User, editor: User) -> Collab:
    """A public Collab with something on each of its pages."""
    for name in ("README.md", "notes.txt", "gone.txt"):
        operations.write(owner, public_collab.library, name, TEXT)
    operations.delete(owner, public_collab.library, "gone.txt")
    groups.add_person(owner, groups.create_group(owner, name="Institute"), editor)
    return public_collab


def test_it_tells_visitors_where_they_are(client: Client, collab: Collab) -> None:
    check(outlines(client, VISITOR, collab=collab.get_absolute_url()))


@pytest.mark.slow
def test_it_tells_people_where_they_are(client: Client, collab: Collab, owner: User) -> None:
    # By password, because some pages want one that was given a moment ago.
    client.post("/account/login/", {"login": owner.username, "password": PASSWORD})
    library = owner.libraries.get(is_default=True)
    operations.write(owner, library, "own.md", TEXT)
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    check(outlines(client, MEMBER, collab=collab.get_absolute_url(), library=library.pk))


def test_it_tells_the_guests_of_a_link_where_they_are(client: Client, collab: Collab, owner: User) -> None:
    links_made = [public_links.make_link(owner, collab.library, path) for path in ("", "README.md")]
    check(outlines(client, [public_links.address(link) for link in links_made]))


def test_it_leads_on_from_a_new_password(client: Client, owner: User) -> None:
    client.post("/account/password/reset/", {"email": owner.email})
    link = re.search(r"http\S+(/account/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link
    page = client.get(link[1], follow=True)
    assert Outline(page.content.decode()).faults() == []
    new = "another-correct-horse"
    answer = client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new}, follow=True)
    assertContains(answer, "Your password was changed")
    assert client.login(username=owner.username, password=new)


def test_it_has_a_picture_for_each_scheme(client: Client, db: None) -> None:
    page = client.get("/").content.decode()
    for wanted in ('media="(prefers-color-scheme: dark)"', "overview-dark.svg", 'alt="A Collab with its people'):
        assert wanted in page


def test_it_keeps_its_icons_in_files_that_exist(client: Client, db: None) -> None:
    page = client.get("/").content.decode()
    for href in re.findall(r'<link rel="(?:icon|apple-touch-icon)" href="/static/([^"]+)"', page):
        assert (settings.BASE_DIR / "static" / href).is_file(), href
