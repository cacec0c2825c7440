"""No audit entry is removed before it is on disk as a line of JSON, whatever happens in between."""

import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import CommandError, call_command
from pytest_django import Settings

from console.retention import archive, pruning
from portal import audit
from portal.models import AuditEntry, User

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NOW = datetime(2026, 11, 30, 5, 0, tzinfo=UTC)
HOSTILE = {"path": "a\nb\r\u2028\x00c \ud800", "text": '"}\n{"id": 1}', "ünï": [None, True, 2**70, 1e300]}


@pytest.fixture
def folder(settings: Settings) -> Path:
    AuditEntry.objects.all().delete()
    return Path(settings.AUDIT_ARCHIVE)


def entry(owner: User, days: float, **details: Any) -> int:
    audit.record(owner, "file.made", owner, **details)
    row = AuditEntry.objects.latest("pk")
    AuditEntry.objects.filter(pk=row.pk).update(at=NOW - timedelta(days=days))
    return row.pk


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def test_it_writes_what_it_removes(owner: User, folder: Path) -> None:
    old, _young = entry(owner, 366, path="a.txt"), entry(owner, 364)
    pruning.prune(NOW)
    (line,) = lines(folder / "audit-2026-11.jsonl")
    assert line == {
        "id": old,
        "at": (NOW - timedelta(days=366)).isoformat(),
        "actor": "owner",
        "actor_id": owner.pk,
        "verb": "file.made",
        "target_type": "portal.user",
        "target_id": str(owner.pk),
        "target_name": "owner",
        "details": {"path": "a.txt"},
    }
    assert AuditEntry.objects.count() == 1
    assert (folder / "audit-2026-11.jsonl").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o077 == 0


def test_a_line_is_one_line_whatever_is_in_it(owner: User) -> None:
    row = AuditEntry(pk=1, at=NOW, actor_name="x\ny", verb="x", target_id="1", target_name="\u2029", details=HOSTILE)
    text = archive.line(row)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text)["details"] == HOSTILE


def test_nothing_is_removed_that_cannot_be_written(owner: User, folder: Path) -> None:
    folder.write_text("a file where the folder would be")
    old = entry(owner, 366)
    pruning.prune(NOW)
    assert AuditEntry.objects.filter(pk=old).exists()


def test_nothing_is_written_over_a_link(owner: User, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "audit-2026-11.jsonl").symlink_to(tmp_path / "elsewhere")
    old = entry(owner, 366)
    pruning.prune(NOW)
    assert AuditEntry.objects.filter(pk=old).exists()
    assert not (tmp_path / "elsewhere").exists()


def test_rows_stay_if_their_removal_fails_after_they_were_written(
    owner: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next night writes them once more: nothing is lost, and `id` tells what is there twice."""
    old = entry(owner, 366)

    def cut_off(*_: Any) -> None:
        append(*_)
        raise OSError("killed")

    append = archive.append
    with monkeypatch.context() as patch:
        patch.setattr(archive, "append", cut_off)
        pruning.prune(NOW)
    assert AuditEntry.objects.filter(pk=old).exists()
    pruning.prune(NOW)
    assert [line["id"] for line in lines(folder / "audit-2026-11.jsonl")] == [old, old]
    assert not AuditEntry.objects.filter(pk=old).exists()


@pytest.mark.parametrize("torn", [b'{"id": 7, "at"', b"x" * (archive.CHUNK + 5)])
def test_a_line_that_was_cut_off_is_replaced(owner: User, folder: Path, torn: bytes) -> None:
    folder.mkdir()
    path = folder / "audit-2026-11.jsonl"
    path.write_bytes(b'{"id": 6}\n' + torn)
    old = entry(owner, 366)
    pruning.prune(NOW)
    assert [line["id"] for line in lines(path)] == [6, old]


def test_it_packs_earlier_months(owner: User, folder: Path) -> None:
    first = entry(owner, 400)
    pruning.prune(NOW)
    second = entry(owner, 366)
    pruning.prune(NOW + timedelta(days=1))
    pruning.prune(NOW + timedelta(days=2))
    assert {path.name for path in folder.iterdir()} == {"audit-2026-11.jsonl.gz", "audit-2026-12.jsonl"}
    packed = gzip.decompress((folder / "audit-2026-11.jsonl.gz").read_bytes())
    assert json.loads(packed)["id"] == first
    assert [line["id"] for line in lines(folder / "audit-2026-12.jsonl")] == [second]


def test_it_keeps_what_was_packed_when_the_clock_was_set_back(owner: User, folder: Path) -> None:
    first = entry(owner, 400)
    pruning.prune(NOW)
    pruning.prune(NOW + timedelta(days=1))
    second = entry(owner, 400)
    pruning.prune(NOW)
    pruning.prune(NOW + timedelta(days=1))
    found = [json.loads(gzip.decompress(path.read_bytes()))["id"] for path in folder.iterdir()]
    assert set(found) == {first, second}


def test_it_exports_between_two_dates(owner: User, folder: Path, tmp_path: Path) -> None:
    keys = [entry(owner, days, text="é") for days in (400, 300, 200, 100)]
    output = io.StringIO()
    call_command("export_audit", since="2026-01-01", before="2026-07-01T00:00+02:00", stdout=output)
    assert [json.loads(line)["id"] for line in output.getvalue().splitlines()] == keys[1:3]
    file = tmp_path / "audit.jsonl"
    call_command("export_audit", output=str(file))
    assert [line["id"] for line in lines(file)] == keys
    assert file.stat().st_mode & 0o777 == 0o600
    assert AuditEntry.objects.count() == 4


def test_it_exports_in_pages(owner: User, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.management.commands.export_audit.CHUNK", 2)
    keys = [entry(owner, 1) for _ in range(5)]
    output = io.StringIO()
    call_command("export_audit", stdout=output)
    assert [json.loads(line)["id"] for line in output.getvalue().splitlines()] == keys


def test_it_exports_what_the_administration_noted(operator: User) -> None:
    LogEntry.objects.create(user=operator, object_id="1", object_repr="x", action_flag=CHANGE, change_message="[]")
    output = io.StringIO()
    call_command("export_audit", administration=True, stdout=output)
    assert json.loads(output.getvalue())["actor_id"] == operator.pk


def test_it_refuses_a_date_that_is_none_and_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(CommandError, match="no date"):
        call_command("export_audit", since="yesterday")
    with pytest.raises(CommandError, match="File exists"):
        call_command("export_audit", output=str(tmp_path / "kept"))
    assert (tmp_path / "kept").read_text() == "kept"
