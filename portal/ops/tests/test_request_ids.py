"""Request ids in responses, pages, log and tasks; log levels; no secrets in the log."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from pytest_django.asserts import assertContains

from collabs.models import Collab
from portal import celery, urls
from portal.models import User
from portal.ops import logs
from portal.tests.support import Page
from portal.web.middleware import RETRY_AFTER, known_user

NUMBER = "0123456789abcdef" * 2
ADDRESS = "ada.byron+x@mail.example.org"


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"no luck for {ADDRESS} with clb_abcdefgh12345678 and password=hunter2")


def away(request: HttpRequest) -> HttpResponse:
    raise OperationalError("could not connect to postgres://portal:hunter2@db/portal")


def too_often(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=429)


def answer(request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse(status=status)


def refuse(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("not you")


class Addresses:
    """The site's, and some that go wrong."""

    handler400, handler429, handler500 = urls.handler400, urls.handler429, urls.handler500
    urlpatterns = [
        path("broken", broken),
        path("away", away),
        path("too-often", too_often),
        path("answer/<int:status>", answer),
        path("refuse", refuse),
        path("api/broken", broken),
        path("rest/v1/broken", broken),
        *urls.urlpatterns,
    ]


@pytest.fixture
def faulty() -> Iterator[Client]:
    """A browser at a site that has faults."""
    with override_settings(ROOT_URLCONF=Addresses):
        yield Client(raise_request_exception=False)


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, str]]]]:
    """Lines of the log, as objects."""
    root, stream = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    handler.addFilter(logs.RefusalsAreInformation())
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)


def test_it_numbers_every_answer(client: Client, db: None) -> None:
    first, second = client.get("/"), client.get("/no/such/page")
    assert logs.REQUEST_ID.fullmatch(first["X-Request-ID"])
    assert first["X-Request-ID"] != second["X-Request-ID"]


def test_it_takes_the_proxys_number_and_nothing_that_is_none(client: Client, db: None) -> None:
    assert client.get("/", headers={"X-Request-ID": NUMBER})["X-Request-ID"] == NUMBER
    for bad in ("mine", NUMBER + "0", NUMBER.upper(), f"{NUMBER[:-1]}\n", "<script>"):
        assert logs.REQUEST_ID.fullmatch(client.get("/", headers={"X-Request-ID": bad})["X-Request-ID"])


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/no/such/page", 404),
        ("/broken", 500),
        ("/away", 503),
        ("/drive/00000000-0000-4000-8000-000000000000/", 404),
    ],
)
def test_it_shows_the_number_on_pages_of_errors(
    faulty: Client, stranger: User, written: Callable[[], list[dict[str, str]]], address: str, status: int
) -> None:
    faulty.force_login(stranger)
    answer = faulty.get(address, headers={"X-Request-ID": NUMBER})
    assertContains(answer, f"<code>{NUMBER}</code>", status_code=status)
    assert Page(answer.content.decode()).refused == []
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert {line.get("request_id") for line in written()} == {NUMBER}


def test_it_shows_the_number_to_a_member_without_the_right(
    collab: Collab, viewer: User, sign_in: Callable[[User], Client], written: Callable[[], list[dict[str, str]]]
) -> None:
    answer = sign_in(viewer).get(f"/collabs/{collab.slug}/settings/")
    assertContains(answer, f"<code>{answer['X-Request-ID']}</code>", status_code=403)
    (line,) = written()
    assert (line["user_id"], line["collab_id"]) == (viewer.pk, collab.pk)


def test_it_shows_the_number_where_a_form_has_expired(owner: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    answer = browser.post("/account/")
    assertContains(answer, f"<code>{answer['X-Request-ID']}</code>", status_code=403)
    assertContains(answer, "Olga", status_code=403)  # in the header, as on every page


def test_it_shows_the_number_where_a_request_cannot_be_understood(client: Client, db: None) -> None:
    answer = client.get("/", headers={"host": "elsewhere.example"})
    assertContains(answer, f"<code>{answer['X-Request-ID']}</code>", status_code=400)
    assert Page(answer.content.decode()).refused == []


def test_it_answers_without_its_database(faulty: Client, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty.force_login(owner)

    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", refuse)
        for address in ("/", "/no/such/page", "/broken", "/drive/", "/account/"):
            answer = faulty.get(address)
            status = 500 if address == "/broken" else 503
            assertContains(answer, answer["X-Request-ID"], status_code=status)
            assert answer.get("Retry-After") == (RETRY_AFTER[503] if status == 503 else None)
        program = faulty.get("/api/v1/me", headers={"Authorization": f"Bearer clb_{'x' * 48}"})
    assert (program.status_code, program.json()["request_id"]) == (503, program["X-Request-ID"])


@pytest.mark.parametrize("address", ["/api/broken", "/api/v1/collabs/none", "/rest/v1/broken", "/rest/v1/collabs/none"])
def test_it_tells_programs_the_number(faulty: Client, db: None, address: str) -> None:
    answer = faulty.get(address, headers={"X-Request-ID": NUMBER})
    assert answer.status_code in (401, 404, 500)
    assert answer.json()["request_id"] == NUMBER


def test_it_says_when_to_try_again(faulty: Client) -> None:
    assert faulty.get("/too-often")["Retry-After"] == RETRY_AFTER[429]


# The log


def test_it_writes_no_secrets_or_addresses_of_people(
    faulty: Client, db: None, written: Callable[[], list[dict[str, str]]]
) -> None:
    faulty.get("/broken", headers={"Authorization": "Bearer clb_abcdefgh12345678"})
    faulty.get("/away")
    faulty.get(f"/no/{ADDRESS}")
    text = json.dumps(written())
    assert "RuntimeError: no luck for - with - and password=-" in text
    for secret in (ADDRESS, "mail.example.org", "clb_", "hunter2"):
        assert secret not in text


def test_it_writes_nothing_of_what_was_sent(
    faulty: Client, owner: User, written: Callable[[], list[dict[str, str]]]
) -> None:
    faulty.force_login(owner)
    logging.getLogger().setLevel(logging.DEBUG)
    faulty.post("/broken", {"password": "s3cret-word", "text": "what a file holds"})
    faulty.post("/account/login/", {"login": ADDRESS, "password": "s3cret-word"})
    logging.getLogger().setLevel(logging.INFO)
    text = json.dumps(written())
    for secret in ("s3cret-word", "what a file holds", ADDRESS, faulty.cookies["portal"].value):
        assert secret not in text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdefghij0123456789", "Authorization: Bearer -"),
        ("GET /_gateway/lab/enter?ticket=abc123&next=/lab", "GET /_gateway/lab/enter?ticket=-&next=/lab"),
        ("/account/password/reset/key/3-abc-def/", "/account/password/reset/key/-/"),
        ("/account/confirm-email/Mg:1abc:def/", "/account/confirm-email/-/"),
        ("redis://:hunter2@host/0", "redis://:-@host/0"),
        ("Key (email)=(ada@example.org) already exists.", "Key (email)=(-) already exists."),
        ("Lab of ada, 2026-01-01 10:00: idle", "Lab of ada, 2026-01-01 10:00: idle"),
        ("the token of somebody_with_a_long_name", "the token of somebody_with_a_long_name"),
        ("/drive/x/notes@2", "/drive/x/notes@2"),
    ],
)
def test_it_hides_what_is_nobody_elses_business(text: str, hidden: str) -> None:
    assert logs.redact(text) == hidden


