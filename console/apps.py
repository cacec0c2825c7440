from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"
    verbose_name = "Running the site"

    def ready(self) -> None:
        """Take note of tasks that fail, and of when they were queued."""
        from portal import queues  # noqa: F401

        from . import failures  # noqa: F401
