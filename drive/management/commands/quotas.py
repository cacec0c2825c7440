"""`manage.py quotas`: room of people and Collabs at the command line."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from collabs.command_line import find_collab
from collabs.models import Collab
from drive.libraries import quota, services
from drive.models import Library
from portal.command_line import Options, SubcommandsCommand, change, find_person
from portal.models import User

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Command(SubcommandsCommand):
    """Quotas: what is used, and other limits than everybody's."""

    help = "Quotas: what people and Collabs use of their room, and more or less room for some."

    def define(self) -> None:
        parser = self.listing("list", self.list, "Who uses how much of what, the most first.")
        parser.add_argument("--own", action="store_true", help="only who has another quota than the site's default")
        parser = self.subcommand("set", self.set, "Give a person or a Collab a quota of their own.")
        _whose(parser)
        parser.add_argument("--bytes", type=_size, metavar="SIZE", help="such as 500G; not given: the site's default")
        parser.add_argument("--files", type=_number, metavar="NUMBER", help="not given: the site's default")
        _whose(self.subcommand("reset", self.reset, "Back to the site's default."))

    def list(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of the list: owners of libraries, and whoever has a quota."""
        return [asdict(row) for row in quota.everybodys(own=options["own"])]

    def set(self, options: Options) -> None:
        """A quota of one's own."""
        with change():
            whose = _found(options)
            services.set_quota(None, whose, options["bytes"], options["files"])
        self._say_usage(whose)

    def reset(self, options: Options) -> None:
        """The site's default."""
        with change():
            whose = _found(options)
            services.remove_quota(None, whose)
        self._say_usage(whose)

    def _say_usage(self, whose: User | Collab) -> None:
        library = Library(owner_user=whose) if isinstance(whose, User) else Library(owner_collab=whose)
        usage = quota.of(library)
        self.say(f"{whose}: {usage}")


def _whose(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--person", metavar="NAME")
    group.add_argument("--collab", metavar="COLLAB")


def _found(options: Options) -> User | Collab:
    return find_person(options["person"]) if options["person"] else find_collab(options["collab"])


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d{1,18})([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    value = int(found[1]) * UNITS[found[2].upper()] if found else -1
    if not 0 <= value < 2**63:
        raise ArgumentTypeError(f"{text!r} is no size, such as 500G or 2T (units of 1,024).")
    return value


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is no number.")
    return int(text)
