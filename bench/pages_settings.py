"""The site's settings, with one more page: a bare view, to compare with."""

from portal.settings import *  # noqa: F403

ROOT_URLCONF = "bench.pages_urls"
LOG_LEVEL = "WARNING"
