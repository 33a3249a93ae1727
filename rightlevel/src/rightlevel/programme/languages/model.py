"""Languages and translations: frozen values, and what a translation may be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from rightlevel.programme.errors import Fault

SOURCE: Final = "en"
MOST_LANGUAGES: Final = 12
"""Offered at once: each takes up to 2 MB in every process."""
MOST_TEXTS: Final = 5_000
"""Texts of one language that are translated in the product; the program has some 2,300."""
LONGEST_TEXT: Final = 2_000
Calendar = Literal["gregorian", "buddhist"]
CALENDARS: Final[tuple[Calendar, ...]] = ("gregorian", "buddhist")
_CODE: Final = re.compile(r"[a-z]{2,3}")
_BLANK: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of all that follows."""


class LanguageRow(msgspec.Struct, frozen=True):
    """One language of the programme: whether pages are offered in it, and how many texts were translated here."""

    code: str
    is_offered: bool
    version: int
    translated: int


class NewLanguage(msgspec.Struct, frozen=True):
    """A language by its ISO 639 code, for example `hi`."""

    code: str


class LanguageChange(msgspec.Struct, frozen=True):
    """Whether pages are offered in it."""

    is_offered: bool
    version: int


class ChosenCalendar(msgspec.Struct, frozen=True):
    """By which calendar days are written; what is typed is always Gregorian."""

    calendar: Calendar


class SourceText(msgspec.Struct, frozen=True):
    """A text of the program: in English, with its plural where it counts something. `forms` is how many a language has of it."""

    text: str
    plural: str | None = None
    forms: int = 1


class Translation(msgspec.Struct, frozen=True):
    """What a text is in one language, as somebody wrote it here: one form, or one for each of its plurals."""

    text: str
    forms: list[str]
    version: int


class Learned(msgspec.Struct, frozen=True):
    """What a process knows of languages: the mark it had, those that are offered, what was translated here by code, and the calendar."""

    mark: str = ""
    offered: tuple[str, ...] = (SOURCE, "km")
    texts: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    calendar: Calendar = "gregorian"


class KeptLanguages:
    """What one running platform knows of languages; `made` is what the pages make of it, once."""

    def __init__(self) -> None:
        self.learned = Learned()
        self.made: object = None

    def take(self, learned: Learned) -> None:
        self.learned, self.made = learned, None


def code_faults(code: str) -> list[Fault]:
    """What is wrong with a language's code."""
    return [] if _CODE.fullmatch(code) else [Fault("code", "A language code, for example km", code[:20])]


def translation_faults(source: SourceText, forms: Sequence[str]) -> list[Fault]:
    """What is wrong with a translation: it must keep the blanks of its text, hold no markup that the text has not, and be no longer than fits.

    A blank is a name in braces, filled in as text; a `#` stands for a number or name. Anything else in braces could reach into the program.
    """
    if len(forms) != source.forms:
        return [Fault("forms", f"This language has {source.forms} forms of this text", str(len(forms)))]
    faults: list[Fault] = []
    for number, form in enumerate(forms):
        field = f"forms.{number}"
        if not form.strip() or len(form) > LONGEST_TEXT:
            faults.append(Fault(field, f"Between 1 and {LONGEST_TEXT} characters", form[:60]))
        elif _UNSEEN.search(form):
            faults.append(Fault(field, "A character in it can't be seen", form[:60]))
        elif wrong := _blanks_wrong(source, form):
            faults.append(Fault(field, wrong, form[:60]))
        elif any(form.count(each) > source.text.count(each) for each in "<>"):
            faults.append(Fault(field, "No markup: leave out < and >", form[:60]))
    return faults


def _blanks_wrong(source: SourceText, form: str) -> str:
    wanted, given = _blanks(source.text, source.plural), Counter(_BLANK.findall(form))
    rest, own = _BLANK.sub("", form), _BLANK.sub("", source.text)
    # A text that shows braces to people is never filled in.
    is_free = "{" in own or "}" in own
    if not is_free and ("{" in rest or "}" in rest or not given.keys() <= wanted):
        return f"In braces only these: {' '.join(sorted(wanted)) or '–'}"
    needed = wanted - {"{n}"} if source.plural is not None else wanted
    if missing := needed - given.keys():
        return f"These are missing: {' '.join(sorted(missing))}"
    return "As many # as in the English text" if form.count("#") != source.text.count("#") else ""


def _blanks(*texts: str | None) -> set[str]:
    return {blank for text in texts if text for blank in _BLANK.findall(text)}
