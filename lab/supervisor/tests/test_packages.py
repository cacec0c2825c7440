"""Packages that every Lab has for notebooks that were written for the EBRAINS Lab, in an interpreter of their own."""

import os
import subprocess
import sys
from pathlib import Path

from lab.supervisor.sandbox_command import INSIDE


def run(code: str, *paths: Path, token: Path | None = None) -> subprocess.CompletedProcess[str]:
    """As in a Lab, where `paths` have what somebody has installed."""
    variables = {"PYTHONPATH": os.pathsep.join(map(str, [INSIDE / "packages", *paths]))}
    variables |= {"COLLABORATORY_TOKEN_FILE": str(token)} if token else {}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)


def test_a_token_is_the_labs_own_and_read_anew_each_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("lab_1\n")
    code = (
        "from clb_nb_utils import oauth; import clb_nb_utils.oauth, os; print(oauth.get_token());"
        "open(os.environ['COLLABORATORY_TOKEN_FILE'], 'w').write('lab_2'); print(clb_nb_utils.oauth.get_token())"
    )
    assert run(code, token=token).stdout.split() == ["lab_1", "lab_2"]


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
