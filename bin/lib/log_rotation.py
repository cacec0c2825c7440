"""Rotate the proxy's access log under bin/up, by day and by size. With units for systemd, logrotate does it."""

import datetime
import gzip
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import machine

LOOK_SECONDS = 600
MOST_BYTES = 2**28
"""A log that has grown so large is rotated before the day is over."""
DAY = re.compile(rb'(?:[^ "]+ |\{"time": ")(\d{4}-\d\d-\d\d)T')
"""Beginning of a line in either format (deploy/nginx.conf.template): its day, in the machine's time zone."""
TIME = "%Y%m%d-%H%M%S"
"""In the name of a rotated log, in UTC: access.log-20261130-000012.gz."""


def days(environment: dict[str, str]) -> int:
    """LOG_KEEP_DAYS: days for which rotated logs are kept; 0: for ever."""
    text = environment.get("LOG_KEEP_DAYS") or "30"
    if not text.isdecimal():
        raise machine.RequirementError(f"LOG_KEEP_DAYS is {text!r}: a number of days, or 0 for ever.")
    return int(text)


def rotate_for_ever(log: Path, run: Path, keep_days: int) -> None:
    """Look again and again, in a thread; a full disk or a missing folder is told, and the next look may go well."""
    while True:
        try:
            rotate(log, run, keep_days, datetime.datetime.now(datetime.UTC))
        except OSError as error:
            print(f"{log} not rotated: {error}", file=sys.stderr, flush=True)
        time.sleep(LOOK_SECONDS)


def rotate(log: Path, run: Path, keep_days: int, now: datetime.datetime) -> bool:
    """Rotate the log if it is due, pack and remove older ones; True if it was rotated."""
    pack(log)
    remove_old(log, keep_days, now)
    if not is_due(log, now):
        return False
    log.rename(log.with_name(f"{log.name}-{now:{TIME}}"))
    reopen(run)
    return True


def is_due(log: Path, now: datetime.datetime) -> bool:
    """True for a log with lines of an earlier day, or a large one."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            first = file.read(4096)
    except FileNotFoundError:
        return False
    day = DAY.match(first)
    return size > MOST_BYTES or bool(day and day[1].decode() < f"{now.astimezone():%Y-%m-%d}")


def pack(log: Path) -> None:
    """Pack rotated logs (gzip). nginx may write into the newest for a moment: that one waits for the next look."""
    for path in rotated(log):
        if path.suffix != ".gz" and path.stat().st_mtime < time.time() - LOOK_SECONDS / 2:
            draft = path.with_name(f".{path.name}.new")
            with path.open("rb") as source, gzip.open(draft, "wb") as target:
                shutil.copyfileobj(source, target)
            shutil.copystat(path, draft)
            draft.replace(path.with_name(f"{path.name}.gz"))
            path.unlink()


def remove_old(log: Path, keep_days: int, now: datetime.datetime) -> None:
    """Remove rotated logs that were rotated longer ago."""
    until = f"{now - datetime.timedelta(days=keep_days):{TIME}}"
    for path in rotated(log):
        if keep_days and time_of(log, path) < until:
            path.unlink(missing_ok=True)


def rotated(log: Path) -> list[Path]:
    """Rotated logs, oldest first; other files beside them are left alone."""
    return sorted(path for path in log.parent.glob(f"{log.name}-*") if _is_time(time_of(log, path)))


def time_of(log: Path, path: Path) -> str:
    """The part of a rotated log's name that says when."""
    return path.name.removeprefix(f"{log.name}-").removesuffix(".gz")


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.datetime.strptime(text, TIME).replace(tzinfo=datetime.UTC))
    except ValueError:
        return False


def reopen(run: Path) -> None:
    """Have nginx open its log anew (USR1), if it is the process whose number is in RUN/nginx.pid."""
    try:
        pid = int((run / "nginx.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return  # not running; it makes a new one when it starts
    if b"nginx" in command and os.fsencode(run / "nginx.conf") in command:
        try:
            os.kill(pid, signal.SIGUSR1)
        except ProcessLookupError:
            return
