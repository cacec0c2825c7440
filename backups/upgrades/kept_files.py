"""What the rows that a return has replaced need besides them: objects of versions, and journals of rooms.

    DRIVE_ROOT/kept/<point>/objects/ab/abcd…   second names of all objects of then (hard links)
    DRIVE_ROOT/kept/<point>/rooms/             copies of all journals of then

The rows that a return brings back know nothing that was stored since. Whichever version serves next removes that in its
first night: from the store and from the rooms, but not here. Here it stays as long as the point does.
"""

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from drive.storage import layout
from drive.versions import store
from rooms import journals


def _root() -> Path:
    return layout.root() / "kept"


def keep(name: str) -> None:
    """Keep what is there now for the point of this name. OSError; may be done once more."""
    place = _root() / name
    (place / "rooms").mkdir(mode=0o700, parents=True, exist_ok=True)
    for journal, _room in journals.every_file():
        shutil.copy2(journal, place / "rooms" / journal.name)
    for folder in store.root().glob("[0-9a-f][0-9a-f]"):
        _link_all(folder, place / "objects" / folder.name)


def give_back(name: str) -> None:
    """Put back what has been removed since the point of this name was made. Nothing that is there is replaced."""
    place = _root() / name
    for folder in (place / "objects").glob("[0-9a-f][0-9a-f]"):
        _link_all(folder, store.root() / folder.name)
    rooms = Path(settings.ROOMS_ROOT)
    rooms.mkdir(mode=0o700, parents=True, exist_ok=True)
    for journal in (place / "rooms").glob("*"):
        target = rooms / journal.name
        if not target.exists():
            draft = target.with_name(f"{target.name}~")
            shutil.copy2(journal, draft)
            draft.replace(target)


def _link_all(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as found:
        for entry in found:
            with suppress(FileExistsError):
                os.link(entry.path, target / entry.name, follow_symlinks=False)


def remove_all_but(names: Collection[str]) -> None:
    """Remove what was kept for points that are gone."""
    for path in _root().glob("*"):
        if path.name not in names:
            shutil.rmtree(path)
