"""What the panel in JupyterLab may ask for: one's own server, from the Lab's own pages."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from collabs import services
from collabs.models import Collab, Role
from drive.files import operations
from drive.models import Trashed
from lab.environments import kept_packages, selection
from lab.gateway import passes
from lab.launchers import ServerStatus
from lab.locations import paths
from lab.models import Environment, Server, State, StopReason, Ticket
from lab.tests.inprocess import InProcessLauncher
from portal.models import User

pytestmark = pytest.mark.django_db
Make = Callable[..., Server]


@pytest.fixture
def panel(client: Client, owner: User) -> Callable[..., object]:
    """`panel("keep", hours=4)`: a request as JupyterLab's page sends it; `origin=` and `lab=` for others."""
    client.force_login(owner)
    ticket = Ticket(user=owner, session_key=client.session.session_key or "", place="/lab")
    secret, _expires = passes.issue_pass(ticket)

    def ask(what: str, *, lab: str = "owner", origin: str = "", **fields: object) -> object:
        lone = Client()
        lone.cookies[passes.PASS_COOKIE] = secret
        headers = {"X-Lab-User": lab, "Origin": origin or paths.origin("owner"), "Sec-Fetch-Site": "same-origin"}
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


class TestRestore:
    """Of a file that somebody deleted while it is open in JupyterLab."""

    PATH = "drive/Shared with groups/Cortex/a.ipynb"

    def test_it_puts_the_file_back(self, panel: Callable, server: Make, collab: Collab, editor: User) -> None:
        server("running")
        operations.write(editor, collab.library, "a.ipynb", b"{}")
        operations.delete(editor, collab.library, "a.ipynb")
        assert panel("restore", path=self.PATH).status_code == 200
        assert not Trashed.objects.exists()
        assert panel("restore", path=self.PATH).status_code == 404

    def test_it_puts_back_no_whole_folder(self, panel: Callable, server: Make, collab: Collab, editor: User) -> None:
        server("running")
        operations.make_folder(editor, collab.library, "plans")
        operations.write(editor, collab.library, "plans/a.ipynb", b"{}")
        operations.delete(editor, collab.library, "plans")
        answer = panel("restore", path="drive/Shared with groups/Cortex/plans/a.ipynb")
        assert (answer.status_code, "“plans”, was deleted" in answer.json()["message"]) == (409, True)

    def test_it_puts_nothing_back_for_who_may_not_write(
        self, panel: Callable, server: Make, stranger: User, owner: User, collab: Collab
    ) -> None:
        server("running")
        operations.write(owner, collab.library, "a.ipynb", b"{}")
        operations.delete(owner, collab.library, "a.ipynb")
        services.add_member(owner, collab, stranger, Role.ADMINISTRATOR)
        services.change_role(stranger, collab, owner, Role.VIEWER)
        assert panel("restore", path=self.PATH).status_code == 403
        assert panel("restore", path="drive/nowhere/a.ipynb").status_code == 403
        assert Trashed.objects.count() == 1


def test_it_forgets_the_collab_that_its_person_may_not_see_any_more(
    panel: Callable, server: Make, stranger: User, public_collab: Collab
) -> None:
    server("running", place="Shared with groups/Somebody else's/a.ipynb")
    said = panel("state").json()
    assert (said["place_name"], said["place_url"].rstrip("/")) == ("", "http://localhost:8000")


def test_it_leads_back_to_the_collab_whose_file_is_in_front(panel: Callable, server: Make, collab: Collab) -> None:
    server("running", place="My Libraries/My Library")
    for path, name in (("drive/Shared with groups/Cortex/a.ipynb", "Cortex"), ("drive/nowhere/x", "My Library")):
        assert panel("state", path=path).json()["place_name"] == name


