"""Storage of static files (`STORAGES`): an address is looked up once per process, not at every `{% static %}`."""

from typing import Any

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class HashedFilesStorage(ManifestStaticFilesStorage):
    """As Django's, with hashes in the names; `bin/up` collects the files before any process starts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses: dict[str, str] = {}

    def url(self, name: str, force: bool = False) -> str:  # type: ignore[override]
        if force:
            return super().url(name, force)
        if name not in self._addresses:
            self._addresses[name] = super().url(name)
        return self._addresses[name]
