"""`manage.py signing_key`: make a new signing key of the OpenID Connect provider; used from the portal's next start."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.accounts import oidc_signing_keys


class Command(BaseCommand):
    """See docs/how-to/sign-in-for-other-services.md, "Change the key"."""

    help = "Make a new signing key. The portal uses it from its next start; earlier keys are still published."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{oidc_signing_keys.create(settings.IDENTITY_KEYS)}: restart the portal to sign with it.")
