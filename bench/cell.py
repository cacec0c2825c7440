"""From the click on "Open in Lab" to the first executed cell of the notebook, cold; without what a browser adds.

Ours starts the notebook's kernel as soon as Jupyter answers, and JupyterLab finds it running. Beside it, alternating: a
bare `jupyter lab` from the start of its process, whose kernel is asked for when it answers, as JupyterLab does.
"""

import http.client
import json
import socket
import time
from collections import defaultdict

from websockets.sync.client import ClientConnection, unix_connect

from drive.files import operations
from drive.models import Library
from lab.locations.paths import Location
from lab.models import Server, State
from lab.servers.services import request_server
from tests.support.people import Kernel, Person
from tests.support.site import launched_by

from .common import POLL_SECONDS, REMEMBERED_SECONDS, Bare, compare, leave, person, running_site

RUNS = 7
NOTEBOOK = {
    "cells": [],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
PLACE = "My Libraries/My Library/cell.ipynb"


def main() -> None:
    """One round to have everything in the page cache, then the rounds that count."""
    with running_site() as site:
        someone = person("bench-cell")
        library = Library.objects.get(owner_user=someone.user, is_default=True)
        operations.write(someone.user, library, "cell.ipynb", json.dumps(NOTEBOOK).encode())
        someone.launch()
        leave(someone)
        times = defaultdict[str, list[float]](list)
        for _ in range(RUNS):
            for way in ("fork", "exec"):
                time.sleep(REMEMBERED_SECONDS)
                with launched_by(site, way):
                    times[way].append(ours(someone))
                leave(someone)
            times["bare"].append(bare())
        for way, name in (("fork", "forked"), ("exec", "from nothing")):
            compare(f"click to first executed cell, {name}", times[way], "bare jupyter lab", times["bare"], "s")


def ours(someone: Person) -> float:
    """Seconds."""
    began = time.perf_counter()
    server = request_server(someone.user, someone.user, Location(PLACE))
    while Server.objects.values_list("state", flat=True).get(pk=server.pk) != State.RUNNING:
        time.sleep(POLL_SECONDS)
    while not (sessions := someone.lab("GET", "/api/sessions").json()):
        time.sleep(POLL_SECONDS)
    return _run(Kernel(someone, sessions[0]["kernel"]["id"]), began)


def bare() -> float:
    """Seconds."""
    began = time.perf_counter()
    server = Bare()
    try:
        server.wait()
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(server.address)
        connection.request("POST", "/api/kernels", json.dumps({"name": "python3"}), BareKernel.HEADERS)
        made = json.loads(connection.getresponse().read())
        return _run(BareKernel(server, made["id"]), began)
    finally:
        server.stop()


class BareKernel(Kernel):
    """A kernel of a bare `jupyter lab`."""

    HEADERS = {"Authorization": "token bench"}

    def __init__(self, server: Bare, kernel_id: str) -> None:
        self.address, self.id = str(server.address), kernel_id  # of its socket
        self.socket = self.connect()

    def connect(self) -> ClientConnection:
        address = f"ws://localhost/api/kernels/{self.id}/channels"
        return unix_connect(self.address, address, additional_headers=self.HEADERS, max_size=None, legacy=True)


def _run(kernel: Kernel, began: float) -> float:
    if kernel.run("print(6 * 7)").text.strip() != "42":
        raise SystemExit("the cell did not run")
    seconds = time.perf_counter() - began
    kernel.socket.close()
    return seconds
