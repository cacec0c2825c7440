"""Requests that the tables describe."""

from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client

from .people import World, reset_files
from .table import Row

DISK = ("drive.txt", "lab.txt")
"""Files of the table whose rows touch files."""


def ask(row: Row, world: World, client: Client) -> HttpResponseBase:
    """The answer; whatever it changed is undone. Operators' pages lead through their own sign-in page: one step on."""
    if row.file in DISK:
        for library in ("lib", "open_lib", "own"):
            reset_files(world.names[library])
    with transaction.atomic():
        answer = row.send(client, world)
        if answer.status_code == 302 and answer.headers["Location"].startswith("/admin/login/"):
            answer = client.get(answer.headers["Location"])
        transaction.set_rollback(True)
    return answer


def complain(wrong: list[str]) -> None:
    assert not wrong, "\n".join(["", *wrong])
