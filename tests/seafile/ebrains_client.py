"""A job for ebrains-drive, as its users write it: `ebrains_client.py SERVER TOKEN WHO SLUG TITLE FOLDER`.

Works in a folder of its own in the Collab's library, and prints what went wrong.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ebrains_drive import DriveApiClient  # type: ignore[import-not-found]
from ebrains_drive.exceptions import ClientHttpError, DoesNotExist  # type: ignore[import-not-found]


def refused(code: int, attempt: Callable[[], object]) -> None:
    """What is tried is refused with this status."""
    with pytest.raises(ClientHttpError) as caught:
        attempt()
    assert caught.value.code == code


def names(folder: Any) -> list[str]:
    return [item.name for item in folder.ls()]


def find(client: Any, slug: str, title: str) -> Any:
    """The Collab's library, by each way to it."""
    repo = client.repos.get_repo_by_url(f"https://wiki.ebrains.eu/bin/view/Collabs/{slug}/Some/Page")
    assert [one.id for one in client.repos.get_repos_by_name(title)] == [repo.id]
    assert [one.id for one in client.repos.get_repo_by_local_path(f"/mnt/user/drive/Shared with groups/{title}/x")] == [
        repo.id
    ]
    assert client.repos.get_repo(repo.id).name == title
    return repo


def work(client: Any, slug: str, title: str, name: str) -> None:
    """What an editor does."""
    repo = find(client, slug, title)
    assert repo.permission == "rw"  # `is_readonly` fails in old versions, whatever the server
    folder = repo.get_dir("/").mkdir(name)
    assert names(folder) == []
    contents = {"größe & 中文.txt": b"content", "empty": b"", "large.bin": bytes(range(256)) * 20_000}
    for filename, content in contents.items():
        made = folder.upload(io.BytesIO(content), filename)
        assert made.size == len(content), filename
        assert made.get_content() == content, filename
    assert set(names(folder)) == set(contents)
    assert folder.upload(io.BytesIO(b"other"), "empty").size == 0  # a new name was found: this is the old file
    assert repo.get_file(f"/{name}/empty (1)").get_content() == b"other"
    with tempfile.TemporaryDirectory() as here:
        local = Path(here) / "empty"
        local.write_bytes(b"replaced")
        assert folder.upload_local_file(str(local), overwrite=True).get_content() == b"replaced"
        with pytest.raises(FileExistsError):
            folder.upload_local_file(str(local))
        folder.download(str(Path(here) / "whole"))
        assert (Path(here) / "whole.zip").stat().st_size > len(contents["large.bin"])
    odd = folder.mkdir("a & b#c")
    assert odd.upload(io.BytesIO(b"odd"), "x").get_content() == b"odd"
    change(client, repo, folder, name)
    at = f"{client.server}/lib/{repo.id}/file/{name}/large.bin"
    assert client.file.get_file_by_url(at).size == len(contents["large.bin"])


def change(client: Any, repo: Any, folder: Any, name: str) -> None:
    """Create, rename, copy, move, delete."""
    made = folder.create_empty_file("new.txt")
    assert made.rename("renamed.txt")
    assert (made.name, made.path) == ("renamed.txt", f"/{name}/renamed.txt")
    sub = folder.mkdir(f"sub {name}")
    assert made.copyTo(sub.path)
    assert names(sub) == ["renamed.txt"]
    mine = client.repos.get_default_repo()
    assert sub.copyTo("/", mine.id)
    assert names(mine.get_dir(f"/{sub.name}")) == ["renamed.txt"]
    mine.get_dir(f"/{sub.name}").delete()
    moved = folder.mkdir("target")
    assert sub.moveTo(moved.path)
    assert sub.path == f"/{name}/target/sub {name}"
    assert moved.rename("other")
    repo.get_file(f"/{name}/other/sub {name}/renamed.txt").delete()
    assert names(repo.get_dir(f"/{name}/other/sub {name}")) == []
    moved.delete()
    assert "other" not in names(folder)
    with pytest.raises(DoesNotExist):
        repo.get_dir(f"/{name}/other")


def share(client: Any, slug: str, title: str, name: str, other: str) -> None:
    """What an administrator of the Collab, and the owner of a library, may."""
    repo = find(client, slug, title)
    link = repo.get_file(f"/{name}/large.bin").get_share_link()
    assert link.startswith(f"{client.server}/l/"), link
    assert repo.get_dir(f"/{name}").get_share_link() != link
    own = client.repos.create_repo(f"Own {name}")
    assert own.get_dir("/").share_to_user(other, "r")
    refused(403, repo.delete)
    own.delete()
    with pytest.raises(DoesNotExist):
        client.repos.get_repo(own.id)


def read(client: Any, slug: str, title: str, name: str) -> None:
    """What a viewer may: everything but to change."""
    repo = find(client, slug, title)
    assert repo.permission == "r"
    folder = repo.get_dir(f"/{name}")
    assert len(repo.get_file(f"/{name}/large.bin").get_content()) == 256 * 20_000
    for attempt in (
        lambda: folder.upload(io.BytesIO(b"x"), "x"),
        lambda: folder.mkdir("x"),
        lambda: folder.create_empty_file("x"),
        folder.delete,
        lambda: folder.rename("x"),
        lambda: folder.moveTo("/"),
        folder.get_share_link,
    ):
        refused(403, attempt)


def look(client: Any, slug: str, library_id: str) -> None:
    """What a stranger may: nothing."""
    assert library_id not in [repo.id for repo in client.repos.list_repos()]
    with pytest.raises(DoesNotExist):
        client.repos.get_repo(library_id)
    with pytest.raises(Exception, match="Couldn't identify"):
        client.repos.get_repo_by_url(slug)


if __name__ == "__main__":
    server, token, who, *rest = sys.argv[1:]
    one = DriveApiClient(token=token)
    one.server = server
    jobs: dict[str, Callable[..., None]] = {"editor": work, "owner": share, "viewer": read, "stranger": look}
    jobs[who](one, *rest)
