"""The proxy packs what JupyterLab is made of, and nothing else."""

import pytest

from ..support.proxy_backends import Answer, Proxy

pytestmark = pytest.mark.sandbox

PROGRAM = b"function of(jupyterlab) { return jupyterlab; }" * 100


@pytest.mark.parametrize("target", ["/static/lab/main.0a1b.js?v=0a1b", "/lab/extensions/@a/b/static/remoteEntry.js"])
def test_it_packs_what_jupyterlab_is_made_of(proxy: Proxy, target: str) -> None:
    proxy.jupyter.reply = lambda request: Answer(200, {"Content-Type": "application/javascript"}, PROGRAM)
    answer = proxy.lab(target, "Accept-Encoding: gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < len(PROGRAM) / 10
    assert proxy.jupyter.last().target == target
    assert proxy.lab(target).body == PROGRAM


def test_it_packs_the_schemas_of_all_settings(proxy: Proxy) -> None:
    proxy.jupyter.reply = lambda request: Answer(200, {"Content-Type": "application/json"}, PROGRAM)
    answer = proxy.lab("/lab/api/settings?1700000000000", "Accept-Encoding: gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < len(PROGRAM) / 10


@pytest.mark.parametrize(
    "target",
    ["/lab/tree/drive/a", "/api/contents/a", "/files/static/lab/a.js", "/static", "/lab/api/settings/a", "/lab/api/a"],
)
def test_it_packs_nothing_that_may_hold_a_secret(proxy: Proxy, target: str) -> None:
    for kind in ("text/html", "application/json", "application/javascript"):
        proxy.jupyter.reply = lambda request, kind=kind: Answer(200, {"Content-Type": kind}, PROGRAM)  # type: ignore[misc]
        answer = proxy.lab(target, "Accept-Encoding: gzip")
        assert "content-encoding" not in answer.headers
        assert answer.body == PROGRAM


@pytest.mark.parametrize("target", ["/static/lab/main.js", "/lab/extensions/a/static/remoteEntry.js"])
def test_it_guards_what_jupyterlab_is_made_of_like_all_else(proxy: Proxy, target: str) -> None:
    answer = proxy.lab(target, "Cookie: lab_pass=secret", "Authorization: token mine")
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert proxy.jupyter.last().header("Cookie") is None
    assert proxy.jupyter.last().header("Authorization") == "token the-token"
    proxy.auth = Answer(401)
    assert proxy.lab(target, "Cookie: lab_pass=another").body == b"page"
    assert proxy.jupyter.count(target) == 1
