"""Every text that people see is in every language, whole and with its blanks."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

import rightlevel.programme
import rightlevel.web
from flatwater.errors import Refused
from rightlevel.programme.errors import Fault, Invalid, ProgrammeError
from rightlevel.programme.languages import KeptLanguages
from rightlevel.web.language import LANGUAGES, LOCALES, Language, choose_language, name_in
from rightlevel.web.templating import ShownAgain, local_path

ROOT = Path(rightlevel.__file__).parent
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
OTHERS = [code for code in LANGUAGES if code != "en"]
BLANK = re.compile(r"\{(\w+)\}")


def key(message: str | tuple[str, ...]) -> str:
    return message if isinstance(message, str) else message[0]


def texts_of_templates() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "web").rglob("*.html")):
        with path.open("rb") as file:
            for line, _, message, _ in babel_extract(file, tuple(KEYWORDS), (), {"trimmed": "false"}):
                for each in [message] if isinstance(message, str) else (message or ())[:1]:
                    if each:
                        yield each, f"{path.relative_to(ROOT)}:{line}"


def texts_of_code() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "web").rglob("*.py")):
        with path.open("rb") as file:
            for line, message, *_ in extract("python", file, KEYWORDS):
                yield key(message), f"{path.relative_to(ROOT)}:{line}"


def texts_of_errors() -> Iterator[tuple[str, str]]:
    importlib.import_module("flatwater.serving")  # its refusals are told to people too
    for room in (rightlevel.programme, rightlevel.web):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    for kind in (*_below(ProgrammeError), *_below(Refused)):
        if kind.__module__.split(".")[0] in ("rightlevel", "flatwater") and kind is not ShownAgain:
            yield " ".join((kind.__doc__ or "").split()), kind.__module__


def _below(kind: type) -> Iterator[type]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


def texts_of_faults() -> Iterator[tuple[str, str]]:
    """The rules that faults name and the sentences that errors are raised with, numbers as #."""
    names = {each.__name__ for each in _below(ProgrammeError)}
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "DaySort":
                yield from ((each.value, str(path.relative_to(ROOT))) for each in node.args[2:])  # type: ignore[attr-defined]
            place = {"Fault": 1, **dict.fromkeys(names, 0)}.get(node.func.id)
            if place is None or len(node.args) <= place:
                continue
            text = _literal(node.args[place])
            if text:
                yield text, f"{path.relative_to(ROOT)}:{node.lineno}"


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values)
    return None


SAID_AT = {"Wrong": 0, "wrong": 1, "SheetFault": 1, "Said": 3, "_note": 2, "_bad_cell": 0}
"""Where a call in the rooms of imports and forms has what people are told; `_fault` has it after the place it is about."""
TOLD_IN = ("programme/exchange", "programme/forms")


def texts_of_files() -> Iterator[tuple[str, str]]:
    """What is said of files, mappings and workbooks, wherever it is put together: literals, names given to them, and lists of sentences."""
    for room in TOLD_IN:
        for path in sorted((ROOT / room).glob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            everywhere = _assigned(tree)
            for scope in ast.walk(tree):
                if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) or scope.name in SAID_AT:
                    continue
                names = {**everywhere, **_assigned(scope)}
                for call in ast.walk(scope):
                    node = _told(call) if isinstance(call, ast.Call) else None
                    for text in _all_of(node, names) if node is not None else ():
                        is_name = text.replace("1", "") == ""
                        if text and not is_name:
                            yield _as_cell(text, call), f"{path.relative_to(ROOT)}:{call.lineno}"  # type: ignore[attr-defined]


def _as_cell(text: str, call: ast.AST) -> str:
    is_of_cell = isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "_bad_cell"
    return f"Cell A1 {text}." if is_of_cell else text


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found.setdefault(node.target.id, []).append(node.value)
    return found


def _told(call: ast.Call) -> ast.expr | None:
    """The argument of a call that people are told."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name == "append" and len(call.args) == 1:
        row = call.args[0]
        owner = getattr(getattr(call.func, "value", None), "id", "")
        if isinstance(row, ast.Tuple):
            return row.elts[3] if len(row.elts) == 5 else None
        return row if owner == "said" else None
    if name == "_fault":
        return call.args[3] if len(call.args) > 3 else call.args[1] if len(call.args) > 1 else None
    place = SAID_AT.get(name)
    return call.args[place] if place is not None and len(call.args) > place else None


def _all_of(node: ast.expr, names: dict[str, list[ast.expr]]) -> list[str]:
    """Every text that an expression may be, what is not known as 1."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            made = [""]
            for part in parts:
                if isinstance(part, ast.FormattedValue):
                    found = _all_of(part.value, names) if isinstance(part.value, ast.Name) else []
                    sentences = [each for each in found if each.endswith(".") or " " in each]
                    made = [begun + each for begun in made for each in (sentences or ["1"])]
                else:
                    made = [begun + each for begun in made for each in _all_of(part, names)]
            return made
        case ast.Name(id=name):
            others = {each: values for each, values in names.items() if each != name}
            return [text for value in names.get(name, ()) for text in _all_of(value, others)]
        case ast.IfExp(body=one, orelse=other):
            return [*_all_of(one, names), *_all_of(other, names)]
        case _:
            return []


def texts_of_refusals() -> Iterator[tuple[str, str]]:
    """The sentences by which rows of a batch are refused."""
    for module in pkgutil.walk_packages(rightlevel.programme.__path__, f"{rightlevel.programme.__name__}."):
        found: dict[str, str] = getattr(importlib.import_module(module.name), "REFUSALS", {})
        for text in found.values():
            yield text, module.name


