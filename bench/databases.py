"""Databases for benchmarks that need many rows and no running site."""

import os
import re
from collections.abc import Iterator
from typing import Any

from django.db import connection

BATCH = 2000


def fresh_postgres(name: str) -> Iterator[str]:
    """Address of an empty database of this name beside the one of DATABASE_URL; nothing where that is SQLite's."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name}")
        yield re.sub(r"/\w+(?=\?|$)", f"/{name}", os.environ["DATABASE_URL"], count=1)


def insert(rows: Iterator[Any]) -> list[Any]:
    """Rows of one model, written in batches; returned without keys where the database gives none back."""
    listed = list(rows)
    return type(listed[0])._base_manager.bulk_create(listed, batch_size=BATCH)
