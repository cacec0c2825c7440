"""Git links: the page that asks, the steps of the task, and what is believed of a Lab's answer."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conftest import Queue
from drive.files import operations
from drive.libraries import services as drive_services
from drive.models import Library
from lab.git_pull import services
from lab.git_pull.forms import clean_repo
from lab.models import Environment, Pull, Server, State
from lab.tests.support import Jupyter
from portal.models import User

pytestmark = pytest.mark.django_db

REPO = "https://example.org/teacher/course.git"
LINK = f"/lab/git-pull?repo={REPO}&branch=autumn&path=first/nb.ipynb"
ASKED = "POST /api/collaboratory/git-pull"


@pytest.fixture
def me(owner: User, sign_in: Callable[[User], Client], environment: Environment) -> Client:
    return sign_in(owner)


@pytest.fixture
def mine(owner: User) -> Library:
    return Library.objects.get(owner_user=owner, is_default=True)


@pytest.fixture
def pull(owner: User, mine: Library) -> Pull:
    return Pull.objects.create(user=owner, library=mine, folder="course", repo=REPO, path="nb.ipynb")


def form(library: Library, **fields: str) -> dict[str, str]:
    return {"repo": REPO, "branch": "autumn", "folder": "", "path": "nb.ipynb", "library": str(library.pk)} | fields


def test_a_link_asks_and_changes_nothing(me: Client) -> None:
    text = me.get(LINK).content.decode()
    for value in (REPO, "autumn", "course", "first/nb.ipynb"):
        assert f'value="{value}"' in text
    assert not Pull.objects.exists()
    assert not Server.objects.exists()


def test_a_link_leads_through_the_sign_in() -> None:
    assert Client().get(LINK)["Location"].startswith("/account/login/?next=/lab/git-pull%3Frepo%3D")


def test_the_form_starts_the_lab_and_the_pull(me: Client, mine: Library, queue: Queue) -> None:
    answer = me.post("/lab/git-pull", form(mine))
    made = Pull.objects.get()
    assert answer["Location"] == f"/lab/git-pull/{made.pk}/"
    assert (made.folder, made.branch, made.place) == ("course", "autumn", "My Libraries/My Library/course/nb.ipynb")
    assert Server.objects.get().state == State.REQUESTED
    assert queue[-1] == ("lab.tasks.pull", made.pk.hex)
    assert "Your Lab is starting" in me.get(answer["Location"]).content.decode()


def test_it_says_that_nothing_can_be_started(me: Client, mine: Library, queue: Queue) -> None:
    queue.up = False
    assert me.post("/lab/git-pull", form(mine)).status_code == 503
    assert not Pull.objects.exists()


def test_it_writes_into_ones_own_libraries_only(
    me: Client, stranger: User, owner: User, editor: User, mine: Library
) -> None:
    theirs = drive_services.create_library(stranger, "Theirs")
    drive_services.share_with_person(stranger, theirs, owner, "rw")  # type: ignore[arg-type]
    assert me.post("/lab/git-pull", form(theirs)).status_code == 400
    assert "Theirs" not in me.get(LINK).content.decode()
    assert not Pull.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"branch": "--upload-pack=x"},
        {"branch": "a..b"},
        {"branch": "a b"},
        {"branch": "x.lock"},
        {"path": "../../x"},
        {"path": "a\0b"},
        {"folder": ".."},
        {"folder": ".git"},
        {"folder": "a//b"},
        {"folder": "a/../b"},
        {"folder": "a/.git"},
        {"folder": "a\nb"},
        {"repo": "https://example.org/.git"},
    ],
)
def test_it_refuses_what_is_no_branch_folder_or_path(me: Client, mine: Library, fields: dict[str, str]) -> None:
    assert me.post("/lab/git-pull", form(mine, **fields)).status_code == 400
    assert not Pull.objects.exists()


@pytest.mark.parametrize(
    "repo",
    [
        "file:///etc",
        "ssh://git@example.org/x",
        "git@example.org:x",
        "ext::sh -c id",
        "-oProxyCommand=x",
        "http://localhost/x",
        "http://x.localhost/x",
        "http://metadata.google.internal/x",
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://169.254.169.254/x",
        "https://user:secret@example.org/x",
        "https://example.org/x?token=secret",
        "https://example.org:99999/x",
        "https://[x/",
        "https://exa mple.org/x",
        "http://",
    ],
)
def test_it_refuses_what_is_no_public_address(me: Client, mine: Library, repo: str, settings: Settings) -> None:
    settings.LAB_GIT_PRIVATE_HOSTS = []
    assert me.get("/lab/git-pull", {"repo": repo}).status_code == 400
    assert me.post("/lab/git-pull", form(mine, repo=repo)).status_code == 400
    assert not Pull.objects.exists()


def test_an_operator_can_allow_a_host_of_the_institute(settings: Settings) -> None:
    settings.LAB_GIT_PRIVATE_HOSTS = ["10.1.2.3"]
    assert clean_repo(" http://10.1.2.3/x ") == "http://10.1.2.3/x"


# The steps


def test_a_step_waits_for_the_lab(pull: Pull, server: Callable[..., Server]) -> None:
    server("starting")
    assert services.step(pull.pk)


def test_a_step_asks_the_lab(pull: Pull, running: Server, jupyter: Jupyter, settings: Settings) -> None:
    settings.LAB_GIT_PRIVATE_HOSTS = ["10.1.2.3"]
    jupyter.answers[ASKED] = (200, b'{"state": "running", "progress": "Receiving objects: 40%"}')
    assert services.step(pull.pk)
    pull.refresh_from_db()
    assert (pull.state, pull.progress) == ("running", "Receiving objects: 40%")
    assert json.loads(jupyter.asked[-1][2]) == {
        "id": pull.pk.hex,
        "repo": REPO,
        "branch": "",
        "path": "drive/My Libraries/My Library/course",
        "allow": ["10.1.2.3"],
    }


def test_the_last_step_opens_what_was_fetched(me: Client, pull: Pull, running: Server, jupyter: Jupyter) -> None:
    jupyter.answers[ASKED] = (200, b'{"state": "done", "report": {"what": "cloned", "commit": "abc1234"}}')
    assert not services.step(pull.pk)
    opened = "/lab/open?path=My+Libraries%2FMy+Library%2Fcourse%2Fnb.ipynb"
    assert me.get(f"/lab/git-pull/{pull.pk}/")["Location"] == opened
    assert me.get(f"/lab/git-pull/{pull.pk}/state")["HX-Redirect"] == opened
    assert not services.step(pull.pk)
    assert len(jupyter.asked) == 1


def test_the_page_says_what_happened_before_it_opens(me: Client, pull: Pull, running: Server, jupyter: Jupyter) -> None:
    report = {"what": "updated", "kept": [{"path": "a<b>.txt", "beside": "a (upstream 1).txt"}], "returned": ["c.txt"]}
    jupyter.answers[ASKED] = (200, json.dumps({"state": "done", "report": report}).encode())
    services.step(pull.pk)
    text = me.get(f"/lab/git-pull/{pull.pk}/").content.decode()
    for words in ("a&lt;b&gt;.txt", "a (upstream 1).txt", "c.txt", "were restored", ">Open it</a>"):
        assert words in text


def test_the_page_says_why_it_failed(me: Client, pull: Pull, running: Server, jupyter: Jupyter) -> None:
    jupyter.answers[ASKED] = (200, b'{"state": "failed", "error": "There is no public repository at this address."}')
    assert not services.step(pull.pk)
    text = me.get(f"/lab/git-pull/{pull.pk}/").content.decode()
    assert "There is no public repository at this address." in text
    assert "Try again" in text


def test_a_page_of_a_failure_offers_what_is_there(
    me: Client, owner: User, pull: Pull, running: Server, jupyter: Jupyter, mine: Library
) -> None:
    """The file, else the folder; nothing before either is there."""
    page, offered = f"/lab/git-pull/{pull.pk}/", "/lab/open?path=My+Libraries%2FMy+Library%2Fcourse"
    jupyter.answers[ASKED] = (200, b'{"state": "failed", "error": "The server is not responding."}')
    services.step(pull.pk)
    link = {"repo": "https://example.org/course?x", "folder": "course", "path": "nb.ipynb"}
    assert "Open what is there" not in me.get(page).content.decode()
    assert "Open what is there" not in me.get("/lab/git-pull", link).content.decode()
    operations.make_folder(owner, mine, "course")
    for asked in (
        me.get(page),
        me.get("/lab/git-pull", link),
        me.post("/lab/git-pull", form(mine, branch="a b", folder="course")),
    ):
        assert f'href="{offered}">Open what is there' in asked.content.decode()
    operations.write(owner, mine, "course/nb.ipynb", b"{}")
    for asked in (me.get(page), me.get("/lab/git-pull", link)):
        assert f'href="{offered}%2Fnb.ipynb">Open what is there' in asked.content.decode()
    assert "Open what is there" not in me.get("/lab/git-pull", link | {"folder": "../x"}).content.decode()
    assert "Open what is there" not in me.get("/lab/git-pull", link | {"folder": "a\0b"}).content.decode()


def test_the_page_says_what_was_renamed_and_what_was_not_fetched(
    me: Client, pull: Pull, running: Server, jupyter: Jupyter
) -> None:
    report = {
        "what": "cloned",
        "renamed": {"from": "master", "to": "main"},
        "submodules": ["lib/<x>"],
        "lfs": ["big.bin"],
    }
    jupyter.answers[ASKED] = (200, json.dumps({"state": "done", "report": report}).encode())
    services.step(pull.pk)
    text = me.get(f"/lab/git-pull/{pull.pk}/").content.decode()
    for words in ("no branch “master”", "default branch is “main”", "lib/&lt;x&gt;", "big.bin", "git lfs pull"):
        assert words in text
    Pull.objects.update(report=services.clean_report({"what": "same", "submodules": ["s"], "lfs": ["b"]}))
    assert me.get(f"/lab/git-pull/{pull.pk}/").status_code == 302


def test_a_folder_in_a_folder_is_fetched_into(me: Client, mine: Library, queue: Queue) -> None:
    assert me.post("/lab/git-pull", form(mine, folder="2026/course/")).status_code == 302
    assert Pull.objects.get().target == "My Libraries/My Library/2026/course"


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"nonsense",
        b'{"state": ["done"]}',
        b'{"state": "done", "report": [1]}',
        b'{"state": "done", "report": {"renamed": ["x"], "lfs": {"a": 1}, "submodules": [1, null]}}',
        b'{"state": "failed", "error": 3}',
    ],
)
def test_it_believes_nothing_but_shapes(
    me: Client, pull: Pull, running: Server, jupyter: Jupyter, answer: bytes
) -> None:
    jupyter.answers[ASKED] = (200, answer)
    services.step(pull.pk)
    assert me.get(f"/lab/git-pull/{pull.pk}/").status_code in (200, 302)


def test_it_keeps_no_more_than_a_page_shows() -> None:
    rows = [{"path": "x\0y" * 500, "beside": ["no text"]}] * 500
    report = services.clean_report({"kept": rows, "returned": ["a\nb", 3], "committed": "yes", "evil": 1})
    assert len(report["kept"]) == services.NAMED
    assert (len(report["kept"][0]["path"]), report["kept"][0]["beside"]) == (services.TEXT, "")
    assert "\0" not in report["kept"][0]["path"]
    assert report["returned"] == ["a\N{REPLACEMENT CHARACTER}b", ""]
    assert "evil" not in report


def test_it_ends_without_a_lab_after_too_long_and_when_the_library_is_gone(
    pull: Pull, owner: User, server: Callable[..., Server], stranger: User, sign_in: Callable[[User], Client]
) -> None:
    assert not services.step(pull.pk)
    pull.refresh_from_db()
    assert "stopped before the repository was fetched" in pull.error
    server("running")
    late = Pull.objects.create(user=owner, library=pull.library, folder="x", repo=REPO)
    Pull.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(hours=1))
    assert not services.step(late.pk)
    given = drive_services.create_library(owner, "Given")
    gone = Pull.objects.create(user=owner, library=given, folder="x", repo=REPO)
    drive_services.transfer_library(owner, given, stranger)
    assert not services.step(gone.pk)
    gone.refresh_from_db()
    assert gone.error == "You no longer own this library."


@pytest.mark.parametrize("passed", [timedelta(minutes=-1), timedelta(days=1)])
def test_the_page_mends_a_chain_that_broke(
    me: Client, pull: Pull, running: Server, queue: Queue, passed: timedelta
) -> None:
    """A minute ago, or a day before the clock was set back by a day."""
    me.get(f"/lab/git-pull/{pull.pk}/state")
    assert queue == []
    Pull.objects.filter(pk=pull.pk).update(looked_at=timezone.now() + passed)
    me.get(f"/lab/git-pull/{pull.pk}/state")
    me.get(f"/lab/git-pull/{pull.pk}/state")
    assert queue == [("lab.tasks.pull", pull.pk.hex)]


def test_a_page_asks_the_database_as_little_for_many_files_as_for_few(
    me: Client, pull: Pull, running: Server, django_assert_max_num_queries: Callable
) -> None:
    report = services.clean_report({"what": "updated", "returned": [f"{number}.txt" for number in range(50)]})
    Pull.objects.filter(pk=pull.pk).update(state="done", report=report)
    with django_assert_max_num_queries(10):
        me.get(f"/lab/git-pull/{pull.pk}/")


def test_it_is_nobody_elses_business(pull: Pull, stranger: User, sign_in: Callable[[User], Client]) -> None:
    for part in ("", "state"):
        assert sign_in(stranger).get(f"/lab/git-pull/{pull.pk}/{part}").status_code == 404
