"""Seafile's Web API by the clients that speak it, unmodified, against the whole site, as four people."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from django.conf import settings

from api import services as tokens
from api.models import Scope
from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.models import File, Quota, Version
from drive.storage import layout

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

SECONDS = 240
"""For one program, on a busy machine."""
HERE = Path(__file__).parent
_numbers = itertools.count(1)
"""Names that were never used: a test may be tried once more."""
VERSIONS = ("0.6.1", "0.6.3", "0.7.0")
CLIENTS = {f"ebrains-drive=={version}" for version in VERSIONS} | {"seafileapi2==2.0.2"}
NEEDED = "tqdm==4.67.1"
"""What ebrains-drive needs beside requests, which the tests have."""


class World:
    """A Collab with its people, each with a token, and the clients, each in a folder of its own."""

    def __init__(self, make: Callable[..., Person], home: Path) -> None:
        self.home = home
        self.editor = make("editor")
        people = {"editor": self.editor.user} | {name: make(name).user for name in ("owner", "viewer", "stranger")}
        self.collab: Collab = collab_services.create_collab(people["owner"], title=f"Signals of {people['owner']}")
        collab_services.add_member(people["owner"], self.collab, people["editor"], Role.EDITOR)
        collab_services.add_member(people["owner"], self.collab, people["viewer"], Role.VIEWER)
        self.people = people
        self.secrets = {
            name: tokens.create_token(user, name="programs", scopes=list(Scope), days=1)[1]
            for name, user in people.items()
        }
        self.library = self.collab.library
        self.place = layout.find(self.library.pk)

    def install(self) -> None:
        """Install the clients, side by side."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._install, sorted(CLIENTS)))

    def _install(self, client: str) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        self.run(*pip, "--target", str(self.home / client), client, NEEDED)

    def run(self, *command: str, path: str = "") -> str:
        """Run a program in its own home; its output, and AssertionError with it if it fails."""
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": path}
        environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "TMPDIR"))}
        done = subprocess.run(
            command, cwd=self.home, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, f"{command[:4]}: {done.stdout[-4000:]} {done.stderr[-4000:]}"
        return done.stdout

    def client(self, package: str, script: str, *arguments: str) -> None:
        """Run one of the jobs beside this file with a client."""
        self.run(sys.executable, str(HERE / script), settings.PORTAL_URL, *arguments, path=str(self.home / package))

    def rclone(self, who: str, *command: str) -> str:
        """rclone as the page says to set it up; `:` in an argument's beginning is the library."""
        password = self.run("rclone", "obscure", self.secrets[who]).strip()
        lines = ["[site]", "type = seafile", f"url = {settings.PORTAL_URL}", f"user = {self.people[who].username}"]
        (self.home / f"{who}.conf").write_text("\n".join([*lines, f"pass = {password}", ""]))
        place = f"site:{self.collab.title}"
        arguments = [one.replace(":", f"{place}/", 1) if one.startswith(":") else one for one in command]
        return self.run("rclone", "--config", str(self.home / f"{who}.conf"), "--retries", "1", *arguments)

    def ask(self, who: str, method: str, address: str, **more: object) -> requests.Response:
        url = f"{settings.PORTAL_URL}/{address.replace('{}', str(self.library.pk))}"
        login = {"Authorization": f"Token {self.secrets[who]}"}
        return requests.request(method, url, headers=login, timeout=60, **more)  # type: ignore[arg-type]

    def upload_link(self, who: str = "editor") -> str:
        return str(self.ask(who, "GET", "api2/repos/{}/upload-link/?p=/").json())


@pytest.fixture(scope="module")
def world(lasting_person: Callable[..., Person], tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(lasting_person, tmp_path_factory.mktemp("clients"))
    made.install()
    return made


@pytest.mark.parametrize("version", VERSIONS)
def test_ebrains_drive_does_all_that_its_person_may(world: World, version: str) -> None:
    package, folder = f"ebrains-drive=={version}", f"by {version}, {next(_numbers)}"
    slug, title = world.collab.slug, world.collab.title
    for who, arguments in (
        ("editor", (slug, title, folder)),
        ("owner", (slug, title, folder, world.people["stranger"].username)),
        ("viewer", (slug, title, folder)),
        ("stranger", (slug, str(world.library.pk))),
    ):
        world.client(package, "ebrains_client.py", world.secrets[who], who, *arguments)
    row = File.objects.get(library=world.library, trashed=None, path=f"{folder}/large.bin")
    assert row.changed_by == world.people["editor"]
    assert world.library.trash.filter(path=f"{folder}/empty", deleted_by=world.people["editor"]).exists()


def test_ebrains_drive_finds_server_and_token_by_itself_in_a_lab(world: World, way: str, site: Site) -> None:
    assert site.is_forked(world.editor.launch()) == (way == "fork")
    kernel = world.editor.kernel()
    library = f"/mnt/user/drive/Shared with groups/{world.collab.title}"
    job = str(world.place / "ebrains_client.py")
    shutil.copy(HERE / "ebrains_client.py", job)
    for version in VERSIONS if way == "fork" else VERSIONS[-1:]:
        package, folder = f"ebrains-drive=={version}", f"in a Lab {version}, {next(_numbers)}"
        shutil.copytree(world.home / package, world.place / package, dirs_exist_ok=True)
        words = ["python", f"{library}/ebrains_client.py", "", "", "lab", world.collab.slug, world.collab.title, folder]
        code = (
            "import os, subprocess\n"
            f"path = os.environ['PYTHONPATH'] + os.pathsep + {f'{library}/{package}'!r}\n"
            f"variables = os.environ | {{'PYTHONPATH': path}}\n"
            f"done = subprocess.run({words!r}, env=variables, capture_output=True, text=True)\n"
            "print(done.returncode, done.stdout, done.stderr[-4000:])"
        )
        said = kernel.run(code, SECONDS)
        assert said.text.startswith("0 "), (version, said)
        row = File.objects.get(library=world.library, trashed=None, path=f"{folder}/large.bin")
        assert row.changed_by == world.people["editor"]
    world.editor.leave()


def test_seafileapi2_works_with_a_password_and_with_a_token_of_one_library(world: World) -> None:
    editor, library = world.people["editor"], str(world.library.pk)
    limited = tokens.create_token(
        editor, name="one", scopes=[Scope.READ, Scope.WRITE], days=1, libraries=[world.library.pk]
    )[1]
    number = next(_numbers)
    jobs = ((world.secrets["editor"], f"by password {number}", ()), (limited, f"by token {number}", ("token",)))
    for secret, folder, way in jobs:
        world.client("seafileapi2==2.0.2", "seafileapi_client.py", editor.username, secret, library, folder, *way)
        assert not list(world.place.glob(f"{folder}*"))


def test_rclone_copies_moves_and_reads(world: World) -> None:
    top = f"by rclone {next(_numbers)}"
    here = world.home / top
    (here / "deep/er").mkdir(parents=True)
    for number in range(3):
        (here / f"deep/er/{number}.txt").write_text(f"number {number}" * 1000)
    (here / "größe & mehr #1.txt").write_text("umlauts")
    (here / "empty").touch()
    world.rclone("editor", "copy", str(here), f":{top}")
    there = world.place / top
    assert (there / "deep/er/2.txt").read_text() == "number 2" * 1000
    assert (there / "empty").read_bytes() == b""
    world.rclone("editor", "check", "--download", str(here), f":{top}")
    assert world.rclone("viewer", "cat", "--offset", "7", "--count", "3", f":{top}/deep/er/1.txt") == "1nu"
    (here / "empty").write_text("no more")
    world.rclone("editor", "sync", str(here), f":{top}")
    assert (there / "empty").read_text() == "no more"
    row = File.objects.get(library=world.library, trashed=None, path=f"{top}/empty")
    assert row.changed_by == world.people["editor"]
    assert Version.objects.filter(file=row).count() == 2
    world.rclone("editor", "moveto", f":{top}/deep", f":{top}/moved")
    world.rclone("editor", "moveto", f":{top}/empty", f":{top}/moved/full")
    world.rclone("editor", "copyto", f":{top}/moved/full", f":{top}/copied")
    listed = json.loads(world.rclone("viewer", "lsjson", "-R", f":{top}"))
    paths = {one["Path"]: one["Size"] for one in listed if not one["IsDir"]}
    assert paths == {
        "größe & mehr #1.txt": 7,
        "copied": 7,
        "moved/full": 7,
        **{f"moved/er/{number}.txt": 8000 for number in range(3)},
    }
    link = world.rclone("owner", "link", f":{top}/copied").strip()
    assert requests.get(link, timeout=60).status_code == 200
    assert "Used:" in world.rclone("editor", "about", "site:")
    assert world.collab.title in world.rclone("editor", "lsd", "site:")
    assert world.collab.title not in world.rclone("stranger", "lsd", "site:")
    with pytest.raises(AssertionError, match=r"ermission|403|orbidden"):
        world.rclone("viewer", "copyto", str(here / "empty"), f":{top}/refused")
    world.rclone("editor", "purge", f":{top}")
    assert not there.exists()
    assert world.library.trash.filter(path=top).exists()


def test_an_upload_that_is_cut_off_leaves_what_was_there(world: World) -> None:
    (world.place / "kept.txt").write_bytes(b"old")
    with _open_upload(world, world.upload_link(), 2**24) as connection:
        connection.sendall(b'--b\r\nContent-Disposition: form-data; name="file"; filename="kept.txt"\r\n\r\n')
        connection.sendall(os.urandom(2**20))
        wait_for(lambda: bool(_arriving()), 60, "nginx did not read the body")
    wait_for(lambda: not _arriving(), 60, "the half upload stayed")
    assert (world.place / "kept.txt").read_bytes() == b"old"
    link = world.upload_link()
    fields = {"parent_dir": "/", "replace": "1"}
    done = requests.post(f"{link}?ret-json=1", data=fields, files={"file": ("kept.txt", b"new")}, timeout=60)
    assert (done.status_code, done.json()[0]["size"]) == (200, 3)
    assert (world.place / "kept.txt").read_bytes() == b"new"


def test_an_upload_that_would_be_refused_is_not_read(world: World) -> None:
    huge = 2**35
    assert _refused(world, f"{settings.PORTAL_URL}/seafhttp/upload-api/x", huge) == 403
    link = world.upload_link()
    limit, _ = Quota.objects.update_or_create(collab=world.collab, defaults={"max_bytes": 2**30})
    try:
        assert _refused(world, link, huge) == 443
    finally:
        limit.delete()


def test_a_large_file_goes_both_ways_and_in_parts(world: World) -> None:
    content = os.urandom(2**20) * 24
    form: dict[str, tuple[str | None, bytes]] = {
        "file": ("large.bin", content),
        "parent_dir": ("parent_dir", b"/"),
        "replace": (None, b"1"),
    }
    done = requests.post(f"{world.upload_link()}?ret-json=1", files=form, timeout=120)
    assert done.json()[0]["size"] == len(content)
    assert (world.place / "large.bin").read_bytes() == content
    link = world.ask("viewer", "GET", "api2/repos/{}/file/?p=/large.bin").json()
    piece = requests.get(link, headers={"Range": "bytes=1048570-1048585"}, timeout=60)
    assert (piece.status_code, piece.content) == (206, content[1048570:1048586])


def test_a_browser_that_is_signed_in_is_nobody_here(world: World, lasting_person: Callable[..., Person]) -> None:
    signed_in = lasting_person("browser")
    for address in ("api2/repos/", "api2/account/token/", "api/v2.1/share-links/"):
        answer = signed_in.session.get(f"{settings.PORTAL_URL}/{address}", timeout=60, allow_redirects=False)
        assert (answer.status_code, set(answer.json())) == (401, {"detail"})


def _arriving() -> list[Path]:
    return [path for path in (layout.staging() / "nginx").rglob("*") if path.is_file()]


def _open_upload(world: World, link: str, length: int) -> socket.socket:
    """A connection on which the head of an upload was sent, and no body yet."""
    connection = socket.create_connection(("127.0.0.1", int(settings.PORTAL_URL.rpartition(":")[2])), timeout=60)
    lines = [
        f"POST {link.removeprefix(settings.PORTAL_URL)} HTTP/1.1",
        f"Host: {settings.PORTAL_URL.rpartition('/')[2]}",
    ]
    lines += ["Connection: close", f"Content-Length: {length}", "Content-Type: multipart/form-data; boundary=b", "", ""]
    connection.sendall("\r\n".join(lines).encode())
    return connection


def _refused(world: World, link: str, length: int) -> int:
    """Status of an upload that is answered before a byte of its body is sent."""
    with _open_upload(world, link, length) as connection:
        return int(connection.recv(4096).split()[1])