def test_it_says_at_once_why_a_kernel_died(
    panel: Callable, server: Make, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = server("running", memory_limit=2**31)
    seen = {lab.pk: ServerStatus(lab.pk, "running", memory_kills=1)}
    monkeypatch.setattr(launcher, "inspect", lambda: seen)
    assert panel("state").json()["notes"] == []
    [note] = panel("state", died="yes").json()["notes"]
    assert "ran out of memory at 2.0 GiB" in note


def test_it_answers_while_the_supervisor_is_away(panel: Callable, server: Make, launcher: InProcessLauncher) -> None:
    server("running")
    launcher.away = True
    assert panel("state", died="yes").json()["running"] is True


@pytest.mark.parametrize(
    ("state", "again", "said", "ended"),
    [
        ("requested", False, "starting", ""),
        ("starting", False, "starting", ""),
        ("stopping", True, "starting", ""),
        ("stopping", False, "closing", "An operator stopped it."),
        ("stopped", False, "stopped", "An operator stopped it."),
    ],
)
def test_it_says_why_the_lab_does_not_run(
    panel: Callable, server: Make, state: str, again: bool, said: str, ended: str
) -> None:
    ending = {"stop_reason": StopReason.OPERATOR} if state.startswith("stop") else {}
    server(state, again=again, ended_at=timezone.now() if state == "stopped" else None, **ending)
    answer = panel("state").json()
    assert (answer["running"], answer["state"], answer["ended"]) == (False, said, ended)


def test_it_names_the_environment_that_the_collab_in_front_has_chosen(
    panel: Callable, server: Make, owner: User, collab: Collab, public_collab: Collab, environment: Environment
) -> None:
    server("running")
    other = Environment.objects.create(slug="brain", name="Brain", prefix="/srv/brain")
    front = "drive/Shared with groups/Cortex/a.ipynb"
    assert panel("state", path=front).json()["other_environment"] is None
    selection.choose_for_collab(owner, collab, other)
    told = panel("state", path=front).json()["other_environment"]
    assert told["said"] == "“Cortex” uses the environment Brain; your Lab runs in Base."
    assert told["link"] == {"path": "Shared with groups/Cortex/a.ipynb", "environment": "brain"}
    for elsewhere in ("", "drive", "drive/My Libraries/My Library/a", "drive/Shared with groups/Somebody else's/a"):
        assert panel("state", path=elsewhere).json()["other_environment"] is None


@pytest.mark.parametrize("what", ["state", "keep", "stop"])
def test_it_answers_no_other_page_and_no_other_lab(panel: Callable, server: Make, editor: User, what: str) -> None:
    lab = server("running", owner=editor, last_interaction=timezone.now() - timedelta(hours=1))
    assert panel(what, origin="http://evil.example").status_code == 403
    assert panel(what, origin=paths.origin("editor"), lab="editor").status_code == 401  # the pass is into another
    lab.refresh_from_db()
    assert (lab.state, lab.keep_until) == (State.RUNNING, None)


def test_it_tells_of_a_collabs_packages_until_they_are_answered(
    panel: Callable, owner: User, collab: Collab, server: Make
) -> None:
    server("running")
    place = "drive/Shared with groups/Cortex/a.ipynb"
    assert panel("state", path=place).json()["packages"] is None
    kept_packages.save(owner, collab, "elephant")
    said = panel("state", path=place).json()["packages"]
    assert "Cortex" in said["said"]
    assert said["url"].endswith("/collabs/cortex/packages/")
    assert panel("state", path="drive/My Libraries/My Library").json()["packages"] is None
    assert kept_packages.answer(owner, collab, kept_packages.digest("elephant"), installs=False)
    assert panel("state", path=place).json()["packages"] is None


def test_it_chooses_what_notebooks_open_in(panel: Callable, server: Make, owner: User) -> None:
    """Its own person's, from its own page; an environment without the simple view is told of in the notes."""
    server("running", notes=["Something."])
    assert panel("state").json()["notebook_view"] == "jupyterlab"
    assert panel("notebook-view", view="another").status_code == 409
    assert panel("notebook-view", view="simple", origin="http://stranger.lab.localhost:8000").status_code == 403
    owner.refresh_from_db()
    assert owner.notebook_view == "jupyterlab"
    said = panel("notebook-view", view="simple").json()
    assert said["notebook_view"] == "simple"
    assert said["notes"][0] == "Something."
    assert "has no simple view" in said["notes"][1]
    assert panel("notebook-view", view="jupyterlab").json()["notes"] == ["Something."]
