"""Logger of gunicorn, in the site's log format: `gunicorn --logger-class portal.ops.gunicorn_logger.Logger`."""

import os

from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLogger

from .logs import FORMATTERS


class Logger(GunicornLogger):
    """gunicorn's logger with our formatters. The settings are not read here: an error in them must still be logged."""

    def setup(self, cfg: Config) -> None:
        """Set our formatter on every handler."""
        super().setup(cfg)
        shape = FORMATTERS.get(os.environ.get("LOG_FORMAT") or "text", FORMATTERS["text"])
        for handler in self.error_log.handlers:
            handler.setFormatter(shape())
