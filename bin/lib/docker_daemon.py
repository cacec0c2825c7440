"""A Docker of the tests, started by root before it becomes the site's account: apart from any other on the machine.

It changes no rules of the firewall, so containers reach this machine and nothing else, and it ends with its parent. Its
images stay in PLACE, which may be deleted.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import machine

PACKAGES = {
    "/usr/sbin/dockerd": "docker.io",
    "docker": "docker.io",
    "debootstrap": "debootstrap",
    **dict.fromkeys(("slurmctld", "slurmd", "sbatch"), "slurm-wlm"),
    "munged": "munge",
}
PLACE = Path("/var/tmp/collaboratory-docker")  # noqa: S108 - made for root alone, or refused
SOCKET = PLACE / "run/docker.sock"
HOST_ADDRESS = "172.30.77.1"
"""Of this machine, as containers see it."""
BASE = "collaboratory-debian"
"""Image that the Dockerfile's is made from: Debian's packages alone, no registry is asked."""
INSIDE = "python3-venv,git,ca-certificates"
LOOK_SECONDS = 0.5


def start(group: int) -> None:
    """Start it for the members of a group, with the image BASE; DOCKER_HOST leads to it. It ends with this process."""
    PLACE.mkdir(mode=0o711, exist_ok=True)
    if PLACE.stat().st_uid or PLACE.is_symlink():
        raise machine.RequirementError(f"{PLACE} is somebody else's: remove it.")
    SOCKET.parent.mkdir(mode=0o755, exist_ok=True)
    os.environ["DOCKER_HOST"] = f"unix://{SOCKET}"
    with (PLACE / "log").open("wb") as log:
        command = [sys.executable, __file__, str(os.getpid())]
        subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    until = time.monotonic() + 60
    while subprocess.run(["docker", "info"], capture_output=True).returncode:
        if time.monotonic() > until:
            raise machine.RequirementError((PLACE / "log").read_text(errors="replace")[-2000:])
        time.sleep(LOOK_SECONDS)
    os.chown(SOCKET, 0, group)
    SOCKET.chmod(0o660)
    if subprocess.run(["docker", "image", "inspect", BASE], capture_output=True).returncode:
        _make_base()


def _make_base() -> None:
    """With the certificates that this machine trusts: packages may come through a proxy of its own."""
    machine.say("Making an image of Debian")
    root = PLACE / "root"
    shutil.rmtree(root, ignore_errors=True)
    machine.run_quietly(["debootstrap", "--variant=minbase", f"--include={INSIDE}", "bookworm", str(root)])
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
    machine.run_quietly(["/bin/sh", "-c", f"tar -C {root} -c . | docker import - {BASE}"])
    shutil.rmtree(root)


def _run(parent: int) -> None:
    """The daemon, until its parent is gone."""
    command = [
        "/usr/sbin/dockerd",
        f"--data-root={PLACE}/data",
        f"--exec-root={PLACE}/run/exec",
        f"--host=unix://{SOCKET}",
    ]
    command += [f"--pidfile={PLACE}/run/pid", f"--bip={HOST_ADDRESS}/24"]
    command += ["--iptables=false", "--ip-forward=false", "--ip-masq=false"]
    daemon = subprocess.Popen(command)
    while os.getppid() == parent and daemon.poll() is None:
        time.sleep(LOOK_SECONDS)
    daemon.send_signal(signal.SIGTERM)
    sys.exit(daemon.wait())


if __name__ == "__main__":
    _run(int(sys.argv[1]))
