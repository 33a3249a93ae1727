"""What is kept of Unicode's data writes everything as all of it would, and the rest is let go."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta

from babel import Locale, core, localedata

from rightlevel.cldr import WRITTEN_WITH, locale_of, zones_of_territory
from rightlevel.web.language import DAY, LANGUAGES, Language

DAYS = [date(2026, 1, 1) + timedelta(days=each * 11) for each in range(34)]
NUMBERS = (0.0, 1.0, 0.5, 999.0, 1_234_567.891)
WITH_ALL_OF_IT = """
import json, sys
from datetime import date
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
code, pattern, days, numbers = json.loads(sys.stdin.read())
locale = Locale.parse(code)
print(json.dumps([
    [format_date(date.fromisoformat(day), pattern, locale=locale) for day in days],
    [format_decimal(number, format="#,##0.00", locale=locale) for number in numbers],
    [format_percent(number, format="#,##0.0%", locale=locale) for number in numbers],
    locale.display_name,
    locale.text_direction,
]))
"""


def written(language: Language) -> list[object]:
    return [
        [language.date(day) for day in DAYS],
        [language.number(number, 2) for number in NUMBERS],
        [language.share(number, 1) for number in NUMBERS],
        language.name,
        language.direction,
    ]


def test_each_language_writes_as_with_all_of_the_data() -> None:
    for code, language in LANGUAGES.items():
        asked = json.dumps([code, DAY, [day.isoformat() for day in DAYS], NUMBERS])
        said = subprocess.run(
            [sys.executable, "-c", WITH_ALL_OF_IT],
            input=asked,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert written(language) == json.loads(said.stdout)


def test_what_nobody_writes_with_is_not_kept() -> None:
    assert zones_of_territory("KHM") == ("Asia/Phnom_Penh",)
    assert zones_of_territory("nowhere") == ()
    locale, _, _ = locale_of("km")
    assert core._global_data is None
    assert localedata._cache == {}
    assert set(locale._data) <= WRITTEN_WITH


def test_babel_is_whole_for_others() -> None:
    locale_of("km")
    assert Locale.parse("km").territories["KH"] == "កម្ពុជា"
