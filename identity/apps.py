from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ValidationError
from django.db.models.signals import pre_save


class IdentityConfig(AppConfig):
    name = "identity"
    verbose_name = "Identity for other services"

    def ready(self) -> None:
        """Register the system checks, hold what saves a client to having an address, and read each key once.

        Clients are allauth's rows: in the administration they stand under our name for what they are.
        """
        from allauth.core.internal import jwkkit

        from . import checks  # noqa: F401

        apps.get_app_config("allauth_idp_oidc").verbose_name = self.verbose_name
        pre_save.connect(refuse_without_address, sender="allauth_idp_oidc.Client", dispatch_uid="identity.address")
        # allauth reads the signing key anew for each token, and for whoever asks for the published keys. Since reading
        # proves that the numbers are prime, that takes a tenth of a second of the processor.
        jwkkit.load_pem = lru_cache(maxsize=16)(jwkkit.load_pem)


def refuse_without_address(instance: Any, raw: bool, update_fields: Iterable[str] | None, **_: Any) -> None:
    """ValidationError for a client without a redirect address; the model is allauth's, so this is not in its `save`."""
    saved = not raw and (update_fields is None or "redirect_uris" in update_fields)
    if saved and not instance.get_redirect_uris():
        raise ValidationError({"redirect_uris": "A client needs a redirect address."})
