"""Which addresses a sandbox with a network may reach: nftables' rules for its own network namespace.

slirp4netns connects, as an ordinary process of this machine, to whatever address a packet has that leaves the sandbox
by the device. So nothing may leave there that means the machine itself or its surroundings. Routes cannot see to that:
a socket that is bound to the device (SO_BINDTODEVICE, IP_PKTINFO, IP_UNICAST_IF; socket(7), ip(7)) sends 127.0.0.1 out
there, and multicast past an unreachable route. Rules on the way out (nft(8), hook output) see every packet, and to
change them takes a capability over the namespace, which nothing in a sandbox has.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path

DEVICE = "tap0"
RESOLVER = "10.0.2.3"
"""At port 53 slirp4netns asks this machine's own resolver, wherever that is (slirp4netns(1))."""
NEVER = ("0.0.0.0/8", "127.0.0.0/8", "10.0.2.0/24", "224.0.0.0/4", "240.0.0.0/4")
"""Refused whatever the settings say: this host (RFC 1122), slirp4netns' own addresses, multicast, broadcast."""
AZURE = "168.63.129.16/32"
"""A public address by its looks, at which Azure tells each machine there of itself (WireServer)."""
PRIVATE = (
    *("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", AZURE),
)
"""Refused unless allowed: RFC 1918, RFC 6598 (shared by providers), RFC 3927 (link-local: clouds' metadata), RFC 2544
(for measurements, and used within networks)."""
REPLACE = "add table inet lab\ndelete table inet lab\n"
"""Takes three times as long as new rules: the kernel waits until no packet is under way (RCU)."""
_REFUSE = "reject with icmpx admin-prohibited"


@dataclass(frozen=True)
class Policy:
    """Networks that an operator allows and refuses; the most specific one that has an address decides."""

    allowed: tuple[IPv4Network, ...] = ()
    refused: tuple[IPv4Network, ...] = ()


def networks(text: str) -> tuple[IPv4Network, ...]:
    """Networks in a setting, separated by commas or spaces; ValueError for anything else, IPv6 included."""
    found = [ip_network(word) for word in text.replace(",", " ").split()]
    for network in found:
        if not isinstance(network, IPv4Network):
            raise ValueError(f"{network} is an IPv6 network, and Labs have IPv4 only")
    return tuple(network for network in found if isinstance(network, IPv4Network))


def policy(environment: Mapping[str, str] = os.environ) -> Policy:
    """The policy of LAB_NETWORK_ALLOWED and LAB_NETWORK_REFUSED; ValueError names the setting that is wrong."""
    return Policy(*(_setting(environment, f"LAB_NETWORK_{name}") for name in ("ALLOWED", "REFUSED")))


def _setting(environment: Mapping[str, str], name: str) -> tuple[IPv4Network, ...]:
    """As the portal's settings are read (django-environ, FileAwareEnv): `<name>_FILE` names a file, and comes first."""
    file = environment.get(f"{name}_FILE")
    try:
        return networks(Path(file).read_text() if file else environment.get(name, ""))
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def own_networks() -> frozenset[IPv4Network]:
    """What this machine takes for itself: its addresses, and ranges that are routed to it (ip-route(8), local)."""
    listed = subprocess.run(
        ["ip", "-json", "-4", "route", "show", "table", "local", "type", "local"], capture_output=True, check=True
    )
    return frozenset(IPv4Network(route["dst"]) for route in json.loads(listed.stdout or "[]"))


def rules(policy: Policy, own: Iterable[IPv4Network]) -> str:
    """Input of `nft -f -` for a namespace without rules; after REPLACE it replaces them, and nothing passes in between.

    `own`: the machine's own addresses, which are refused unless an allowed network is no larger than they are.
    """
    refused = {*map(IPv4Network, PRIVATE), *policy.refused, *own} - {*policy.allowed}
    decided = [*((network, "accept") for network in policy.allowed), *((network, _REFUSE) for network in refused)]
    lines = [
        f'oifname "lo" accept\noifname != "{DEVICE}" {_REFUSE}\nmeta nfproto != ipv4 {_REFUSE}',
        *(f"ip daddr {RESOLVER} {kind} dport 53 accept" for kind in ("udp", "tcp")),
        f"ip daddr {_set(map(IPv4Network, NEVER))} {_REFUSE}",
    ]
    for length in sorted({network.prefixlen for network, _ in decided}, reverse=True):
        for verdict in ("accept", _REFUSE):
            found = [network for network, its in decided if (network.prefixlen, its) == (length, verdict)]
            lines += [f"ip daddr {_set(found)} {verdict}"] if found else []
    chain = "\n".join(["type filter hook output priority filter; policy accept", *lines])
    return f"table inet lab {{\nchain output {{\n{chain}\n}}\n}}\n"


def _set(found: Iterable[IPv4Network]) -> str:
    return f"{{ {', '.join(map(str, sorted(set(found))))} }}"