SOURCES = {
    "templates": texts_of_templates,
    "code": texts_of_code,
    "errors": texts_of_errors,
    "faults": texts_of_faults,
    "files": texts_of_files,
    "refusals": texts_of_refusals,
}


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_text_is_translated(source: str, code: str) -> None:
    language = LANGUAGES[code]
    knows = language.knows_rule if source in ("faults", "files") else language.knows
    found = list(SOURCES[source]())
    assert found
    assert sorted({f"{text}   ({where})" for text, where in found if not knows(text)}) == []


@pytest.mark.parametrize("code", OTHERS)
def test_translations_keep_the_blanks_and_do_not_contradict_each_other(code: str) -> None:
    seen: dict[str, str] = {}
    for path in sorted((LOCALES / code).glob("*.po")):
        for message in read_po(BytesIO(path.read_bytes()), locale=code, abort_invalid=True):
            if not message.id or not message.string:
                continue
            given = message.string if isinstance(message.string, str) else message.string[0]
            wanted = set(BLANK.findall(key(message.id)))
            assert set(BLANK.findall(given)) >= wanted - {"n"}, (path.name, message.id)
            assert key(message.id).count("#") == given.count("#"), (path.name, message.id)
            assert seen.setdefault(key(message.id), given) == given, (path.name, message.id)


@pytest.mark.parametrize("code", OTHERS)
def test_each_text_stands_once_in_a_language(code: str) -> None:
    """A second one is mended in one place and stays as it was in the other."""
    catalogues = "\n".join(path.read_text("utf-8") for path in sorted((LOCALES / code).glob("*.po")))
    texts = Counter(re.findall(r'^msgid ((?:".*"\n)+)', catalogues, re.MULTILINE))
    assert [text for text, count in texts.items() if count > 1 and text != '""\n'] == []


def test_a_language_is_called_by_its_own_name_also_where_no_page_is_offered_in_it() -> None:
    kept = KeptLanguages()
    assert [name_in(kept, each) for each in ("km", "vi", "hi", "xx")] == ["ខ្មែរ", "Tiếng Việt", "हिन्दी", "xx"]


def test_the_account_decides_then_the_device_then_the_browser_then_english() -> None:
    assert choose_language("km", "en", "en").code == "km"
    assert choose_language(None, "km", "en").code == "km"
    assert choose_language(None, None, "fr-FR, km-KH;q=0.8, en;q=0.5").code == "km"
    assert choose_language(None, "xx", "en;q=0.1, km;q=0.9").code == "km"
    assert choose_language(None, None, "fr, *;q=nonsense").code == "en"


def test_a_faults_rule_is_translated_with_its_numbers_and_names() -> None:
    texts = {
        "At least # characters": ("យ៉ាងតិច # តួអក្សរ",),
        "One of: #": ("មួយក្នុងចំណោម៖ #",),
        "Baseline": ("តេស្តដើមគ្រា",),
        "After the #, which ends on #": ("ក្រោយ# ដែលចប់នៅ #",),
    }
    language = Language("km", texts, lambda _: 0)
    assert language.rule("At least 10 characters") == "យ៉ាងតិច 10 តួអក្សរ"
    assert language.rule("One of: en, km") == "មួយក្នុងចំណោម៖ en, km"
    assert (
        language.rule("After the baseline, which ends on 2026-11-30") == "ក្រោយតេស្តដើមគ្រា ដែលចប់នៅ 2026-11-30"
    )
    assert language.rule("something new") == "something new"


def test_sentences_that_stand_together_are_translated_one_by_one() -> None:
    khmer = LANGUAGES["km"]
    said = "No column was found for: name. The file has: school_code, code. Called."
    assert khmer.rule(said) != said, "a header may end with a dot"
    assert khmer.rule("No column was found for: name. The file has: A1, B1.") == (
        "រកមិនឃើញជួរឈរសម្រាប់៖ ឈ្មោះ។ ឯកសារមាន៖ A1, B1។"
    )
    assert "go back" not in khmer.rule("Columns not used: x. 3 go back into an earlier school year.")
    assert khmer.rule("Nobody wrote this. Nor that.") == "Nobody wrote this. Nor that."


def test_an_error_says_its_own_sentence_with_its_values() -> None:
    english = LANGUAGES["en"]
    assert english.error(Invalid(faults=(Fault("a", "b"),))).startswith("Some of what was entered")
    assert english.error(ProgrammeError("Wait {wait_s} seconds", wait_s=5)) == "Wait 5 seconds"


def test_a_share_of_nothing_is_a_dash() -> None:
    english = LANGUAGES["en"]
    assert (english.share(None), english.share(0.125, 1), english.number(1234567)) == (
        "–",
        "12.5%",
        "1,234,567",
    )


def test_plurals_follow_the_language() -> None:
    english = LANGUAGES["en"]
    assert english.ngettext("{n} child", "{n} children", 1) == "1 child"
    assert english.ngettext("{n} child", "{n} children", 1200) == "1,200 children"


@pytest.mark.parametrize(
    "asked", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/a\nb", "/\u0441"]
)
def test_only_our_own_addresses_are_gone_to(asked: str) -> None:
    assert local_path(asked) == "/"


def test_our_own_addresses_are_gone_to() -> None:
    assert local_path("/people?role=teacher&after=x") == "/people?role=teacher&after=x"
