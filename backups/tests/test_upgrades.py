"""Restore points before an upgrade, and the way back; with versions of before in tests/operations/test_rollback.py."""

import ast
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from backups import database
from backups.backup_store import BackupError
from backups.tasks import forget_restore_points
from backups.upgrades import restore_points, rollback, upgrade
from backups.upgrades.restore_points import ROLLBACK, UPGRADE, Point
from drive.storage import layout
from portal import audit
from portal.models import DatabaseVersion, User
from portal.ops import code_version, database_version, release_notes
from portal.ops.code_version import CodeVersion
from portal.version import VERSION

pytestmark = pytest.mark.django_db(transaction=True)
LAST = ("console", "0002")
"""A migration after which there is one that goes both ways."""
BEFORE = CodeVersion("0.1.9", "abc1234")


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    """The site's own directory, with nothing in it."""
    settings.VAR_DIR = settings.RUN_DIR = tmp_path / "site"
    settings.LAB_ROOT, settings.ROOMS_ROOT = tmp_path / "site/lab", tmp_path / "site/rooms"
    settings.REDIS_URL = f"unix://{tmp_path}/site/redis.sock"
    settings.VAR_DIR.mkdir()
    return tmp_path / "site"


@pytest.fixture
def behind() -> Iterator[None]:
    """The database of an earlier version."""
    migrate(*LAST)
    yield
    connection.close()
    migrate()


def migrate(*words: str) -> str:
    out = StringIO()
    call_command("migrate", *words, verbosity=0, stdout=out)
    return out.getvalue()


def go_back(*words: str) -> str:
    out = StringIO()
    call_command("rollback", *words, stdout=out)
    return out.getvalue()


def names() -> set[str]:
    return set(User.objects.values_list("username", flat=True))


# Before an upgrade


@pytest.mark.slow
def test_an_upgrade_says_what_it_does_and_makes_a_point(behind: None, owner: User) -> None:
    DatabaseVersion.objects.create(version=VERSION)
    code_version.note(CodeVersion(VERSION, "abc1234"))
    said = migrate()
    assert f"Upgrade of the database from {VERSION} (abc1234) to {VERSION}" in said
    assert "migration" in said
    [point] = restore_points.points()
    assert f"Made the restore point {point.name}: bin/rollback returns to it." in said
    assert (point.about["kind"], point.is_finished, point.code.commit) == (UPGRADE, True, "abc1234")
    assert point.about["rows"]["portal_user"] == User.objects.count()
    assert {path.stat().st_mode & 0o077 for path in [point.path, *point.path.iterdir()]} == {0}
    point.check()


@pytest.mark.slow
def test_what_is_up_to_date_gets_no_point(owner: User) -> None:
    assert migrate() == ""
    assert restore_points.points() == []


@pytest.mark.slow
def test_no_point_is_made_while_a_backup_is_restored_or_where_none_is_wanted(behind: None, settings: Settings) -> None:
    layout.root().mkdir(exist_ok=True, parents=True)
    layout.restoring().touch()
    assert migrate() == ""
    layout.restoring().unlink()
    migrate(*LAST)
    settings.RESTORE_POINT_DAYS = 0
    assert "Upgrade of the database from" in migrate()
    assert restore_points.points() == []


@pytest.mark.slow
def test_an_upgrade_is_refused_where_its_point_does_not_fit(behind: None, settings: Settings, var: Path) -> None:
    reserve = settings.DISK_RESERVE_BYTES
    settings.DISK_RESERVE_BYTES = 10**18
    applied = database_version.applied(connection)
    with pytest.raises(CommandError, match=r"There is not enough room in .* Nothing was changed"):
        migrate()
    assert database_version.applied(connection) == applied
    assert [path.name for path in restore_points.place().iterdir()] == []
    out = StringIO()
    call_command("upgrade_plan", stdout=out)
    said = json.loads(out.getvalue())
    assert said["plan"]
    assert ("not enough room" in said["trouble"]) == (connection.vendor == "sqlite")
    settings.DISK_RESERVE_BYTES = reserve
    migrate()
    assert len(restore_points.points()) == 1


