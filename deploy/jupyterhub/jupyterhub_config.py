"""A JupyterHub that runs a portal's Labs: the parts that every site needs, and a spawner to choose.

Start it with `jupyterhub -f jupyterhub_config.py` in this directory; the variables are named in collaboratory_hub.py.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from collaboratory_hub import configure

c = get_config()  # type: ignore[name-defined]  # noqa: F821
configure(c)
c.JupyterHub.bind_url = os.environ["HUB_URL"]

# One of: "kubespawner.KubeSpawner", "docker" (both take an image with jupyterhub's single-user server), "simple".
c.JupyterHub.spawner_class = os.environ.get("HUB_SPAWNER", "simple")
