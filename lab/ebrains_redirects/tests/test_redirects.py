"""Addresses of the EBRAINS Lab and Drive, of a JupyterHub and of nbgitpuller lead to pages of ours alone."""

from collections.abc import Callable
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import UUID

import pytest
from django.test import Client
from django.urls import resolve
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drive.files.paths import quoted
from lab.ebrains_redirects.jupyter_addresses import drive_path
from lab.locations import paths
from lab.templatetags.lab_tags import lab_address
from portal.models import User

NUMBER = UUID("00000000-0000-4000-8000-000000000001")
GROUPS = "/lab/open?path=Shared+with+groups%2F"
OF_GROUPS = "drive/Shared%20with%20groups/X/a.ipynb"
COURSE = "/lab/git-pull?repo=https%3A%2F%2Fx.org%2Fa%2Fc"


@pytest.mark.parametrize(
    "old",
    [
        # a JupyterHub's
        f"/hub/user-redirect/lab/tree/{OF_GROUPS}",
        f"/user-redirect/lab/tree/{OF_GROUPS}",
        "/user-redirect/lab/tree/shared/X/a.ipynb",
        f"/hub/user/ada/lab/tree/{OF_GROUPS}",
        f"/hub/user/ada/second/lab/tree/{OF_GROUPS}",
        # somebody's address bar
        f"/user/ada/lab/tree/{OF_GROUPS}",
        f"/user/ada/lab/tree/{OF_GROUPS}/",
        f"/user/ada/lab/workspaces/auto/tree/{OF_GROUPS}?reset",
        f"/user/ada/lab/workspaces/ada/tree/{OF_GROUPS}",
        f"/user/ada/lab/workspaces/auto-x/tree/{OF_GROUPS}",
        f"/user/ada/second/lab/workspaces/auto-x/tree/{OF_GROUPS}",
        f"/user/ada/lab/tree/RTC%3A{OF_GROUPS}",
        f"/user/ada/doc/tree/{OF_GROUPS}",
        f"/user/ada/doc/workspaces/x/tree/{OF_GROUPS}",
        f"/user/ada/notebooks/{OF_GROUPS}",
        f"/user/ada/tree/{OF_GROUPS}",
        f"/user/ada/edit/{OF_GROUPS}",
        f"/user/ada/view/{OF_GROUPS}",
        f"/user/ada/files/{OF_GROUPS}",
        f"/user/ada/nbclassic/notebooks/{OF_GROUPS}",
        f"/user/ada/retro/notebooks/{OF_GROUPS}",
        f"/user/ada/voila/render/{OF_GROUPS}",
        # without a name before
        f"/lab/tree/{OF_GROUPS}",
        f"/lab/workspaces/ada/tree/{OF_GROUPS}",
        f"/tree/{OF_GROUPS}",
        f"/notebooks/{OF_GROUPS}",
    ],
)
def test_a_place_of_the_old_lab_is_the_place_in_the_lab_of_whoever_follows(old: str) -> None:
    answer = Client().get(old)
    assert (answer.status_code, answer["Location"]) == (302, f"{GROUPS}X%2Fa.ipynb")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("repo=https://x.org/a/c", ""),
        (
            "repo=https://x.org/a/c&branch=b&urlpath=lab%2Ftree%2Fc%2Fd%2Fn.ipynb%3Fautodecode",
            "&branch=b&path=d%2Fn.ipynb",
        ),
        ("repo=https://x.org/a/c&urlpath=/lab/tree/c/n.ipynb", "&path=n.ipynb"),
        ("repo=https://x.org/a/c&urlpath=lab/workspaces/w/tree/c/n.ipynb", "&path=n.ipynb"),
        ("repo=https://x.org/a/c&urlPath=notebooks/c/n.ipynb", "&path=n.ipynb"),
        ("repo=https://x.org/a/c&urlpath=tree/c/my%2520own.ipynb", "&path=my+own.ipynb"),
        ("repo=https://x.org/a/c&urlpath=voila/render/c/n.ipynb", "&path=n.ipynb"),
        ("repo=https://x.org/a/c&urlpath=lab/tree/c", ""),
        ("repo=https://x.org/a/c&urlpath=lab", ""),
        ("repo=https://x.org/a/c&urlpath=rstudio/", ""),
        ("repo=https://x.org/a/c&subPath=d/n.ipynb&app=lab", "&path=d%2Fn.ipynb"),
        ("repo=https://x.org/a/c&subPath=.", ""),
        ("repo=https://x.org/a/c&subPath=.hidden/n.ipynb", "&path=.hidden%2Fn.ipynb"),
        ("repo=https://x.org/a/c&targetpath=e", "&folder=e"),
        ("repo=https://x.org/a/c&targetPath=e/f/", "&folder=e%2Ff"),
        ("repo=https://x.org/a/c&targetpath=e/f&urlpath=/lab/tree/e/f/d/n.ipynb", "&folder=e%2Ff&path=d%2Fn.ipynb"),
        ("repo=https://x.org/a/c&targetpath=/e&urlpath=lab/tree/e/n.ipynb", "&folder=e&path=n.ipynb"),
    ],
)
@pytest.mark.parametrize(
    "link", ["/hub/user-redirect/git-pull", "/user-redirect/git-pull/", "/user/ada/git-pull", "/git-pull", "/git-pull/",
             "/hub/user-redirect/git-sync", "/git-sync"],
)  # fmt: skip
def test_a_link_of_nbgitpuller_asks_for_the_same_here(link: str, old: str, new: str) -> None:
    answer = Client().get(f"{link}?{old}")
    assert (answer.status_code, answer["Location"]) == (302, COURSE + new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/hub", "/lab/"),
        ("/hub/", "/lab/"),
        ("/hub/home", "/lab/"),
        ("/hub/login", "/lab/"),
        ("/hub/logout", "/lab/"),
        ("/hub/token", "/lab/"),
        ("/hub/spawn", "/lab/"),
        ("/hub/spawn/ada", "/lab/"),
        ("/hub/spawn/ada/second", "/lab/"),
        ("/hub/spawn-pending/ada", "/lab/"),
        ("/hub/oauth_callback?code=1&state=2", "/lab/"),
        ("/hub/user/", "/lab/open"),
        ("/hub/user/ada/", "/lab/open"),
        ("/hub/user-redirect/", "/lab/open"),
        ("/hub/user-redirect/lab", "/lab/open"),
        ("/hub/user-redirect/lab/tree/scratch.ipynb", "/lab/open"),
        ("/user/ada", "/lab/open"),
        ("/user/ada/", "/lab/open"),
        ("/user/ada/lab", "/lab/open"),
        ("/user/ada/lab/workspaces/ada", "/lab/open"),
        ("/user/ada/terminals/1", "/lab/open"),
        ("/user/ada/notebooks/drive/My%20Libraries/L/a.ipynb", "/lab/open?path=My+Libraries%2FL%2Fa.ipynb"),
        ("/lab/tree", "/lab/open"),
        ("/lab/workspaces/ada", "/lab/open"),
        ("/lab/git-pull/?repo=https://x.org/a/c&folder=f", f"{COURSE}&folder=f"),
        ("/hub/user-redirect/lab/tree/shared/My%20Collab/a%26b.ipynb", f"{GROUPS}My+Collab%2Fa%26b.ipynb"),
        (
            "/hub/user-redirect/interact?account=a&repo=c&path=d",
            "/lab/git-pull?repo=https%3A%2F%2Fgithub.com%2Fa%2Fc&branch=gh-pages&path=d",
        ),
        (f"/lib/{NUMBER}/", f"/drive/{NUMBER}/"),
        (f"/lib/{NUMBER}/file/a%20b/c%23.csv", f"/drive/{NUMBER}/a%20b/c%23.csv"),
        (f"/library/{NUMBER}/My%20Collab/", f"/drive/{NUMBER}/"),
        (f"/library/{NUMBER}/My%20Collab/a/b.ipynb", f"/drive/{NUMBER}/a/b.ipynb"),
    ],
)
def test_it_leads_to_the_same_thing_here(old: str, new: str) -> None:
    answer = Client().get(old)
    assert (answer.status_code, answer["Location"]) == (302, new)


