"""A form out of an XLSForm's sheets (survey, choices, settings): what can be said is taken exactly or with a note, everything else is named by row.

*Source*: XLSForm.org. Nothing is dropped without a word: a fault stops the import, a note says what was left out or how it was taken.
"""

from __future__ import annotations

import re
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from rightlevel.programme.forms.checking import RESERVED, form_faults
from rightlevel.programme.forms.definition import (
    MAX_LABEL,
    MAX_PATTERN,
    MAX_REPEAT,
    Field,
    Form,
    Labels,
    Option,
    Section,
)
from rightlevel.programme.forms.patterns import is_pattern
from rightlevel.programme.forms.xls_expressions import NotExact, bounds, calculation, condition
from rightlevel.programme.forms.xlsform_words import (
    CURLY,
    KINDS,
    LEFT_OUT,
    NO,
    SELECTS,
    YES,
    header_of,
    kind_of,
    language_code,
)

ASKED: Final = frozenset(
    {
        "type",
        "name",
        "label",
        "hint",
        "required",
        "relevant",
        "constraint",
        "constraint_message",
        "choice_filter",
        "repeat_count",
    }
)
"""The columns of a question that are read; what stands in any other is told as left out."""
GROUPED: Final = frozenset({"type", "name", "label", "relevant"})
SET: Final = frozenset({"form_title", "default_language", "form_id", "version", "title", "id_string"})
"""Settings that are read, or that our own short name and version numbers stand for."""
OF_CHOICES: Final = frozenset({"list_name", "name", "value"})
PLAIN: Final = frozenset({"yes", "no", "unknown", "don't know", "don’t know"})
"""What is asked as yes, no or don't know, in the platform's own words."""
APPEARANCES: Final = frozenset(
    {"multiline", "minimal", "signature", "horizontal", "field-list", "w1", "w2", "quick", "likert"}
)
DECIMALS: Final = 2
TIMES: Final = 10
"""How often a repeat without a number of its own may be answered."""
MAX_ROWS: Final = 5_000
LONGEST_KEY: Final = 40
OTHER: Final = "other"
_ANSWER: Final = re.compile(r"\$\{\s*([^}]+?)\s*\}")
_REGEX: Final = re.compile(r"""regex\(\s*\.\s*,\s*(?:'([^']*)'|"([^"]*)")\s*\)""")
_LOOP: Final = re.compile(r"begin[ _]loop over (\S+)", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")


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
        """Each row by header, in today's words and small letters."""
        names = [header_of(each) for each in self.headers]
        for number, cells in self.rows:
            record = {
                name: cell.strip() for name, cell in zip(names, cells, strict=False) if name and cell.strip()
            }
            if record:
                yield number, record


class Converted(msgspec.Struct, frozen=True):
    """What an XLSForm gave. Without faults `form` may be kept as a draft."""

    form: Form | None
    faults: tuple[Said, ...] = ()
    notes: tuple[Said, ...] = ()


def convert(
    survey: Sheet,
    choices: Sheet,
    settings: Sheet,
    *,
    external: Sheet | None = None,
    name: str = "",
    codes: Mapping[str, str] | None = None,
) -> Converted:
    """The form, with everything that is wrong and everything that was left out.

    `external` has the choices of `select_one_external`. `codes`: of languages whose names say none, by the name in small letters. *Cost*: one pass over the rows.
    """
    work = _Work(survey, settings, name, codes or {})
    work.read_choices("choices", choices)
    work.read_choices("external_choices", external or Sheet())
    work.read()
    return work.result()


class _Group(msgspec.Struct):
    """A group or repeat that was begun: where, what it is, and when what is in it is shown."""

    row: int
    kind: str
    shown: Any = None
    field: Field | None = None
    fields: list[Field] = []
    is_section: bool = False


class _Work:
    """What was read so far."""

    def __init__(self, survey: Sheet, settings: Sheet, name: str, codes: Mapping[str, str]) -> None:
        self._codes = codes
        self._survey = list(survey.records())
        self._faults: list[Said] = []
        self._notes: list[Said] = []
        self._settings: dict[str, str] = next((record for _, record in settings.records()), dict[str, str]())
        self._name = self._settings.get("form_title") or self._settings.get("title") or name or "XLSForm"
        self._default = self._code(self._settings.get("default_language", "")) or "en"
        self._languages = self._find_languages(survey)
        self._unread: dict[str, Said] = {}
        self._renamed: dict[str, dict[str, tuple[str, ...]]] = {}
        self._lists: dict[str, list[tuple[Option, dict[str, str]]]] = {}
        self._sections: list[Section] = []
        self._fields: dict[str, Field] = {}
        self._rows: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._taken: set[str] = set(RESERVED)
        self._values: dict[str, dict[str, tuple[str, ...]]] = {}
        self._open: list[_Group] = []
        self._section: Section | None = None
        self._inside: list[Field] = []
        self._skipping = 0
        self._calculated: dict[str, str] = {}
        self._kept: dict[tuple[str, bytes], str] = {}
        self._refused: set[str] = set()
        for column, value in self._settings.items():
            if column not in SET and value:
                self._notes.append(Said("settings", 2, column, "This was left out", value[:200]))

    def _code(self, text: str) -> str | None:
        return language_code(text) or self._codes.get(text.strip().lower())

    def _find_languages(self, survey: Sheet) -> tuple[str, ...]:
        found: list[str] = []
        is_there = is_named = False
        for header in survey.headers:
            kind, _, rest = header_of(header).partition("::")
            if kind == "label":
                is_there = True
                code = self._code(rest) if rest else self._default
                if code is None:
                    rule = "Say the code of this language, as in Tetun = tet: in the header, as Tetun (tet), or on this page"
                    self._fault("survey", 1, header, rule, rest)
                elif code not in found:
                    found.append(code)
                is_named = is_named or bool(rest)
        if not is_there:
            self._fault("survey", 1, "label", "A label column in at least one language")
        # A column without a language beside columns with one holds what has no translation.
        return tuple(found) or (self._default,)

    def _fault(self, sheet: str, row: int, column: str, rule: str, value: str = "") -> None:
        self._faults.append(Said(sheet, row, column, rule, value[:200]))

    def _note(self, row: int, column: str, rule: str, value: str = "") -> None:
        self._notes.append(Said("survey", row, column, rule, value[:200]))

    def _texts(self, record: Mapping[str, str], column: str) -> Labels:
        found: Labels = {}
        for header, cell in record.items():
            kind, _, rest = header.partition("::")
            code = (self._code(rest) if rest else self._default) if kind.strip() == column else None
            if code in self._languages and cell:
                found.setdefault(code, cell)
        return found

    def _labels(self, row: int, record: Mapping[str, str], otherwise: str, sheet: str = "survey") -> Labels:
        """A text in every language; what stands in it for an answer is told."""
        found = {
            code: self._said_plainly(row, text, sheet) for code, text in self._texts(record, "label").items()
        }
        if not found:
            if otherwise:
                return dict.fromkeys(self._languages, otherwise)
            return {}
        missing = [code for code in self._languages if code not in found]
        if missing:
            first = found.get(self._default) or next(iter(found.values()))
            rule = f"No text in {', '.join(missing)}: that of another language stands there"
            self._notes.append(Said(sheet, row, "label", rule, first[:60]))
            found |= dict.fromkeys(missing, first)
        return found

    def _said_plainly(self, row: int, text: str, sheet: str) -> str:
        """A text without markup, with the words of a question where its answer would stand."""
        plain = " ".join(_MARKUP.sub(" ", text).split()) if _MARKUP.search(text) else text

        def words(found: re.Match[str]) -> str:
            field = self._fields.get(self._keys.get(found[1], ""))
            said = next(iter(field.labels.values()), "") if field else ""
            return f"[{said[:60] or found[1]}]"

        shown = _ANSWER.sub(words, plain)
        if shown != plain:
            rule = "An answer can’t stand in a text here: the words of its question do"
            self._notes.append(Said(sheet, row, "label", rule, text[:200]))
        elif plain != text:
            self._notes.append(Said(sheet, row, "label", "The marks of its look were left out", text[:200]))
        if len(shown) > MAX_LABEL:
            self._notes.append(
                Said(sheet, row, "label", f"Only the first {MAX_LABEL} characters were taken", text[:60])
            )
            shown = shown[: MAX_LABEL - 1] + "…"
        return shown

    def read_choices(self, sheet: str, choices: Sheet) -> None:
        """Reads the lists of choices of one sheet, before the survey; a list that an earlier sheet has stays as it is there."""
        known = frozenset(self._lists)
        used: dict[str, set[str]] = {}
        said: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for row, record in choices.records():
            name, raw = record.get("list_name", ""), record.get("name", "")
            if (not name and not raw) or name in known:
                continue
            if not name or not raw:
                self._fault(sheet, row, "list_name", "A list and a name for each choice", name or raw)
                continue
            for column, cell in record.items():
                if cell and not self._is_read(column):
                    self._unread.setdefault(column, Said(sheet, row, column, "This was left out", cell[:200]))
            taken = used.setdefault(name, set())
            value = _free(re.sub(r"[^A-Za-z0-9_-]+", "_", raw)[:60] or "choice", taken, 60)
            said[name, raw].append(value)
            if value != raw:
                if len(said[name, raw]) > 1 and all(map(self._is_read, record)):
                    # Nothing tells the two apart, so that one of them is a mistake.
                    self._fault(sheet, row, "name", "This name is used twice", raw)
                else:
                    self._notes.append(Said(sheet, row, "name", f"Called {value} here", raw))
            taken.add(value)
            self._lists.setdefault(name, []).append(
                (Option(value, self._labels(row, record, raw, sheet)), record)
            )
        for (name, raw), values in said.items():
            if values != [raw]:
                self._renamed.setdefault(name, {})[raw] = tuple(values)

    def _is_read(self, column: str) -> bool:
        kind, _, rest = column.partition("::")
        code = self._code(rest) if rest else self._default
        return column in OF_CHOICES or (kind.strip() == "label" and code in self._languages)

    def read(self) -> None:
        """Walks the survey."""
        for row, record in self._unrolled(self._survey[:MAX_ROWS]):
            self._row(row, record)
        if len(self._survey) > MAX_ROWS:
            self._fault("survey", self._survey[MAX_ROWS][0], "type", f"At most {MAX_ROWS} rows")
        for group in self._open:
            self._fault("survey", group.row, "type", "This group has no end")
        self._end_section()

    def _unrolled(self, rows: list[tuple[int, dict[str, str]]]) -> Iterator[tuple[int, dict[str, str]]]:
        """The rows with each loop over choices written out: a group for every choice, as pyxform makes of it.

        *Source*: pyxform 4.5, `builder.py`, `_create_loop_from_dict`.
        """
        at = 0
        while at < len(rows):
            row, record = rows[at]
            listed = _LOOP.fullmatch(" ".join(record.get("type", "").split()))
            end = _end_of_loop(rows, at) if listed else None
            if listed is None or end is None or listed[1] not in self._lists:
                yield row, record
                at += 1
                continue
            inner = rows[at + 1 : end]
            for option, cells in self._lists[listed[1]]:
                if cells.get("name") == "none":  # nothing is asked about "none of these"
                    continue
                titles = {f"label::{code}": text for code, text in option.labels.items()}
                yield (
                    row,
                    {"type": "begin_group", "name": f"{record.get('name', '')}_{option.value}"} | titles,
                )
                for number, each in inner:
                    yield number, _of_choice(each, option, cells, self._code, self._default)
                yield rows[end][0], {"type": "end_group"}
            if self._lists[listed[1]]:
                self._note(row, "type", "A loop over choices: asked once for each of them", listed[1])
            at = end + 1

    def _row(self, row: int, record: dict[str, str]) -> None:
        words = record.get("type", "")
        kind = kind_of(words)
        if not kind or kind.startswith("#"):
            return
        if record.get("disabled", "").lower() in YES:
            self._note(row, "disabled", "This is not asked and was left out", words)
            return
        if self._skipping:
            # What stands in something that can't be taken is no fault of its own.
            self._skipping += kind.startswith("begin_") - kind.startswith("end_")
            return
        if kind == "begin_group":
            self._begin_group(row, record)
        elif kind in ("end_group", "end_repeat", "end_loop"):
            self._end(row, kind)
        elif kind == "begin_repeat":
            self._begin_repeat(row, record)
        elif kind == "begin_loop":
            self._fault("survey", row, "type", "A loop over choices is not known here", words)
            self._skipping = 1
        elif kind in LEFT_OUT or kind.startswith("uri:"):
            if kind != "calculate" or not self._calculate(row, record):
                self._note(row, "type", "This is not asked and was left out", words)
        else:
            self._question(row, kind, words, record)

    def _calculate(self, row: int, record: Mapping[str, str]) -> bool:
        """Takes a calculation that can be said; false for one that is left out, told as such by whoever asks for it."""
        name, text = record.get("name", ""), self._straight(record.get("calculation", ""))
        if not name or not text:
            return False
        try:
            made = calculation(text, self._fields, self._values)
        except NotExact as problem:
            self._note(
                row,
                "calculation",
                "This calculation can’t be said exactly here and was left out",
                problem.part,
            )
            self._calculated[name] = text
            return True
        if not isinstance(made, list):
            made = ["if", True, made, made]
        key = self._key(row, record, "calculate", name)
        texts = self._texts(record, "label")
        labels = self._labels(row, record, name) if texts else {}
        outer = self._open[-1].shown if self._open else None
        when = self._when(row, "relevant", record)
        shown = _both(outer, when)
        if shown is None:
            self._calculated[key] = text
        self._left_out(row, record, frozenset({"type", "name", "label", "calculation", "relevant"}))
        self._place(row, Field(key, "calculated", labels, shown_when=shown, calculation=made))
        return True

    def _keep(self, row: int) -> Callable[[Any], str]:
        """Puts calculations that stand in a condition before what it is about, each once where it can be asked about."""

        def keep(made: Any) -> str:
            repeat = self._repeat
            place = repeat.field.key if repeat is not None and repeat.field is not None else ""
            there = (place, msgspec.json.encode(made))
            if there not in self._kept:
                key = self._free_key(f"sum_{row}")
                self._place(row, Field(key, "calculated", {}, calculation=made))
                self._kept[there] = key
            return self._kept[there]

        return keep

    @property
    def _repeat(self) -> _Group | None:
        return next((group for group in self._open if group.kind == "repeat"), None)

    def _begin_group(self, row: int, record: Mapping[str, str]) -> None:
        self._left_out(row, record, GROUPED)
        shown = self._when(row, "relevant", record)
        if not self._open:
            self._end_section()
            key = self._key(row, record, "part", f"part{len(self._sections) + 1}")
            self._rows[key] = row
            self._section = Section(key, self._labels(row, record, record.get("name", "") or key), (), shown)
            self._open.append(_Group(row, "group", is_section=True))
            return
        outer = self._open[-1].shown
        group = _Group(row, "group", _both(outer, shown))
        self._open.append(group)
        titles = self._labels(row, record, "")
        if titles:
            key = self._key(row, record, "title", f"title_{row}")
            self._place(row, Field(key, "note", titles, shown_when=group.shown))
            self._note(row, "type", "A group within a group: its title stands before its questions", key)

    def _end(self, row: int, kind: str) -> None:
        wanted = "repeat" if kind == "end_repeat" else "group"
        if not self._open or self._open[-1].kind != wanted:
            self._fault("survey", row, "type", "This ends what was not begun")
            return
        group = self._open.pop()
        if group.field is not None:
            if group.fields:
                made = msgspec.structs.replace(group.field, fields=tuple(group.fields))
                self._place(group.row, made)
            else:
                self._note(group.row, "type", "Nothing is asked in it, so it was left out", group.field.key)
        if group.is_section:
            self._end_section()

    def _left_out(self, row: int, record: Mapping[str, str], read: frozenset[str]) -> None:
        """Tells every cell of a row that nothing was made of."""
        for header, value in record.items():
            column, _, language = header.partition("::")
            column = column.strip()
            is_read = column in read and (not language or self._code(language) in self._languages)
            is_look = column == "appearance" and set(value.lower().split()) <= APPEARANCES
            if value and not is_read and not is_look:
                self._note(row, header, "This was left out", value)

    def _end_section(self) -> None:
        if self._inside:
            there = self._section or Section(
                self._free_key(f"part{len(self._sections) + 1}"),
                dict.fromkeys(self._languages, self._name[:100]),
            )
            self._sections.append(msgspec.structs.replace(there, fields=tuple(self._inside)))
        self._section, self._inside = None, []

    def _begin_repeat(self, row: int, record: Mapping[str, str]) -> None:
        if self._repeat is not None:
            self._fault(
                "survey", row, "type", "A repeat within a repeat is not known here", record.get("name", "")
            )
            self._skipping = 1
            return
        times = record.get("repeat_count", "")
        repeat = TIMES
        if re.fullmatch(r"[0-9]{1,6}", times) and int(times) >= 1:
            repeat = min(int(times), MAX_REPEAT)
            if int(times) > MAX_REPEAT:
                self._note(row, "repeat_count", f"Asked up to {MAX_REPEAT} times", times)
        elif times:
            repeat = MAX_REPEAT
            self._note(row, "repeat_count", f"Asked up to {MAX_REPEAT} times", times)
        else:
            self._note(row, "repeat_count", f"Asked up to {TIMES} times")
        self._left_out(row, record, GROUPED | {"repeat_count"})
        key = self._key(row, record, "repeat", f"repeat_{row}")
        outer = self._open[-1].shown if self._open else None
        field = Field(key, "group", self._labels(row, record, record.get("name", "") or key), repeat=repeat)
        shown = _both(outer, self._when(row, "relevant", record))
        self._open.append(_Group(row, "repeat", None, msgspec.structs.replace(field, shown_when=shown), []))

    def _question(self, row: int, kind: str, words: str, record: Mapping[str, str]) -> None:
        selected = SELECTS.fullmatch(" ".join(words.split()))
        if not selected and kind not in KINDS:
            self._fault("survey", row, "type", "This kind of question is not known here", words)
            self._refused.add(record.get("name", ""))
            return
        key = self._key(row, record, kind.split()[0], f"{re.sub('[^a-z]', '', kind)[:20]}_{row}")
        labels = self._labels(row, record, record.get("name", "") or key)
        hints = {
            code: self._said_plainly(row, text, "survey")
            for code, text in self._texts(record, "hint").items()
        }
        field = Field(key, "text", labels, hints)
        if selected:
            field = self._choice(row, selected, field, record)
        else:
            field = self._of_kind(row, kind, words, field, record)
        if field is None:
            self._refused.add(record.get("name", ""))
            return
        said = record.get("required", "").lower()
        needed: Any = None if said in NO else True if said in YES else self._when(row, "required", record)
        outer = self._open[-1].shown if self._open else None
        field = msgspec.structs.replace(
            field,
            required_when=None if field.type == "note" else needed,
            shown_when=_both(outer, self._when(row, "relevant", record)),
        )
        field = self._constrained(row, field, record)
        read = ASKED if record.get("constraint") else ASKED - {"constraint_message"}
        read = read - {"required"} if field.type == "note" and said not in NO else read
        self._left_out(row, record, read | {"parameters"} if kind == "range" else read)
        self._place(row, field)
        if selected and selected["other"]:
            self._other(row, field)

    def _other(self, row: int, field: Field) -> None:
        """Asks which, where "other" was chosen, as XLSForm's or_other does."""
        chosen = ["has" if field.type == "choices" else "eq", field.key, OTHER]
        key = self._free_key(f"{field.key}_other")
        labels = dict.fromkeys(self._languages, "Specify other.")
        self._place(row, Field(key, "text", labels, shown_when=_both(field.shown_when, chosen)))

    def _constrained(self, row: int, field: Field, record: Mapping[str, str]) -> Field:
        text = self._straight(record.get("constraint", ""))
        if not text or field.type == "note":
            return field
        said = self._texts(record, "constraint_message")
        texts = {code: self._said_plainly(row, each, "survey") for code, each in said.items()}
        if pattern := _REGEX.fullmatch(text.strip()):
            wanted = pattern[1] if pattern[1] is not None else pattern[2]
            if field.type in ("text", "long_text") and len(wanted) <= MAX_PATTERN and is_pattern(wanted):
                return msgspec.structs.replace(field, pattern=wanted, valid_texts=texts)
            self._fault("survey", row, "constraint", "This regular expression can’t be read", wanted)
            return field
        # A view: a calculation that the constraint keeps joins the questions while it is read.
        own = ChainMap({field.key: field}, self._fields)
        try:
            return msgspec.structs.replace(field, **bounds(text, field, self._fields))
        except NotExact:
            pass  # said as a condition instead, or named below
        try:
            found = condition(
                text,
                own,
                values=self._values | self._own_values(field),
                own=field.key,
                calculated=self._calculated,
                keep=self._keep(row),
            )
        except NotExact as problem:
            if not self._is_of_refused(problem.part):
                self._fault(
                    "survey",
                    row,
                    "constraint",
                    "This can’t be said exactly here: write it as bounds of the answer",
                    problem.part,
                )
            return field
        return msgspec.structs.replace(field, valid_when=found, valid_texts=texts)

    def _own_values(self, field: Field) -> dict[str, dict[str, tuple[str, ...]]]:
        return {field.key: self._values[field.key]} if field.key in self._values else {}

    def _place(self, row: int, field: Field) -> None:
        """Puts a question where it stands: into the repeat that is open, or the section."""
        repeat = self._repeat
        if repeat is not None and repeat.field is not None and field.type != "group":
            if field.type in ("photo", "signature"):
                self._fault("survey", row, "type", "This kind of question can’t stand in a group", field.key)
                return
            repeat.fields.append(field)
            self._rows[f"{repeat.field.key}.{field.key}"] = row
        else:
            self._inside.append(field)
            self._rows[field.key] = row
        self._fields[field.key] = field

    def _of_kind(
        self, row: int, kind: str, words: str, field: Field, record: Mapping[str, str]
    ) -> Field | None:
        change = msgspec.structs.replace
        look = record.get("appearance", "").lower()
        if kind == "image" and "signature" in look:
            return change(field, type="signature")
        if kind == "text" and "multiline" in look:
            return change(field, type="long_text")
        if kind == "range":
            return self._range(row, field, record)
        if kind == "decimal":
            self._note(row, "type", f"Kept with {DECIMALS} decimals", words)
        elif kind == "datetime":
            self._note(row, "type", "Only the day is asked here", words)
        elif kind == "barcode":
            self._note(row, "type", "Asked as a text here", words)
        return change(field, type=KINDS[kind], digits=DECIMALS if kind == "decimal" else 0)

    def _range(self, row: int, field: Field, record: Mapping[str, str]) -> Field:
        """A number between a range's ends."""
        said = dict(
            re.findall(r"(start|end|step)\s*=\s*(-?[0-9]+(?:\.[0-9]+)?)", record.get("parameters", ""))
        )
        start, end = said.get("start", "1"), said.get("end", "10")
        digits = max(len(each.partition(".")[2]) for each in (start, end, said.get("step", "1")))
        low, high = (float(each) if "." in each else int(each) for each in (start, end))
        if said.get("step", "1") not in ("1", "1.0"):
            self._note(
                row, "parameters", "Any number between the ends is taken", record.get("parameters", "")
            )
        return msgspec.structs.replace(
            field, type="number", digits=digits, min=min(low, high), max=max(low, high)
        )

    def _choice(
        self, row: int, selected: re.Match[str], field: Field, record: Mapping[str, str]
    ) -> Field | None:
        is_one, list_name = "one" in selected["many"].lower() or "1" in selected["many"], selected["list"]
        listed = self._lists.get(list_name)
        if listed is None or selected["file"]:
            rule = "There is no such list of choices"
            if selected["file"] or "." in list_name:
                rule = "Choices from a file beside the workbook are not known here"
            elif list_name.startswith("${"):
                rule = "Choices out of earlier answers are not known here"
            self._fault("survey", row, "type", rule, list_name)
            return None
        # Called something else ("Present", "Absent"), they stay choices: nobody is asked other words than were written.
        is_plain = all(text.lower() in PLAIN for option, _ in listed if (text := option.labels.get("en")))
        values = {option.value for option, _ in listed if is_plain}
        filter_text = self._straight(record.get("choice_filter", ""))
        renamed = self._renamed.get(list_name, {})
        if renamed:
            self._values[field.key] = renamed
        if is_one and not filter_text and not selected["other"] and not renamed:
            if values == {"yes", "no"}:
                return msgspec.structs.replace(field, type="yes_no")
            if values == {"yes", "no", "unknown"}:
                return msgspec.structs.replace(field, type="yes_no_unknown")
        options = self._filtered(row, listed, filter_text)
        if selected["other"] and all(option.value != OTHER for option in options):
            options = (*options, Option(OTHER, dict.fromkeys(self._languages, "Other")))
        return msgspec.structs.replace(field, type="choice" if is_one else "choices", options=options)

    def _filtered(
        self, row: int, listed: list[tuple[Option, dict[str, str]]], text: str
    ) -> tuple[Option, ...]:
        """The options, each with the condition that a choice filter makes of its own cells."""
        if not text:
            return tuple(option for option, _ in listed)
        columns = {column for _, record in listed for column in record}
        options: list[Option] = []
        for option, record in listed:
            said = _with_cells(text, record, columns)
            try:
                shown = condition(
                    self._by_key(said),
                    self._fields,
                    values=self._values,
                    own="",
                    calculated=self._calculated,
                    keep=self._keep(row),
                )
            except NotExact as problem:
                if not self._is_of_refused(problem.part):
                    self._fault(
                        "survey",
                        row,
                        "choice_filter",
                        "This condition can’t be said exactly here",
                        problem.part,
                    )
                return tuple(option for option, _ in listed)
            if shown is not False:
                options.append(msgspec.structs.replace(option, shown_when=None if shown is True else shown))
        for column in columns:
            if re.search(rf"\b{re.escape(column)}\b", text, re.IGNORECASE):
                self._unread.pop(column, None)
        return tuple(options)

    def _when(self, row: int, column: str, record: Mapping[str, str]) -> Any:
        text = self._straight(record.get(column, ""))
        if not text:
            return None
        try:
            return condition(
                text,
                self._fields,
                values=self._values,
                own="",
                calculated=self._calculated,
                keep=self._keep(row),
            )
        except NotExact as problem:
            if not self._is_of_refused(problem.part):
                self._fault("survey", row, column, "This condition can’t be said exactly here", problem.part)
            return None

    def _is_of_refused(self, part: str) -> bool:
        """Whether a condition fails only for a question that was refused already: one fault for one cause."""
        return any(name and part == f"${{{name}}}" for name in self._refused)

    def _straight(self, text: str) -> str:
        """An expression with straight quotation marks and our own keys."""
        return self._by_key(" ".join(text.translate(CURLY).split()))

    def _by_key(self, text: str) -> str:
        return _ANSWER.sub(lambda found: f"${{{self._keys.get(found[1], found[1])}}}", text)

    def _key(self, row: int, record: Mapping[str, str], kind: str, otherwise: str) -> str:
        """A short name of our kind for what a row calls it; another one is told."""
        name = record.get("name", "")
        if not name:
            if kind not in ("part", "title", "repeat", "note"):
                self._fault("survey", row, "name", "A short name of small letters, digits and _", name)
            return self._free_key(otherwise)
        key = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:LONGEST_KEY]
        key = key if key[:1].isalpha() else f"q_{key}"[:LONGEST_KEY]
        key = self._free_key(key)
        if key != name:
            self._note(row, "name", f"Called {key} here", name)
        self._keys[name] = key
        return key

    def _free_key(self, key: str) -> str:
        free = _free(key[:LONGEST_KEY], self._taken, LONGEST_KEY)
        self._taken.add(free)
        return free

    def result(self) -> Converted:
        """The form, or why there is none."""
        form = Form(self._name[:100], 1, self._languages, tuple(self._sections))
        if not self._faults:
            for fault in form_faults(form):
                self._fault("survey", self._rows.get(fault.field, 1), fault.field, fault.rule, fault.value)
        return Converted(
            None if self._faults else form, tuple(self._faults), (*self._notes, *self._unread.values())
        )


