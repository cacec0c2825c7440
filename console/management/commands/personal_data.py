"""`manage.py personal_data`: what is kept of a person, as a file, and its erasure, when they ask an operator for it."""

from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from console import personal_data
from portal import audit
from portal.accounts import deletion
from portal.command_line import Options, SubcommandsCommand, acting, change, find_person


class Command(SubcommandsCommand):
    """Personal data: export and erase."""

    help = "Personal data: write all that is kept of a person into an archive, or erase it."

    def define(self) -> None:
        parser = self.subcommand("export", self.export, "Write all that is kept of a person, files too, to a ZIP.")
        parser.add_argument("username", metavar="NAME")
        parser.add_argument("--output", required=True, metavar="FILE", help="a file that does not exist yet")
        text = "What must be decided before a person is erased: Collabs and libraries that others need."
        parser = self.listing("decisions", self.decisions, text)
        parser.add_argument("username", metavar="NAME")
        parser = self.subcommand("erase", self.erase, "Delete an account for its person, as they could themselves.")
        parser.add_argument("username", metavar="NAME")
        parser.add_argument("--decide", action="append", type=_decision, default=[], metavar="KEY=CHOICE")
        parser.add_argument("--yes", action="store_true", help="without it nothing is done")

    def export(self, options: Options) -> None:
        """Readable by the site's account alone."""
        user, path = find_person(options["username"]), Path(options["output"])
        try:
            missing = personal_data.write_file(user, path)
        except personal_data.CannotWriteError as error:
            raise CommandError(f"{path}: {error}") from error
        with acting():
            audit.record(None, "account.exported", user)
        self.say(f"All that is kept of {user.username} is in {path}.")
        if missing:
            raise CommandError(f"These libraries could not be read: {', '.join(missing)}.")

    def decisions(self, options: Options) -> Iterable[dict[str, Any]]:
        """A row for each choice."""
        for each in deletion.belongings(find_person(options["username"])):
            for choice, label in each.choices:
                yield {"decide": f"{each.key}={choice}", "about": each.title, "does": label}

    def erase(self, options: Options) -> None:
        """Nothing is decided silently."""
        answers = dict(options["decide"])
        with change():
            user = find_person(options["username"])
            keys = {each.key for each in deletion.belongings(user)}
            if unknown := sorted(set(answers) - keys):
                raise CommandError(f"Nothing is to be decided about {', '.join(unknown)}.")
            if open_keys := sorted(keys - set(answers)):
                raise CommandError(f"Decide about {', '.join(open_keys)}: personal_data decisions {user.username}")
            if not options["yes"]:
                raise CommandError(f"This deletes the account of {user.username}, for ever. Say --yes.")
            audit.record(None, "account.erased", user)
            deletion.delete_account(user, answers)
        self.say(f"The account of {user.username} is deleted.")


def _decision(text: str) -> tuple[str, str]:
    key, separator, choice = text.partition("=")
    if not separator:
        raise ArgumentTypeError(f"{text!r} is not like library-…=delete.")
    return key, choice
