"""`manage.py templates`: which templates of mails and pages there are, and which are replaced by ones of one's own."""

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError
from django.template import TemplateDoesNotExist

from portal.command_line import Options, SubcommandsCommand
from portal.web import own_templates


class Command(SubcommandsCommand):
    """Templates: list and show."""

    help = "Templates of mails and pages: which there are, their text, and which are replaced by your own."

    def define(self) -> None:
        parser = self.listing("list", self.list, "Names that a file in TEMPLATES_DIR can have, and what is used.")
        parser.add_argument("--mails", action="store_true", help="of mails alone")
        parser.add_argument("--own", action="store_true", help="those that are in TEMPLATES_DIR alone")
        parser = self.subcommand("show", self.print, "The site's own text of one, to begin with.")
        parser.add_argument("name", metavar="NAME")

    def list(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of the list."""
        mine = own_templates.own()
        names = set(mine.names()) if mine else set()
        wrong = dict(own_templates.problems())
        for name in sorted({*own_templates.built_in_names(), *names}):
            if (options["mails"] and not own_templates.is_mail(name)) or (options["own"] and name not in names):
                continue
            yield {"template": name, "own": name in names, "not_used_because": wrong.get(name, "")}

    def print(self, options: Options) -> None:
        """As it is in the file."""
        try:
            text = own_templates.text_of(options["name"])
        except TemplateDoesNotExist as error:
            raise CommandError(f"There is no template {options['name']}.") from error
        self.stdout.write(text, ending="")
