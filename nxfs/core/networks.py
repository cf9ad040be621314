"""Addresses as something that one subscriber has."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

IPV6_NETWORK_BITS = 64


def subscriber_of(address: str | None) -> str:
    """Return ``address``, or of an IPv6 address the network that one subscriber has; an empty text for None."""
    if address is None:
        return ""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.IPv6Network((int(parsed), IPV6_NETWORK_BITS), strict=False))


def is_among(address: str | None, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    """True when ``address`` belongs to one of the networks."""
    if address is None or not networks:
        return False
    parsed = _parsed(address)
    return any(parsed in network for network in networks)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address; an IPv4 address that is written as IPv6 is one of IPv4."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
