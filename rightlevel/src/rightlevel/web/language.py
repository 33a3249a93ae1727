"""The languages people read: catalogues of texts, plurals, numbers and dates.

English is the source. A language that comes whole is a folder `locales/<code>/` of `.po` files, merged when the program starts; a text
that a catalogue lacks is shown in English, and a test fails for it. Others are added in the product (programme/languages): what was
translated there stands before the catalogue, and a language may begin with texts that a machine made (`languages/starting/<code>.po`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from gettext import c2py
from io import BytesIO
from pathlib import Path
from typing import Any, Final, cast

from babel.core import UnknownLocaleError
from babel.dates import format_date, format_time
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from flatwater.inputs import SentTwice, UnknownField
from rightlevel.cldr import forget, locale_of
from rightlevel.programme.errors import OwnWords, ProgrammeError
from rightlevel.programme.languages import Calendar, KeptLanguages, Learned, SourceText

LOCALES = Path(__file__).parent / "locales"
STARTING = Path(__file__).parent / "languages" / "starting"
SOURCE: Final = "en"
LANGUAGE_COOKIE = "rl_language"
DAY: Final = "d MMM y"
"""A day in every language as a page writes it, and as the phone's script does (phone.js: dayText)."""
BUDDHIST_YEARS: Final = 543
"""*Source*: CLDR, calendar `buddhist`: the year of the common era and 543, from January on, as it is written on forms."""
ZEROS: Final = {
    "arab": 0x660,
    "arabext": 0x6F0,
    "beng": 0x9E6,
    "deva": 0x966,
    "gujr": 0xAE6,
    "guru": 0xA66,
    "khmr": 0x17E0,
    "knda": 0xCE6,
    "laoo": 0xED0,
    "mlym": 0xD66,
    "mymr": 0x1040,
    "orya": 0xB66,
    "tamldec": 0xBE6,
    "telu": 0xC66,
    "thai": 0xE50,
    "tibt": 0xF20,
}
"""Numbering systems of CLDR and where Unicode has their nought."""
NOTHING = "–"
"""What a figure shows that has no denominator: never an invented zero."""


def N_(text: str) -> str:  # noqa: N802  the name that extractors of texts know
    """The text itself; marks one that is translated later."""
    return text


IN_BUDDHIST_ERA: Final = N_("{day} {year} BE")


class Language:
    """One language: its texts, its plural rule and how it writes numbers and dates."""

    def __init__(
        self,
        code: str,
        texts: Mapping[str, tuple[str, ...]],
        plural: Callable[[int], int],
        *,
        forms: int = 1,
        calendar: Calendar = "gregorian",
    ) -> None:
        self.code = code
        self.forms = forms
        self.calendar = calendar
        self._digits: dict[int, str] = {}
        self._texts = texts
        self._rules = [
            (_rule_pattern(each), texts[each][0])
            for each in sorted(texts, key=len, reverse=True)
            if "#" in each
        ]
        self._plural = plural
        self._locale, self.name, self.direction = locale_of(code)

    @property
    def own_digits(self) -> str:
        """The ten digits of the language's own script, from nought; the usual ones where it has none."""
        systems: Mapping[str, str] = cast("Any", self._locale).other_numbering_systems
        system = systems.get("native", "latn")
        zero = ZEROS.get(system, 0x30)
        return "".join(chr(zero + each) for each in range(10))

    @property
    def digits(self) -> str:
        """The ten digits in which this reader's numbers are written."""
        return "".join(self._digits.values()) or "0123456789"

    def in_own_digits(self) -> Language:
        """The same language with every number in its own script's digits. *Cost*: a small object; the texts are shared."""
        other = copy.copy(self)
        other._digits = {0x30 + each: digit for each, digit in enumerate(self.own_digits)}
        return other

    def in_digits(self, text: str) -> str:
        """A text with its digits as this reader reads them."""
        return text.translate(self._digits) if self._digits else text

    def with_texts(self, texts: Mapping[str, tuple[str, ...]], calendar: Calendar) -> Language:
        """The same language, with these texts before its own."""
        return Language(
            self.code,
            {**self._texts, **texts} if texts else self._texts,
            self._plural,
            forms=self.forms,
            calendar=calendar,
        )

    def texts(self) -> Mapping[str, tuple[str, ...]]:
        """Every text that this language has, by its English."""
        return self._texts

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
        return self.in_digits(format_decimal(value, format=pattern, locale=self._locale))

    def share(self, value: float | None, digits: int = 0) -> str:
        """A share of 1 as per cent; a dash for None."""
        if value is None:
            return NOTHING
        pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
        return self.in_digits(format_percent(value, format=pattern, locale=self._locale))

    def date(self, value: date | None, zone: tzinfo = UTC) -> str:
        """A day; a dash for None. Of an instant, its day in the zone."""
        if isinstance(value, datetime):
            value = value.astimezone(zone)
        if value is None:
            return NOTHING
        if self.calendar == "buddhist":
            day = format_date(value, "d MMM", locale=self._locale)
            return self.in_digits(self.gettext(IN_BUDDHIST_ERA, day=day, year=value.year + BUDDHIST_YEARS))
        return self.in_digits(format_date(value, DAY, locale=self._locale))

    def moment(self, value: datetime | None, zone: tzinfo = UTC) -> str:
        """Day and time in the zone; a dash for None."""
        if value is None:
            return NOTHING
        here = value.astimezone(zone)
        return f"{self.date(here, zone)}, {self.in_digits(format_time(here, 'HH:mm', locale=self._locale))}"


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
    for path in sorted((folder / code).glob("*.po")):
        texts |= read_catalogue(code, path.read_bytes())
    return _language(code, texts)


