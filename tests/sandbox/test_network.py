"""What a Lab reaches over the network: other machines, and nothing of its own, however a packet is sent.

First in Labs of the site, started in either way, with services on every address of this very machine; then on a machine
that is made of namespaces, whose addresses, neighbours and resolver the tests choose.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ..support.network import ATTACK, GROUPS, LabKernel, Machine, Services, machine, own_addresses
from ..support.people import Kernel, Person
from ..support.site import wait_for

pytestmark = pytest.mark.sandbox

OF_THE_MACHINE = ["127.0.0.1", "127.0.0.53", "127.255.255.254", "0.0.0.0", "255.255.255.255", *GROUPS]
OF_SLIRP = ["10.0.2.2", "10.0.2.3", "10.0.2.15", "10.0.2.255"]
SIX = ["::1", "::ffff:127.0.0.1", "ff02::1%tap0", "fe80::2%tap0", "fd00::2", "fd00::3"]


@pytest.fixture
def notebook(attacker: Person) -> Kernel:
    """A hostile notebook in a Lab of the site."""
    notebook = attacker.kernel()
    assert not notebook.run(ATTACK).error
    return notebook


def said(kernel: Kernel, code: str) -> object:
    """The value of an expression, through JSON."""
    result = kernel.run(f"print(json.dumps({code}))", 120)
    assert not result.error, result
    return json.loads(result.text)


def test_nothing_of_this_machine_is_reached(notebook: Kernel) -> None:
    """Bound to the device, past all routes; by multicast and broadcast; at all addresses that the machine has."""
    with Services() as services:
        addresses = [*OF_THE_MACHINE, *OF_SLIRP, *SIX, "169.254.169.254", *own_addresses()]
        assert said(notebook, f"attack({addresses!r}, {services.port})") == {}
        assert services.heard == []


def test_its_own_loopback_is_its_own(notebook: Kernel) -> None:
    code = """
import threading
def serve(family, address):
    own = socket.create_server((address, 5099), family=family)
    threading.Thread(target=lambda: [own.accept()[0].sendall(b"own") for _ in iter(int, 1)], daemon=True).start()
serve(socket.AF_INET, "127.0.0.1"); serve(socket.AF_INET6, "::1")
print([attempt(address, 5099) for address in ("127.0.0.1", "::1")])
"""
    assert notebook.run(code).text.strip() == "['own', 'own']"


def test_it_writes_no_packets_itself_and_changes_nothing(notebook: Kernel) -> None:
    assert said(notebook, "open_raw()") == ["refused"] * 3
    outcomes = said(notebook, "change_rules()")
    assert isinstance(outcomes, dict)
    assert 0 not in outcomes.values(), outcomes


# A machine of namespaces. 198.51.100.7 is its public address, 10.9.0.1 the one in the institute's network.

PUBLIC, INSIDE = "198.51.100.7", "10.9.0.1"
NEIGHBOUR, STRANGER = "10.9.0.2", "203.0.113.2"
ANSWER = """
import socket, sys, threading
def serve(address, port):
    with socket.create_server((address, port)) as server:
        while True:
            one, _ = server.accept()
            with one:
                one.sendall(b"reached")
