"""`python -m lab.environments.build_runner bwrap …`: run one sandbox with a network of its own, to its end.

A process of its own, because only root of a user namespace may give a network to the namespaces below it (setns(2)): it
makes one and is that, without any right outside. The exit status is the program's, or CANNOT_CONNECT.

Reads LAB_NETWORK_ALLOWED and LAB_NETWORK_REFUSED: what Labs may not reach, builds may not.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys

from lab.supervisor import namespace, network, processes
from portal.sandboxing import bwrap, firewall

CANNOT_CONNECT = 125
WAIT = "read -r go && exec </dev/null || exit 1\n"
"""Beginning of the script of sh that runs in the sandbox: it goes on when the network is there, and ends with us."""
_PR_SET_PDEATHSIG = 1


async def run(words: list[str]) -> int:
    """The exit status. `words`: of bubblewrap, whose descriptors we have inherited."""
    status, status_for_bwrap = os.pipe()
    go_for_script, go = os.pipe()
    os.set_inheritable(status_for_bwrap, True)
    sandbox = await asyncio.create_subprocess_exec(
        *(words[0], "--json-status-fd", str(status_for_bwrap), *words[1:]),
        stdin=go_for_script,
        close_fds=False,
        env=bwrap.VARIABLES,
        cwd="/",
    )
    os.close(status_for_bwrap)
    os.close(go_for_script)
    try:
        init = await asyncio.to_thread(processes.reported_init, status)
        if init is not None and await processes.first_program(init) is not None:
            await _connect(init)
            with contextlib.suppress(BrokenPipeError):
                os.write(go, b"\n")
    except network.NetworkSetupError as error:
        print(f"The network of the build could not be set up: {error}", file=sys.stderr)
        sandbox.kill()
        await sandbox.wait()
        return CANNOT_CONNECT
    return await sandbox.wait()


async def _connect(init: int) -> None:
    """With the firewall's rules of now; a build does not take long."""
    lifeline, _ = os.pipe()  # whose other end is closed when we end
    rules = network.Firewall(firewall.policy())
    rules.refresh()
    await rules.protect(init)
    await network.connect(init, lifeline, sys.stderr.buffer)


def main() -> None:
    """End with the worker, whatever ends that; bubblewrap and slirp4netns end with us."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    namespace.make()
    sys.exit(asyncio.run(run(sys.argv[1:])))


if __name__ == "__main__":
    main()
