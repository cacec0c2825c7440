"""Health of the process `webdav`."""

from lab import health
from portal.ops.health import Part


def parts() -> list[Part]:
    """For `/readyz`: pages do without it."""
    return [Part("webdav", lambda: health.connect_to("webdav.sock"), needed=False)]
