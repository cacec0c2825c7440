"""Packages for next time: whose lists they are, who may change them, and for whom they are installed."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collabs import services as collab_services
from collabs.models import Collab
from lab.environments import kept_packages
from lab.environments.kept_packages import KeptPackages, digest, for_place, requirements
from lab.models import Environment, PackageAnswer, PackageList, Server
from lab.servers import lifecycle
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import Jupyter
from portal.models import AuditEntry, User

pytestmark = pytest.mark.django_db

PLACE = "Shared with groups/Cortex/a.ipynb"
PAGE = "/collabs/cortex/packages/"
MINE = "/lab/packages"


def agree(user: User, collab: Collab, *, installs: bool = True) -> bool:
    kept = kept_packages.list_of(collab)
    assert kept
    return kept_packages.answer(user, collab, digest(kept.text), installs=installs)


class TestLines:
    def test_it_takes_requirements_and_comments(self) -> None:
        text = (
            "# for the course\n\nelephant\nscipy >= 1.10  # for the filters\nneo[hdf5]==0.13; python_version > '3.9'\n"
        )
        found = requirements(text)
        assert found == ["elephant", "scipy>=1.10", 'neo[hdf5]==0.13; python_version > "3.9"']

    @pytest.mark.parametrize(
        "line",
        [
            "--index-url https://evil.example/simple",
            "-r /etc/passwd",
            "-e .",
            "./package",
            "numpy --hash=sha256:0",
            "numpy; rm -rf ~",
            "numpy\x00",
            "numpy\\",
            "$HOME",
            "two words",
        ],
    )
    def test_it_takes_no_options_of_pip_and_nothing_else(self, line: str) -> None:
        with pytest.raises(ValidationError):
            requirements(f"numpy\n{line}\n")

    def test_no_line_of_it_can_be_an_option(self) -> None:
        assert all(line[0].isalnum() for line in requirements("numpy\n  a-b @ https://example.org/a.whl"))

    def test_it_has_an_end(self) -> None:
        with pytest.raises(ValidationError):
            requirements("\n".join(f"package{n}" for n in range(101)))
        with pytest.raises(ValidationError):
            requirements("#" * 10_001)


class TestMyList:
    def test_i_save_it_and_each_new_lab_gets_it(
        self, owner: User, sign_in: Callable[[User], Client], server: Callable[..., Server], launcher: InProcessLauncher
    ) -> None:
        assert sign_in(owner).post(MINE, {"text": "elephant\n# why\n"}).status_code == 302
        new = server("requested")
        lifecycle.launch(new.pk)
        assert launcher.specs[new.pk].packages == [{"whose": "", "lines": ["elephant"]}]
        [row] = AuditEntry.objects.filter(verb="lab.packages.changed")
        assert (row.actor, row.details["packages"]) == (owner, ["elephant"])

    def test_it_is_nobody_elses(self, owner: User, stranger: User, environment: Environment) -> None:
        kept_packages.save(owner, owner, "elephant")
        assert for_place(owner, "") == [KeptPackages("", ["elephant"])]
        assert for_place(stranger, "") == []

    def test_what_is_no_requirement_is_told_with_its_line(
        self, owner: User, sign_in: Callable[[User], Client], environment: Environment
    ) -> None:
        page = sign_in(owner).post(MINE, {"text": "elephant\n-r x"})
        assert page.status_code == 422
        assert "Line 2" in page.content.decode()
        assert not PackageList.objects.exists()

    def test_an_empty_one_is_none(self, owner: User) -> None:
        kept_packages.save(owner, owner, "elephant")
        kept_packages.save(owner, owner, " \n")
        assert not PackageList.objects.exists()

    def test_what_is_installed_is_shown_before_it_is_saved(
        self, owner: User, sign_in: Callable[[User], Client], server: Callable[..., Server], launcher: InProcessLauncher
    ) -> None:
        """Code in a Lab decides what seems to be installed there: it cannot get itself into the next one unseen."""
        running = server("running")
        packages = launcher.changes(running.pk) / "lib/python3.11/site-packages"
        for name in ("elephant-1.1", "Neo_X-2.0", "-r-1.0", "evil@x-1.0"):
            (packages / f"{name}.dist-info").mkdir(parents=True)
        page = sign_in(owner).post(MINE, {"text": "neo.x\nnumpy", "installed": "yes"})
        assert page.context["form"].initial["text"] == "numpy\nelephant==1.1\nNeo_X==2.0"
        assert not PackageList.objects.exists()


class TestACollabsList:
    @pytest.mark.parametrize(("who", "status"), [("owner", 302), ("editor", 302), ("viewer", 403), ("stranger", 404)])
    def test_its_editors_change_it(
        self, who: str, status: int, collab: Collab, sign_in: Callable[[User], Client], stranger: User
    ) -> None:
        answer = sign_in(User.objects.get(username=who)).post(PAGE, {"text": "elephant"})
        assert answer.status_code == status
        assert PackageList.objects.exists() == (status == 302)

    def test_nobody_changes_that_of_an_archived_one(self, owner: User, collab: Collab) -> None:
        collab_services.archive_collab(owner, collab)
        with pytest.raises(ValidationError):
            kept_packages.save(owner, collab, "elephant")

    def test_it_is_installed_for_nobody_who_did_not_agree(
        self, owner: User, editor: User, viewer: User, collab: Collab, environment: Environment
    ) -> None:
        kept_packages.save(owner, collab, "elephant")
        assert [for_place(user, PLACE) for user in (owner, editor, viewer)] == [[], [], []]
        assert agree(viewer, collab)
        assert for_place(viewer, PLACE) == [KeptPackages("Cortex", ["elephant"])]
        assert for_place(owner, PLACE) == []
        assert agree(viewer, collab, installs=False)
        assert for_place(viewer, PLACE) == []

    def test_it_is_asked_again_when_it_changes(self, owner: User, viewer: User, collab: Collab) -> None:
        kept_packages.save(owner, collab, "elephant")
        assert agree(viewer, collab)
        kept_packages.save(owner, collab, "elephant  # still the same")
        assert for_place(viewer, PLACE)
        kept_packages.save(owner, collab, "elephant\nevil")
        assert for_place(viewer, PLACE) == []

    def test_who_saw_another_list_agreed_to_nothing(
        self, owner: User, viewer: User, collab: Collab, sign_in: Callable[[User], Client], environment: Environment
    ) -> None:
        kept_packages.save(owner, collab, "elephant")
        shown = sign_in(viewer).get(PAGE).context["digest"]
        kept_packages.save(owner, collab, "evil")
        sign_in(viewer).post(PAGE, {"answer": "install", "digest": shown})
        assert not PackageAnswer.objects.exists()
        assert for_place(viewer, PLACE) == []

    def test_it_is_for_that_collabs_files_only(self, owner: User, collab: Collab, public_collab: Collab) -> None:
        kept_packages.save(owner, collab, "elephant")
        agree(owner, collab)
        assert for_place(owner, PLACE)
        for place in ("", "Shared with groups", "Shared with groups/Open Cortex", "My Libraries/My Library", "../x"):
            assert for_place(owner, place) == []

    def test_it_ends_with_the_access(self, owner: User, viewer: User, collab: Collab) -> None:
        kept_packages.save(owner, collab, "elephant")
        agree(viewer, collab)
        collab_services.remove_member(owner, collab, viewer)
        assert for_place(viewer, PLACE) == []

    def test_that_of_a_stranger_s_public_collab_waits_to_be_asked_for(
        self, owner: User, stranger: User, public_collab: Collab, environment: Environment
    ) -> None:
        place = "Shared with all/Open Cortex"
        kept_packages.save(owner, public_collab, "elephant")
        assert for_place(stranger, place) == []
        agree(stranger, public_collab)
        assert for_place(stranger, place) == [KeptPackages("Open Cortex", ["elephant"])]

    def test_it_says_whose_it_is(
        self, owner: User, viewer: User, collab: Collab, sign_in: Callable[[User], Client], environment: Environment
    ) -> None:
        kept_packages.save(owner, collab, "elephant")
        page = sign_in(viewer).get(PAGE).content.decode()
        assert f"by {owner.display_name}" in page
        assert "access to all your files" in page
        assert "<textarea" not in page


class TestLaunch:
    def test_who_has_none_asks_one_query(self, owner: User, collab: Collab) -> None:
        with CaptureQueriesContext(connection) as queries:
            assert for_place(owner, PLACE) == []
        assert len(queries) == 1

    def test_without_walls_nothing_is_installed(
        self, owner: User, server: Callable[..., Server], launcher: InProcessLauncher
    ) -> None:
        """There pip would change the environment itself, for everybody."""
        kept_packages.save(owner, owner, "elephant")
        launcher.isolated = False
        new = server("requested")
        lifecycle.launch(new.pk)
        assert launcher.specs[new.pk].packages == []

    def test_a_running_lab_gets_what_was_agreed_to(
        self,
        viewer: User,
        owner: User,
        collab: Collab,
        server: Callable[..., Server],
        jupyter: Jupyter,
    ) -> None:
        kept_packages.save(owner, collab, "elephant")
        running = server("running", owner=viewer)
        jupyter.answers["POST /api/collaboratory/packages"] = (200, b"{}")
        lifecycle.install_packages(running, collab)
        assert jupyter.asked == []
        agree(viewer, collab)
        lifecycle.install_packages(running, collab)
        [(what, _token, body)] = jupyter.asked
        assert what == "POST /api/collaboratory/packages"
        assert body == b'{"whose": "Cortex", "lines": ["elephant"]}'


def test_the_export_of_personal_data_has_list_and_answers(owner: User, collab: Collab) -> None:
    kept_packages.save(owner, owner, "elephant")
    kept_packages.save(owner, collab, "neo")
    agree(owner, collab, installs=False)
    answers = [{"collab__slug": "cortex", "installs": False}]
    expected = {"packages": "elephant", "answers": answers}
    assert kept_packages.export(owner) == {"lab-packages.json": expected}
