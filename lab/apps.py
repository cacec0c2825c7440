from django.apps import AppConfig


class LabConfig(AppConfig):
    name = "lab"
    verbose_name = "Lab"

    def ready(self) -> None:
        from portal.access import access_changed

        from . import checks  # noqa: F401  (registers them)
        from .servers.access_sync import follow_changes

        access_changed.connect(follow_changes, dispatch_uid="lab")
