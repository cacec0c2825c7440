"""A database that cannot be reached: what programs and people are told by the real web process, and what is logged."""

import json
from collections.abc import Iterator

import pytest

from ..support.site import Site, eventually
from ..support.web_process import Web, web_process

pytestmark = pytest.mark.sandbox

TOKEN = {"Authorization": f"Bearer clb_{'0' * 48}"}


@pytest.fixture(scope="module")
def web(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    run = tmp_path_factory.mktemp("run")
    # PostgreSQL's socket is not there.
    with web_process(run, {**site.environment, "DATABASE_URL": f"postgres://test@/site?host={run}"}) as made:
        yield made


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/collabs", "/rest/v1/collabs", "/api2/repos/"])
def test_programs_are_told_in_json(web: Web, path: str) -> None:
    status, kind, body = web.ask(path, **TOKEN)
    assert (status, kind.partition(";")[0]) == (503, "application/json"), body
    assert json.loads(body)


def test_each_request_is_one_line_of_the_log_that_says_why(web: Web) -> None:
    session = {"Cookie": f"portal={'0' * 32}"}
    asked = [("/collabs/", {}), ("/drive/", session), ("/api/v1/me", TOKEN), ("/api/v1/collabs", {})]
    asked += [("/api2/repos/", TOKEN), ("/dav/", TOKEN)]
    numbers = [f"{number:032x}" for number, _ in enumerate(asked, 1)]
    for number, (path, headers) in zip(numbers, asked, strict=True):
        assert web.ask(path, **headers, **{"X-Request-ID": number})[0] == 503, path
    log = eventually(web.log.read_text, *numbers)
    assert "Traceback" not in log
    for number in numbers:
        [line] = [one for one in log.splitlines() if number in one and " ERROR " in one]
        assert "(database: " in line
