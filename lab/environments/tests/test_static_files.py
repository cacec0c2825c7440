"""Publishing what JupyterLab is made of: what is taken out of an environment, and what is not."""

import gzip
import json
import os
import time
from pathlib import Path

import brotli
import pytest
from django.conf import settings

from lab.environments import static_files

MAIN = "main.0123456789abcdef.js"
PROGRAM = b"function of(jupyterlab) { return jupyterlab; }" * 100
EXTENSION = "remoteEntry.0123456789abcdef0123.js"


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "LAB_ROOT", tmp_path / "lab")
    monkeypatch.setattr(settings, "LAB_STATIC_FILES", tmp_path / "published")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment with JupyterLab and two extensions."""
    prefix = tmp_path / "environment"
    put(prefix, f"lab/static/{MAIN}", PROGRAM)
    put(prefix, "lab/static/0123456789abcdef.woff", b"font")
    put(prefix, f"labextensions/plain/static/{EXTENSION}", PROGRAM)
    put(prefix, f"labextensions/@org/scoped/static/{EXTENSION}", PROGRAM)
    return prefix


def put(prefix: Path, path: str, content: bytes) -> Path:
    file = prefix / "share/jupyter" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def published(option: str, prefix: Path) -> set[str]:
    """Paths that are published for it, without the packed ones."""
    folder = folder_of(option, prefix)
    paths = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {path for path in paths if not path.endswith((".gz", ".br")) and not path.startswith("collaboratory/")}


def folder_of(option: str, prefix: Path) -> Path:
    address = static_files.page_options(str(prefix))[option]
    return Path(settings.LAB_STATIC_FILES, address.rpartition("/")[2])


def test_it_publishes_jupyterlab_and_its_extensions(prefix: Path) -> None:
    static_files.publish(str(prefix))
    assert published("labStaticUrl", prefix) == {MAIN, "0123456789abcdef.woff"}
    assert published("fullLabextensionsUrl", prefix) == {f"plain/static/{EXTENSION}", f"@org/scoped/static/{EXTENSION}"}
    ours = folder_of("fullLabextensionsUrl", prefix) / "collaboratory/static"
    assert list(ours.glob("remoteEntry.*.js")), "the extension that every Lab sees"


def test_it_publishes_jupyter_notebook_from_version_7_on(prefix: Path) -> None:
    static_files.publish(str(prefix))
    assert not static_files.has_notebook(str(prefix))
    package = prefix / "lib/python3.11/site-packages/notebook"
    (package / "static").mkdir(parents=True)
    (package / "templates").mkdir()
    (package / "static" / MAIN).write_bytes(PROGRAM)
    (package / "templates/notebook.html").touch()  # of version 6
    static_files.publish(str(prefix))
    assert not static_files.has_notebook(str(prefix))
    (package / "templates/notebooks.html").touch()
    static_files.publish(str(prefix))
    assert static_files.has_notebook(str(prefix))
    assert published("notebookStaticUrl", prefix) == {MAIN}


def test_it_follows_no_link_to_jupyter_notebook(prefix: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "static").mkdir(parents=True)
    (elsewhere / "templates").mkdir()
    (elsewhere / "templates/notebooks.html").touch()
    (elsewhere / "static" / MAIN).write_bytes(b"secret")
    (prefix / "lib/python3.11/site-packages").mkdir(parents=True)
    (prefix / "lib/python3.11/site-packages/notebook").symlink_to(elsewhere)
    static_files.publish(str(prefix))
    assert "notebookStaticUrl" not in static_files.page_options(str(prefix))


def test_it_packs_what_is_text(prefix: Path) -> None:
    static_files.publish(str(prefix))
    folder = folder_of("labStaticUrl", prefix)
    assert gzip.decompress((folder / f"{MAIN}.gz").read_bytes()) == PROGRAM
    assert brotli.decompress((folder / f"{MAIN}.br").read_bytes()) == PROGRAM
    assert not list(folder.glob("*.woff.*"))


def test_it_names_a_build_by_its_content(prefix: Path) -> None:
    static_files.publish(str(prefix))
    before = static_files.page_options(str(prefix))
    static_files.publish(str(prefix))
    assert static_files.page_options(str(prefix)) == before
    put(prefix, f"labextensions/plain/static/{EXTENSION}", b"another")
    static_files.publish(str(prefix))
    after = static_files.page_options(str(prefix))
    assert after["labStaticUrl"] == before["labStaticUrl"], "a browser keeps JupyterLab"
    assert after["fullLabextensionsUrl"] != before["fullLabextensionsUrl"]


@pytest.mark.parametrize(
    "name",
    ["index.html", "style.js", "package.json", "main.js", "0123456789abcdef.html", "main.0123456789abcdef.js.map"],
)
def test_it_leaves_to_the_server_what_may_change_under_its_name(prefix: Path, name: str) -> None:
    put(prefix, f"lab/static/{name}", b"x")
    put(prefix, f"labextensions/plain/static/{name}", b"x")
    static_files.publish(str(prefix))
    assert not [path for option in ("labStaticUrl", "fullLabextensionsUrl") for path in published(option, prefix)
                if path.endswith(name)]  # fmt: skip


@pytest.mark.parametrize("link", ["lab/static/" + MAIN, "lab/static", "labextensions/plain/static", "labextensions"])
def test_it_follows_no_link_out_of_the_environment(prefix: Path, tmp_path: Path, link: str) -> None:
    """A package could have made it, and what it leads to would be there for everybody."""
    path = prefix / "share/jupyter" / link
    secret = tmp_path / "secret"
    path.rename(secret)
    path.symlink_to(secret)
    static_files.publish(str(prefix))
    contents = [file.read_bytes() for file in settings.LAB_STATIC_FILES.rglob("*.js")]
    expected = {"lab/static/" + MAIN: 2, "lab/static": 0, "labextensions/plain/static": 2, "labextensions": 1}[link]
    assert contents.count(PROGRAM) == expected


def test_it_waits_for_no_pipe(prefix: Path) -> None:
    os.mkfifo(prefix / "share/jupyter/lab/static/pipe.0123456789abcdef.js")
    static_files.publish(str(prefix))
    assert published("labStaticUrl", prefix) == {MAIN, "0123456789abcdef.woff"}


def test_it_leaves_too_many_bytes_to_the_servers(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static_files.publish(str(prefix))
    monkeypatch.setattr(static_files, "MOST_BYTES", len(PROGRAM))
    static_files.publish(str(prefix))
    assert static_files.page_options(str(prefix)) == {}


def test_an_environment_that_is_not_there_has_no_options(tmp_path: Path) -> None:
    assert static_files.page_options(str(tmp_path / "nowhere")) == {}
    static_files.publish(str(tmp_path / "nowhere"))
    assert static_files.page_options(str(tmp_path / "nowhere")) == {}


def test_it_forgets_environments_that_are_gone(prefix: Path, tmp_path: Path) -> None:
    static_files.publish(str(prefix))
    used, folder = folder_of("labStaticUrl", prefix), folder_of("fullLabextensionsUrl", prefix)
    long_ago = time.time() - static_files.UNUSED_SECONDS - 60
    for path in (used, folder):
        os.utime(path, (long_ago, long_ago))
    static_files.sweep([str(prefix)])
    assert used.is_dir()
    assert folder.is_dir()
    static_files.sweep([])
    assert static_files.page_options(str(prefix)) == {}
    assert not used.exists()
    assert not folder.exists()


def test_it_keeps_for_a_while_what_browsers_may_still_ask_for(prefix: Path) -> None:
    static_files.publish(str(prefix))
    folder = folder_of("labStaticUrl", prefix)
    static_files.sweep([])
    assert folder.is_dir()


def test_a_broken_record_is_no_record(prefix: Path) -> None:
    static_files.publish(str(prefix))
    record = next(path for path in Path(settings.LAB_ROOT, "static").iterdir() if path.is_file())
    assert set(json.loads(record.read_text())) == {"static", "extensions"}
    record.write_text("{")
    assert static_files.page_options(str(prefix)) == {}
    static_files.sweep([str(prefix)])
