"""Commands with subcommands, by which operators run the site from a terminal: `bin/manage people list`.

Each change is a service, so that it is checked, told to running Labs and written to the audit trail as on the pages,
done at the “command line”. Several names in one command are one transaction: all of them, or nothing. A command ends
with 0, with 1 when it refused (a sentence says why), or with 2 when it was not understood.
"""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from . import audit
from .models import User
from .ops import task_queue

Options = dict[str, Any]


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what services refuse into the command's error, a sentence without a traceback."""
    try:
        yield
    except ValidationError as error:
        raise CommandError(" ".join(_sentences(error))) from error
    except PermissionDenied as error:
        raise CommandError(str(error)) from error
    except IntegrityError as error:
        raise CommandError("Somebody else changed the same at this moment. Nothing was changed: try again.") from error


def _sentences(error: ValidationError) -> list[str]:
    """Messages, each with the field that it is about."""
    if not hasattr(error, "error_dict"):
        return error.messages
    return [
        message if field == "__all__" else f"{field}: {message}"
        for field, messages in error.message_dict.items()
        for message in messages
    ]


@contextmanager
def acting() -> Iterator[None]:
    """Record what is done here as done at the command line; queue tasks only where the broker answers."""
    with ExitStack() as stack:
        stack.enter_context(audit.at_the_command_line())
        if not task_queue.answers():  # else each task waits for it; the reconciler finds the rows later
            stack.enter_context(task_queue.without_broker())
        yield


@contextmanager
def change() -> Iterator[None]:
    """One change of the site, in one transaction."""
    with refusals(), acting(), transaction.atomic():
        yield


class SubcommandsCommand(BaseCommand):
    """A command whose subcommands are methods; `define` registers them."""

    def add_arguments(self, parser: CommandParser) -> None:
        self._subparsers = parser.add_subparsers(metavar="WHAT", required=True)
        self.define()

    def define(self) -> None:
        """Register the subcommands, with `subcommand` and `listing`."""
        raise NotImplementedError

    def subcommand(self, name: str, run: Callable[[Options], None], text: str) -> ArgumentParser:
        """Parser of a new subcommand, for its arguments."""
        parser: ArgumentParser = self._subparsers.add_parser(name, help=text, description=text)
        parser.set_defaults(run=run)
        return parser

    def listing(self, name: str, rows: Callable[[Options], Iterable[Mapping[str, Any]]], text: str) -> ArgumentParser:
        """Parser of a new subcommand that lists `rows`, as a table or with `--json`."""
        parser = self.subcommand(name, lambda options: self.show(list(rows(options)), options["json"]), text)
        parser.add_argument("--json", action="store_true", help="as JSON: a list of objects")
        return parser

    def handle(self, *_: Any, **options: Any) -> None:
        options["run"](options)

    def say(self, *lines: str) -> None:
        """Write lines to standard output."""
        for line in lines:
            self.stdout.write(line)

    def show(self, rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
        """Write rows, all with the same keys."""
        if as_json:
            self.stdout.write(json.dumps(rows, indent=2, default=_plain, ensure_ascii=False))
        elif rows:
            table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            for line in table:
                padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                self.stdout.write("  ".join(padded).rstrip())


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: Any) -> str:
    """Value in a table: one line, in which nothing moves a terminal's cursor."""
    match value:
        case None | "" | []:
            text = "-"
        case bool():
            text = "yes" if value else "no"
        case datetime():
            text = f"{value:%Y-%m-%d %H:%M}"
        case list():
            text = ", ".join(map(str, value))
        case _:
            text = str(value)
    return "".join(character if character.isprintable() else "�" for character in text)


def find_people(names: Iterable[str]) -> list[User]:
    """Accounts of these names, in their order; CommandError names those that are none, or deleted by their person."""
    wanted = list(dict.fromkeys(name.strip().lower() for name in names))
    found = User.objects.filter(deleted_at=None).in_bulk(wanted, field_name="username")
    if missing := [name for name in wanted if name not in found]:
        raise CommandError(f"There is no account {', '.join(f'“{name}”' for name in missing)}.")
    return [found[name] for name in wanted]


def find_person(name: str) -> User:
    """Account of this name; CommandError if there is none."""
    return find_people([name])[0]


def counted(number: int, one: str, many: str = "") -> str:
    """“1 person”, “2 people”."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
