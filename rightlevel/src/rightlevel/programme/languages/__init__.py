"""Languages as data: which ones the pages are offered in, what people translated in the product, and which calendar days are written by.

The texts that come with the program lie in its catalogues; what is kept here stands before them. Every process takes a change with its next
request, by a mark that comes with who is asking.

Public: `list_languages`, `add_language`, `change_language`, `list_translations`, `translate`, `translate_many`, `choose_calendar`, `tell_of_change`,
`learn_languages`, `is_offered`; `KeptLanguages`, `LanguageRow`, `NewLanguage`, `LanguageChange`, `Translation`, `SourceText`, `TranslationStale`,
`CALENDARS`, `translation_faults`.
"""

from rightlevel.programme.languages.actions import (
    TranslationStale,
    add_language,
    change_language,
    choose_calendar,
    is_offered,
    learn_languages,
    list_languages,
    list_translations,
    tell_of_change,
    translate,
    translate_many,
)
from rightlevel.programme.languages.model import (
    CALENDARS,
    MOST_LANGUAGES,
    MOST_TEXTS,
    SOURCE,
    Calendar,
    ChosenCalendar,
    KeptLanguages,
    LanguageChange,
    LanguageRow,
    Learned,
    NewLanguage,
    SourceText,
    Translation,
    translation_faults,
)

__all__ = [
    "CALENDARS",
    "MOST_LANGUAGES",
    "MOST_TEXTS",
    "SOURCE",
    "Calendar",
    "ChosenCalendar",
    "KeptLanguages",
    "LanguageChange",
    "LanguageRow",
    "Learned",
    "NewLanguage",
    "SourceText",
    "Translation",
    "TranslationStale",
    "add_language",
    "change_language",
    "choose_calendar",
    "is_offered",
    "learn_languages",
    "list_languages",
    "list_translations",
    "tell_of_change",
    "translate",
    "translate_many",
    "translation_faults",
]
