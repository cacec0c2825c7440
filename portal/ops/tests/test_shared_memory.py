"""What the processes of one kind share: gunicorn's master and Celery's parents load the site before they fork."""

import gc
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from portal import celery

AS_GUNICORN_DOES = """
import gc, threading
from gunicorn.app.wsgiapp import WSGIApplication
from portal.ops import gunicorn_hooks
class Server:
    app = WSGIApplication("gunicorn portal.wsgi", prog="gunicorn")
gunicorn_hooks.when_ready(Server)
from django.db import connections
import drive.browser.views_folder, sys
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
assert "lab.pages.views" in sys.modules
assert not [each for each in connections.all(initialized_only=True) if each.connection is not None]
assert threading.active_count() == 1
print("loaded", callable(Server.app.wsgi()))
"""


@pytest.fixture
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_celerys_parents_keep_what_they_loaded_from_the_garbage_collection(thawed: None) -> None:
    celery.share_memory()
    before = gc.get_freeze_count()
    assert before > 10_000
    celery.share_memory()  # before each of its processes
    assert gc.get_freeze_count() <= before  # what was freed since is not counted any more


@pytest.mark.slow
def test_gunicorns_master_loads_all_and_opens_nothing_that_its_workers_would_share() -> None:
    command = [sys.executable, "-c", AS_GUNICORN_DOES, "portal.wsgi"]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "loaded True", done.stderr


@pytest.mark.parametrize("name", ["web", "webdav"])
def test_the_procfile_has_gunicorn_do_so(name: str) -> None:
    lines = dict(line.split(": ", 1) for line in Path(settings.BASE_DIR, "Procfile").read_text().splitlines())
    options = shlex.split(lines[name])
    assert options[options.index("--config") + 1] == "python:portal.ops.gunicorn_hooks"
