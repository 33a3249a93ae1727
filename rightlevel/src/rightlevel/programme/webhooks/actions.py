"""Who is told of what: webhooks, what they were sent, and what is sent again."""

from __future__ import annotations

import secrets
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.accounts import Seal, seal_of
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, Stale, reason_faults
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.webhooks import store
from rightlevel.programme.webhooks.model import (
    MOST_WAITING,
    MOST_WEBHOOKS,
    SECRET_BYTES,
    SECRET_STAYS,
    STATES,
    TEST,
    DeliveryState,
    Named,
    NewWebhook,
    Webhook,
    WebhookChange,
    WebhookDelivery,
    WebhookEvent,
    WebhookMade,
    body_of,
    faults_of,
    secret_text,
)


class TooManyWebhooks(Conflict):
    """There are twenty webhooks already. Take one away that is no longer needed."""

    code = "too_many_webhooks"


class TooManyWaiting(Conflict):
    """A thousand deliveries of this webhook wait already. Look first why they are not taken."""

    code = "too_many_waiting"


class NotDead(Conflict):
    """Only a delivery that was given up is sent again."""

    code = "delivery_not_dead"


def owner_of(webhook_id: int) -> str:
    """For whom a webhook's secret is sealed."""
    return f"webhook {webhook_id}"


async def tell_webhooks(
    session: Session, event: WebhookEvent, about: dict[str, object], at: datetime
) -> None:
    """Has whoever asked for an event told of it, if this transaction commits. `about` holds codes and counts, never who somebody is.

    *Cost*: one statement, which writes nothing where nobody asked.
    """
    await store.tell(session, event, [body_of(event, at, about)], at)


async def tell_of_many(
    session: Session, event: WebhookEvent, about: list[dict[str, object]], at: datetime
) -> None:
    """The same for several at once."""
    await store.tell(session, event, [body_of(event, at, each) for each in about], at)


async def list_webhooks(session: Session, actor: Actor, page: PageRequest) -> Page[Webhook]:
    """Webhooks, in the order in which they were made. *Cost*: one statement."""
    require(actor, "read", "webhook")
    return await store.page_of_webhooks(session, page)


async def read_webhook(session: Session, actor: Actor, webhook_id: int) -> Webhook:
    """One webhook. *Errors*: NotFound."""
    require(actor, "read", "webhook")
    return await store.find_webhook(session, webhook_id)


async def create_webhook(
    session: Session, actor: Actor, new: NewWebhook, clock: Clock, named: Named
) -> WebhookMade:
    """A new webhook with the secret that signs what it is sent. *Errors*: Invalid, TooManyWebhooks."""
    require(actor, "change", "webhook")
    if faults := faults_of(new.name, new.url, list(new.events), named):
        raise Invalid(faults=tuple(faults))
    if await store.count_webhooks(session) >= MOST_WEBHOOKS:
        raise TooManyWebhooks
    webhook_id = await store.insert_webhook(session, new, actor.person_id, clock.now())
    secret = await _new_secret(session, webhook_id, clock, is_first=True)
    made = await store.find_webhook(session, webhook_id)
    await write_audit(session, actor, "create", "webhook", webhook_id, after=_told(made))
    return WebhookMade(made, secret_text(secret))


async def change_webhook(
    session: Session, actor: Actor, webhook_id: int, change: WebhookChange, named: Named
) -> Webhook:
    """Changes a webhook, or turns it on or off: what waits for one that is off goes on waiting. *Errors*: NotFound, Invalid, Stale with both."""
    require(actor, "change", "webhook")
    found = await store.find_webhook(session, webhook_id, for_update=True)
    if faults := faults_of(change.name, change.url, change.events, named):
        raise Invalid(faults=tuple(faults))
    changes = {
        name: value
        for name in ("name", "url", "events", "is_on")
        if (value := getattr(change, name)) is not None
    }
    if not await store.change_webhook(session, msgspec.structs.replace(found, **changes), change.version):
        raise Stale(current=msgspec.to_builtins(found), yours=msgspec.to_builtins(change))
    after = await store.find_webhook(session, webhook_id)
    await write_audit(
        session, actor, "change", "webhook", webhook_id, before=_told(found), after=_told(after)
    )
    return after


async def remove_webhook(session: Session, actor: Actor, webhook_id: int, *, reason: str) -> None:
    """Takes a webhook away for good, with all that was to be sent. *Errors*: NotFound, Invalid without a reason."""
    require(actor, "change", "webhook")
    if faults := reason_faults(reason):
        raise Invalid(faults=tuple(faults))
    found = await store.find_webhook(session, webhook_id, for_update=True)
    await store.delete_webhook(session, webhook_id)
    await write_audit(
        session, actor, "delete", "webhook", webhook_id, before=_told(found), reason=reason.strip()
    )


