"""Alarms with hysteresis, and alerts that arrive or are counted as lost."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alert_receivers import Receiver, SmtpServer, WebhookServer

from flatwater.alerts import (
    Alarms,
    Alert,
    Delivery,
    Email,
    Hysteresis,
    Kind,
    Log,
    Secret,
    Undelivered,
    Webhook,
    keep_watch,
)
from flatwater.baselines import SERVICE_LEVELS, Verdict, evaluate
from flatwater.clock import StandingClock

pytestmark = pytest.mark.anyio

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LEVELS = tuple(level for level in SERVICE_LEVELS if level.name in ("connections", "cache_hit_rate"))
ALERT = Alert("memory_bytes", "raised", "critical", "Memory: 2.1 GB, over 2 GB.", AT, AT)


class Looks:
    """Looks every 15 seconds at the number of connections."""

    def __init__(self, hysteresis: Hysteresis | None = None) -> None:
        self.clock = StandingClock(AT)
        self.alarms = Alarms(LEVELS, hysteresis=hysteresis, clock=self.clock)

    def at(self, *values: float | None, name: str = "connections") -> list[tuple[Kind, Verdict]]:
        told: list[tuple[Kind, Verdict]] = []
        for value in values:
            self.clock.advance(15)
            judgements = [found for found in evaluate({name: value}, LEVELS) if found.name == name]
            told.extend((alert.kind, alert.verdict) for alert in self.alarms.consider(judgements))
        return told


def test_an_alarm_is_raised_after_the_third_bad_look_in_a_row() -> None:
    looks = Looks()
    assert looks.at(9, 9, 3, 9, 9) == []
    assert looks.at(9) == [("raised", "warning")]
    assert looks.alarms.standing() == {"connections": "warning"}


def test_an_alarm_is_told_once_while_it_lasts_and_again_every_hour() -> None:
    looks = Looks()
    assert looks.at(9, 9, 9) == [("raised", "warning")]
    assert looks.at(*[9] * 239) == []
    assert looks.at(9) == [("reminder", "warning")]
    assert looks.at(*[9] * 239) == []
    assert looks.at(9) == [("reminder", "warning")]


def test_an_alarm_ends_after_four_good_looks_in_a_row_clear_of_the_level() -> None:
    looks = Looks()
    looks.at(9, 9, 9)
    assert looks.at(3, 3, 3, 9, 3, 3, 3) == []
    assert looks.at(3) == [("cleared", "ok")]
    assert looks.alarms.standing() == {}


def test_a_value_that_stands_at_its_level_does_not_end_the_alarm() -> None:
    looks = Looks()
    looks.at(9, 9, 9)
    assert looks.at(*[8] * 20) == []
    assert looks.at(7, 7, 7, 7) == [("cleared", "off_target")]


def test_the_margin_holds_where_higher_is_better() -> None:
    looks = Looks()
    assert looks.at(0.45, 0.45, 0.45, name="cache_hit_rate") == [("raised", "warning")]
    assert looks.at(*[0.52] * 20, name="cache_hit_rate") == []
    assert looks.at(*[0.6] * 4, name="cache_hit_rate") == [("cleared", "off_target")]


def test_a_value_that_swings_about_its_critical_level_is_told_once() -> None:
    looks = Looks()
    assert looks.at(9, 9, 9) == [("raised", "warning")]
    assert looks.at(16, 16, 16) == [("worsened", "critical")]
    assert looks.at(*[14, 16] * 20, 14, 16, 16, 16) == []


def test_what_is_critical_from_the_start_is_raised_as_critical() -> None:
    assert Looks().at(20, 20, 20) == [("raised", "critical")]


def test_an_alarm_can_be_raised_after_a_time_instead() -> None:
    looks = Looks(Hysteresis(raise_after=1, raise_after_s=60))
    assert looks.at(9, 9, 9, 9) == []
    assert looks.at(9) == [("raised", "warning")]


def test_looking_away_neither_ends_an_alarm_nor_forgets_a_suspicion() -> None:
    looks = Looks()
    assert looks.at(9, 9, None, 9) == [("raised", "warning")]
    assert looks.at(3, 3, 3, None, 3, 3, 3) == []
    assert looks.at(3) == [("cleared", "ok")]


def test_what_was_seen_and_is_seen_no_more_is_told() -> None:
    looks = Looks()
    assert looks.at(3, *[None] * 9) == []
    assert looks.at(None) == [("raised", "not_examined")]
    assert looks.at(9, 9, 9) == [("worsened", "warning")]


def test_what_is_seen_again_ends_the_alarm_even_at_its_level() -> None:
    looks = Looks()
    assert looks.at(8, *[None] * 10) == [("raised", "not_examined")]
    assert looks.at(8, 8, 8, 8) == [("cleared", "off_target")]


def test_what_was_never_seen_is_not_told_as_lost() -> None:
    assert Looks().at(*[None] * 100) == []


@pytest.mark.parametrize("broken", [{"raise_after": 0}, {"margin": 1.0}, {"remind_every_s": 0}])
def test_a_hysteresis_that_means_nothing_is_refused(broken: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Hysteresis(**broken)


async def test_a_webhook_gets_the_alert_as_json_with_its_headers() -> None:
    with WebhookServer() as server:
        url = Secret(f"http://127.0.0.1:{server.port}/hook/s3cret?x=1")
        await Webhook(url, headers={"Authorization": Secret("Bearer t0ken")}).send(ALERT)
    [(head, body)] = server.received
    assert head.startswith("POST /hook/s3cret?x=1 HTTP/1.1")
    assert "Authorization: Bearer t0ken" in head
    content = json.loads(body)
    assert content["text"] == "memory_bytes critical (raised): Memory: 2.1 GB, over 2 GB."
    assert (content["name"], content["kind"], content["at"]) == (
        "memory_bytes",
        "raised",
        "2026-11-23T12:00:00Z",
    )


async def test_an_alert_is_tried_again_and_then_counted_as_sent() -> None:
    with WebhookServer(503, 429) as server:
        webhook = Webhook(Secret(f"http://127.0.0.1:{server.port}/"))
        async with Delivery([webhook], first_pause_s=0.01) as delivery:
            delivery.tell(ALERT)
        assert len(server.received) == 3
    [found] = delivery.statistics()
    assert (found.sent, found.failed, found.dropped, found.waiting) == (1, 0, 0, 0)


async def test_after_three_tries_an_alert_is_counted_as_failed_and_the_next_goes_out() -> None:
    with WebhookServer(500, 500, 500) as server:
        async with Delivery(
            [Webhook(Secret(f"http://127.0.0.1:{server.port}/"))], first_pause_s=0.01
        ) as delivery:
            delivery.tell(ALERT)
            delivery.tell(ALERT)
        assert len(server.received) == 4
    [found] = delivery.statistics()
    assert (found.sent, found.failed) == (1, 1)


@pytest.mark.parametrize("status", [302, 404, 401])
async def test_what_another_try_cannot_help_is_not_tried_again(status: int) -> None:
    with WebhookServer(status) as server:
        async with Delivery(
            [Webhook(Secret(f"http://127.0.0.1:{server.port}/"))], first_pause_s=0.01
        ) as delivery:
            delivery.tell(ALERT)
        assert len(server.received) == 1
    assert delivery.statistics()[0].failed == 1


def drip(connection: socket.socket) -> None:
    """One byte at a time, for ever: each keeps a socket's own time-out from striking."""
    connection.sendall(b"HTTP/1.1 200 So\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


async def test_a_server_that_drips_is_given_up_at_the_deadline_and_its_thread_ends() -> None:
    with Receiver(drip) as server:
        webhook = Webhook(Secret(f"http://127.0.0.1:{server.port}/"), deadline_s=0.3)
        began = time.monotonic()
        with pytest.raises(Undelivered, match="no answer"):
            await webhook.send(ALERT)
        assert time.monotonic() - began < 5
        for _ in range(200):
            if not any(thread.name == "flatwater alert" for thread in threading.enumerate()):
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the thread is still there")


def hold(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


async def test_a_dead_channel_holds_a_hundred_alerts_at_most_and_no_other_channel(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Receiver(hold) as dead, WebhookServer() as alive:
        channels = [Webhook(Secret(f"http://127.0.0.1:{server.port}/")) for server in (dead, alive)]
        async with Delivery(channels, drain_s=0.2) as delivery:
            for _ in range(100):
                delivery.tell(ALERT)
            while delivery.statistics()[1].sent < 100:
                await asyncio.sleep(0.01)
            for _ in range(30):
                delivery.tell(ALERT)
            assert delivery.statistics()[0].waiting == 100
            assert delivery.statistics()[0].dropped == 30
            while delivery.statistics()[1].sent < 130:
                await asyncio.sleep(0.01)
    stuck = delivery.statistics()[0]
    assert (stuck.waiting, stuck.sent, stuck.dropped) == (0, 0, 130)
    assert (
        sum("dropped" in record.message or "not sent" in record.message for record in caplog.records) == 130
    )


async def test_secrets_are_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with WebhookServer(500) as server:
        webhook = Webhook(
            Secret(f"http://127.0.0.1:{server.port}/hook/s3cret"), headers={"X-Key": Secret("t0ken")}
        )
        async with Delivery([webhook], attempts=1) as delivery:
            delivery.tell(ALERT)
    gone = Webhook(Secret("http://127.0.0.1:9/hook/s3cret"))
    mail = Email(
        "127.0.0.1", port=9, sender="a@b.org", recipients=("c@d.org",), user="u", password=Secret("t0ken")
    )
    async with Delivery([gone, mail], attempts=1) as delivery:
        delivery.tell(ALERT)
    assert [found.failed for found in delivery.statistics()] == [1, 1]
    shown = caplog.text + repr([webhook, gone, mail, Secret("t0ken")]) + webhook.name + mail.name
    assert "webhook 127.0.0.1" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown


@pytest.mark.parametrize("url", ["ftp://here/", "file:///etc/passwd", "here", "http://"])
def test_a_webhook_has_a_web_address(url: str) -> None:
    with pytest.raises(ValueError, match="webhook"):
        Webhook(Secret(url))


async def test_an_email_arrives_with_its_sentence() -> None:
    with SmtpServer() as server:
        mail = Email(
            "127.0.0.1",
            port=server.port,
            tls="none",
            sender="flat@here.org",
            recipients=("a@b.org", "c@d.org"),
        )
        await mail.send(ALERT)
    [received] = server.mails
    assert b"Subject: memory_bytes critical (raised)" in received
    assert b"To: a@b.org, c@d.org" in received
    assert b"Memory: 2.1 GB, over 2 GB." in received
    assert [line for line in server.said if line.upper().startswith("RCPT")] == [
        "rcpt TO:<a@b.org>",
        "rcpt TO:<c@d.org>",
    ]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    made = folder / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=here",
    ]
    paths = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made), "-out", str(folder / "c.pem")]
    subprocess.run([*command, *paths], check=True, capture_output=True)
    made.write_text(made.read_text() + (folder / "c.pem").read_text())
    return made


