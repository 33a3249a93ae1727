"""Forms as they are kept: a form with its draft, and the versions it was published in."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from rightlevel.programme.forms.definition import Form

VISIT_FORM: Final = "visit"
"""The form that a visit is begun with unless another is chosen."""
MAX_FORMS: Final = 50
MAX_VERSIONS: Final = 1_000


class FormRow(msgspec.Struct, frozen=True):
    """A form: its name, the version in use (None before the first), and whether somebody is writing a next one."""

    code: str
    name: str
    version: int
    current_id: int | None
    current_number: int | None
    published_at: datetime | None
    has_draft: bool
    draft_changed_at: datetime | None
    draft_changed_by: str | None


class FormVersion(msgspec.Struct, frozen=True):
    """One version, as it was published and for ever stays."""

    id: int
    code: str
    number: int
    definition: Form
    published_at: datetime
    published_by: str | None


class VersionRow(msgspec.Struct, frozen=True):
    """One version in a list."""

    id: int
    number: int
    published_at: datetime
    published_by: str | None
    questions: int


class FormPage(msgspec.Struct, frozen=True):
    """A form with what is being written, and what is in use."""

    form: FormRow
    draft: Form | None
    current: FormVersion | None