async def renew_secret(session: Session, actor: Actor, webhook_id: int, clock: Clock) -> WebhookMade:
    """A new secret of a webhook; what is sent within the next day is signed by the one before as well. *Errors*: NotFound."""
    require(actor, "change", "webhook")
    await store.find_webhook(session, webhook_id, for_update=True)
    secret = await _new_secret(session, webhook_id, clock, is_first=False)
    await write_audit(session, actor, "renew_secret", "webhook", webhook_id)
    return WebhookMade(await store.find_webhook(session, webhook_id), secret_text(secret))


async def _new_secret(session: Session, webhook_id: int, clock: Clock, *, is_first: bool) -> bytes:
    secret = secrets.token_bytes(SECRET_BYTES)
    seal = await seal_of(session)
    sealed = seal.close(secret, of=owner_of(webhook_id))
    until = clock.now() + SECRET_STAYS
    await store.keep_secret(session, webhook_id, sealed, until=until, is_first=is_first)
    return secret


def secrets_of(seal: Seal, claimed: store.Claimed) -> list[bytes]:
    """The secrets that sign a delivery, opened: the present one and, for a day, the one before."""
    sealed = [claimed.secret, *([claimed.secret_before] if claimed.secret_before else [])]
    return [seal.open(each, of=owner_of(claimed.webhook_id)) for each in sealed]


async def try_webhook(session: Session, actor: Actor, webhook_id: int, clock: Clock) -> WebhookDelivery:
    """Has a webhook told something that means nothing, also one that is off. *Errors*: NotFound, TooManyWaiting."""
    require(actor, "change", "webhook")
    found = await store.find_webhook(session, webhook_id, for_update=True)
    if found.waiting >= MOST_WAITING:
        raise TooManyWaiting
    body = body_of(TEST, clock.now(), {"webhook": webhook_id})
    delivery_id = await store.tell_one(session, webhook_id, body, clock.now())
    await write_audit(session, actor, "try", "webhook", webhook_id)
    return await store.find_delivery(session, delivery_id)


async def list_deliveries(
    session: Session, actor: Actor, webhook_id: int, page: PageRequest, *, state: str | None = None
) -> Page[WebhookDelivery]:
    """What a webhook was told, or is to be, the latest first. *Errors*: NotFound, Invalid. *Cost*: two statements."""
    require(actor, "read", "webhook")
    await store.find_webhook(session, webhook_id)
    return await store.page_of_deliveries(session, webhook_id, page, _state(state))


def _state(state: str | None) -> DeliveryState | None:
    for each in STATES:
        if state == each:
            return each
    if state:
        raise Invalid(faults=(Fault("state", f"One of: {', '.join(STATES)}", state[:60]),))
    return None


async def send_again(session: Session, actor: Actor, delivery_id: int, clock: Clock) -> WebhookDelivery:
    """Has a delivery that was given up tried again, for a day. *Errors*: NotFound, NotDead, TooManyWaiting."""
    require(actor, "change", "webhook")
    found = await store.find_delivery(session, delivery_id)
    webhook = await store.find_webhook(session, found.webhook_id, for_update=True)
    if webhook.waiting >= MOST_WAITING:
        raise TooManyWaiting
    if not await store.send_again(session, delivery_id, clock.now()):
        raise NotDead
    await write_audit(
        session, actor, "send_again", "webhook", found.webhook_id, after={"delivery": delivery_id}
    )
    return await store.find_delivery(session, delivery_id)


class SentAgain(msgspec.Struct, frozen=True):
    """How many deliveries are tried again."""

    deliveries: int


async def send_all_again(session: Session, actor: Actor, webhook_id: int, clock: Clock) -> SentAgain:
    """Has every delivery of a webhook that was given up tried again, the oldest first, until a thousand wait. *Errors*: NotFound."""
    require(actor, "change", "webhook")
    await store.find_webhook(session, webhook_id, for_update=True)
    count = await store.send_all_again(session, webhook_id, clock.now())
    await write_audit(session, actor, "send_again", "webhook", webhook_id, after={"deliveries": count})
    return SentAgain(count)


def _told(webhook: Webhook) -> dict[str, object]:
    """A webhook as the audit has it: of its address only the host, for the rest of it is a secret with many services."""
    return {
        "name": webhook.name,
        "host": urlsplit(webhook.url).hostname,
        "events": list(webhook.events),
        "is_on": webhook.is_on,
    }
