"""What was typed, ticked or sent as JSON, as answers: each type's one way to read a value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any, Final, cast
from uuid import UUID

from rightlevel.programme.errors import Fault
from rightlevel.programme.forms.definition import MAX_PHOTOS, NO_ANSWER, OF_MANY, Field, Form

MAX_NUMBER: Final = 1_000_000_000
MAX_NAME: Final = 120
MAX_STROKES: Final = 6_000
"""About 1,000 points: more than two signatures on a phone have."""
STROKES: Final = re.compile(r"(?:[ML]\d{1,4} \d{1,4})+")
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""PostgreSQL's JSON takes no NUL; the others are never typed on purpose."""
TRUTHS: Final = {"yes": True, "true": True, "no": False, "false": False}
ABSENT: Final[tuple[Any, ...]] = (None, "", [], {})


class Unreadable(Exception):
    """What was sent is no answer to this question; the rule it breaks."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def read_answers(form: Form, raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Answers by key out of form fields or JSON, and what can't be read of them. What was left empty is absent.

    *Shape*: yes/no is True or False, don't know "unknown"; many choices and photos are lists; a place is {"lat", "lon"}; a signature
    {"name"} or {"strokes"}; a group a list with an object for each time.
    """
    return _read(form.fields(), raw, "")


def _read(fields: Any, raw: Mapping[str, Any], under: str) -> tuple[dict[str, Any], list[Fault]]:
    answers: dict[str, Any] = {}
    faults: list[Fault] = []
    known: dict[str, Field] = {each.key: each for each in fields}
    for key, given in raw.items():
        field = known.get(key)
        path = f"{under}{key}"
        if field is None or field.type in NO_ANSWER:
            faults.append(Fault(path[:200], "This question is not in the form"))
            continue
        if field.type == "calculated":  # what was answered comes back with it; it is calculated anew
            continue
        try:
            if field.type == "group":
                rows, of_rows = _rows(field, given, path)
                faults += of_rows
                value: Any = rows
            else:
                value = read_value(field, given)
        except Unreadable as problem:
            faults.append(Fault(path, problem.rule, str(given)[:80]))
            continue
        if value not in ABSENT:
            answers[key] = value
    return {key: answers[key] for key in known if key in answers}, faults


def _rows(field: Field, given: Any, path: str) -> tuple[list[dict[str, Any]], list[Fault]]:
    if given in ABSENT:
        return [], []
    if not isinstance(given, list):
        raise Unreadable("A list")
    sent = cast("list[Any]", given)
    if len(sent) > field.repeat:
        raise Unreadable(f"At most {field.repeat} of these")
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, each in enumerate(sent):
        if not isinstance(each, dict):
            raise Unreadable("A list")
        answers, of_row = _read(field.fields, cast("dict[str, Any]", each), f"{path}.{number}.")
        faults += of_row
        # A row with a fault stands even if nothing else is in it, so that the faults' numbers keep pointing at it.
        if answers or of_row:
            rows.append(answers)
    return rows, faults


def read_value(field: Field, given: Any) -> Any:
    """One answer; None for none. *Errors*: Unreadable."""
    if isinstance(given, str):
        given = given.strip()
    return None if given in ABSENT and given is not False else READERS[field.type](field, given)


def _truth(field: Field, given: Any) -> bool:
    found = given if isinstance(given, bool) else TRUTHS.get(given) if isinstance(given, str) else None
    if found is None:
        raise Unreadable("Yes or no")
    return found


def _truth_or_unknown(field: Field, given: Any) -> bool | str:
    if given == "unknown":
        return "unknown"
    try:
        return _truth(field, given)
    except Unreadable:
        raise Unreadable("Yes, no or don’t know") from None


def _choice(field: Field, given: Any) -> str:
    if given not in [each.value for each in field.options]:
        raise Unreadable("One of the choices offered")
    return given


def _choices(field: Field, given: Any) -> list[str]:
    sent: list[Any] = (
        [given] if isinstance(given, str) else cast("list[Any]", given) if isinstance(given, list) else [None]
    )
    chosen = [each for each in sent if each != ""]
    values = [each.value for each in field.options]
    if any(each not in values for each in chosen):
        raise Unreadable("One of the choices offered")
    return [each for each in values if each in chosen]


