"""For tests of what a Lab reaches: services of the machine that listen everywhere, and a machine of namespaces."""

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from websockets.sync.client import ClientConnection, unix_connect

from lab.supervisor import processes

from .people import Kernel
from .site import CODE, wait_for

GROUPS = ("224.0.0.251", "239.1.2.3")
"""Multicast: mDNS, which services such as Avahi listen on, and a group of nobody's."""

ATTACK = """
import concurrent.futures, itertools, json, os, socket, struct, subprocess

TAP = socket.if_nametoindex("tap0")
BIND_TO_DEVICE = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tap0")
DONT_ROUTE = (socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
UNICAST_IF = (socket.IPPROTO_IP, 50, struct.pack("!I", TAP))
MULTICAST_IF = (socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", b"", b"", TAP))
PKTINFO = [(socket.IPPROTO_IP, 8, struct.pack("@i4s4s", TAP, b"", b""))]
TO_ALL = [(socket.SOL_SOCKET, socket.SO_BROADCAST, 1), (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 9)]
WAYS = {"plain": [], "device": [BIND_TO_DEVICE], "unicast_if": [UNICAST_IF], "multicast_if": [MULTICAST_IF],
        "dontroute": [DONT_ROUTE], "device, dontroute": [BIND_TO_DEVICE, DONT_ROUTE], "pktinfo": []}
KINDS = (socket.SOCK_DGRAM, socket.SOCK_STREAM)

def attempt(address, port, kind=socket.SOCK_STREAM, way="plain", source=None, word="a Lab"):
    "What answers, or the name of the error."
    four = ":" not in address
    with socket.socket(socket.AF_INET if four else socket.AF_INET6, kind) as one:
        one.settimeout(0.5)
        try:
            for option in [*WAYS[way], *(TO_ALL if four and kind == socket.SOCK_DGRAM else [])]:
                one.setsockopt(*option)
            if source:
                one.bind((source, 0))
            if kind == socket.SOCK_STREAM:
                one.connect((address, port))
                one.sendall(word.encode())
            else:
                one.sendmsg([word.encode()], PKTINFO if way == "pktinfo" else [], 0, (address, port))
            return one.recv(99).decode()
        except OSError as error:
            return f"{type(error).__name__}: {error}"

def attack(addresses, port):
    "Everything that code without a right can try; what answered, by what was tried."
    tried = [(address, port, kind, way, source) for address, kind, way, source
             in itertools.product(addresses, KINDS, WAYS, (None, "10.0.2.100"))
             if not source or ":" not in address]
    with concurrent.futures.ThreadPoolExecutor(24) as threads:
        said = threads.map(lambda one: attempt(*one, word=str(one)), tried)
        return {str(one): answer for one, answer in zip(tried, said) if answer == "reached"}

def open_raw():
    "Sockets that write packets themselves need a capability."
    said = []
    for family, kind, protocol in ((socket.AF_PACKET, socket.SOCK_RAW, 0x300), (socket.AF_INET, socket.SOCK_RAW, 255),
                                   (socket.AF_INET, socket.SOCK_RAW, 17)):
        try:
            socket.socket(family, kind, protocol).close()
            said.append("opened")
        except OSError:
            said.append("refused")
    return said

def change_rules():
    "What the kernel says to a change of the device, of routes, of rules."
    commands = ["ip link set tap0 down", "ip route add 127.0.0.0/8 dev tap0", "ip link add x type dummy",
                "ip link set lo down", "ip address add 10.9.8.7/32 dev lo", "nft flush ruleset",
                "ip rule add prio 1 table 9"]
    path = "/usr/sbin:/sbin:/usr/bin:/bin"
    return {c: subprocess.run(c, shell=True, capture_output=True, env={"PATH": path}).returncode for c in commands}
"""
"""Defines `attack`, `open_raw` and `change_rules` in a kernel."""


