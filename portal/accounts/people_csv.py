"""People as CSV: export, and import of new accounts, for spreadsheets and for moving from another system.

One line per person, the first line names the columns. Of an import nothing is done if one line is wrong.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from django.core.exceptions import ValidationError
from django.core.management.base import OutputWrapper
from django.db import transaction

from portal.models import User

from . import services

REQUIRED = ("username", "email")
NAMES = ("first_name", "last_name")
KNOWN = (*REQUIRED, *NAMES, "active")
"""Columns that an import takes."""
TOLD = ("superuser", "joined", "last_login")
"""Columns of an export that an import passes over."""
ACTIVE = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST_LINES = 20_000


class RefusedCsvError(Exception):
    """The file cannot be imported: `problems` has a sentence for each wrong line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class Done:
    """What an import did, by username."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def write(people: Iterable[User], file: TextIO | OutputWrapper) -> int:
    """Write people, the columns of KNOWN and TOLD; returns how many."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*KNOWN, *TOLD])
    count = 0
    for user in people:
        active, superuser = ("yes" if value else "no" for value in (user.is_active, user.is_superuser))
        last = user.last_login.isoformat(timespec="seconds") if user.last_login else ""
        cells = [user.username, user.email, user.first_name, user.last_name, active, superuser]
        writer.writerow([_harmless(cell) for cell in [*cells, user.date_joined.isoformat(timespec="seconds"), last]])
        count += 1
    return count


def _harmless(cell: str) -> str:
    """A spreadsheet takes `=1+1` for a formula; with an apostrophe before it, for text."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _as_written(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


@transaction.atomic
def load(actor: User | None, text: str, *, update: bool = False) -> Done:
    """Make the accounts of a CSV; with `update`, give those that are there its names, addresses and states.

    RefusedCsvError with all wrong lines, and nothing done. Without `update` a line is wrong if its account differs.
    """
    done, problems, seen = Done(), list[str](), dict[str, int]()
    for line, row in _rows(text):
        name = row["username"]
        if name in seen:
            problems.append(f"line {line}: {name} stands in line {seen[name]} already.")
            continue
        seen[name] = line
        try:
            with transaction.atomic():
                _load_row(actor, row, update=update, done=done)
        except ValidationError as error:
            problems.append(f"line {line} ({name or 'no username'}): {' '.join(error.messages)}")
    if problems:
        raise RefusedCsvError(problems)
    return done


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells of each line after the first, without empty ones."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip().lower() for column in reader.fieldnames or []]
        _check_columns(columns)
        reader.fieldnames = columns
        for count, cells in enumerate(reader):
            if count >= MOST_LINES:
                raise RefusedCsvError([f"More than {MOST_LINES:,} lines: import them in several files."])
            if None in cells or None in cells.values():
                raise RefusedCsvError([f"line {reader.line_num}: not {len(columns)} cells, as the first line has."])
            row = {name: _as_written((cells[name] or "").strip()) for name in columns}
            if any(row.values()):
                yield reader.line_num, row | {name: row[name].lower() for name in REQUIRED}
    except csv.Error as error:
        raise RefusedCsvError([f"line {reader.line_num}: {error}."]) from error


def _check_columns(columns: list[str]) -> None:
    problems = [f"There is no column “{name}”." for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in (*KNOWN, *TOLD)]
    problems += [f"The column “{name}” is unknown: {', '.join(KNOWN)} are taken." for name in unknown]
    problems += [f"There are two columns “{name}”." for name in KNOWN if columns.count(name) > 1]
    if problems:
        raise RefusedCsvError(problems)


def _load_row(actor: User | None, row: dict[str, str], *, update: bool, done: Done) -> None:
    values = {name: row[name] for name in ("email", *NAMES) if name in row}
    active = _active(row.get("active", ""))
    user = User.objects.filter(username=row["username"]).first()
    if user is None:
        user = services.create(actor, row["username"], **values)
        if active is False:
            services.deactivate(actor, user)
        done.created.append(user.username)
        return
    if user.deleted_at:
        raise ValidationError("This account was deleted by its person; its name is not given out again.")
    differs = [name for name, value in values.items() if getattr(user, name) != value]
    if active is not None and active != user.is_active:
        differs.append("active")
    if differs and not update:
        raise ValidationError(f"There is an account of this name with another {', '.join(differs)} (see --update).")
    services.change(actor, user, **values)
    if "active" in differs:
        (services.activate if active else services.deactivate)(actor, user)
    (done.changed if differs else done.same).append(user.username)


def _active(text: str) -> bool | None:
    """None: nothing is said about it."""
    if not text:
        return None
    try:
        return ACTIVE[text.lower()]
    except KeyError:
        raise ValidationError(f"active is “{text}”: yes or no.") from None
