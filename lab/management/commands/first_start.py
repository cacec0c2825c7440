"""`manage.py first_start`: bring database and static files up to date, and create what a new site begins with.

Does only what was not done before, so `bin/up` calls it each time. One process: starting Django is what takes time.
"""

import logging
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from collabs.models import Collab
from collabs.services import create_collab
from drive.files import operations
from drive.models import Library
from drive.storage import layout
from lab.environments import static_files
from lab.models import Environment
from portal.accounts import oidc_signing_keys, superusers
from portal.models import User
from portal.ops import code_version
from portal.ops.task_queue import without_broker

DEMO = Path(__file__).parents[2] / "demo"


class Command(BaseCommand):
    """Migrations, static files, administrator account, signing key, base environment, demo Collab."""

    help = (
        "Migrate, collect static files, and create the first administrator, the base environment and the demo Collab."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("portal.ops.cache").setLevel(logging.ERROR)  # Redis is not there yet, and need not be
        if layout.restoring().exists():
            raise CommandError(
                "A backup is being restored here, or that was cut off. If it was: empty DRIVE_ROOT and the database, "
                "and restore again."
            )
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        if not any(settings.IDENTITY_KEYS.glob("*.pem")):
            oidc_signing_keys.create(settings.IDENTITY_KEYS)
        register_base_environment()
        publish_static_files()
        if not User.objects.exists():
            create_operator()
            self.stdout.write("Created the account “admin”.")
        operators = User.objects.filter(is_superuser=True)[:2]
        if not Collab.all_objects.exists() and len(operators) == User.objects.count() == 1:
            with without_broker():
                create_demo(operators[0])
            self.stdout.write(f"Created the Collab “{demo_title()}”.")
        forget_first_password()
        code_version.note(code_version.present())


DESCRIPTION = (
    "JupyterLab, NumPy, SciPy, pandas, Matplotlib, seaborn, Plotly, Bokeh, scikit-learn, scikit-image, statsmodels, "
    "NetworkX, h5py, NiBabel."
)


def register_base_environment() -> None:
    """The environment that `bin/up` built; its row follows it when the site's directory moves."""
    prefix = settings.LAB_BASE_ENVIRONMENT
    values = {"name": "Scientific Python", "description": DESCRIPTION}
    environment, created = Environment.objects.get_or_create(
        slug="base", defaults={**values, "prefix": prefix, "is_default": not Environment.objects.exists()}
    )
    if not created and environment.prefix != prefix:
        environment.prefix = prefix
        environment.save(update_fields=["prefix"])


def publish_static_files() -> None:
    """JupyterLab of all environments, for the proxy."""
    if settings.LAB_LAUNCHER == "sandbox":
        prefixes = list(Environment.objects.ready().values_list("prefix", flat=True))
        for prefix in prefixes:
            static_files.publish(prefix)
        static_files.sweep(prefixes)


def create_operator() -> User:
    """`admin`, with a random password that is kept for its first use in `first-password`."""
    password = secrets.token_urlsafe(9)
    fd = os.open(settings.VAR_DIR / "first-password", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(f"{password}\n")
    return superusers.create("admin", "admin@localhost", password)


def forget_first_password() -> None:
    """The note goes when it no longer helps to sign in."""
    note = settings.VAR_DIR / "first-password"
    if note.exists():
        operator = User.objects.filter(username="admin").first()
        if operator is None or not operator.check_password(note.read_text().strip()):
            note.unlink()


def demo_title() -> str:
    """Title of the demo Collab, with the site's name."""
    return f"Welcome to {settings.SITE_NAME}"


def create_demo(operator: User) -> None:
    """A public Collab with a README, data, and a notebook that can be run."""
    collab: Collab = create_collab(
        operator,
        title=demo_title(),
        description="A first look: a notebook, its data, and how things work.",
        is_public=True,
    )
    library = Library.objects.get(owner_collab=collab)
    for path in sorted(DEMO.iterdir()):
        content = path.read_bytes().replace(b"{{ title }}", demo_title().encode())
        operations.write(operator, library, path.name, content)
