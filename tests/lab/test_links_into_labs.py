"""Ways into the Lab, through the real proxy: links of others, copies of one's own, the paths that notebooks know."""

import functools
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import pytest

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.files import operations
from drive.models import Library
from lab.models import Pull, Server
from lab.templatetags.lab_tags import lab_address

from ..support.people import Person
from ..support.site import Site, forked_only, wait_for

pytestmark = pytest.mark.sandbox

SOON = 2.0


def test_the_drive_is_where_notebooks_for_ebrains_look_for_it(
    way: str, site: Site, collab: Collab, owner: Person, editor: Person
) -> None:
    """And so are changes of access, while it runs."""
    assert site.is_forked(editor.launch()) == (way == "fork")
    kernel = editor.kernel()
    shared = f"/mnt/user/shared/{collab.title}"
    assert not kernel.run(f"open({shared!r} + '/a.txt', 'w').write('from here')").error
    assert editor.contents(f"Shared with groups/{collab.title}/a.txt").json()["content"] == "from here"
    listed = kernel.run("import os; print(sorted(os.listdir('/mnt/user/drive')), os.listdir('/mnt/user'))").text
    assert "['My Libraries', 'Shared with all', 'Shared with groups', 'Shared with me']" in listed

    home = kernel.run("print(os.path.realpath('/home/jovyan'), os.environ['JUPYTERHUB_USER'])").text
    assert home.split() == [f"/home/{editor.user.username}", editor.user.username]
    token = (
        "import collaboratory; from clb_nb_utils import oauth; print(oauth.get_token() == collaboratory.portal_token())"
    )
    assert kernel.run(token).text.strip() == "True"
    assert "~/drive has all libraries" in kernel.run("from ebrains_drive import DriveApiClient").error

    collab_services.change_role(owner.user, collab, editor.user, Role.VIEWER)
    wait_for(
        lambda: "Read-only" in kernel.run(f"open({shared!r} + '/a.txt', 'a').write('x')").error, SOON, "still writable"
    )
    assert (
        "from here" in kernel.run(f"print(open('/mnt/user/drive/Shared with groups/{collab.title}/a.txt').read())").text
    )


@forked_only
def test_a_library_that_is_taken_away_is_gone_from_there_too(
    way: str, site: Site, collab: Collab, owner: Person, editor: Person
) -> None:
    """A kernel that stands in it by that path is stopped like any other."""
    editor.launch()
    standing, other = editor.kernel(), editor.kernel()
    shared = f"/mnt/user/shared/{collab.title}"
    assert not standing.run(f"import os; os.chdir({shared!r})").error
    collab_services.remove_member(owner.user, collab, editor.user)
    look = f"import os; print(os.path.exists({shared!r}))"
    wait_for(lambda: "False" in other.run(look).text, SOON, "the library did not vanish")
    assert editor.server().is_live


def test_nobody_writes_beside_the_drive(way: str, site: Site, person: Callable[..., Person]) -> None:
    """The links themselves cannot be bent to lead elsewhere."""
    someone = person("mallory")
    someone.launch()
    kernel = someone.kernel()
    for code in (
        "import os; os.unlink('/mnt/user/drive')",
        "import os; os.rename('/mnt/user/shared', '/mnt/user/x')",
        "open('/mnt/user/x', 'w')",
        "open('/mnt/user/shared/x', 'w')",
    ):
        assert "Read-only" in kernel.run(code).error, code


UPSTREAM = """
import functools, http.server, os, subprocess, threading
home = os.path.expanduser("~")
def git(*words, cwd=f"{home}/clone"):
    subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True)
def publish(name, text):
    open(f"{home}/clone/{name}", "w").write(text)
    git("add", "-A"); git("commit", "-q", "-m", "more"); git("push", "-q", f"{home}/www/course.git", "main")
    git("update-server-info", cwd=f"{home}/www/course.git")
os.makedirs(f"{home}/clone"); os.makedirs(f"{home}/www")
git("init", "-q", "-b", "main"); git("init", "-q", "--bare", "-b", "main", f"{home}/www/course.git")
publish("a.txt", "one")
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8123), functools.partial(Quiet, directory=f"{home}/www"))
threading.Thread(target=server.serve_forever, daemon=True).start()
"""
"""A repository on a web server, within the sandbox: the only place that a Lab can reach and that is no public one."""


def ended(pull: Pull) -> bool:
    return not Pull.objects.get(pk=pull.pk).is_under_way


