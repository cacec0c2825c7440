"""Cookies that one Lab's script set for all Labs, too many for any of them: a page of ours, which clears them."""

import pytest

from ..support.proxy_backends import Answer, Proxy, Request, read_answer

pytestmark = pytest.mark.sandbox

CLEARED = Answer(431, {"Clear-Site-Data": '"cookies"'}, b"<h1>Too many cookies</h1>")


def bomb(size: int) -> str:
    """A Cookie header of cookies of 4,000 bytes, as browsers keep them."""
    return "Cookie: " + "; ".join(f"c{n}={'x' * 3990}" for n in range(size // 4000))


@pytest.fixture(autouse=True)
def page(proxy: Proxy) -> None:
    def answer(request: Request) -> Answer:
        return CLEARED if request.target == "/_gateway/clear-cookies" else Answer(404, body=b"something else")

    proxy.page = answer


@pytest.mark.parametrize("size", [20_000, 100_000, 140_000, 400_000, 720_000])
@pytest.mark.parametrize("target", ["/lab", "/.collaboratory/enter?ticket=t", "/static/x.js"])
def test_the_page_that_clears_them_comes_whatever_is_asked_for(proxy: Proxy, size: int, target: str) -> None:
    answer = proxy.lab(target, bomb(size))
    assert (answer.status, answer.body) == (431, CLEARED.body), answer
    assert answer.headers["clear-site-data"] == '"cookies"'
    assert proxy.portal.last().header("X-Original-URI") == target
    assert proxy.jupyter.seen == []


def test_the_portal_learns_their_names_where_they_can_be_read(proxy: Proxy) -> None:
    proxy.lab("/lab", bomb(100_000))
    assert "c24=" in str(proxy.portal.last().header("Cookie"))


@pytest.mark.parametrize("size", [20_000, 140_000])
def test_a_body_is_not_read_before(proxy: Proxy, size: int) -> None:
    lines = ["PUT /api/contents/big HTTP/1.1", f"Host: {proxy.lab_host}", f"Content-Length: {2**35}", bomb(size)]
    with proxy.connect("\n".join([*lines, "Connection: close", "", ""])) as connection:
        answer = read_answer(connection)
    assert answer.status == 431
    assert answer.headers["clear-site-data"] == '"cookies"'


def test_what_labs_need_of_cookies_passes(proxy: Proxy) -> None:
    assert proxy.lab("/lab", bomb(12_000)).body == b"jupyter"


def test_a_portal_that_is_away_says_so_as_ever(proxy: Proxy) -> None:
    proxy.portal.stop()
    answer = proxy.lab("/lab", bomb(20_000))
    assert (answer.status, b"restarting" in answer.body) == (502, True)


def test_at_the_portal_as_well(proxy: Proxy) -> None:
    """Where it shares a domain with the Labs, which the documentation advises against."""
    answer = proxy.ask("/collabs/", bomb(720_000))
    assert (answer.status, answer.headers["clear-site-data"]) == (431, '"cookies"')


@pytest.mark.parametrize("host", ["lab", "portal"])
def test_nobody_else_finds_the_page(proxy: Proxy, host: str) -> None:
    ask = proxy.lab if host == "lab" else proxy.ask
    proxy.auth = Answer(401)
    assert "clear-site-data" not in ask("/_gateway/clear-cookies").headers
