from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        """Register the checks; make our Celery application the tasks' own; name the site in the ids of mails.

        Django's groups are sets of rights in the administration, where “Groups” are ours.
        """
        from django.contrib.auth.models import Group
        from django.core.mail import DNS_NAME

        from . import celery  # noqa: F401
        from .ops import checks  # noqa: F401
        from .web import checks as web_checks  # noqa: F401

        DNS_NAME._fqdn = urlsplit(settings.PORTAL_URL).hostname  # what it caches
        apps.get_app_config("auth").verbose_name = "Rights of operators"
        Group._meta.verbose_name, Group._meta.verbose_name_plural = "set of rights", "sets of rights"
