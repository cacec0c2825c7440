"""Messages about notebooks that ran without a page."""

from collections.abc import Callable

import pytest
from django.core.cache import cache

from lab.models import Server
from lab.servers import notifications
from lab.servers.notifications import TooManyRunsError, tell_of_run
from notices.models import Mail, Notice
from portal.models import User

pytestmark = pytest.mark.django_db
Make = Callable[..., Server]
PATH = "drive/Shared with groups/Cortex/a b.ipynb"


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


def test_it_says_how_long_it_took_and_leads_there(server: Make, owner: User) -> None:
    tell_of_run(server("running"), PATH, seconds=3725, cells=3, error="")
    [notice] = Notice.objects.all()
    assert (notice.user, notice.kind) == (owner, "run_ended")
    assert notice.subject == "“a b.ipynb” is done after 1 hour 2 minutes"
    assert "3 cells were run." in notice.text
    assert notice.url == "/lab/open?path=Shared+with+groups%2FCortex%2Fa+b.ipynb"
    assert notice.mail == Mail.WAITING


def test_it_says_why_it_failed(server: Make) -> None:
    tell_of_run(
        server("running"), "outside.ipynb", seconds=2, cells=1, error="Cell 1 of 1: ValueError: x\r\nSubject: y"
    )
    [notice] = Notice.objects.all()
    assert notice.subject == "“outside.ipynb” failed after 2 seconds"
    assert "ValueError: x" in notice.text
    assert notice.url == "/lab/"


def test_a_lab_cannot_flood_its_person(server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = server("running")
    monkeypatch.setattr(notifications, "MOST_RUNS", 3)
    for _ in range(3):
        tell_of_run(lab, PATH, seconds=1, cells=1, error="")
    with pytest.raises(TooManyRunsError):
        tell_of_run(lab, PATH, seconds=1, cells=1, error="")
    assert Notice.objects.count() == 3


@pytest.mark.parametrize("path", ["x\nBcc: evil@example.org/a\r\nb.ipynb", "drive/" + "x" * 2900, "drive/", "/"])
def test_a_strange_path_harms_nobody(server: Make, path: str) -> None:
    tell_of_run(server("running"), path, seconds=1, cells=1, error="")
    [notice] = Notice.objects.all()
    assert "\n" not in notice.subject
    assert len(notice.url) <= 500
