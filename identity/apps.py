from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "identity"
    verbose_name = "Identity for other services"

    def ready(self) -> None:
        """Register the system checks."""
        from . import checks  # noqa: F401
