"""A form out of an XLSForm's sheets (survey, choices, settings): what can be said exactly is taken, everything else is named by row.

*Source*: XLSForm.org. Nothing is dropped without a word: a fault stops the import, a note says what was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from rightlevel.programme.forms.checking import KEY, form_faults
from rightlevel.programme.forms.definition import MAX_REPEAT, Field, FieldType, Form, Labels, Option, Section
from rightlevel.programme.forms.xls_expressions import NotExact, bounds, condition

KINDS: Final[dict[str, FieldType]] = {
    "text": "text", "integer": "number", "int": "number", "decimal": "number", "date": "date", "time": "time", "note": "note",
    "geopoint": "gps", "image": "photo", "photo": "photo", "acknowledge": "yes_no", "trigger": "yes_no",
}  # fmt: skip
LEFT_OUT: Final = frozenset(
    {"start", "end", "today", "deviceid", "subscriberid", "simserial", "phonenumber", "username", "email", "audit", "calculate", "hidden",
     "start-geopoint", "background-audio"}
)  # fmt: skip
LANGUAGES: Final = {
    "english": "en", "khmer": "km", "french": "fr", "hindi": "hi", "urdu": "ur", "arabic": "ar", "spanish": "es", "portuguese": "pt",
    "swahili": "sw", "bengali": "bn", "lao": "lo", "vietnamese": "vi", "thai": "th",
}  # fmt: skip
YES: Final = frozenset({"yes", "true", "true()", "1"})
NO: Final = frozenset({"", "no", "false", "false()", "0"})
ASKED: Final = frozenset(
    {"type", "name", "label", "hint", "required", "relevant", "constraint", "choice_filter", "repeat_count"}
)
"""The columns of a question that are read; what stands in any other is told as left out."""
GROUPED: Final = frozenset({"type", "name", "label", "relevant"})
SET: Final = frozenset({"form_title", "default_language", "form_id", "version"})
"""Settings that are read, or that our own short name and version numbers stand for."""
OF_CHOICES: Final = frozenset({"list_name", "list name", "name", "value"})
PLAIN: Final = frozenset({"yes", "no", "unknown", "don't know", "don’t know"})
"""What is asked as yes, no or don't know, in the platform's own words."""
APPEARANCES: Final = frozenset({"multiline", "minimal", "signature", "horizontal"})
DECIMALS: Final = 2
TIMES: Final = 10
"""How often a repeat without a number of its own may be answered."""
MAX_ROWS: Final = 1_000


class Said(msgspec.Struct, frozen=True):
    """Something about one cell: what is wrong with it, or what was left out."""

    sheet: str
    row: int
    column: str
    rule: str
    value: str = ""


class Sheet(msgspec.Struct, frozen=True):
    """One sheet: its headers, and its rows by the file's own number."""

    headers: tuple[str, ...] = ()
    rows: tuple[tuple[int, tuple[str, ...]], ...] = ()

    def records(self) -> Iterable[tuple[int, dict[str, str]]]:
        """Each row by header, in small letters without spaces around."""
        names = [
            re.sub(r"\s+", " ", each.strip().lower()).replace(" ::", "::").replace(":: ", "::")
            for each in self.headers
        ]
        for number, cells in self.rows:
            record = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
            if any(record.values()):
                yield number, record


class Converted(msgspec.Struct, frozen=True):
    """What an XLSForm gave. Without faults `form` may be kept as a draft."""

    form: Form | None
    faults: tuple[Said, ...] = ()
    notes: tuple[Said, ...] = ()


def convert(survey: Sheet, choices: Sheet, settings: Sheet, *, name: str = "") -> Converted:
    """The form, with everything that is wrong and everything that was left out. *Cost*: one pass over the rows."""
    work = _Work(survey, choices, settings, name)
    work.read()
    return work.result()


