"""WebDAV by the programs that speak it, against the whole site, as editor, viewer and stranger."""

import os
import re
import socket
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from django.conf import settings

from api import services as tokens
from api.models import Scope, Token
from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import services as drive_services
from drive.models import File, Permission, Quota, Version
from drive.storage import layout

from ..support.people import Person
from ..support.site import wait_for

pytestmark = pytest.mark.sandbox

SECONDS = 180
"""For one program, on a busy machine."""


class World:
    """A Collab with its people; each has a token."""

    def __init__(self, make: Callable[..., Person], home: Path) -> None:
        self.home = home
        people = {name: make(name).user for name in ("owner", "editor", "viewer", "stranger")}
        self.collab: Collab = collab_services.create_collab(people["owner"], title=f"Waves of {people['owner']}")
        collab_services.add_member(people["owner"], self.collab, people["editor"], Role.EDITOR)
        collab_services.add_member(people["owner"], self.collab, people["viewer"], Role.VIEWER)
        self.people = people
        self.tokens: dict[str, Token] = {}
        self.secrets: dict[str, str] = {}
        for name, user in people.items():
            self.tokens[name], self.secrets[name] = tokens.create_token(
                user, name="programs", scopes=list(Scope), days=1
            )
        self.library = self.collab.library
        self.folder = f"/dav/Shared with groups/{self.collab.title}"
        self.place = layout.find(self.library.pk)

    def address(self, path: str = "", folder: str = "") -> str:
        return f"{settings.PORTAL_URL}{quote(folder or self.folder)}/{quote(path)}"

    def ask(self, who: str, method: str, path: str = "", body: object = None, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        login = (who, self.secrets[who])
        return requests.request(method, self.address(path), data=body, headers=named, auth=login, timeout=60)  # type: ignore[arg-type]

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a program in its own home; its output, and AssertionError with it if it fails."""
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        done = subprocess.run(
            command,
            cwd=self.home,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command[:3]}: {done.stdout[-4000:]} {done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def rclone(self, who: str, *command: str) -> str:
        """rclone as the page says to set it up; `:` in an argument's beginning is the library."""
        password = self.run("rclone", "obscure", self.secrets[who]).strip()
        (self.home / "rclone.conf").write_text(
            f"[site]\ntype = webdav\nvendor = owncloud\nurl = {settings.PORTAL_URL}/dav\n"
            f"user = {who}\npass = {password}\n"
        )
        place = f"site:{self.folder.removeprefix('/dav/')}"
        arguments = [one.replace(":", f"{place}/", 1) if one.startswith(":") else one for one in command]
        return self.run("rclone", "--config", str(self.home / "rclone.conf"), "--retries", "1", *arguments)

    def open_put(self, who: str, path: str, length: int | None, *headers: str) -> socket.socket:
        """A connection on which the head of a PUT was sent, and no body yet; without a length it comes in chunks."""
        connection = socket.create_connection(("127.0.0.1", int(settings.PORTAL_URL.rpartition(":")[2])), timeout=60)
        target = self.address(path).removeprefix(settings.PORTAL_URL)
        lines = [f"PUT {target} HTTP/1.1", f"Host: {settings.PORTAL_URL.rpartition('/')[2]}", "Connection: close"]
        lines += ["Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"]
        lines += [f"Authorization: Bearer {self.secrets[who]}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return connection

    def refused(self, who: str, path: str, length: int, *headers: str) -> int:
        """Status of a PUT that is answered before a byte of its body is sent."""
        with self.open_put(who, path, length, *headers) as connection:
            return int(connection.recv(4096).split()[1])


@pytest.fixture(scope="module")
def world(lasting_person: Callable[..., Person], tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(lasting_person, tmp_path_factory.mktemp("programs"))


def test_litmus_passes_whole(world: World) -> None:
    said = world.run("litmus", "-k", world.address(), "editor", world.secrets["editor"])
    summaries = re.findall(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, 0 failed", said)
    assert [name for name, _of, _passed in summaries] == ["basic", "copymove", "props", "locks", "http"], said
    assert "FAIL" not in said
    assert "WARNING" not in said
    assert sum(int(passed) for _name, _of, passed in summaries) >= 104


def test_rclone_copies_and_syncs_by_time_and_hash(world: World) -> None:
    here = world.home / "tree"
    (here / "deep/er").mkdir(parents=True)
    for number in range(20):
        (here / f"deep/er/{number}.txt").write_text(f"number {number:04}")
    (here / "Großer Name & mehr.txt").write_text("umlauts")
    (here / ".DS_Store").write_text("clutter")
    os.utime(here / "deep/er/3.txt", (1_500_000_000, 1_500_000_000))
    world.rclone("editor", "copy", str(here), ":copied")
    there = world.place / "copied"
    assert (there / "deep/er/19.txt").read_text() == "number 0019"
    assert (there / "deep/er/3.txt").stat().st_mtime == 1_500_000_000
    assert not (there / ".DS_Store").exists()
    assert "0 differences found" in world.rclone("editor", "check", str(here), ":copied", "--exclude", ".DS_Store")
    hashes = world.rclone("editor", "md5sum", ":copied/deep/er")
    assert len(re.findall(r"^[0-9a-f]{32}  \d+\.txt$", hashes, re.MULTILINE)) == 20
    again = world.rclone("editor", "sync", str(here), ":copied", "-v", "--exclude", ".DS_Store")
    assert "There was nothing to transfer" in again
    (here / "deep/er/7.txt").write_text("NUMBER 0007")  # of the same length
    (here / "deep/er/8.txt").unlink()
    world.rclone("editor", "sync", str(here), ":copied", "--exclude", ".DS_Store")
    assert (there / "deep/er/7.txt").read_text() == "NUMBER 0007"
    assert not (there / "deep/er/8.txt").exists()
    row = File.objects.get(library=world.library, path="copied/deep/er/7.txt")
    assert row.changed_by == world.people["editor"]
    assert Version.objects.filter(file=row).count() == 2
    assert world.library.trash.filter(path="copied/deep/er/8.txt", deleted_by=world.people["editor"]).count() == 1
    world.rclone("viewer", "copy", ":copied", str(world.home / "back"))
    assert (world.home / "back/deep/er/7.txt").read_text() == "NUMBER 0007"
    world.rclone("editor", "moveto", ":copied/deep", ":copied/moved")
    assert (there / "moved/er/7.txt").exists()
    assert "Total:" in world.rclone("editor", "about", "site:My Libraries/My Library")


def test_rclone_synchronises_both_ways(world: World) -> None:
    here, there = world.home / "both", world.place / "both"
    here.mkdir(exist_ok=True)  # a second try finds what the first one left, on both sides
    for name in ("kept.txt", "gone.txt"):
        (here / name).write_text(name)
    world.rclone("editor", "copy", str(here), ":both")
    world.rclone("editor", "bisync", str(here), ":both", "--resync")
    (here / "gone.txt").unlink()
    (here / "new here.txt").write_text("from here")
    world.ask("editor", "PUT", "both/new there.txt", b"from there")
    world.rclone("editor", "bisync", str(here), ":both")
    expected = {"kept.txt": "kept.txt", "new here.txt": "from here", "new there.txt": "from there"}
    for side in (here, there):
        assert {path.name: path.read_text() for path in side.iterdir()} == expected


def test_cadaver_works_in_a_library(world: World) -> None:
    host = settings.PORTAL_URL.split("//")[1].partition(":")[0]
    (world.home / ".netrc").write_text(f"machine {host}\nlogin editor\npassword {world.secrets['editor']}\n")
    (world.home / ".netrc").chmod(0o600)
    (world.home / "note.txt").write_text("by cadaver")
    script = "mkcol notes\ncd notes\nput note.txt\nmove note.txt moved.txt\nls\nget moved.txt fetched.txt\nquit\n"
    said = world.run("cadaver", world.address(), stdin=script)
    assert "moved.txt" in said, said
    assert (world.place / "notes/moved.txt").read_text() == "by cadaver"
    assert (world.home / "fetched.txt").read_text() == "by cadaver"


def test_it_refuses_uploads_before_their_bodies(world: World) -> None:
    huge = 2**35
    assert world.refused("viewer", "x.bin", huge) == 403
    assert world.refused("stranger", "x.bin", huge) == 404
    assert world.refused("editor", "absent/x.bin", huge) == 409
    limit, _ = Quota.objects.update_or_create(collab=world.collab, defaults={"max_bytes": 2**30})
    try:
        assert world.refused("editor", "x.bin", huge) == 507
    finally:
        limit.delete()
    world.ask("editor", "PUT", "locked.txt", b"mine")
    info = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
    locked = world.ask("editor", "LOCK", "locked.txt", info, Timeout="Infinite")
    assert locked.status_code == 200
    assert world.refused("owner", "locked.txt", 5) == 423
    assert world.refused("editor", "locked.txt", 5) == 423
    token = locked.headers["Lock-Token"]
    assert world.ask("editor", "PUT", "locked.txt", b"again", If=f"({token})").status_code == 204
    assert world.ask("editor", "UNLOCK", "locked.txt", Lock_Token=token).status_code == 204
    nobody = requests.put(world.address("x.bin"), data=b"x", timeout=60)
    assert nobody.status_code == 401
    assert nobody.headers["WWW-Authenticate"].startswith("Basic")
    assert not (world.place / "x.bin").exists()


def test_it_keeps_the_old_content_when_an_upload_is_cut_off(world: World) -> None:
    assert world.ask("editor", "PUT", "kept.txt", b"old").status_code == 201
    for length in (2**24, None):
        with world.open_put("editor", "kept.txt", length) as connection:
            connection.sendall((b"" if length else b"1000000\r\n") + os.urandom(2**20))
            wait_for(lambda: _arriving(), 60, "nginx did not read the body")
        wait_for(lambda: not _arriving(), 60, "the half upload stayed")
        assert world.ask("viewer", "GET", "kept.txt").content == b"old"


def _arriving() -> list[Path]:
    return [path for path in (layout.staging() / "nginx").rglob("*") if path.is_file()]


def test_it_takes_a_large_upload_in_chunks_and_gives_parts_of_it(world: World) -> None:
    part = os.urandom(2**20)
    answer = world.ask("editor", "PUT", "large.bin", (part for _ in range(40)), X_OC_Mtime="1500000000")
    assert (answer.status_code, answer.headers["X-OC-Mtime"]) == (201, "accepted")
    assert (world.place / "large.bin").read_bytes() == part * 40
    piece = world.ask("viewer", "GET", "large.bin", Range="bytes=1048570-1048585")
    assert (piece.status_code, piece.content) == (206, (part * 2)[1048570:1048586])
    assert piece.headers["ETag"] == answer.headers["ETag"]


def test_it_ends_access_with_the_next_request(world: World) -> None:
    owner, stranger = world.people["owner"], world.people["stranger"]
    mine = drive_services.create_library(owner, "Lent")
    share = drive_services.share_with_person(owner, mine, stranger, Permission.READ)
    mine.refresh_from_db()
    folder = f"/dav/Shared with me/{mine.shared_name}"

    def look() -> int:
        login = ("stranger", world.secrets["stranger"])
        return requests.request(
            "PROPFIND", world.address(folder=folder), headers={"Depth": "0"}, auth=login, timeout=60
        ).status_code

    assert look() == 207
    drive_services.unshare(owner, share)
    assert look() == 404
    tokens.revoke_token(stranger, world.tokens["stranger"])
    assert look() == 401


def test_it_finds_names_that_macos_takes_apart(world: World) -> None:
    name = "Übergröße.txt"
    assert world.ask("editor", "PUT", unicodedata.normalize("NFD", name), b"x").status_code == 201
    assert (world.place / name).read_bytes() == b"x"
    assert world.ask("editor", "GET", unicodedata.normalize("NFD", name)).content == b"x"
    assert world.ask("editor", "PUT", unicodedata.normalize("NFD", name), b"y").status_code == 204
    assert [one.name for one in world.place.iterdir() if one.name.startswith("U")] == []


def test_it_answers_at_the_root_without_redirects_and_takes_no_cookie(
    world: World, lasting_person: Callable[..., Person]
) -> None:
    login = ("editor", world.secrets["editor"])
    for address in ("/dav", "/dav/", "/dav/My%20Libraries"):
        found = requests.request(
            "PROPFIND",
            settings.PORTAL_URL + address,
            headers={"Depth": "1"},
            auth=login,
            timeout=60,
            allow_redirects=False,
        )
        assert found.status_code == 207
    for address in ("/", "/dav", "/dav/", "/dav/anything"):
        options = requests.options(settings.PORTAL_URL + address, timeout=60, allow_redirects=False)
        assert (options.status_code, options.headers["DAV"], options.headers["MS-Author-Via"]) == (200, "1, 2", "DAV")
    signed_in = lasting_person("browser")
    answer = signed_in.session.request("PROPFIND", f"{settings.PORTAL_URL}/dav/", timeout=60)
    assert answer.status_code == 401
