"""Sharing holds in running Labs at once, and public links lead through the real proxy."""

import pytest
import requests
from django.conf import settings

from drive.libraries import public_links, services
from drive.models import Library, Permission
from drive.storage import layout

from ..support.people import Kernel, Person
from ..support.site import Site, eventually, wait_for

pytestmark = pytest.mark.sandbox

SOON = 2.0
"""Seconds within which a change holds (DESIGN: a second or two)."""


def sees(person: Person, path: str) -> bool:
    """Whether JupyterLab's file browser finds the folder."""
    return person.contents(path).status_code == 200


def may_write(kernel: Kernel, path: str) -> bool:
    """Whether a kernel can write there."""
    target = f"os.path.expanduser('~/drive/{path}/probe.txt')"
    return not kernel.run(f"import os; open({target}, 'w').close()").error


@pytest.fixture
def library(site: Site, owner: Person) -> Library:
    library = services.create_library(owner.user, f"Data of {owner.user.username}")
    (layout.find(library.pk) / "a.txt").write_text("0123456789")
    return library


def test_it_shares_changes_and_ends_while_labs_run(
    site: Site, owner: Person, stranger: Person, library: Library
) -> None:
    stranger.launch()
    kernel = stranger.kernel()
    here = f"Shared with me/{library.name}"
    share = services.share_with_person(owner.user, library, stranger.user, Permission.READ)
    wait_for(lambda: sees(stranger, here), SOON, "the library did not appear")
    assert not may_write(kernel, here)
    services.change_share(owner.user, share, Permission.WRITE)
    wait_for(lambda: may_write(kernel, here), SOON, "it could not be written")
    services.unshare(owner.user, share)
    wait_for(lambda: not sees(stranger, here), SOON, "the library did not vanish")


def test_it_changes_hands_while_labs_run(
    site: Site, owner: Person, stranger: Person, viewer: Person, library: Library
) -> None:
    services.share_with_person(owner.user, library, viewer.user, Permission.READ)
    for person in (owner, stranger, viewer):
        person.launch()
    mine, theirs = f"My Libraries/{library.name}", f"Shared with me/{library.name}"
    wait_for(lambda: sees(owner, mine) and sees(viewer, theirs), SOON, "it was not there")
    services.transfer_library(owner.user, library, stranger.user)
    wait_for(lambda: sees(stranger, mine), SOON, "the new owner did not see it")
    wait_for(lambda: not sees(owner, mine), SOON, "the old owner still saw it")
    assert may_write(stranger.kernel(), mine)
    assert sees(viewer, theirs)
    services.delete_library(stranger.user, library)
    wait_for(lambda: not sees(stranger, mine) and not sees(viewer, theirs), SOON, "it did not vanish")
    services.restore_library(stranger.user, library)
    wait_for(lambda: sees(stranger, mine) and sees(viewer, theirs), SOON, "it did not come back")


def test_it_serves_a_link_through_the_proxy(site: Site, owner: Person, library: Library) -> None:
    """Without an account: the page, the bytes by nginx, a part of them; nothing once it is revoked."""
    link = public_links.make_link(owner.user, library, "a.txt")
    address = public_links.address(link)
    assert address.startswith(settings.PORTAL_URL)
    raw = f"{address}a.txt?show=raw"
    answer = requests.get(raw, timeout=30)
    assert answer.content == b"0123456789"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    part = requests.get(raw, headers={"Range": "bytes=2-4"}, timeout=30)
    assert (part.status_code, part.content) == (206, b"234")
    assert "X-Robots-Tag" not in owner.get(f"/drive/{library.pk}/a.txt?show=raw").headers
    forged = {"X-Body-File": "/etc/passwd"}
    assert requests.put(f"{address}a.txt", b"x", headers=forged, timeout=30).status_code in (403, 405)
    assert requests.post(address, {"do": "delete", "name": "a.txt"}, timeout=30).status_code in (403, 405)
    public_links.revoke_link(owner.user, link)
    assert requests.get(raw, timeout=30).status_code == 404
    assert (layout.find(library.pk) / "a.txt").read_text() == "0123456789"
    log = eventually((settings.VAR_DIR / "log/access.log").read_text, "/l/-/a.txt", '" 404 ')
    assert public_links.token(link) not in log, "who reads the log opens no link"


def test_it_asks_for_a_links_password_through_the_proxy(site: Site, owner: Person, library: Library) -> None:
    address = public_links.address(public_links.make_link(owner.user, library, "", password="open, sesame"))
    visitor = requests.Session()
    page = visitor.get(f"{address}a.txt?show=raw", timeout=30)
    assert "is protected by a password" in page.text
    token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    form = {"csrfmiddlewaretoken": token, "password": "open, sesame"}
    answer = visitor.post(page.url, form, headers={"Origin": settings.PORTAL_URL}, timeout=30)
    assert answer.content == b"0123456789"
    assert "is protected by a password" in requests.get(address, timeout=30).text
