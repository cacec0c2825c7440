"""A real Slurm of one node: Debian's slurmctld, slurmd and munged, as one account, in a directory of their own."""

import os
import pwd
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .hub import free_port
from .site import wait_for

CPUS = 16
"""What the node says that it has, so that jobs do not wait for one another."""
CONFIGURATION = """\
ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CredType=cred/munge
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
ReturnToService=2
KillWait=3
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}
PartitionName=labs Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """`environment` is what its commands need."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.environment = {"SLURM_CONF": str(place / "slurm.conf")}

    def write(self) -> None:
        """The configuration, and the key of munge."""
        key = self.place / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        for name in ("state", "spool", "munge"):
            (self.place / name).mkdir(mode=0o700)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        values = {"host": socket.gethostname().partition(".")[0], "place": self.place, "cpus": CPUS}
        values |= {"user": pwd.getpwuid(os.getuid()).pw_name, "memory": memory * 9 // 10}
        text = CONFIGURATION.format(controller=free_port(), daemon=free_port(), **values)
        (self.place / "slurm.conf").write_text(text)

    def ask(self, *command: str) -> str:
        """What a command of Slurm says."""
        return subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def jobs(self) -> list[str]:
        """Names and states of the jobs that are there."""
        return self.ask("squeue", "--noheader", "--format=%j %T").splitlines()

    def commands(self) -> list[list[str]]:
        """The daemons, each in the foreground."""
        munge = ["/usr/sbin/munged", "--foreground", "--force", f"--key-file={self.place}/munge.key"]
        munge += [f"--socket={self.place}/munge.socket", f"--pid-file={self.place}/munge.pid"]
        munge += [f"--log-file={self.place}/munge.log", f"--seed-file={self.place}/munge.seed"]
        return [munge, ["/usr/sbin/slurmctld", "-D", "-i"], ["/usr/sbin/slurmd", "-D"]]


@contextmanager
def slurm(place: Path) -> Iterator[Slurm]:
    """Running, with its node idle; afterwards without jobs and daemons."""
    one = Slurm(place)
    one.write()
    with ExitStack() as stack:
        for command in one.commands():
            log = stack.enter_context((place / f"{Path(command[0]).name}.out").open("wb"))
            daemon = subprocess.Popen(command, env=os.environ | one.environment, stdout=log, stderr=log)
            stack.callback(daemon.wait, 30)
            stack.callback(daemon.terminate)
            wait_for((place / "munge.socket").exists, 20, "munged does not listen")
        wait_for(lambda: "idle" in one.ask("sinfo", "--noheader", "--format=%T"), 60, "the node is not idle")
        yield one
        one.ask("scancel", "--user", pwd.getpwuid(os.getuid()).pw_name)
        wait_for(lambda: not one.jobs(), 60, "jobs do not end")
