"""Forms as data: what they ask, what answers to them mean, their versions, and how people change them.

Public: `list_forms`, `read_form`, `read_form_version`, `list_versions`, `start_form`, `change_draft`, `drop_draft`, `publish_form`; for rooms
that ask a form `current_form`, `form_version`, `ensure_first_form`; the pure `examine`, `rules_of`, `read_answers`, `nested`, `asked_of`, `columns`,
`row_of`, `print_rows`, `fidelity_of`, `form_faults`, `changes_between`; the values `Form`, `Section`, `Field`, `Option`.
"""

from rightlevel.programme.forms.actions import (
    change_draft,
    current_form,
    drop_draft,
    ensure_first_form,
    form_version,
    list_forms,
    list_versions,
    publish_form,
    read_form,
    read_form_version,
    start_form,
    written_of,
)
from rightlevel.programme.forms.asking import Asked, AskedForm, AskedRow, AskedSection, asked_of
from rightlevel.programme.forms.changes import FormChange, changes_between
from rightlevel.programme.forms.checking import form_faults
from rightlevel.programme.forms.definition import (
    FIELD_TYPES,
    NOT_ASKED,
    Field,
    Form,
    Option,
    Section,
    from_json,
    label,
    to_json,
)
from rightlevel.programme.forms.engine import Examination, examine, with_calculated
from rightlevel.programme.forms.fidelity import PARTS as FIDELITY_PARTS
from rightlevel.programme.forms.fidelity import Fidelity, fidelity_of
from rightlevel.programme.forms.model import VISIT_FORM, FormPage, FormRow, FormVersion, VersionRow
from rightlevel.programme.forms.page_fields import nested
from rightlevel.programme.forms.page_rules import rules_of
from rightlevel.programme.forms.table import PrintRow, columns, print_rows, row_of
from rightlevel.programme.forms.typed_answers import read_answers
from rightlevel.programme.forms.xlsform import Converted, Said, Sheet, convert
from rightlevel.programme.forms.xlsform_reading import Workbook, read_workbook

__all__ = [
    "Converted",
    "Said",
    "Sheet",
    "convert",
    "FIDELITY_PARTS",
    "FIELD_TYPES",
    "NOT_ASKED",
    "VISIT_FORM",
    "Asked",
    "AskedForm",
    "AskedRow",
    "AskedSection",
    "Examination",
    "Fidelity",
    "Field",
    "Form",
    "FormChange",
    "FormPage",
    "FormRow",
    "FormVersion",
    "Option",
    "PrintRow",
    "Section",
    "VersionRow",
    "Workbook",
    "asked_of",
    "change_draft",
    "changes_between",
    "columns",
    "current_form",
    "drop_draft",
    "ensure_first_form",
    "examine",
    "fidelity_of",
    "form_faults",
    "form_version",
    "from_json",
    "label",
    "list_forms",
    "list_versions",
    "nested",
    "print_rows",
    "publish_form",
    "read_answers",
    "read_form",
    "read_form_version",
    "read_workbook",
    "row_of",
    "rules_of",
    "start_form",
    "to_json",
    "with_calculated",
    "written_of",
]
