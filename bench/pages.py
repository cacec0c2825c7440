"""How quick the pages are on a large site: 10,000 Collabs, 100,000 memberships, a person in 300 Collabs.

    bin/bench pages                 SQLite and PostgreSQL

Of each page and the API's list: queries, milliseconds in the process (median and p95 of 40) and kilobytes, as a browser
gets it, then requests per second, median and p95 through gunicorn, as in the Procfile, with 4 clients at once, beside a
bare view on the same server; the bare view is measured before and after, and ratios are to the mean of the two. And the
time that effective roles take: of one person in one Collab, of one person everywhere, of a Collab's whole team.
"""

import io
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.models import Max, QuerySet
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from collabs import services
from collabs.models import Collab, EffectiveRole, Favourite, GroupRole, Membership, Role, Tag, role_rank
from drive.libraries import services as library_services
from drive.models import File, Library, Via
from drive.storage import layout
from groups import services as group_services
from portal.models import User

from .common import Client
from .databases import fresh_postgres, insert

COLLABS, PEOPLE, MEMBERS, MINE, GROUPS, FILES, IN_FOLDER = 10_000, 5_000, 10, 300, 24, 40, 300
RUNS, SECONDS, CLIENTS = 40, 6, 4
SERVED = ("home", "directory", "directory, search", "Collab page", "API list")
HOOKS = ("--config", "python:portal.ops.gunicorn_hooks")
WORDS = "cortex slice mouse retina model spike map atlas human rat data signal network cell layer rhythm sleep".split()
TAGS = [f"{word} {kind}" for word in WORDS for kind in ("imaging", "theory", "course")]


def main() -> None:
    """Each database in a process of its own, because settings are read once."""
    if os.environ.get("BENCH_INSIDE"):
        measure()
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as var:
        Path(var, "drive/staging").mkdir(parents=True)
        base = os.environ | {"BENCH_INSIDE": "1", "COLLABORATORY_VAR": var, "COLLABORATORY_RUN": f"{var}/run"}
        base |= {"DJANGO_SETTINGS_MODULE": "bench.pages_settings", "DRIVE_USE_ACCEL": "false", "LOG_LEVEL": "ERROR"}
        for url in [f"sqlite:///{var}/bench.sqlite3", *fresh_postgres("bench_pages")]:
            command = [sys.executable, "-m", "bench", "pages"]
            subprocess.run(command, env=base | {"DATABASE_URL": url}, check=True)


