"""`manage.py people`: accounts at the command line."""

import contextlib
import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import CommandError
from django.db.models import Exists, OuterRef, Q, QuerySet

from portal.accounts import merging, people_csv, services
from portal.command_line import Options, SubcommandsCommand, change, counted, find_people, find_person
from portal.models import User


class _DryRunError(Exception):
    """Undoes what was only to be tried."""


class Command(SubcommandsCommand):
    """Accounts: list, create, import, export, deactivate, reactivate, and what is lost."""

    help = "People: list, create, import and export accounts, deactivate them, give back what is lost."

    def define(self) -> None:
        parser = self.listing("list", self.list, "Accounts, without those that were deleted.")
        parser.add_argument("--inactive", action="store_true", help="only those that are deactivated")
        parser.add_argument("--operators", action="store_true", help="only those that see the administration")
        parser.add_argument("words", nargs="*", metavar="WORD", help="in username, names or address")
        parser = self.subcommand("create", self.create, "Make an account, whose address counts as confirmed.")
        parser.add_argument("username", metavar="NAME")
        parser.add_argument("--email", required=True)
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        parser.add_argument("--password", action="store_true", help="with a new password, which is printed once")
        parser = self.subcommand("import", self.load, "Make accounts from a CSV file: all, or none if a line is wrong.")
        parser.add_argument("file", metavar="FILE", help="- for standard input")
        parser.add_argument("--update", action="store_true", help="change accounts that are there and differ")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser = self.subcommand("export", self.export, "Write accounts as CSV, in the columns that import takes.")
        parser.add_argument("--output", metavar="FILE", help="a file that does not exist yet")
        self._of_people("deactivate", self.deactivate, "End their access, sessions and Labs now; nothing is deleted.")
        self._of_people("reactivate", self.reactivate, "Give deactivated accounts their access back.")
        self._of_people("new-password", self.new_password, "Give a new password, printed once; ends their sessions.")
        self._of_people("forget-second-factor", self.forget_second_factor, "Remove a second factor that is lost.")

        parser = self.subcommand("merge", self.merge, "Hand over all that an account has to another one of its person.")
        parser.add_argument("source", metavar="FROM", help="is deactivated then")
        parser.add_argument("target", metavar="INTO")
        parser.add_argument("--check", action="store_true", help="only say what would be done")
        parser.add_argument("--deactivated", action="store_true", help="even if FROM is deactivated")

    def _of_people(self, name: str, run: Any, text: str) -> None:
        self.subcommand(name, run, text).add_argument("usernames", nargs="+", metavar="NAME")

    def list(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of the list."""
        people = _people().annotate(factor=Exists(Authenticator.objects.filter(user=OuterRef("pk"))))
        if options["inactive"]:
            people = people.filter(is_active=False)
        if options["operators"]:
            people = people.filter(Q(is_staff=True) | Q(is_superuser=True))
        for word in options["words"]:
            fields = ("username", "first_name", "last_name", "email")
            people = people.filter(Q(*((f"{name}__icontains", word) for name in fields), _connector=Q.OR))
        for user in people:
            yield {
                "username": user.username,
                "name": user.get_full_name(),
                "email": user.email,
                "active": user.is_active,
                "operator": user.is_staff,
                "superuser": user.is_superuser,
                "second_factor": user.factor,
                "last_login": user.last_login,
            }

    def create(self, options: Options) -> None:
        """One account."""
        password = _new_password() if options["password"] else None
        values = {name: options[name] for name in ("email", "first_name", "last_name")}
        with change():
            user = services.create(None, options["username"].strip().lower(), password=password, **values)
        self.say(f"Made the account “{user.username}”.")
        self.say(
            f"Its password: {password}" if password else "Its person sets a password with “Forgot your password?”."
        )

    def load(self, options: Options) -> None:
        """Import, or what it would do."""
        done = people_csv.Done()
        try:
            with change():
                done = people_csv.load(None, _text(options["file"]), update=options["update"])
                if options["dry_run"]:
                    raise _DryRunError
        except people_csv.RefusedCsvError as error:
            raise CommandError("\n".join([*error.problems, "Nothing was imported."])) from error
        except _DryRunError:
            self.say("Nothing was done. It would be:")
        for word, names in (("made", done.created), ("changed", done.changed), ("as they were", done.same)):
            if names:
                self.say(f"{counted(len(names), 'account')} {word}: {', '.join(names)}")

    def export(self, options: Options) -> None:
        """Addresses are personal: a file is its account's alone."""
        if not options["output"]:
            people_csv.write(_people().iterator(), self.stdout)
            return
        path = Path(options["output"])
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        with os.fdopen(fd, "w", newline="") as file:
            count = people_csv.write(_people().iterator(), file)
        self.say(f"{counted(count, 'account')} in {path}.")

    def deactivate(self, options: Options) -> None:
        """All of them, or none."""
        with change():
            done = [user for user in find_people(options["usernames"]) if services.deactivate(None, user)]
        self._report("deactivated", done, options)

    def reactivate(self, options: Options) -> None:
        """All of them, or none."""
        with change():
            done = [user for user in find_people(options["usernames"]) if services.activate(None, user)]
        self._report("active again", done, options)

    def new_password(self, options: Options) -> None:
        """A password each."""
        with change():
            passwords = {user: _new_password() for user in find_people(options["usernames"])}
            for user, password in passwords.items():
                services.set_password(None, user, password)
        self.say(*(f"The new password of {user.username}: {password}" for user, password in passwords.items()))

    def forget_second_factor(self, options: Options) -> None:
        """All of them, or none."""
        with change():
            done = [user for user in find_people(options["usernames"]) if services.forget_second_factor(None, user)]
        self._report("without a second factor now", done, options)

    def merge(self, options: Options) -> None:
        """All of it, or nothing."""
        done: list[str] = []
        with contextlib.suppress(_DryRunError), change():
            source, target = (find_person(options[name]) for name in ("source", "target"))
            done = merging.merge(None, source, target, even_deactivated=options["deactivated"])
            if options["check"]:
                raise _DryRunError
        self.say("Nothing was done. It would be:" if options["check"] else f"Now of {target.username}:")
        self.say(*(f"- {line}" for line in done))

    def _report(self, what: str, done: Iterable[User], options: Options) -> None:
        names = {user.username for user in done}
        others = [user.username for user in find_people(options["usernames"]) if user.username not in names]
        for name in sorted(names):
            self.say(f"{name}: {what}.")
        for name in others:
            self.say(f"{name}: nothing to do.")


def _people() -> QuerySet[Any]:
    return User.objects.filter(deleted_at=None).order_by("username")


def _text(name: str) -> str:
    """What is in a file: UTF-8, with the mark that spreadsheets write or without."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not in UTF-8.") from error


def _new_password() -> str:
    return secrets.token_urlsafe(12)
