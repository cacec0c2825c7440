from django.apps import AppConfig


class RoomsConfig(AppConfig):
    name = "rooms"
    verbose_name = "Co-editing"

    def ready(self) -> None:
        from . import checks  # noqa: F401  (registers them)
