"""The network of one sandbox: slirp4netns reaches for it what this machine reaches, but not the machine.

The sandbox's loopback is its own. What else it may reach, rules in its network namespace say, which code in there has
no capability to change (portal/sandboxing/firewall.py). They are replaced in every sandbox when the machine's own
addresses change.
"""

import asyncio
import logging
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from typing import BinaryIO

from portal.sandboxing import firewall

log = logging.getLogger("lab.supervisor")

SETTLE_SECONDS = 0.05
"""An address comes with several messages of the kernel's."""
_RTMGRP_IPV4_ROUTE = 0x40


class NetworkSetupError(Exception):
    """The network could not be set up; the text says why."""


async def connect(init: int, lifeline: int, log: BinaryIO) -> None:
    """Give the sandbox whose process 1 is `init` a way out.

    What slirp4netns has to say goes to `log`. It ends by itself when the last holder of the pipe whose read end is
    `lifeline` has ended.
    """
    ready, ready_for_slirp = os.pipe()
    command = ["slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-seccomp"]
    # By path, not by pid: given a pid it would also join the process's user namespace, and once bubblewrap has made its
    # second one, that owns no network.
    command += [f"--ready-fd={ready_for_slirp}", f"--exit-fd={lifeline}"]
    command += ["--netns-type=path", f"/proc/{init}/ns/net", firewall.DEVICE]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        pass_fds=(ready_for_slirp, lifeline),
        start_new_session=True,
    )
    os.close(ready_for_slirp)
    try:
        if not await asyncio.to_thread(os.read, ready, 1):
            await process.wait()
            raise NetworkSetupError("slirp4netns ended; the log says why.")
    finally:
        os.close(ready)


class Firewall:
    """The rules of all sandboxes of this machine, of the settings and of its own addresses at the moment."""

    def __init__(self, policy: firewall.Policy) -> None:
        self.policy = policy
        self.rules = ""

    def refresh(self) -> bool:
        """Read the machine's own addresses anew; True if the rules are others now."""
        before, self.rules = self.rules, firewall.rules(self.policy, firewall.own_networks())
        return self.rules != before

    async def protect(self, init: int, *, anew: bool = True) -> None:
        """Put the rules into the network namespace of process `init`; NetworkSetupError if they are not there then.

        `anew`: it has some, which these replace.
        """
        words = ["nsenter", f"--net=/proc/{init}/ns/net", "nft", "-f", "-"]
        try:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise NetworkSetupError(f"nsenter: {error}") from error
        _, errors = await process.communicate(((firewall.REPLACE if anew else "") + self.rules).encode())
        if process.returncode:
            raise NetworkSetupError(f"nft: {errors.decode(errors='replace').strip()}")


async def changes() -> AsyncIterator[None]:
    """Each time that this machine's own addresses may have changed (rtnetlink(7)); at once, to begin with."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, _RTMGRP_IPV4_ROUTE))
        while True:
            yield
            await _next(loop, kernel)
            await asyncio.sleep(SETTLE_SECONDS)
            while _drain(kernel):
                pass


async def _next(loop: asyncio.AbstractEventLoop, kernel: socket.socket) -> None:
    try:
        await loop.sock_recv(kernel, 2**16)
    except OSError:  # ENOBUFS: more has changed than fits in
        log.debug("Messages of the kernel's were lost.")


def _drain(kernel: socket.socket) -> bool:
    """Read what has come meanwhile; False when nothing is left."""
    try:
        return bool(kernel.recv(2**16))
    except BlockingIOError:
        return False
    except OSError:
        return True