def serve_names(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        bound.release()
        while True:
            question, peer = server.recvfrom(999)
            answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + socket.inet_aton("192.0.2.99")
            end = question.index(b"\\0", 12) + 5
            server.sendto(question[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0" + question[12:end] + answer, peer)
bound = threading.Semaphore(0)
threading.Thread(target=serve, args=("0.0.0.0", 80), daemon=True).start()
for address in sys.argv[1:]:
    threading.Thread(target=serve_names, args=(address,), daemon=True).start()
    bound.acquire()
while True:
    try:
        socket.create_connection(("127.0.0.1", 80)).close()
        break
    except OSError:
        pass
print("ready", flush=True)
threading.Event().wait()
"""


@contextmanager
def made_machine() -> Iterator[Machine]:
    """A machine with two addresses and a service on all, and a neighbour with two addresses."""
    with machine() as made:
        made.run("ip", "address", "add", f"{PUBLIC}/32", "dev", "lo")
        neighbour = made.neighbour(1, NEIGHBOUR, STRANGER)
        made.run("ip", "address", "add", f"{INSIDE}/24", "dev", "to1")
        made.run("ip", "route", "add", "default", "dev", "eth0", holder=neighbour)
        made.serve(ANSWER, "127.0.0.53")
        made.serve(ANSWER, NEIGHBOUR, holder=neighbour)
        yield made


@pytest.fixture
def host() -> Iterator[Machine]:
    """One for a test that chooses settings."""
    with made_machine() as made:
        yield made


Usual = tuple[Machine, LabKernel]


@pytest.fixture(scope="module")
def usual() -> Iterator[Usual]:
    """One with the usual settings, and a hostile notebook on it, for all tests that leave both as they were."""
    with made_machine() as made:
        yield made, lab(made)


def lab(host: Machine, **settings: str) -> LabKernel:
    """A hostile notebook on that machine."""
    host.start_supervisor(**settings)
    kernel = host.launch()
    assert not kernel.run(ATTACK).error
    return kernel


def reached(kernel: Kernel, *addresses: str) -> list[str]:
    """Which of these addresses answer."""
    found = said(kernel, f"[attempt(a, 80) for a in {addresses!r}]")
    assert isinstance(found, list)
    return [address for address, answer in zip(addresses, found, strict=True) if answer == "reached"]


def test_private_networks_and_the_machine_are_refused_and_the_internet_is_not(usual: Usual) -> None:
    _, kernel = usual
    assert reached(kernel, PUBLIC, INSIDE, NEIGHBOUR, STRANGER) == [STRANGER]
    assert said(kernel, f"attack({[PUBLIC, INSIDE, NEIGHBOUR, *OF_THE_MACHINE, *OF_SLIRP, *SIX]!r}, 80)") == {}


def test_a_refusal_is_said_at_once(usual: Usual) -> None:
    _, kernel = usual
    assert said(kernel, f"attempt({NEIGHBOUR!r}, 80)") == "OSError: [Errno 113] No route to host"


def test_names_are_resolved_wherever_the_resolver_is(usual: Usual) -> None:
    """On the machine's own loopback, as systemd-resolved is, or in a private network; nothing else is reached there."""
    host, kernel = usual
    look = "[socket.gethostbyname('a.example'), attempt('10.0.2.3', 80), attempt('10.0.2.3', 53)]"
    found = said(kernel, look)
    assert isinstance(found, list)
    assert found[0] == "192.0.2.99"
    assert "reached" not in found[1:]
    host.resolver.write_text(f"nameserver {NEIGHBOUR}\n")
    # slirp4netns reads the file again a second after it has changed, at the latest.
    wait_for(lambda: said(kernel, "socket.gethostbyname('b.example')") == "192.0.2.99", 30, "no name was found")
    assert reached(kernel, NEIGHBOUR) == []


def test_an_operator_opens_private_networks_and_closes_public_ones(host: Machine) -> None:
    kernel = lab(host, LAB_NETWORK_ALLOWED="10.9.0.0/24", LAB_NETWORK_REFUSED="203.0.113.0/24")
    assert reached(kernel, PUBLIC, INSIDE, NEIGHBOUR, STRANGER) == [NEIGHBOUR]


def test_the_most_specific_network_decides_and_the_machine_is_open_only_by_name(host: Machine) -> None:
    wide = "10.0.0.0/8, 198.51.100.0/24, 203.0.113.2"
    kernel = lab(host, LAB_NETWORK_ALLOWED=wide, LAB_NETWORK_REFUSED="10.9.0.0/24,203.0.113.0/24")
    assert reached(kernel, PUBLIC, INSIDE, NEIGHBOUR, STRANGER) == [STRANGER]
    host.end_supervisor()
    host.start_supervisor(LAB_NETWORK_ALLOWED=f"{PUBLIC},127.0.0.0/8,224.0.0.0/4")
    wait_for(lambda: reached(kernel, PUBLIC) == [PUBLIC], 30, "the running Lab was not given the new settings")
    assert said(kernel, f"attack({[INSIDE, NEIGHBOUR, *OF_THE_MACHINE, *OF_SLIRP]!r}, 80)") == {}


def test_an_address_that_the_machine_gets_later_is_refused_too(usual: Usual) -> None:
    host, kernel = usual
    host.run("ip", "address", "add", "198.51.100.9/32", "dev", "lo")
    wait_for(lambda: reached(kernel, "198.51.100.9") == [], 30, "its new address is reached")
    host.run("ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo")  # AnyIP: all of them are its own
    wait_for(lambda: reached(kernel, "192.0.2.44") == [], 30, "its new addresses are reached")
    host.run("ip", "route", "del", STRANGER, "dev", "to1")
    host.run("ip", "address", "add", f"{STRANGER}/32", "dev", "lo")
    wait_for(lambda: reached(kernel, STRANGER) == [], 30, "the address is reached although it has moved here")
    host.run("ip", "address", "del", f"{STRANGER}/32", "dev", "lo")
    host.run("ip", "route", "add", STRANGER, "dev", "to1")
    wait_for(lambda: reached(kernel, STRANGER) == [STRANGER], 30, "it is refused although it has moved away")


def test_a_lab_that_began_without_the_rules_gets_them_from_the_next_supervisor(usual: Usual) -> None:
    """As after an update of the site, through which Labs go on."""
    host, kernel = usual
    host.end_supervisor()
    host.forget_rules()
    assert reached(kernel, PUBLIC, NEIGHBOUR) == [PUBLIC, NEIGHBOUR]
    host.start_supervisor()
    wait_for(lambda: reached(kernel, PUBLIC, NEIGHBOUR) == [], 30, "the running Lab still reaches the machine")
