"""`manage.py lab_environment base /srv/base --name "Scientific Python" --default` registers an environment."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from lab.environments import static_files
from lab.models import Environment, EnvironmentKind
from lab.supervisor.conda_env import is_conda


class Command(BaseCommand):
    """May be repeated: the environment with this slug is created or changed."""

    help = "Register, or change, an environment that Labs run in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("prefix", type=Path, help="absolute path; <prefix>/bin/python has jupyterlab")
        parser.add_argument("--name", help="what people see; default: the slug")
        parser.add_argument("--description", default="")
        parser.add_argument("--default", action="store_true", help="what people get who did not choose")

    @transaction.atomic
    def handle(self, *_: Any, **options: Any) -> None:
        prefix: Path = options["prefix"]
        if not (prefix / "bin/python").exists():
            raise CommandError(f"{prefix}/bin/python does not exist.")
        environment = Environment.objects.filter(slug=options["slug"]).first() or Environment(slug=options["slug"])
        environment.prefix = str(prefix)
        environment.kind = EnvironmentKind.CONDA if is_conda(str(prefix)) else EnvironmentKind.VENV
        environment.name = options["name"] or environment.name or options["slug"]
        environment.description = options["description"] or environment.description
        if options["default"] or not Environment.objects.filter(is_default=True).exists():
            Environment.objects.filter(is_default=True).exclude(slug=options["slug"]).update(is_default=False)
            environment.is_default = True
        try:
            environment.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        environment.save()
        static_files.publish(environment.prefix)
        self.stdout.write(f"{environment.slug}: {environment.prefix}{' (default)' if environment.is_default else ''}")
