"""All that the site keeps of a person, in one archive: for whoever asks for it (GDPR, article 15 and 20)."""

import json
import zipfile
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder

from drive.files import zip_stream
from drive.models import Library
from drive.storage import StorageError, layout
from portal import hooks
from portal.models import User


def write(user: User, file: IO[bytes]) -> list[str]:
    """Write the archive: rows as JSON, as the person downloads them, and each of their libraries as a ZIP in it.

    Returns the libraries that could not be read. Versions and trash are not in it.
    """
    missing = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        found: list[dict[str, Any]] = hooks.collect("account_export", user=user)
        for name, content in (item for part in found for item in part.items()):
            archive.writestr(name, json.dumps(content, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
        for library in Library.objects.filter(owner_user=user, removed_at=None).order_by("name_key", "pk"):
            try:
                _add(archive, library)
            except (StorageError, OSError):
                missing.append(f"{library.name} ({library.pk})")
    return missing


def _add(archive: zipfile.ZipFile, library: Library) -> None:
    """What is compressed once is not compressed again; the id keeps apart a deleted one of the same name."""
    inner = zipfile.ZipInfo(f"libraries/{library.name}-{str(library.pk)[:8]}.zip")
    with layout.open_library(library) as files, archive.open(inner, "w", force_zip64=True) as target:
        for piece in zip_stream.pack(files, [("", library.name)]):
            target.write(piece)
