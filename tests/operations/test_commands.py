"""What bin/ is made of: places, settings, and keeping processes alive."""

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.site import CODE, wait_for

sys.path.insert(0, str(CODE / "bin/lib"))

import machine
import manage_command
import nginx
from installation import SOCKET_PATH_BYTES, Installation, is_set, site_programs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A place with its state in a directory of this test."""
    for name in ("COLLABORATORY_RUN", "DRIVE_ROOT", "LAB_ROOT", "PORT", "PORTAL_URL", "LAB_DOMAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLLABORATORY_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = Installation(CODE)
    place.make_directories()
    return place


def test_it_keeps_its_state_to_itself(place: Installation) -> None:
    for directory in (place.var, place.run):
        assert directory.stat().st_mode & 0o077 == 0


def test_it_names_the_commit_and_obeys_no_configuration_of_the_repository(tmp_path: Path) -> None:
    """Root asks for it, and the repository may be another account's."""
    code, beside = tmp_path / "code", tmp_path / "beside"
    configuration = code / ".git/config"
    code.mkdir()

    def git(*words: str) -> str:
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", str(code), *who, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    assert Installation(code).commit() == ""
    git("init", "-q", "-b", "main")
    assert Installation(code).commit() == "", "nothing is in it"
    git("commit", "-q", "--allow-empty", "-m", "One")
    git("worktree", "add", "-q", str(beside), "-b", "other/branch")
    head, right = git("rev-parse", "HEAD"), configuration.read_text()
    for change in (["pack-refs", "--no-all"], ["pack-refs", "--all"], ["checkout", "-q", "--detach"]):
        git(*change)
        configuration.write_text("[whoever reads this fails")
        assert [Installation(place).commit() for place in (code, beside)] == [head[:7]] * 2, change
        configuration.write_text(right)


