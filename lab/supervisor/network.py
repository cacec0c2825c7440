"""The network of one sandbox: slirp4netns reaches for it what this machine reaches, but not the machine.

The sandbox's loopback is its own; slirp4netns refuses the host's loopback. What is left are services that listen on the
machine's other addresses, and the link-local addresses where clouds answer questions about credentials: those are made
unreachable with routes that the sandbox has no capability to change.
"""

import asyncio
import json
import os
import subprocess
from typing import BinaryIO

LINK_LOCAL = ["169.254.0.0/16"]


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
    command += ["--netns-type=path", f"/proc/{init}/ns/net", "tap0"]
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
    await _forbid(init, [*LINK_LOCAL, *await _own_addresses()])


async def _own_addresses() -> list[str]:
    """This machine's addresses, loopback aside."""
    output = await _run("ip", "-json", "-4", "address")
    return [
        address["local"]
        for interface in json.loads(output or "[]")
        for address in interface.get("addr_info", [])
        if not address["local"].startswith("127.")
    ]


async def _forbid(init: int, destinations: list[str]) -> None:
    commands = "\n".join(f"route replace unreachable {destination}" for destination in destinations)
    await _run("nsenter", f"--net=/proc/{init}/ns/net", "ip", "-batch", "-", given=commands)


async def _run(*command: str, given: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate(given.encode())
    if process.returncode:
        raise NetworkSetupError(f"{command[0]}: {errors.decode(errors='replace').strip()}")
    return output.decode()
