"""Tests of the whole, with nothing replaced: they share one running site, so each makes people of its own."""

import contextlib
import functools
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Browser
from pytest_django.plugin import DjangoDbBlocker

from collabs import services as collab_services
from collabs.models import Collab, Role
from portal.models import User
from portal.ops.task_queue import broker_is_up

from .support.browser import chromium
from .support.people import Person, new_name
from .support.proxy_backends import Proxy
from .support.site import Site, launched_by, wait_for

_numbers = itertools.count(1)
_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember of each test whether it failed."""
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What the tests of a module share is made anew after one that failed, for the next and for its second try."""
    if item.stash.get(_failed, False):
        del item.stash[_failed]
        item.session._setupstate.teardown_exact(item.session)  # type: ignore[arg-type]  # it has a listchain, too


@pytest.fixture(scope="session", autouse=True)
def light_settings() -> None:
    """The site's own cache and hash of passwords."""


@pytest.fixture(autouse=True)
def own_files() -> None:
    """The site's own Drive and Lab (instead of the unit tests' fixture)."""


@pytest.fixture(autouse=True)
def commits() -> None:
    """Commits are real here."""


@pytest.fixture(autouse=True)
def queue() -> None:
    """Tasks go to the real broker."""


@pytest.fixture(scope="session", autouse=True)
def localhost_names() -> Iterator[None]:
    """*.localhost is loopback (RFC 6761), as in browsers; the C library does not know that everywhere."""
    real = socket.getaddrinfo

    def lookup(host: str, *arguments: object, **options: object) -> object:
        return real("127.0.0.1" if str(host).endswith(".localhost") else host, *arguments, **options)  # type: ignore[arg-type]

    socket.getaddrinfo = lookup  # type: ignore[assignment]
    yield
    socket.getaddrinfo = real


@pytest.fixture(scope="session")
def site(django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """The running site of this process. `bin/test` shows the end of its log when a test failed."""
    if "COLLABORATORY_TEST_SITE" not in os.environ:
        pytest.fail("Start these tests with bin/test --sandbox or bin/test --browser.")
    with django_db_blocker.unblock():
        site = Site()
        site.prepare()
        try:
            site.start()
            yield site
        finally:  # also when it did not come up in time, or when pytest is interrupted
            site.stop()


@functools.cache
def _password() -> str:
    """Everybody's, "unused": the site's own hash of passwords takes a quarter of a second, by intent."""
    return make_password("unused")


@contextlib.contextmanager
def people() -> Iterator[Callable[..., Person]]:
    """Makes people with usernames that nobody had, and stops their Labs in the end."""
    made: list[Person] = []

    def make(name: str = "person") -> Person:
        # An earlier test may have killed the broker, and its answer is believed for some seconds.
        wait_for(broker_is_up, 20, "the broker is away")
        username = new_name(name)
        user = User.objects.create_user(username, email=f"{username}@example.org")
        user.password = _password()
        user.save(update_fields=["password"])
        made.append(Person(user))
        return made[-1]

    yield make
    from lab.models import Server, StopReason
    from lab.servers.services import stop_server

    for someone in made:
        for server in Server.objects.live().filter(owner=someone.user):
            stop_server(None, server, StopReason.OPERATOR)


@pytest.fixture
def person(site: Site) -> Iterator[Callable[..., Person]]:
    """Makes people with usernames that nobody had; their Labs are stopped when the test ends."""
    with people() as make:
        yield make


@pytest.fixture(scope="module")
def lasting_person(site: Site) -> Iterator[Callable[..., Person]]:
    """As `person`, for all tests of a module, or all in one way of launching: a Lab for each takes seconds."""
    with people() as make:
        yield make


@pytest.fixture
def owner(person: Callable[..., Person]) -> Person:
    return person("owner")


@pytest.fixture
def editor(person: Callable[..., Person]) -> Person:
    return person("editor")


@pytest.fixture
def viewer(person: Callable[..., Person]) -> Person:
    return person("viewer")


@pytest.fixture
def stranger(person: Callable[..., Person]) -> Person:
    return person("stranger")


@pytest.fixture
def collab(owner: Person, editor: Person, viewer: Person) -> Collab:
    """A private Collab with the three."""
    created = collab_services.create_collab(owner.user, title=f"Cortex {next(_numbers)}")
    collab_services.add_member(owner.user, created, editor.user, Role.EDITOR)
    collab_services.add_member(owner.user, created, viewer.user, Role.VIEWER)
    return created


@pytest.fixture(scope="module", params=["fork", "exec"])
def way_of_all(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
    """How servers come to be. A module's tests are run in one way, then in the other: a fork server starts slowly."""
    with launched_by(site, request.param):
        yield request.param


@pytest.fixture
def way(way_of_all: str, site: Site) -> str:
    """Both ways in which a server comes to be. It can be forked now, whatever an earlier test has ended."""
    if way_of_all == "fork":
        site.have_fork_server()
    return way_of_all


@pytest.fixture(scope="module")
def browser_of_all(site: Site) -> Iterator[Browser]:
    """A headless Chromium for the tests of a module."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(browser_of_all: Browser) -> Iterator[Browser]:
    """A headless Chromium. The contexts that a test makes, each a profile by itself, are closed when it ends."""
    yield browser_of_all
    for context in browser_of_all.contexts:
        context.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A running proxy; its directory is short enough for sockets."""
    if os.geteuid() == 0:
        pytest.skip("the proxy never runs as root: use bin/test")
    directory = Path(tempfile.mkdtemp(prefix="proxy-", dir="/tmp"))
    proxy = Proxy(directory)
    try:
        proxy.start()
        yield proxy
    finally:  # also of one that did not start
        proxy.stop()
        shutil.rmtree(directory)
