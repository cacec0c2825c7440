"""A JupyterHub that runs a portal's Labs in containers of this machine's Docker, from the image of the Dockerfile here.

Start it with `jupyterhub -f docker_config.py`; the variables are named in collaboratory_hub.py, and

    HUB_IMAGE     name of the image (collaboratory-lab)
    HUB_NETWORK   Docker's network for the containers (bridge)
    HUB_IP        address of this machine in that network, where servers reach the Hub (172.17.0.1)
    HUB_UID       user and group of the portal's account; as a rule those that the Drive's directory has
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from collaboratory_hub import configure, drive_owner, proxy_command

c = get_config()  # type: ignore[name-defined]  # noqa: F821
configure(c)
c.JupyterHub.bind_url = os.environ.get("HUB_BIND") or os.environ["HUB_URL"]
c.JupyterHub.hub_ip = os.environ.get("HUB_IP", "172.17.0.1")
c.ConfigurableHTTPProxy.command = proxy_command()

c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = os.environ.get("HUB_IMAGE", "collaboratory-lab")
c.DockerSpawner.network_name = os.environ.get("HUB_NETWORK", "bridge")
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.volumes = {"collaboratory-home-{username}": os.environ.get("COLLABORATORY_HOME", "/home/jovyan")}
c.DockerSpawner.extra_create_kwargs = {"user": os.environ.get("HUB_UID") or drive_owner()}
c.DockerSpawner.extra_host_config = {"security_opt": ["no-new-privileges"], "cap_drop": ["ALL"]}
