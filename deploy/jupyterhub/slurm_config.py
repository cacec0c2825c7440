"""A JupyterHub that runs a portal's Labs as jobs of a Slurm cluster, each in bubblewrap on its node.

Start it with `jupyterhub -f slurm_config.py` as the portal's account, which owns the Drive and the jobs; Hub, packages
and Drive are on all nodes at the same paths. The variables are named in collaboratory_hub.py, and

    HUB_IP        address of this machine, where jobs reach the Hub (127.0.0.1)
    HUB_HOMES     directory of people's homes, on all nodes (homes/ here); .logs/ in it has what the jobs say
    HUB_PARTITION, HUB_RUNTIME    partition of the jobs, and their longest time (the cluster's; 1-00:00:00)
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from collaboratory_hub import configure, proxy_command, start_servers_here

c = get_config()  # type: ignore[name-defined]  # noqa: F821
configure(c)
homes = Path(os.environ.get("HUB_HOMES") or Path.cwd() / "homes")
start_servers_here(c, homes)
c.JupyterHub.bind_url = os.environ.get("HUB_BIND") or os.environ["HUB_URL"]
c.JupyterHub.hub_ip = os.environ.get("HUB_IP", "127.0.0.1")
c.ConfigurableHTTPProxy.command = proxy_command()

c.JupyterHub.spawner_class = "collaboratory_slurm.JobSpawner"
c.JobSpawner.homes = str(homes)
c.JobSpawner.req_partition = os.environ.get("HUB_PARTITION", "")
c.JobSpawner.req_runtime = os.environ.get("HUB_RUNTIME", "1-00:00:00")
c.JobSpawner.start_timeout = 300  # a job waits for its turn; LAB_START_TIMEOUT of the portal has to be as long
