"""The one form in which codes of schools and children are kept and compared, however a file or a person spells them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from flatwater.unseen import JOINING, TURNING, WIDTHLESS, without

_UNSEEN: Final = without(JOINING, TURNING, WIDTHLESS)
"""What a code may not differ in."""
_AS_TEXT: Final = re.compile(r"""=\s*"([^"]*)"|['\u2018\u2019]([^'\u2018\u2019]+)""")
"""What spreadsheets are told so that they keep zeros: ="001" and '001."""
_POINT_ZERO: Final = re.compile(r"([0-9]+)\.0+")
"""What programs that keep codes as numbers write: 101.0."""


def ascii_digits(text: str) -> str:
    """The text with the decimal digits of any script (Khmer, Devanagari, Arabic) written 0-9."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(each, each)) for each in text)


def code_form(text: str) -> str:
    """The one form that a code is kept in. Its case and its leading zeros stay.

    Composed (NFC), digits 0-9, single spaces, nothing that isn't seen; ="001" and '001 are 001; 101.0 is 101.
    """
    if not text.isascii():
        text = ascii_digits(unicodedata.normalize("NFC", text.translate(_UNSEEN)))
    elif text.isalnum():
        return text
    text = " ".join(text.split())
    if marked := _AS_TEXT.fullmatch(text):
        text = " ".join((marked[1] if marked[1] is not None else marked[2]).split())
    if number := _POINT_ZERO.fullmatch(text):
        return number[1]
    return text
