"""The library: find, open, add, change, take away."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.contract import Html, Redirect, Upload
from flatwater.paging import PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.levels import SCALES
from rightlevel.programme.permissions import May
from rightlevel.programme.resources import (
    MAX_FILE_BYTES,
    NewResource,
    Resource,
    ResourceChange,
    ResourceSearch,
    begin_upload,
    change_resource,
    count_view,
    create_resource,
    delete_resource,
    list_resources,
    read_resource,
)
from rightlevel.web.call import READ_S, SMALL_BODY, Ask, ById, actor_of
from rightlevel.web.files import files_of
from rightlevel.web.pages.forms import Reason, reason_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")

SEND_S = 120.0


class Wanted(msgspec.Struct, frozen=True):
    """Which resources are asked for; levels as `subject.level`."""

    subject: str = ""


class ResourceForm(msgspec.Struct, frozen=True):
    """What the form for a resource sends; levels as `subject.level`, so that one list holds both subjects'."""

    kind: str = "activity"
    title: str = ""
    words: str = ""
    subject: str = ""
    level_from: str = ""
    level_to: str = ""
    url: str = ""
    version: int = 0


def _levels(call: Ask) -> list[tuple[str, str]]:
    _ = language_of(call).gettext
    return list(
        {level.code: (level.code, _(level.name)) for scale in SCALES.values() for level in scale}.values()
    )


@routes.get("/resources", May("read", "resource"), page=PageLimit(50))
async def resources_page(call: Ask, *, query: Wanted, page: PageRequest) -> Html:
    """Activities, files and links, the newest first."""
    asked = ResourceSearch(subject=query.subject or None)
    found = await list_resources(call.session, actor_of(call), page, asked, call.clock)
    return render(call, "resources/list.html", page=found, subject=query.subject)


@routes.get("/resources/new", May("change", "resource"))
async def new_resource_page(call: Ask) -> Html:
    """The form for a resource."""
    return render(call, "resources/form.html", **_form(call, None, ResourceForm()))


def _form(call: Ask, resource: Resource | None, form: ResourceForm) -> dict[str, Any]:
    return {"resource": resource, "form": form, "levels": _levels(call)}


@routes.post(
    "/resources/new", May("change", "resource"), deadline_s=SEND_S, body_bytes=MAX_FILE_BYTES + SMALL_BODY
)
async def create_resource_here(call: Ask, *, form: ResourceForm, upload: Upload | None) -> Redirect:
    """Adds an activity, a link or a file."""
    actor, session = actor_of(call), call.session
    new = NewResource(
        form.kind,
        form.title,
        form.words,
        form.subject or None,
        form.level_from or None,
        form.level_to or None,
        form.url or None,
    )
    kept = None
    if form.kind == "file":
        if upload is None:
            raise Invalid(faults=(Fault("file", "A file is needed"),))
        await files_of(call).remove(await begin_upload(session, actor, call.clock))
        kept = await files_of(call).keep(upload.path, upload.filename)
    made = await create_resource(session, actor, new, call.clock, kept)
    return done(call, f"/resources/{made.id}", language_of(call).gettext("Saved."))


@routes.get("/resources/{id}", May("read", "resource"))
async def resource_page(call: Ask, *, path: ById) -> Html:
    """One activity, file or link."""
    found = await read_resource(call.session, actor_of(call), path.id, call.clock)
    return render(call, "resources/one.html", resource=found)


@routes.get("/resources/{id}/edit", May("change", "resource"))
async def edit_resource_page(call: Ask, *, path: ById) -> Html:
    """The form for what a resource says."""
    found = await read_resource(call.session, actor_of(call), path.id, call.clock)
    form = ResourceForm(
        found.kind,
        found.title,
        found.words,
        found.subject or "",
        found.level_from or "",
        found.level_to or "",
        found.url or "",
        found.version,
    )
    return render(call, "resources/form.html", **_form(call, found, form))


@routes.post("/resources/{id}/edit", May("change", "resource"))
async def change_resource_here(call: Ask, *, path: ById, form: ResourceForm) -> Redirect:
    """Changes what a resource says."""
    change = ResourceChange(
        form.version,
        form.title,
        form.words,
        form.subject or None,
        form.level_from or None,
        form.level_to or None,
        form.url or None,
    )
    await change_resource(call.session, actor_of(call), path.id, change, call.clock)
    return done(call, f"/resources/{path.id}", language_of(call).gettext("Saved."))


@routes.post("/resources/{id}/delete", May("change", "resource"))
async def delete_resource_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Takes a resource out of use."""
    await delete_resource(call.session, actor_of(call), path.id, reason=reason_of(form), clock=call.clock)
    return done(call, "/resources", language_of(call).gettext("Deleted."))


@routes.get("/resources/{id}/open", May("read", "resource"), work="none")
async def open_link(call: Ask, *, path: ById) -> Html | Redirect:
    """Counts that a link was opened, and goes there."""
    actor = actor_of(call)

    async def count(session: Session) -> str | None:
        found = await read_resource(session, actor, path.id, call.clock)
        if found.url is not None:
            await count_view(session, actor, path.id, call.clock)
        return found.url

    url = await call.database.run(count, deadline_s=READ_S)
    if url is None:
        raise NotFound
    return Redirect(url, headers={"referrer-policy": "no-referrer"})
