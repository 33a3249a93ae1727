"""One POST to an address that somebody else chose: where it leads is looked at once, and that very address is connected to.

What is asked of a service by an address of somebody's (a webhook) must not reach what only the service can: its own machine, its
neighbours, a cloud's metadata. So the name is resolved once, every address that it has is judged, and the connection goes to one that was
judged: no second resolution, no redirect, a short answer, a deadline over all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

MOST_HEAD_BYTES: Final = 16 * 1024
"""An answer's head; of its body nothing is read."""
MOST_URL: Final = 2_000
MOST_TRIED: Final = 2
"""Of the addresses of a name so many are connected to; each may take the deadline's rest."""
MOST_INTERIM: Final = 3
"""Answers of the 1xx before the one that counts."""
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_NOT_GLOBAL_V6: Final = tuple(
    ipaddress.IPv6Network(each)
    # Protocol assignments with Teredo in them, 6to4 (both hold a v4 address that a gateway connects to), and documentation.
    for each in ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: |\r\n)")
_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after:[ \t]*([0-9]{1,7})[ \t]*\r\n", re.IGNORECASE)


class NotAnswered(Exception):
    """Nothing was sent, or no answer came; the text says why and quotes nothing of the address but its host."""


class NotAllowed(NotAnswered):
    """The address leads where nothing is sent."""


class Address(msgspec.Struct, frozen=True):
    """Where something is posted, in its parts. `target` is path and query."""

    is_tls: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


class Answered(msgspec.Struct, frozen=True):
    """What came back: the status, and how long to wait before another try where that was told in seconds."""

    status: int
    retry_after_s: float | None = None


def read_address(url: str) -> Address:
    """An http:// or https:// address in its parts. *Errors*: ValueError, with what is wrong, for anything that two readers could take differently."""
    if (
        len(url) > MOST_URL
        or not url.isascii()
        or any(each <= " " or each in '\\"<>^`{|}\x7f' for each in url)
    ):
        raise ValueError("an address has only printable ASCII, without spaces")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("an address begins with http:// or https:// and a host")
    if "@" in parts.netloc or "#" in url or "%" in host or host.startswith(".") or ".." in host:
        raise ValueError("an address has no user, no fragment and no empty part of a host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("a port is from 1 to 65535")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme == "https", host, port or (443 if parts.scheme == "https" else 80), target)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's: none of this machine, a private net, a link, a group, or one that stands for such."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not found.is_multicast and not found.is_reserved
    if found in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found in _GLOBAL_V6 and not any(found in each for each in _NOT_GLOBAL_V6)


def anywhere(address: str) -> bool:
    """Lets everything be reached: for addresses that an operator chose."""
    return bool(address)


async def post(
    address: Address,
    content: bytes,
    *,
    headers: Mapping[str, str],
    reaches: Callable[[str], bool] = is_public,
    tls: ssl.SSLContext | None = None,
    deadline_s: float,
) -> Answered:
    """What answers a POST. *Errors*: NotAnswered, NotAllowed where any address of the host is one that `reaches` refuses.

    *Cost*: one connection, closed after it; no thread but for resolving the name. A context for TLS is made where none is given: 20 ms.
    """
    try:
        async with asyncio.timeout(deadline_s):
            addresses = await _resolve(address)
            refused = [each for each in addresses if not reaches(each)]
            if refused:
                raise NotAllowed(f"{address.host} leads to {refused[0]}, which is not outside")
            context = (tls or ssl.create_default_context()) if address.is_tls else None
            reader, writer = await _connect(address, addresses, context)
            try:
                writer.write(_head(address, content, headers) + content)
                await writer.drain()
                return await _answer(reader)
            finally:
                # Nobody waits for the other side to say goodbye.
                writer.transport.abort()
    except TimeoutError:
        raise NotAnswered(f"no answer within {deadline_s:g} s") from None
    except ssl.SSLError as error:
        raise NotAnswered(f"TLS failed: {error.reason or type(error).__name__}"[:200]) from None
    except (OSError, EOFError) as error:
        raise NotAnswered(type(error).__name__) from None


async def _resolve(address: Address) -> list[str]:
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(address.host))]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (socket.gaierror, UnicodeError):
        raise NotAnswered(f"the name {address.host[:100]} was not found") from None
    # A scope ("fe80::1%eth0") is a link's; ip_address tells it apart, so it is refused as one.
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not addresses:
        raise NotAnswered(f"the name {address.host[:100]} was not found")
    return addresses


async def _connect(
    address: Address, addresses: list[str], context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to one of the addresses that were judged; the certificate is that of the name."""
    failed: OSError | None = None
    name = address.host if context is not None else None
    for each in addresses[:MOST_TRIED]:
        try:
            return await asyncio.open_connection(
                each, address.port, ssl=context, server_hostname=name, limit=MOST_HEAD_BYTES
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            failed = error
    raise failed or OSError("no address")


def _head(address: Address, content: bytes, headers: Mapping[str, str]) -> bytes:
    lines = {
        "Host": address.authority,
        "Content-Length": str(len(content)),
        "Connection": "close",
        "Accept": "*/*",
        **headers,
    }
    told = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    if any("\r" in each or "\n" in each for each in (*lines, *lines.values())):
        raise ValueError("a header is one line")
    return f"POST {address.target} HTTP/1.1\r\n{told}\r\n".encode("latin-1")


async def _answer(reader: asyncio.StreamReader) -> Answered:
    for _ in range(MOST_INTERIM + 1):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise NotAnswered("the answer's head was too long") from None
        found = _STATUS.match(head)
        if found is None:
            raise NotAnswered("the answer was no HTTP")
        status = int(found[1])
        if status >= 200:
            after = _RETRY_AFTER.search(head)
            return Answered(status, float(after[1]) if after else None)
    raise NotAnswered("the answer did not come to an end")
