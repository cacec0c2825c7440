"""Choosing an environment: for a launch, for a person, for a Collab."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from collabs import services as collab_services
from collabs.models import Collab
from lab.environments import selection
from lab.locations.paths import Location
from lab.models import ChosenEnvironment, CollabEnvironment, Environment, Pause, Server, State
from lab.servers import lifecycle, services
from portal import audit
from portal.models import User

pytestmark = pytest.mark.django_db

PLACE = "Shared with groups/Cortex"
SETTINGS = "/collabs/cortex/settings/environment/"


@pytest.fixture
def brain(environment: Environment) -> Environment:
    return Environment.objects.create(slug="brain", name="Brain", prefix="/srv/brain", description="NEST and Elephant.")


@pytest.fixture
def old(environment: Environment) -> Environment:
    return Environment.objects.create(slug="old", name="Last year", prefix="/srv/old", is_retired=True)


@pytest.fixture
def me(owner: User, sign_in: Callable[[User], Client], environment: Environment) -> Client:
    return sign_in(owner)


def started() -> str:
    """The environment of the one server there is."""
    return Server.objects.select_related("environment").get(state=State.REQUESTED).environment.slug


class TestLaunch:
    def test_it_starts_in_the_default(self, me: Client, brain: Environment) -> None:
        me.get("/lab/open")
        assert started() == "base"

    def test_it_starts_in_what_the_link_names(self, me: Client, brain: Environment) -> None:
        me.get("/lab/open?environment=brain")
        assert started() == "brain"
        assert not ChosenEnvironment.objects.exists()

    def test_it_knows_no_other_environment(self, me: Client, brain: Environment) -> None:
        page = me.get("/lab/open?path=My+Libraries/My+Library&environment=nothing")
        assert page.status_code == 404
        assert "/lab/open?path=My+Libraries%2FMy+Library" in page.content.decode()  # it can be opened all the same
        assert me.post("/lab/start", {"environment": "nothing"}).status_code == 404
        assert not Server.objects.exists()

    def test_it_starts_in_a_retired_one_by_link(self, me: Client, old: Environment) -> None:
        me.get("/lab/open?environment=old")
        assert started() == "old"

    def test_it_starts_in_what_the_collab_has_chosen(
        self, me: Client, owner: User, collab: Collab, brain: Environment
    ) -> None:
        selection.choose_for_collab(owner, collab, brain)
        me.get(f"/lab/open?path={PLACE}")
        assert started() == "brain"

    def test_the_link_goes_before_the_collab(self, me: Client, owner: User, collab: Collab, brain: Environment) -> None:
        selection.choose_for_collab(owner, collab, brain)
        me.get(f"/lab/open?path={PLACE}&environment=base")
        assert started() == "base"

    def test_the_collab_goes_before_the_person(
        self, me: Client, owner: User, collab: Collab, brain: Environment, old: Environment
    ) -> None:
        selection.remember(owner, old)
        selection.choose_for_collab(owner, collab, brain)
        me.get(f"/lab/open?path={PLACE}")
        assert started() == "brain"

    def test_it_tells_a_stranger_nothing_of_a_collabs_choice(
        self, owner: User, stranger: User, sign_in: Callable[[User], Client], collab: Collab, brain: Environment
    ) -> None:
        """Whether there is a Collab of that name must not show in the Lab that one gets."""
        selection.choose_for_collab(owner, collab, brain)
        sign_in(stranger).post("/lab/start", {"next": f"/lab/tree/drive/{PLACE}/a.ipynb"})
        assert started() == "base"

    def test_it_remembers_what_a_person_chose(self, me: Client, owner: User, brain: Environment) -> None:
        me.post("/lab/start", {"environment": "brain", "remember": "yes"})
        assert started() == "brain"
        assert selection.for_location(owner, Location()) == brain

    def test_it_remembers_nothing_that_was_left_as_it_was(self, me: Client, brain: Environment) -> None:
        me.post("/lab/start", {"environment": "base", "remember": "yes"})
        assert not ChosenEnvironment.objects.exists()


class TestPage:
    def test_it_offers_no_choice_of_one(self, me: Client) -> None:
        assert "<select" not in me.get("/lab/").content.decode()

    def test_it_offers_what_is_not_retired(self, me: Client, brain: Environment, old: Environment) -> None:
        text = me.get("/lab/").content.decode()
        assert '<option value="base" selected>' in text
        assert '<option value="brain">' in text
        assert "old" not in text.partition("<select")[2].partition("</select>")[0]

    def test_it_goes_on_offering_a_retired_one_to_who_has_chosen_it(
        self, me: Client, owner: User, old: Environment
    ) -> None:
        selection.remember(owner, old)
        assert '<option value="old" selected>Last year (retired)</option>' in me.get("/lab/").content.decode()

    def test_it_needs_no_more_queries_for_more_environments(self, me: Client, brain: Environment) -> None:
        me.get("/lab/")
        with CaptureQueriesContext(connection) as few:
            me.get("/lab/")
        for number in range(20):
            Environment.objects.create(slug=f"e{number}", name=f"E{number}", prefix=f"/srv/{number}")
        with CaptureQueriesContext(connection) as many:
            me.get("/lab/")
        assert len(many) == len(few)


class TestAnother:
    """The Lab runs in another environment than what is asked for."""

    def test_it_asks_before_it_stops_anything(self, me: Client, running: Server, brain: Environment) -> None:
        text = me.get(f"/lab/open?path=&environment={brain.slug}").content.decode()
        assert "This link asks for another environment" in text
        assert "Open it in Base" in text
        running.refresh_from_db()
        assert running.is_running

    def test_it_opens_the_running_one_when_it_is_that(self, me: Client, running: Server, brain: Environment) -> None:
        assert "Refresh" in me.get("/lab/open?environment=base")

    def test_it_starts_anew_in_it(self, me: Client, running: Server, brain: Environment) -> None:
        me.post("/lab/start", {"environment": "brain", "restart": running.pk.hex})
        running.refresh_from_db()
        assert (running.state, running.again, running.again_environment) == (State.STOPPING, True, brain)
        lifecycle.end(running.pk)
        assert started() == "brain"

    def test_a_click_meanwhile_does_not_change_it(self, me: Client, running: Server, brain: Environment) -> None:
        me.post("/lab/start", {"environment": "brain", "restart": running.pk.hex})
        me.get("/lab/open")
        lifecycle.end(running.pk)
        assert started() == "brain"

    def test_it_keeps_running_what_nobody_asked_to_stop(self, me: Client, running: Server, brain: Environment) -> None:
        me.post("/lab/start", {"environment": "brain"})
        running.refresh_from_db()
        assert running.is_running

    def test_a_second_click_does_not_stop_the_new_one(self, me: Client, running: Server, brain: Environment) -> None:
        for _ in range(2):
            me.post("/lab/start", {"environment": "brain", "restart": running.pk.hex})
            lifecycle.end(running.pk)
        [new] = Server.objects.live()
        assert (new.state, new.environment) == (State.REQUESTED, brain)

    def test_it_starts_anew_in_the_same_one_where_that_is_asked_for(self, me: Client, running: Server) -> None:
        me.post("/lab/start", {"environment": "base", "restart": running.pk.hex})
        running.refresh_from_db()
        assert (running.state, running.again) == (State.STOPPING, True)

    def test_it_stops_nothing_where_none_could_follow(self, me: Client, running: Server, brain: Environment) -> None:
        Pause.objects.create(text="A new disk.", ends_at=timezone.now() + timedelta(hours=1))
        answer = me.post("/lab/start", {"environment": "brain", "restart": running.pk.hex})
        assert "A new disk." in answer.content.decode()
        running.refresh_from_db()
        assert running.is_running


class TestCollab:
    def test_it_is_chosen_in_the_settings(
        self, me: Client, owner: User, collab: Collab, brain: Environment, old: Environment
    ) -> None:
        assert SETTINGS in me.get("/collabs/cortex/settings/").content.decode()
        text = me.get(SETTINGS).content.decode()
        assert "NEST and Elephant." in text
        assert "Last year" not in text
        assert me.post(SETTINGS, {"environment": "brain"}).status_code == 302
        assert CollabEnvironment.objects.get().environment == brain
        last = audit.trail(collab).first()
        assert last
        assert (last.verb, last.details["environment"]) == ("collab.environment.changed", "brain")
        assert "“Brain”" in me.get("/collabs/cortex/settings/").content.decode()

    def test_it_can_be_given_up(self, me: Client, owner: User, collab: Collab, brain: Environment) -> None:
        selection.choose_for_collab(owner, collab, brain)
        me.post(SETTINGS, {"environment": ""})
        assert not CollabEnvironment.objects.exists()

    def test_it_does_not_newly_choose_a_retired_one(self, me: Client, collab: Collab, old: Environment) -> None:
        assert me.post(SETTINGS, {"environment": "old"}).status_code == 422

    def test_it_keeps_one_that_was_retired_later(
        self, me: Client, owner: User, collab: Collab, brain: Environment
    ) -> None:
        selection.choose_for_collab(owner, collab, brain)
        Environment.objects.filter(pk=brain.pk).update(is_retired=True)
        assert "Brain: NEST and Elephant. (retired)" in me.get(SETTINGS).content.decode()
        me.get(f"/lab/open?path={PLACE}")
        assert started() == "brain"

    def test_it_stays_as_it_is_when_archived(self, me: Client, owner: User, collab: Collab, brain: Environment) -> None:
        collab_services.archive_collab(owner, collab)
        answer = me.post(SETTINGS, {"environment": "brain"})
        assert answer.status_code == 422
        assert "archived" in answer.content.decode()
        assert not CollabEnvironment.objects.exists()


def test_it_does_not_retire_the_default(environment: Environment) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Environment.objects.update(is_retired=True)


def test_it_tells_an_operator_why_the_default_is_not_retired(
    operator: User, sign_in: Callable[[User], Client], environment: Environment
) -> None:
    form = {"slug": "base", "name": "Base", "prefix": "/srv/base", "is_default": "on", "is_retired": "on"}
    text = sign_in(operator).post(f"/admin/lab/environment/{environment.pk}/change/", form).content.decode()
    assert "The default cannot be retired" in text


def test_a_new_one_takes_no_retired_one_where_none_is_the_default(old: Environment, environment: Environment) -> None:
    Environment.objects.filter(pk=environment.pk).update(is_default=False)
    assert Environment.objects.default() == environment


def test_a_program_asks_for_one(owner: User, environment: Environment, brain: Environment) -> None:
    assert services.request_server(owner, owner, environment=brain).environment == brain


class TestOfAHub:
    """Whatever is chosen or asked for, a Hub starts its own image: nothing else is offered, or taken."""

    @pytest.fixture(autouse=True)
    def hub(self, settings: Settings) -> None:
        settings.LAB_LAUNCHER = "jupyterhub"

    def test_only_the_default_is_offered_and_found(
        self, owner: User, brain: Environment, environment: Environment
    ) -> None:
        assert list(selection.selectable(owner)) == [environment]
        assert selection.by_slug("brain") is None
        assert selection.by_slug("base") == environment

    def test_earlier_choices_do_not_count(
        self, owner: User, collab: Collab, brain: Environment, environment: Environment, settings: Settings
    ) -> None:
        settings.LAB_LAUNCHER = "sandbox"
        selection.choose_for_collab(owner, collab, brain)
        selection.remember(owner, brain)
        location = Location(path=PLACE, library=collab.library)
        assert selection.for_location(owner, location) == brain
        settings.LAB_LAUNCHER = "jupyterhub"
        assert selection.for_location(owner, location) == environment
        assert selection.chosen_for_collab(collab) is None

    def test_a_collabs_settings_do_not_lead_to_a_choice(self, me: Client, collab: Collab, brain: Environment) -> None:
        page = me.get(f"/collabs/{collab.slug}/settings/").content.decode()
        assert "Environment in the Lab" not in page
        assert "Packages in the Lab" in page
