"""Configuration of gunicorn: `gunicorn --config python:portal.ops.gunicorn_hooks portal.wsgi`.

Its master loads the site once and forks the workers, which so share most of their memory. Not `--preload`: that would
load it before the socket is there, and requests in the meantime would be refused instead of waiting.
"""

import gc

from django.template.loader import get_template
from django.urls import reverse
from gunicorn.arbiter import Arbiter

FIRST_PAGE = "portal/home.html"


def when_ready(server: Arbiter) -> None:
    """Called when the socket is listened on, before the first worker: load what the first page would load.

    The garbage collection of the workers leaves that alone: it would write into every page of memory that they share.
    """
    server.app.wsgi()
    reverse("account")  # imports the views of all apps
    get_template(FIRST_PAGE)
    gc.collect()
    gc.freeze()
