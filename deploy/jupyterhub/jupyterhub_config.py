"""A JupyterHub that runs a portal's Labs on its own machine, each in bubblewrap: the simplest, for trying it out.

Start it with `jupyterhub -f jupyterhub_config.py`; the variables are named in collaboratory_hub.py.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from collaboratory_hub import configure, proxy_command, start_servers_here

c = get_config()  # type: ignore[name-defined]  # noqa: F821
configure(c)
homes = Path.cwd() / "homes"
start_servers_here(c, homes)
c.JupyterHub.bind_url = os.environ.get("HUB_BIND") or os.environ["HUB_URL"]
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = f"{homes}/{{username}}"
c.ConfigurableHTTPProxy.command = proxy_command()
