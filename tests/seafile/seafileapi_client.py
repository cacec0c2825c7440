"""A job for seafileapi2: `seafileapi_client.py SERVER USERNAME TOKEN LIBRARY FOLDER [token]`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from seafileapi import Repo, SeafileAPI  # type: ignore[import-not-found]


def sign_in(server: str, username: str, token: str, library_id: str) -> Any:
    """The library, by name and password, as one of the person's."""
    api = SeafileAPI(username, token, server)
    api.auth()
    assert api.token == token
    assert library_id in [one["id"] for one in api.list_repos()]
    made = api.create_repo(f"Made by {username}")
    api.delete_repo(made.repo_id)
    assert made.repo_id not in [one["id"] for one in api.list_repos()]
    return api.get_repo(library_id)


def work(repo: Any, library_id: str, folder: str) -> None:
    """All that it can do."""
    assert repo.get_repo_details()["repo_id"] == library_id
    assert repo.create_dir(f"/{folder}")["obj_name"] == folder
    assert repo.create_file(f"/{folder}/new.txt")["size"] == 0
    assert repo.rename_file(f"/{folder}/new.txt", "renamed.txt")["obj_name"] == "renamed.txt"
    with tempfile.TemporaryDirectory() as here:
        local = Path(here) / "up größe.bin"
        local.write_bytes(bytes(range(256)) * 1000)
        assert repo.upload_file(f"/{folder}", str(local))["size"] == 256_000
        repo.download_file(f"/{folder}/{local.name}", f"{here}/down")
        assert (Path(here) / "down").read_bytes() == local.read_bytes()
        assert repo.get_file(f"/{folder}/{local.name}")["size"] == 256_000
        listed = {one["name"]: one["type"] for one in repo.list_dir(f"/{folder}")}
        assert listed == {"renamed.txt": "file", local.name: "file"}
    assert repo.delete_file(f"/{folder}/renamed.txt")["success"] is True
    assert repo.rename_dir(f"/{folder}", f"{folder} 2")["obj_name"] == f"{folder} 2"
    assert repo.delete_dir(f"/{folder} 2")["success"] is True


if __name__ == "__main__":
    server, username, token, library_id, folder, *way = sys.argv[1:]
    if way:
        one = Repo(token, server)
        one.auth()
    else:
        one = sign_in(server, username, token, library_id)
    work(one, library_id, folder)
