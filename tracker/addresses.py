"""Which addresses an outgoing request may reach, and how a base URL is written. Pure: nothing is resolved or
sent.

The table follows the IANA special-purpose registries (RFC 6890) and the IPv6 address space registry:
https://www.iana.org/assignments/iana-ipv4-special-registry/
https://www.iana.org/assignments/iana-ipv6-special-registry/
https://www.iana.org/assignments/ipv6-address-space/
It is our own, because ``ipaddress.is_global`` of Python 3.11 calls ``64:ff9b::7f00:1``, ``2002:7f00:1::``,
``fec0::1`` and ``224.0.0.1`` global.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urlsplit

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FORBIDDEN_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; Alibaba's metadata
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # a public address by number, Azure's host agent by use
        "169.254.0.0/16",  # link-local, RFC 3927; the clouds' metadata
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle's metadata
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.88.99.0/24",  # 6to4 relays, withdrawn by RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112 and RFC 8190
    )
)
FORBIDDEN_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        # 2000::/3 is all that IANA has given out as global unicast. The three blocks around it hold ::, ::1,
        # the IPv4-compatible and -translated forms, 64:ff9b:1::/48, 100::/64, 5f00::/16, fc00::/7, fe80::/10,
        # fec0::/10 and ff00::/8.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # protocol assignments, RFC 2928: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056
        "3fff::/20",  # documentation, RFC 9637
    )
)
MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4-mapped, RFC 4291: the system sends these as IPv4."""
NAT64 = IPv6Network("64:ff9b::/96")
"""The well-known prefix of RFC 6052. On an IPv6-only network every IPv4 server is reached through it, so the
address inside decides."""
NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
COMPATIBLE = IPv6Network("::/96")
SIX_TO_FOUR = IPv6Network("2002::/16")
TEREDO = IPv6Network("2001::/32")
ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The upper half of an ISATAP interface identifier, RFC 5214."""

LOW_32_BITS = 0xFFFFFFFF
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """``["10.0.0.0/8", "fd00::/8"]`` as networks; blank entries are skipped.

    Raises ValueError, naming the entry, for anything that is not a network, for host bits that are set
    (``10.0.0.1/8``) and for IPv4 dressed as IPv6.
    """
    networks: list[Network] = []
    for text in (entry.strip() for entry in texts):
        if not text:
            continue
        try:
            network = ip_network(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is not a network like 10.0.0.0/8 or fd00::/8: {error}") from None
        if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
            raise ValueError(f"{text!r} is an IPv4 network written as IPv6; write the IPv4 network itself")
        networks.append(network)
    return tuple(networks)


def is_forbidden(address: Address | str, allow_nets: Iterable[Network] = ()) -> bool:
    """Whether a request must not go to this address.

    An address that carries an IPv4 one (NAT64, 6to4, Teredo, ISATAP, IPv4-compatible) is judged twice: both
    must be public or lie in ``allow_nets``. A mapped one is the IPv4 address. What cannot be read is
    forbidden.
    """
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            return True
    allowed = tuple(allow_nets)
    return any(_is_closed(part, allowed) for part in _parts(address))


def _is_closed(address: Address, allow_nets: tuple[Network, ...]) -> bool:
    if any(address in network for network in allow_nets):
        return False
    if isinstance(address, IPv4Address):
        return any(address in network for network in FORBIDDEN_IPV4)
    return address not in NAT64 and any(address in network for network in FORBIDDEN_IPV6)


def _parts(address: Address) -> Iterator[Address]:
    """The address as it is judged: without its scope, and with every IPv4 address inside it."""
    if isinstance(address, IPv4Address):
        yield address
        return
    number = int(address)
    address = IPv6Address(number)
    low = IPv4Address(number & LOW_32_BITS)
    if address in MAPPED:
        yield low
        return
    yield address
    if address in NAT64 or address in NAT64_LOCAL or (address in COMPATIBLE and number > 1):
        yield low
    elif address in SIX_TO_FOUR:
        yield IPv4Address((number >> 80) & LOW_32_BITS)
    elif address in TEREDO:
        yield IPv4Address((number >> 64) & LOW_32_BITS)
        yield IPv4Address(~number & LOW_32_BITS)
    elif (number >> 32) & LOW_32_BITS in ISATAP:
        yield low


def host_address(host: str) -> Address | None:
    """The address that a URL's host spells, or None for a name.

    Reads what browsers and ``getaddrinfo`` read (WHATWG URL, "IPv4 parser"): ``2130706433``, ``0x7f.1``,
    ``0177.0.0.1`` and ``127.1`` are all 127.0.0.1. Raises ValueError for a host that ends in a number and is
    no address.
    """
    if ":" in host:
        return IPv6Address(host)
    parts = host.removesuffix(".").split(".")
    if not NUMBER.fullmatch(parts[-1]):
        return None
    if len(parts) > 4:
        raise ValueError("not an IPv4 address")
    *leading, last = (_number(part) for part in parts)
    if any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        raise ValueError("not an IPv4 address")
    return IPv4Address(last + sum(number << (8 * (3 - place)) for place, number in enumerate(leading)))


def _number(text: str) -> int:
    # Nothing longer is an address, and int() would take signs, spaces and underscores.
    if len(text) > 64 or not NUMBER.fullmatch(text):
        raise ValueError("not an IPv4 address")
    if text[:2] in {"0x", "0X"}:
        return int(text[2:] or "0", 16)
    return int(text, 8 if len(text) > 1 and text[0] == "0" else 10)


def normalise_base_url(text: str) -> str:
    """A provider's base URL in its one spelling: lower-case ASCII host, no default port, no slash at the end.

    Raises ValueError whose text is one of these codes: ``bad_characters``, ``not_http``, ``userinfo``,
    ``query`` (or a fragment), ``no_host``, ``bad_host``, ``bad_port``.
    """
    text = text.strip()
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("bad_characters")
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError("not_http")
    if "?" in text or "#" in text:
        raise ValueError("query")
    scheme, host, port, path = _split(text)
    default = 443 if scheme == "https" else 80
    at = "" if port in {None, default} else f":{port}"
    path = quote(path, safe="/%:@!$&'()*+,;=~-._").rstrip("/")
    if re.search(r"(^|/)\.\.?(/|$)", path.replace("%2e", ".").replace("%2E", ".")):
        raise ValueError("bad_characters")
    return f"{scheme}://{host}{at}{path}"


def vet_host(url: str, allow_nets: Iterable[Network] = ()) -> None:
    """Nothing, where a request to this URL may be tried; a name is judged when it is resolved, not here.

    Raises ValueError: ``forbidden_address`` for a literal address in any spelling, or a code as above.
    """
    scheme, host, _, _ = _split(url)
    if scheme not in {"http", "https"}:
        raise ValueError("not_http")
    address = host_address(host.strip("[]"))
    if address is not None and is_forbidden(address, allow_nets):
        raise ValueError("forbidden_address")


def _split(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host as it is written in a URL, port, path."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ValueError("bad_host") from None
    if "@" in parts.netloc:
        raise ValueError("userinfo")
    if "[" in parts.netloc and ":" not in host:
        raise ValueError("bad_host")
    if not host:
        raise ValueError("no_host")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("bad_port") from None
    if port == 0:
        raise ValueError("bad_port")
    return parts.scheme, _canonical_host(host), port, parts.path


def _canonical_host(host: str) -> str:
    # Full-width digits and letters are what a Chinese keyboard types; browsers read them as ASCII, too.
    host = unicodedata.normalize("NFKC", host)
    if "%" in host:
        raise ValueError("bad_host")
    try:
        if not host.isascii():
            host = idna.encode(host).decode("ascii")
        address = host_address(host)
    except ValueError:
        raise ValueError("bad_host") from None
    if isinstance(address, IPv6Address):
        return f"[{address}]"
    if address is not None:
        return str(address)
    host = host.lower().removesuffix(".")
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("bad_host")
    return host
