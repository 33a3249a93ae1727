"""In which encoding a CSV file may be written: offered with names to look at, never applied unseen.

The order is chardet 7's; what looks scrambled is judged here, by words no language writes.
"""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast

import msgspec

from rightlevel.programme.exchange.sheets import codec_of

PROGRAM: Final = str(Path(__file__).with_name("guessing_program.py"))
GUESS_S: Final = 20.0
SAMPLE_LINES: Final = 200
SAMPLE_BYTES: Final = 64 * 1024
READ_BYTES: Final = 32 * 1024 * 1024
MOST_OFFERED: Final = 5
SHOWN_NAMES: Final = 10
LONGEST_SHOWN: Final = 40
MANY_WORDS: Final = 5
SHORT_WORD: Final = 3


class Sample(msgspec.Struct, frozen=True):
    """The header's line of a file and some lines with letters that are not ASCII, as bytes."""

    header: bytes
    lines: tuple[bytes, ...]

    @property
    def content(self) -> bytes:
        """All of it, as the file has it."""
        return b"\n".join([self.header, *self.lines])


class Reading(msgspec.Struct, frozen=True):
    """How the names of a file read in one encoding."""

    encoding: str
    names: tuple[str, ...]


def sample_of(path: Path) -> Sample:
    """The first line, and the first lines that hold a byte past 127. *Cost*: reads at most 32 MiB, keeps 64 KiB."""
    lines: list[bytes] = []
    kept_bytes = 0
    with path.open("rb") as file:
        header = file.readline(SAMPLE_BYTES).rstrip(b"\r\n")
        while len(lines) < SAMPLE_LINES and kept_bytes < SAMPLE_BYTES and file.tell() < READ_BYTES:
            line = file.readline(SAMPLE_BYTES)
            if not line:
                break
            if not line.isascii():
                lines.append(line.rstrip(b"\r\n"))
                kept_bytes += len(line)
    return Sample(header, tuple(lines))


def readings(sample: Sample, name_columns: Iterable[int], delimiter: str) -> list[Reading]:
    """How the names read in the likeliest encodings, each way of reading once; the likeliest first. *Cost*: one short process."""
    places = list(name_columns)
    found: list[Reading] = []
    seen: set[str] = set()
    for encoding in _guesses(sample.content):
        try:
            text = sample.content.decode(codec := codec_of(encoding))
        except (LookupError, UnicodeDecodeError):
            continue
        if text in seen or not _is_text(text):
            continue
        seen.add(text)
        reading = Reading(codec, names_in(text, places, delimiter))
        if not is_scrambled(reading.names):
            found.append(reading)
        if len(found) == MOST_OFFERED:
            break
    return found


def names_in(text: str, name_columns: list[int], delimiter: str) -> tuple[str, ...]:
    """The first ten different names that hold letters past ASCII; without known columns, any such cells."""
    names: dict[str, None] = {}
    rows = csv.reader(text.splitlines()[1:], delimiter=delimiter)
    try:
        for row in rows:
            cells = [row[place] for place in name_columns if place < len(row)] or row
            for cell in cells if any(not each.isascii() for each in cells) else row:
                if not cell.isascii():
                    names.setdefault(" ".join(cell.split())[:LONGEST_SHOWN])
            if len(names) >= SHOWN_NAMES:
                break
    except csv.Error:
        pass  # what was read until there is enough to look at
    return tuple(names)[:SHOWN_NAMES]


def _guesses(content: bytes) -> list[str]:
    # -I: nothing but the interpreter's own folders, so that no file that lies around is loaded.
    try:
        done = subprocess.run(
            [sys.executable, "-I", PROGRAM], input=content, capture_output=True, timeout=GUESS_S, check=True
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return []
    return [cast("str", name) for name, _ in json.loads(done.stdout)]


def _is_text(text: str) -> bool:
    return not any(
        unicodedata.category(letter) in ("Cc", "Cn", "Co", "Cs") and letter not in "\t\r\n" for letter in text
    )


def is_scrambled(names: Iterable[str]) -> bool:
    """Whether most words that are not ASCII are words of no language: bytes read in the wrong encoding."""
    words = [word for name in names for word in name.split() if not word.isascii()]
    return bool(words) and 2 * sum(map(_is_odd, words)) > len(words)


def _is_odd(word: str) -> bool:
    """A word that mixes scripts, has signs amid its letters, capitals amid small letters, or hardly a plain Latin letter."""
    letters = [letter for letter in word if unicodedata.category(letter)[0] == "L"]
    inner = word.strip(_AROUND)
    if any(unicodedata.category(each)[0] not in "LM" and each not in _WITHIN for each in inner):
        return True
    if inner and unicodedata.category(inner[0])[0] == "M":
        return True
    if len({_script(letter) for letter in letters} - {""}) > 1:
        return True
    pairs = itertools.pairwise(letters)
    has_odd_case = sum(first.islower() and second.isupper() for first, second in pairs)
    if has_odd_case and word[:2] not in ("Mc", "Ma"):
        return True
    accented = sum(not letter.isascii() for letter in letters)
    is_latin = any(_script(letter) == "LATIN" for letter in letters)
    return is_latin and len(letters) >= SHORT_WORD and 2 * accented > len(letters)


_AROUND: Final = " .,;:()[]\"'\u2018\u2019\u201c\u201d\u00ab\u00bb-/"
_WITHIN: Final = "-'\u2019\u2018.\u200c\u200d\u0640/"
_TOGETHER: Final = {
    "HIRAGANA": "HAN",
    "KATAKANA": "HAN",
    "CJK": "HAN",
    "IDEOGRAPHIC": "HAN",
    "HALFWIDTH": "HAN",
}


def _script(letter: str) -> str:
    """The first word of the letter's name, which is its script; nothing for letters without one."""
    word = unicodedata.name(letter, "").partition(" ")[0]
    return _TOGETHER.get(word, word)


def is_doubtful(
    encoding: str, sample: Sample, found: list[Reading], name_columns: Iterable[int], delimiter: str
) -> bool:
    """Whether names in the encoding that was asked for look like bytes read wrongly."""
    names = names_in(sample.content.decode(encoding, "replace"), list(name_columns), delimiter)
    if not names:
        return False
    if is_scrambled(names) or any("\ufffd" in name for name in names):
        return True
    words = sum(len(name.split()) for name in names)
    same = any(reading.names == names for reading in found)
    return words >= MANY_WORDS and bool(found) and not same
