"""What a hostile repository, link or neighbour in the folder cannot make the fetch do."""

import functools
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .upstream import Pull, Quiet, Upstream, git


def test_no_program_runs_that_the_configuration_of_a_submodule_names(
    pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path
) -> None:
    """Of a repository within the folder, which somebody else has put there: git would ask git in it how it is."""
    commit = git(upstream.work, "rev-parse", "HEAD")
    git(upstream.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},tools")
    git(upstream.work, "commit", "-q", "-m", "a submodule")
    upstream.publish()
    pull()
    git(mine, "clone", "-q", str(upstream.bare), "tools")
    git(mine / "tools", "config", "filter.x.clean", f"touch {tmp_path}/done; cat")
    git(mine / "tools", "config", "core.fsmonitor", f"touch {tmp_path}/done")
    (mine / "tools/.git/info/attributes").write_text("* filter=x\n")
    (mine / "tools/a.txt").write_text("changed\n")
    (mine / "b.txt").write_text("mine\n")
    (upstream.work / "tools").mkdir()
    upstream.put(a__txt="two\n")
    done = pull()["done"]
    assert (done["what"], done["committed"], (mine / "a.txt").read_text()) == ("updated", True, "two\n")
    assert not (tmp_path / "done").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.fsmonitor", "touch {}"),
        ("core.sshCommand", "touch {}"),
        ("filter.x.clean", "touch {}"),
        ("merge.x.driver", "touch {}"),
        ("credential.helper", "!touch {}"),
        ("include.path", "/etc/passwd"),
        ("url.file:///.insteadOf", "http://"),
        ("core.worktree", "/tmp"),
        ("remote.origin.uploadpack", "touch {}"),
        ("remote.origin.vcs", "ext"),
        ("http.proxy", "http://127.0.0.1:1"),
        ("gpg.program", "touch {}"),
    ],
)
def test_it_runs_nothing_that_the_folders_git_names(
    pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path, key: str, value: str
) -> None:
    pull()
    done = tmp_path / "done"
    git(mine, "config", key, value.format(done))
    (mine / ".gitattributes").write_text("* filter=x merge=x\n")
    (mine / "a.txt").write_text("mine\n")
    upstream.put(a__txt="two\n")
    assert key.lower() in pull()["failed"].lower()
    assert not done.exists()


@pytest.mark.slow
def test_it_runs_no_hook(pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path) -> None:
    pull()
    for name in ("pre-commit", "post-checkout", "post-merge", "pre-merge-commit", "reference-transaction"):
        hook = mine / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/done\n")
        hook.chmod(0o755)
    (mine / "b.txt").write_text("mine\n")
    upstream.put(a__txt="two\n")
    assert pull()["done"]["what"] == "updated"
    assert not (tmp_path / "done").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["commondir", "config.worktree"])
def test_it_takes_no_configuration_from_elsewhere(pull: Pull, mine: Path, name: str) -> None:
    pull()
    (mine / ".git" / name).write_text("/tmp")
    assert "special way" in pull()["failed"]
    (mine / ".git" / name).unlink()
    (mine / ".git/config").rename(mine / "config")
    (mine / ".git/config").symlink_to(mine / "config")
    assert "special way" in pull()["failed"]


# Where it may ask


@pytest.mark.parametrize(
    "repo",
    [
        "http://127.0.0.1:{port}/course.git",
        "http://localhost:{port}/course.git",
        "http://127.1:{port}/course.git",
        "http://2130706433:{port}/course.git",
        "http://0x7f000001:{port}/course.git",
        "http://[::1]:{port}/course.git",
        "http://[::ffff:127.0.0.1]:{port}/course.git",
        "http://0.0.0.0:{port}/course.git",
        "http://10.0.2.2/x",
        "http://10.0.2.3/x",
        "http://169.254.169.254/latest/meta-data",
        "http://192.168.1.1/x",
        "http://user:secret@127.0.0.1:{port}/course.git",
        "http://example.org@127.0.0.1:{port}/course.git",
        "file:///etc",
        "/etc",
        "ssh://git@example.org/x",
        "git@example.org:x/y",
        "git://example.org/x",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch /tmp/x",
        "ftp://example.org/x",
        "http://",
    ],
)
def test_it_asks_public_web_servers_only(pull: Pull, port: int, mine: Path, repo: str) -> None:
    assert "failed" in pull(repo.format(port=port), allow=())
    assert not mine.exists()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_it_knows_a_public_address(address: str, public: bool) -> None:
    from git_links.addresses import is_public  # type: ignore[import-not-found]

    assert is_public(address) is public


def test_one_private_address_among_public_ones_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, 0, 0, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.1")]
    from git_links.addresses import PullRefusedError, where_to_ask

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(PullRefusedError):
        where_to_ask("https://rebind.example/x", [])
    answers.pop()
    assert where_to_ask("https://rebind.example/x", []) == "rebind.example:443:8.8.8.8"


def test_it_follows_no_redirect(pull: Pull, upstream: Upstream, mine: Path) -> None:
    """A public server that leads to a private one leads nowhere."""
    asked: list[str] = []

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", upstream.url + self.path.removeprefix("/course.git"))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as serving:
        threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        answer = pull(f"http://127.0.0.1:{serving.server_address[1]}/course.git")
        serving.shutdown()
    assert "The repository has moved" in answer["failed"]
    assert asked
    assert not mine.exists()


def test_it_looks_for_nothing_on_a_second_server(pull: Pull, upstream: Upstream, mine: Path, tmp_path: Path) -> None:
    """A repository can say that its objects are elsewhere (info/http-alternates, gitrepository-layout(5))."""
    asked: list[str] = []

    class Elsewhere(Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    objects = upstream.bare / "objects"
    (tmp_path / "elsewhere").mkdir()
    for folder in objects.glob("[0-9a-f][0-9a-f]"):
        folder.rename(tmp_path / "elsewhere" / folder.name)
    handler = functools.partial(Elsewhere, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        elsewhere = f"http://127.0.0.1:{serving.server_address[1]}/elsewhere\n"
        (objects / "info/http-alternates").write_text(elsewhere)
        answer = pull()
        serving.shutdown()
    assert "failed" in answer
    assert asked == []
    assert not mine.exists()


def test_it_refuses_a_git_that_would_look_a_name_up_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    import git_pull  # type: ignore[import-not-found]
    from git_links.addresses import PullRefusedError

    monkeypatch.setattr(git_pull, "OLDEST", (99, 0))
    with pytest.raises(PullRefusedError, match="too old"):
        git_pull._check_git()
