"""Checks updates of shared documents before they are applied (Yjs' update format, version 1).

The CRDT library trusts what it is given. It follows nesting by recursion, so that 200 kB of nested brackets end the
whole process (measured, pycrdt 0.14.13), and it keeps what it cannot place yet until the missing part arrives. An
update is therefore read here first: only the kinds of content that a notebook or a text is made of, a bounded number
of parts, a bounded depth, known roots, and nothing that depends on what the document does not have.
"""

from bisect import bisect_right
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from .wire import Reader, WireError, state_vector

MAX_PARTS = 500_000  # items and values in one update: about a second of reading
MAX_JSON_DEPTH = 110  # of a value; a file's own JSON may have 100
USUAL_DEPTH = 3  # of a type in a journal that does not say it any more
MAX_TYPE_DEPTH = 6  # of shared types in each other: cells, cell, outputs, output, text

_GC, _DELETED, _STRING, _TYPE, _ANY, _SKIP = 0, 1, 4, 7, 8, 10
_SHARED_TYPES = (0, 1, 2)  # array, map, text; no XML
_FIXED = {127: 0, 126: 0, 124: 4, 123: 8, 122: 8, 121: 0, 120: 0}  # sizes of undefined, null, floats, bigint, booleans
_INTEGER, _TEXT, _OBJECT, _ARRAY = 125, 119, 118, 117

Id = tuple[int, int]


class BadUpdateError(Exception):
    """No well-meaning page sends such an update."""


class IncompleteUpdateError(Exception):
    """The update builds on changes that this document does not have (yet): they have to be asked for."""


