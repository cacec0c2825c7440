"""Search in the directory with 10,000 Collabs: the full-text index, beside a scan of plain columns with LIKE.

    bin/bench search                 SQLite and PostgreSQL

Both find the same Collabs (checked), by the beginnings of folded words, among those that one person may see, and order
them by where the words are. Milliseconds, median and p95 of 40, of what the directory asks: how many there are, and
the first page of ids. Descriptions have 60 words of a vocabulary of 5,000, with frequencies as in a language.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from django.core.management import call_command
from django.db import connection, models
from django.db.models import Case, F, FloatField, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable

from collabs import search, search_index
from collabs.models import Collab, Membership, Role, Tag
from portal.models import User

from .databases import fresh_postgres, insert

COLLABS, PEOPLE, VOCABULARY, WORDS, MINE, RUNS, PAGE = 10_000, 500, 5_000, 60, 300, 40, 24
WEIGHTS = {"title": 10.0, "tags": 5.0, "description": 1.0}


class PlainText(models.Model):
    """A Collab's words, each with a space before it, in columns without an index."""

    collab = models.OneToOneField(Collab, models.DO_NOTHING, primary_key=True, related_name="plain")
    title = models.TextField()
    tags = models.TextField()
    description = models.TextField()

    class Meta:
        app_label = "collabs"
        managed = False
        db_table = "bench_plain_text"

    def __str__(self) -> str:
        return self.title


def main() -> None:
    """Each database in a process of its own, because settings are read once."""
    if os.environ.get("BENCH_INSIDE"):
        measure()
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as var:
        Path(var, "drive/staging").mkdir(parents=True)
        base = os.environ | {"BENCH_INSIDE": "1", "COLLABORATORY_VAR": var, "COLLABORATORY_RUN": f"{var}/run"}
        for url in [f"sqlite:///{var}/bench.sqlite3", *fresh_postgres("bench_search")]:
            command = [sys.executable, "-m", "bench", "search"]
            subprocess.run(command, env=base | {"DATABASE_URL": url}, check=True)


def measure() -> None:
    """Build, then ask both."""
    call_command("migrate", verbosity=0)
    me, words = build()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(f"{connection.vendor}: {Collab.objects.count():,} Collabs", flush=True)
    questions = {
        "a rare word": words[3000],
        "a word in some descriptions": words[200],
        "a frequent word": words[5],
        "two words": f"{words[60]} {words[80]}",
        "a first letter": words[0][0],
        "nothing": "zzzz",
    }
    for name, text in questions.items():
        compare(name, text, me)


def compare(name: str, text: str, me: User) -> None:
    """One line: both medians, and their ratio."""
    indexed = _times(lambda: _page(Collab.objects.visible_to(me).current().matching(text)))
    plain = _times(lambda: _page(scan(Collab.objects.visible_to(me).current(), text)))
    assert indexed.count == plain.count, (name, indexed.count, plain.count)
    ratio = indexed.median / plain.median
    print(f"  {name:28} {indexed.count:5} found   index {indexed}   scan {plain}   ratio {ratio:.2f}", flush=True)


def scan(collabs: QuerySet, text: str) -> QuerySet:
    """The same as `search.narrow`, without an index: every text is read."""
    found, near = collabs, cast(Combinable, Value(0.0, output_field=FloatField()))
    for word in search.words_of(text)[: search.MAX_WORDS]:
        hits = {column: Q(**{f"plain__{column}__contains": f" {word}"}) for column in WEIGHTS}
        found = found.filter(hits["title"] | hits["tags"] | hits["description"])
        for column, weight in WEIGHTS.items():
            near = near - Case(When(hits[column], then=Value(weight)), default=Value(0.0))
    return found.annotate(distance=near)


def _page(found: QuerySet) -> int:
    count = found.count()
    list(found.order_by(F("distance"), "title_key", "pk").values_list("pk", flat=True)[:PAGE])
    return count


class Times:
    """Milliseconds of RUNS calls, and how many Collabs were found."""

    def __init__(self, milliseconds: list[float], count: int) -> None:
        self.median = statistics.median(milliseconds)
        self.p95 = sorted(milliseconds)[int(RUNS * 0.95) - 1]
        self.count = count

    def __str__(self) -> str:
        return f"{self.median:6.1f} ms (p95 {self.p95:6.1f})"


def _times(ask: Callable[[], int]) -> Times:
    count, times = ask(), []
    for _ in range(RUNS):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return Times(times, count)


def build() -> tuple[User, list[str]]:
    """The rows, in both forms; the vocabulary, from the most frequent word to the rarest."""
    chance = random.Random(7)
    vocabulary = _vocabulary(chance)
    frequencies = [1 / (rank + 3) for rank in range(VOCABULARY)]

    def text(words: int) -> str:
        return " ".join(chance.choices(vocabulary, frequencies, k=words))

    people = insert(User(username=f"p{n}", email=f"p{n}@example.org") for n in range(PEOPLE))
    collabs = insert(
        Collab(
            slug=f"c{n}",
            title=(title := f"{text(3).title()} {n}"),
            title_key=title.lower(),
            description=text(WORDS),
            is_public=n % 4 == 0,
            created_by=people[n % PEOPLE],
        )
        for n in range(COLLABS)
    )
    collabs = list(Collab.objects.order_by("pk"))
    me = people[0]
    insert(Membership(collab=collab, user=me, role=Role.VIEWER) for collab in collabs[:MINE])
    insert(Tag(collab=collab, name=name) for collab in collabs for name in set(text(3).split()))
    _index(collabs)
    return me, vocabulary


def _vocabulary(chance: random.Random) -> list[str]:
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        found["".join(chance.choices(syllables, k=chance.choice((2, 2, 3, 4))))] = None
    return list(found)


def _index(collabs: list[Collab]) -> None:
    tags: dict[int, list[str]] = {}
    for key, name in Tag.objects.values_list("collab", "name"):
        tags.setdefault(key, []).append(name)
    with connection.schema_editor() as editor:
        editor.create_model(PlainText)
    rows: list[Any] = []
    for collab in collabs:
        names = tags.get(collab.pk, [])
        search_index.write(connection, collab, names)
        columns = {"title": collab.title, "tags": " ".join(names), "description": collab.description}
        folded = {column: "".join(f" {word}" for word in search.words_of(value)) for column, value in columns.items()}
        rows.append(PlainText(collab=collab, **folded))
    insert(iter(rows))