def _number(field: Field, given: Any) -> int | float:
    rule = "A number like 11.56" if field.digits else "A whole number"
    try:
        found = float(given.replace(",", ".")) if isinstance(given, str) else given
    except ValueError:
        raise Unreadable(rule) from None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise Unreadable(rule)
    if abs(found) > MAX_NUMBER:
        raise Unreadable(f"At most {MAX_NUMBER}")
    found = round(found, field.digits) if field.digits else found
    if not field.digits and found != int(found):
        raise Unreadable(rule)
    return found if field.digits and found != int(found) else int(found)


def _text(field: Field, given: Any) -> str:
    if not isinstance(given, str):
        raise Unreadable("A text")
    text = CONTROL.sub("", given.replace("\r\n", "\n")).strip()
    if len(text) > field.longest:
        raise Unreadable(f"At most {field.longest} characters")
    return text


def _day(field: Field, given: Any) -> str:
    try:
        return date.fromisoformat(given).isoformat() if len(given) == 10 else _no(ValueError)
    except (ValueError, TypeError):
        raise Unreadable("A day like 2026-11-30") from None


def _time(field: Field, given: Any) -> str:
    try:
        return (
            time.fromisoformat(given).strftime("%H:%M")
            if re.fullmatch(r"\d\d:\d\d(:\d\d)?", given, re.ASCII)
            else _no(ValueError)
        )
    except (ValueError, TypeError):
        raise Unreadable("A time like 08:30") from None


def _no(kind: type[Exception]) -> str:
    raise kind


def _id(field: Field, given: Any) -> int:
    found = int(given) if isinstance(given, str) and given.isdigit() and len(given) < 19 else given
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise Unreadable("One of the choices offered")
    return found


def _photos(field: Field, given: Any) -> list[str]:
    sent: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [given]
    try:
        found = [str(UUID(each)) for each in sent if each != ""]
    except (ValueError, TypeError, AttributeError):
        raise Unreadable("A photo") from None
    if len(found) > MAX_PHOTOS:
        raise Unreadable(f"At most {MAX_PHOTOS} of these")
    return list(dict.fromkeys(found))


def _place(field: Field, given: Any) -> dict[str, float]:
    """As the page's script, ODK ("lat lon altitude accuracy") or somebody's hand ("lat, lon") gives it."""
    try:
        if isinstance(given, str):
            lat, lon, *rest = (float(each) for each in given.replace(",", " ").split()[:4])
            found = {"lat": lat, "lon": lon} | ({"accuracy": rest[1]} if len(rest) == 2 else {})
        else:
            found = {
                name: float(given[name]) for name in ("lat", "lon", "accuracy") if given.get(name) is not None
            }
        is_there = (
            abs(found["lat"]) <= 90 and abs(found["lon"]) <= 180 and 0 <= found.get("accuracy", 0) <= 100_000
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Unreadable("A place like 11.56, 104.92") from None
    if not is_there:
        raise Unreadable("A place like 11.56, 104.92")
    return {name: round(value, 6) for name, value in found.items()}


def _signature(field: Field, given: Any) -> dict[str, str]:
    """A drawing as the page's script makes it (M x y L x y …), else the name that was typed."""
    sent = cast("dict[str, Any]", given) if isinstance(given, dict) else {"name": given}
    name, strokes = sent.get("name") or "", sent.get("strokes") or ""
    if not isinstance(name, str) or len(name.strip()) > MAX_NAME:
        raise Unreadable(f"At most {MAX_NAME} characters")
    if strokes and (
        not isinstance(strokes, str) or len(strokes) > MAX_STROKES or not STROKES.fullmatch(strokes)
    ):
        raise Unreadable("A signature")
    found = {"name": CONTROL.sub("", name).strip(), "strokes": strokes}
    return {key: text for key, text in found.items() if text}


READERS: Final[dict[str, Callable[[Field, Any], Any]]] = {
    "yes_no": _truth,
    "yes_no_unknown": _truth_or_unknown,
    "choice": _choice,
    "number": _number,
    "text": _text,
    "long_text": _text,
    "date": _day,
    "time": _time,
    "school": _id,
    "person": _id,
    "photo": _photos,
    "gps": _place,
    "signature": _signature,
    **dict.fromkeys(OF_MANY, _choices),
}
