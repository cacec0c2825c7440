"""Addresses that a repository may be fetched from: of the public internet, and looked up once."""

import ipaddress
import socket
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


class PullRefusedError(Exception):
    """The pull was refused, and nothing was changed. The text is for the person."""


def is_public(address: str) -> bool:
    """True for an address of the public internet, whatever it is wrapped in."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64 (RFC 6052)
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if wrapped:
            return is_public(str(wrapped))
    return ip.is_global and not ip.is_multicast


def where_to_ask(repo: str, allow: list[str]) -> str:
    """`host:port:address` for curl, which then looks the name up no second time. `allow`: hosts that may be private."""
    parts = urlsplit(repo)
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc:
        raise PullRefusedError("A repository's address must begin with https:// or http:// and contain no user name.")
    port = parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise PullRefusedError(
            f"{parts.hostname} was not found, or this Lab has no network: {error.strerror}."
        ) from error
    addresses = [str(sockaddr[0]) for *_, sockaddr in sorted(found, key=lambda info: info[0] != socket.AF_INET)]
    if parts.hostname not in allow and not all(is_public(address) for address in addresses):
        raise PullRefusedError(f"{parts.hostname} is in a private network. Only public addresses are allowed.")
    first = addresses[0].partition("%")[0]
    return f"{parts.hostname}:{port}:{f'[{first}]' if ':' in first else first}"
