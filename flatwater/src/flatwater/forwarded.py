"""Who is behind a proxy: the address and scheme that a trusted proxy tells, by RFC 7239 or by X-Forwarded-*.

Nobody is believed unless named: a header that anybody can write says nothing. Of a chain of proxies the last address that is no
trusted proxy's is the client's; what stands before it the client may have written itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

MAX_HOPS: Final = 20
LOCAL: Final = "local"
"""The address of a peer that has none (a socket of the file system)."""
IPV6_PREFIX: Final = 64
"""One home or one school holds at least so many IPv6 addresses: counted apart, each of them would begin anew."""
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,"\s]*))\s*')

Headers = Iterable[tuple[bytes, bytes]]


class Origin(msgspec.Struct, frozen=True):
    """Where a request came from: the client's address, and whether it came to the outermost proxy over https."""

    address: str
    is_https: bool


class TrustedProxies:
    """Networks whose word is taken for where a request came from. *Errors*: ValueError for what is no address or network."""

    def __init__(self, named: Sequence[str] = ()) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._is_local_trusted = False
        for each in named:
            text = each.strip()
            if text == LOCAL:
                self._is_local_trusted = True
            elif text:
                self._networks.append(ip_network(text, strict=False))

    def trusts(self, peer: str) -> bool:
        """Whether this address is a trusted proxy's."""
        if peer == LOCAL:
            return self._is_local_trusted
        if not self._networks:  # the common case, asked for every request
            return False
        address = _read(peer)
        return address is not None and any(address in network for network in self._networks)

    def origin(self, peer: str, headers: Headers, *, scheme: str = "http") -> Origin:
        """The client behind this peer. A `Forwarded` header wins over X-Forwarded-For; a broken one leaves the last known hop."""
        here = Origin(peer, is_https=scheme == "https")
        if not self.trusts(peer):
            return here
        given = [(name, value.decode("latin-1")) for name, value in headers]
        standard = ",".join(value for name, value in given if name == b"forwarded")
        hops = _standard(standard) if standard else _customary(given)
        address, is_https = peer, here.is_https
        for hop in reversed(hops[-MAX_HOPS:]):
            if not self.trusts(address):
                break
            if hop.is_https is not None:
                is_https = hop.is_https
            if hop.address is None:
                break
            address = hop.address
        return Origin(address, is_https)


class _Hop(msgspec.Struct, frozen=True):
    address: str | None
    is_https: bool | None


def _standard(text: str) -> list[_Hop]:
    """*Source*: RFC 7239, section 4: elements by comma, pairs by semicolon, IPv6 in brackets within quotes, ports to be left out."""
    hops: list[_Hop] = []
    for element in _split(text, ","):
        pairs: dict[str, str] = {}
        for part in _split(element, ";"):
            match = _PAIR.fullmatch(part)
            if match is not None:
                quoted = match[2]
                value = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                pairs.setdefault(match[1].lower(), value)
        told = pairs.get("proto", "").lower()
        hops.append(_Hop(_address(pairs.get("for", "")), told == "https" if told else None))
    return hops


def _split(text: str, mark: str) -> list[str]:
    """Parts between marks that stand outside quotes."""
    parts, start, is_quoted, at = [], 0, False, 0
    while at < len(text):
        letter = text[at]
        if is_quoted and letter == "\\":
            at += 1
        elif letter == '"':
            is_quoted = not is_quoted
        elif letter == mark and not is_quoted:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _customary(given: list[tuple[bytes, str]]) -> list[_Hop]:
    """X-Forwarded-For and, told once for all, X-Forwarded-Proto."""
    addresses = [each for name, value in given if name == b"x-forwarded-for" for each in value.split(",")]
    told = [each for name, value in given if name == b"x-forwarded-proto" for each in value.split(",")]
    is_https = told[-1].strip().lower() == "https" if told else None
    if not addresses:
        return [_Hop(None, is_https)] if told else []
    return [_Hop(_address(each.strip()), is_https) for each in addresses]


def _address(text: str) -> str | None:
    """A plain address without its port; None for `unknown`, a made-up name and whatever else is no address."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    address = _read(bare)
    return None if address is None else str(address)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """An address; one of IPv4 that is written as IPv6 is the one of IPv4. None for whatever is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def network_of(address: str) -> str:
    """What attempts are counted by: an IPv4 address, and of an IPv6 address the network of 64 bits in which its holder may choose."""
    known = _read(address)
    if known is None:
        return address[:64]
    if isinstance(known, IPv6Address):
        return str(IPv6Network((known.packed, IPV6_PREFIX), strict=False))
    return str(known)
