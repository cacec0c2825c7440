"""Asking a server that may answer anything."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lab.models import Server
from lab.servers.clients.jupyter import JupyterClient, JupyterError
from lab.tests.support import Jupyter

pytestmark = pytest.mark.django_db

ACTIVITY = "GET /api/collaboratory/activity"


@pytest.fixture
def client(running: Server, jupyter: Jupyter) -> JupyterClient:
    return JupyterClient(running)


def test_it_reads_the_facts(client: JupyterClient, jupyter: Jupyter, running: Server) -> None:
    jupyter.answers[ACTIVITY] = (
        200,
        json.dumps(
            {
                "now": "2026-11-23T12:00:00+00:00",
                "last_input": "2026-11-23T13:30:00+02:00",
                "last_save": None,
                "kernels": [
                    {"id": "a", "busy": True, "last_activity": "2026-11-23T11:00:00Z"},
                    {"id": "b", "busy": False, "last_activity": "2026-11-23T11:59:00"},
                ],
                "terminals": [{"name": "1", "last_activity": "2026-11-22T00:00:00+00:00"}],
            }
        ).encode(),
    )
    facts = client.activity()
    assert facts.last_input == datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
    assert facts.last_kernel_message == datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    assert (facts.busy_kernels, facts.kernels, facts.terminals, facts.last_save) == (1, 2, 1, None)
    assert jupyter.asked[0][1] == f"token {running.token}"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"now": 5, "last_input": [], "kernels": {}, "terminals": "x"},
        {"kernels": [1, None, {"busy": "yes", "last_activity": 7}], "terminals": [{"last_activity": "yesterday"}]},
        {"last_input": "9999-12-31T23:59:59-14:00", "now": "0001-01-01T00:00:00+14:00"},
        {"last_input": "x" * 100_000},
    ],
)
def test_it_makes_sense_of_any_shape(client: JupyterClient, jupyter: Jupyter, answer: Any) -> None:
    jupyter.answers[ACTIVITY] = (200, json.dumps(answer).encode())
    assert client.activity().busy_kernels == 0


def drip(write: bytes) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            handler.wfile.write(write)
            time.sleep(0.05)

    return answer


def dripping_header(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def silence(handler: Any) -> None:
    time.sleep(5)


@pytest.mark.parametrize("answer", [silence, drip(b" "), dripping_header])
def test_one_deadline_holds_for_all_of_it(client: JupyterClient, jupyter: Jupyter, answer: Callable) -> None:
    jupyter.answers[ACTIVITY] = answer
    began = time.monotonic()
    with pytest.raises(JupyterError):
        client.activity(seconds=0.3)
    assert time.monotonic() - began < 1


def endless(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        handler.wfile.write(b"[" * 2**16)


def redirect(handler: Any) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.169.254/")
    handler.end_headers()


def garbage(handler: Any) -> None:
    handler.wfile.write(b"\x00\xff" * 100)


@pytest.mark.parametrize(
    "answer",
    [endless, redirect, garbage, (500, b"{}"), (200, b"[]"), (200, b"{"), (200, b"\xff\xfe"), (200, b"[" * 100_000)],
)
def test_it_refuses_the_rest(client: JupyterClient, jupyter: Jupyter, answer: Any) -> None:
    jupyter.answers[ACTIVITY] = answer
    with pytest.raises(JupyterError):
        client.activity()


def test_it_says_when_nobody_is_there(running: Server) -> None:
    with pytest.raises(JupyterError):
        JupyterClient(running).activity()


def test_it_starts_the_kernel_that_the_notebook_wants(client: JupyterClient, jupyter: Jupyter) -> None:
    path = "drive/Shared with groups/Cortex/first look.ipynb"
    notebook = {"content": {"metadata": {"kernelspec": {"name": "julia-1.11"}}}}
    jupyter.answers["GET /api/contents/drive/Shared%20with%20groups/Cortex/first%20look.ipynb"] = (
        200,
        json.dumps(notebook).encode(),
    )
    jupyter.answers["GET /api/kernelspecs"] = (200, json.dumps(specs(julia="julia-1.11")).encode())
    jupyter.answers["POST /api/sessions"] = (201, b"{}")
    client.start_session("Shared with groups/Cortex/first look.ipynb")
    assert json.loads(jupyter.asked[-1][2]) == {
        "path": path,
        "name": "first look.ipynb",
        "type": "notebook",
        "kernel": {"name": "julia-1.11"},
    }


def test_it_leaves_the_choice_to_jupyter_where_the_notebook_has_none(client: JupyterClient, jupyter: Jupyter) -> None:
    jupyter.answers["GET /api/contents/drive/a.ipynb"] = (200, b'{"content": null}')
    jupyter.answers["POST /api/sessions"] = (201, b"{}")
    client.start_session("a.ipynb")
    assert "kernel" not in json.loads(jupyter.asked[1][2])


def specs(**names: str) -> dict:
    """What Jupyter says of its kernels: by language, their names."""
    return {"default": "python3", "kernelspecs": {name: {"spec": {"language": lang}} for lang, name in names.items()}}


@pytest.mark.parametrize(
    ("metadata", "kernel"),
    [
        ({"kernelspec": {"name": "python3"}, "language_info": {"name": "python"}}, "python3"),
        ({"kernelspec": {"name": "my-old-env"}, "language_info": {"name": "python"}}, "python3"),
        ({"kernelspec": {"name": "my-old-env"}, "language_info": {"name": "R"}}, "ir"),
        ({"kernelspec": {"name": "my-old-env"}}, None),
        ({"kernelspec": {"name": "my-old-env"}, "language_info": {"name": "julia"}}, None),
        ({"kernelspec": {"name": ["x"]}, "language_info": "python"}, None),
    ],
)
def test_it_chooses_a_kernel_that_is_there(
    client: JupyterClient, jupyter: Jupyter, metadata: dict, kernel: str | None
) -> None:
    jupyter.answers["GET /api/contents/drive/a.ipynb"] = (200, json.dumps({"content": {"metadata": metadata}}).encode())
    jupyter.answers["GET /api/kernelspecs"] = (200, json.dumps(specs(python="python3", R="ir")).encode())
    jupyter.answers["POST /api/sessions"] = (201, b"{}")
    client.start_session("a.ipynb")
    assert json.loads(jupyter.asked[-1][2]).get("kernel") == ({"name": kernel} if kernel else None)


@pytest.mark.parametrize("answer", [b"[]", b'{"kernelspecs": 5}', b'{"kernelspecs": null}'])
def test_it_believes_no_list_of_kernels_of_another_shape(
    client: JupyterClient, jupyter: Jupyter, answer: bytes
) -> None:
    notebook = {"content": {"metadata": {"kernelspec": {"name": "x"}}}}
    jupyter.answers["GET /api/contents/drive/a.ipynb"] = (200, json.dumps(notebook).encode())
    jupyter.answers["GET /api/kernelspecs"] = (200, answer)
    with pytest.raises(JupyterError):
        client.start_session("a.ipynb")


def home(jupyter: Jupyter, **notebooks: dict) -> None:
    """Jupyter's contents API of a home with these notebooks: their metadata by name."""

    def answer(line: str, content: object, status: int = 200) -> None:
        jupyter.answers[line] = (status, json.dumps(content).encode())

    answer("GET /api/contents/", {"content": [{"name": f"{name}.ipynb"} for name in notebooks]})
    for name, metadata in notebooks.items():
        answer(f"GET /api/contents/{name}.ipynb", {"content": {"metadata": metadata}})
    answer("POST /api/contents/", {"path": "Untitled.ipynb"}, 201)
    answer("PUT /api/contents/Untitled.ipynb", {})
    answer("PATCH /api/contents/Untitled.ipynb", {})