def test_it_says_the_same_for_people(db: None) -> None:
    logs.reset_context(request_id=NUMBER, user_id=lambda: None)
    logs.add_context(server_id="abc")
    record = logging.LogRecord("lab", logging.INFO, "", 0, "idle: %s", (ADDRESS,), None)
    assert logs.TextFormatter().format(record).endswith(f" INFO lab: idle: - [request_id={NUMBER} server_id=abc]")


def test_it_asks_the_database_nothing_to_write_a_line(owner: User, django_assert_num_queries: Callable) -> None:
    request = HttpRequest()
    with django_assert_num_queries(0):
        assert known_user(request) is None
        request.user = owner
        assert known_user(request) == owner.pk


@pytest.mark.parametrize("shape", ["json", "text"])
def test_it_has_one_shape_for_everything(shape: str) -> None:
    configured = logs.configuration(shape, "INFO")
    assert configured["handlers"]["console"]["formatter"] in configured["formatters"]
    with pytest.raises(KeyError):
        logs.configuration("xml", "INFO")


# Levels

REFUSALS = [
    "/refuse",
    "/no/such/page",
    *(f"/answer/{status}" for status in (401, 403, 404, 405, 409, 412, 413, 429, 503, 507)),
]


@pytest.mark.parametrize("address", REFUSALS)
def test_it_takes_refusals_for_information(
    faulty: Client, db: None, written: Callable[[], list[dict[str, str]]], address: str
) -> None:
    faulty.get(address)
    (line,) = written()
    assert (line["level"], line["logger"]) == ("INFO", "django.request")
    assert "error" not in line


def test_it_takes_an_expired_form_for_information(owner: User, written: Callable[[], list[dict[str, str]]]) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    browser.post("/account/")
    (line,) = written()
    assert (line["level"], line["logger"]) == ("INFO", "django.security.csrf")


@pytest.mark.parametrize(("address", "with_traceback"), [("/broken", True), ("/away", False), ("/answer/500", False)])
def test_it_takes_faults_for_errors(
    faulty: Client, db: None, written: Callable[[], list[dict[str, str]]], address: str, with_traceback: bool
) -> None:
    faulty.get(address)
    (line,) = written()
    assert line["level"] == "ERROR"
    assert ("error" in line) == with_traceback
    assert ("(database: " in line["message"]) == (address == "/away")


def test_it_leaves_refusals_out_where_information_is_not_written() -> None:
    record = logging.LogRecord("quiet.request", logging.WARNING, "", 0, "Not Found", (), None)
    record.status_code = 404
    logging.getLogger("quiet").setLevel(logging.WARNING)
    assert not logs.RefusalsAreInformation().filter(record)


def test_the_site_writes_its_log_so() -> None:
    (console,) = [h for h in logging.getLogger().handlers if any(isinstance(f, logs.RedactSecrets) for f in h.filters)]
    assert any(isinstance(each, logs.RefusalsAreInformation) for each in console.filters)


# Tasks


def test_it_hands_the_number_on_to_tasks() -> None:
    logs.reset_context(request_id=NUMBER)
    headers: dict[str, object] = {}
    celery.add_headers(headers=headers)
    assert headers["request_id"] == NUMBER
    assert isinstance(headers["sent_at"], float)
    task = SimpleNamespace(name="lab.tasks.launch", request=SimpleNamespace(headers=headers, get=headers.get))
    celery.begin_task(task_id="t", task=task)  # type: ignore[arg-type]
    assert logs.context() == {"request_id": NUMBER, "task": "lab.tasks.launch", "task_id": "t"}
    celery.end_task(task_id="t", task=task)  # type: ignore[arg-type]
    assert logs.context() == {}


def test_it_takes_no_number_from_a_message_that_is_none() -> None:
    task = SimpleNamespace(name="x", request=SimpleNamespace(headers=None, get={"request_id": "x\ny"}.get))
    celery.begin_task(task_id="t", task=task)  # type: ignore[arg-type]
    assert "request_id" not in logs.context()
