"""bin/release packs a version, and its signature is verified by the commands of docs/how-to/deploy.md."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ..support.site import CODE

CHANGELOG = "# Changelog\n\n## 1.2.3 – 2026-01-31\n\n- All.\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With one commit of a version."""
    made = tmp_path / "code"
    (made / "bin").mkdir(parents=True)
    shutil.copy(CODE / "bin/release", made / "bin")
    (made / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.2.3"\n')
    (made / "CHANGELOG.md").write_text(CHANGELOG)
    git(made, "init", "-q")
    commit(made)
    return made


def git(place: Path, *words: str) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=place, check=True)


def commit(place: Path) -> None:
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "A version")


def release(place: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "bin/release", *map(str, words)]
    return subprocess.run(command, cwd=place, capture_output=True, text=True)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    made = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made], check=True)
    return made


def verify(place: Path) -> bool:
    """The commands that the documentation gives."""
    text = (CODE / "docs/how-to/deploy.md").read_text()
    [command] = re.findall(r"^(ssh-keygen -Y verify .*)$", text, re.M)
    done = subprocess.run(["sh", "-c", command], cwd=place, capture_output=True, env=dict(os.environ))
    return done.returncode == 0


def test_it_packs_and_signs_what_others_can_verify(repository: Path, tmp_path: Path, key: Path) -> None:
    done = release(repository, tmp_path / "out", "--key", key)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"collaboratory-1.2.3.tar.gz", "SHA256SUMS", "SHA256SUMS.sig"}
    with tarfile.open(out / "collaboratory-1.2.3.tar.gz") as archive:
        assert "collaboratory-1.2.3/bin/release" in archive.getnames()
    (out / "allowed_signers").write_text(done.stdout.partition("allowed_signers: ")[2].splitlines()[0] + "\n")
    assert verify(out)
    archive_file = out / "collaboratory-1.2.3.tar.gz"
    content = archive_file.read_bytes()
    archive_file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not verify(out)
    archive_file.write_bytes(content)
    (out / "SHA256SUMS").write_text((out / "SHA256SUMS").read_text().upper())
    assert not verify(out)


def test_another_key_is_not_taken(repository: Path, tmp_path: Path, key: Path) -> None:
    out = tmp_path / "out"
    line = release(repository, out, "--key", key).stdout.partition("allowed_signers: ")[2].splitlines()[0]
    (out / "allowed_signers").write_text(f"{line}\n")
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    assert release(repository, out, "--key", other).returncode == 0
    assert not verify(out)


def test_the_same_commit_is_the_same_archive(repository: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        release(repository, tmp_path / name)
    first, second = ((tmp_path / name / "SHA256SUMS").read_text() for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize(
    "heading", ["## Unreleased\n\n- More.\n\n## 1.2.3 – 2026-01-31", "## 1.2.2 – 2026-01-31", "##"]
)
def test_it_packs_no_version_that_the_changelog_does_not_have(repository: Path, tmp_path: Path, heading: str) -> None:
    (repository / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n")
    assert "not committed" in release(repository, tmp_path / "out").stderr
    commit(repository)
    done = release(repository, tmp_path / "out")
    assert (done.returncode, "The first heading of CHANGELOG.md is" in done.stderr) == (1, True)
    assert not (tmp_path / "out").exists()
