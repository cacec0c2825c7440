"""The documentation as pages of the site."""

import re
from urllib.parse import unquote

import pytest
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from portal.web.views_documentation import DOCS, INDEX

pytestmark = pytest.mark.django_db
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
LINK = re.compile(r'(?:href|src)="(/docs/[^"#?]*)(?:\?show=raw)?(#[^"]*)?"')


def test_every_page_leads_to_the_index_which_a_visitor_may_read(client: Client) -> None:
    assertContains(client.get("/"), 'href="/docs/"')
    assertContains(client.get("/docs/"), "<h2")
    assertContains(client.get("/docs/how-to/webdav.md"), "rclone")


@pytest.mark.slow
def test_no_link_within_it_is_broken(client: Client) -> None:
    pages = {f"/docs/{path}": client.get(f"/docs/{path}").text for path in PAGES}
    pages["/docs/"] = pages[f"/docs/{INDEX}"]
    linked = 0
    for page, html in pages.items():
        for address, anchor in LINK.findall(html):
            linked += 1
            if address.endswith((".svg", ".png")):
                picture = client.get(address)
                assert picture.status_code == 200, (page, address)
                assert picture["Content-Type"].startswith("image/")
                continue
            assert unquote(address) in pages, (page, address)
            assert not anchor or f'id="{anchor[1:]}"' in pages[unquote(address)], (page, address, anchor)
    assert linked > 100


@pytest.mark.parametrize(
    "path",
    ["../manage.py", "../portal/settings.py", "how-to", "how-to/", "/etc/passwd", "%2e%2e/README.md", "images", "x.md"],
)
def test_nothing_else_can_be_asked_for(client: Client, path: str) -> None:
    answer = client.get(f"/docs/{path}")
    assertNotContains(answer, "SECRET_KEY", status_code=404)
