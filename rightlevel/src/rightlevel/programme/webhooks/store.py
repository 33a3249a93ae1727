"""The only file that knows the columns of webhook, webhook_delivery and school_told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.webhooks.model import (
    MOST_WAITING,
    TEST,
    TRIED_FOR,
    DeliveryState,
    NewWebhook,
    Webhook,
    WebhookDelivery,
)

_queries = load_queries(__package__ or "")


class Claimed(msgspec.Struct, frozen=True):
    """A delivery that was taken to be sent; secrets as they lie, sealed."""

    id: int
    message_id: str
    body: str
    attempts: int
    leased_until: datetime
    until_at: datetime
    webhook_id: int
    url: str
    secret: bytes
    secret_before: bytes | None


class OpenRound(msgspec.Struct, frozen=True):
    """A round that is open."""

    id: int
    kind: str
    year_name: str


class SchoolStanding(msgspec.Struct, frozen=True):
    """How far a school is in a round, and whether it was told to be complete."""

    id: int
    code: str
    enrolled: int
    is_complete: bool
    is_told: bool


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Told(msgspec.Struct, frozen=True):
    school_id: int


async def page_of_webhooks(session: Session, page: PageRequest) -> Page[Webhook]:
    after = page.key(tuple[int])
    values = {"after_id": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(_queries["list_webhooks"], values, into=Webhook)
    return page_of(rows, page, lambda row: (row.id,))


async def find_webhook(session: Session, webhook_id: int, *, for_update: bool = False) -> Webhook:
    """One webhook. *Errors*: NotFound."""
    query = _queries["read_webhook"]
    row = await session.fetch_one(
        query.plus("for_update") if for_update else query, {"webhook_id": webhook_id}, into=Webhook
    )
    if row is None:
        raise NotFound
    return row


async def count_webhooks(session: Session) -> int:
    return cast("int", await session.fetch_value(_queries["count_webhooks"], {}))


async def insert_webhook(session: Session, new: NewWebhook, person_id: int, now: datetime) -> int:
    values = {
        "name": new.name.strip(),
        "url": new.url,
        "events": sorted(set(new.events)),
        "person_id": person_id,
        "now": now,
    }
    return cast("int", await session.fetch_value(_queries["insert_webhook"], values))


async def keep_secret(
    session: Session, webhook_id: int, secret: bytes, *, until: datetime, is_first: bool
) -> None:
    values = {"webhook_id": webhook_id, "secret": secret, "until": until, "versions": 0 if is_first else 1}
    await session.execute(_queries["keep_secret"], values)


async def change_webhook(session: Session, webhook: Webhook, version: int) -> int:
    values = {
        "webhook_id": webhook.id,
        "version": version,
        "name": webhook.name.strip(),
        "url": webhook.url,
        "events": sorted(set(webhook.events)),
        "is_on": webhook.is_on,
    }
    return await session.execute(_queries["change_webhook"], values)


async def delete_webhook(session: Session, webhook_id: int) -> int:
    return await session.execute(_queries["delete_webhook"], {"webhook_id": webhook_id})


async def tell(session: Session, event: str, bodies: list[str], now: datetime) -> int:
    values = {
        "event": event,
        "bodies": bodies,
        "now": now,
        "until": now + TRIED_FOR,
        "most": MOST_WAITING,
    }
    return await session.execute(_queries["tell"], values)


async def tell_one(session: Session, webhook_id: int, body: str, now: datetime) -> int:
    values = {"webhook_id": webhook_id, "event": TEST, "body": body, "now": now, "until": now + TRIED_FOR}
    return cast("int", await session.fetch_value(_queries["tell_one"], values))


async def page_of_deliveries(
    session: Session, webhook_id: int, page: PageRequest, state: DeliveryState | None
) -> Page[WebhookDelivery]:
    after = page.key(tuple[int])
    values = {
        "webhook_id": webhook_id,
        "state": state,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_deliveries"], values, into=WebhookDelivery)
    return page_of(rows, page, lambda row: (row.id,))


async def find_delivery(session: Session, delivery_id: int) -> WebhookDelivery:
    """One delivery. *Errors*: NotFound."""
    row = await session.fetch_one(
        _queries["read_delivery"], {"delivery_id": delivery_id}, into=WebhookDelivery
    )
    if row is None:
        raise NotFound
    return row


async def send_again(session: Session, delivery_id: int, now: datetime) -> int:
    values = {"delivery_id": delivery_id, "now": now, "until": now + TRIED_FOR}
    return await session.execute(_queries["send_again"], values)


async def send_all_again(session: Session, webhook_id: int, now: datetime) -> int:
    values = {"webhook_id": webhook_id, "now": now, "until": now + TRIED_FOR, "most": MOST_WAITING}
    return await session.execute(_queries["send_all_again"], values)


async def due_webhooks(session: Session, now: datetime) -> list[int]:
    found = await session.fetch_all(_queries["due_webhooks"], {"now": now, "test": TEST}, into=_Id)
    return [each.id for each in found]


async def claim_delivery(
    session: Session, webhook_id: int, now: datetime, leased_until: datetime
) -> Claimed | None:
    values = {"webhook_id": webhook_id, "now": now, "leased_until": leased_until, "test": TEST}
    return await session.fetch_one(_queries["claim_delivery"], values, into=Claimed)


async def settle_delivery(session: Session, values: dict[str, Any]) -> int:
    return await session.execute(_queries["settle_delivery"], values)


async def listens_for(session: Session, event: str) -> bool:
    return bool(await session.fetch_value(_queries["listens_for"], {"event": event}))


async def open_rounds(session: Session) -> list[OpenRound]:
    return await session.fetch_all(_queries["open_rounds"], {}, into=OpenRound)


async def forget_told(session: Session) -> int:
    return await session.execute(_queries["forget_told"], {})


async def standing_of_schools(
    session: Session, round_id: int, *, after_id: int, schools: int
) -> list[SchoolStanding]:
    values = {"round_id": round_id, "after_id": after_id, "schools": schools}
    return await session.fetch_all(_queries["standing_of_schools"], values, into=SchoolStanding)


async def keep_told(session: Session, round_id: int, school_ids: list[int], now: datetime) -> set[int]:
    values = {"round_id": round_id, "school_ids": school_ids, "now": now}
    found = await session.fetch_all(_queries["keep_told"], values, into=_Told)
    return {each.school_id for each in found}


async def forget_incomplete(session: Session, round_id: int, school_ids: list[int]) -> int:
    values = {"round_id": round_id, "school_ids": school_ids}
    return await session.execute(_queries["forget_incomplete"], values)