class Services:
    """Services on every address of this machine and on multicast: they answer "reached" and note what they hear."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.port = 0
        self._sockets: list[socket.socket] = []
        self._end, self._ended = os.pipe()
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(self._end, selectors.EVENT_READ)

    def __enter__(self) -> "Services":
        tcp = self._open(socket.AF_INET, socket.SOCK_STREAM)
        udp = self._open(socket.AF_INET, socket.SOCK_DGRAM)
        for group in GROUPS:
            with contextlib.suppress(OSError):  # where there is no route for it
                member = socket.inet_aton(group) + socket.inet_aton("0.0.0.0")
                udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        sixes = [self._open(socket.AF_INET6, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        for one in (tcp, sixes[0]):
            one.listen(256)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._ended)
        self._thread.join()
        self._waiting.close()
        for one in self._sockets:
            one.close()
        os.close(self._end)

    def _open(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        one = socket.socket(family, kind)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(("", self.port))
        self.port = one.getsockname()[1]
        self._sockets.append(one)
        self._waiting.register(one, selectors.EVENT_READ)
        return one

    def _serve(self) -> None:
        while True:
            ready = {key.fd for key, _ in self._waiting.select()}
            if self._end in ready:
                return
            for one in self._sockets:
                if one.fileno() in ready:
                    with contextlib.suppress(OSError):
                        self._answer(one)

    def _answer(self, one: socket.socket) -> None:
        if one.type == socket.SOCK_DGRAM:
            data, peer = one.recvfrom(999)
            self.heard.append(data.decode())
            one.sendto(b"reached", peer)
            return
        connection, peer = one.accept()
        with connection:
            connection.settimeout(0.5)
            self.heard.append(f"connection from {peer}")
            with contextlib.suppress(TimeoutError):
                self.heard.append(connection.recv(999).decode())
            connection.sendall(b"reached")


def own_addresses() -> list[str]:
    """This machine's addresses, IPv4 and IPv6, loopback aside."""
    listed = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
    found = [address for interface in listed for address in interface.get("addr_info", [])]
    return [address["local"] for address in found if address["scope"] == "global"]


