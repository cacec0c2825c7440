"""What the Lab needs to do its work."""

from portal.ops.health import TIMEOUT, Part

from .launchers import get_launcher


def parts() -> list[Part]:
    """For `/readyz`. Without the supervisor no Lab starts or stops; those that run go on, and so does all else."""
    return [Part("supervisor", lambda: get_launcher().ping(TIMEOUT), needed=False)]
