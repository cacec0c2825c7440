from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"
    verbose_name = "Running the site"

    def ready(self) -> None:
        """Take note of tasks that fail."""
        from . import failed_tasks  # noqa: F401
