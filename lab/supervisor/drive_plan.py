"""Which libraries stand where in one server's Drive, and the changes from one such view to another.

A library that stays in view keeps its mount, because processes that stand in it keep that: it is turned read-only or
writable where it is, and moved when its name changes.
"""

import re
from dataclasses import dataclass, field

from drive.folders import MOUNTED

_LIBRARY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class MountPoint:
    """Mount point of a library in the view: `<folder>/<name>`."""

    folder: str
    name: str

    def __post_init__(self) -> None:
        bad = self.name in ("", ".", "..") or "/" in self.name or "\0" in self.name
        if self.folder not in MOUNTED or bad:
            raise ValueError(f"not a place in the drive: {self.folder!r}, {self.name!r}")

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True)
class Library:
    """A library that is mounted, and its mode."""

    library: str
    mode: str
    """`rw` or `ro`."""

    def __post_init__(self) -> None:
        if not _LIBRARY.fullmatch(self.library) or self.mode not in ("rw", "ro"):
            raise ValueError(f"not a library: {self.library!r}, {self.mode!r}")


def libraries(wanted: list[dict[str, str]]) -> dict[MountPoint, Library]:
    """Libraries and where they stand, from the mounts of a request; ValueError for what is no place or no library."""
    return {MountPoint(m["folder"], m["name"]): Library(m["library"], m["mode"]) for m in wanted}


View = dict[MountPoint, Library]


@dataclass
class Plan:
    """Changes of a view, in the order in which they are to be made: what is taken away comes first."""

    read_only: list[MountPoint] = field(default_factory=list)
    """Turned read-only, where they stand now."""
    withdrawn: list[MountPoint] = field(default_factory=list)
    moved: list[tuple[MountPoint, MountPoint]] = field(default_factory=list)
    """From and to, in an order in which every place is free."""
    writable: list[MountPoint] = field(default_factory=list)
    """Turned writable, where they stand after the moves."""
    shown: list[MountPoint] = field(default_factory=list)


def plan(current: View, wanted: View) -> Plan:
    """The changes that make `current` equal to `wanted`."""
    stays = {place for place, library in current.items() if _same(library, wanted.get(place))}
    targets = [place for place in wanted if place not in stays]
    moves: dict[MountPoint, MountPoint] = {}
    for place in (place for place in current if place not in stays):
        target = next((other for other in targets if _same(current[place], wanted[other])), None)
        if target:
            targets.remove(target)
            moves[place] = target
    made = Plan(withdrawn=[place for place in current if place not in stays and place not in moves], shown=targets)
    _order(moves, set(current) - set(made.withdrawn), made)
    ends = {place: place for place in stays} | dict(made.moved)
    for place, end in ends.items():
        if (current[place].mode, wanted[end].mode) == ("rw", "ro"):
            made.read_only.append(place)
        elif (current[place].mode, wanted[end].mode) == ("ro", "rw"):
            made.writable.append(end)
    return made


def _order(moves: dict[MountPoint, MountPoint], taken: set[MountPoint], made: Plan) -> None:
    """One after the other to where nothing stands; of those that wait for each other one is shown anew."""
    while moves:
        place = next((place for place, target in moves.items() if target not in taken), None)
        if place is None:
            place, target = moves.popitem()
            made.withdrawn.append(place)
            made.shown.append(target)
        else:
            made.moved.append((place, target := moves.pop(place)))
            taken.add(target)
        taken.discard(place)


def _same(library: Library, other: Library | None) -> bool:
    return other is not None and library.library == other.library


def keeps(wanted: View, library: Library) -> bool:
    """True if the person still has at least this access to the library, be it at another mount point."""
    return any(_same(library, other) and (other.mode == "rw" or library.mode == "ro") for other in wanted.values())
