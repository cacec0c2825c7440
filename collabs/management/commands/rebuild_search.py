"""Rebuild the search index of Collabs from the rows."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from collabs import search_index
from collabs.models import Collab

BATCH = 500


class Command(BaseCommand):
    help = "Rebuild the search index of Collabs, after rows were changed by SQL or a partial restore."

    def handle(self, *args: Any, **options: Any) -> None:
        """One transaction: people search the old index until the new one is complete."""
        count = 0
        with transaction.atomic():
            search_index.clear(connection)
            for collab in Collab.all_objects.order_by("pk").prefetch_related("tags").iterator(chunk_size=BATCH):
                search_index.write(connection, collab, [tag.name for tag in collab.tags.all()])
                count += 1
        self.stdout.write(f"{count} Collabs are in the search index.")
