"""What several tests of versions use."""

from drive.models import Library
from drive.versions import history, store


def contents(library: Library, path: str) -> list[bytes]:
    """What the versions of a file hold, oldest first."""
    row = history.of_path(library, path)
    return [store.open_object(version.sha256).read() for version in reversed(row.versions.all())] if row else []