def measure() -> None:
    """Build, then measure in the process and through a server."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        me, subject = build()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    counts = f"{Collab.objects.count():,} Collabs, {Membership.objects.count():,} memberships"
    print(f"{connection.vendor}: {counts}; one person in {Collab.objects.of_member(me).count()}", flush=True)
    browser = Browser(HTTP_HOST=settings.PORTAL_URL.partition("//")[2])
    browser.force_login(me)
    pages = {
        "home": "/",
        "directory": "/collabs/",
        "directory, page 300": "/collabs/?page=300",
        "directory, search": "/collabs/?q=mouse+cortex",
        "directory, search that finds most": "/collabs/?q=s",
        "directory, mine": "/collabs/?mine=on",
        "directory, tag": "/collabs/?tag=retina+theory",
        "Collab page": subject.get_absolute_url(),
        "Collab pages": f"{subject.get_absolute_url()}pages/",
        "one page": f"{subject.get_absolute_url()}pages/README.md",
        "team": f"{subject.get_absolute_url()}team/",
        f"folder of {IN_FOLDER} files": (folder := _folder(me)),
        "file": f"{folder}about.md",
        "API list": "/api/v1/collabs",
    }
    for name, address in pages.items():
        _in_process(browser, name, address)
    _roles(me, subject)
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    with _server() as address:
        before = _through_server(address, cookie, "/_bare")
        measured = {name: _through_server(address, cookie, pages[name]) for name in SERVED}
        after = _through_server(address, cookie, "/_bare")
    bare = (before.rate + after.rate) / 2
    for name, figures in {"bare view": before, **measured, "bare view again": after}.items():
        print(f"  {name:36} {figures}   {figures.rate / bare:.3f} of the bare view", flush=True)


# What is there


def build() -> tuple[User, Collab]:
    """The rows; a library on disk for one Collab only, which is shown."""
    chance = random.Random(7)
    people = insert(User(username=f"p{n}", email=f"p{n}@example.org", first_name=f"P{n}") for n in range(PEOPLE))
    me = User.objects.create_user("me", email="me@example.org", password="unused")
    subject = services.create_collab(people[0], title="The Collab", description=_text(chance), is_public=True)
    collabs = insert(
        Collab(
            slug=f"c{n}",
            title=(title := f"{_text(chance, 3).title()} {n}"),
            title_key=title.lower(),
            description=_text(chance),
            is_public=n % 4 == 0,
            created_by=people[n % PEOPLE],
            archived_at=timezone.now() if n % 20 == 19 else None,
        )
        for n in range(COLLABS)
    )
    collabs = list(Collab.objects.exclude(pk=subject.pk).order_by("pk"))
    roles = list(Role)
    insert(
        Membership(collab=collab, user=user, role=roles[min(place, 2)])
        for collab in collabs
        for place, user in enumerate(chance.sample(people, MEMBERS))
    )
    insert(Membership(collab=subject, user=user, role=Role.VIEWER) for user in people[1:2000])
    insert(Tag(collab=collab, name=name) for collab in collabs for name in chance.sample(TAGS, 3))
    insert(_library(collab) for collab in collabs)
    _join_by_groups(me, people, collabs, subject)
    insert(Favourite(user=me, collab=collab) for collab in collabs[:8])
    libraries = Library.objects.filter(owner_collab__in=[*collabs[:MINE], subject])
    insert(_file(library, n, people[n]) for library in libraries for n in range(FILES))
    insert(_file(subject.library, n, people[n % 50]) for n in range(FILES, 5000))
    readme = "# The Collab\n\n" + "".join(f"## Part {n}\n\n{_text(chance, 60)} [a](a{n}.md)\n\n" for n in range(20))
    (layout.find(subject.library.pk) / "README.md").write_text(readme)
    call_command("rebuild_search", stdout=io.StringIO())
    return me, subject


def _folder(me: User) -> str:
    """Address of a folder with IN_FOLDER files, a tenth of them notebooks."""
    library = library_services.create_library(me, "Data")
    layout.settle(library.pk)
    folder = layout.find(library.pk) / "many"
    folder.mkdir()
    for number in range(IN_FOLDER - 1):
        kind = "csv" if number % 10 else "ipynb"
        (folder / f"Measurement {number * 7919 % 1000} of run {number}.{kind}").write_bytes(b"x" * (number * 1000))
    (folder / "about.md").write_text("# About\n\nWhat was *measured*.\n")
    return f"/drive/{library.pk}/many/"


def _text(chance: random.Random, words: int = 20) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words))


def _library(collab: Collab) -> Library:
    name = collab.title
    return Library(
        owner_collab=collab,
        name=name,
        name_key=name.lower(),
        shared_name=name,
        shared_key=name.lower(),
        is_public=collab.is_public,
    )


def _file(library: Library, number: int, author: User) -> File:
    path = f"folder {number % 7}/file {number}.{'md' if number % 10 == 0 else 'csv'}"
    columns = {"signature": "", "changed_at": timezone.now(), "changed_by": author, "via": Via.WEB, "is_captured": True}
    return File(library=library, path=path, path_key=f"{number}", **columns)


def _join_by_groups(me: User, people: list[User], collabs: list[Collab], subject: Collab) -> None:
    """A chain of groups, each inside the one before; the person is in the innermost, and so in all of them."""
    chain = [group_services.create_group(people[0], name=f"Group {n}") for n in range(GROUPS)]
    for outer, inner in itertools.pairwise(chain):
        group_services.nest(people[0], outer, inner)
    for user in [me, *people[1:50]]:
        group_services.add_person(people[0], chain[-1], user)
    insert(
        GroupRole(collab=collab, group=chain[n % GROUPS], role=Role.EDITOR)
        for n, collab in enumerate([*collabs[: MINE - 1], subject])
    )


# Measuring


def _in_process(browser: Browser, name: str, address: str) -> None:
    browser.get(address)
    with CaptureQueriesContext(connection) as captured:
        response = browser.get(address)
    queries = captured.captured_queries
    assert response.status_code == 200, (address, response.status_code)
    size = len(browser.get(address, headers={"Accept-Encoding": "gzip"}).content) / 1000
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        browser.get(address)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    figures = f"median {statistics.median(times):6.1f} ms   p95 {times[int(RUNS * 0.95) - 1]:6.1f} ms"
    figures += f"   {size:5.1f} kB"
    print(f"  {name:36} {len(queries):3} queries   {figures}", flush=True)
    if os.environ.get("BENCH_QUERIES"):
        for query in sorted(queries, key=lambda query: -float(query["time"]))[:4]:
            print(f"      {query['time']} {query['sql'][:1500]}")


@contextmanager
def _server() -> Iterator[str]:
    """gunicorn as the Procfile has it; yields its socket's path."""
    with tempfile.TemporaryDirectory(prefix="web-") as directory:
        address = f"{directory}/web.sock"
        # nginx sees when a kept connection is closed; the client here does not look.
        options = ["--workers", "2", "--threads", "8", "--keep-alive", "60", "--no-control-socket"]
        command = [sys.executable, "-m", "gunicorn", *HOOKS, "portal.wsgi", "--bind", f"unix:{address}"]
        command += [*options, "--log-level", "error"]
        process = subprocess.Popen(command)
        try:
            while not Path(address).exists():
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait()


