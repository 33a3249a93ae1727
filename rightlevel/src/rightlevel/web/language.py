"""The languages people read: catalogues of texts, plurals, numbers and dates.

English is the source. A language is a folder `locales/<code>/` of `.po` files, merged when the program starts; a text
that a catalogue lacks is shown in English, and a test fails for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from gettext import c2py
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.dates import format_date, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from flatwater.inputs import SentTwice, UnknownField
from rightlevel.cldr import forget, locale_of
from rightlevel.programme.errors import OwnWords, ProgrammeError

LOCALES = Path(__file__).parent / "locales"
SOURCE: Final = "en"
LANGUAGE_COOKIE = "rl_language"
DAY: Final = "d MMM y"
"""A day in every language as a page writes it, and as the phone's script does (phone.js: dayText)."""
NOTHING = "–"
"""What a figure shows that has no denominator: never an invented zero."""


def N_(text: str) -> str:  # noqa: N802  the name that extractors of texts know
    """The text itself; marks one that is translated later."""
    return text


class Language:
    """One language: its texts, its plural rule and how it writes numbers and dates."""

    def __init__(self, code: str, texts: Mapping[str, tuple[str, ...]], plural: Callable[[int], int]) -> None:
        self.code = code
        self._texts = texts
        self._rules = [
            (_rule_pattern(each), texts[each][0])
            for each in sorted(texts, key=len, reverse=True)
            if "#" in each
        ]
        self._plural = plural
        self._locale, self.name, self.direction = locale_of(code)

    def gettext(self, text: str, /, **values: Any) -> str:
        """The text in this language; `{name}` in it is filled from `values`."""
        found = self._texts.get(text)
        translated = found[0] if found else text
        return translated.format(**values) if values else translated

    def ngettext(self, one: str, many: str, n: int, /, **values: Any) -> str:
        """The text that fits the number; `{n}` in it is the number as this language writes it."""
        found = self._texts.get(one)
        if found is None:
            translated = one if n == 1 else many
        else:
            translated = found[min(self._plural(n), len(found) - 1)]
        return translated.format(n=self.number(n), **values)

    def knows(self, text: str) -> bool:
        """Whether the catalogue has this text (English has every one)."""
        return self.code == SOURCE or text in self._texts

    def knows_rule(self, text: str) -> bool:
        """Whether the catalogue has this rule as it stands or with `#` for its numbers and names."""
        return self._knows_one(text) or _are_sentences(text, self._knows_one)

    def _knows_one(self, text: str) -> bool:
        return self.knows(text) or any(pattern.fullmatch(text) for pattern, _ in self._rules)

    def rule(self, text: str) -> str:
        """The rule a fault names, translated: as it stands, or by the entry with `#` for its numbers and names; several sentences one by one."""
        if isinstance(text, OwnWords):
            return text.said(self.code)
        if text in self._texts:
            return self.gettext(text)
        if _are_sentences(text, self._knows_one):
            return " ".join(map(self.rule, _SENTENCES.split(text)))
        for pattern, translated in self._rules:
            if found := pattern.fullmatch(text):
                first, *rest = translated.split("#")
                filled = [self._name(each) + part for each, part in zip(found.groups(), rest, strict=True)]
                return first + "".join(filled)
        return text

    def _name(self, text: str) -> str:
        """A code in the middle of a rule (baseline), as people call it; anything else as it is."""
        return self.gettext(text.capitalize()) if text.isalpha() else text

    def error(self, error: Exception) -> str:
        """What an error says to the person who reads it: its own text, else its kind's where only that is translated."""
        if isinstance(error, ProgrammeError):
            text = self.gettext(error.text)
            return text.format_map(_Blanks(error.values)) if error.values else text
        if isinstance(error, UnknownField | SentTwice):
            return self.gettext((type(error).__doc__ or "").strip(), names=", ".join(error.names))
        own, kind = str(error), " ".join((type(error).__doc__ or "").split())
        return self.gettext(own if own and self.knows(own) else kind or own)

    def number(self, value: float, digits: int = 0) -> str:
        """A number, grouped, with so many decimals."""
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return format_decimal(value, format=pattern, locale=self._locale)

    def share(self, value: float | None, digits: int = 0) -> str:
        """A share of 1 as per cent; a dash for None."""
        if value is None:
            return NOTHING
        pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
        return format_percent(value, format=pattern, locale=self._locale)

    def date(self, value: date | None, zone: tzinfo = UTC) -> str:
        """A day; a dash for None. Of an instant, its day in the zone."""
        if isinstance(value, datetime):
            value = value.astimezone(zone)
        return NOTHING if value is None else format_date(value, DAY, locale=self._locale)

    def moment(self, value: datetime | None, zone: tzinfo = UTC) -> str:
        """Day and time in the zone; a dash for None."""
        if value is None:
            return NOTHING
        here = value.astimezone(zone)
        return f"{self.date(here, zone)}, {format_time(here, 'HH:mm', locale=self._locale)}"


_SENTENCES: Final = re.compile(r"(?<=[.?]) (?=[A-Z0-9])")
"""Between two sentences of ours: what people wrote may hold such a place too, so that all parts must be known."""


def _are_sentences(text: str, knows: Callable[[str], bool]) -> bool:
    parts = _SENTENCES.split(text)
    return len(parts) > 1 and all(map(knows, parts))


def _rule_pattern(text: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, text.split("#"))))


class _Blanks(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return NOTHING


def read_language(code: str, folder: Path = LOCALES) -> Language:
    """A language out of its catalogues. *Errors*: babel's PoFileError for a damaged one."""
    texts: dict[str, tuple[str, ...]] = {}
    plural = "n != 1"
    for path in sorted((folder / code).glob("*.po")):
        catalogue = read_po(BytesIO(path.read_bytes()), locale=code, abort_invalid=True)
        plural = catalogue.plural_expr
        for message in catalogue:
            if message.id and message.string and not message.fuzzy:
                key = message.id if isinstance(message.id, str) else message.id[0]
                given = (message.string,) if isinstance(message.string, str) else tuple(message.string)
                if all(given):
                    texts[key] = given
    chosen = c2py(plural)
    return Language(code, texts, lambda n: int(chosen(n)))


def read_languages(folder: Path = LOCALES) -> dict[str, Language]:
    """Every language there is, English first."""
    codes = [SOURCE, *sorted(each.name for each in folder.iterdir() if each.is_dir() and each.name != SOURCE)]
    languages = {code: read_language(code, folder) for code in codes}
    forget()
    return languages


LANGUAGES: Final = read_languages()


def choose_language(own: str | None, cookie: str | None, accept: str) -> Language:
    """The account's language, else the device's choice, else the browser's wish, else English."""
    for code in (own, cookie, *_wishes(accept)):
        if code in LANGUAGES:
            return LANGUAGES[code]
    return LANGUAGES[SOURCE]


def _wishes(accept: str) -> list[str]:
    """The primary languages of an Accept-Language header, the most wanted first."""
    wishes: list[tuple[float, str]] = []
    for part in accept[:200].split(",")[:20]:
        tag, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        wishes.append((-weight, tag.strip().lower().split("-")[0]))
    return [code for _, code in sorted(wishes, key=lambda wish: wish[0])]
