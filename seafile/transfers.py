"""Move and copy, one thing or several. All is done when the answer comes: ebrains-drive looks for it at once."""

from dataclasses import dataclass

from django.http import HttpResponse

from drive.files import operations
from drive.models import Library
from drive.storage import check_name, open_library

from .calls import Call, answer, below, existing, place_freely, tidy, uuid_of
from .errors import SeafileError


class Transfer:
    """A file or folder, and the folder that it goes to. 404 where either is missing."""

    def __init__(self, call: Call, source: Library, path: str, target_id: str, folder: str) -> None:
        self.call, self.source = call, source
        self.target, self.target_entry = call.writing(uuid_of(target_id))
        with open_library(source) as files:
            self.path, self.item = existing(files, path)
        with open_library(self.target) as files:
            self.folder, _item = existing(files, tidy(folder), "folder")
        if not self.path:
            raise SeafileError(400, "A library cannot be moved or copied as a whole.")

    @property
    def name(self) -> str:
        """Its name."""
        return self.path.rpartition("/")[2]


def to_folder(found: Transfer, *, is_move: bool) -> str:
    """Carry it out; returns the new path, which has another name where one was taken."""
    if is_move and found.source == found.target and found.path.rpartition("/")[0] == found.folder:
        raise SeafileError(400, "The destination folder is the folder that it is in.")
    if found.source == found.target and f"{found.folder}/".startswith(f"{found.path}/"):
        raise SeafileError(400, "A folder cannot be moved or copied into itself.")

    def place(free: str) -> None:
        if is_move:
            operations.move(found.call.user, found.source, found.path, found.target, free)
        else:
            operations.copy(found.call.user, found.source, found.path, found.target, free)

    with open_library(found.target) as files:
        return place_freely(files, below(found.folder, found.name), place)[0]


@dataclass(frozen=True)
class _Batch:
    call: Call
    names: list[str]
    is_move: bool

    def carry_out(self) -> None:
        """Look at all of them first: of several, none is moved where one cannot be."""
        fields = self.call
        source_id = fields.library_field("src_repo_id")
        source, _entry = fields.writing(source_id) if self.is_move else fields.reading(source_id)
        folder = fields.path_field("src_parent_dir")
        paths = [below(folder, check_name(name)) for name in self.names]
        target, target_folder = fields.field("dst_repo_id"), fields.field("dst_parent_dir")
        found = [Transfer(fields, source, path, target, target_folder) for path in paths]
        if not self.is_move and found:
            operations.check_copy(source, [one.path for one in found], found[0].target)
        for one in found:
            to_folder(one, is_move=self.is_move)


def copy_or_move(call: Call) -> HttpResponse:
    """One thing, as ebrains-drive asks; `operation` is `copy` or `move`."""
    word = call.field("operation").lower()
    if word not in ("copy", "move"):
        raise SeafileError(400, "operation invalid.")
    _Batch(call, [call.field("src_dirent_name")], word == "move").carry_out()
    return answer({})


def _batch(call: Call, *, is_move: bool) -> None:
    names = call.all("src_dirents")
    if not names:
        raise SeafileError(400, "src_dirents invalid.")
    _Batch(call, names, is_move).carry_out()


def move_batch(call: Call) -> HttpResponse:
    """Move several names of a folder."""
    _batch(call, is_move=True)
    return answer({"success": True, "task_id": ""})


def copy_batch(call: Call) -> HttpResponse:
    """Copy several names of a folder."""
    _batch(call, is_move=False)
    return answer({"success": True, "task_id": ""})


def progress(call: Call) -> HttpResponse:
    """Progress of a copy: each is finished when it is answered."""
    return answer({"done": 1, "total": 1, "canceled": False, "failed": False, "successful": True})
