"""A repository to fetch, and the program of a Lab that fetches it."""

import functools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .upstream import Pull, Quiet, Upstream

INSIDE = Path(__file__).parents[2] / "supervisor/inside"
PROGRAM = INSIDE / "git_pull.py"


@pytest.fixture(scope="session", autouse=True)
def importable() -> Iterator[None]:
    """In the Lab, the program finds its modules beside it."""
    sys.path.insert(0, str(INSIDE))
    yield
    sys.path.remove(str(INSIDE))


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of the web server."""
    (tmp_path / "www").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield serving.server_address[1]
        serving.shutdown()


@pytest.fixture(scope="session")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every test's repository is a copy of."""
    root = tmp_path_factory.mktemp("first-commit")
    made = Upstream(root)
    made.begin()
    made.put(a__txt="one\n", b__txt="b\n", nb__ipynb='{"cells": [\n1,\n2,\n3,\n4,\n5\n]}\n')
    return root


@pytest.fixture
def upstream(tmp_path: Path, port: int, first_commit: Path) -> Upstream:
    shutil.copytree(first_commit, tmp_path, dirs_exist_ok=True)
    return Upstream(tmp_path, port)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "library").mkdir()
    return tmp_path.resolve() / "library/course"


@pytest.fixture
def pull(upstream: Upstream, mine: Path) -> Pull:
    """Run the program as the Lab does; returns its last line."""

    def run(
        repo: str = "", *, branch: str = "", directory: Path = mine, allow: tuple[str, ...] = ("127.0.0.1",)
    ) -> Any:
        request = {"repo": repo or upstream.url, "branch": branch, "directory": str(directory), "allow": allow}
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM)], input=json.dumps(request), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    return run