def test_it_moves_sockets_of_a_deep_checkout_to_a_short_path(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    place.var = Path("/home", "a" * SOCKET_PATH_BYTES)
    assert place.run.parent == Path("/run/user/1000")
    place.var = Path("/srv/var")
    assert place.run == Path("/srv/var/run")


@pytest.fixture
def deep() -> Iterator[Path]:
    """A directory for sockets whose path is as long as it may be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        made = Path(top, "r" * (SOCKET_PATH_BYTES - len(top) - 1))
        made.mkdir()
        yield made


@pytest.mark.sandbox
def test_the_proxy_takes_the_longest_paths_and_names(
    place: Installation, deep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = ".".join(["institute-of-long-names"] * 4)
    monkeypatch.setenv("PORTAL_URL", f"http://{host}:9000")
    monkeypatch.setenv("LAB_DOMAIN", f"lab.{host}:9000")
    written = nginx.write(CODE, place.var, deep, place.settings(9000))
    tried = subprocess.run(["nginx", "-t", "-e", "stderr", "-c", written], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr


def test_it_refuses_a_directory_of_somebody_else(place: Installation, tmp_path: Path) -> None:
    place.run.rmdir()
    place.run.symlink_to(tmp_path)
    with pytest.raises(SystemExit, match="another account"):
        place.make_directories()


def test_it_prefers_the_environment_to_the_file_and_the_file_to_defaults(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.var / "settings.env").write_text("# a comment\nLAB_IDLE_LIMIT=60\nSITE_NAME=From = the file\n")
    monkeypatch.setenv("SITE_NAME", "From the environment")
    settings = place.settings(9000)
    assert settings["LAB_IDLE_LIMIT"] == "60"
    assert settings["SITE_NAME"] == "From the environment"
    assert (settings["PORTAL_URL"], settings["LAB_DOMAIN"]) == ("http://localhost:9000", "lab.localhost:9000")


def test_it_makes_one_secret(place: Installation) -> None:
    place.make_secret()
    secret = (place.var / "secret-key").read_text()
    place.make_secret()
    assert (place.var / "secret-key").read_text() == secret
    assert (place.var / "secret-key").stat().st_mode & 0o077 == 0


def test_it_renews_a_copy_in_place(place: Installation, tmp_path: Path) -> None:
    place.code, place.fresh = tmp_path / "code", tmp_path / "fresh"
    for name, text in {"code/old/gone.py": "", "code/kept.py": "1", "fresh/kept.py": "2", "fresh/new/a.py": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    inode = place.code.stat().st_ino
    place.update_copy()
    assert sorted(str(path.relative_to(place.code)) for path in place.code.rglob("*")) == ["kept.py", "new", "new/a.py"]
    assert (place.code / "kept.py").read_text() == "2"
    assert place.code.stat().st_ino == inode  # processes may be working in it
    assert not place.fresh.exists()


Keep = Callable[..., subprocess.Popen]


@pytest.fixture
def keep(place: Installation, tmp_path: Path) -> Iterator[Keep]:
    """Runs bin/keep with these lines for a Procfile, and ends it."""
    started: list[subprocess.Popen] = []

    def run(*lines: str) -> subprocess.Popen:
        (tmp_path / "Procfile").write_text("".join(f"{line}\n" for line in lines))
        environment = os.environ | {"COLLABORATORY_RUN": str(place.run)}
        command = [sys.executable, "-S", str(CODE / "bin/keep"), str(tmp_path / "Procfile")]
        started.append(subprocess.Popen(command, env=environment, cwd=CODE, stdout=subprocess.DEVNULL))
        return started[-1]

    yield run
    for process in started:
        process.terminate()  # it then ends what its processes left in the background
        process.wait(20)


def pids(record: Path) -> list[int]:
    """The process ids that a script wrote."""
    return [int(line) for line in record.read_text().split()] if record.exists() else []


def lives(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def line(name: str, script: str) -> str:
    """Of a Procfile: a shell that tells its number and goes on with this."""
    return f"{name}: sh -c 'echo $$ >> {script}'"


def test_it_starts_a_dead_process_again_and_ends_what_it_left(keep: Keep, tmp_path: Path) -> None:
    record, children = tmp_path / "pids", tmp_path / "children"
    keep(line("test", f"{record}; sleep 1000 & echo $! >> {children}; exec sleep 1000"))
    wait_for(lambda: len(pids(children)) == 1, 30, "it did not start")
    os.kill(pids(record)[0], signal.SIGKILL)
    wait_for(lambda: len(pids(children)) == 2, 30, "it was not started again")
    assert not lives(pids(children)[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_ends_all_processes_with_itself(keep: Keep, tmp_path: Path, number: int) -> None:
    record = tmp_path / "pids"
    keeper = keep(*[line(name, f"{record}; exec sleep 1000") for name in ("first", "second")])
    wait_for(lambda: len(pids(record)) == 2, 30, "they did not start")
    keeper.send_signal(number)
    assert keeper.wait(20) == (-number if number == signal.SIGKILL else 0)
    wait_for(lambda: not any(map(lives, pids(record))), 30, "a process went on")


def test_it_ends_the_broker_last(keep: Keep, tmp_path: Path) -> None:
    """A worker gives back the tasks that it cannot end, which takes a broker."""
    record, order = tmp_path / "pids", tmp_path / "order"
    script = f'trap "echo $0 >> {order}; exit" TERM; echo $$ >> {record}; while :; do sleep 0.05; done'
    keeper = keep(*[f"{name}: sh -c '{script}' {name}" for name in ("broker", "worker", "web")])
    wait_for(lambda: len(pids(record)) == 3, 30, "they did not start")
    keeper.terminate()
    assert keeper.wait(20) == 0
    assert order.read_text().split()[-1] == "broker"
    assert sorted(order.read_text().split()) == ["broker", "web", "worker"]


def deaf(record: Path) -> str:
    """Line of a Procfile: a process that does not end when it is told to."""
    return f"test: sh -c 'trap \"\" TERM; echo $$ >> {record}; while :; do sleep 0.05; done'"


def test_it_kills_what_does_not_end(keep: Keep, tmp_path: Path) -> None:
    record = tmp_path / "pids"
    keeper = keep(deaf(record))
    wait_for(lambda: pids(record), 30, "it did not start")
    keeper.terminate()
    assert keeper.wait(30) == 0
    assert not lives(pids(record)[0])


def test_it_waits_longer_each_time_for_what_dies_at_once(keep: Keep, tmp_path: Path) -> None:
    record = tmp_path / "pids"
    began = time.monotonic()
    keep(line("test", str(record)))
    wait_for(lambda: len(pids(record)) == 4, 30, "it was not started again")
    assert time.monotonic() - began > 0.2 + 0.4 + 0.8  # its pauses: no machine is too fast for that


def test_a_keeper_ends_what_a_killed_one_left_before_it_starts_its_own(
    keep: Keep, place: Installation, tmp_path: Path
) -> None:
    record, noted = tmp_path / "pids", place.run / "test.keep"
    keeper = keep(deaf(record))
    wait_for(lambda: pids(record) and noted.exists(), 30, "it did not start")
    keeper.kill()
    keeper.wait()
    keep(deaf(record))
    wait_for(lambda: len(pids(record)) == 2, 30, "it was not started again")
    assert not lives(pids(record)[0])


def test_bin_up_starts_a_killed_keeper_again(place: Installation, tmp_path: Path) -> None:
    """All comes back, not only what a keeper keeps."""
    record, procfile = tmp_path / "pids", tmp_path / "Procfile"
    procfile.write_text(line("test", f"{record}; exec sleep 1000") + "\n")
    program = "import keeper, os, pathlib, sys; keeper.keep(sys.argv[1:], cwd=pathlib.Path(), env=dict(os.environ))"
    environment = os.environ | {"COLLABORATORY_RUN": str(place.run), "PYTHONPATH": str(CODE / "bin/lib")}
    command = [sys.executable, "-c", program, sys.executable, "-S", "bin/keep", str(procfile)]
    up = subprocess.Popen(command, env=environment, cwd=CODE, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(pids(record)) == 1, 30, "it did not start")
        os.kill(parent(pids(record)[0]), signal.SIGKILL)
        wait_for(lambda: len(pids(record)) == 2, 30, "it was not started again")
        wait_for(lambda: not lives(pids(record)[0]), 30, "the process of the killed one went on")
    finally:
        up.terminate()
        assert up.wait(20) == 0
    assert not any(map(lives, pids(record)))


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_settings_are_read_where_root_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a checkout that the account cannot read, a copy is run, whose state is beside it."""
    here = pwd.getpwuid(os.getuid())
    account = pwd.struct_passwd([*here[:5], str(tmp_path), *here[6:]])
    monkeypatch.delenv("COLLABORATORY_VAR", raising=False)
    monkeypatch.delenv("LDAP_URL", raising=False)
    monkeypatch.delenv("RESTIC_REPOSITORY", raising=False)
    monkeypatch.setattr(machine, "is_root", lambda: True)
    monkeypatch.setattr(machine, "account", lambda: account)
    monkeypatch.setattr(Installation, "is_readable", lambda *_: False)
    assert not is_set("LDAP_URL")
    var = Installation(CODE).as_it_runs().var
    assert var.is_relative_to(tmp_path)
    var.mkdir(parents=True)
    (var / "settings.env").write_text("LDAP_URL=ldaps://here\nRESTIC_REPOSITORY=/mnt/disk\n")
    assert "gcc" in site_programs()
    assert manage_command.backup_programs() == {"restic": "restic"}
    monkeypatch.setenv("COLLABORATORY_VAR", str(tmp_path / "other"))
    assert not is_set("LDAP_URL")


def test_restic_is_installed_where_a_repository_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLLABORATORY_VAR", str(tmp_path))
    monkeypatch.delenv("RESTIC_REPOSITORY", raising=False)
    monkeypatch.setattr(machine, "can_install", lambda: True)
    monkeypatch.setattr(sys, "argv", ["backup", "/srv/backups", "--keep", "3"])
    assert manage_command.backup_programs() == {}
    (tmp_path / "settings.env").write_text("SITE_NAME=Here\nRESTIC_REPOSITORY=/mnt/disk\n")
    assert manage_command.backup_programs() == {"restic": "restic"}
    (tmp_path / "settings.env").unlink()
    monkeypatch.setattr(sys, "argv", ["restore", "/srv/backups", "--repository=/mnt/disk"])
    assert manage_command.backup_programs() == {"restic": "restic"}
    monkeypatch.setattr(machine, "can_install", lambda: False)
    assert manage_command.backup_programs() == {}