def secured(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_a_password_goes_over_tls(certificate: Path) -> None:
    with SmtpServer(tls=secured(certificate)) as server:
        mail = Email(
            "127.0.0.1",
            port=server.port,
            context=trusting(certificate),
            sender="a@b.org",
            recipients=("c@d.org",),
            user="u",
            password=Secret("t0ken"),
        )
        await mail.send(ALERT)
    assert len(server.mails) == 1
    verbs = [line.split(" ")[0].upper() for line in server.said]
    assert verbs.index("STARTTLS") < verbs.index("AUTH") < verbs.index("MAIL")


async def test_a_server_whose_certificate_nobody_vouches_for_gets_no_mail(certificate: Path) -> None:
    with SmtpServer(tls=secured(certificate)) as server:
        mail = Email("127.0.0.1", port=server.port, sender="a@b.org", recipients=("c@d.org",))
        with pytest.raises(Undelivered, match="CertVerification"):
            await mail.send(ALERT)
    assert server.mails == []


async def test_a_server_without_tls_gets_no_mail_unless_told_so() -> None:
    with SmtpServer() as server:
        mail = Email("127.0.0.1", port=server.port, sender="a@b.org", recipients=("c@d.org",))
        with pytest.raises(Undelivered):
            await mail.send(ALERT)
    assert server.mails == []


async def test_a_refused_password_is_final_and_not_told(certificate: Path) -> None:
    with SmtpServer(tls=secured(certificate), refuses=b"535 t0ken is wrong\r\n") as server:
        mail = Email(
            "127.0.0.1",
            port=server.port,
            context=trusting(certificate),
            sender="a@b.org",
            recipients=("c@d.org",),
            user="u",
            password=Secret("t0ken"),
        )
        with pytest.raises(Undelivered, match="535") as refused:
            await mail.send(ALERT)
    assert refused.value.is_final
    assert "t0ken" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_an_smtp_server_that_stays_silent_is_given_up_at_the_deadline() -> None:
    with Receiver(hold) as server:
        mail = Email(
            "127.0.0.1",
            port=server.port,
            tls="none",
            sender="a@b.org",
            recipients=("c@d.org",),
            deadline_s=0.3,
        )
        with pytest.raises(Undelivered):
            await mail.send(ALERT)


@pytest.mark.parametrize(
    "broken",
    [
        {"recipients": ()},
        {"tls": "none", "user": "u", "password": Secret("t")},
        {"user": "u"},
    ],
)
def test_an_email_that_could_not_go_safely_is_refused(broken: dict[str, object]) -> None:
    given: dict[str, object] = {"sender": "a@b.org", "recipients": ("c@d.org",), **broken}
    with pytest.raises(ValueError):
        Email("here", **given)  # type: ignore[arg-type]


async def test_the_log_is_a_channel(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await Log().send(ALERT)
    await Log().send(Alert("connections", "cleared", "ok", "Connections: 3, on target.", AT, AT))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "memory_bytes critical (raised): Memory: 2.1 GB, over 2 GB."),
        ("INFO", "connections ok (cleared): Connections: 3, on target."),
    ]


async def test_the_watch_tells_what_it_sees_and_outlives_a_look_that_fails() -> None:
    looks = iter([{"connections": 9.0}, RuntimeError("away"), {"connections": 9.0}, {"connections": 9.0}])

    nothing: dict[str, float] = {}

    async def read() -> Mapping[str, float | None]:
        look = next(looks, nothing)
        if isinstance(look, Exception):
            raise look
        return look

    with WebhookServer() as server:
        async with Delivery([Webhook(Secret(f"http://127.0.0.1:{server.port}/"))]) as delivery:
            watch = asyncio.create_task(
                keep_watch(read, Alarms(LEVELS), delivery, baselines=LEVELS, every_s=0.001)
            )
            while not server.received:
                await asyncio.sleep(0.01)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
    assert json.loads(server.received[0][1])["kind"] == "raised"
