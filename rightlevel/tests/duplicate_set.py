"""Made-up rosters with children entered twice, by seed: what the finding of duplicates is measured on.

Names are joined by chance from parts that are common in their language; nobody is meant. Each roster is a school of one script. Hard negatives
are in it on purpose: siblings (same family name, often a similar given name), twins by birth (same day too) and namesakes (the very same name).
Spellings vary as they do when two people type one name; the variants are written here by hand and know nothing of the matcher's own tables.
"""

from __future__ import annotations

import random
from datetime import date, timedelta

import msgspec

SCRIPTS = ("latin", "khmer", "devanagari", "arabic")
TODAY = date(2026, 11, 23)

KHMER_GIVEN = [
    tuple(each.split("="))
    for each in [
        "បុប្ផា=Bopha",
        "ចាន់=Chan",
        "ដារ៉ា=Dara",
        "សុខា=Sokha",
        "រតនា=Ratana",
        "ពិសី=Pisey",
        "វណ្ណា=Vanna",
        "កុសល=Kosal",
        "សុភា=Sophea",
        "ម៉ាលី=Maly",
        "ចិន្តា=Chenda",
        "សុវណ្ណ=Sovann",
        "ធារី=Theary",
        "ស្រីមុំ=Sreymom",
        "រដ្ឋា=Ratha",
        "វិបុល=Vibol",
        "ភក្ដី=Pheakdey",
        "សម្ភស្ស=Samphors",
        "នារី=Neary",
        "បូរី=Borey",
        "ពេជ្រ=Pich",
        "មករា=Makara",
        "ស្រីនាង=Sreyneang",
        "សុជាតា=Socheata",
        "វាសនា=Veasna",
        "ថាវី=Thavy",
        "រិទ្ធី=Rithy",
        "សំណាង=Samnang",
        "វិសាល=Visal",
        "ចន្ថា=Chantha",
        "ផល្លា=Phalla",
        "ល្អិត=Laeth",
    ]
]
KHMER_FAMILY = [
    tuple(each.split("="))
    for each in [
        "សុខ=Sok",
        "ជា=Chea",
        "ហេង=Heng",
        "លឹម=Lim",
        "ម៉ៅ=Mao",
        "ប្រាក់=Prak",
        "ទេព=Tep",
        "អ៊ុក=Ouk",
        "កែវ=Keo",
        "នួន=Nuon",
        "ឈឹម=Chhim",
        "សេង=Seng",
        "គង់=Kong",
        "យិន=Yin",
        "ហួត=Huot",
        "សាន=San",
        "ណុប=Nob",
        "ផាន់=Phan",
        "មាស=Meas",
        "តាំង=Taing",
    ]
]
DEVANAGARI_GIVEN = [
    tuple(each.split("="))
    for each in [
        "अनिका=Anika",
        "आरती=Arti",
        "मीना=Meena",
        "पूजा=Pooja",
        "संगीता=Sangeeta",
        "गीता=Geeta",
        "ज़ीनत=Zeenat",
        "कृष्णा=Krishna",
        "राहुल=Rahul",
        "सुनील=Sunil",
        "विजय=Vijay",
        "अंजलि=Anjali",
        "चन्दा=Chanda",
        "सन्तोष=Santosh",
        "रवि=Ravi",
        "किरण=Kiran",
        "लक्ष्मी=Lakshmi",
        "शीला=Sheela",
        "प्रीति=Preeti",
        "मनोज=Manoj",
        "दीपक=Deepak",
        "नन्दिनी=Nandini",
        "हरि=Hari",
        "उमेश=Umesh",
        "इन्दु=Indu",
        "ईशान=Ishan",
        "फ़रह=Farah",
        "सोनिया=Sonia",
        "राधा=Radha",
        "मुकेश=Mukesh",
        "आशीष=Ashish",
        "रेखा=Rekha",
    ]
]
DEVANAGARI_FAMILY = [
    tuple(each.split("="))
    for each in [
        "कुमार=Kumar",
        "शर्मा=Sharma",
        "वर्मा=Verma",
        "सिंह=Singh",
        "यादव=Yadav",
        "पाटिल=Patil",
        "गुप्ता=Gupta",
        "मिश्रा=Mishra",
        "चौहान=Chauhan",
        "राव=Rao",
        "जोशी=Joshi",
        "पांडे=Pandey",
        "ठाकुर=Thakur",
        "मेहता=Mehta",
        "दास=Das",
        "घोष=Ghosh",
        "नाथ=Nath",
        "खान=Khan",
        "शिंदे=Shinde",
        "राठौड़=Rathod",
    ]
]
ARABIC_GIVEN = [
    tuple(each.split("="))
    for each in [
        "محمد=Muhammad",
        "أحمد=Ahmad",
        "فاطمة=Fatima",
        "عائشة=Aisha",
        "علي=Ali",
        "حسن=Hasan",
        "زينب=Zainab",
        "مريم=Maryam",
        "إبراهيم=Ibrahim",
        "يوسف=Yusuf",
        "خديجة=Khadija",
        "سارة=Sara",
        "عمر=Umar",
        "آمنة=Amina",
        "ليلى=Layla",
        "مصطفى=Mustafa",
        "هدى=Huda",
        "نور=Nur",
        "سمية=Sumayya",
        "رقية=Ruqayya",
        "طارق=Tariq",
        "جميلة=Jamila",
        "إسماعيل=Ismail",
        "أسماء=Asma",
        "خالد=Khalid",
        "سلمى=Salma",
        "بلال=Bilal",
        "حمزة=Hamza",
        "كريم=Karim",
        "صفية=Safiya",
        "رشيد=Rashid",
        "ياسمين=Yasmin",
    ]
]
ARABIC_FAMILY = [
    tuple(each.split("="))
    for each in [
        "الحسيني=Husaini",
        "خان=Khan",
        "الأنصاري=Ansari",
        "القرشي=Qureshi",
        "بخاري=Bukhari",
        "صديقي=Siddiqui",
        "هاشمي=Hashmi",
        "عباسي=Abbasi",
        "الفاروق=Faruq",
        "ملك=Malik",
        "شيخ=Shaikh",
        "الدين=Uddin",
        "رحمن=Rahman",
        "عزيز=Aziz",
        "قادري=Qadri",
        "الزهراني=Zahrani",
        "منصور=Mansur",
        "بلوچ=Baloch",
        "گیلانی=Gilani",
        "سلطان=Sultan",
    ]
]
LISTS: dict[str, tuple[list[tuple[str, ...]], list[tuple[str, ...]]]] = {
    "khmer": (KHMER_GIVEN, KHMER_FAMILY),
    "devanagari": (DEVANAGARI_GIVEN, DEVANAGARI_FAMILY),
    "arabic": (ARABIC_GIVEN, ARABIC_FAMILY),
}


