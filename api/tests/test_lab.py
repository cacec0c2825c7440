"""Environments by program: seeing them, and naming one when the Lab is started."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collabs.models import Collab
from conftest import Queue
from lab.environments import selection
from lab.locations.paths import Location
from lab.models import ChosenEnvironment, Environment, Server, State
from portal.models import User

from .conftest import Program

pytestmark = pytest.mark.django_db
LAB = "/api/v1/lab"
LIST = f"{LAB}/environments"
PLACE = "Shared with groups/Cortex"


@pytest.fixture
def base(db: None) -> Environment:
    return Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)


@pytest.fixture
def brain(base: Environment) -> Environment:
    return Environment.objects.create(slug="brain", name="Brain", prefix="/brain", kind="conda", description="NEST.")


@pytest.fixture
def old(base: Environment) -> Environment:
    return Environment.objects.create(slug="old", name="Last year", prefix="/old", is_retired=True)


@pytest.fixture
def mine(program: Program, owner: User, queue: Queue) -> Client:
    return program(owner)


def launch(client: Client, **body: Any) -> Any:
    return client.post(LAB, body, content_type="application/json")


def slugs(client: Client) -> list[str]:
    return [one["slug"] for one in client.get(LIST).json()["items"]]


def run(server: Server) -> None:
    Server.objects.filter(pk=server.pk).update(state=State.RUNNING)


class TestList:
    def test_it_shows_what_a_lab_can_start_in(self, mine: Client, brain: Environment) -> None:
        page = mine.get(LIST).json()
        assert page["count"] == 2
        assert page["items"][1] == {
            "slug": "brain",
            "name": "Brain",
            "description": "NEST.",
            "kind": "conda",
            "is_default": False,
            "is_mine": False,
            "is_retired": False,
        }
        assert page["items"][0]["is_mine"]

    def test_it_shows_no_retired_one_but_to_who_has_chosen_it(
        self, mine: Client, program: Program, owner: User, viewer: User, old: Environment
    ) -> None:
        selection.remember(owner, old)
        assert slugs(mine) == ["base", "old"]
        assert slugs(program(viewer)) == ["base"]

    def test_it_shows_none_that_is_not_built(self, mine: Client, base: Environment) -> None:
        Environment.objects.create(slug="later", name="Later", packages="x")
        assert slugs(mine) == ["base"]

    def test_it_needs_no_more_queries_for_more_environments(self, mine: Client, brain: Environment) -> None:
        mine.get(LIST)
        with CaptureQueriesContext(connection) as few:
            mine.get(LIST)
        for number in range(20):
            Environment.objects.create(slug=f"e{number}", name=f"E{number}", prefix=f"/srv/{number}")
        with CaptureQueriesContext(connection) as many:
            assert mine.get(LIST).json()["count"] == 22
        assert len(many) == len(few)


class TestLaunch:
    def test_it_starts_in_what_is_named(self, mine: Client, brain: Environment) -> None:
        answer = launch(mine, environment="brain")
        assert (answer.status_code, answer.json()["environment"]) == (202, "brain")
        assert Server.objects.get().environment == brain
        assert mine.get(LAB).json()["environment"] == "brain"
        assert not ChosenEnvironment.objects.exists()

    def test_it_starts_in_a_retired_one_that_is_named(self, mine: Client, old: Environment) -> None:
        assert launch(mine, environment="old").json()["environment"] == "old"

    def test_it_knows_no_other(self, mine: Client, base: Environment) -> None:
        Environment.objects.create(slug="later", name="Later", packages="x")
        for slug in ("nothing", "later"):
            refused = launch(mine, environment=slug)
            assert (refused.status_code, refused.json()["message"]) == (404, f"Environment “{slug}” does not exist.")
        assert launch(mine, environment="a/b").status_code == 422
        assert not Server.objects.exists()

    def test_it_starts_in_what_the_collab_has_chosen(
        self, mine: Client, owner: User, collab: Collab, brain: Environment
    ) -> None:
        selection.choose_for_collab(owner, collab, brain)
        assert launch(mine, path=PLACE).json()["environment"] == "brain"

    def test_what_is_named_goes_before_the_collab(
        self, mine: Client, owner: User, collab: Collab, brain: Environment
    ) -> None:
        selection.choose_for_collab(owner, collab, brain)
        assert launch(mine, path=PLACE, environment="base").json()["environment"] == "base"

    def test_it_tells_a_stranger_nothing_of_a_collabs_choice(
        self, program: Program, owner: User, stranger: User, queue: Queue, collab: Collab, brain: Environment
    ) -> None:
        selection.choose_for_collab(owner, collab, brain)
        assert launch(program(stranger), path=PLACE).status_code == 404
        assert not Server.objects.exists()

    def test_it_starts_in_what_a_person_has_chosen(self, mine: Client, owner: User, brain: Environment) -> None:
        selection.remember(owner, brain)
        assert launch(mine).json()["environment"] == "brain"

    def test_it_remembers_what_it_is_told_to(self, mine: Client, owner: User, brain: Environment) -> None:
        launch(mine, environment="brain", remember=True)
        assert selection.for_location(owner, Location()) == brain

    def test_it_remembers_and_restarts_nothing_without_a_name(self, mine: Client, base: Environment) -> None:
        assert launch(mine, remember=True).status_code == 422
        assert launch(mine, restart=True).status_code == 422

    def test_a_collabs_choice_does_not_become_the_persons(
        self, mine: Client, owner: User, collab: Collab, brain: Environment
    ) -> None:
        selection.choose_for_collab(owner, collab, brain)
        launch(mine, path=PLACE, environment="brain", remember=True)
        assert not ChosenEnvironment.objects.exists()


class TestAnother:
    """A Lab runs in another environment."""

    @pytest.fixture
    def running(self, mine: Client, owner: User, brain: Environment) -> Server:
        launch(mine)
        run(Server.objects.get())
        return Server.objects.get()

    def test_it_stops_nothing_unasked(self, mine: Client, running: Server) -> None:
        refused = launch(mine, environment="brain", remember=True)
        assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
        assert "is running in “base”" in refused.json()["message"]
        running.refresh_from_db()
        assert running.is_running
        assert not ChosenEnvironment.objects.exists()

    def test_it_goes_on_in_the_same_one(self, mine: Client, running: Server) -> None:
        for body in ({}, {"environment": "base"}, {"environment": "base", "restart": True}):
            assert launch(mine, **body).json()["state"] == "running"

    def test_it_starts_anew_when_it_is_told_to(self, mine: Client, running: Server, brain: Environment) -> None:
        answer = launch(mine, environment="brain", restart=True)
        assert (answer.status_code, answer.json()["state"]) == (202, "stopping")
        running.refresh_from_db()
        assert (running.again, running.again_environment) == (True, brain)

    def test_it_changes_its_mind_while_it_waits(self, mine: Client, brain: Environment) -> None:
        """Nothing runs yet: what was asked for first ends, and the other one begins."""
        launch(mine)
        assert launch(mine, environment="brain", restart=True).json()["environment"] == "brain"
        assert list(Server.objects.live().values_list("environment__slug", flat=True)) == ["brain"]


def test_it_says_when_the_collab_wants_another_environment_than_the_one_that_runs(
    mine: Client, base: Environment, brain: Environment, owner: User, collab: Collab
) -> None:
    place = "Shared with groups/Cortex"
    assert launch(mine, path=place).json()["hint"] == ""
    selection.choose_for_collab(owner, collab, brain)
    said = launch(mine, path=place).json()
    assert said["environment"] == base.slug, "what runs goes on"
    assert f"“Cortex” uses the environment {brain.name}; your Lab runs in {base.name}." in said["hint"]
    assert launch(mine).json()["hint"] == ""
    assert launch(mine, path=place, environment=base.slug).json()["hint"] == "", "it was named"
    Server.objects.update(state=State.STOPPING)
    assert launch(mine, path=place).json()["hint"] == "", "another one follows, in the Collab's"


def test_one_for_groups_is_neither_offered_to_others_nor_started_for_them(
    mine: Client, owner: User, base: Environment, brain: Environment
) -> None:
    Environment.objects.filter(pk=brain.pk).update(for_groups_only=True)
    running = Server.objects.create(owner=owner, environment=base, state=State.RUNNING)
    assert slugs(mine) == ["base"]
    assert launch(mine, environment="brain", restart=True, remember=True).status_code == 403
    running.refresh_from_db()
    assert running.state == State.RUNNING, "nothing is stopped for it"
    assert not ChosenEnvironment.objects.exists()
