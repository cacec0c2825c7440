"""gunicorn's own log lines, in the shape of the site's: `gunicorn --logger-class portal.ops.gunicorn_logger.Logger`."""

import os

from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLogger

from .logs import FORMATTERS


class Logger(GunicornLogger):
    """Only what its lines look like is other; the settings are not read here, a mistake in them must still be said."""

    def setup(self, cfg: Config) -> None:
        """Let every handler write our lines."""
        super().setup(cfg)
        shape = FORMATTERS.get(os.environ.get("LOG_FORMAT") or "text", FORMATTERS["text"])
        for handler in self.error_log.handlers:
            handler.setFormatter(shape())