class Entered(msgspec.Struct, frozen=True):
    """One record of a roster; `person` is who it really is."""

    id: str
    person: int
    name: str
    sex: int
    grade: int
    birth_on: date | None
    age: int | None


class Person(msgspec.Struct, frozen=True):
    number: int
    given: tuple[str, ...]
    family: tuple[str, ...]
    sex: int
    grade: int
    born: date


def a_roster(script: str, seed: int, *, children: int = 120) -> list[Entered]:
    """A school's roster: about one child in twenty is entered twice."""
    chance = random.Random(f"{script} {seed}")
    people = _people(script, chance, children)
    entered: list[Entered] = []
    for person in people:
        entered.append(_entered(script, person, chance, is_again=False, number=len(entered)))
        if chance.random() < 0.05:
            entered.append(_entered(script, person, chance, is_again=True, number=len(entered)))
    chance.shuffle(entered)
    return entered


def true_pairs(roster: list[Entered]) -> set[tuple[str, str]]:
    """The pairs of records that are one child."""
    by_person: dict[int, list[str]] = {}
    for each in roster:
        by_person.setdefault(each.person, []).append(each.id)
    return {(min(ids), max(ids)) for ids in by_person.values() if len(ids) == 2}


def _lists(script: str, chance: random.Random) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    if script != "latin":
        return LISTS[script]
    return LISTS[chance.choice(("khmer", "devanagari", "arabic"))]


