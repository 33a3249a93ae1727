"""The library over HTTP: activities, links and files."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created, Streamed, Upload
from flatwater.paging import Page, PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.permissions import May
from rightlevel.programme.resources import (
    MAX_FILE_BYTES,
    MEDIA_TYPES,
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
    open_file,
    read_resource,
    restore_resource,
)
from rightlevel.web.call import (
    READ_S,
    SMALL_BODY,
    Ask,
    ById,
    Deletion,
    actor_of,
)
from rightlevel.web.files import file_headers, files_of
from rightlevel.web.routes import Routes

routes = Routes("resources")

SEND_S = 120.0
"""25 MB over a village's telephone network, at 2 Mbit/s."""


class FileForm(msgspec.Struct, frozen=True):
    """What a sent file is about."""

    title: str
    words: str = ""
    subject: str = ""
    level_from: str = ""
    level_to: str = ""


@routes.get("/api/v1/resources", May("read", "resource"), page=PageLimit(50))
async def list_all_resources(call: Ask, *, query: ResourceSearch, page: PageRequest) -> Page[Resource]:
    """Activities, files and links for a subject and level, the newest first."""
    return await list_resources(call.session, actor_of(call), page, query, call.clock)


@routes.post("/api/v1/resources", May("change", "resource"))
async def create_one_resource(call: Ask, *, body: NewResource) -> Created[Resource]:
    """Adds an activity or a link."""
    made = await create_resource(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/resources/{made.id}")


@routes.post(
    "/api/v1/resource-files",
    May("change", "resource"),
    deadline_s=SEND_S,
    body_bytes=MAX_FILE_BYTES + SMALL_BODY,
)
async def create_file_resource(call: Ask, *, form: FileForm, upload: Upload | None) -> Created[Resource]:
    """Adds a PDF, picture, sound or video of up to 25 MB; its kind is told from its content."""
    made = await keep_upload(call, form, upload)
    return Created(made, f"/api/v1/resources/{made.id}")


async def keep_upload(call: Ask, form: FileForm, upload: Upload | None) -> Resource:
    """The resource made from an uploaded file. *Errors*: Invalid, LibraryFull."""
    if upload is None:
        raise Invalid(faults=(Fault("file", "A file is needed"),))
    files, actor = files_of(call), actor_of(call)
    await files.remove(await begin_upload(call.session, actor, call.clock))
    kept = await files.keep(upload.path, upload.filename)
    new = NewResource(
        "file", form.title, form.words, form.subject or None, form.level_from or None, form.level_to or None
    )
    return await create_resource(call.session, actor, new, call.clock, kept)


@routes.get("/api/v1/resources/{id}", May("read", "resource"))
async def read_one_resource(call: Ask, *, path: ById) -> Resource:
    """One activity, file or link."""
    return await read_resource(call.session, actor_of(call), path.id, call.clock)


@routes.patch("/api/v1/resources/{id}", May("change", "resource"))
async def change_one_resource(call: Ask, *, path: ById, body: ResourceChange) -> Resource:
    """Changes what a resource says; a stale version gets 409 with both."""
    return await change_resource(call.session, actor_of(call), path.id, body, call.clock)


@routes.delete("/api/v1/resources/{id}", May("change", "resource"))
async def delete_one_resource(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a resource out of use, restorably."""
    await delete_resource(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/resources/{id}/restore", May("change", "resource"))
async def restore_one_resource(call: Ask, *, path: ById) -> Resource:
    """Brings a resource back."""
    return await restore_resource(call.session, actor_of(call), path.id, call.clock)


@routes.post("/api/v1/resources/{id}/views", May("read", "resource"))
async def count_one_view(call: Ask, *, path: ById) -> None:
    """Counts that an activity or link was opened; opening a file counts by itself."""
    await count_view(call.session, actor_of(call), path.id, call.clock)


@routes.get(
    "/api/v1/resources/{id}/file", May("read", "resource"), work="none", deadline_s=SEND_S, media=MEDIA_TYPES
)
async def send_resource_file(call: Ask, *, path: ById) -> Streamed:
    """A resource's file, to be kept and not shown in the page; counts as a view."""
    actor, files = actor_of(call), files_of(call)
    async with call.database.read(deadline_s=READ_S) as session:
        stored = await open_file(session, actor, path.id)
    if not await files.has(stored.sha256):
        raise NotFound

    async def count(session: Session) -> None:
        await count_view(session, actor, path.id, call.clock)

    await call.database.run(count, deadline_s=READ_S)
    return Streamed(files.read(stored.sha256), stored.media_type, file_headers(stored))
