"""Passwords that are guessed first: published ones, the programme's own words, one's own name, and rows of the keyboard.

*Source*: NIST SP 800-63B, 3.1.1.2: a new password is compared with those known to be commonly used, expected or compromised, the name of
the service and of the subscriber among them. The list is Django's `common-passwords.txt` (BSD licence, after Royce Williams), from six characters on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Final

PROGRAMME_WORDS: Final = (
    "rightlevel",
    "right",
    "level",
    "tarl",
    "teaching",
    "teacher",
    "teach",
    "mentor",
    "coordinator",
    "viewer",
    "admin",
    "administrator",
    "school",
    "student",
    "children",
    "child",
    "class",
    "grade",
    "reading",
    "learning",
    "language",
    "math",
    "letter",
    "word",
    "paragraph",
    "story",
    "division",
    "subtraction",
    "beginner",
    "baseline",
    "midline",
    "endline",
    "pratham",
    "cambodia",
    "kampuchea",
    "khmer",
    "phnompenh",
    "ministry",
    "moeys",
    "education",
    "password",
    "passwort",
    "passphrase",
    "welcome",
    "secret",
    "changeme",
    "default",
    "login",
    "signin",
    "letmein",
    "please",
    "hello",
    "qwerty",
    "asdf",
    "zxcv",
    "iloveyou",
    "monkey",
    "dragon",
    "user",
    "test",
    "demo",
    "អាន",
    "គ្រូ",
    "សាលា",
    "ភាសា",
    "គណិត",
    "កម្ពុជា",
    "លេខសម្ងាត់",
)
"""What somebody who knows the programme tries first. A password needs more than these."""
MIN_LEFT: Final = 5
"""Letters that must be left when these words, a name and everything that is no letter are taken out."""
ROWS: Final = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "0123456789", "azertyuiop")
MIN_STEM: Final = 6
_DRESS: Final = str.maketrans("04135$@!7|", "oaiesaaitl")
"""Letters as digits and marks: P@ssw0rd is password."""
_ENDS: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")


@lru_cache(maxsize=1)
def _common() -> bytes:
    """The list as it lies on disk, 170 kB: looked through as text, it takes a tenth of what a set of it would."""
    return b"\n" + (files(__package__ or "") / "common_passwords.txt").read_bytes() + b"\n"


def is_guessed_first(password: str, about: Iterable[str] = ()) -> bool:
    """Whether a password is one of the first that anybody would try; `about` are words of its owner. *Cost*: about 0.2 ms."""
    folded = unicodedata.normalize("NFKC", password).casefold()
    undressed = folded.translate(_DRESS)
    if any(_is_common(each) for each in {folded, undressed, folded[::-1]}):
        return True
    if any(_is_common(stem) for each in (folded, undressed) if len(stem := _ENDS.sub("", each)) >= MIN_STEM):
        return True
    if _is_rows(folded) or _is_repeated(folded):
        return True
    words = (*PROGRAMME_WORDS, *_words_of(about))
    return any(_left(each, words) < MIN_LEFT for each in (folded, undressed))


def _is_common(text: str) -> bool:
    return bool(text) and "\n" not in text and f"\n{text}\n".encode() in _common()


def _is_rows(text: str) -> bool:
    """Whether all of it runs along rows of the keyboard or the alphabet, in pieces of four and more."""
    at = 0
    while at < len(text):
        longest = max(
            (_run(text[at:], row) for each in ROWS for row in (each * 2, each[::-1] * 2)), default=0
        )
        if longest < 4:
            return False
        at += longest
    return True


def _run(text: str, row: str) -> int:
    length = 0
    while length < len(text) and text[: length + 1] in row:
        length += 1
    return length


def _is_repeated(text: str) -> bool:
    """Whether a short piece makes all of it, again and again."""
    return any(
        len(text) >= 2 * size and text == (text[:size] * len(text))[: len(text)] for size in range(1, 6)
    )


def _left(text: str, words: Iterable[str]) -> int:
    """How many letters no known word explains."""
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, " ")
    return len(
        {
            at
            for at, letter in enumerate(text)
            if letter.isalpha() or unicodedata.category(letter).startswith("M")
        }
    )


def _words_of(about: Iterable[str]) -> list[str]:
    """The words of names and addresses, from three letters on."""
    return [
        part
        for each in about
        for part in re.split(r"[\W_]+", unicodedata.normalize("NFKC", each).casefold())
        if len(part) >= 3
    ]
