"""What is done with forms: read them, write a draft, publish it as the next version. A version never changes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, Stale
from rightlevel.programme.forms import store
from rightlevel.programme.forms.checking import KEY, form_faults, size_faults
from rightlevel.programme.forms.definition import Form, to_json
from rightlevel.programme.forms.first_form import first_visit_form
from rightlevel.programme.forms.model import (
    MAX_FORMS,
    MAX_VERSIONS,
    VISIT_FORM,
    FormPage,
    FormRow,
    FormVersion,
    VersionRow,
)
from rightlevel.programme.permissions import Actor, require


class FormThere(Conflict):
    """There is a form of this name already, or there are as many as there may be."""

    code = "form_there"


class NothingWritten(Conflict):
    """Nothing of this form is being written. Change something first."""

    code = "nothing_written"


class TooManyVersions(Conflict):
    """This form was published a thousand times. Begin a new one."""

    code = "too_many_versions"


async def ensure_first_form(session: Session) -> bool:
    """Publishes the first whole form of a visit beside the four questions of before, unless somebody published another; whether it did."""
    form = first_visit_form()
    return await store.publish_first(session, VISIT_FORM, msgspec.structs.replace(form, version=2))


async def current_form(session: Session, code: str = VISIT_FORM) -> FormVersion:
    """The version in use. *Errors*: NotFound for a form that was never published. For the rooms that ask it; they look at permissions."""
    found = await store.find_current(session, code)
    if found is None:
        raise NotFound
    return found


async def form_version(session: Session, version_id: int) -> FormVersion:
    """One version. *Errors*: NotFound. For the rooms that ask it."""
    found = await store.find_version(session, version_id)
    if found is None:
        raise NotFound
    return found


async def list_forms(session: Session, actor: Actor) -> list[FormRow]:
    """All forms, at most fifty."""
    require(actor, "read", "form")
    return (await store.list_forms(session))[:MAX_FORMS]


async def read_form(session: Session, actor: Actor, code: str) -> FormPage:
    """A form, its draft and its version in use. Who may not change forms sees no draft. *Errors*: NotFound."""
    require(actor, "read", "form")
    found = await store.find_form(session, code)
    draft = await store.find_draft(session, code) if actor.scope.is_everything else None
    return FormPage(found, draft, await store.find_current(session, code))


async def read_form_version(session: Session, actor: Actor, version_id: int) -> FormVersion:
    """One version, for a page that fills it in. *Errors*: NotFound."""
    require(actor, "read", "form")
    return await form_version(session, version_id)


async def list_versions(session: Session, actor: Actor, code: str, page: PageRequest) -> Page[VersionRow]:
    """The versions of a form, the latest first. *Errors*: NotFound."""
    require(actor, "read", "form")
    await store.find_form(session, code)
    return await store.page_of_versions(session, code, page)


async def start_form(
    session: Session, actor: Actor, code: str, name: str, definition: Form, *, at: datetime
) -> FormRow:
    """A new form, as a draft. *Errors*: Invalid, FormThere."""
    require(actor, "change", "form")
    if not KEY.fullmatch(code):
        raise Invalid(faults=(Fault("code", "A short name of small letters, digits and _", code[:60]),))
    draft = msgspec.structs.replace(definition, name=name.strip() or definition.name, version=1)
    _require_small(draft)
    if not await store.insert_form(session, code, draft, person_id=actor.person_id, now=at):
        raise FormThere
    await write_audit(session, actor, "create", "form", code, after={"name": draft.name})
    return await store.find_form(session, code)


async def change_draft(
    session: Session, actor: Actor, code: str, definition: Form, *, expected_version: int, at: datetime
) -> FormRow:
    """Keeps what was written; it may be unfinished. *Errors*: NotFound, Invalid when too big, Stale with both."""
    require(actor, "change", "form")
    _require_small(definition)
    found = await store.find_form(session, code)
    draft = msgspec.structs.replace(definition, version=(found.current_number or 0) + 1)
    if not await store.change_draft(
        session, code, draft, version=expected_version, person_id=actor.person_id, now=at
    ):
        raise await _stale(session, code, definition)
    await write_audit(session, actor, "change", "form", code, after=_in_short(draft))
    return await store.find_form(session, code)


async def drop_draft(
    session: Session, actor: Actor, code: str, *, expected_version: int, at: datetime
) -> FormRow:
    """Throws away what was being written; what was published stays. *Errors*: NotFound, NothingWritten, Stale."""
    require(actor, "change", "form")
    found = await store.find_form(session, code)
    if not found.has_draft:
        raise NothingWritten
    if found.current_id is None:
        raise NothingWritten  # a form that was never published has nothing else
    if not await store.change_draft(
        session, code, None, version=expected_version, person_id=actor.person_id, now=at
    ):
        raise await _stale(session, code, None)
    await write_audit(session, actor, "delete", "form", code, after={"draft": "dropped"})
    return await store.find_form(session, code)


async def publish_form(
    session: Session, actor: Actor, code: str, *, expected_version: int, at: datetime
) -> FormVersion:
    """The draft becomes the next version, and visits begun from now on are asked it; those before keep theirs.

    *Errors*: NotFound, NothingWritten, Stale, TooManyVersions; Invalid with everything that is wrong with the form.
    """
    require(actor, "publish", "form")
    found = await store.find_form(session, code)
    draft = await store.find_draft(session, code)
    if draft is None:
        raise NothingWritten
    number = (found.current_number or 0) + 1
    if number > MAX_VERSIONS:
        raise TooManyVersions
    form = msgspec.structs.replace(draft, version=number)
    faults = form_faults(form)
    if faults:
        raise Invalid(faults=faults)
    if not await store.change_draft(
        session, code, None, version=expected_version, person_id=actor.person_id, now=at
    ):
        raise await _stale(session, code, draft)
    version_id = await store.publish(session, code, form, person_id=actor.person_id, now=at)
    await write_audit(session, actor, "publish", "form", code, after={"number": number, **_in_short(form)})
    return await form_version(session, version_id)


def _require_small(form: Form) -> None:
    faults = size_faults(form)
    if faults:
        raise Invalid(faults=faults)


async def _stale(session: Session, code: str, mine: Form | None) -> Stale:
    there = await store.find_draft(session, code)
    row = await store.find_form(session, code)
    return Stale(
        current={
            "version": row.version,
            "draft": to_json(there) if there else None,
            "by": row.draft_changed_by,
        },
        yours={"draft": to_json(mine) if mine else None},
    )


def _in_short(form: Form) -> dict[str, object]:
    return {"name": form.name, "questions": sum(1 for _ in form.fields())}


def written_of(page: FormPage) -> Form:
    """What is being written, or what is asked where nothing is."""
    if page.draft is not None:
        return page.draft
    return page.current.definition if page.current is not None else Form(page.form.name, 1, ("en",))
