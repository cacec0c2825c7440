"""Five years of a site with a hundred people, week by week: what grows, and what the nightly tasks keep bounded.

    bin/bench ageing [--years=5] [--people=100]

Each week people write and delete files by the real services, and rows of what the site notes by itself (sessions, audit
entries, notices, ended servers, invitations, tokens, failed tasks, rooms) are made in bulk. Then the week passes: every
date in the database, and the times of cached previews, journals and mails, move back by seven days, so that the clock
stays the machine's. Then the nightly tasks run, all that the schedule has. What people keep is the same at any time, as
they delete as much as they write; so whatever grows after the first years is a leak. Two things cannot be moved back,
and are told instead: when an object of the store was made (`retention.OLD_ENOUGH` is set to nothing here), and the
month in the names of archives.
"""

import argparse
import logging
import os
import random
import sys
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from allauth.usersessions.models import UserSession
from celery import current_app
from celery.schedules import crontab
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, models, transaction
from django.utils import timezone

from api.models import Scope
from api.services import create_token
from collabs.models import Invitation, Role
from collabs.services import create_collab
from console.models import FailedTask
from console.retention.tables import tables
from drive.files import operations
from drive.libraries import services as libraries
from drive.models import File
from drive.versions import retention
from lab.models import Environment, Server, State, StopReason
from notices.models import Kind, Notice
from portal.models import AuditEntry, Session, User
from portal.ops.task_queue import without_broker
from rooms.models import Room
from rooms.room.room import Kind as RoomKind

sys.path.insert(0, str(Path(settings.BASE_DIR) / "bin/lib"))

import log_rotation

WEEK = timedelta(days=7)
FILES = 12
"""Of each person, at any time."""
WORDS = "cortex slice mouse retina model spike map atlas data signal network cell layer rhythm sleep".split()
A_WEEK = {"sign-ins": 3, "audit entries": 20, "notices": 3, "Labs": 3}
"""Of each person."""
CACHE_BYTES = 256 * 2**20
"""Of previews here: the ordinary 2 GiB would not be full after five years."""
PREVIEWS, PREVIEW_BYTES = 30, 200_000
LOG_LINE = b'127.0.0.1 2026-01-01T00:00:00+00:00 localhost "GET /collabs/ HTTP/1.1" 200 4711 0.012 0123456789abcdef\n'
LOG_LINES = 100_000
SPARED = {"drive.tasks.scan_all"}
"""It only queues a task for each library, and there is no queue here."""


def main() -> None:
    """Live, and say how large everything is after each year."""
    parser = argparse.ArgumentParser(prog="bin/bench ageing")
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--people", type=int, default=100)
    options = parser.parse_args(sys.argv[2:])
    prepare()
    with without_broker():
        site = Ageing(options.people)
        began = time.monotonic()
        for week in range(1, options.years * 52 + 1):
            site.live()
            site.age()
            site.run_nightly_tasks()
            if week % 52 == 0 or week == 26:
                site.report(week / 52, time.monotonic() - began)


def prepare() -> None:
    """An empty database and Drive; no file waits for the disk, whose speed is not the question."""
    call_command("migrate", verbosity=0)
    for directory in (settings.RUN_DIR, settings.DRIVE_ROOT / "staging", settings.ROOMS_ROOT, settings.VAR_DIR / "log"):
        Path(directory).mkdir(parents=True, exist_ok=True)
    settings.PREVIEW_CACHE_BYTES = CACHE_BYTES
    retention.OLD_ENOUGH = timedelta(0)
    os.fsync = lambda fd: None  # noqa: ARG005 - its name is the function's
    logging.disable(logging.INFO)
    current_app.loader.import_default_modules()