@dataclass
class _Spans:
    """Depths of ranges of clocks of one client, ascending."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)

    def add(self, found: list[tuple[int, int, int]]) -> None:
        """Add (start, end, depth) of some items at once: one by one, in the worst order, takes a minute for many."""
        for start, end, depth in sorted(found):
            if self.starts and start < self.starts[-1]:  # among the earlier ones
                self._insert(start, end, depth)
            elif self.ends and start <= self.ends[-1] and depth == self.depths[-1]:
                self.ends[-1] = max(end, self.ends[-1])
            else:
                self._append(start, end, depth)

    def _append(self, start: int, end: int, depth: int) -> None:
        self.starts.append(start)
        self.ends.append(end)
        self.depths.append(depth)

    def _insert(self, start: int, end: int, depth: int) -> None:
        at = bisect_right(self.starts, start)
        if not at or self.ends[at - 1] < end:
            self.starts.insert(at, start)
            self.ends.insert(at, end)
            self.depths.insert(at, depth)

    def depth(self, clock: int) -> int | None:
        at = bisect_right(self.starts, clock) - 1
        return self.depths[at] if at >= 0 and clock < self.ends[at] else None


class _Item(NamedTuple):
    """Anything but characters, with where it says that it belongs."""

    client: int
    start: int
    end: int
    is_type: bool
    parent: Id | str | None
    beside: tuple[Id, ...]


class _Index:
    """The items of one update, by the clocks that they have."""

    def __init__(self, items: list[_Item]) -> None:
        self._items: dict[int, list[_Item]] = {}
        for item in items:
            self._items.setdefault(item.client, []).append(item)
        for of_client in self._items.values():
            of_client.sort(key=_start)
        self._starts = {client: [item.start for item in found] for client, found in self._items.items()}

    def find(self, item_id: Id) -> _Item | None:
        client, clock = item_id
        at = bisect_right(self._starts.get(client, []), clock) - 1
        if at < 0 or clock >= self._items[client][at].end:
            return None
        return self._items[client][at]


class UpdateChecker:
    """Knows the shared types of one document, and how deep each is nested."""

    def __init__(self, roots: Set[str]) -> None:
        self._roots = roots
        self._depths: dict[int, _Spans] = {}

    def check(self, update: bytes, state: bytes) -> None:
        """Check an update for a document of this state vector, and remember the types that it brings.

        BadUpdateError, IncompleteUpdateError; then the update must not be applied.
        """
        try:
            reading = _Reading(Reader(update), self._roots, state_vector(state))
            reading.read()
        except WireError as error:
            raise BadUpdateError(str(error)) from error
        self._remember(_Placing(self._depths, reading.items, strict=True).run())

    def learn(self, update: bytes) -> None:
        """Remember the types of an update that was checked before, and may have been written anew since."""
        reading = _Reading(Reader(update), self._roots, _Everything())
        reading.read()
        self._remember(_Placing(self._depths, reading.items, strict=False).run())

    def _remember(self, placed: dict[int, list[tuple[int, int, int]]]) -> None:
        for client, found in placed.items():
            self._depths.setdefault(client, _Spans()).add(found)


class _Placing:
    """Finds the depth of every item of one update, in whatever order they come: each after those that it stands in or
    beside, and once.
    """

    def __init__(self, known: Mapping[int, _Spans], items: list[_Item], *, strict: bool) -> None:
        self.known = known
        self.items = items
        self.index = _Index(items)
        self.strict = strict  # a type that nothing is known of is refused
        self.depths: dict[Id, int] = {}
        self.nowhere: set[Id] = set()  # items beside characters, of which nothing is remembered

    def run(self) -> dict[int, list[tuple[int, int, int]]]:
        """(start, end, depth) of the items of each client. BadUpdateError."""
        for item in self.items:
            stack = [item]
            while stack:
                top = stack[-1]
                if (top.client, top.start) in self.nowhere or self._place(top):
                    stack.pop()
                elif (before := self._before(top)) is not None and len(stack) <= len(self.items):
                    stack.append(before)
                else:
                    self._give_up(top)
        placed: dict[int, list[tuple[int, int, int]]] = {}
        for item in self.items:
            if (depth := self.depths.get((item.client, item.start))) is not None:
                placed.setdefault(item.client, []).append((item.start, item.end, depth))
        return placed

    def _give_up(self, item: _Item) -> None:
        if item.is_type and self.strict:
            raise BadUpdateError("A part stands where nothing of its kind can.")
        if item.is_type:
            self.depths[item.client, item.start] = USUAL_DEPTH
        else:
            self.nowhere.add((item.client, item.start))

    def _before(self, item: _Item) -> _Item | None:
        """An item of the same update that has to be placed before this one."""
        parent = item.parent if isinstance(item.parent, tuple) else None
        for found in (parent, *item.beside):
            if found is not None and self._depth(found) is None:
                other = self.index.find(found)
                if other is not None and (other.client, other.start) not in self.nowhere:
                    return other
        return None

    def _place(self, item: _Item) -> bool:
        if (item.client, item.start) in self.depths:
            return True
        if isinstance(item.parent, str):
            depth: int | None = 1
        elif item.parent is not None:
            above = self._depth(item.parent)
            depth = None if above is None else above + 1
        else:
            known = [self._depth(neighbour) for neighbour in item.beside]
            depth = None if None in known else max(depth for depth in known if depth is not None)
        if depth is None:
            return False
        if depth > MAX_TYPE_DEPTH:
            raise BadUpdateError("The parts are nested too deeply.")
        self.depths[item.client, item.start] = depth
        return True

    def _depth(self, item_id: Id) -> int | None:
        spans = self.known.get(item_id[0])
        depth = spans.depth(item_id[1]) if spans else None
        if depth is None and (item := self.index.find(item_id)):
            return self.depths.get((item.client, item.start))
        return depth


class _Everything(dict[int, int]):
    """The state of a document that has all that any update builds on."""

    def get(self, key: int, default: object = None) -> int:
        return 1 << 31


class _Reading:
    """One pass over one update."""

    def __init__(self, reader: Reader, roots: Set[str], known: Mapping[int, int]) -> None:
        self.reader = reader
        self.roots = roots
        self.known = known
        self.ends: dict[int, int] = {}  # clock after the last item of each client, in this update
        self.needed: dict[int, int] = {}  # highest clock of each client that is built upon
        self.parts = 0
        self.items: list[_Item] = []

    def read(self) -> None:
        for _ in range(self.reader.uint()):
            self._read_client()
        for _ in range(self.reader.uint()):  # what is deleted
            client = self.reader.uint()
            for _ in range(self.reader.uint()):
                self._count()
                start, length = self.reader.uint(), self.reader.uint()
                if length:
                    self._need(client, start + length - 1)
        if self.reader.left:
            raise BadUpdateError("Something follows the update.")
        for client, clock in self.needed.items():
            if clock >= max(self.known.get(client, 0), self.ends.get(client, 0)):
                raise IncompleteUpdateError

    def _read_client(self) -> None:
        count, client, clock = self.reader.uint(), self.reader.uint(), self.reader.uint()
        if count and clock > max(self.known.get(client, 0), self.ends.get(client, 0)):
            raise IncompleteUpdateError
        for _ in range(count):
            self._count()
            length = self._read_struct(client, clock)
            clock += length
            if not length or clock >= 1 << 31:
                raise BadUpdateError("An item has no length, or too great a one.")
        self.ends[client] = max(clock, self.ends.get(client, 0))

    def _read_struct(self, client: int, clock: int) -> int:
        """Read one struct; returns its length in clocks."""
        reader = self.reader
        info = reader.byte()
        kind = info & 31
        if info == _GC:
            return reader.uint()
        if info == _SKIP:
            length = reader.uint()
            if clock + length > self.known.get(client, 0):
                raise IncompleteUpdateError
            return length
        beside = tuple(self._neighbour(client, clock) for bit in (128, 64) if info & bit)
        parent = None if beside else self._parent(client, clock, has_key=bool(info & 32))
        if kind == _STRING:
            return _utf16_length(reader.bytes())
        if kind == _TYPE:
            length = 1
            if reader.uint() not in _SHARED_TYPES:
                raise BadUpdateError("A shared type of this kind is in no notebook and no text.")
        elif kind in (_ANY, _DELETED):
            length = reader.uint()
            if kind == _ANY:
                self._values(length)
        else:
            raise BadUpdateError(f"Content of kind {kind} is in no notebook and no text.")
        self.items.append(_Item(client, clock, clock + length, kind == _TYPE, parent, beside))
        return length

    def _neighbour(self, client: int, clock: int) -> Id:
        found = (self.reader.uint(), self.reader.uint())
        if found[0] == client and found[1] >= clock:
            raise BadUpdateError("An item refers to a later one.")
        self._need(*found)
        return found

    def _parent(self, client: int, clock: int, *, has_key: bool) -> Id | str:
        parent: Id | str
        if self.reader.uint() == 1:
            parent = self.reader.text()
            if parent not in self.roots:
                raise BadUpdateError("An item belongs to no part of this document.")
        else:
            parent = self._neighbour(client, clock)
        if has_key:
            self.reader.text()
        return parent

    def _values(self, count: int) -> None:
        """Pass over JSON-like values, without recursion."""
        reader = self.reader
        open_ = [count]  # how many values are left on each level, and whether each has a key
        keyed = [False]
        while open_:
            if not open_[-1]:
                open_.pop()
                keyed.pop()
                continue
            open_[-1] -= 1
            self._count()
            if keyed[-1]:
                reader.text()
            kind = reader.byte()
            if kind == _TEXT:
                reader.text()
            elif kind == _INTEGER:
                if reader.byte() & 128:
                    reader.uint()
            elif kind in (_OBJECT, _ARRAY):
                open_.append(reader.uint())
                keyed.append(kind == _OBJECT)
                if len(open_) > MAX_JSON_DEPTH:
                    raise BadUpdateError("A value is nested too deeply.")
            elif kind in _FIXED:
                reader.skip(_FIXED[kind])
            else:
                raise BadUpdateError(f"Values of kind {kind} are in no notebook and no text.")

    def _need(self, client: int, clock: int) -> None:
        if clock > self.needed.get(client, -1):
            self.needed[client] = clock

    def _count(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise BadUpdateError("The update has too many parts.")


def _start(item: _Item) -> int:
    return item.start


def _utf16_length(data: bytes) -> int:
    """How many clocks a text takes: UTF-16 code units."""
    if data.isascii():
        return len(data)
    try:
        return len(data.decode().encode("utf-16-le")) // 2
    except UnicodeDecodeError as error:
        raise BadUpdateError("This is no UTF-8.") from error