def _end_of_loop(rows: list[tuple[int, dict[str, str]]], start: int) -> int | None:
    """Where the loop ends that begins at `start`; None for one without an end, or with another in it."""
    for at in range(start + 1, len(rows)):
        kind = kind_of(rows[at][1].get("type", ""))
        if kind == "end_loop":
            return at
        if kind == "begin_loop":
            return None
    return None


def _of_choice(
    record: Mapping[str, str],
    option: Option,
    cells: Mapping[str, str],
    code_of: Callable[[str], str | None],
    default: str,
) -> dict[str, str]:
    """A row of a loop as it is asked about one choice, whose name and label stand where the row says %(name)s and %(label)s."""
    made: dict[str, str] = {}
    for header, text in record.items():
        language = (code_of(header.partition("::")[2]) if "::" in header else default) or default
        said = option.labels.get(language) or next(iter(option.labels.values()), option.value)
        made[header] = text.replace("%(name)s", cells.get("name", option.value)).replace("%(label)s", said)
    return made


def _free(wanted: str, taken: set[str], longest: int) -> str:
    """The wanted name, or with a number where it is taken."""
    name, number = wanted, 2
    while name in taken:
        end = f"_{number}"
        name = wanted[: longest - len(end)] + end
        number += 1
    return name


def _both(one: Any, other: Any) -> Any:
    """A condition that both hold; None is none."""
    return other if one is None else one if other is None else ["and", one, other]


def _with_cells(text: str, record: Mapping[str, str], columns: set[str]) -> str:
    """A choice filter with a choice's own cells where it names columns."""

    def cell(found: re.Match[str]) -> str:
        word = found[0]
        if word[0] in "$'\"" or word.lower() not in columns:
            return word
        return "'" + record.get(word.lower(), "").replace("'", "") + "'"

    return re.sub(r"\$\{[^}]*\}|'[^']*'|\"[^\"]*\"|[A-Za-z_][\w.-]*(?!\s*\()", cell, text)


__all__ = ["Converted", "Said", "Sheet", "convert"]