@pytest.mark.parametrize("page", ["/hub/login", "/hub/spawn", "/hub/spawn/ada", "/hub/spawn-pending/ada", "/hub/"])
@pytest.mark.parametrize(
    ("next_page", "new"),
    [
        ("/hub/user/ada/lab/tree/shared/X/a.ipynb", f"{GROUPS}X%2Fa.ipynb"),
        ("/user/ada/lab/tree/shared/X/a.ipynb", f"{GROUPS}X%2Fa.ipynb"),
        ("/git-sync?repo=https%3A%2F%2Fx.org%2Fa%2Fc&urlpath=tree%2Fc%2Fn.ipynb", f"{COURSE}&path=n.ipynb"),
        ("/hub/login?next=%2Fuser-redirect%2Flab%2Ftree%2Fshared%2FX%2Fa.ipynb", f"{GROUPS}X%2Fa.ipynb"),
        ("/hub/home", "/lab/"),
    ],
)  # fmt: skip
def test_a_page_of_the_hub_leads_on_to_what_it_was_on_the_way_to(page: str, next_page: str, new: str) -> None:
    answer = Client().get(page, {"next": next_page})
    while not answer["Location"].startswith("/lab/"):
        assert answer.status_code == 302
        answer = Client().get(answer["Location"])
    assert answer["Location"] == new


