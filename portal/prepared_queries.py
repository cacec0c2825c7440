"""Prepared queries: Django puts a query together once per process and shape, and only its parameters change after that.

Putting a queryset together and compiling it takes Django from 0.3 ms for a row by key to several milliseconds for a
union of joins, again for every request; running it takes SQLite or PostgreSQL a tenth of that. Nothing of an answer is
kept: every call asks the database.

    @prepared
    def _role(collab: int, user: int) -> QuerySet:
        return Membership.objects.filter(collab=collab, user=user).values_list("role")

    _role(collab=3, user=5)  # a list, as list(queryset)

Keyword arguments are the parameters: numbers, strings, times, UUIDs, and lists of one of these. Positional arguments
decide the shape: each combination is a query of its own. So the function may branch by its positional arguments only,
and must not read the clock, a setting or the database: what it reads would stay as it was at the first call.
"""

import copy
import functools
import threading
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.query import QuerySet

Build = Callable[..., QuerySet]
_FIELDS: dict[type, models.Field] = {
    int: models.BigIntegerField(),
    str: models.TextField(),
    UUID: models.UUIDField(),
    datetime: models.DateTimeField(),
}
LONGEST = 1024
"""Longer lists are no parameters: such a query is put together anew."""

TELLING = "Parameter %_\\ "
"""Begins the mark of a string: a lookup that changes letters or escapes wildcards (`iexact`) changes this too."""


class PreparedQueryError(Exception):
    """A parameter does not stand in the query as it was given, so that no other value can take its place."""


def prepared(build: Build) -> Callable[..., list[Any]]:
    """Decorator of a function that returns a queryset; calling it returns the rows."""
    statements: dict[Hashable, _Statement] = {}

    @functools.wraps(build)
    def run(*shape: Hashable, **parameters: Any) -> list[Any]:
        given = {name: _values(value) for name, value in parameters.items()}
        if any(len(values) > LONGEST for values in given.values()):
            return list(build(*shape, **parameters))
        sizes = tuple((name, type(parameters[name]), len(values)) for name, values in given.items())
        key = connections[DEFAULT_DB_ALIAS].vendor, shape, sizes
        statement = statements.get(key)
        if statement is None:
            # Race: two threads prepare the same; either's is right.
            statement = statements[key] = _Statement(build, shape, parameters, given)
        return statement.run(given)

    return run


def _values(value: Any) -> list[Any]:
    """The values of one argument. Lists are filled up to the next power of two, so that there are few shapes."""
    if not isinstance(value, list):
        return [value]
    return value + value[-1:] * ((1 << (len(value) - 1).bit_length()) - len(value)) if value else []


class _Statement:
    """One query of one shape, compiled: its SQL, and where in it which parameter stands."""

    def __init__(
        self, build: Build, shape: Iterable[Hashable], parameters: dict[str, Any], given: dict[str, list[Any]]
    ) -> None:
        marks, names = _Marks(), {}
        for name, values in given.items():
            made = [marks.make(name, number, value) for number, value in enumerate(values)]
            names[name] = made if isinstance(parameters[name], list) else made[0]
        self.queryset: Any = build(*shape, **names)
        self.compiler: Any = self.queryset.query.get_compiler(self.queryset.db)
        self.sql = ""
        self.of_thread = threading.local()
        self.places: list[tuple[str, int, models.Field] | None] = []
        try:
            self.sql, self.constants = self.compiler.as_sql()
        except EmptyResultSet:  # by its shape, such as one in an empty list
            return
        found = marks.found(self.constants, self.compiler.connection)
        if getattr(self.queryset, "_prefetch_related_lookups", ()):
            raise PreparedQueryError(f"{build.__qualname__}: prefetch_related is a query of its own")
        if missing := marks.made.keys() - {(place[0], place[1]) for place in found if place}:
            raise PreparedQueryError(f"{build.__qualname__}: no place for {sorted(missing)}")
        self.places = found
        self.compiler.connection = None  # it is one thread's

    def run(self, given: dict[str, list[Any]]) -> list[Any]:
        """The rows, as the queryset would give them."""
        if not self.sql:
            return []
        connection = connections[self.queryset.db]
        values = [
            constant if place is None else place[2].get_db_prep_value(given[place[0]][place[1]], connection)
            for constant, place in zip(self.constants, self.places, strict=True)
        ]
        compiler = copy.copy(self.compiler)
        compiler.connection = connection
        compiler.as_sql = lambda *_args, **_options: (self.sql, tuple(values))
        compiler.get_converters = lambda expressions: self._converters(compiler, expressions)
        rows: Any = object.__new__(type(self.queryset))  # `copy` would ask the database for what is in it
        rows.__dict__.update(self.queryset.__dict__, _query=_Compiled(compiler))
        return list(rows._iterable_class(rows))

    def _converters(self, compiler: Any, expressions: Any) -> Any:
        """What makes values of Python of the columns: the same each time, for each thread's connection."""
        known = getattr(self.of_thread, "converters", None)
        if known is None or known[0] is not compiler.connection:
            known = self.of_thread.converters = (
                compiler.connection,
                type(compiler).get_converters(compiler, expressions),
            )
        return known[1]


class _Compiled:
    """In place of a queryset's query: there is nothing left to compile."""

    def __init__(self, compiler: Any) -> None:
        self.compiler = compiler

    def get_compiler(self, *_args: Any, **_options: Any) -> Any:
        return self.compiler


class _Marks:
    """Values that stand for parameters while a query is compiled, and that nothing else in it equals."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, int], Any] = {}

    def make(self, name: str, number: int, value: Any) -> Any:
        """A mark of the type of this value."""
        count = len(self.made)
        kind = next((kind for kind in _FIELDS if isinstance(value, kind)), None)
        mark: Any
        if kind is int and not isinstance(value, bool):
            mark = 1_987_654_321 + 1000 * count  # fits a column of 32 bits
        elif kind is str:
            mark = f"{TELLING}{count}"
        elif kind is UUID:
            mark = UUID(int=0x1987654321 << 64 | count)
        elif kind is datetime:
            mark = datetime(7531, 1, 1, tzinfo=UTC) + timedelta(minutes=count)
        else:
            raise PreparedQueryError(f"{name}: {value!r} is of no type that a parameter can have")
        self.made[name, number] = mark
        return mark

    def found(self, constants: Iterable[Any], connection: Any) -> list[tuple[str, int, models.Field] | None]:
        """For each value in the SQL the parameter that it stands for; None for what stays."""
        names: dict[Any, tuple[str, int, models.Field]] = {}
        for (name, number), mark in self.made.items():
            field = _FIELDS[next(kind for kind in _FIELDS if isinstance(mark, kind))]
            names[field.get_db_prep_value(mark, connection)] = (name, number, field)
        return [names.get(value) if isinstance(value, Hashable) else None for value in constants]
