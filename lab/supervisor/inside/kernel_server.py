"""Forks the kernels of one Lab, from a process that has imported ipykernel and nothing of Jupyter's server.

It is in the sandbox, as powerless as all in there, and ends with Jupyter, which orders kernels over a socket
(provisioning.py): a message of JSON with two descriptors, of the kernel's standard input and of a socket for two
messages: the number of the kernel's process, said by itself, and how that ended.

A kernel must be what a new process would have been. So it compares what decides how Python starts, and the files that
were imported, with how they were; where anything differs, it becomes that new process by execve(2).
"""

import contextlib
import json
import os
import select
import signal
import site
import socket
import sys
from pathlib import Path
from typing import NamedTuple

import joining  # type: ignore[import-not-found]  # beside this file

READ_AT_START = (
    *("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_", "OPENSSL_"),
    *("IPY", "JUPYTER_", "PYDEVD_", "DEBUGPY_"),
)
"""How the variables begin that the interpreter, its libraries or imported modules have read already."""
MESSAGE_BYTES = 2**18
OURS = str(Path(__file__).parent)


class Order(NamedTuple):
    """One kernel, in its own process."""

    command: "list[str]"
    """`python -m ipykernel_launcher -f <connection file>`, as it would be executed."""
    cwd: str
    environment: "dict[str, str]"
    stdin: int
    report: int


class Imported(NamedTuple):
    """State after importing ahead: files and variables."""

    files: "dict[str, tuple[int, int]]"
    """What was imported (`loaded_files`), as it was then."""
    variables: "dict[str, str]"
    """Of the environment, set by modules."""


def prepare() -> None:
    """Import and set up a kernel, up to where it would serve."""
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.instance().initialize(["-f", "kernel.json"])


class KernelServer:
    """Waits for orders and for the end of kernels, in one thread."""

    def __init__(self, orders: int, environment: "dict[str, str]", imported: Imported) -> None:
        """`environment`: of the Lab."""
        self.orders = orders
        self.environment = environment
        self.imported = imported
        self.kernels: dict[int, tuple[int, int]] = {}
        """By descriptor of the process: its number, and where its end is reported."""

    def run(self) -> None:
        """Returns when Jupyter has ended; and in each kernel's own process, when that has."""
        order = self._serve()
        if order is not None:
            self._become(order)

    def _serve(self) -> "Order | None":
        """Returns in each kernel's own process, with its order."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Jupyter ends first, and its kernels before it
        poll = select.poll()
        poll.register(self.orders, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd != self.orders:
                    poll.unregister(fd)
                    self._bury(fd)
                    continue
                order = self._receive()
                if order is None:
                    return None
                kernel = _fork()
                if not kernel:
                    return order
                os.close(order.stdin)
                if kernel > 0:
                    fd = os.pidfd_open(kernel)
                    self.kernels[fd] = (kernel, order.report)
                    poll.register(fd, select.POLLIN)
                else:
                    os.close(order.report)

    def _receive(self) -> "Order | None":
        connection = socket.socket(fileno=self.orders)
        try:
            message, fds, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 2)
        finally:
            connection.detach()
        return Order(**json.loads(message), stdin=fds[0], report=fds[1]) if message else None

    def _bury(self, fd: int) -> None:
        """Tell how a kernel ended, as subprocess.Popen.returncode would."""
        kernel, report = self.kernels.pop(fd)
        _, status = os.waitpid(kernel, 0)
        with contextlib.suppress(OSError):  # nobody wants to know any more
            os.write(report, b"%d" % os.waitstatus_to_exitcode(status))
        os.close(report)
        os.close(fd)

    def _become(self, order: Order) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        _keep_priority()
        os.chdir(order.cwd)  # where this fails, no number is told, and Jupyter does it itself and says why
        os.dup2(order.stdin, 0)
        os.write(order.report, b"%d" % os.getpid())
        _close_all_but_standard()
        environment = order.environment | {"JPY_PARENT_PID": str(os.getppid())}
        if not self._is_as_new(order):
            joining.name_process("python")
            os.execve(order.command[0], order.command, environment)  # noqa: S606 - as Jupyter would have
        os.environ.clear()
        os.environ.update(self.imported.variables | environment)
        _look_new(order.command)
        from ipykernel import kernelapp

        # Two defaults that are variables' values at the time of the import.
        once = [f"--IPKernelApp.parent_handle={os.getppid()}", f"--Session.username={environment.get('USER', '')}"]
        kernelapp.launch_new_instance(argv=[*sys.argv[1:], *once])

    def _is_as_new(self, order: Order) -> bool:
        """True if a new process would find what this one found."""
        return (
            _read_at_start(order.environment) == _read_at_start(self.environment)
            and not (site.ENABLE_USER_SITE and Path(_user_site(order.environment)).is_dir())
            and all(state(path) == before for path, before in self.imported.files.items())
        )


def _fork() -> int:
    """0 in the kernel; -1 when there can be no more processes."""
    try:
        return os.fork()
    except OSError:
        return -1


def _keep_priority() -> None:
    """Where sessions are weighed ("autogroup", sched(7)), a new one has the nice value 0, whatever the process has."""
    if nice := os.getpriority(os.PRIO_PROCESS, 0):
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice))


def _read_at_start(environment: "dict[str, str]") -> "dict[str, str]":
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


def _user_site(environment: "dict[str, str]") -> str:
    """Packages of `pip install --user`, which conda environments take."""
    return f"{environment.get('HOME', '')}/.local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def loaded_files() -> "dict[str, tuple[int, int]]":
    """What was imported and how it was; with the directories of packages, which change when one comes or goes."""
    paths = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    paths |= {path for path in sys.path if path.endswith("-packages")}
    paths |= {f"{sys.prefix}/pyvenv.cfg", os.path.realpath(sys.executable)}
    return {path: state(path) for path in paths if path and not path.startswith(OURS)}


def state(path: str) -> "tuple[int, int]":
    """Changes when the file does; the same through an overlay as below it. (0, 0): it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of a thousand files before each kernel
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _close_all_but_standard() -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _look_new(command: "list[str]") -> None:
    """Leave no trace of this file and those beside it: somebody's own modules may have their names."""
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(OURS):
            del sys.modules[name]
    import ipykernel_launcher

    sys.argv[:] = [ipykernel_launcher.__file__, *command[3:]]
    sys.orig_argv[:] = command
    del sys.modules["ipykernel_launcher"]
    sys.path[0:1] = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    joining.name_process("python")
