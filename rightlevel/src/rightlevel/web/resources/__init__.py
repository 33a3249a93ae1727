"""The library: find, open, add, change, take away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from flatwater.byte_ranges import Part, part_asked, streamed_part
from flatwater.contract import Created, Html, Redirect, Streamed, Upload
from flatwater.paging import PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.levels import SCALES
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
from rightlevel.web.feature import IN_PAGES, REMOVED, SAVED, Feature
from rightlevel.web.files import file_headers, files_of
from rightlevel.web.request import (
    READ_S,
    SMALL_BODY,
    ById,
    Request,
    actor_of,
)
from rightlevel.web.templating import done, language_of, render

SEND_S = 120.0
"""25 MB over a village's telephone network, at 2 Mbit/s."""


class Wanted(msgspec.Struct, frozen=True):
    """Which resources are asked for; levels as `subject.level`."""

    subject: str = ""


class FileForm(msgspec.Struct, frozen=True):
    """What a sent file is about."""

    title: str
    words: str = ""
    subject: str | None = None
    level_from: str | None = None
    level_to: str | None = None


class ResourceForm(FileForm, frozen=True):
    """What the form for a resource sends."""

    kind: str = "activity"
    url: str | None = None


async def _levels(request: Request, thing: Resource | None, _: Any) -> dict[str, Any]:
    """The levels of both subjects, in one list."""
    say = language_of(request).gettext
    named = {level.code: say(level.name) for scale in SCALES.values() for level in scale}
    return {"levels": list(named.items())}


routes = Feature("resource", "resources", deeds={"create": "change", "delete": "change", "restore": "change"})
routes.lists(list_resources, ResourceSearch, rows=PageLimit(50))
routes.reads(read_resource)
routes.changes(
    change_resource,
    ResourceChange,
    "form.html",
    read=read_resource,
    then="/resources/{path.id}",
    at="/{id}/edit",
    beside=_levels,
    none_if_blank=("subject", "level_from", "level_to", "url"),
)
routes.deletes(delete_resource, then="/resources", word=REMOVED)
routes.restores(restore_resource)


routes.makes(create_resource, NewResource, says="Adds an activity or a link.")
routes.answers(
    "count_one_view",
    "POST /api/v1/resources/{id}/views",
    count_view,
    may="read",
    says="Counts that an activity or link was opened; opening a file counts by itself.",
)


@routes.post(
    "/api/v1/resource-files",
    May("change", "resource"),
    deadline_s=SEND_S,
    body_bytes=MAX_FILE_BYTES + SMALL_BODY,
)
async def create_file_resource(
    request: Request, *, form: FileForm, upload: Upload | None
) -> Created[Resource]:
    """Adds a PDF, picture, sound or video of up to 25 MB; its kind is told from its content."""
    made = await keep_upload(request, form, upload)
    return Created(made, f"/api/v1/resources/{made.id}")


async def keep_upload(request: Request, form: FileForm, upload: Upload | None) -> Resource:
    """The resource made from an uploaded file. *Errors*: Invalid, LibraryFull."""
    if upload is None:
        raise Invalid(faults=(Fault("file", "A file is needed"),))
    files, actor = files_of(request), actor_of(request)
    await files.remove(await begin_upload(request.session, actor, request.clock))
    kept = await files.keep(upload.path, upload.filename)
    new = NewResource(
        "file", form.title, form.words, form.subject, level_from=form.level_from, level_to=form.level_to
    )
    return await create_resource(request.session, actor, new, request.clock, kept)


@routes.get(
    "/api/v1/resources/{id}/file",
    May("read", "resource"),
    work="none",
    deadline_s=SEND_S,
    media=MEDIA_TYPES,
    statuses={206: "The part that Range asked for", 416: "The file is shorter than what Range asked for"},
)
async def send_resource_file(request: Request, *, path: ById) -> Streamed:
    """A resource's file, or one part of it (`Range`), to be kept and not shown in the page; its beginning counts as a view."""
    actor, files = actor_of(request), files_of(request)
    async with request.database.read(deadline_s=READ_S) as session:
        stored = await open_file(session, actor, path.id)
    if not await files.has(stored.sha256):
        raise NotFound

    async def count(session: Session) -> None:
        await count_view(session, actor, path.id, request.clock)

    headers = file_headers(stored)
    part = part_asked(request.headers, stored.size_bytes, headers["etag"])
    if is_an_opening(part):
        await request.database.run(count, deadline_s=READ_S)

    def read(wanted: Part) -> AsyncIterator[bytes]:
        return files.read(stored.sha256, first=wanted.first, size_bytes=wanted.size_bytes)

    return streamed_part(part, stored.size_bytes, read, content_type=stored.media_type, headers=headers)


def is_an_opening(part: Part | None) -> bool:
    """Whether a part is what a person opened, and not more of it: it holds the beginning, and more than the two bytes that Safari tries first."""
    return part is None or (part.first == 0 and part.size_bytes > 2)


@routes.get("/resources", May("read", "resource"), page=PageLimit(50), **IN_PAGES)
async def resources_page(request: Request, *, query: Wanted, page: PageRequest) -> Html:
    """Activities, files and links, the newest first."""
    asked = ResourceSearch(subject=query.subject or None)
    found = await list_resources(request.session, actor_of(request), page, asked, request.clock)
    return render(request, "resources/list.html", page=found, subject=query.subject)


@routes.get("/resources/new", May("change", "resource"), **IN_PAGES)
async def new_resource_page(request: Request) -> Html:
    """The form for a resource."""
    return render(request, "resources/form.html", resource=None, **await _levels(request, None, None))


@routes.post(
    "/resources/new",
    May("change", "resource"),
    deadline_s=SEND_S,
    body_bytes=MAX_FILE_BYTES + SMALL_BODY,
    **IN_PAGES,
)
async def post_create_resource(request: Request, *, form: ResourceForm, upload: Upload | None) -> Redirect:
    """Adds an activity, a link or a file."""
    if form.kind == "file":
        made = await keep_upload(request, form, upload)
    else:
        new = msgspec.convert(form, NewResource, from_attributes=True)
        made = await create_resource(request.session, actor_of(request), new, request.clock)
    return done(request, f"/resources/{made.id}", SAVED)


@routes.get("/resources/{id}", May("read", "resource"), **IN_PAGES)
async def resource_page(request: Request, *, path: ById) -> Html:
    """One activity, file or link."""
    found = await read_resource(request.session, actor_of(request), path.id, request.clock)
    return render(request, "resources/one.html", resource=found)


@routes.get("/resources/{id}/open", May("read", "resource"), work="none", **IN_PAGES)
async def open_link(request: Request, *, path: ById) -> Html | Redirect:
    """Counts that a link was opened, and goes there."""
    actor = actor_of(request)

    async def count(session: Session) -> str | None:
        found = await read_resource(session, actor, path.id, request.clock)
        if found.url is not None:
            await count_view(session, actor, path.id, request.clock)
        return found.url

    url = await request.database.run(count, deadline_s=READ_S)
    if url is None:
        raise NotFound
    return Redirect(url, headers={"referrer-policy": "no-referrer"})
