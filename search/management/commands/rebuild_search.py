"""Rebuild the search index: of Collabs at once, of files by the site's own task."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from collabs import search_index
from collabs.models import Collab
from search import indexing

BATCH = 500


class Command(BaseCommand):
    help = "Rebuild the search index of Collabs and files, after rows were changed by SQL or a partial restore."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--wait", action="store_true", help="Fill the index of files here, not by the site's task.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Collabs in one transaction: people search the old index until the new one is complete. Then files."""
        count = 0
        with transaction.atomic():
            search_index.clear(connection)
            for collab in Collab.all_objects.order_by("pk").prefetch_related("tags").iterator(chunk_size=BATCH):
                search_index.write(connection, collab, [tag.name for tag in collab.tags.all()])
                count += 1
        self.stdout.write(f"{count} Collabs are in the search index.")
        indexing.begin_anew()
        if not options["wait"]:
            self.stdout.write("The running site reads the files again now, step by step.")
            return
        while indexing.follow():
            pass
        self.stdout.write(f"{indexing.count()} files are in the search index.")
