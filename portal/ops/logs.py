"""Logging: formats (text, JSON), context of requests and tasks on each line, redaction of secrets, levels.

`add_context(collab_id=…)` adds to what every later line of this request or task says. Nothing that opens something, and
no e-mail address, is written: `redact` goes over each whole line, tracebacks included. The supervisor of the Lab, which
runs without Django, logs through this module too.
"""

import json
import logging
import os
import re
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

ContextValue = str | int | None | Callable[[], str | int | None]
"""Value, or function that is called when a line is written."""

CONTEXT_FIELDS = ("request_id", "user_id", "collab_id", "server_id", "task", "task_id")
"""Fields of the context, in the order in which a line shows them."""
REQUEST_ID = re.compile(r"[0-9a-f]{32}")

_context: ContextVar[Mapping[str, ContextValue]] = ContextVar("log context", default=MappingProxyType({}))


def reset_context(**context: ContextValue) -> None:
    """Replace the context, at the beginning of a request, task or call."""
    _context.set(MappingProxyType(context))


def add_context(**context: ContextValue) -> None:
    """Add fields to the context of the current request, task or call."""
    _context.set(MappingProxyType({**_context.get(), **context}))


def context() -> dict[str, str | int]:
    """Current context, without empty fields."""
    known = {name: _value(_context.get().get(name)) for name in CONTEXT_FIELDS}
    return {name: value for name, value in known.items() if value is not None}


def request_id() -> str:
    """Id of the current request, or of the one that queued the current task; empty outside of both."""
    return str(context().get("request_id", ""))


def new_id() -> str:
    """New request id, for a request without one from nginx."""
    return uuid.uuid4().hex


def _value(fact: ContextValue) -> str | int | None:
    return fact() if callable(fact) else fact


# Redaction

_OPENS = r"l|u|collabs/join|rest/v1/collabs/invite|seafhttp/[\w-]+"
OPENING = re.compile(rf"""((?:^|[\s"'(=]|://[^/\s]*)/(?:{_OPENS})/)[A-Za-z0-9_=:.~%-]{{8,}}""")
"""Tokens in addresses of public links and invitations, and in the links of Seafile's clients."""
RESET = re.compile(r"(/account/(?:password/reset/key|confirm-email)/)[^\s/\"'?]+")
BEARING = re.compile(r"(?i)\b(bearer|token|basic)(['\"]?[ :=]+['\"]?)(?!of\b)[A-Za-z0-9_.~+/=-]{16,}")
OURS = re.compile(r"\bclb_[A-Za-z0-9_-]{4,}")
"""Personal access tokens."""
SECRETS = re.compile(r"(?i)\b(ticket|key|code|state|password|secret|sessionid|lab_pass|portal)=[^\s&;\"']+")
IN_ADDRESS = re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@")
"""Password in an address such as DATABASE_URL."""
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def redact(text: str) -> str:
    """Replace tokens, passwords and e-mail addresses in a text by a hyphen."""
    text = OPENING.sub(r"\1-", text)
    text = RESET.sub(r"\1-", text)
    text = OURS.sub("-", text)
    text = BEARING.sub(r"\1\2-", text)
    text = SECRETS.sub(r"\1=-", text)
    text = IN_ADDRESS.sub(r"\1:-@", text)
    return EMAIL.sub("-", text)


class RedactSecrets(logging.Filter):
    """Filter that redacts messages, for handlers with formatters of others."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message; every record is kept."""
        message = record.getMessage()
        hidden = redact(message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True


# Levels

FIRST_REFUSAL, FIRST_FAULT, AWAY, NO_ROOM = 400, 500, 503, 507


class RefusalsAreInformation(logging.Filter):
    """Log level of answers by Django: INFO for 4xx and for a 503 or 507 that a view gives, ERROR for other 5xx.

    Django warns of every 4xx and calls every 5xx an error, but an unknown page, a missing right, a Lab that is starting
    or a quota that is used up is ordinary work; of a full disk the metrics and their alerts tell. A 503 with an
    exception is a database that cannot be reached: it stays an error.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change level and traceback of the record; drop it where INFO is not written."""
        status = getattr(record, "status_code", 0)
        is_away = record.exc_info or getattr(record, "database_is_away", False)
        if not (FIRST_REFUSAL <= status < FIRST_FAULT or (status in (AWAY, NO_ROOM) and not is_away)):
            return True
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.exc_info = None  # where a view refused; it reads like a fault
        return logging.getLogger(record.name).isEnabledFor(logging.INFO)


_DATABASE_ERRORS = frozenset({"OperationalError", "InterfaceError"})
"""Names of classes of DB-API 2.0, of Django's and the driver's: the supervisor logs without Django."""
_STATES_AWAY = re.compile(r"08|53|57P|58")
"""Classes of PostgreSQL's SQLSTATE: connection, resources, intervention of an operator, system."""
_SQLITE_AWAY = frozenset({10, 13, 14})
"""SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN."""


def database_trouble(error: BaseException | None) -> str:
    """First line of what the database's driver says when the database cannot be reached or used; "" for other errors.

    A statement that is wrong, or a lock that was not given, is none of these.
    """
    while error is not None:
        if _DATABASE_ERRORS.intersection(kind.__name__ for kind in type(error).__mro__) and _is_away(error):
            return str(error).partition("\n")[0] or type(error).__name__
        error = error.__cause__ or error.__context__
    return ""


def _is_away(error: BaseException) -> bool:
    driver = error.__cause__ or error
    code = getattr(driver, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_AWAY
    return bool(_STATES_AWAY.match(getattr(driver, "sqlstate", None) or "08"))


class DatabaseTroubleIsOneLine(logging.Filter):
    """Log what fails because the database cannot be reached without its traceback, which tells nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the reason in place of the traceback; every record is kept."""
        error = record.exc_info[1] if record.exc_info else None
        if reason := database_trouble(error):
            record.msg, record.args = f"{record.getMessage()} (database: {reason})", ()
            record.exc_info = record.exc_text = None
            record.database_is_away = True  # for handlers that see the record after this one
        return True


# Formats


class TextFormatter(logging.Formatter):
    """Format for people: time, level, logger, message, context."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        known = " ".join(f"{name}={value}" for name, value in context().items())
        return super().formatMessage(record) + (f" [{known}]" if known else "")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """Format for programs: one JSON object per line, described in docs/reference/logs.md."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": os.environ.get("COLLABORATORY_PROCESS", "manage"),
            "logger": record.name,
            "message": redact(record.getMessage()),
            **context(),
        }
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


FORMATTERS: dict[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}


def configuration(shape: str, level: str) -> dict[str, Any]:
    """Configuration for `logging.config.dictConfig`: all to stderr, in a format of `FORMATTERS` (else KeyError)."""
    quiet = logging.WARNING if level.upper() != "DEBUG" else logging.DEBUG
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"shape": {"()": FORMATTERS[shape]}},
        "filters": {
            "refusals": {"()": "portal.ops.logs.RefusalsAreInformation"},
            "database": {"()": "portal.ops.logs.DatabaseTroubleIsOneLine"},
            "tokens": {"()": "portal.ops.logs.RedactSecrets"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "shape",
                "filters": ["refusals", "database", "tokens"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        # Celery says of every task that it came and went, and of some with what.
        "loggers": {"celery": {"level": quiet}, "kombu": {"level": quiet}},
    }
