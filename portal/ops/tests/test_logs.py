"""Redaction of tokens in the log, and where it is installed."""

import io
import logging
import re
import sqlite3
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from django.utils.module_loading import import_string

from portal.ops.gunicorn_logger import Logger
from portal.ops.logs import DatabaseTroubleIsOneLine, RedactSecrets

TOKEN = "Zk3v9Qm7-_x~2LwT8aB4cD5eF6gH7iJ8kL9mN0oP1qR2"


@pytest.mark.parametrize(
    "path",
    [
        f"/l/{TOKEN}/a.txt",
        f"/u/{TOKEN}/uploads/",
        f"/collabs/join/{TOKEN}/",
        f"http://localhost:8000/l/{TOKEN}/",
        f"/rest/v1/collabs/invite/{TOKEN}",
        f"/seafhttp/upload-api/{TOKEN}",
        f"/seafhttp/files/{TOKEN}/a.txt",
    ],
)
def test_it_hides_what_opens_something(path: str) -> None:
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "Forbidden: %s", (path,), None)
    assert RedactSecrets().filter(record)
    assert TOKEN not in record.getMessage()
    assert record.getMessage() == f"Forbidden: {path}".replace(TOKEN, "-")


def test_it_leaves_other_words_alone() -> None:
    for path in ("/collabs/join-us-all-of-you/", "/drive/l/some-long-name.txt", "/lab/"):
        record = logging.LogRecord("x", logging.INFO, "", 0, "Not Found: %s", (path,), None)
        RedactSecrets().filter(record)
        assert record.getMessage() == f"Not Found: {path}"


def test_it_is_where_the_site_logs(db: None) -> None:
    (console,) = [h for h in logging.getLogger().handlers if any(isinstance(f, RedactSecrets) for f in h.filters)]
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    before = console.setStream(written)
    Client(enforce_csrf_checks=True).post(f"/collabs/join/{TOKEN}/")
    console.setStream(before)
    assert ": /collabs/join/-/" in written.getvalue()
    assert TOKEN not in written.getvalue()


def test_the_web_server_logs_in_the_same_shape() -> None:
    names = re.findall(r"gunicorn .* --logger-class (\S+)", (settings.BASE_DIR / "Procfile").read_text())
    assert [import_string(name) for name in names] == [Logger] * len(names) != []
    assert len(names) == (settings.BASE_DIR / "Procfile").read_text().count(" gunicorn ")


def logged(error: sqlite3.Error) -> logging.LogRecord:
    """What is logged of an error that Django made of one of SQLite."""
    try:
        raise OperationalError(*error.args) from error
    except OperationalError as raised:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "100%% of %s", ("it",), (type(raised), raised, None))
    DatabaseTroubleIsOneLine().filter(record)
    return record


def test_a_database_that_cannot_be_opened_has_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as away:
        sqlite3.connect(tmp_path / "nowhere/site.sqlite3")
    record = logged(away.value)
    assert record.getMessage() == "100% of it (database: unable to open database file)"
    assert record.exc_info is None


def test_a_fault_in_a_statement_and_a_lock_keep_theirs(tmp_path: Path) -> None:
    first, second = (sqlite3.connect(tmp_path / "site.sqlite3", timeout=0, isolation_level=None) for _ in range(2))
    with pytest.raises(sqlite3.OperationalError) as wrong:
        first.execute("SELECT 1 FROM nothing")
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as locked:
        second.execute("BEGIN IMMEDIATE")
    for error in (wrong, locked):
        record = logged(error.value)
        assert record.getMessage() == "100% of it"
        assert record.exc_info