def test_there_is_no_api_of_a_hub() -> None:
    assert Client().get("/hub/api/users").status_code == 404


@pytest.mark.django_db
def test_a_visitor_comes_there_through_the_sign_in(owner: User, sign_in: Callable[[User], Client]) -> None:
    """The address that is asked for after the sign-in is the one that somebody signed in is led to."""
    visitor = Client()
    for old in ("/user/ada/lab/tree/shared/X/a.ipynb", "/hub/user-redirect/git-pull?repo=https://x.org/a/c"):
        led = visitor.get(visitor.get(old)["Location"])
        parts = urlsplit(led["Location"])
        assert (led.status_code, parts.path) == (302, "/account/login/")
        assert parse_qs(parts.query)["next"] == [visitor.get(old)["Location"]]
        assert sign_in(owner).get(parse_qs(parts.query)["next"][0]).status_code != 302


@pytest.mark.parametrize(
    "old",
    [
        "/hub/user-redirect///evil.example/lab",
        "/hub/user-redirect/https://evil.example/",
        "/user-redirect/lab/tree/drive///evil.example",
        "/user-redirect/lab/tree/drive/../../../evil",
        "/user-redirect/lab/tree/shared/%0d%0aLocation:%20https://evil.example",
        "/user-redirect/lab/tree/drive/%5c%5cevil.example",
        "/hub/user-redirect/git-pull?repo=//evil.example&urlpath=//evil.example",
        "/user/evil.example//evil.example",
        "/user/ada/lab/tree/drive/%0d%0aLocation:%20https://evil.example",
        "/hub/login?next=https://evil.example/hub/",
        "/hub/login?next=//evil.example/hub/",
        "/hub/login?next=///evil.example",
        "/hub/login?next=/%5Cevil.example",
        "/hub/login?next=%5C%5Cevil.example",
        "/hub/login?next=/hub/%0d%0aLocation:%20https://evil.example",
        "/hub/login?next=javascript:alert(1)",
        "/hub/login?next=%09//evil.example",
        "/hub/login?next=/account/logout/",
        "/hub/spawn/evil.example?next=https:evil.example",
        "/lab/tree///evil.example",
        "/lab/workspaces/x//evil.example",
        "/lab/git-pull/?next=//evil.example",
        "/git-pull?repo=//evil.example&targetpath=//evil.example&urlpath=https://evil.example/lab/tree/x",
        "/git-pull?urlpath=//[evil.example",
        "/tree///evil.example",
        f"/lib/{NUMBER}/file///evil.example",
        f"/library/{NUMBER}/evil.example///evil.example/",
        "/hub/user-redirect/lab/tree/drive/x?next=https://evil.example&path=//evil.example",
    ],
)
def test_it_leads_nowhere_else(old: str) -> None:
    location = Client().get(old)["Location"]
    assert location.startswith(("/lab/", f"/drive/{NUMBER}/", "/hub/%0D%0A"))
    assert "\n" not in location


# Names of files

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(NAMES, min_size=1, max_size=3))
@example(["back\\slash.ipynb"])
@example(["100%.ipynb", "a%20b", "%2e%2e"])
@example(["what?.ipynb", "#1.ipynb", "a b", "a+b&c=d;e"])
@example([".hidden", "..two", "..."])
@example(["Übung", "日本語.ipynb", "🧠" * 60])
@example(["'\"<>`", "~", "RTC:a.ipynb"])
def test_a_file_of_any_name_opens_from_every_link(names: list[str]) -> None:
    """The button, JupyterLab's own address and the way to it, the Drive's page, an old address."""
    path = "/".join(["My Libraries", "L", *names])
    given_path = parse_qs(urlsplit(lab_address(path)).query)["path"][0]
    assert paths.drive_path(given_path) == path
    address = paths.address_of(path)
    assert paths.local_address(address) == address
    assert paths.path_at(address) == path
    assert drive_path(f"lab/tree/{unquote(quote(f'drive/{path}'))}") == path
    page = resolve(unquote(f"/drive/{NUMBER}/{quoted(path)}"))
    assert page.kwargs["path"] == path
