"""Whose notebooks open in the simple view, and where JupyterLab opens all the same."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from collabs.models import Collab
from drive.files import operations
from lab.environments import simple_view, static_files
from lab.locations import paths
from lab.models import Environment, Server
from portal.models import NotebookView, User

pytestmark = pytest.mark.django_db

LAB = "http://owner.lab.localhost:8000"
PATH = "Shared with groups/Cortex"


@pytest.fixture
def me(owner: User, sign_in: Callable[[User], Client], environment: Environment, collab: Collab) -> Client:
    for name in ("a&b.ipynb", "c.md"):
        operations.write(owner, collab.library, name, b"{}")
    return sign_in(owner)


@pytest.fixture(autouse=True)
def with_notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Prefixes of the environments that have Jupyter Notebook 7."""
    prefixes: list[str] = []
    monkeypatch.setattr(static_files, "has_notebook", lambda prefix: prefix in prefixes)
    return prefixes


@pytest.fixture
def everywhere(environment: Environment, with_notebook: list[str]) -> None:
    with_notebook.append(environment.prefix)


def opened(me: Client, name: str) -> str:
    """Where the link to a file leads."""
    return me.get("/lab/open", {"path": f"{PATH}/{name}"})["Refresh"].removeprefix(f"0; url={LAB}")


@pytest.mark.usefixtures("everywhere", "running")
def test_a_choice_holds_for_notebooks_and_for_nothing_else(me: Client) -> None:
    assert opened(me, "a&b.ipynb").startswith("/lab/tree/")
    assert me.post("/lab/notebook-view", {"view": "simple"}).status_code == 302
    assert opened(me, "a&b.ipynb") == "/notebooks/drive/Shared%20with%20groups/Cortex/a%26b.ipynb"
    assert opened(me, "c.md") == "/lab/tree/drive/Shared%20with%20groups/Cortex/c.md"
    assert opened(me, "") == "/lab/tree/drive/Shared%20with%20groups/Cortex"
    assert me.post("/lab/notebook-view", {"view": "jupyterlab"}).status_code == 302
    assert opened(me, "a&b.ipynb").startswith("/lab/tree/")


@pytest.mark.usefixtures("everywhere", "running")
def test_it_is_one_persons_choice(me: Client, owner: User, editor: User) -> None:
    me.post("/lab/notebook-view", {"view": "simple", "user": editor.username})
    views = dict(User.objects.filter(pk__in=[owner.pk, editor.pk]).values_list("username", "notebook_view"))
    assert views == {"owner": "simple", "editor": "jupyterlab"}


@pytest.mark.usefixtures("everywhere", "running")
@pytest.mark.parametrize("view", ["", "simple ", "SIMPLE", "\x00", "simple,jupyterlab", "x" * 100_000])
def test_what_is_no_view_changes_nothing(me: Client, owner: User, view: str) -> None:
    assert me.post("/lab/notebook-view", {"view": view}, follow=True).status_code == 200
    owner.refresh_from_db()
    assert owner.notebook_view == NotebookView.JUPYTERLAB


@pytest.mark.usefixtures("running")
def test_an_environment_without_it_opens_jupyterlab_and_says_so(me: Client, running: Server) -> None:
    me.post("/lab/notebook-view", {"view": "simple"})
    assert opened(me, "a&b.ipynb") == "/lab/tree/drive/Shared%20with%20groups/Cortex/a%26b.ipynb"
    assert f"the environment {running.environment.name} has no simple view" in me.get("/lab/").text


@pytest.mark.usefixtures("everywhere", "running")
def test_a_hubs_labs_open_jupyterlab(me: Client, owner: User, settings: Settings) -> None:
    me.post("/lab/notebook-view", {"view": "simple"})
    settings.LAB_LAUNCHER, settings.LAB_HUB_URL = "jupyterhub", "https://hub.example.org"
    owner.refresh_from_db()
    assert simple_view.address_of(owner, "x.ipynb") == "/lab/tree/drive/x.ipynb"
    assert not simple_view.choose(owner, NotebookView.SIMPLE)
    assert simple_view.choice_context(owner, None) == {}


@pytest.mark.usefixtures("everywhere")
def test_an_address_of_it_survives_a_stopped_lab(me: Client, server: Callable[..., Server]) -> None:
    """A bookmark: the Lab's origin sends it to the portal, whose page knows the file and leads back."""
    place = f"/notebooks/drive/{PATH.replace(' ', '%20')}/a%26b.ipynb"
    assert paths.local_address(place) == place
    assert f"{PATH}/a&amp;b.ipynb" in me.get("/lab/", {"next": place}).text
    server("running")
    assert me.get("/lab/", {"next": place})["Refresh"] == f"0; url={LAB}{place}"


@pytest.mark.parametrize(
    "address",
    [
        "/notebooks/drive/../../etc",
        "/notebooks/drive/%2e%2e/x.ipynb",
        "/notebooks/x.ipynb",
        "/notebooks/",
        "/notebooks",
    ],
)
def test_no_address_leads_out_of_the_drive(address: str) -> None:
    assert paths.path_at(address) == ""


@pytest.mark.usefixtures("running", "everywhere")
def test_a_choice_costs_no_query(
    me: Client,
    owner: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    opened(me, "a&b.ipynb")
    with django_assert_max_num_queries(50) as before:
        opened(me, "a&b.ipynb")
    simple_view.choose(owner, NotebookView.SIMPLE)
    with django_assert_num_queries(len(before)):
        opened(me, "a&b.ipynb")
