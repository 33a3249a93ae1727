"""The words of XLSForm: today's, the older ones that its own documentation keeps, and ours for them.

*Source*: XLSForm.org; pyxform 4.5, `aliases.py` and `question_type_dictionary.py`.
"""

from __future__ import annotations

import re
from typing import Final

from rightlevel.programme.forms.definition import FieldType

KINDS: Final[dict[str, FieldType]] = {
    "text": "text",
    "integer": "number",
    "decimal": "number",
    "range": "number",
    "date": "date",
    "datetime": "date",
    "time": "time",
    "note": "note",
    "geopoint": "gps",
    "image": "photo",
    "acknowledge": "yes_no",
    "barcode": "text",
}
SAME_KIND: Final = {
    "string": "text",
    "q string": "text",
    "add text prompt": "text",
    "add text": "text",
    "int": "integer",
    "q int": "integer",
    "add integer prompt": "integer",
    "number": "integer",
    "q decimal": "decimal",
    "add decimal prompt": "decimal",
    "q date": "date",
    "add date prompt": "date",
    "add date time prompt": "datetime",
    "add time prompt": "time",
    "q time": "time",
    "add note prompt": "note",
    "q note": "note",
    "gps": "geopoint",
    "location": "geopoint",
    "q geopoint": "geopoint",
    "q location": "geopoint",
    "add location prompt": "geopoint",
    "photo": "image",
    "q image": "image",
    "q picture": "image",
    "picture": "image",
    "add image prompt": "image",
    "add photo prompt": "image",
    "q photo": "image",
    "trigger": "acknowledge",
    "q acknowledge": "acknowledge",
    "add acknowledge prompt": "acknowledge",
    "add barcode prompt": "barcode",
    "q barcode": "barcode",
    "add calculate prompt": "calculate",
    "q calculate": "calculate",
    "imei": "deviceid",
    "tel": "barcode",
}
SELECTS: Final = re.compile(
    r"(?:add )?(?P<many>select[ _]multiple|select all that apply|select[ _]one|select1)(?:[ _]external)?(?: prompt)?(?: using)?"
    r"(?P<file>[ _]from[ _]file)?(?: from)?\s+(?P<list>\S+)\s*(?P<other>or[ _](?:specify[ _])?other)?\s*(?P<more>.*)",
    re.IGNORECASE,
)
LEFT_OUT: Final = frozenset(
    {
        "start",
        "end",
        "today",
        "deviceid",
        "subscriberid",
        "simserial",
        "sim id",
        "phonenumber",
        "phone number",
        "username",
        "email",
        "audit",
        "calculate",
        "hidden",
        "start-geopoint",
        "start geopoint",
        "background-audio",
        "background-geopoint",
        "get start time",
        "start time",
        "get end time",
        "end time",
        "get today",
        "get device id",
        "device id",
        "get phone number",
        "get sim id",
        "get subscriber id",
        "subscriber id",
        "xml-external",
        "csv-external",
        "db:contact",
    }
)
COLUMNS: Final = {
    "caption": "label",
    "command": "type",
    "tag": "name",
    "value": "name",
    "relevance": "relevant",
    "bind::relevant": "relevant",
    "bind::required": "required",
    "bind::constraint": "constraint",
    "bind::calculate": "calculation",
    "calculate": "calculation",
    "bind::readonly": "read_only",
    "readonly": "read_only",
    "read only": "read_only",
    "constraining message": "constraint_message",
    "constraint message": "constraint_message",
    "bind::jr:constraintmsg": "constraint_message",
    "jr:count": "repeat_count",
    "count": "repeat_count",
    "control::jr:count": "repeat_count",
    "repeat count": "repeat_count",
    "choice filter": "choice_filter",
    "control::appearance": "appearance",
    "body::appearance": "appearance",
    "list name": "list_name",
    "requiredmsg": "required_message",
}
"""Headers as they were once written, or as they may be."""
LANGUAGES: Final = {
    "english": "en",
    "khmer": "km",
    "french": "fr",
    "français": "fr",
    "francais": "fr",
    "hindi": "hi",
    "urdu": "ur",
    "arabic": "ar",
    "spanish": "es",
    "español": "es",
    "espanol": "es",
    "portuguese": "pt",
    "português": "pt",
    "swahili": "sw",
    "kiswahili": "sw",
    "bengali": "bn",
    "bangla": "bn",
    "lao": "lo",
    "vietnamese": "vi",
    "thai": "th",
    "nepali": "ne",
    "burmese": "my",
    "myanmar": "my",
    "amharic": "am",
    "somali": "so",
    "hausa": "ha",
    "yoruba": "yo",
    "igbo": "ig",
    "zulu": "zu",
    "xhosa": "xh",
    "afrikaans": "af",
    "pashto": "ps",
    "dari": "prs",
    "persian": "fa",
    "farsi": "fa",
    "tajik": "tg",
    "russian": "ru",
    "ukrainian": "uk",
    "turkish": "tr",
    "indonesian": "id",
    "bahasa": "id",
    "malay": "ms",
    "tagalog": "tl",
    "filipino": "fil",
    "sinhala": "si",
    "tamil": "ta",
    "telugu": "te",
    "marathi": "mr",
    "gujarati": "gu",
    "punjabi": "pa",
    "kannada": "kn",
    "malayalam": "ml",
    "odia": "or",
    "assamese": "as",
    "haitian creole": "ht",
    "creole": "ht",
    "kinyarwanda": "rw",
    "luganda": "lg",
    "chichewa": "ny",
    "shona": "sn",
    "german": "de",
    "italian": "it",
    "dutch": "nl",
    "polish": "pl",
    "romanian": "ro",
    "greek": "el",
    "hebrew": "he",
    "chinese": "zh",
    "japanese": "ja",
    "korean": "ko",
    "mongolian": "mn",
    "kurdish": "ku",
    "tigrinya": "ti",
    "oromo": "om",
    "malagasy": "mg",
    "wolof": "wo",
    "bambara": "bm",
}
YES: Final = frozenset({"yes", "true", "true()", "1"})
NO: Final = frozenset({"", "no", "false", "false()", "0"})
CURLY: Final = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
"""Quotation marks that word processors make of straight ones."""


