"""Packages that every Lab has for notebooks that were written for the EBRAINS Lab, in an interpreter of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.supervisor.sandbox_command import INSIDE
from tests.support.proxy_backends import Answer, Backend

CLIENT = """
import requests

class DriveApiClient:
    def __init__(self, username=None, password=None, token=None, env=""):
        self.drive_url = "https://drive.ebrains.eu"
        self._token, self.session = token, requests.Session()
        self.server = self.drive_url

    def get(self, address):
        return self.session.get(self.server + address, headers={"Authorization": "Bearer " + self._token})
"""
"""What the shim relies on, as in ebrains-drive 0.6.1 to 0.7.0; the real ones are tested in tests/seafile."""


def run(code: str, *paths: Path, **variables: Path | str) -> subprocess.CompletedProcess[str]:
    """As in a Lab, where `paths` have what somebody has installed. Environment variables without COLLABORATORY_."""
    given = {f"COLLABORATORY_{name.upper()}": str(value) for name, value in variables.items()}
    given |= {"PYTHONPATH": os.pathsep.join(map(str, [INSIDE / "packages", *paths]))}
    given |= dict.fromkeys(("http_proxy", "all_proxy"), "http://127.0.0.1:9")  # nobody is there
    return subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)


def test_a_token_is_the_labs_own_and_read_anew_each_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("lab_1\n")
    code = (
        "from clb_nb_utils import oauth; import clb_nb_utils.oauth, os; print(oauth.get_token());"
        "open(os.environ['COLLABORATORY_TOKEN_FILE'], 'w').write('lab_2'); print(clb_nb_utils.oauth.get_token())"
    )
    assert run(code, token_file=token).stdout.split() == ["lab_1", "lab_2"]


def test_the_missing_client_of_another_drive_says_what_to_use_here() -> None:
    for code in ("import ebrains_drive", "from ebrains_drive import DriveApiClient", "import ebrains_drive.client"):
        assert "~/drive has all libraries" in run(code).stderr
    caught = run("try:\n import ebrains_drive\nexcept ImportError as error:\n print(error.name)")
    assert caught.stdout.strip() == "ebrains_drive"


def test_one_that_somebody_installed_is_used(tmp_path: Path) -> None:
    package = tmp_path / "ebrains_drive"
    package.mkdir()
    (package / "__init__.py").write_text("from .client import connect\n")
    (package / "client.py").write_text("def connect(): return 'theirs'\n")
    code = "import ebrains_drive, ebrains_drive.client as client; print(ebrains_drive.connect(), client.__name__)"
    assert run(code, tmp_path).stdout.strip() == "theirs ebrains_drive.client"


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Backend]:
    """The portal's socket, with a small server behind it."""
    made = Backend(tmp_path / "socket", lambda request: Answer(body=b"answer"))
    yield made
    made.stop()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory in which somebody has installed a client of the EBRAINS Drive."""
    package = tmp_path / "installed/ebrains_drive"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from ebrains_drive.client import DriveApiClient\n"
        "def connect(username=None, password=None, token=None, env=''):\n"
        "    return DriveApiClient(username, password, token, env)\n"
    )
    (package / "client.py").write_text(CLIENT)
    return package.parent


@pytest.mark.slow
def test_with_the_labs_token_or_without_any_it_asks_this_site_over_the_socket(
    installed: Path, tmp_path: Path, portal: Backend
) -> None:
    token = tmp_path / "token"
    code = (
        "import ebrains_drive; from ebrains_drive.client import DriveApiClient; from clb_nb_utils import oauth\n"
        "import os, pathlib; token = pathlib.Path(os.environ['COLLABORATORY_TOKEN_FILE'])\n"
        "for number, make in enumerate((ebrains_drive.connect, DriveApiClient,\n"
        "        lambda: DriveApiClient(token=oauth.get_token()))):\n"
        "    token.write_text('lab_old\\n'); client = make(); token.write_text(f'lab_{number}\\n')\n"
        "    print(client.server, client.get('/api2/repos/').text)"
    )
    done = run(code, installed, token_file=token, socket=portal.path)
    assert done.stdout.splitlines() == ["http://portal answer"] * 3, done.stderr
    assert [one.header("Authorization") for one in portal.seen] == [f"Bearer lab_{number}" for number in range(3)]
    assert {one.header("Connection") for one in portal.seen} == {"close"}


@pytest.mark.slow
def test_with_other_credentials_it_is_as_it_was(installed: Path, tmp_path: Path) -> None:
    """A Lab's token goes nowhere else, and a token of another site does not come here."""
    (tmp_path / "token").write_text("lab_1\n")
    code = (
        "import ebrains_drive\n"
        "for given in ({'token': 'ey.ey.x'}, {'username': 'ada', 'password': 'x'}):\n"
        "    client = ebrains_drive.connect(**given)\n"
        "    print(client.server, client._token, [*client.session.adapters])"
    )
    done = run(code, installed, token_file=tmp_path / "token")
    adapters = "['https://', 'http://']"
    expected = [f"https://drive.ebrains.eu {token} {adapters}" for token in ("ey.ey.x", "None")]
    assert done.stdout.splitlines() == expected, done.stderr
