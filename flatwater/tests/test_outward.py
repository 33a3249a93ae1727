"""A POST to somebody's address: judged where it leads, connected to what was judged, no redirect, a short answer, a deadline."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import pytest
from alert_receivers import Receiver, WebhookServer

from flatwater import outward
from flatwater.outward import NotAllowed, NotAnswered, is_public, post, read_address

pytestmark = pytest.mark.anyio
INSIDE = (
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "here",
)


@pytest.mark.parametrize("address", INSIDE)
def test_what_lies_inside_or_stands_for_it_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://here/",
        "//here/",
        "https://",
        "https://user@here/",
        "https://user:word@here/",
        "https://here/#part",
        "https://he re/",
        "https://here/\r\nX: y",
        "https://hère/",
        "https://here\\@there/",
        "https://here:0/",
        "https://here:99999/",
        "https://a..b/",
        "https://[fe80::1%25lo]/",
        "https://here/" + "x" * 2_000,
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        read_address(url)


def test_an_address_is_read_into_its_parts() -> None:
    found = read_address("https://Example.org:8443/a?b=c")
    assert (found.is_tls, found.host, found.port, found.target) == (True, "example.org", 8443, "/a?b=c")
    assert found.authority == "example.org:8443"
    assert read_address("http://[2606:4700::1]/").authority == "[2606:4700::1]"


async def send(port: int, *, host: str = "127.0.0.1", deadline_s: float = 2.0) -> outward.Answered:
    address = read_address(f"http://{host}:{port}/hook")
    return await post(address, b"{}", headers={"X-Own": "1"}, reaches=outward.anywhere, deadline_s=deadline_s)


async def test_what_is_sent_arrives_whole_and_the_answer_says_when_to_come_again() -> None:
    def later(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        )

    with WebhookServer() as server:
        assert (await send(server.port)).status == 204
    [(head, body)] = server.received
    assert head.startswith("POST /hook HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}\r\n" in head
    assert "X-Own: 1" in head
    assert body == b"{}"
    with Receiver(later) as server_2:
        assert await send(server_2.port) == outward.Answered(503, 7.0)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "0"]
)
async def test_nothing_reaches_this_machine_however_it_is_written(host: str) -> None:
    with WebhookServer() as server, pytest.raises(NotAnswered):
        await post(read_address(f"http://{host}:{server.port}/"), b"{}", headers={}, deadline_s=2.0)
    assert server.received == []


async def test_a_name_that_leads_outside_and_inside_is_refused_and_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name leads elsewhere at each asking: what was judged is what is connected to."""
    asked: list[str] = []
    with WebhookServer() as server:
        answers = [["93.184.215.14", "127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]]

        async def resolve(address: outward.Address) -> list[str]:
            asked.append(address.host)
            return answers[len(asked) - 1]

        monkeypatch.setattr(outward, "_resolve", resolve)
        address = read_address(f"http://rebinding.example:{server.port}/")
        with pytest.raises(NotAllowed, match=r"127\.0\.0\.1"):
            await post(address, b"{}", headers={}, deadline_s=2.0)
        assert (
            await post(address, b"{}", headers={}, reaches=outward.anywhere, deadline_s=2.0)
        ).status == 204
    assert len(asked) == 2, "once for each sending"


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with WebhookServer() as inside, WebhookServer(307) as server:
        assert (await send(server.port)).status == 307
    assert inside.received == []


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 So\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 So\r\n" + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n")


def other(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-here\r\n\r\n")


def nothing(connection: socket.socket) -> None:
    connection.recv(10)


@pytest.mark.parametrize(
    ("serve", "why"),
    [(drip, "no answer within"), (flood, "too long"), (other, "no HTTP"), (nothing, "Error")],
)
async def test_what_does_not_answer_is_given_up_in_time(
    serve: Callable[[socket.socket], None], why: str
) -> None:
    with Receiver(serve) as server:
        began = time.monotonic()
        with pytest.raises(NotAnswered, match=why):
            await send(server.port, deadline_s=0.3)
        assert time.monotonic() - began < 5


async def test_who_is_stopped_in_the_middle_leaves_no_connection() -> None:
    with Receiver(drip) as server:
        sending = asyncio.create_task(send(server.port, deadline_s=30))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


def test_a_header_is_one_line() -> None:
    with pytest.raises(ValueError, match="one line"):
        outward._head(read_address("https://here/"), b"", {"X": "a\r\nY: b"})