def language_code(text: str) -> str | None:
    """The code of a language as XLSForm writes it: English (en), pt-BR, or English."""
    said = text.strip().lower()
    found = re.search(r"\(([a-z]{2,3})(?:[-_][a-z]+)?\)", said)
    if found:
        return found[1]
    if known := LANGUAGES.get(said) or LANGUAGES.get(re.sub(r"\s*\(.*\)", "", said)):
        return known
    plain = re.fullmatch(r"([a-z]{2})(?:[-_][a-z]{2,4})?", said)
    return plain[1] if plain else None


def header_of(text: str) -> str:
    """A header in small letters, by today's word, its language after "::"."""
    said = re.sub(r"\s+", " ", text.strip().lower())
    said = re.sub(r"\s*::\s*", "::", said)
    if "::" not in said and (
        old := re.fullmatch(
            r"(label|hint|caption|constraint_message|image|audio|video|bind|control|body|media|jr)\s*:\s*(\S.*)",
            said,
        )
    ):
        said = (
            said
            if old[1] == "jr"
            else f"{old[1]}::{old[2].replace(' ', '_') if old[1] == 'bind' else old[2]}"
        )
    if said in COLUMNS:
        return COLUMNS[said]
    column, sign, language = said.partition("::")
    plain = COLUMNS.get(column) or COLUMNS.get(column.replace("_", " ")) or column.replace(" ", "_")
    return f"{plain}{sign}{language}"


def kind_of(text: str) -> str:
    """The first words of a type cell by today's names: select_one, begin_group, text …"""
    said = re.sub(r"[\s_]+", " ", text.strip().lower())
    said = re.sub(r"^(begin|end) ?(lgroup|looped group)$", r"\1 repeat", said)
    said = re.sub(r"^(begin|end) ?(group|repeat|loop)\b.*$", r"\1_\2", said)
    return SAME_KIND.get(said, said)