MINE = {"collaboratory": {"starter_for": "a"}}


def test_it_makes_a_starter_notebook_without_replacing_anything(client: JupyterClient, jupyter: Jupyter) -> None:
    home(jupyter, **{"scan.nii": {}})
    assert client.starter("scan.nii", {"cells": []}, MINE) == "scan.nii 2.ipynb"
    methods = [(line.split()[0], body) for line, _, body in jupyter.asked]
    assert [method for method, _ in methods] == ["GET", "GET", "POST", "PUT", "PATCH"]
    assert json.loads(methods[-1][1]) == {"path": "scan.nii 2.ipynb"}
    assert json.loads(methods[-2][1])["content"] == {"cells": []}


def test_it_opens_the_starter_notebook_that_is_there(client: JupyterClient, jupyter: Jupyter) -> None:
    home(jupyter, **{"scan.nii": MINE | {"kernelspec": {}}})
    assert client.starter("scan.nii", {"cells": []}, MINE) == "scan.nii.ipynb"
    assert {line.split()[0] for line, _, _ in jupyter.asked} == {"GET"}


def test_it_gives_up_where_a_name_is_taken_meanwhile(client: JupyterClient, jupyter: Jupyter) -> None:
    home(jupyter)
    jupyter.answers["PATCH /api/contents/Untitled.ipynb"] = (409, b"{}")
    with pytest.raises(JupyterError):
        client.starter("scan.nii", {"cells": []}, MINE)


@pytest.mark.parametrize("answer", [b"[]", b'{"content": 5}', b'{"content": null}'])
def test_it_believes_no_folder_of_another_shape(client: JupyterClient, jupyter: Jupyter, answer: bytes) -> None:
    jupyter.answers["GET /api/contents/"] = (200, answer)
    with pytest.raises(JupyterError):
        client.starter("scan.nii", {"cells": []}, MINE)
