"""Static files of JupyterLab and Jupyter Notebook, published: out of an environment, packed, for nginx to serve.

A browser then gets JupyterLab without any Jupyter server: before one runs, and beside one that has other work. Only
files with a content hash in their name are published, so an address names one content for ever; what is not there, such
as an extension that a person installed, nginx sends on to the person's own server. Nothing in here is anybody's: it is
what is in packages.

    LAB_STATIC_FILES/<id>/<path>            with `.br` and `.gz` beside what is text; the id is a hash of the content
    LAB_ROOT/static/<digest of prefix>      the ids of what an environment has, as JSON

Packages wrote what is read here: nothing that is not a file in a folder of the environment is followed.
"""

import gzip
import hashlib
import json
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings

from lab.supervisor.sandbox_command import INSIDE
from portal.file_lock import file_lock

log = logging.getLogger(__name__)

ADDRESS = "/.collaboratory/jupyterlab"
"""On a Lab's origin; deploy/nginx.conf.template serves what is below."""
NOTEBOOK = "notebook"
OPTIONS = {"static": "labStaticUrl", NOTEBOOK: "notebookStaticUrl", "extensions": "fullLabextensionsUrl"}
"""In page_config.json, by what is published. The first two are our own (published.py, simple_view.py of the Lab)."""
NAMED_BY_CONTENT = re.compile(r"(?:[^/]*\.)?[0-9a-f]{16,64}\.(?:js|css|svg|woff2?|ttf|eot|png|gif|jpe?g|wasm)")
PACKED = (".js", ".css", ".svg", ".ttf", ".eot", ".wasm")
BROTLI_QUALITY = 9
"""11 takes ten times as long, for 4 % less."""
LEFT_OUT = "jupyterlab-plotly"
"""An extension that JupyterLab's pages do not load (lab/supervisor/inside/plotly_script.py)."""
MOST_BYTES = 2**28
"""Of one environment: these are read into memory."""
UNUSED_SECONDS = 30 * 24 * 3600
Files = dict[str, bytes]
"""Contents by path."""


def publish(prefix: str) -> None:
    """Publish the files of the environment at this prefix; what was published before is recognised by its content."""
    index = _index(prefix)
    try:
        lab, notebook, extensions = (read(Path(prefix)) for read in (_lab_files, _notebook_files, _extension_files))
        ids = {"static": _keep(lab), "extensions": _keep(extensions)} if lab else {}
        ids |= {NOTEBOOK: _keep(notebook)} if lab and notebook else {}
    except (OSError, TooManyBytesError) as error:
        log.warning("The static files of %s are left to its servers: %s", prefix, error)
        ids = {}
    if not ids:
        index.unlink(missing_ok=True)
        return
    index.parent.mkdir(parents=True, exist_ok=True)
    fresh = index.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(ids))
    fresh.replace(index)


class TooManyBytesError(Exception):
    """An environment has more than MOST_BYTES of these files."""


def page_options(prefix: str) -> dict[str, str]:
    """Options of JupyterLab's page that have its browser load the published files; empty where there are none."""
    ids = _ids(_index(prefix))
    return {option: f"{ADDRESS}/{part}/{ids[part]}" for part, option in OPTIONS.items() if part in ids}


def has_notebook(prefix: str) -> bool:
    """Whether the environment at this prefix has Jupyter Notebook 7, as far as is known."""
    return NOTEBOOK in _ids(_index(prefix))


def sweep(prefixes: list[str]) -> None:
    """Forget all environments but these, and delete folders that none has had for UNUSED_SECONDS."""
    kept = {_index(prefix) for prefix in prefixes}
    used = set()
    for index in _index("").parent.glob("*"):
        if index in kept:
            used |= set(_ids(index).values())
        elif index.is_file():
            index.unlink(missing_ok=True)
    for folder in settings.LAB_STATIC_FILES.glob("*/"):
        if folder.name not in used and folder.stat().st_mtime < time.time() - UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _ids(index: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(index.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _index(prefix: str) -> Path:
    return settings.LAB_ROOT / "static" / hashlib.sha256(prefix.encode()).hexdigest()[:32]


def _lab_files(prefix: Path) -> Files:
    return _read({"": prefix / "share/jupyter/lab/static"}, prefix)


def _notebook_files(prefix: Path) -> Files:
    """Of Jupyter Notebook from version 7 on, which is as JupyterLab is, in a package of the environment's Python."""
    pages = sorted(prefix.glob("lib/python3*/site-packages/notebook/templates/notebooks.html"))
    return _read({"": pages[0].parent.parent / "static"}, prefix) if pages else {}


def _extension_files(prefix: Path) -> Files:
    """Those of the environment, and the one that every Lab sees."""
    directory = prefix / "share/jupyter/labextensions"
    ours = {f"{folder.name}/static/": folder / "static" for folder in (INSIDE / "labextensions").iterdir()}
    theirs = {f"{name}/static/": directory / name / "static" for name in _extension_names(directory)}
    return _read(theirs, prefix) | _read(ours, INSIDE)


def _extension_names(directory: Path) -> Iterator[str]:
    """Such as `jupyterlab_pygments` and `@jupyter-widgets/jupyterlab-manager`."""
    for name in sorted(os.listdir(directory)) if directory.is_dir() else ():
        if name.startswith("@") and (directory / name).is_dir():
            yield from (f"{name}/{inner}" for inner in sorted(os.listdir(directory / name)))
        elif name != LEFT_OUT:
            yield name


def _read(folders: dict[str, Path], within: Path) -> Files:
    """Files that are named by their content, directly in these folders; keys: what their paths begin with."""
    found: Files = {}
    left = MOST_BYTES
    for start, folder in folders.items():
        if not folder.is_dir() or folder.resolve() != within.resolve() / folder.relative_to(within):
            continue  # through a link, which may lead to anything of this machine
        for name in sorted(os.listdir(folder)):
            if NAMED_BY_CONTENT.fullmatch(name) and (content := _content(folder / name, left)) is not None:
                found[start + name] = content
                left -= len(content)
    return found


def _content(path: Path, most: int) -> bytes | None:
    """Content of a regular file; None for what is none. Raises TooManyBytesError."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TooManyBytesError(f"They have more than {MOST_BYTES} bytes.")
    return content


def _keep(files: Files) -> str:
    """Have the folder with these files; returns its id."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    name = digest.hexdigest()[:32]
    folder = settings.LAB_STATIC_FILES / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(folder.parent / ".lock"):  # two at once would pack the same
        if folder.is_dir():
            os.utime(folder)
        else:
            _write(files, folder)
    return name


def _write(files: Files, folder: Path) -> None:
    """The folder is whole, or not there."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
        fresh = Path(temporary, "fresh")
        fresh.mkdir()
        for path, content in files.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(content)
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # neither holds the interpreter's lock
            list(threads.map(_pack, [fresh / path for path in files if path.endswith(PACKED)]))
        fresh.rename(folder)


def _pack(path: Path) -> None:
    import brotli  # here: of all processes that import this module one packs

    content = path.read_bytes()
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    path.with_name(f"{path.name}.br").write_bytes(brotli.compress(content, quality=BROTLI_QUALITY))
