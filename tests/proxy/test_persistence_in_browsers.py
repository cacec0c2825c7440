"""What a Lab's code could leave in its person's browser for the Labs after it: nothing stays in the browser."""

import pytest

from ..support.proxy_backends import Answer, Proxy

pytestmark = pytest.mark.sandbox

KEPT = {"Cache-Control": "public, max-age=31536000, immutable", "Expires": "Thu, 01 Dec 2050 16:00:00 GMT"}
REPORTED = {
    "NEL": '{"report_to": "spy", "max_age": 31536000, "success_fraction": 1.0}',
    "Report-To": '{"group": "spy", "max_age": 31536000, "endpoints": [{"url": "https://spy.example.org/"}]}',
}


@pytest.mark.parametrize("target", ["/lab", "/lab/tree/drive/x.ipynb", "/static/lab/main.js", "/lab/extensions/x/a.js"])
def test_no_answer_of_a_lab_outlives_it_in_a_cache(proxy: Proxy, target: str) -> None:
    """The next Lab would never be asked for what the last one's code said."""
    proxy.jupyter.reply = lambda request: Answer(200, KEPT | {"ETag": '"1"', "Content-Type": "text/html"}, b"mine")
    answer = proxy.lab(target)
    assert answer.body == b"mine"
    assert answer.headers["cache-control"] == "no-store"
    assert "expires" not in answer.headers


def test_no_lab_has_the_browser_report_what_is_opened_later(proxy: Proxy) -> None:
    proxy.jupyter.reply = lambda request: Answer(200, REPORTED, b"mine")
    assert not {"nel", "report-to"} & set(proxy.lab("/lab").headers)


@pytest.mark.parametrize("target", ["/files/worker.js", "/", "/static/worker.js", "/.collaboratory/jupyterlab/x.js"])
def test_no_script_of_a_lab_becomes_a_service_worker(proxy: Proxy, target: str) -> None:
    """It would stand between the browser and each later Lab. Browsers name such a request (Service Workers, 6.4)."""
    assert proxy.lab(target, "Service-Worker: script").status == 403
    assert proxy.jupyter.seen == []
