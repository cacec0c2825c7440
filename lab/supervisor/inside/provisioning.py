"""Kernels that are forked by the Lab's kernel server (kernel_server.py), for Jupyter to handle like any other.

Whatever is no plain kernel of this environment, or cannot be forked now, is started as ever: a new process. One that
ends before it listens is told to its person with the reason, instead of being started again and again.
"""

import asyncio
import json
import os
import select
import signal
import socket
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import broken_kernels  # type: ignore[import-not-found]  # beside this file
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

NAME = "collaboratory-forked"
START_SECONDS = 2
END_SECONDS = 1
REPORT_BYTES = 32
LISTEN_SECONDS = 5
PYTHON_SECONDS = 60
"""Of a kernel of ours, which opens its ports or ends, on a machine that is busy much later."""
LISTEN_EVERY = 0.005
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
LISTENING = "0A"
"""A state in /proc/net/tcp (proc_net_tcp(5))."""


def use(orders: "int | None") -> "list[str]":
    """Have kernels ordered there, from now on, or none forked; returns the words for Jupyter's command line."""
    if orders is not None:
        ForkedProvisioner.orders = socket.socket(fileno=orders)
        ForkedProvisioner.orders.setblocking(False)
    KernelProvisionerFactory.provisioners[NAME] = EntryPoint(
        NAME, f"{__name__}:{ForkedProvisioner.__name__}", KernelProvisionerFactory.GROUP_NAME
    )
    return [f"--KernelProvisionerFactory.default_provisioner_name={NAME}"]


class ForkedProvisioner(LocalProvisioner):
    """As LocalProvisioner, but for how the process comes to be."""

    orders: "socket.socket | None" = None

    async def launch_kernel(self, cmd: "list[str]", **kwargs: Any) -> Any:
        kernel = self._order(cmd, kwargs) if self.orders and _is_plain(cmd, kwargs) else None
        if kernel is None:
            await super().launch_kernel(cmd, **kwargs)
        else:
            self.process = kernel
            self.pid = self.pgid = kernel.pid
            self.cwd = kwargs.get("cwd") or Path.cwd()
        await self._listens(PYTHON_SECONDS if broken_kernels.is_python(cmd) else LISTEN_SECONDS)
        if self.process.poll():
            await self.wait()
            raise broken_kernels.KernelEndedError(await broken_kernels.explain(cmd))
        return self.connection_info

    async def _listens(self, seconds: float) -> None:
        """Wait until the kernel has opened its ports, or ends, for a while.

        Who connects before that has ZeroMQ try again every 100 ms, on each port by itself; and when the kernel's first
        answer overtakes the subscription to it, Jupyter asks again after 500 ms.
        """
        if self.connection_info.get("transport") != "tcp":
            return
        ports = {self.connection_info.get(name) for name in PORTS}
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and not ports <= _open_ports() and time.monotonic() < deadline:
            await asyncio.sleep(LISTEN_EVERY)

    def _order(self, command: "list[str]", options: "dict[str, Any]") -> "ForkedKernel | None":
        """None: it cannot be had."""
        order = {"command": command, "cwd": str(options.get("cwd") or Path.cwd()), "environment": dict(options["env"])}
        stdin, ours = os.pipe()
        report, theirs = (end.detach() for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        try:
            assert self.orders
            socket.send_fds(self.orders, [json.dumps(order).encode()], [stdin, theirs])
        except OSError as error:  # it has ended, does not listen, or the variables are too long
            self.log.info("A kernel is not forked: %s", error)
        finally:
            os.close(stdin)
            os.close(theirs)  # now reading ends when nobody else has it
        told = os.read(report, REPORT_BYTES) if _is_readable(report, START_SECONDS) else b""
        if told:
            return ForkedKernel(int(told), ours, report)
        os.close(ours)
        os.close(report)  # so that one which comes late ends
        return None


class ForkedKernel:
    """What LocalProvisioner asks of a subprocess.Popen. The kernel's parent is the kernel server, which tells us."""

    stdout = stderr = None

    def __init__(self, pid: int, stdin: int, report: int) -> None:
        self.pid = pid
        self.stdin = os.fdopen(stdin, "wb")
        self.returncode: int | None = None
        self._report = report
        self._process = os.pidfd_open(pid)

    def poll(self) -> "int | None":
        """Popen.poll."""
        if self.returncode is None and _is_readable(self._process, 0):
            self._end()
        return self.returncode

    def wait(self) -> "int | None":
        """Popen.wait."""
        _is_readable(self._process, None)
        return self.poll()

    def _end(self) -> None:
        told = os.read(self._report, REPORT_BYTES) if _is_readable(self._report, END_SECONDS) else b""
        self.returncode = int(told or -signal.SIGKILL)  # untold: the kernel server has gone, and the kernel with it
        os.close(self._report)
        os.close(self._process)

    def send_signal(self, number: int) -> None:
        """Popen.send_signal."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._process, number)

    def terminate(self) -> None:
        """Popen.terminate."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Popen.kill."""
        self.send_signal(signal.SIGKILL)


def _is_plain(command: "list[str]", options: "dict[str, Any]") -> bool:
    """True for a kernel of our own environment, started as its kernel.json says."""
    plain = [sys.executable, "-m", "ipykernel_launcher", "-f"]
    return command[:4] == plain and len(command) == 5 and "env" in options and not options.get("independent")


def _open_ports() -> "set[int]":
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {int(fields[1].rpartition(":")[2], 16) for fields in lines if fields[3] == LISTENING}


def _is_readable(fd: int, seconds: "float | None") -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