def fetch(person: Person) -> str:
    """Follow the git link, send the form, wait; the text of the page on which one ends."""
    link = "/lab/git-pull?repo=http://127.0.0.1:8123/course.git&path=a.txt"
    library = Library.objects.get(owner_user=person.user, is_default=True)
    form = {"repo": "http://127.0.0.1:8123/course.git", "folder": "", "path": "a.txt", "library": str(library.pk)}
    assert person.submit(link, "/lab/git-pull", form).ok
    pull = Pull.objects.filter(user=person.user).latest("created_at")
    wait_for(functools.partial(ended, pull), 30, "the repository was not fetched")
    return person.get(f"/lab/git-pull/{pull.pk}/").text


@forked_only
def test_a_git_link_fetches_a_repository_and_keeps_what_was_changed(
    way: str, site: Site, person: Callable[..., Person]
) -> None:
    """Clone; nothing lost by the next; the files are the person's own in the Drive, as notebooks write them."""
    someone = person("student")
    someone.launch()
    kernel = someone.kernel()
    assert not kernel.run(UPSTREAM).error
    place = "My Libraries/My Library/course"
    fetch(someone)
    assert someone.contents(f"{place}/a.txt").json()["content"] == "one"
    assert not kernel.run(f"open(f'{{home}}/drive/{place}/a.txt', 'w').write('mine'); publish('a.txt', 'two')").error
    said = fetch(someone)
    assert "Your versions are kept" in said
    assert someone.contents(f"{place}/a.txt").json()["content"] == "mine"
    names = {item["name"] for item in someone.contents(place).json()["content"] if item["type"] == "file"}
    assert "two" in {someone.contents(f"{place}/{name}").json()["content"] for name in names}
    log = kernel.run(f"!git -C {home_of(someone)}/drive/'{place}' log --format=%an -n 3").text
    assert someone.user.display_name in log


def home_of(person: Person) -> str:
    return f"/home/{person.user.username}"


def test_a_git_link_starts_the_lab_and_reaches_nothing_of_the_machine(site: Site, stranger: Person) -> None:
    """Without a running server; a name that leads to the machine, or to the sandbox's own network, leads nowhere."""
    from lab.git_pull import services

    library = Library.objects.get(owner_user=stranger.user, is_default=True)
    for host in ("localhost:8123", f"10.0.2.2:{site.port}", f"127.0.0.1.nip.example:{site.port}"):
        pull = services.request(stranger.user, library=library, folder="x", repo=f"http://{host}/course.git")
        wait_for(functools.partial(ended, pull), 60, "it never ended")
        pull.refresh_from_db()
        assert pull.state == "failed", host
        assert "private network" in pull.error or "was not found" in pull.error
    assert stranger.server().is_running


NAMES = (
    "back\\slash.txt",
    "what? #1 100%.txt",
    "a%20b&c+d;e=f.txt",
    ".hidden.txt",
    "..two.txt",
    "Übung 日本語 🧠.txt",
    "'\"<>`~.txt",
)


def test_files_of_any_name_open_from_their_links(site: Site, person: Callable[..., Person]) -> None:
    """From the portal's link, through the way into the Lab and Jupyter's own page, to the content."""
    someone = person("names")
    library = Library.objects.get(owner_user=someone.user, is_default=True)
    for name in NAMES:
        operations.write(someone.user, library, name, name.encode())
    someone.launch()
    for name in NAMES:
        place = f"My Libraries/My Library/{name}"
        led = someone.get(lab_address(place), allow_redirects=False)
        assert led.status_code in (200, 302), (name, led.text)
        address = (led.headers.get("Location") or led.headers["Refresh"].partition("url=")[2]).strip()
        assert unquote(urlsplit(address).path).endswith(name)
        assert someone.enter(address.removeprefix(someone.origin)).url == address, name
        assert someone.contents(place).json()["content"] == name


def test_a_public_notebook_opens_for_others_as_a_copy_of_their_own(site: Site, owner: Person, stranger: Person) -> None:
    """From the badge's link, without a running server, to the notebook in JupyterLab."""
    collab = collab_services.create_collab(owner.user, title=f"Atlas {owner.user.username}", is_public=True)
    operations.write(
        owner.user, collab.library, "first.ipynb", b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    link = f"/lab/open?path=Shared+with+groups/{collab.title}/first.ipynb"
    assert "Make my own copy" in stranger.get(link).text
    assert not Server.objects.filter(owner=stranger.user).exists()

    form = {"path": f"Shared with all/{collab.title}/first.ipynb"}
    copied = stranger.submit(link, "/lab/copy", form)
    assert "Your Lab is" in copied.text or "Opening your Lab" in copied.text
    stranger.launch()
    notebook = stranger.contents(f"My Libraries/My Library/{collab.title}/first.ipynb").json()
    assert notebook["writable"]
    read_only = stranger.contents(f"Shared with all/{collab.title}/first.ipynb").json()
    assert not read_only["writable"]