class Figures(NamedTuple):
    """Result of several simultaneous clients: requests per second; milliseconds."""

    rate: float
    median: float
    p95: float

    def __str__(self) -> str:
        return f"{self.rate:7.1f} requests/s   median {self.median:6.1f} ms   p95 {self.p95:6.1f} ms"


def _through_server(address: str, cookie: str, path: str) -> Figures:
    """Several clients at once, for SECONDS, each over one kept connection."""
    host = settings.PORTAL_URL.partition("//")[2]
    clients = [Client(address, host, {"Cookie": cookie}) for _ in range(CLIENTS)]
    for client in clients:
        assert client.get(path) == 200, path
    times: list[float] = []
    began_all = time.perf_counter()
    ends = began_all + SECONDS

    def work(client: Client) -> None:
        while (began := time.perf_counter()) < ends:
            client.get(path)
            times.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=work, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    lasted = time.perf_counter() - began_all
    return Figures(len(times) / lasted, statistics.median(times), times[int(len(times) * 0.95)])


def _roles(me: User, subject: Collab) -> None:
    """How long it takes to know who may do what, with the database's answer read whole."""
    questions: dict[str, Callable[[], object]] = {
        f"one person in one Collab (of {MINE})": lambda: subject.role_of(me),
        "one person in all their Collabs": lambda: _highest(EffectiveRole.objects.filter(user=me), "collab_id"),
        "the whole team of one Collab": lambda: _highest(EffectiveRole.objects.filter(collab=subject), "user_id"),
    }
    for name, ask in questions.items():
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            ask()
            times.append((time.perf_counter() - began) * 1000)
        print(f"  effective role, {name:40} median {statistics.median(times):6.2f} ms", flush=True)


def _highest(routes: QuerySet[EffectiveRole], of: str) -> dict[int, int]:
    """Rank of the highest role over all routes."""
    return dict(routes.values_list(of).annotate(rank=Max(role_rank())))
