"""Forms: what visits are asked, as data; drafts, versions, the editor, and workbooks made forms."""

from __future__ import annotations

import msgspec

from rightlevel.programme import forms
from rightlevel.web.feature import REMOVED, Deeds
from rightlevel.web.forms import about, editor, importing
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, ByCode


class Forms(msgspec.Struct, frozen=True):
    """All forms, at most fifty."""

    forms: list[forms.FormRow]


class NewForm(msgspec.Struct, frozen=True):
    """A form to begin: its code for ever, its name, and what it asks."""

    code: str
    name: str
    definition: forms.Form


class Draft(msgspec.Struct, frozen=True):
    """What a form is to ask, in place of the draft of the version that was read."""

    expected_version: int = msgspec.field(name="version")
    definition: forms.Form


class OfVersion(msgspec.Struct, frozen=True):
    """Which version was read."""

    expected_version: int = msgspec.field(name="version")


routes = Deeds("forms", "form")
routes.answers(
    "list_all_forms",
    "GET /api/v1/forms",
    forms.list_forms,
    gives=Forms,
    says="The forms, with the version in use.",
)
routes.answers(
    "begin_form",
    "POST /api/v1/forms",
    forms.start_form,
    NewForm,
    body_bytes=CLASS_BODY,
    made="/api/v1/forms/{made.code}",
    made_is="begun, as a draft",
    says="Begins a form; it is asked nobody before it is published.",
)
routes.answers(
    "read_one_form",
    "GET /api/v1/forms/{code}",
    forms.read_form,
    path=ByCode,
    says="A form: the version in use, and for who may change it the draft.",
)
routes.answers("list_form_versions", "GET /api/v1/forms/{code}/versions", forms.list_versions, path=ByCode)
routes.answers(
    "read_one_form_version",
    "GET /api/v1/form-versions/{id}",
    forms.read_form_version,
    says="One version, as it was published: what a device needs to ask it.",
)
routes.answers(
    "put_draft",
    "PUT /api/v1/forms/{code}/draft",
    forms.change_draft,
    Draft,
    path=ByCode,
    body_bytes=CLASS_BODY,
)
routes.does(
    forms.drop_draft,
    OfVersion,
    json=("throw_draft_away", "DELETE /api/v1/forms/{code}/draft"),
    html=("post_drop_draft", "/forms/{code}/drop"),
    may="change",
    path=ByCode,
    then="/forms/{path.code}",
    word=REMOVED,
)
routes.does(
    forms.publish_form,
    OfVersion,
    json=("publish_one_form", "POST /api/v1/forms/{code}/publish"),
    html=("post_publish_form", "/forms/{code}/publish"),
    may="publish",
    path=ByCode,
    then="/forms/{path.code}",
    word=N_("Published. Visits begun from now on are asked this."),
    says="The draft becomes the next version; visits begun before keep theirs.",
)
for each in (editor.routes, about.routes, importing.routes):
    routes.include(each)
