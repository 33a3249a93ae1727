"""Webhooks: who is told of what happens, what was sent, and what is sent again."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Created, Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.webhooks import (
    EVENTS,
    STATES,
    Named,
    NewWebhook,
    Webhook,
    WebhookChange,
    WebhookEvent,
    WebhookMade,
    change_webhook,
    create_webhook,
    list_deliveries,
    list_webhooks,
    read_webhook,
    remove_webhook,
    renew_secret,
    send_again,
    send_all_again,
    try_webhook,
)
from rightlevel.web.feature import IN_PAGES, REMOVED, Deeds, Filters
from rightlevel.web.language import N_
from rightlevel.web.request import ById, Deletion, Request, actor_of
from rightlevel.web.sent import NoFields, Reason
from rightlevel.web.templating import done, render, render_once

CHANGES = May("change", "webhook")
READS = May("read", "webhook")


class DeliveriesWanted(msgspec.Struct, frozen=True):
    """Which deliveries the page shows: all, or those of one state."""

    state: str = ""


class WebhookForm(msgspec.Struct, frozen=True):
    """A webhook as its form sends it: what is not ticked is not asked for."""

    name: str
    url: str
    events: list[WebhookEvent] = []
    version: int = 0
    is_on: bool = False


def named_of(request: Request) -> Named:
    """The hosts inside that the operator named."""
    return Named(request.app.settings.webhooks_internal)


routes = Deeds("webhooks", "webhook", deeds={"delete": "change"})
routes.answers("list_all_webhooks", "GET /api/v1/webhooks", list_webhooks)
routes.answers("read_one_webhook", "GET /api/v1/webhooks/{id}", read_webhook)
routes.answers("list_deliveries_of_webhook", "GET /api/v1/webhooks/{id}/deliveries", list_deliveries, Filters)
routes.does(
    remove_webhook,
    Deletion,
    json=("remove_one_webhook", "DELETE /api/v1/webhooks/{id}"),
    html=("post_remove_webhook", "/webhooks/{id}/delete"),
    form=Reason,
    needed=("reason",),
    then="/webhooks",
    word=REMOVED,
)
routes.does(
    try_webhook,
    json=("try_one_webhook", "POST /api/v1/webhooks/{id}/test"),
    html=("post_try_webhook", "/webhooks/{id}/test"),
    then="/webhooks/{path.id}",
    word=N_("It is being sent. What became of it stands below in a few seconds."),
)
routes.does(
    send_again,
    json=("send_delivery_again", "POST /api/v1/webhooks/deliveries/{id}/send"),
    html=("post_send_delivery_again", "/webhooks/deliveries/{id}/send"),
    then="/webhooks/{made.webhook_id}",
    word=N_("It is sent again."),
)
routes.does(
    send_all_again,
    json=("send_all_deliveries_again", "POST /api/v1/webhooks/{id}/send"),
    html=("post_send_all_again", "/webhooks/{id}/send"),
    then="/webhooks/{path.id}",
    word=N_("{deliveries} are sent again."),
)


@routes.post("/api/v1/webhooks", CHANGES)
async def create_one_webhook(request: Request, *, body: NewWebhook) -> Created[WebhookMade]:
    """A new webhook with the secret that signs what it is sent, shown this once."""
    made = await create_webhook(request.session, actor_of(request), body, request.clock, named_of(request))
    return Created(made, f"/api/v1/webhooks/{made.webhook.id}")


@routes.patch("/api/v1/webhooks/{id}", CHANGES)
async def change_one_webhook(request: Request, *, path: ById, body: WebhookChange) -> Webhook:
    """Changes a webhook, or turns it on or off: what waits for one that is off goes on waiting."""
    return await change_webhook(request.session, actor_of(request), path.id, body, named_of(request))


@routes.post("/api/v1/webhooks/{id}/secret", CHANGES)
async def renew_one_secret(request: Request, *, path: ById) -> WebhookMade:
    """A new secret, shown this once; for a day the one before signs beside it."""
    return await renew_secret(request.session, actor_of(request), path.id, request.clock)


@routes.get("/webhooks", READS, **IN_PAGES)
async def webhooks_page(request: Request, *, page: PageRequest) -> Html:
    """Who is told of what happens."""
    found = await list_webhooks(request.session, actor_of(request), page)
    return render(request, "webhooks/list.html", page=found)


@routes.get("/webhooks/new", CHANGES, **IN_PAGES)
async def new_webhook_page(request: Request) -> Html:
    """The form for a webhook."""
    return render(request, "webhooks/form.html", webhook=None, events=EVENTS)


@routes.post("/webhooks/new", CHANGES, **IN_PAGES)
async def post_create_webhook(request: Request, *, form: WebhookForm) -> Html:
    """Adds a webhook, and shows its secret this once."""
    new = NewWebhook(form.name, form.url.strip(), form.events)
    made = await create_webhook(request.session, actor_of(request), new, request.clock, named_of(request))
    return render_once(request, "webhooks/secret.html", made=made)


@routes.get("/webhooks/{id}/edit", CHANGES, **IN_PAGES)
async def edit_webhook_page(request: Request, *, path: ById) -> Html:
    """The form that changes a webhook."""
    found = await read_webhook(request.session, actor_of(request), path.id)
    return render(request, "webhooks/form.html", webhook=found, events=EVENTS)


@routes.post("/webhooks/{id}/edit", CHANGES, **IN_PAGES)
async def post_change_webhook(request: Request, *, path: ById, form: WebhookForm) -> Redirect:
    """Changes a webhook."""
    change = WebhookChange(form.version, form.name, form.url.strip(), form.events, form.is_on)
    await change_webhook(request.session, actor_of(request), path.id, change, named_of(request))
    return done(request, f"/webhooks/{path.id}")


@routes.post("/webhooks/{id}/secret", CHANGES, **IN_PAGES)
async def post_renew_secret(request: Request, *, path: ById, form: NoFields) -> Html:
    """Gives a webhook a new secret, shown this once."""
    made = await renew_secret(request.session, actor_of(request), path.id, request.clock)
    return render_once(request, "webhooks/secret.html", made=made)


@routes.get("/webhooks/{id}", READS, **IN_PAGES)
async def webhook_page(request: Request, *, path: ById, query: DeliveriesWanted, page: PageRequest) -> Html:
    """One webhook: what it was told, what waits, and what was given up."""
    actor = actor_of(request)
    values: dict[str, Any] = {
        "webhook": await read_webhook(request.session, actor, path.id),
        "page": await list_deliveries(request.session, actor, path.id, page, state=query.state),
    }
    return render(request, "webhooks/one.html", **values, state=query.state, states=STATES)