@pytest.mark.slow
def test_an_upgrade_that_goes_on_keeps_the_point_from_before(behind: None) -> None:
    """Of half an upgrade no point is made: nobody wants to return there."""
    point = restore_points.make(UPGRADE, BEFORE)
    assert restore_points.of_interrupted_upgrade() is None  # nothing has happened since
    about = point.about | {
        "migrations": {**point.about["migrations"], "console": point.about["migrations"]["console"][:-1]}
    }
    (point.path / "point.json").write_text(json.dumps(about))
    assert f"the restore point {point.name} from before it is kept" in migrate()
    assert [(found.name, found.is_finished) for found in restore_points.points()] == [(point.name, True)]


@pytest.mark.slow
def test_the_plan_says_what_is_done_and_does_nothing(behind: None) -> None:
    out = StringIO()
    call_command("upgrade_plan", stdout=out)
    said = json.loads(out.getvalue())
    assert said["plan"][0].startswith("Upgrade of the database from ")
    assert said["plan"][-1] == f"A restore point of it: {restore_points.place()}"
    assert said["trouble"] == ""
    assert restore_points.points() == []
    assert database_version.is_behind(connection)


# Back


@pytest.mark.slow
def test_it_goes_back_and_keeps_what_it_replaces(owner: User, settings: Settings) -> None:
    point = restore_points.make(UPGRADE, BEFORE)
    later = User.objects.create(username="later")
    audit.record(owner, "collab.created", later)
    said = go_back("--yes")
    assert "the database of 0.1.9 (abc1234)" in said
    assert "Entries of the audit trail since then: 1" in said
    assert "1  collab.created" in said
    assert "+1  users" in said, said
    assert "later" not in names()
    assert code_version.noted() == BEFORE
    [kept] = [found for found in restore_points.points() if found.about["kind"] == ROLLBACK]
    assert f"bin/rollback --to {kept.name}" in said
    kept.check()
    go_back("--yes", "--to", kept.name)
    assert "later" in names()
    point.check()


@pytest.mark.slow
def test_it_asks_first(owner: User) -> None:
    restore_points.make(UPGRADE, BEFORE)
    User.objects.create(username="later")
    with pytest.raises(CommandError, match=r"Nothing was changed\. Say --yes"):
        go_back()
    assert "later" in names()
    assert len(restore_points.points()) == 1


def test_it_says_which_points_there_are(owner: User) -> None:
    assert go_back("--list") == ""
    with pytest.raises(CommandError, match="There is no restore point in"):
        go_back("--yes")
    point = restore_points.make(UPGRADE, BEFORE)
    assert go_back("--list").startswith(f"{point.name}  the database of 0.1.9 (abc1234), ")
    with pytest.raises(CommandError, match="There is no restore point 2020"):
        go_back("--yes", "--to", "20200101T000000Z")


