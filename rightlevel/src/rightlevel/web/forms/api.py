"""Forms over HTTP: what visits are asked, as data; drafts and versions."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageRequest
from rightlevel.programme.forms import (
    Form,
    FormPage,
    FormRow,
    FormVersion,
    VersionRow,
    change_draft,
    drop_draft,
    list_forms,
    list_versions,
    publish_form,
    read_form,
    read_form_version,
    start_form,
)
from rightlevel.programme.permissions import May
from rightlevel.web.call import CLASS_BODY, Ask, ById, actor_of
from rightlevel.web.routes import Routes

routes = Routes("forms")


class ByCode(msgspec.Struct, frozen=True):
    """A path with a form's code in it."""

    code: str


class Forms(msgspec.Struct, frozen=True):
    """All forms, at most fifty."""

    forms: list[FormRow]


class NewForm(msgspec.Struct, frozen=True):
    """A form to begin: its code for ever, its name, and what it asks."""

    code: str
    name: str
    definition: Form


class Draft(msgspec.Struct, frozen=True):
    """What a form is to ask, in place of the draft of the version that was read."""

    version: int
    definition: Form


class OfVersion(msgspec.Struct, frozen=True):
    """Which version was read."""

    version: int


@routes.get("/api/v1/forms", May("read", "form"))
async def list_all_forms(call: Ask) -> Forms:
    """The forms, with the version in use."""
    return Forms(await list_forms(call.session, actor_of(call)))


@routes.post(
    "/api/v1/forms", May("change", "form"), body_bytes=CLASS_BODY, statuses={201: "begun, as a draft"}
)
async def begin_form(call: Ask, *, body: NewForm) -> Created[FormRow]:
    """Begins a form; it is asked nobody before it is published."""
    made = await start_form(
        call.session, actor_of(call), body.code, body.name, body.definition, at=call.clock.now()
    )
    return Created(made, f"/api/v1/forms/{made.code}")


@routes.get("/api/v1/forms/{code}", May("read", "form"))
async def read_one_form(call: Ask, *, path: ByCode) -> FormPage:
    """A form: the version in use, and for who may change it the draft."""
    return await read_form(call.session, actor_of(call), path.code)


@routes.get("/api/v1/forms/{code}/versions", May("read", "form"))
async def list_form_versions(call: Ask, *, path: ByCode, page: PageRequest) -> Page[VersionRow]:
    """The versions of a form, the latest first."""
    return await list_versions(call.session, actor_of(call), path.code, page)


@routes.get("/api/v1/form-versions/{id}", May("read", "form"))
async def read_one_form_version(call: Ask, *, path: ById) -> FormVersion:
    """One version, as it was published: what a device needs to ask it."""
    return await read_form_version(call.session, actor_of(call), path.id)


@routes.put("/api/v1/forms/{code}/draft", May("change", "form"), body_bytes=CLASS_BODY)
async def put_draft(call: Ask, *, path: ByCode, body: Draft) -> FormRow:
    """Keeps what is being written; it may be unfinished."""
    return await change_draft(
        call.session,
        actor_of(call),
        path.code,
        body.definition,
        expected_version=body.version,
        at=call.clock.now(),
    )


@routes.delete("/api/v1/forms/{code}/draft", May("change", "form"))
async def throw_draft_away(call: Ask, *, path: ByCode, query: OfVersion) -> FormRow:
    """Throws away what was being written; what was published stays."""
    return await drop_draft(
        call.session, actor_of(call), path.code, expected_version=query.version, at=call.clock.now()
    )


@routes.post("/api/v1/forms/{code}/publish", May("publish", "form"))
async def publish_one_form(call: Ask, *, path: ByCode, body: OfVersion) -> FormVersion:
    """The draft becomes the next version; visits begun before keep theirs."""
    return await publish_form(
        call.session, actor_of(call), path.code, expected_version=body.version, at=call.clock.now()
    )
