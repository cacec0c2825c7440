"""bin/up rotates the proxy's log: a real nginx goes on writing, into the new one; nothing else beside it is touched."""

import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.site import wait_for

sys.path.insert(0, str(settings.BASE_DIR / "bin/lib"))
import log_rotation

NOW = datetime.now(UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return folder / "access.log"


def line(day: datetime) -> str:
    return f'::1 {day.astimezone().isoformat(timespec="seconds")} localhost "GET /" 200 1 0.001 4f0c\n'


def old(path: Path) -> Path:
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def names(log: Path) -> set[str]:
    return {path.name for path in log.parent.iterdir()}


def test_it_waits_until_the_day_is_over(log: Path) -> None:
    assert not log_rotation.rotate(log, log.parent, 30, NOW)
    log.touch()
    assert not log_rotation.rotate(log, log.parent, 30, NOW)
    log.write_text(line(NOW))
    assert not log_rotation.rotate(log, log.parent, 30, NOW)
    assert names(log) == {"access.log"}
    assert log_rotation.rotate(log, log.parent, 30, NOW + timedelta(days=1))
    assert names(log) == {f"access.log-{NOW + timedelta(days=1):%Y%m%d-%H%M%S}"}


def test_it_knows_the_day_in_json(log: Path) -> None:
    log.write_text(f'{{"time": "{NOW.astimezone().isoformat(timespec="seconds")}", "process": "proxy"}}\n')
    assert not log_rotation.is_due(log, NOW)
    assert log_rotation.is_due(log, NOW + timedelta(days=1))


def test_a_large_one_does_not_wait(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_rotation, "MOST_BYTES", 10)
    log.write_text(line(NOW))
    assert log_rotation.rotate(log, log.parent, 30, NOW)


def test_it_packs_and_removes_what_it_rotated_and_nothing_else(log: Path) -> None:
    def made(days: float, ending: str = "") -> Path:
        path = log.with_name(f"access.log-{NOW - timedelta(days=days):%Y%m%d-%H%M%S}{ending}")
        path.write_text("a line\n")
        return old(path)

    made(31)
    made(40, ".gz")
    packed, kept, newest = made(29), made(20, ".gz"), made(0)
    os.utime(newest)  # nginx may write into it
    for name in ("access.log-notes", "access.log-20200101-000000.txt", "error.log-20200101-000000", "access.log.1"):
        log.with_name(name).write_text("an operator's own")
        old(log.with_name(name))
    log_rotation.rotate(log, log.parent, 30, NOW)
    ours = {f"{packed.name}.gz", kept.name, newest.name}
    theirs = {"access.log-notes", "access.log-20200101-000000.txt", "error.log-20200101-000000", "access.log.1"}
    assert names(log) == ours | theirs
    assert gzip.decompress(log.with_name(f"{packed.name}.gz").read_bytes()) == b"a line\n"


def test_zero_days_are_for_ever(log: Path) -> None:
    kept = log.with_name("access.log-20200101-000000.gz")
    kept.write_bytes(b"")
    log_rotation.rotate(log, log.parent, 0, NOW)
    assert kept.exists()
    assert (log_rotation.days({}), log_rotation.days({"LOG_KEEP_DAYS": "0"})) == (30, 0)
    with pytest.raises(SystemExit, match="LOG_KEEP_DAYS"):
        log_rotation.days({"LOG_KEEP_DAYS": "-1"})


def test_it_signals_nobody_but_its_own_proxy(log: Path, tmp_path: Path) -> None:
    """A number in a file that is left over may be anybody's by now: USR1 would end it."""
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            (tmp_path / "nginx.pid").write_text(str(other.pid))
            log_rotation.reopen(tmp_path)
            for text in ("", "x", "99999999"):
                (tmp_path / "nginx.pid").write_text(text)
                log_rotation.reopen(tmp_path)
            assert other.poll() is None
        finally:
            other.kill()


CONFIGURATION = """daemon off; worker_processes 1; pid {run}/nginx.pid; error_log stderr;
events {{}}
http {{
    map $uri $logged_uri {{ default $uri; }}
    {format}
    access_log {log} {name};
    client_body_temp_path {run}/a; proxy_temp_path {run}/b; fastcgi_temp_path {run}/c; uwsgi_temp_path {run}/d;
    scgi_temp_path {run}/e;
    server {{ listen unix:{run}/s; return 204; }}
}}
"""


def formats() -> dict[str, str]:
    """Formats of the log, as the site's proxy has them."""
    template = (settings.BASE_DIR / "deploy/nginx.conf.template").read_text().replace("$$", "$")
    return {found[1]: found[0].strip() for found in re.finditer(r"^ *log_format (\w+) .*;$", template, re.M)}


@pytest.fixture(params=["short", "json"])
def nginx(log: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real one; returns its folder. A short one: a socket's address holds 107 bytes."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no nginx")
    folder = Path(tempfile.mkdtemp(prefix="rotation-", dir="/tmp"))
    try:
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(run=folder, log=log, name=request.param, format=formats()[request.param])
        )
        with subprocess.Popen([program, "-p", folder, "-c", configuration, "-e", "stderr"]) as process:
            try:
                wait_for(lambda: _answers(folder), 60, "nginx does not answer")
                yield folder
            finally:
                process.terminate()
    finally:
        shutil.rmtree(folder)


def _answers(folder: Path, path: str = "/") -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        try:
            client.connect(str(folder / "s"))
        except OSError:
            return False
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return b"204" in client.recv(4096)


def test_nginx_goes_on_in_a_new_file(log: Path, nginx: Path) -> None:
    assert _answers(nginx, "/before")
    wait_for(lambda: "/before" in log.read_text(), 60, "no line")
    assert log_rotation.rotate(log, nginx, 30, NOW + timedelta(days=2))
    wait_for(log.exists, 60, "no new log")
    wait_for(lambda: _answers(nginx, "/after") and "/after" in log.read_text(), 60, "no line in the new log")
    (before,) = log_rotation.rotated(log)
    assert "/before" in before.read_text()
    assert "/before" not in log.read_text()