@pytest.mark.slow
def test_it_does_not_return_to_a_damaged_point(owner: User) -> None:
    point = restore_points.make(UPGRADE, BEFORE)
    content = bytearray(point.database.read_bytes())
    content[len(content) // 2] ^= 1
    point.database.write_bytes(content)
    before = names()
    with pytest.raises(CommandError, match="is damaged"):
        go_back("--yes")
    assert names() == before


@pytest.mark.slow
def test_a_snapshot_that_cannot_be_read_to_its_end_changes_nothing(owner: User) -> None:
    point = restore_points.make(UPGRADE, BEFORE)
    before = names()
    point.database.write_bytes(point.database.read_bytes()[:-2000])
    with pytest.raises(CommandError, match="is damaged"):
        go_back("--yes")
    if connection.vendor == "postgresql":  # should it become so after that look; SQLite's is taken as a whole
        with pytest.raises(BackupError, match="was not loaded, and is as it was"):
            database.load(point.database)
    assert names() == before


@pytest.mark.slow
def test_it_goes_back_with_a_reserve_that_is_gone(owner: User, settings: Settings) -> None:
    restore_points.make(UPGRADE, BEFORE)
    User.objects.create(username="later")
    settings.DISK_RESERVE_BYTES = 10**18
    go_back("--yes")
    assert "later" not in names()


@pytest.mark.slow
def test_the_disk_follows_the_rows_of_the_point(owner: User, collab: object) -> None:
    """Which libraries are public may have changed since: the next look settles each."""
    restore_points.make(UPGRADE, BEFORE)
    for library_id, _ in list(layout.unsettled()):
        layout.remove_note(library_id)
    go_back("--yes")
    on_disk = layout.ids(layout.root() / "private") | layout.public_on_disk()
    assert on_disk
    assert {library_id for library_id, _ in layout.unsettled()} >= on_disk


@pytest.mark.slow
def test_nothing_is_left_of_a_return_that_was_cut_off(owner: User) -> None:
    """Of SQLite it has a second name of the database itself: changes of that would be in the point."""
    point = restore_points.make(UPGRADE, BEFORE)
    cut_off = restore_points.keep_replaced(BEFORE)
    User.objects.create(username="later")
    go_back("--yes")
    found = restore_points.points()
    assert cut_off.about["kind"] == ROLLBACK
    assert len([one for one in found if one.about["kind"] == ROLLBACK]) == (1 if connection.vendor == "sqlite" else 2)
    for one in found:
        one.check()
    assert point.name in [one.name for one in found]


# Which are kept


@pytest.mark.slow
def test_points_are_kept_by_number_and_age(settings: Settings) -> None:
    unfinished = renamed(restore_points.make(UPGRADE, BEFORE), "20200101T000000Z")
    assert forget_restore_points() == 0  # the upgrade is under way
    restore_points.finish()
    assert not unfinished.exists()  # it is finished now, and old
    made = []
    for kind in (UPGRADE, ROLLBACK, UPGRADE, UPGRADE, UPGRADE):
        made.append(restore_points.make(kind, BEFORE).name)
        restore_points.finish()
    assert [point.name for point in restore_points.points()] == made[1:]
    settings.RESTORE_POINT_DAYS = 0  # no more are made
    restore_points.finish()
    assert [point.name for point in restore_points.points()] == made[1:]
    for point in restore_points.points():
        renamed(point, f"2020{point.name[4:]}")
    assert forget_restore_points() == 0
    settings.RESTORE_POINT_DAYS = 90
    assert forget_restore_points() == 4
    assert list(restore_points.place().iterdir()) == []


def renamed(point: Point, name: str) -> Path:
    return point.path.rename(point.path.with_name(name))


def test_it_does_not_run_beside_the_site(owner: User, settings: Settings) -> None:
    restore_points.make(UPGRADE, BEFORE)
    with rollback.alone(), pytest.raises(CommandError, match=r"The site is running\. Stop it first"):
        go_back("--yes")


# What is new


def test_it_says_what_is_new_since_a_version(tmp_path: Path) -> None:
    changelog = tmp_path / "CHANGELOG.md"
    entries = "".join(f"- Entry {number}.\n" for number in range(release_notes.MOST))
    changelog.write_text(
        "# Changelog\n\n## Unreleased\n\n## 2.0.0 – 2026-02-01\n\n### Added\n\n"
        f"{entries}\n### Security\n\n- **Passwords**: see [how](docs/x.md),\n  `twice`.\n\n"
        "## 1.0.0 – 2026-01-01\n\n### Added\n\n- All.\n"
    )
    lines = release_notes.since("1.0.0", changelog)
    assert lines[:3] == ["2.0.0 – 2026-02-01:", "  Security: Passwords: see how, twice.", "  Added: Entry 0."]
    assert lines[-1] == "  and 1 more, in CHANGELOG.md"
    assert not any("1.0.0" in line for line in lines)
    assert release_notes.since("2.0.0", changelog) == []
    assert release_notes.since("", changelog)[-1] == "  and 2 more, in CHANGELOG.md"
    assert release_notes.since("1.0.0", tmp_path / "none") == []


# Why files stay where they are


def test_migrations_change_rows_alone() -> None:
    """A return to a restore point leaves the files as they are: a migration must not move any."""
    forbidden = ("os", "shutil", "pathlib", "subprocess", "tempfile", "drive.storage", "drive.files", "drive.versions")
    for config in apps.get_app_configs():
        for path in (Path(config.path) / "migrations").glob("*.py"):
            if not path.is_relative_to(Path(__file__).parents[2]) or "site-packages" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                wrong = [name for name in modules if any(f"{name}.".startswith(f"{one}.") for one in forbidden)]
                assert not wrong, f"{path} touches files"


def test_the_database_belongs_to_the_code_that_was_noted_for_its_version() -> None:
    DatabaseVersion.objects.create(version="0.1.9")
    version = database_version.last(connection)
    assert upgrade.before_this() == CodeVersion("0.1.9")
    code_version.note(CodeVersion(version, "abc"))
    assert upgrade.before_this().commit == "abc"
    code_version.note(CodeVersion("9.9.9", "def"))  # a rollback by hand has put another database there
    assert upgrade.before_this() == CodeVersion(version)
    (code_version._place()).write_text("{")
    assert code_version.noted() == CodeVersion()
