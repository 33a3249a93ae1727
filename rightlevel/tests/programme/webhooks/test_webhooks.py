"""Webhooks: who may make them, what is written in the deed's own transaction, what is shown once and kept sealed, what is bounded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import seal_of
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.rounds import set_round_state
from rightlevel.programme.webhooks import (
    EVENTS,
    Named,
    NewWebhook,
    NotDead,
    OpenRound,
    TooManyWebhooks,
    WebhookChange,
    WebhookDelivery,
    WebhookMade,
    change_webhook,
    claim_delivery,
    create_webhook,
    list_deliveries,
    list_webhooks,
    pause_s,
    read_webhook,
    remove_webhook,
    renew_secret,
    rounds_to_look_at,
    secrets_of,
    send_again,
    send_all_again,
    settle_delivery,
    tell_complete_schools,
    tell_webhooks,
    try_webhook,
)
from rightlevel.programme.webhooks.model import LONGEST_PAUSE_S, MOST_WAITING, MOST_WEBHOOKS, secret_text

pytestmark = pytest.mark.anyio
CLOCK = StandingClock(NOW)
ALL = PageRequest(100)
OUTSIDE = Named()
URL = "https://example.org/hook"

QUERIES = read_queries(
    """
-- name: secrets
-- What lies in the table.
select secret, secret_before from webhook where id = %(id)s
-- name: fill
-- Deliveries that wait.
insert into webhook_delivery (webhook_id, event, body, made_at, state, next_at, until_at)
select %(id)s, 'round.closed', '{}', now(), 'waiting', now(), now() from generate_series(1, %(count)s)
-- name: audited
-- What the audit has of webhooks.
select string_agg(coalesce(after::text, '') || coalesce(before::text, ''), ' ') from audit_entry where resource = 'webhook'
""",
    origin="test_webhooks.py",
)


class Kept(msgspec.Struct, frozen=True):
    secret: bytes
    secret_before: bytes | None


async def make(session: Session, cast: Cast, *events: Any, url: str = URL) -> WebhookMade:
    new = NewWebhook("Ministry", url, list(events or EVENTS))
    return await create_webhook(session, cast.coordinator, new, CLOCK, OUTSIDE)


async def told(session: Session, cast: Cast, webhook_id: int) -> list[WebhookDelivery]:
    return (await list_deliveries(session, cast.coordinator, webhook_id, ALL)).items


async def test_leaders_alone_have_to_do_with_webhooks(session: Session, cast: Cast) -> None:
    made = await make(session, cast)
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await create_webhook(session, actor, NewWebhook("n", URL, ["round.closed"]), CLOCK, OUTSIDE)
        with pytest.raises(Forbidden):
            await list_deliveries(session, actor, made.webhook.id, ALL)
        with pytest.raises(Forbidden):
            await remove_webhook(session, actor, made.webhook.id, reason="why not")


async def test_a_secret_is_told_once_and_lies_sealed(session: Session, cast: Cast) -> None:
    made = await make(session, cast)
    assert made.secret.startswith("whsec_")
    [kept] = await session.fetch_all(QUERIES["secrets"], {"id": made.webhook.id}, into=Kept)
    opened = (await seal_of(session)).open(kept.secret, of=f"webhook {made.webhook.id}")
    assert secret_text(opened) == made.secret
    assert opened not in kept.secret
    shown = repr(await read_webhook(session, cast.admin, made.webhook.id))
    audited = await session.fetch_value(QUERIES["audited"], {})
    assert made.secret not in shown + audited
    assert "/hook" not in audited, "an address is a secret with many services"
    assert "example.org" in audited


async def test_for_a_day_what_is_sent_is_signed_by_both_secrets(session: Session, cast: Cast) -> None:
    made = await make(session, cast, "round.closed")
    webhook_id = made.webhook.id
    newer = await renew_secret(session, cast.coordinator, webhook_id, CLOCK)
    assert newer.secret != made.secret
    assert newer.webhook.version == made.webhook.version + 1
    seal = await seal_of(session)
    for later, expected in (
        (timedelta(), [newer.secret, made.secret]),
        (timedelta(days=1, seconds=1), [newer.secret]),
    ):
        now = NOW + later
        await tell_webhooks(session, "round.closed", {}, now)
        claimed = await claim_delivery(session, webhook_id, now, now + timedelta(days=3))
        assert claimed is not None
        assert [secret_text(each) for each in secrets_of(seal, claimed)] == expected


async def test_what_a_webhook_can_not_be_is_named(session: Session, cast: Cast) -> None:
    broken = NewWebhook("", "http://example.org/", [])
    with pytest.raises(Invalid) as refused:
        await create_webhook(session, cast.admin, broken, CLOCK, OUTSIDE)
    assert [each.field for each in refused.value.faults] == ["name", "url", "events"]
    inside = NewWebhook("Inside", "http://hub.lan:8080/x", ["round.closed"])
    with pytest.raises(Invalid):
        await create_webhook(session, cast.admin, inside, CLOCK, Named(("hub.lan:8081", "other.lan")))
    made = await create_webhook(session, cast.admin, inside, CLOCK, Named(("hub.lan:8080",)))
    assert made.webhook.url == "http://hub.lan:8080/x"


async def test_there_are_twenty_at_most(session: Session, cast: Cast) -> None:
    for _ in range(MOST_WEBHOOKS):
        await make(session, cast)
    with pytest.raises(TooManyWebhooks):
        await make(session, cast)
    assert len((await list_webhooks(session, cast.admin, ALL)).items) == MOST_WEBHOOKS


async def test_an_old_version_is_refused_with_both(session: Session, cast: Cast) -> None:
    made = await make(session, cast)
    change = WebhookChange(made.webhook.version, is_on=False)
    off = await change_webhook(session, cast.admin, made.webhook.id, change, OUTSIDE)
    assert not off.is_on
    with pytest.raises(Stale):
        await change_webhook(session, cast.admin, made.webhook.id, change, OUTSIDE)


async def test_closing_opening_again_and_freezing_a_round_are_told_and_nothing_else(
    session: Session, cast: Cast
) -> None:
    made = await make(session, cast)
    other = await make(session, cast, "import.done")
    off = await make(session, cast)
    change = WebhookChange(off.webhook.version, is_on=False)
    await change_webhook(session, cast.admin, off.webhook.id, change, OUTSIDE)
    version = 1
    for state in ("closed", "open", "closed", "frozen"):
        changed = await set_round_state(
            session, cast.coordinator, cast.round, version=version, state=state, clock=CLOCK, reason="so"
        )
        version = changed.version
    found = await told(session, cast, made.webhook.id)
    assert [each.event for each in reversed(found)] == [
        "round.closed",
        "round.reopened",
        "round.closed",
        "round.frozen",
    ]
    assert msgspec.json.decode(found[0].body) == {
        "type": "round.frozen",
        "timestamp": "2026-11-23T08:00:00Z",
        "data": {"round": {"id": cast.round, "year": "2026", "kind": "baseline", "state": "frozen"}},
    }
    assert await told(session, cast, other.webhook.id) == []
    assert await told(session, cast, off.webhook.id) == []


async def test_a_queue_takes_a_thousand_and_keeps_the_rest_as_given_up(session: Session, cast: Cast) -> None:
    made = await make(session, cast)
    beside = await make(session, cast)
    webhook_id = made.webhook.id
    await session.execute(QUERIES["fill"], {"id": webhook_id, "count": MOST_WAITING})
    await tell_webhooks(session, "round.closed", {}, NOW)
    [last] = (await list_deliveries(session, cast.admin, webhook_id, ALL, state="dead")).items
    assert last.error == "Too many wait already."
    [other] = await told(session, cast, beside.webhook.id)
    assert other.state == "waiting", "one that is full holds up no other"
    assert (await send_all_again(session, cast.admin, webhook_id, CLOCK)).deliveries == 0
    found = await read_webhook(session, cast.admin, webhook_id)
    assert (found.waiting, found.dead) == (MOST_WAITING, 1)


async def test_what_was_given_up_is_sent_again_by_hand(session: Session, cast: Cast) -> None:
    made = await make(session, cast)
    webhook_id = made.webhook.id
    sent = await try_webhook(session, cast.coordinator, webhook_id, CLOCK)
    assert (sent.event, sent.state) == ("webhook.test", "waiting")
    with pytest.raises(NotDead):
        await send_again(session, cast.coordinator, sent.id, CLOCK)
    claimed = await claim_delivery(session, webhook_id, NOW, NOW + timedelta(minutes=1))
    assert claimed is not None
    assert await claim_delivery(session, webhook_id, NOW, NOW) is None, "it is somebody's for now"
    dead = {
        "delivery_id": sent.id,
        "attempts": claimed.attempts,
        "leased_until": claimed.leased_until,
        "state": "dead",
        "next_at": NOW,
        "ended_at": NOW,
        "status": 500,
        "error": "answered 500",
    }
    assert await settle_delivery(session, {**dead, "attempts": 7}) == 0, (
        "a try that is not the last says nothing"
    )
    assert await settle_delivery(session, {**dead, "leased_until": NOW}) == 0, "nor one of another lease"
    assert await settle_delivery(session, dead) == 1
    again = await send_again(session, cast.coordinator, sent.id, CLOCK)
    assert (again.state, again.attempts, again.message_id) == ("waiting", 0, sent.message_id)
    await remove_webhook(session, cast.coordinator, webhook_id, reason="over")
    with pytest.raises(NotFound):
        await send_again(session, cast.coordinator, sent.id, CLOCK)


async def test_a_school_is_told_once_when_it_is_complete_and_again_when_it_is_so_again(
    session: Session, cast: Cast
) -> None:
    assert await rounds_to_look_at(session) == [], "nobody asks"
    made = await make(session, cast, "school.complete")
    rounds = await rounds_to_look_at(session)
    assert rounds == [OpenRound(cast.round, "baseline", "2026")]

    async def look() -> int:
        return (await tell_complete_schools(session, rounds[0], after_id=0, now=NOW)).told

    async def enter(student_id: str, subject: str) -> None:
        number = next(numbers)
        write = ResultWrite(
            f"01939a00-0000-7000-8000-{number:012d}",
            student_id,
            cast.round,
            subject,
            NOW.date(),
            outcome="absent",
        )
        [answer] = await enter_results(session, cast.coordinator, [write], CLOCK)
        assert answer.is_saved, answer

    numbers = iter(range(1, 100))
    assert await look() == 0
    for student_id in cast.students_b:
        await enter(student_id, "language")
        assert await look() == 0
    for student_id in cast.students_b:
        assert await look() == 0
        await enter(student_id, "math")
    assert await look() == 1
    assert await look() == 0, "it is told once"
    [one] = await told(session, cast, made.webhook.id)
    data = msgspec.json.decode(one.body)["data"]
    assert (data["school"]["code"], data["enrolled"], data["round"]["kind"]) == ("B", 3, "baseline")


def test_pauses_grow_to_four_hours_and_heed_the_receiver_within_one() -> None:
    assert [pause_s(each, 0.5) for each in (1, 2, 3, 4)] == [10, 30, 90, 270]
    assert pause_s(30, 0.5) == LONGEST_PAUSE_S
    assert pause_s(10_000, 1.0) == pytest.approx(LONGEST_PAUSE_S * 1.2)
    assert pause_s(1, 0.5, 600) == 600
    assert pause_s(1, 0.5, 1e9) == 3_600


def test_a_host_is_named_whole_or_with_its_port() -> None:
    from flatwater.outward import read_address

    named = Named(("hub.lan", "127.0.0.1:8080", "[fd00::1]:443"))
    assert named.has(read_address("http://HUB.lan:99/"))
    assert named.has(read_address("http://127.0.0.1:8080/"))
    assert named.has(read_address("https://[fd00::1]/"))
    assert not named.has(read_address("http://127.0.0.1:8081/"))
    assert not named.has(read_address("http://nothub.lan/"))
    assert not named.reaches(read_address("https://example.org/"), "10.0.0.1")
    assert named.reaches(read_address("https://hub.lan/"), "10.0.0.1")