def _people(script: str, chance: random.Random, count: int) -> list[Person]:
    people: list[Person] = []
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    given_names, families = _lists(script, chance)
    while len(people) < count:
        base = chance.choice(people) if people else None
        draw = chance.random()
        given, family = chance.choice(given_names), chance.choice(families)
        sex, born = chance.choice((1, 2)), TODAY - timedelta(days=chance.randint(8 * 365, 12 * 365))
        if base is not None and draw < 0.12:  # a sibling
            family = base.family
            if chance.random() < 0.3:
                given = next(
                    (
                        each
                        for each in given_names
                        if each != base.given and each[-1][:2] == base.given[-1][:2]
                    ),
                    given,
                )
            born = base.born + timedelta(days=chance.choice((-1, 1)) * chance.randint(400, 1100))
        elif base is not None and draw < 0.13:  # a twin by birth
            family, born = base.family, base.born
        elif base is not None and draw < 0.17:  # a namesake
            given, family, sex = base.given, base.family, base.sex
        is_namesake = base is not None and 0.13 <= draw < 0.17
        if not is_namesake and (given, family) in seen:
            continue  # so that the share of namesakes is the one that is set, however short the lists are
        seen.add((given, family))
        grade = min(max((TODAY - born).days // 365 - 5 + chance.choice((-1, 0, 0, 0)), 3), 5)
        people.append(Person(len(people), given, family, sex, grade, born))
    return people


def _entered(script: str, person: Person, chance: random.Random, *, is_again: bool, number: int) -> Entered:
    name = _spelled(script, person)
    sex, grade = person.sex, person.grade
    born: date | None = person.born if chance.random() < 0.45 else None
    age: int | None = (TODAY - person.born).days // 365 if chance.random() < 0.8 else None
    if is_again:
        name = name if chance.random() < 0.2 else _varied(script, person, name, chance)
        sex = 3 - sex if chance.random() < 0.03 else sex
        grade = min(max(grade + chance.choice((-1, 1)), 3), 5) if chance.random() < 0.2 else grade
        if born is not None and chance.random() < 0.12:
            born = born.replace(day=chance.randint(1, 28))
        if age is not None and chance.random() < 0.2:
            age += chance.choice((-1, 1))
    return Entered(f"{number:04d}-{chance.getrandbits(32):08x}", person.number, name, sex, grade, born, age)


def _spelled(script: str, person: Person) -> str:
    at = -1 if script == "latin" else 0
    first, second = (person.family, person.given) if script == "khmer" else (person.given, person.family)
    return f"{first[at]} {second[at]}"


def _varied(script: str, person: Person, name: str, chance: random.Random) -> str:
    """The name as somebody else would type it."""
    changes = 1 if chance.random() < 0.7 else 2
    for _ in range(changes):
        draw = chance.random()
        parts = name.split()
        if draw < 0.15 and len(parts) == 2:
            name = f"{parts[1]} {parts[0]}"
        elif draw < 0.22:
            name = name.replace(" ", "")
        elif draw < 0.32:
            name = _slip(name, chance)
        elif draw < 0.42 and script != "latin":
            name = f"{person.given[-1]} {person.family[-1]}"
            script = "latin"
        else:
            name = _respelled(script, name, chance)
    return name


def _slip(name: str, chance: random.Random) -> str:
    """One letter left out, doubled, or two changed over."""
    at = chance.randrange(1, max(len(name) - 1, 2))
    kind = chance.randrange(3)
    if kind == 0:
        return name[:at] + name[at + 1 :]
    if kind == 1:
        return name[:at] + name[at] * 2 + name[at + 1 :]
    return name[:at] + name[at : at + 2][::-1] + name[at + 2 :]


RESPELLINGS = {
    "latin": (
        ("ee", "i"),
        ("i", "ee"),
        ("oo", "u"),
        ("u", "oo"),
        ("a", "aa"),
        ("ph", "f"),
        ("f", "ph"),
        ("kh", "k"),
        ("th", "t"),
        ("sh", "s"),
        ("ch", "chh"),
        ("z", "j"),
        ("v", "w"),
        ("y", "ey"),
        ("q", "k"),
        ("u", "o"),
        ("ea", "e"),
        ("mm", "m"),
        ("m", "mm"),
        ("d", "dd"),
        ("n", "nn"),
        ("ai", "ay"),
        ("ay", "ai"),
        ("i", "y"),
        ("ou", "u"),
        ("a", "á"),
    ),
    "khmer": (
        ("៉", ""),
        ("៊", ""),
        ("់", ""),
        ("្ដ", "្ត"),
        ("្ត", "្ដ"),
        ("ិ", "ី"),
        ("ី", "ិ"),
        ("ុ", "ូ"),
        ("ណ្ណ", "ន្ន"),
        (" ", "\u200b"),
        ("ែ", "េ"),
        ("ោ", "ើ"),
        ("្ម", "ម"),
        ("ុ", "\u200bុ"),
        ("ំ", "ម"),
    ),
    "devanagari": (
        ("ी", "ि"),
        ("ि", "ी"),
        ("ू", "ु"),
        ("ु", "ू"),
        ("़", ""),
        ("न्द", "ंद"),
        ("न्त", "ंत"),
        ("ं", "न्"),
        ("ण", "न"),
        ("ष", "श"),
        ("श", "स"),
        ("ौ", "ो"),
        ("ै", "े"),
        ("व", "ब"),
        ("ज", "ज़"),
        ("ा", ""),
        ("ड़", "ड"),
    ),
    "arabic": (
        ("أ", "ا"),
        ("إ", "ا"),
        ("آ", "ا"),
        ("ى", "ي"),
        ("ة", "ه"),
        ("ال", ""),
        ("ي", "ی"),
        ("ك", "ک"),
        ("ئ", "ي"),
        ("م", "مُ"),
        ("د", "دّ"),
        ("ه", "ہ"),
        ("اء", "ا"),
        ("س", "سَ"),
        ("ق", "ك"),
        ("ح", "ه"),
        ("ط", "ت"),
        ("ص", "س"),
    ),
}


def _respelled(script: str, name: str, chance: random.Random) -> str:
    folded = name.lower() if script == "latin" else name
    choices = [(old, new) for old, new in RESPELLINGS[script] if old in folded]
    if not choices:
        return _slip(name, chance)
    old, new = chance.choice(choices)
    return folded.replace(old, new, 1).title() if script == "latin" else name.replace(old, new, 1)
