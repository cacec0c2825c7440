"""Health of the process `rooms`."""

from django.conf import settings

from portal.ops.health import HealthCheckError, Part

from . import process


def parts() -> list[Part]:
    """For `/readyz`, where people edit together. Without it each opens files alone."""
    return [Part("rooms", answers, needed=False)] if settings.COEDITING else []


def answers() -> None:
    """HealthCheckError unless its event loop answers."""
    try:
        process.get("/healthz")
    except process.RoomsProcessError as error:
        raise HealthCheckError(str(error)) from error
