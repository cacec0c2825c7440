"""The formats that notebooks can be exported to (`GET /api/nbconvert`), found once for as long as nothing is installed.

JupyterLab asks for them as it starts, for its menu. nbconvert makes each exporter three times to answer, and looks at
every installed package as often: 0.2 to 0.5 s of the processor while a notebook is being opened. A fork server has
found them before it forks.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from anyio.to_thread import run_sync
from jupyter_server.auth.decorator import authorized
from jupyter_server.services.nbconvert.handlers import NbconvertRootHandler
from tornado import web
from traitlets.config import get_config


class Found(NamedTuple):
    """The formats, and in which state of the environment they were found."""

    state: "list[Any]"
    formats: "dict[str, dict[str, str]]"


_found: "list[Found]" = []
"""The last one, or none."""


def formats() -> "dict[str, dict[str, str]]":
    """Media types by the names of exporters, as Jupyter answers."""
    state = _state()
    if not _found or _found[0].state != state:
        _found[:] = [Found(state, _find())]
    return _found[0].formats


def _state() -> "list[Any]":
    """What decides which exporters there are: each folder of packages as it was changed last, and configuration."""
    changed = []
    for folder in sys.path:
        try:
            changed.append((folder, Path(folder).stat().st_mtime_ns))
        except OSError:
            continue  # it is not there, as most archives of the standard library
    options = {name: repr(value) for name, value in get_config().items() if name.endswith(("Exporter", "Preprocessor"))}
    return [sorted(changed), options]


def _find() -> "dict[str, dict[str, str]]":
    from nbconvert.exporters import base

    found = {}
    for name in base.get_export_names():
        try:
            found[name] = {"output_mimetype": base.get_exporter(name).output_mimetype}
        except ValueError:  # it was removed meanwhile
            continue
    return found


class FormatsHandler(NbconvertRootHandler):
    """Jupyter's own, which finds them each time."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        try:
            self.finish(await run_sync(formats))
        except ImportError as error:
            raise web.HTTPError(500, f"Could not import nbconvert: {error}") from error
