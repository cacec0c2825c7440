"""`manage.py hub`: make a JupyterHub a service of this site, and write what the two are told of each other."""

import os
import secrets
import shlex
from pathlib import Path
from typing import Any

from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.models import Client
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from identity import redirect_uris
from identity.adapter import GRANTS
from portal import audit
from portal.command_line import change


class Command(BaseCommand):
    """See docs/how-to/use-a-jupyterhub.md."""

    help = "Make a JupyterHub known to this site; write portal.env for the site's settings, and hub.env for the Hub."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "address", metavar="ADDRESS", help="of the Hub in browsers, such as https://hub.example.org"
        )
        parser.add_argument("--directory", type=Path, default=Path(), metavar="DIR", help="for the two files")

    def handle(self, *args: Any, address: str, directory: Path, **options: Any) -> None:
        """Nothing is overwritten: who has the files can start servers for everybody."""
        address = address.rstrip("/")
        files = {name: directory / name for name in ("portal.env", "hub.env")}
        if there := [str(path) for path in files.values() if path.exists()]:
            raise CommandError(f"There is {', '.join(there)} already. Remove it to make new secrets.")
        if not directory.is_dir():
            raise CommandError(f"There is no directory {directory}.")
        token, secret = secrets.token_hex(32), secrets.token_hex(32)
        with change():
            client, client_secret = _client(f"{address}/hub/oauth_callback")
        portal = {
            "LAB_LAUNCHER": "jupyterhub",
            "LAB_HUB_URL": address,
            "LAB_HUB_TOKEN": token,
            "LAB_HUB_SECRET": secret,
        }
        hub = {
            "HUB_URL": address,
            "COLLABORATORY_URL": settings.PORTAL_URL,
            "COLLABORATORY_CLIENT_ID": client.pk,
            "COLLABORATORY_CLIENT_SECRET": client_secret,
            "COLLABORATORY_HUB_TOKEN": token,
            "COLLABORATORY_HUB_SECRET": secret,
            "COLLABORATORY_DRIVE": str(settings.DRIVE_ROOT),
            "SITE_NAME": settings.SITE_NAME,
        }
        _write(files["portal.env"], portal)
        _write(files["hub.env"], {name: shlex.quote(value) for name, value in hub.items()})
        self.stdout.write(
            f"{files['portal.env']}: add its lines to the site's settings, and start the site anew.\n"
            f"{files['hub.env']}: the Hub's environment. Whoever can read it can enter everybody's Lab."
        )


def _client(address: str) -> tuple[Client, str]:
    """Service of this return address, with a new secret."""
    redirect_uris.validate(address)
    client = Client.objects.filter(redirect_uris=address).first() or Client(name="Lab", redirect_uris=address)
    client.skip_consent = True
    client.set_scopes(["openid", "profile"])
    client.set_default_scopes(["openid"])
    client.set_grant_types(list(GRANTS))
    client.set_response_types(["code"])
    secret = get_adapter().generate_client_secret()
    client.set_secret(secret)
    is_new = client._state.adding
    client.save()
    audit.record(None, "identity.client.created" if is_new else "identity.client.secret", client)
    return client, secret


def _write(path: Path, values: dict[str, str]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
