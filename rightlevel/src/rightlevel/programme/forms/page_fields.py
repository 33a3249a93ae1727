"""What a page's form sends, made into what `read_answers` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightlevel.programme.forms.definition import OF_MANY, Field, Form


def nested(fields: Mapping[str, list[str]], form: Form) -> dict[str, Any]:
    """What a page's form sent, as `read_answers` takes it: `activities.0.minutes` and `signed.strokes` become what they mean.

    What is no question of the form (its version, its write id) is left out.
    """
    raw: dict[str, Any] = {}
    known = {field.key: field for field in form.fields()}
    for name, values in fields.items():
        key, *rest = name.split(".")
        field = known.get(key)
        if field is None:
            continue
        if field.type == "group":
            _into_row(raw.setdefault(key, {}), field, rest, values)
        elif field.type == "signature":
            raw.setdefault(key, {})[".".join(rest) or "name"] = values[-1]
        else:
            raw[key] = values if field.type in OF_MANY or field.type == "photo" else values[-1]
    groups = (key for key in raw if known[key].type == "group")
    return raw | {key: [raw[key][at] for at in sorted(raw[key])] for key in groups}


def _into_row(rows: dict[int, dict[str, Any]], field: Field, rest: list[str], values: list[str]) -> None:
    inner = next((each for each in field.fields if len(rest) == 2 and each.key == rest[1]), None)
    # A number out of reach is a mistake of a program; it lands behind the last, where it is one too many.
    if inner is not None and rest[0].isascii() and rest[0].isdigit():
        row = rows.setdefault(min(int(rest[0][:4]), field.repeat), {})
        row[inner.key] = values if inner.type in OF_MANY or inner.type == "photo" else values[-1]