class _Work:
    """What was read so far."""

    def __init__(self, survey: Sheet, choices: Sheet, settings: Sheet, name: str) -> None:
        self._survey = list(survey.records())
        self._faults: list[Said] = []
        self._notes: list[Said] = []
        self._settings: dict[str, str] = next((record for _, record in settings.records()), dict[str, str]())
        self._name = self._settings.get("form_title") or name or "XLSForm"
        self._default = _language_code(self._settings.get("default_language", "")) or "en"
        self._languages = self._find_languages(survey)
        self._unread: dict[str, Said] = {}
        self._lists = self._read_choices(choices)
        self._sections: list[Section] = []
        self._fields: dict[str, Field] = {}
        self._rows: dict[str, int] = {}
        self._group: tuple[int, Field, list[Field]] | None = None
        self._section: Section | None = None
        self._inside: list[Field] = []
        self._opened: int | None = None
        for column, value in self._settings.items():
            if column not in SET and value:
                self._notes.append(Said("settings", 2, column, "This was left out", value[:200]))

    def _find_languages(self, survey: Sheet) -> tuple[str, ...]:
        found: list[str] = []
        for header in survey.headers:
            kind, _, rest = header.strip().lower().partition("::")
            if kind.strip() == "label":
                code = _language_code(rest) if rest else self._default
                if code is None:
                    self._fault("survey", 1, header, "A language like English (en)", rest)
                elif code not in found:
                    found.append(code)
        if not found:
            self._fault("survey", 1, "label", "A label column in at least one language")
        return tuple(found) or (self._default,)

    def _fault(self, sheet: str, row: int, column: str, rule: str, value: str = "") -> None:
        self._faults.append(Said(sheet, row, column, rule, value[:200]))

    def _note(self, row: int, column: str, rule: str, value: str = "") -> None:
        self._notes.append(Said("survey", row, column, rule, value[:200]))

    def _texts(self, record: Mapping[str, str], column: str) -> Labels:
        found: Labels = {}
        for header, cell in record.items():
            kind, _, rest = header.partition("::")
            code = (_language_code(rest) if rest else self._default) if kind.strip() == column else None
            if code in self._languages and cell:
                found[code] = cell
        return found

    def _read_choices(self, choices: Sheet) -> dict[str, list[tuple[Option, dict[str, str]]]]:
        lists: dict[str, list[tuple[Option, dict[str, str]]]] = {}
        for row, record in choices.records():
            name, value = (
                record.get("list_name") or record.get("list name", ""),
                record.get("name") or record.get("value", ""),
            )
            if not name or not value:
                self._fault("choices", row, "list_name", "A list and a name for each choice", name or value)
                continue
            for column, cell in record.items():
                if cell and not self._is_read(column):
                    self._unread.setdefault(
                        column, Said("choices", row, column, "This was left out", cell[:200])
                    )
            lists.setdefault(name, []).append((Option(value, self._texts(record, "label")), record))
        return lists

    def _is_read(self, column: str) -> bool:
        kind, _, rest = column.partition("::")
        code = _language_code(rest) if rest else self._default
        return column in OF_CHOICES or (kind.strip() == "label" and code in self._languages)

    def read(self) -> None:
        """Walks the survey."""
        for row, record in self._survey[:MAX_ROWS]:
            words = (
                record.get("type", "").replace("begin group", "begin_group").replace("end group", "end_group")
            )
            words = words.replace("begin repeat", "begin_repeat").replace("end repeat", "end_repeat").split()
            kind = words[0].lower() if words else ""
            if kind == "begin_group":
                self._begin_section(row, record)
            elif kind == "end_group":
                self._end_group(row)
            elif kind == "begin_repeat":
                self._begin_repeat(row, record)
            elif kind == "end_repeat":
                self._end_repeat(row)
            elif kind in LEFT_OUT:
                self._note(row, "type", "This is not asked and was left out", kind)
            elif kind:
                self._question(row, kind, words[1:], record)
        if len(self._survey) > MAX_ROWS:
            self._fault("survey", self._survey[MAX_ROWS][0], "type", f"At most {MAX_ROWS} rows")
        if self._group is not None:
            self._fault("survey", self._group[0], "type", "This group has no end")
        if self._opened is not None:
            self._fault("survey", self._opened, "type", "This group has no end")
        self._end_section()

    def _begin_section(self, row: int, record: Mapping[str, str]) -> None:
        if self._group is not None or self._section is not None:
            self._fault("survey", row, "type", "A group within a group or repeat is not known here")
            return
        self._end_section()
        key = self._key(row, record)
        self._rows[key], self._opened = row, row
        self._left_out(row, record, GROUPED)
        self._section = Section(
            key,
            self._texts(record, "label") or dict.fromkeys(self._languages, key),
            (),
            self._when(row, "relevant", record),
        )

    def _end_group(self, row: int) -> None:
        if self._opened is None or self._group is not None:
            self._fault("survey", row, "type", "This ends what was not begun")
            return
        self._opened = None
        self._end_section()

    def _left_out(self, row: int, record: Mapping[str, str], read: frozenset[str]) -> None:
        """Tells every cell of a row that nothing was made of."""
        for header, value in record.items():
            column, _, language = header.partition("::")
            column = column.strip()
            is_read = column in read and (not language or _language_code(language) in self._languages)
            is_look = column == "appearance" and value in APPEARANCES
            if value and not is_read and not is_look:
                self._note(row, header, "This was left out", value)

    def _end_section(self) -> None:
        if self._inside or self._section is not None:
            there = self._section or Section(
                f"part{len(self._sections) + 1}", dict.fromkeys(self._languages, self._name[:100])
            )
            self._sections.append(msgspec.structs.replace(there, fields=tuple(self._inside)))
        self._section, self._inside = None, []

    def _begin_repeat(self, row: int, record: Mapping[str, str]) -> None:
        if self._group is not None:
            self._fault("survey", row, "type", "A group within a group or repeat is not known here")
            return
        times = record.get("repeat_count", "")
        is_known = times.isdecimal() and 1 <= int(times[:4]) <= MAX_REPEAT
        if times and not is_known:
            self._fault("survey", row, "repeat_count", "A whole number from 1 to 20", times)
        repeat = int(times) if is_known else TIMES
        self._left_out(row, record, GROUPED | {"repeat_count"})
        if not times:
            self._note(row, "repeat_count", f"Asked up to {TIMES} times")
        key = self._key(row, record)
        field = Field(
            key, "group", self._texts(record, "label") or dict.fromkeys(self._languages, key), repeat=repeat
        )
        shown = self._when(row, "relevant", record)
        self._group = (row, msgspec.structs.replace(field, shown_when=shown), [])

    def _end_repeat(self, row: int) -> None:
        if self._group is None:
            self._fault("survey", row, "type", "This ends what was not begun")
            return
        begun, field, fields = self._group
        self._group = None
        self._keep(begun, msgspec.structs.replace(field, fields=tuple(fields)))

    def _question(self, row: int, kind: str, more: list[str], record: Mapping[str, str]) -> None:
        key = self._key(row, record)
        field = self._of_kind(
            row,
            kind,
            more,
            Field(key, "text", self._texts(record, "label"), self._texts(record, "hint")),
            record,
        )
        if field is None:
            return
        said = record.get("required", "").lower()
        needed: Any = None if said in NO else True if said in YES else self._when(row, "required", record)
        field = msgspec.structs.replace(
            field,
            required_when=None if field.type == "note" else needed,
            shown_when=self._when(row, "relevant", record),
        )
        if record.get("constraint"):
            try:
                field = msgspec.structs.replace(field, **bounds(record["constraint"], field, self._fields))
            except NotExact as problem:
                self._fault(
                    "survey",
                    row,
                    "constraint",
                    "This can’t be said exactly here: write it as bounds of the answer",
                    problem.part,
                )
        self._left_out(
            row, record, ASKED - {"required"} if field.type == "note" and said not in NO else ASKED
        )
        if self._group is not None:
            self._group[2].append(field)
            self._fields[key], self._rows[f"{self._group[1].key}.{key}"] = field, row
        else:
            self._keep(row, field)

    def _keep(self, row: int, field: Field) -> None:
        self._inside.append(field)
        self._fields[field.key], self._rows[field.key] = field, row

    def _of_kind(
        self, row: int, kind: str, more: list[str], field: Field, record: Mapping[str, str]
    ) -> Field | None:
        change = msgspec.structs.replace
        if kind in ("select_one", "select_multiple"):
            return self._choice(row, kind, more, field, record)
        if kind == "image" and record.get("appearance") == "signature":
            return change(field, type="signature")
        if kind == "text" and "multiline" in record.get("appearance", ""):
            return change(field, type="long_text")
        if kind not in KINDS:
            self._fault("survey", row, "type", "This kind of question is not known here", kind)
            return None
        if kind == "decimal":
            self._note(row, "type", f"Kept with {DECIMALS} decimals", kind)
        return change(field, type=KINDS[kind], digits=DECIMALS if kind == "decimal" else 0)

    def _choice(
        self, row: int, kind: str, more: list[str], field: Field, record: Mapping[str, str]
    ) -> Field | None:
        listed = self._lists.get(more[0] if more else "")
        if listed is None:
            self._fault("survey", row, "type", "There is no such list of choices", " ".join(more))
            return None
        if len(more) > 1:
            self._note(
                row, "type", "“Other” was left out: add it as a choice and a question", " ".join(more[1:])
            )
        # Called something else ("Present", "Absent"), they stay choices: nobody is asked other words than were written.
        is_plain = all(text.lower() in PLAIN for option, _ in listed if (text := option.labels.get("en")))
        values = {option.value for option, _ in listed if is_plain}
        if kind == "select_one" and values == {"yes", "no"} and not record.get("choice_filter"):
            return msgspec.structs.replace(field, type="yes_no")
        if kind == "select_one" and values == {"yes", "no", "unknown"} and not record.get("choice_filter"):
            return msgspec.structs.replace(field, type="yes_no_unknown")
        options = tuple(
            self._filtered(row, option, more_of, record.get("choice_filter", ""))
            for option, more_of in listed
        )
        return msgspec.structs.replace(
            field, type="choice" if kind == "select_one" else "choices", options=options
        )

    def _filtered(self, row: int, option: Option, record: Mapping[str, str], text: str) -> Option:
        if not text:
            return option
        found = re.fullmatch(r"\s*([\w-]+)\s*=\s*\$\{([^}]+)\}\s*", text)
        if found is None or found[1].lower() not in record:
            self._fault("survey", row, "choice_filter", "Only a column = ${question} can be said here", text)
            return option
        self._unread.pop(found[1].lower(), None)
        try:
            return msgspec.structs.replace(
                option, shown_when=condition(f"${{{found[2]}}} = '{record[found[1].lower()]}'", self._fields)
            )
        except NotExact as problem:
            self._fault(
                "survey", row, "choice_filter", "This condition can’t be said exactly here", problem.part
            )
            return option

    def _when(self, row: int, column: str, record: Mapping[str, str]) -> Any:
        text = record.get(column, "")
        if not text:
            return None
        try:
            return condition(text, self._fields)
        except NotExact as problem:
            self._fault("survey", row, column, "This condition can’t be said exactly here", problem.part)
            return None

    def _key(self, row: int, record: Mapping[str, str]) -> str:
        name = record.get("name", "")
        if not KEY.fullmatch(name):
            self._fault("survey", row, "name", "A short name of small letters, digits and _", name)
        return name

    def result(self) -> Converted:
        """The form, or why there is none."""
        form = Form(self._name[:100], 1, self._languages, tuple(self._sections))
        if not self._faults:
            for fault in form_faults(form):
                self._fault("survey", self._rows.get(fault.field, 1), fault.field, fault.rule, fault.value)
        return Converted(
            None if self._faults else form, tuple(self._faults), (*self._notes, *self._unread.values())
        )


def _language_code(text: str) -> str | None:
    """The code of a language as XLSForm writes it: English (en), or English."""
    said = text.strip().lower()
    found = re.search(r"\(([a-z]{2,3})\)", said)
    if found:
        return found[1]
    return said if re.fullmatch(r"[a-z]{2}", said) else LANGUAGES.get(said)
