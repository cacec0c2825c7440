from django.apps import AppConfig


class DriveConfig(AppConfig):
    name = "drive"
    verbose_name = "Drive"

    def ready(self) -> None:
        from . import checks  # noqa: F401  (registers them)
