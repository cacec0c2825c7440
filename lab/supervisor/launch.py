"""One launch, from the portal's request: environment variables, Jupyter's configuration, and files."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.sandboxing import bwrap

from . import api_token, conda_env, resource_use
from .sandbox_command import RUN, USER_ID

SAVE_WAIT_SECONDS = float(os.environ.get("LAB_SAVE_WAIT_SECONDS") or 2)
"""For how long a save in the Drive waits for the portal, which makes a version of what it overwrites."""


@dataclass(frozen=True)
class Launch:
    """A launch as the portal asks for it (lab.launchers.base.LaunchSpec as JSON)."""

    server_id: str
    username: str
    display_name: str
    email: str
    token: str
    prefix: str
    mounts: list[dict[str, str]]
    network: str
    fork: bool = False
    """Whether a fork server may start it."""
    portal_token: str = ""
    """For the portal's API, as its person."""
    limits: dict[str, float] = field(default_factory=dict)
    """`cgroups.Limits` by name, and `disk` and `files`: bytes and files of home and changed environment together."""
    coediting: bool = False
    """Whether JupyterLab opens files of the Drive in rooms."""
    page_options: dict[str, str] = field(default_factory=dict)
    """Options of JupyterLab's page beside those that every Lab has."""
    packages: list[dict[str, Any]] = field(default_factory=list)
    """Lists that pip installs before the first kernel starts (inside/kept_packages.py)."""
    processors: int = 0
    """As many are told to programs; 0: the machine's. Not the portal's to say: it is what is kept here."""

    @property
    def home(self) -> str:
        """Path of the person's home in the sandbox."""
        return f"/home/{self.username}"

    def jupyter_config(self) -> dict[str, Any]:
        """Content of `jupyter_config.json`."""
        config = jupyter_config(self.home, token=self.token)
        config["ServerApp"]["jpserver_extensions"]["jupyter_lsp"] = self.has_language_server
        return config

    @property
    def has_language_server(self) -> bool:
        """Whether the environment has JupyterLab's extension for language servers."""
        return Path(self.prefix, LANGUAGE_SERVERS).is_dir()

    def environment(self) -> dict[str, str]:
        """All variables that the server, its kernels and terminals see."""
        identity = {"NAME": self.display_name, "EMAIL": self.email}
        return {
            "HOME": self.home,
            "USER": self.username,
            "LOGNAME": self.username,
            "JUPYTERHUB_USER": self.username,  # notebooks that were written for a Hub ask it who they are
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "PATH": f"{self.prefix}/bin:{RUN}/inside/bin:/usr/local/bin:/usr/bin:/bin",
            **conda_env.variables(self.prefix),
            **resource_use.variables(self.processors),
            "JUPYTER_CONFIG_PATH": f"{RUN}/jupyter",
            **api_token.variables(f"{RUN}/token", f"{RUN}/portal", f"{RUN}/inside"),
            **{f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in identity.items()},
        }

    def sandbox(self, descriptors: dict[str, int]) -> bwrap.Command:
        """Its sandbox, with the files that are for this launch alone. `descriptors`: what Jupyter inherits, by name."""
        contents = account_files(self.username, self.display_name) | resource_use.files(self.processors)
        contents[f"{RUN}/launch.json"] = json.dumps({"fds": descriptors})
        contents[f"{RUN}/jupyter_config.json"] = json.dumps(self.jupyter_config())
        options = page_config(self.coediting, language_server=self.has_language_server) | self.page_options
        if self.packages:
            contents[f"{RUN}/packages.json"] = json.dumps(self.packages)
            options[PACKAGES_OPTION] = True
        contents[f"{RUN}/jupyter/labconfig/page_config.json"] = json.dumps(options)
        contents[f"{RUN}/jupyter/labconfig/default_setting_overrides.json"] = json.dumps(SETTINGS)
        return bwrap.Command(bwrap.LAB, contents)


LANGUAGE_SERVERS = "share/jupyter/labextensions/@jupyter-lsp/jupyterlab-lsp"
"""In an environment with the package jupyterlab-lsp."""
NEWS = "@jupyterlab/apputils-extension:announcements"
"""They would come from elsewhere."""
OF_LANGUAGE_SERVERS = (
    "@jupyterlab/lsp-extension",
    "@jupyterlab/fileeditor-extension:language-server",
    "@jupyterlab/notebook-extension:language-server",
)
"""Without one they ask for its state for nothing."""
COEDITING_OPTION = "collaboratoryRooms"
"""Option of JupyterLab's page, read by frontend/jupyterlab_extension/src/editingTogether.ts."""
PACKAGES_OPTION = "collaboratoryPackages"
"""Another one: there are packages to be installed, so ask how far that is (src/keptPackages.ts)."""
# A notebook that names a kernel of somebody else's machine opens with the environment's, without a question.
SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},  # light and dark, as the portal's pages
}


def page_config(coediting: bool, *, language_server: bool = False) -> dict[str, Any]:
    """Content of `page_config.json`: what JupyterLab's page is told before it begins."""
    disabled = dict.fromkeys((NEWS, *(() if language_server else OF_LANGUAGE_SERVERS)), True)
    # Whether JupyterLab would have to be built anew is asked of Node.js: a second of the launch's processor.
    return {"disabledExtensions": disabled, "buildCheck": False, COEDITING_OPTION: coediting}


def jupyter_config(root: str, *, token: str) -> dict[str, Any]:
    """Configuration of Jupyter Server and JupyterLab (jupyter-server.readthedocs.io, "Config file")."""
    return {
        "ServerApp": {
            "root_dir": root,
            "allow_remote_access": True,  # nginx has checked the Host; the server knows no name of its own
            "open_browser": False,
            "quit_button": False,
            "default_url": "/lab",
            # Of `notebook` its page is shown alone (inside/simple_view.py).
            "jpserver_extensions": {
                "jupyterlab": True,
                "jupyter_lsp": False,
                "notebook": False,
                "notebook_shim": False,
            },
        },
        "IdentityProvider": {"token": token},
        # The home's trash would die with the home. A link may lead to a name with a dot in front; lists leave it out.
        "FileContentsManager": {"delete_to_trash": False, "allow_hidden": True},
        "VersionedContentsManager": {"wait_seconds": SAVE_WAIT_SECONDS},
        "LabApp": {
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "extra_labextensions_path": [f"{RUN}/inside/labextensions"],
        },
    }


def account_files(username: str, display_name: str) -> dict[str, str]:
    """Files of /etc about accounts and host names in the sandbox, by path."""
    gecos = "".join(c for c in display_name if c.isprintable() and c not in ":,")
    return {
        "/etc/passwd": f"{username}:x:{USER_ID}:{USER_ID}:{gecos}:/home/{username}:/bin/bash\n",
        "/etc/group": f"{username}:x:{USER_ID}:\n",
        "/etc/hosts": "127.0.0.1 localhost lab\n::1 localhost lab\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        # slirp4netns answers DNS here (slirp4netns(1)).
        "/etc/resolv.conf": "nameserver 10.0.2.3\n",
    }