class Machine:
    """A machine in namespaces of our own, where we are root: its addresses change, other machines are its neighbours.

    On it runs a supervisor, as an account, and with it Labs. Files are those of this machine.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.resolver = directory / "resolv.conf"
        self.resolver.write_text("nameserver 127.0.0.53\n")
        self.holder = self._hold(["unshare", "--user", "--map-root-user", "--net", "--mount"])
        self.run("mount", "--bind", str(self.resolver), os.path.realpath("/etc/resolv.conf"))
        self.run("ip", "link", "set", "lo", "up")
        account = [f"--map-user={os.getuid()}", f"--map-group={os.getgid()}"]
        self.account = self._hold([*self.words(), "unshare", "--user", *account])
        self.supervisor: subprocess.Popen | None = None
        self._others: list[subprocess.Popen] = []
        self._programs: list[subprocess.Popen] = []

    @staticmethod
    def _hold(words: list[str]) -> subprocess.Popen:
        """A process that keeps the namespaces which these words make."""
        return _begin([*words, "sh", "-c", "echo ready; exec sleep infinity"])

    def words(self, holder: subprocess.Popen | None = None) -> list[str]:
        """What a command is run by to be root there."""
        target = str((holder or self.holder).pid)
        return ["nsenter", "--user", "--net", "--mount", "--preserve-credentials", "--target", target]

    def run(self, *command: str, holder: subprocess.Popen | None = None) -> str:
        """A command of the machine's root, or of another machine's."""
        done = subprocess.run([*self.words(holder), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def neighbour(self, number: int, *addresses: str) -> subprocess.Popen:
        """Another machine, cabled to this one, at these addresses."""
        process = self._hold([*self.words(), "unshare", "--net"])
        self._others.append(process)
        self.run("ip", "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
        self.run("ip", "link", "set", f"to{number}", "up")
        for command in (["link", "set", "lo", "up"], ["link", "set", "eth0", "up"]):
            self.run("ip", *command, holder=process)
        for address in addresses:
            self.run("ip", "address", "add", f"{address}/32", "dev", "eth0", holder=process)
            self.run("ip", "route", "add", address, "dev", f"to{number}")
        return process

    def serve(self, program: str, *arguments: str, holder: subprocess.Popen | None = None) -> None:
        """Run a Python program there until the end; it prints a line when it is ready."""
        self._programs.append(_begin([*self.words(holder), sys.executable, "-c", program, *arguments]))

    def start_supervisor(self, **environment: str) -> None:
        """Run the supervisor; returns when it answers."""
        paths = {
            "COLLABORATORY_RUN": str(self.directory / "run"),
            "LAB_ROOT": str(self.directory / "lab"),
            "DRIVE_ROOT": str(self.directory / "drive"),
            "PYTHONPATH": str(CODE),
        }
        become_account = ["nsenter", "--user", "--preserve-credentials", "--target", str(self.account.pid)]
        command = [*self.words(), *become_account, sys.executable, "-m", "lab.supervisor"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
        with (self.directory / "log").open("ab") as log:
            self.supervisor = subprocess.Popen(command, env=kept | paths | environment, stdout=log, stderr=log)
        wait_for(lambda: self._answers(), 20, "the supervisor did not start")

    def _answers(self) -> bool:
        try:
            return bool(self.ask("ping")["ok"])
        except OSError:
            return False

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """A request to the supervisor."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(90)
            connection.connect(str(self.directory / "run/supervisor.sock"))
            connection.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                return json.loads(lines.readline())

    def end_supervisor(self) -> None:
        """Labs go on."""
        assert self.supervisor
        self.supervisor.terminate()
        self.supervisor.wait(30)

    def launch(self) -> "LabKernel":
        """A kernel in a new Lab."""
        server = uuid.uuid4().hex
        launch = {
            "server_id": server,
            "username": "mallory",
            "display_name": "Mallory",
            "email": "m@example.org",
            "token": "secret",
            "prefix": settings.LAB_BASE_ENVIRONMENT,
            "mounts": [],
            "network": "slirp4netns",
        }
        started = self.ask("start", launch=launch)
        assert started["ok"], started
        answered = self.ask("wait", server_id=server, timeout=60)
        assert answered["ok"], answered
        return LabKernel(str(self.directory / f"run/lab/{server}.sock"), "secret")

    def forget_rules(self) -> None:
        """Take the rules away from all Labs, as none had any before there were rules."""
        inits = [found.pid for found in processes.sandboxes(self.directory / "lab/servers") if found.is_init]
        for pid in inits:
            self.run("nsenter", f"--net=/proc/{pid}/ns/net", "nft", "flush", "ruleset")

    def stop(self) -> None:
        """End everything that was started here: the last process of a PID namespace takes the others along."""
        with contextlib.suppress(OSError):
            for server in self.ask("inspect")["servers"]:
                self.ask("destroy", server_id=server["server_id"])
        if self.supervisor:
            self.end_supervisor()
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.directory / "lab/namespace.pid").read_text()), signal.SIGKILL)
        for process in [*self._programs, *self._others, self.account, self.holder]:
            process.kill()
            process.wait()


def _begin(command: list[str]) -> subprocess.Popen:
    """Start a process and wait for the line by which it says that it is ready."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


class LabKernel(Kernel):
    """A kernel of a Lab, over the Lab's own socket, without a proxy in between."""

    def __init__(self, path: str, token: str) -> None:
        self.path, self.headers = path, {"Authorization": f"token {token}"}
        self.id = self._make()
        self.socket = self.connect()

    def _make(self) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(self.path)
            head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            connection.sendall(
                f"POST /api/kernels HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 2\r\n"
                "Connection: close\r\n\r\n{}".encode()
            )
            with connection.makefile("rb") as answer:
                return json.loads(answer.read().partition(b"\r\n\r\n")[2])["id"]

    def connect(self) -> ClientConnection:
        return unix_connect(
            self.path,
            uri=f"ws://localhost/api/kernels/{self.id}/channels",
            additional_headers=self.headers,
            max_size=None,
            open_timeout=30,
        )


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """A machine in a directory whose sockets have short paths."""
    directory = Path(tempfile.mkdtemp(prefix="net-", dir="/tmp"))
    made = Machine(directory)
    try:
        yield made
    finally:
        made.stop()
        if (directory / "log").exists():  # pytest shows it when the test failed
            print((directory / "log").read_text(errors="replace"))
        shutil.rmtree(directory, ignore_errors=True)