def _language(code: str, texts: Mapping[str, tuple[str, ...]]) -> Language:
    rule = get_plural(code)
    chosen = c2py(rule.plural_expr)
    return Language(code, texts, lambda n: int(chosen(n)), forms=rule.num_plurals)


def read_catalogue(
    code: str, content: bytes, *, machine_made: bool = False, learns: bool = True
) -> dict[str, tuple[str, ...]]:
    """The texts of a catalogue that are translated, by their English; with `machine_made` also those marked as such (fuzzy). What counts
    something is learned from the program's own catalogues (`learns`), never from somebody's file.

    *Errors*: babel's PoFileError for a damaged one. *Cost*: 1 s for 2,500 texts.
    """
    texts: dict[str, tuple[str, ...]] = {}
    for message in read_po(BytesIO(content), locale=code, abort_invalid=True):
        if message.id and message.string and (machine_made or not message.fuzzy):
            key = message.id if isinstance(message.id, str) else message.id[0]
            if learns and not isinstance(message.id, str):
                PLURALS.setdefault(key, message.id[1])
            given = (message.string,) if isinstance(message.string, str) else tuple(message.string)
            if all(given):
                texts[key] = given
    return texts


def read_languages(folder: Path = LOCALES) -> dict[str, Language]:
    """Every language that comes whole, English first."""
    codes = [SOURCE, *sorted(each.name for each in folder.iterdir() if each.is_dir() and each.name != SOURCE)]
    languages = {code: read_language(code, folder) for code in codes}
    forget()
    return languages


PLURALS: Final[dict[str, str]] = {}
"""Texts that count something → their English plural, as the catalogues of the program have them."""
LANGUAGES: Final = read_languages()
"""The languages that come whole with the program; which ones pages are offered in, `languages_in` says."""
OF_PROGRAM: Final = Learned()


STARTING_NAMES: Final = {"hi": "हिन्दी", "ur": "اردو"}
"""What the languages that a machine made a beginning of call themselves. To read it in CLDR takes 2 MB for each, for ever. *Source*: CLDR; a test compares."""


def starting_codes() -> list[str]:
    """The languages that a machine made a beginning of."""
    return sorted(each.stem for each in STARTING.glob("*.po"))


def starting_texts(code: str) -> dict[str, tuple[str, ...]]:
    """What a machine made of a language; nothing of one that it made none of. *Cost*: reads a file, 0.1 s."""
    path = STARTING / f"{code}.po"
    return read_catalogue(code, path.read_bytes(), machine_made=True) if code in starting_codes() else {}


def is_known_language(code: str) -> bool:
    """Whether it is known how a language writes numbers and days. *Cost*: 20 ms the first time."""
    try:
        locale_of(code)
    except (UnknownLocaleError, ValueError):
        return False
    return True


def base_language(code: str) -> Language:
    """A language without what was translated in the product. *Errors*: babel's UnknownLocaleError. *Cost*: 20 ms and a file, for one that does not come whole."""
    return LANGUAGES.get(code) or _language(code, starting_texts(code))


@lru_cache(64)
def language_name(code: str) -> str:
    """What a language calls itself; its code where nothing is known of it.

    *Cost*: none for one that comes with the program; for another 20 ms the first time, and 64 are remembered.
    """
    if code in LANGUAGES:
        return LANGUAGES[code].name
    if code in STARTING_NAMES:
        return STARTING_NAMES[code]
    return locale_of(code)[1] if is_known_language(code) else code


def source_text(language: Language, text: str) -> SourceText | None:
    """A text of the program as it is to be translated into a language; None for what is no text of ours. *Cost*: none."""
    if not any(text in each.texts() for each in LANGUAGES.values()):
        return None
    plural = PLURALS.get(text)
    return SourceText(text, plural, language.forms if plural is not None else 1)


def languages_in(kept: KeptLanguages) -> dict[str, Language]:
    """The languages that pages are offered in, with what was translated in the product; made once for each change.

    *Cost*: 20 ms for each language when something changed, else none. Each holds up to 2 MB; at most 12 are offered.
    """
    learned = kept.learned
    if (learned.offered, learned.texts, learned.calendar) == (OF_PROGRAM.offered, {}, OF_PROGRAM.calendar):
        return LANGUAGES
    if not isinstance(kept.made, _Made):
        kept.made = _Made(
            {
                code: _offered(code, learned)
                for code in learned.offered
                if code in LANGUAGES or is_known_language(code)
            }
        )
    return kept.made.languages


def name_in(kept: KeptLanguages, code: str) -> str:
    """What a language calls itself, also one in which no page is offered. *Cost*: as `languages_in` and `language_name`."""
    offered = languages_in(kept)
    return offered[code].name if code in offered else language_name(code)


class _Made:
    """The languages of one platform."""

    def __init__(self, languages: dict[str, Language]) -> None:
        self.languages = languages


def _offered(code: str, learned: Learned) -> Language:
    return base_language(code).with_texts(learned.texts.get(code, {}), learned.calendar)


def choose_language(
    own: str | None, cookie: str | None, accept: str, among: Mapping[str, Language] = LANGUAGES
) -> Language:
    """The account's language, else the device's choice, else the browser's wish, else English; each where pages are offered in it."""
    for code in (own, cookie, *_wishes(accept)):
        if code is not None and code in among:
            return among[code]
    return among[SOURCE]


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