class Ageing:
    """A site and its people."""

    def __init__(self, people: int) -> None:
        """Everybody has a library of files; each tenth has a Collab."""
        self.chance = random.Random(7)
        self.people = [
            User.objects.create_user(f"p{n}", email=f"p{n}@example.org", password=None) for n in range(people)
        ]
        self.collabs = [create_collab(one, title=f"Collab {one.username}") for one in self.people[::10]]
        self.libraries = [libraries.create_library(one, "Work") for one in self.people]
        self.environment = Environment.objects.get_or_create(slug="base", defaults={"name": "Python"})[0]
        self.names: list[list[str]] = [[] for _ in self.people]
        self.number = 0
        for index, _ in enumerate(self.people):
            for _ in range(FILES):
                self._new_file(index)

    # A week

    def live(self) -> None:
        """Everybody saves two of their files, and deletes the oldest for a new one; and what the site notes."""
        for index, someone in enumerate(self.people):
            for name in self.chance.sample(self.names[index], 2):
                operations.write(someone, self.libraries[index], name, self._text())
            operations.delete(someone, self.libraries[index], self.names[index].pop(0))
            self._new_file(index)
        User.objects.update(last_login=timezone.now())
        self._sign_in()
        self._note()
        self._use_labs()
        self._invite()
        self._look()
        self.number += 1

    def _new_file(self, index: int) -> None:
        self.number += 1
        name = f"{self.chance.choice(WORDS)}-{self.number}.md"
        operations.write(self.people[index], self.libraries[index], name, self._text())
        self.names[index].append(name)

    def _text(self) -> bytes:
        return " ".join(self.chance.choices(WORDS, k=200)).encode() + os.urandom(200).hex().encode()

    def _each(self, what: str) -> Iterable[User]:
        return (someone for someone in self.people for _ in range(A_WEEK[what]))

    def _sign_in(self) -> None:
        until = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
        keys = [(uuid.uuid4().hex, someone) for someone in self._each("sign-ins")]
        Session.objects.bulk_create(
            Session(session_key=key, session_data="x" * 200, expire_date=until, user=someone) for key, someone in keys
        )
        UserSession.objects.bulk_create(
            UserSession(user=someone, session_key=key, ip="192.0.2.1", user_agent="Mozilla/5.0")
            for key, someone in keys
        )

    def _note(self) -> None:
        AuditEntry.objects.bulk_create(
            AuditEntry(actor=one, actor_name=one.username, verb="lab.server.requested", target_id=str(one.pk))
            for one in self._each("audit entries")
        )
        now = timezone.now()
        Notice.objects.bulk_create(
            Notice(user=one, kind=Kind.SHARE, subject="Somebody shares a library", read_at=now)
            for one in self._each("notices")
        )
        FailedTask.objects.bulk_create(
            FailedTask(task_id=uuid.uuid4().hex, name="lab.tasks.launch", error="OSError", traceback="x" * 2000)
            for _ in range(5)
        )

    def _use_labs(self) -> None:
        now = timezone.now()
        Server.objects.bulk_create(
            Server(
                owner=one,
                environment=self.environment,
                state=State.STOPPED,
                started_at=now,
                ended_at=now,
                stop_reason=StopReason.IDLE,
                log_tail="x" * 500,
            )
            for one in self._each("Labs")
        )

    def _invite(self) -> None:
        soon = timezone.now() + timedelta(days=14)
        for collab in self.collabs:
            Invitation.objects.create(
                collab=collab, role=Role.VIEWER, digest=uuid.uuid4().hex, uses_left=1, expires_at=soon
            )
        for someone in self.chance.sample(self.people, max(1, len(self.people) // 20)):
            create_token(someone, name=f"program {uuid.uuid4().hex[:8]}", scopes=[Scope.READ], days=30)

    def _look(self) -> None:
        """Previews in the cache, journals of rooms, lines of the proxy's log."""
        place = settings.PREVIEW_CACHE / f"{self.number % 100:02}"
        place.mkdir(parents=True, exist_ok=True)
        for _ in range(PREVIEWS):
            (place / f"{uuid.uuid4().hex}.html").write_bytes(b"x" * PREVIEW_BYTES)
        for file in File.objects.filter(trashed=None, rooms=None).order_by("?")[:10]:
            room = Room.objects.create(file=file, kind=RoomKind.TEXT.value)
            Room.objects.filter(pk=room.pk).update(left_at=timezone.now())
            (Path(settings.ROOMS_ROOT) / f"{room.pk.hex}.journal").write_bytes(b"x" * 20_000)
        with (settings.VAR_DIR / "log/access.log").open("ab") as log:
            log.write(LOG_LINE * LOG_LINES)

    # Time

    def age(self) -> None:
        """Everything becomes a week older."""
        with transaction.atomic(), connection.cursor() as cursor:
            for model in apps.get_models():
                names = [
                    str(field.column) for field in model._meta.local_fields if isinstance(field, models.DateTimeField)
                ]
                if names and model._meta.managed:
                    table = connection.ops.quote_name(model._meta.db_table)
                    values = ", ".join(
                        f"{name} = strftime('%Y-%m-%d %H:%M:%f', {name}, '-{WEEK.days} days')"
                        for name in map(connection.ops.quote_name, names)
                    )
                    cursor.execute(f"UPDATE {table} SET {values}")
        for root in (settings.PREVIEW_CACHE, settings.ROOMS_ROOT, settings.VAR_DIR / "mail", settings.VAR_DIR / "log"):
            for path in Path(root).rglob("*"):
                if path.is_file():
                    then = path.stat().st_mtime - WEEK.total_seconds()
                    os.utime(path, (then, then))
        log = settings.VAR_DIR / "log/access.log"
        for path in log_rotation.rotated(log):
            at = datetime.strptime(log_rotation.time_of(log, path), log_rotation.TIME).replace(tzinfo=UTC) - WEEK
            path.rename(log.with_name(f"{log.name}-{at:{log_rotation.TIME}}{'.gz' if path.suffix == '.gz' else ''}"))

    def run_nightly_tasks(self) -> None:
        """All tasks that the schedule runs by day or week, and those by the hour that remove something."""
        names = [
            entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values() if isinstance(entry["schedule"], crontab)
        ]
        names += ["drive.tasks.thin_lately", "drive.tasks.sweep_previews", "drive.tasks.sweep", "search.tasks.follow"]
        for name in names:
            if name not in SPARED:
                current_app.tasks[name]()
        log = settings.VAR_DIR / "log/access.log"
        log_rotation.rotate(log, settings.RUN_DIR, log_rotation.days(dict(os.environ)), timezone.now())

    # What there is

    def report(self, years: float, seconds: float) -> None:
        """One line, and the largest tables at the end of each year."""
        sizes = {
            "versions": size_of(settings.DRIVE_ROOT / "objects"),
            "Drive's trash and files": size_of(settings.DRIVE_ROOT) - size_of(settings.DRIVE_ROOT / "objects"),
            "previews": size_of(settings.PREVIEW_CACHE),
            "rooms": size_of(settings.ROOMS_ROOT),
            "logs": size_of(settings.VAR_DIR / "log"),
            "audit archive": size_of(Path(settings.AUDIT_ARCHIVE)),
        }
        found = tables()
        database = sum(table.size or 0 for table in found)
        text = "; ".join(f"{name} {size / 2**20:.1f}" for name, size in sizes.items())
        print(f"  {years:3.1f} years ({seconds:.0f} s): MiB: database {database / 2**20:.1f}; {text}")
        rows = ", ".join(f"{table.model} {table.rows:,}" for table in found[:12] if table.rows is not None)
        print(f"      rows: {rows}", flush=True)


def size_of(place: Path) -> int:
    """Bytes of all files below."""
    return sum(path.lstat().st_size for path in Path(place).rglob("*") if path.is_file())
