"""What the panel in JupyterLab may ask for: one's own server, from the Lab's own pages."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from collabs.models import Collab
from lab import gateway, places
from lab.models import Server, State, Ticket
from portal.models import User

pytestmark = pytest.mark.django_db
Make = Callable[..., Server]


@pytest.fixture
def panel(client: Client, owner: User) -> Callable[..., object]:
    """`panel("keep", hours=4)`: a request as JupyterLab's page sends it; `origin=` and `lab=` for others."""
    client.force_login(owner)
    ticket = Ticket(user=owner, session_key=client.session.session_key or "", place="/lab")
    secret, _expires = gateway.give_pass(ticket)

    def ask(what: str, *, lab: str = "owner", origin: str = "", **fields: object) -> object:
        lone = Client()
        lone.cookies[gateway.PASS_COOKIE] = secret
        headers = {"X-Lab-User": lab, "Origin": origin or places.origin("owner"), "Sec-Fetch-Site": "same-origin"}
        return lone.post(f"/_gateway/lab/{what}", fields, headers=headers)

    return ask


def test_it_says_how_long_the_lab_stays(panel: Callable, server: Make, collab: Collab) -> None:
    lab = server("running", place="Shared with groups/Cortex/a.ipynb", notes=["12:00: Something."])
    said = panel("state").json()
    assert said["running"] is True
    assert abs(said["seconds_left"] - (lab.seconds_left or 0)) <= 1
    assert (said["notes"], said["place_name"]) == (["12:00: Something."], "Cortex")
    assert said["place_url"].endswith("/collabs/cortex/")


def test_it_keeps_and_stops(panel: Callable, server: Make) -> None:
    lab = server("running")
    assert panel("keep", hours=24).json()["seconds_left"] > 23 * 3600
    assert panel("keep", hours=5).status_code == 409
    assert panel("stop").json()["running"] is False
    lab.refresh_from_db()
    assert lab.state == State.STOPPING
    assert panel("stop").status_code == 409
    assert panel("keep", hours=24).status_code == 409


def test_it_forgets_the_collab_that_its_person_may_not_see_any_more(
    panel: Callable, server: Make, stranger: User, public_collab: Collab
) -> None:
    server("running", place="Shared with groups/Somebody else's/a.ipynb")
    said = panel("state").json()
    assert (said["place_name"], said["place_url"].rstrip("/")) == ("", "http://localhost:8000")


@pytest.mark.parametrize("what", ["state", "keep", "stop"])
def test_it_answers_no_other_page_and_no_other_lab(panel: Callable, server: Make, editor: User, what: str) -> None:
    lab = server("running", owner=editor, last_interaction=timezone.now() - timedelta(hours=1))
    assert panel(what, origin="http://evil.example").status_code == 403
    assert panel(what, origin=places.origin("editor"), lab="editor").status_code == 401  # the pass is into another
    lab.refresh_from_db()
    assert (lab.state, lab.keep_until) == (State.RUNNING, None)
