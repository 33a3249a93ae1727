"""Sending: signed as the standard has it, tried again, given up; one that is slow holds up none; nothing reaches inside."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from people import Cast, make_cast
from serving import DEADLINE_S, NewDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.supervisor import Supervisor
from rightlevel.operations.webhook_sending import ERRAND, LEASE, WebhookSender, look_for_complete_schools
from rightlevel.programme.webhooks import (
    Named,
    NewWebhook,
    WebhookChange,
    WebhookDelivery,
    change_webhook,
    create_webhook,
    list_deliveries,
    send_again,
    tell_webhooks,
    try_webhook,
)

pytestmark = pytest.mark.anyio
ALL = PageRequest(1_000)
HERE = Named(("127.0.0.1", "localhost"))


class Receiver:
    """Answers each POST in a thread of its own with what it was told to, and keeps what came."""

    def __init__(self, *statuses: int, more: str = "", held: threading.Event | None = None) -> None:
        self.statuses = list(statuses)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self._more = more
        self._held = held
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=s3cret"

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            lines = [line.decode().strip() for line in iter(stream.readline, b"\r\n")][1:]
            headers = dict(
                line.lower().split(": ", 1)
                if not line.lower().startswith("webhook-signature")
                else ["webhook-signature", line.split(": ", 1)[1]]
                for line in lines
            )
            body = stream.read(int(headers["content-length"]))
            if self._held is not None:
                self._held.wait(20)
            status = self.statuses.pop(0) if self.statuses else 204
            self.received.append((headers, body))
            connection.sendall(f"HTTP/1.1 {status} So\r\n{self._more}Content-Length: 0\r\n\r\n".encode())


class Programme:
    """A database with the cast in it, a sender, and its clock."""

    def __init__(self, database: Database, cast: Cast, supervisor: Supervisor) -> None:
        self.database = database
        self.cast = cast
        self.supervisor = supervisor
        self.clock = StandingClock(datetime.now(UTC))
        self.sender = self.another()

    def another(self, named: Named = HERE, sending_s: float = 2.0) -> WebhookSender:
        return WebhookSender(self.database, self.clock, self.supervisor, named, sending_s=sending_s)

    async def do(self, work: Callable[..., Any], *given: Any, **more: Any) -> Any:
        async with self.database.transaction(deadline_s=DEADLINE_S) as session:
            return await work(session, *given, **more)

    async def webhook(self, url: str, *, named: Named = HERE) -> tuple[int, str]:
        new = NewWebhook("Here", url, ["round.closed"])
        made = await self.do(create_webhook, self.cast.coordinator, new, self.clock, named)
        return made.webhook.id, made.secret

    async def tell(self, count: int = 1) -> None:
        for number in range(count):
            await self.do(tell_webhooks, "round.closed", {"number": number}, self.clock.now())

    async def turn(self, sender: WebhookSender | None = None) -> None:
        sender = sender or self.sender
        await sender.turn()
        await sender.rest()

    async def found(self, webhook_id: int) -> list[WebhookDelivery]:
        page = await self.do(list_deliveries, self.cast.coordinator, webhook_id, ALL)
        return page.items

    async def stop(self, webhook_id: int) -> None:
        change = WebhookChange(1, is_on=False)
        await self.do(change_webhook, self.cast.coordinator, webhook_id, change, HERE)


@pytest.fixture(scope="module")
async def made(new_database: NewDatabase, anyio_backend: object) -> AsyncIterator[tuple[Database, Cast]]:
    async with Database(new_database().conninfo) as database:
        async with database.transaction(deadline_s=DEADLINE_S) as session:
            cast = await make_cast(session)
        yield database, cast


@pytest.fixture
async def programme(made: tuple[Database, Cast]) -> AsyncIterator[Programme]:
    database, cast = made
    async with Supervisor() as supervisor:
        yield Programme(database, cast, supervisor)


async def test_what_is_sent_is_signed_as_the_standards_own_library_checks_it(programme: Programme) -> None:
    library = pytest.importorskip("standardwebhooks", reason="the pinned standardwebhooks is not installed")
    with Receiver() as receiver:
        webhook_id, secret = await programme.webhook(receiver.url)
        await programme.tell()
        await programme.turn()
        [(headers, body)] = receiver.received
        told = library.Webhook(secret).verify(body, headers)
        assert told["type"] == "round.closed"
        for broken in (body + b" ", body.replace(b"0", b"1")):
            with pytest.raises(Exception, match="signature"):
                library.Webhook(secret).verify(broken, headers)
        assert headers["content-type"] == "application/json"
        [found] = await programme.found(webhook_id)
        assert (found.state, found.attempts, found.status, found.error) == ("sent", 1, 204, None)
        assert headers["webhook-id"] == found.message_id
        await programme.stop(webhook_id)


async def test_a_signature_is_the_hmac_of_id_time_and_body(programme: Programme) -> None:
    """The same by hand, for a machine without the library."""
    import base64
    import hashlib
    import hmac

    with Receiver() as receiver:
        webhook_id, secret = await programme.webhook(receiver.url)
        await programme.tell()
        await programme.turn()
        [(headers, body)] = receiver.received
        await programme.stop(webhook_id)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


async def test_what_is_not_taken_is_tried_again_with_the_same_id_and_then_given_up(
    programme: Programme,
) -> None:
    with Receiver(500, 503, 429) as receiver:
        webhook_id, _ = await programme.webhook(receiver.url)
        await programme.tell()
        for tries in (1, 2, 3):
            await programme.turn()
            await programme.turn()
            assert len(receiver.received) == tries, "not before its pause is over"
            programme.clock.advance(130)
        await programme.turn()
        [found] = await programme.found(webhook_id)
        assert (found.state, found.attempts) == ("sent", 4)
        assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
        receiver.statuses = [404] * 100
        await programme.tell()
        tries = 0
        while (await programme.found(webhook_id))[0].state == "waiting":
            await programme.turn()
            programme.clock.advance(3 * 3_600)
            tries += 1
            assert tries < 30
        dead = (await programme.found(webhook_id))[0]
        assert (dead.state, dead.status, dead.error) == ("dead", 404, "answered 404")
        assert 5 < dead.attempts < 15
        await programme.stop(webhook_id)


async def test_a_receiver_that_is_gone_is_asked_no_more_and_one_that_asks_for_a_pause_gets_it(
    programme: Programme,
) -> None:
    with Receiver(410) as gone, Receiver(503, more="Retry-After: 900\r\n") as later:
        ids = [(await programme.webhook(each.url))[0] for each in (gone, later)]
        await programme.tell()
        await programme.turn()
        [[one], [two]] = [await programme.found(each) for each in ids]
        assert (one.state, one.attempts) == ("dead", 1)
        assert two.next_at - programme.clock.now() == timedelta(seconds=900)
        for each in ids:
            await programme.stop(each)


async def test_one_that_is_slow_holds_up_no_other(programme: Programme) -> None:
    held = threading.Event()
    with Receiver(held=held) as slow, Receiver() as quick:
        slow_id, _ = await programme.webhook(slow.url)
        quick_id, _ = await programme.webhook(quick.url)
        await programme.tell(20)
        began = time.monotonic()
        await programme.sender.turn()
        while len(quick.received) < 20:
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.01)
            await programme.sender.turn()
        assert slow.received == []
        states = [each.state for each in await programme.found(slow_id)]
        assert states == ["waiting"] * 20
        held.set()
        await programme.sender.rest()
        for each in (slow_id, quick_id):
            await programme.stop(each)


async def test_what_a_dead_process_took_is_sent_by_the_next_with_the_same_id(programme: Programme) -> None:
    held = threading.Event()
    with Receiver(held=held) as receiver:
        webhook_id, _ = await programme.webhook(receiver.url)
        await programme.tell()
        await programme.sender.turn()
        await asyncio.sleep(0.2)
        await programme.sender.stop()  # in the middle of sending: nothing is settled
        other = programme.another()
        await programme.turn(other)
        [found] = await programme.found(webhook_id)
        assert (found.state, found.attempts) == ("waiting", 1), "its lease is not over"
        held.set()
        programme.clock.advance(LEASE.total_seconds() + 1)
        await programme.turn(other)
        [found] = await programme.found(webhook_id)
        assert (found.state, found.attempts) == ("sent", 2)
        assert {headers["webhook-id"] for headers, _ in receiver.received} == {found.message_id}
        await programme.stop(webhook_id)


async def test_a_try_that_ends_after_it_was_sent_again_by_hand_says_nothing_of_the_new_one(
    programme: Programme,
) -> None:
    old, new = threading.Event(), threading.Event()
    with Receiver(410, held=old) as slow, Receiver(410) as gone, Receiver(held=new) as later:
        webhook_id, _ = await programme.webhook(slow.url)

        async def goes_to(url: str, version: int) -> None:
            change = WebhookChange(version, url=url)
            await programme.do(change_webhook, programme.cast.coordinator, webhook_id, change, HERE)

        await programme.tell()
        frozen, second, third = (programme.another(sending_s=10.0) for _ in range(3))
        await frozen.turn()
        await asyncio.sleep(0.2)
        await goes_to(gone.url, 1)
        programme.clock.advance(LEASE.total_seconds() + 1)
        await programme.turn(second)
        [found] = await programme.found(webhook_id)
        assert (found.state, found.attempts) == ("dead", 2)
        await goes_to(later.url, 2)
        await programme.do(send_again, programme.cast.coordinator, found.id, programme.clock)
        await third.turn()
        await asyncio.sleep(0.2)
        old.set()
        await frozen.rest()
        [found] = await programme.found(webhook_id)
        assert (found.state, found.attempts) == ("waiting", 1), "the old try's 410 is not the new one's"
        new.set()
        await third.rest()
        [found] = await programme.found(webhook_id)
        assert found.state == "sent"
        change = WebhookChange(3, is_on=False)
        await programme.do(change_webhook, programme.cast.coordinator, webhook_id, change, HERE)


async def test_two_hosts_that_send_at_once_send_each_once(programme: Programme) -> None:
    with Receiver() as receiver:
        webhook_id, _ = await programme.webhook(receiver.url)
        await programme.tell(30)
        await asyncio.gather(programme.turn(), programme.turn(programme.another()))
        assert sorted(body for _, body in receiver.received) == sorted(
            each.body.encode() for each in await programme.found(webhook_id)
        )
        assert len(receiver.received) == 30
        await programme.stop(webhook_id)


@pytest.mark.parametrize(
    "path",
    [
        "https://127.0.0.1:{port}/",
        "https://localhost:{port}/",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://2130706433:{port}/",
    ],
)
async def test_nothing_inside_is_reached_unless_it_is_named(programme: Programme, path: str) -> None:
    with Receiver() as inside:
        webhook_id, _ = await programme.webhook(path.format(port=inside.port), named=Named())
        await programme.tell()
        await programme.turn(programme.another(Named(("127.0.0.1:1",))))
        [found] = await programme.found(webhook_id)
        assert found.state == "waiting"
        assert "not outside" in (found.error or "") or "not found" in (found.error or "")
        assert inside.received == []
        await programme.stop(webhook_id)


async def test_a_host_that_is_no_longer_named_is_reached_no_more(programme: Programme) -> None:
    with Receiver() as inside:
        webhook_id, _ = await programme.webhook(inside.url)
        await programme.tell()
        await programme.turn(programme.another(Named()))
        [found] = await programme.found(webhook_id)
        assert "RIGHTLEVEL_WEBHOOKS_INTERNAL" in (found.error or "")
        assert inside.received == []
        await programme.stop(webhook_id)


async def test_one_that_is_off_is_sent_a_test_and_nothing_else(programme: Programme) -> None:
    with Receiver() as receiver:
        webhook_id, _ = await programme.webhook(receiver.url)
        await programme.tell()
        await programme.stop(webhook_id)
        await programme.do(try_webhook, programme.cast.coordinator, webhook_id, programme.clock)
        await programme.turn()
        assert [each.state for each in await programme.found(webhook_id)] == ["sent", "waiting"]


async def test_what_fails_in_the_middle_is_counted_and_nothing_of_an_address_is_logged(
    programme: Programme, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver(410) as receiver:
        webhook_id, _ = await programme.webhook(receiver.url)
        await programme.tell()
        await programme.turn()
        await programme.stop(webhook_id)
    assert "was given up" in caplog.text
    assert "s3cret" not in caplog.text
    [standing] = [each for each in programme.supervisor.errands() if each.name == ERRAND]
    assert standing.failed == 0


async def test_nothing_is_looked_for_where_nobody_asks(programme: Programme) -> None:
    assert await look_for_complete_schools(programme.database, programme.clock) == 0


def test_sending_takes_no_client_library_along() -> None:
    assert "http.client" not in sys.modules["flatwater.outward"].__dict__
