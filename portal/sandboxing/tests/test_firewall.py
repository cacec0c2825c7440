"""The rules of a sandbox's firewall as they are written; tests/sandbox/test_network.py attacks them in sandboxes."""

import os
import re
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from portal.sandboxing.firewall import AZURE, NEVER, PRIVATE, Policy, networks, own_networks, policy, rules


def verdict(text: str, address: str) -> str:
    """What the first rule with a set that holds the address says: the kernel's order."""
    for found in re.finditer(r"^ip daddr \{ (.*) \} (accept|reject)", text, re.MULTILINE):
        if any(IPv4Address(address) in IPv4Network(name) for name in found[1].split(", ")):
            return found[2]
    return "accept"


@pytest.mark.parametrize(
    ("allowed", "refused", "own", "address", "expected"),
    [
        ("", "", "", "198.51.100.7", "accept"),
        ("", "", "", "10.9.0.2", "reject"),
        ("", "", "", "169.254.169.254", "reject"),
        ("", "", "", "168.63.129.16", "reject"),
        ("", "", "", "198.18.0.1", "reject"),
        ("", "", "", "198.19.255.254", "reject"),
        ("198.18.4.0/24", "", "", "198.18.4.1", "accept"),
        ("", "", "198.51.100.7", "198.51.100.7", "reject"),
        ("10.9.0.0/16", "", "", "10.9.0.2", "accept"),
        ("10.9.0.0/16", "", "", "10.8.0.2", "reject"),
        ("10.0.0.0/8", "", "", "10.8.0.2", "accept"),
        ("10.0.0.0/8", "10.9.0.0/16", "", "10.9.0.2", "reject"),
        ("10.9.0.0/16", "10.9.0.0/16", "", "10.9.0.2", "accept"),
        ("10.0.0.0/8", "", "10.9.0.1", "10.9.0.1", "reject"),
        ("10.0.0.0/8,10.9.0.1", "", "10.9.0.1", "10.9.0.1", "accept"),
        ("", "198.51.100.0/24", "", "198.51.100.7", "reject"),
        ("198.51.100.7", "198.51.100.0/24", "", "198.51.100.7", "accept"),
        ("127.0.0.1,0.0.0.0/0", "", "127.0.0.0/8", "127.0.0.1", "reject"),
        ("224.0.0.251", "", "", "224.0.0.251", "reject"),
        ("10.0.2.2", "", "", "10.0.2.2", "reject"),
    ],
)
def test_the_most_specific_network_decides(allowed: str, refused: str, own: str, address: str, expected: str) -> None:
    text = rules(Policy(networks(allowed), networks(refused)), networks(own))
    assert verdict(text, address) == expected


def test_only_loopback_and_the_resolver_come_before_what_is_always_refused() -> None:
    lines = rules(Policy(), []).splitlines()
    accepted = [
        line for line in lines[: lines.index(next(line for line in lines if NEVER[0] in line))] if "accept" in line
    ]
    assert [line for line in accepted if "policy" not in line] == [
        'oifname "lo" accept',
        "ip daddr 10.0.2.3 udp dport 53 accept",
        "ip daddr 10.0.2.3 tcp dport 53 accept",
    ]


def test_it_reads_the_settings() -> None:
    found = policy({"LAB_NETWORK_ALLOWED": "10.1.0.0/16, 10.2.3.4", "LAB_NETWORK_REFUSED": "192.0.2.0/24"})
    assert found == Policy((IPv4Network("10.1.0.0/16"), IPv4Network("10.2.3.4")), (IPv4Network("192.0.2.0/24"),))
    assert policy({}) == Policy()


def test_it_reads_a_setting_from_a_file_as_the_portal_does(tmp_path: Path) -> None:
    """Otherwise nothing would be refused, and nothing would say so."""
    file = tmp_path / "refused"
    file.write_text("192.0.2.0/24\n")
    found = policy({"LAB_NETWORK_REFUSED_FILE": str(file), "LAB_NETWORK_REFUSED": "198.51.100.0/24"})
    assert found == Policy((), (IPv4Network("192.0.2.0/24"),))
    with pytest.raises(ValueError, match=r"LAB_NETWORK_REFUSED: .*gone"):
        policy({"LAB_NETWORK_REFUSED_FILE": str(tmp_path / "gone")})


@pytest.mark.parametrize("module", ["portal.settings", "lab.supervisor.__main__"])
@pytest.mark.parametrize("name", ["LAB_NETWORK_ALLOWED", "LAB_NETWORK_REFUSED"])
def test_a_start_with_a_wrong_setting_names_it(module: str, name: str, tmp_path: Path) -> None:
    run = "runpy.run_module(sys.argv[1], run_name='__main__' if 'lab' in sys.argv[1] else sys.argv[1])"
    places = {place: str(tmp_path / "site") for place in ("COLLABORATORY_RUN", "LAB_ROOT", "DRIVE_ROOT")}
    ended = subprocess.run(
        [sys.executable, "-c", f"import os, runpy, sys; os.geteuid = lambda: 1000; {run}", module],
        env={**os.environ, **places, name: "10.0.0.1/8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    said = ended.stderr.strip().splitlines()[-1].removeprefix("django.core.exceptions.ImproperlyConfigured: ")
    assert said == f"{name}: 10.0.0.1/8 has host bits set (docs/reference/settings.md)."


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "fd00::/8", "example.org", "10.0.0.0-10.0.0.9"])
def test_it_takes_no_setting_that_means_something_else(wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)):
        networks(wrong)


def test_the_machine_has_its_loopback_and_private_networks_are_private() -> None:
    assert IPv4Network("127.0.0.0/8") in own_networks()
    assert all(IPv4Network(network).is_private or network in ("100.64.0.0/10", AZURE) for network in PRIVATE)
