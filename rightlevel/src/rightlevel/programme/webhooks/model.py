"""What a webhook is, what is told by it, how it is signed, and when it is tried again."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from flatwater.outward import Address, is_public, read_address
from flatwater.shown_once import ShownOnce
from rightlevel.programme.errors import Fault

WebhookEvent: TypeAlias = Literal[
    "round.closed",
    "round.reopened",
    "round.frozen",
    "import.done",
    "import.undone",
    "school.complete",
    "school.approved",
]
EVENTS: Final[tuple[WebhookEvent, ...]] = get_args(WebhookEvent)
TEST: Final = "webhook.test"
DeliveryState: TypeAlias = Literal["waiting", "sent", "dead"]
STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)

MOST_WEBHOOKS: Final = 20
MOST_WAITING: Final = 1_000
"""Of one webhook; what comes beyond is kept as dead, to be seen and sent by hand."""
MOST_URL: Final = 500
MOST_NAME: Final = 100
TRIED_FOR: Final = timedelta(days=1)
SECRET_STAYS: Final = timedelta(days=1)
"""As long as what is sent is signed by the secret before as well."""
SECRET_BYTES: Final = 32
PREFIX: Final = "whsec_"
FIRST_PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 4 * 3_600.0
LONGEST_ASKED_S: Final = 3_600.0
"""A receiver that asks for more is asked again after an hour."""
TRIPLED: Final = 3.0
GONE: Final = 410
"""The one answer that means never."""


class Webhook(msgspec.Struct, frozen=True):
    """An address that is told of what happens. `waiting` and `dead` are how many deliveries of it there are, counted up to 1,000."""

    id: int
    name: str
    url: str
    events: list[WebhookEvent]
    is_on: bool
    version: int
    created_at: datetime
    created_by: str
    waiting: int
    dead: int


class NewWebhook(msgspec.Struct, frozen=True):
    """What a webhook needs: what it is called, where it leads, and of what it tells."""

    name: str
    url: str
    events: list[WebhookEvent]


class WebhookChange(msgspec.Struct, frozen=True):
    """What may change about a webhook; what is None stays."""

    version: int
    name: str | None = None
    url: str | None = None
    events: list[WebhookEvent] | None = None
    is_on: bool | None = None


class WebhookMade(msgspec.Struct, frozen=True):
    """A webhook with the secret that signs what it is sent, shown this once."""

    webhook: Webhook
    secret: ShownOnce


class WebhookDelivery(msgspec.Struct, frozen=True):
    """Something told by a webhook: `waiting` to be sent or tried again, `sent`, or `dead`, which is tried no more unless somebody says so."""

    id: int
    webhook_id: int
    message_id: str
    event: str
    body: str
    made_at: datetime
    state: DeliveryState
    attempts: int
    next_at: datetime
    ended_at: datetime | None
    status: int | None
    error: str | None


class Named(msgspec.Struct, frozen=True):
    """Hosts inside one's own network that an operator named: each is `host`, for any port, or `host:port`."""

    hosts: tuple[str, ...] = ()

    def has(self, address: Address) -> bool:
        """Whether this very host (and port) was named."""
        names = {each.strip().lower() for each in self.hosts}
        host = f"[{address.host}]" if ":" in address.host else address.host
        return bool({address.host, host, f"{host}:{address.port}"} & names)

    def reaches(self, address: Address, ip: str) -> bool:
        """Whether something may be sent to this IP address of the host."""
        return self.has(address) or is_public(ip)


def url_faults(url: str, named: Named) -> list[Fault]:
    """What is wrong with where a webhook leads, as far as the text itself tells."""
    if not 1 <= len(url) <= MOST_URL:
        return [Fault("url", f"Between 1 and {MOST_URL} characters", url[:60])]
    try:
        address = read_address(url)
    except ValueError:
        return [Fault("url", "A web address such as https://example.org/hook", url[:60])]
    if not address.is_tls and not named.has(address):
        return [
            Fault(
                "url",
                "It begins with https://, or its host is named by RIGHTLEVEL_WEBHOOKS_INTERNAL",
                url[:60],
            )
        ]
    return []


def faults_of(
    name: str | None, url: str | None, events: list[WebhookEvent] | None, named: Named
) -> list[Fault]:
    """Everything wrong with what a webhook is to be; what is None is not asked."""
    faults: list[Fault] = []
    if name is not None and not 1 <= len(name.strip()) <= MOST_NAME:
        faults.append(Fault("name", f"Between 1 and {MOST_NAME} characters", name[:60]))
    if url is not None:
        faults += url_faults(url, named)
    if events is not None and not events:
        faults.append(Fault("events", "At least one of them"))
    return faults


def body_of(event: str, at: datetime, about: dict[str, object]) -> str:
    """What is sent, as Standard Webhooks has it. *Source*: standardwebhooks.com, "payload structure"."""
    return msgspec.json.encode({"type": event, "timestamp": at, "data": about}).decode()


def secret_text(secret: bytes) -> str:
    """A secret, as whoever checks signatures is told it."""
    return PREFIX + base64.b64encode(secret).decode()


def signature_headers(message_id: str, at: datetime, body: bytes, secrets: list[bytes]) -> dict[str, str]:
    """The three headers of Standard Webhooks, with a signature by each secret. *Source*: standardwebhooks.com, version 1 (HMAC-SHA256)."""
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(each, signed, "sha256")).decode() for each in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }


def pause_s(attempts: int, chance: float, asked_s: float | None = None) -> float:
    """How long after so many tries the next one comes: three times as long each, never more than four hours, a fifth more or less by `chance`
    (0 to 1) so that not all come at once; not before the receiver asked for it, within an hour.
    """
    grown = FIRST_PAUSE_S * TRIPLED ** min(attempts - 1, 20)
    pause = min(LONGEST_PAUSE_S, grown) * (0.8 + 0.4 * chance)
    return max(pause, min(asked_s or 0.0, LONGEST_ASKED_S))
