"""What a draft changes of the version in use, question by question."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Literal

import msgspec

from rightlevel.programme.forms.definition import Field, Form, Labels

Kind = Literal["added", "removed", "changed", "moved"]


class FormChange(msgspec.Struct, frozen=True):
    """One question that is asked otherwise: its path, its texts, and how. `moved` is one that only stands elsewhere."""

    path: str
    labels: Labels
    kind: Kind


class _Placed(msgspec.Struct, frozen=True):
    """A question without those inside it, and what it stands in."""

    field: Field
    inside: str


def changes_between(before: Form | None, after: Form) -> list[FormChange]:
    """What is asked otherwise, in the order of the form, what is no longer asked last. *Shape*: sections stand as `[key]`."""
    was, now = _placed(before), _placed(after)
    stayed = _in_the_same_order([path for path in was if path in now], [path for path in now if path in was])
    found: list[FormChange] = []
    for path, there in now.items():
        if path not in was:
            found.append(FormChange(path, there.field.labels, "added"))
        elif was[path].field != there.field:
            found.append(FormChange(path, there.field.labels, "changed"))
        elif path not in stayed or was[path].inside != there.inside:
            found.append(FormChange(path, there.field.labels, "moved"))
    gone = [FormChange(path, was[path].field.labels, "removed") for path in was if path not in now]
    return [*found, *gone]


def _in_the_same_order(before: list[str], after: list[str]) -> set[str]:
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return {path for block in blocks for path in before[block.a : block.a + block.size]}


def _placed(form: Form | None) -> dict[str, _Placed]:
    found: dict[str, _Placed] = {}
    for section in form.sections if form else ():
        heading = Field(section.key, "note", section.labels, shown_when=section.shown_when)
        found[f"[{section.key}]"] = _Placed(heading, "")
        for field in section.fields:
            found[field.key] = _Placed(msgspec.structs.replace(field, fields=()), section.key)
            for inner in field.fields:
                found[f"{field.key}.{inner.key}"] = _Placed(inner, field.key)
    return found
