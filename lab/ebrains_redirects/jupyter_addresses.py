"""Addresses of a Jupyter server read: the place in the Drive, or the git repository, that one names.

What precedes a path depends on the program: JupyterLab (`lab/tree/`, with or without a workspace), the Notebook
(`notebooks/`, `tree/`, `edit/`, `view/`), its classic form, Voilà. nbgitpuller's options are those of its
documentation ("URL options"), upper and lower case alike; `git-sync` and `interact` are its older names.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from drive.folders import Folder
from lab.git_pull.forms import folder_of
from lab.locations import paths

_SERVER = r"(?:(?!(?:lab|doc|tree|notebooks|edit|view|files|voila|nbclassic|retro)/)[^/]+/)?"
"""Name of one of a person's servers (JupyterHub, "Named servers")."""
_WORKSPACE = r"(?:workspaces/[^/]+/)?"
_TREE = re.compile(
    rf"/*{_SERVER}(?:(?:lab|doc)/{_WORKSPACE}tree|(?:(?:nbclassic|retro)/)?(?:tree|notebooks|edit|view|files)"
    r"|voila/render)/(?P<path>.+)",
    re.DOTALL,
)
_GIT = re.compile(rf"/*{_SERVER}(?P<kind>git-pull|git-sync|interact)/?")
_COLLABORATIVE = re.compile(r"\ARTC:")
"""What JupyterLab put before a path where several people edited at once (jupyter-collaboration before version 1)."""
ROOTS = {"drive/": "", "shared/": f"{Folder.GROUPS}/"}
"""What was in the home: the four folders, and the Collabs' libraries once more."""


def shown_path(address: str) -> str:
    """Path in the home that an address of a server shows, from the server's own part on; "" for none."""
    match = _TREE.fullmatch(address)
    return _COLLABORATIVE.sub("", match["path"].strip("/")) if match else ""


def drive_path(address: str) -> str:
    """Path in `~/drive` that an address names; "" for the Lab itself, and for what is no place."""
    shown = shown_path(address)
    root = next((root for root in ROOTS if shown.startswith(root)), "")
    if not root:
        return ""
    try:
        return paths.drive_path(ROOTS[root] + shown[len(root) :])
    except paths.InvalidLocationError:
        return ""


def git_link(address: str) -> str:
    """Kind of the git link, a key of GIT_LINKS; "" for what is none."""
    match = _GIT.fullmatch(address)
    return match["kind"] if match else ""


def _nbgitpuller(given: dict[str, str]) -> dict[str, str]:
    """Fields of our page from the options of a link, whose names are in lower case."""
    repo, target = given.get("repo", ""), given.get("targetpath", "").strip("/")
    shown = shown_path(unquote(urlsplit(f"/{given.get('urlpath', '').lstrip('/')}").path).lstrip("/"))
    return {
        "repo": repo,
        "branch": given.get("branch", ""),
        "folder": target,
        "path": _below(shown, target or folder_of(repo)) if shown else _or_none(given.get("subpath", "")),
    }


def _below(path: str, folder: str) -> str:
    """The path within the clone. Of one that is elsewhere, what follows its first part."""
    if path == folder or path.startswith(f"{folder}/"):
        return path[len(folder) :].strip("/")
    return path.partition("/")[2]


def _interact(given: dict[str, str]) -> dict[str, str]:
    """As nbgitpuller read the links of the program that came before it."""
    repo = f"https://github.com/{given.get('account', 'data-8')}/{given.get('repo', '')}"
    return {"repo": repo, "branch": given.get("branch", "gh-pages"), "path": _or_none(given.get("path", ""))}


def _or_none(path: str) -> str:
    """The path without slashes around it; "" for the folder itself."""
    return "" if path.strip("/") == "." else path.strip("/")


GIT_LINKS: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "git-pull": _nbgitpuller,
    "git-sync": _nbgitpuller,
    "interact": _interact,
}
