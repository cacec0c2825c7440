"""Servers as jobs of Slurm, for people who have no account on the cluster: jobs are the portal's account's."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from batchspawner import SlurmSpawner
from traitlets import Unicode, default

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=lab-{{username}}
#SBATCH --output={{log}}
#SBATCH --chdir={{homedir}}
#SBATCH --export={{keepvars}}
{% if partition %}#SBATCH --partition={{partition}}
{% endif %}{% if runtime %}#SBATCH --time={{runtime}}
{% endif %}{% if memory %}#SBATCH --mem={{memory}}
{% endif %}{% if nprocs %}#SBATCH --cpus-per-task={{nprocs}}
{% endif %}{% if options %}#SBATCH {{options}}
{% endif %}{{prologue}}
exec {{cmd}}
"""


class JobSpawner(SlurmSpawner):
    """Each person has a directory as home, and sees of the node what `collaboratory_hub.mount_here` lets in."""

    batch_script = Unicode(SCRIPT).tag(config=True)

    homes = Unicode(help="Directory of people's homes, on all nodes.").tag(config=True)
    home_dir = Unicode(help="This person's home.")
    req_log = Unicode(help="File for what the job says; no server sees its directory.")
    exec_prefix = Unicode("", help="The Hub's own account submits: people have none here.").tag(config=True)

    @default("home_dir")
    def _home_dir(self) -> str:
        return str(Path(self.homes, self.user.name))

    @default("req_homedir")
    def _req_homedir(self) -> str:
        return self.home_dir

    @default("req_log")
    def _req_log(self) -> str:
        """Not in the home: Slurm opens it outside of bubblewrap, and would follow a link that a server made there."""
        return str(Path(self.homes, ".logs", f"{self.user.name}.log"))

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """What the inherited method takes from the system's list of accounts; and where Slurm's configuration is."""
        given = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
        return env | given | {"USER": self.user.name, "HOME": self.home_dir, "SHELL": "/bin/bash"}

    def cmd_formatted_for_batch(self) -> str:
        """What the job runs: batchspawner's own program, which tells the Hub the port, belongs inside bubblewrap."""
        sandbox, server = self.cmd[: self.cmd.index("--") + 1], self.cmd[self.cmd.index("--") + 1 :]
        inside = [f"{sys.prefix}/bin/batchspawner-singleuser", *server, *self.get_args()]
        return shlex.join([*sandbox, *inside])

    def get_req_subvars(self) -> dict[str, Any]:
        """Memory and processors that the portal asks for are the job's."""
        found = super().get_req_subvars()
        Path(self.req_log).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.mem_limit:
            found["memory"] = str(-(-int(self.mem_limit) // 2**20))
        if self.cpu_limit:
            found["nprocs"] = str(max(1, round(self.cpu_limit)))
        return found
