"""Health of the Lab: the launcher."""

from portal.ops.health import TIMEOUT, Part

from .launchers import get_launcher


def parts() -> list[Part]:
    """The Lab's parts of `/readyz`. Without the supervisor no Lab starts or stops; all else goes on."""
    return [Part("supervisor", lambda: get_launcher().ping(TIMEOUT), needed=False)]
