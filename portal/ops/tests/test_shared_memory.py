"""What processes share: the loader has all of the site before it forks, and gunicorn's master where there is none."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

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


AS_THE_LOADER_DOES = """
import gc, sys, threading
from portal.ops import loader
loader.load()
from django.db import connections
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
for name in ("lab.pages.views", "webdav.views", "rooms.server.asgi", "drive.tasks", "celery.worker"):
    assert name in sys.modules, name
assert not [each for each in connections.all(initialized_only=True) if each.connection is not None]
assert threading.active_count() == 1
print("loaded")
"""


@pytest.mark.slow
def test_the_loader_has_all_and_opens_nothing_that_the_others_would_share() -> None:
    command = [sys.executable, "-c", AS_THE_LOADER_DOES]
    environment = os.environ | {"CELERY_SKIP_CHECKS": "1"}
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "loaded", done.stderr


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
