"""A JupyterHub in Kubernetes that runs a portal's Labs as pods, from the image of the Dockerfile here.

For a Hub of one's own; with Zero to JupyterHub the same values belong below `hub.extraConfig`. The variables are named
in collaboratory_hub.py, and

    HUB_IMAGE       name of the image (collaboratory-lab)
    HUB_NAMESPACE   namespace of the pods (the Hub's own)
    HUB_HOME_SIZE   size of each person's volume for the home (2Gi)
    HUB_SERVICE     name of the Service that leads to the Hub (hub)
    HUB_UID         user and group of the portal's account, UID:GID
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from collaboratory_hub import configure, proxy_command

c = get_config()  # type: ignore[name-defined]  # noqa: F821
configure(c)
c.JupyterHub.bind_url = os.environ.get("HUB_BIND") or os.environ["HUB_URL"]
c.JupyterHub.hub_ip = "0.0.0.0"  # noqa: S104 - of its own pod
c.JupyterHub.hub_connect_ip = os.environ.get("HUB_SERVICE", "hub")
c.ConfigurableHTTPProxy.command = proxy_command()

uid, _, gid = os.environ["HUB_UID"].partition(":")
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.KubeSpawner.image = os.environ.get("HUB_IMAGE", "collaboratory-lab")
if namespace := os.environ.get("HUB_NAMESPACE"):
    c.KubeSpawner.namespace = namespace
c.KubeSpawner.uid, c.KubeSpawner.gid, c.KubeSpawner.fs_gid = int(uid), int(gid), int(gid)
c.KubeSpawner.allow_privilege_escalation = False
c.KubeSpawner.container_security_context = {"capabilities": {"drop": ["ALL"]}}
c.KubeSpawner.automount_service_account_token = False
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = os.environ.get("HUB_HOME_SIZE", "2Gi")
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.pvc_name_template = "home-{user_server}"
home = {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
c.KubeSpawner.volumes = [home]
mount = {"name": "home", "mountPath": os.environ.get("COLLABORATORY_HOME", "/home/jovyan")}
c.KubeSpawner.volume_mounts = [mount]
