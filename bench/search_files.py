"""The header's search with 10,000 and 100,000 files: suggestions and the page of results, typing errors, filling.

    bin/bench search_files           SQLite and PostgreSQL

Files of 120 words of a vocabulary of 20,000, with frequencies as in a language, in 200 libraries of Collabs, of which
one person sees 60. Milliseconds, median and p95 of 20, of what a request asks: all kinds of results with the excerpts
that are read from the disk, without the page around them. Beside it the same files, found by
a scan of the texts with LIKE.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from collabs.models import Collab, Membership, Role
from drive.models import File, Library, Via
from drive.storage import layout, path_codec
from portal.models import User
from search import files, index, indexing, results, typos
from search.models import IndexedFile, IndexState
from search.results import Wanted
from search.views import OVERVIEW, SUGGESTED
from search.words import name_words, text_words, typed_words

from .databases import fresh_postgres, insert
from .search import Times, _times

SIZES, LIBRARIES, MINE, PUBLIC, VOCABULARY, WORDS, FILLED = (10_000, 100_000), 200, 40, 20, 20_000, 120, 2_000


def main() -> None:
    """Each database in a process of its own, because settings are read once."""
    if os.environ.get("BENCH_INSIDE"):
        with override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}):
            measure()
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as var:
        for place in ("drive/staging", "run"):
            Path(var, place).mkdir(parents=True)
        base = os.environ | {"BENCH_INSIDE": "1", "COLLABORATORY_VAR": var, "COLLABORATORY_RUN": f"{var}/run"}
        base["DRIVE_ROOT"] = f"{var}/drive"
        for url in [f"sqlite:///{var}/bench.sqlite3", *fresh_postgres("bench_search_files")]:
            command = [sys.executable, "-m", "bench", "search_files"]
            subprocess.run(command, env=base | {"DATABASE_URL": url}, check=True)


def measure() -> None:
    """Fill, ask, fill on, ask again."""
    call_command("migrate", verbosity=0)
    chance = random.Random(7)
    words = _vocabulary(chance)
    me, libraries = _people()
    there = 0
    for size in SIZES:
        _fill(chance, words, libraries, there, size)
        there = size
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        print(f"{connection.vendor}: {size:,} files", flush=True)
        _ask(me, words)
    _measure_filling(libraries[0])


def _ask(me: User, words: list[str]) -> None:
    questions = {
        "a rare word": words[9000],
        "a word in some texts": words[400],
        "a frequent word": words[3],
        "two words": f"{words[60]} {words[80]}",
        "two first letters": words[0][:2],
        "a typing error": words[40][:-2] + words[40][-1] + words[40][-2],
        "nothing": "zzzzzzzz",
    }
    for name, text in questions.items():
        suggested = _times(lambda text=text: len(results.search(me, text, Wanted(SUGGESTED, described=False))))  # type: ignore[misc]
        page = _times(lambda text=text: len(results.search(me, text, Wanted(OVERVIEW))))  # type: ignore[misc]
        print(f"  {name:22} suggestions {suggested}   page {page}   {_scanned(me, text)}", flush=True)


def _scanned(me: User, text: str) -> str:
    """The same rows by LIKE, which SQLite can ask of what FTS5 keeps; PostgreSQL keeps no text."""
    if connection.vendor == "postgresql":
        return ""
    [[word], *_] = typed_words(text)
    visible = File.objects.filter(library__in=files.visible(me), trashed=None).order_by("-changed_at", "-pk")
    sql = f"id IN (SELECT rowid FROM {index.TABLE} WHERE ' ' || text LIKE %s)"
    scan: Times = _times(lambda: len(visible.extra(where=[sql], params=[f"% {word}%"])[:20]))
    return f"text by LIKE {scan}"


def _people() -> tuple[User, list[Library]]:
    people = insert(User(username=f"p{n}", first_name=f"First{n}", last_name=f"Last{n}") for n in range(500))
    people = list(User.objects.order_by("pk"))
    insert(
        Collab(slug=f"c{n}", title=f"Collab {n}", title_key=f"collab {n}", is_public=n >= LIBRARIES - PUBLIC)
        for n in range(LIBRARIES)
    )
    collabs = list(Collab.objects.order_by("pk"))
    insert(Membership(collab=collab, user=people[0], role=Role.VIEWER) for collab in collabs[:MINE])
    insert(
        Library(
            owner_collab=collab,
            name=collab.title,
            name_key=collab.title_key,
            shared_name=collab.title,
            shared_key=collab.title_key,
            is_public=collab.is_public,
        )
        for collab in collabs
    )
    libraries = list(Library.objects.order_by("name_key"))
    for library in libraries:
        layout.settle(library.pk)
    return people[0], libraries


def _vocabulary(chance: random.Random) -> list[str]:
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        found["".join(chance.choices(syllables, k=chance.choice((2, 3, 3, 4, 5))))] = None
    return list(found)


def _fill(chance: random.Random, words: list[str], libraries: list[Library], first: int, last: int) -> None:
    """Files on disk, their rows, and their entries, as the task would write them."""
    frequencies = list(accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))
    for start in range(first, last, 2000):
        rows, texts = [], {}
        for number in range(start, min(start + 2000, last)):
            library, text = (
                libraries[number % LIBRARIES],
                " ".join(chance.choices(words, cum_weights=frequencies, k=WORDS)),
            )
            path = f"{chance.choice(words[:200])} {number}.md"
            (layout.find(library.pk) / path).write_text(text)
            rows.append(_row(library, path, len(text)))
            texts[path] = text
        File.objects.bulk_create(rows)
        made = list(File.objects.filter(path__in=texts).order_by("pk"))
        entries = [index.Entry(row.pk, name_words(row.path), [], text_words(texts[row.path])) for row in made]
        index.write(connection, entries)
        IndexedFile.objects.bulk_create(
            IndexedFile(file_id=row.pk, path_key=row.path_key, signature=row.signature) for row in made
        )
    typos.learn(words)


def _row(library: Library, path: str, size: int) -> File:
    now = timezone.now()
    columns = {"signature": "x", "size": size, "changed_at": now, "noted_at": now, "via": Via.WEB}
    return File(library=library, path=path_codec.to_row(path), path_key=path_codec.key(path), **columns)


def _measure_filling(library: Library) -> None:
    """Files that the task reads and writes into the index, one after the other."""
    keys = list(File.objects.order_by("pk").values_list("pk", flat=True)[:FILLED])
    index.remove(connection, keys)
    IndexedFile.objects.filter(pk__in=keys).delete()
    IndexState.current().note(noted_until=timezone.now(), swept_to=0)
    began = time.perf_counter()
    while IndexedFile.objects.filter(pk__in=keys).count() < FILLED:
        indexing.follow()
    print(f"  filled: {FILLED / (time.perf_counter() - began):,.0f} files per second", flush=True)
