"""A job for ebrains-drive, as its users write it: `ebrains_client.py SERVER TOKEN WHO SLUG TITLE FOLDER`.

Works in a folder of its own in the Collab's library, and prints what went wrong. Needs nothing but the client. In a Lab
it is `ebrains_client.py "" "" lab SLUG TITLE FOLDER`, where the client finds server and token by itself.
"""

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ebrains_drive  # type: ignore[import-not-found]
from ebrains_drive import DriveApiClient
from ebrains_drive.exceptions import ClientHttpError, DoesNotExist  # type: ignore[import-not-found]


class Caught:
    """An exception that was expected."""

    value: Any = None


@contextlib.contextmanager
def raises(kind: type[Exception], text: str = "") -> Iterator[Caught]:
    """What is done in this block fails so, or the job does; as pytest's, which a Lab has not."""
    caught = Caught()
    try:
        yield caught
    except kind as error:
        caught.value = error
    if caught.value is None or text not in str(caught.value):
        raise AssertionError(f"{caught.value!r} instead of {kind.__name__} {text}")


def refused(code: int, attempt: Callable[[], object]) -> None:
    """What is tried is refused with this status."""
    with raises(ClientHttpError) as caught:
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
        with raises(FileExistsError):
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
    with raises(DoesNotExist):
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
    with raises(DoesNotExist):
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
    with raises(DoesNotExist):
        client.repos.get_repo(library_id)
    with raises(Exception, "Couldn't identify"):
        client.repos.get_repo_by_url(slug)


def work_in_lab(client: Any, slug: str, title: str, name: str) -> None:
    """What an editor does in a Lab: all that is not for the scope `manage`; and what is on disk there is the same."""
    from clb_nb_utils import oauth  # type: ignore[import-not-found]

    work(client, slug, title, name)
    for other in (DriveApiClient(token=oauth.get_token()), ebrains_drive.DriveApiClient()):
        repo = find(other, slug, title)
        on_disk = Path(f"/mnt/user/drive/Shared with groups/{title}/{name}/large.bin")
        found = other.file.get_file_by_local_path(str(on_disk))
        assert (repo.id, found.get_content()) == (find(client, slug, title).id, on_disk.read_bytes())
        refused(403, found.get_share_link)
        refused(403, repo.get_dir("/").get_share_link)
        refused(403, lambda client=other: client.repos.create_repo("Own"))  # type: ignore[misc]


if __name__ == "__main__":
    server, token, who, *rest = sys.argv[1:]
    one = DriveApiClient(token=token) if token else ebrains_drive.connect()
    one.server = server or one.server
    jobs: dict[str, Callable[..., None]] = {
        "editor": work,
        "owner": share,
        "viewer": read,
        "stranger": look,
        "lab": work_in_lab,
    }
    jobs[who](one, *rest)
