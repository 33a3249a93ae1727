"""How letters of Khmer, Devanagari and Arabic sound in rough Latin, and which signs people leave out.

Rough on purpose: it serves to find names that may be the same, not to write them. *Source* of the letters: The Unicode Standard, chapters 9
(Arabic), 12 (Devanagari), 16 (Khmer); of what is left out or confused: how rosters of the programme's countries are typed (Khmer subscript
DA and TA look alike; Devanagari nukta and anusvara, Arabic vowel marks and hamza are often omitted).
"""

from __future__ import annotations

from typing import Final

INVISIBLE: Final = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u0640\u200e\u200f"))
"""Zero-width spaces and joiners, soft hyphen, Arabic tatweel, direction marks."""

KHMER: Final = {
    **dict(zip("កខគឃងចឆជឈញដឋឌឍណតថទធនបផពភមយរលវសហឡ", "kkkknccccndtdtnttttnbpppmyrlvshl", strict=True)),
    "អ": "a",
    "ា": "a",
    "ិ": "i",
    "ី": "i",
    "ឹ": "e",
    "ឺ": "e",
    "ុ": "o",
    "ូ": "u",
    "ួ": "uo",
    "ើ": "e",
    "ឿ": "ea",
    "ៀ": "ie",
    "េ": "e",
    "ែ": "e",
    "ៃ": "ai",
    "ោ": "o",
    "ៅ": "au",
    "ំ": "m",
    "ះ": "h",
    "ៈ": "a",
    "ឥ": "e",
    "ឦ": "i",
    "ឧ": "u",
    "ឱ": "o",
    "ឫ": "ru",
}
KHMER_LEFT_OUT: Final = frozenset("់៉៊៌៍័៎៏៑៓")
"""Bantoc, register shifters, robat, toandakhiat, samyok sannya: signs that spellings of one name differ in."""
KHMER_ALIKE: Final = str.maketrans({"្": None, "ដ": "ត", "ឋ": "ថ", "ឡ": "ល", "ណ": "ន", "ី": "ិ", "ឺ": "ឹ", "ូ": "ុ"})

DEVANAGARI_CONSONANTS: Final = dict(
    zip("कखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसहळ", "kkggnccjjnttddnttddnppbbmyrlvssshl", strict=True)
)
DEVANAGARI_VOWELS: Final = {
    "अ": "a",
    "आ": "a",
    "इ": "i",
    "ई": "i",
    "उ": "u",
    "ऊ": "u",
    "ऋ": "ri",
    "ए": "e",
    "ऐ": "ai",
    "ओ": "o",
    "औ": "au",
    "ऑ": "o",
}
DEVANAGARI_SIGNS: Final = {
    "ा": "a",
    "ि": "i",
    "ी": "i",
    "ु": "u",
    "ू": "u",
    "ृ": "ri",
    "े": "e",
    "ै": "ai",
    "ो": "o",
    "ौ": "au",
    "ॉ": "o",
}
DEVANAGARI_NASALS: Final = {"ं": "n", "ँ": "n", "ः": ""}
VIRAMA: Final = "्"
DEVANAGARI_ALIKE: Final = str.maketrans(
    {
        "़": None,
        "ँ": "ं",
        "ी": "ि",
        "ू": "ु",
        "ण": "न",
        "ष": "श",
        "ळ": "ल",
        "ई": "इ",
        "ऊ": "उ",
        "ः": None,
    }
)

ARABIC: Final = {
    "ا": "a",
    "ب": "b",
    "ت": "t",
    "ث": "s",
    "ج": "j",
    "ح": "h",
    "خ": "k",
    "د": "d",
    "ذ": "j",
    "ر": "r",
    "ز": "j",
    "ژ": "j",
    "س": "s",
    "ش": "s",
    "ص": "s",
    "ض": "d",
    "ط": "t",
    "ظ": "j",
    "ع": "a",
    "غ": "g",
    "ف": "p",
    "ق": "k",
    "ك": "k",
    "گ": "g",
    "ل": "l",
    "م": "m",
    "ن": "n",
    "ه": "h",
    "و": "u",
    "ي": "i",
    "پ": "p",
    "چ": "c",
    "ٹ": "t",
    "ڈ": "d",
    "ڑ": "r",
    "ں": "n",
    "ے": "e",
}
ARABIC_ALIKE: Final = str.maketrans(
    {
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ئ": "ي",
        "ؤ": "و",
        "ک": "ك",
        "ہ": "ه",
        "ھ": "ه",
        "ۃ": "ه",
        "ة": "ه",
        "ء": None,
        **dict.fromkeys(map(chr, range(0x64B, 0x660))),
        "\u0670": None,
    }
)
"""Letters of Urdu and Persian keyboards, hamza and vowel marks: one name is typed either way."""

LATIN_SOUNDS: Final = (
    ("chh", "c"),
    ("ph", "p"),
    ("th", "t"),
    ("kh", "k"),
    ("gh", "g"),
    ("bh", "b"),
    ("dh", "d"),
    ("ch", "c"),
    ("sh", "s"),
    ("jh", "j"),
    ("ck", "k"),
    ("ng", "n"),
    ("ny", "n"),
    ("nh", "n"),
    ("ee", "i"),
    ("oo", "u"),
    ("ou", "u"),
    ("aa", "a"),
    ("ea", "e"),
    ("eu", "e"),
    ("q", "k"),
    ("w", "v"),
    ("f", "p"),
    ("z", "j"),
    ("y", "i"),
    ("x", "ks"),
    ("'", ""),
    ("’", ""),
    ("-", ""),
)
"""Spellings that transliterators choose between, in the order they are replaced."""
