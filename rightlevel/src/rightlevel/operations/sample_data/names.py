"""Made-up names. Families and given names are joined by chance; nobody is meant."""

from __future__ import annotations

import random
from functools import cache

from rightlevel.programme.students import name_key

GIVEN = (
    "Anika",
    "Bopha",
    "Chanda",
    "Dara",
    "Devi",
    "Esha",
    "Farah",
    "Gita",
    "Hari",
    "Ishan",
    "Jaya",
    "Kiran",
    "Kosal",
    "Lata",
    "Mala",
    "Meera",
    "Nila",
    "Omar",
    "Phalla",
    "Pisey",
    "Rani",
    "Ravi",
    "Rithy",
    "Sana",
    "Sokha",
    "Sunil",
    "Tara",
    "Uma",
    "Vanna",
    "Veasna",
    "Yasmin",
    "Zara",
)
FAMILY = (
    "Alam",
    "Bora",
    "Chea",
    "Das",
    "Ghosh",
    "Heng",
    "Iyer",
    "Jain",
    "Khan",
    "Kumar",
    "Lim",
    "Mao",
    "Nath",
    "Ouk",
    "Patil",
    "Prak",
    "Rao",
    "Roy",
    "Sar",
    "Sen",
    "Shinde",
    "Sok",
    "Tep",
    "Verma",
    "Yadav",
)
KHMER_GIVEN = ("ចាន់", "ដារ៉ា", "បុប្ផា", "សុខា", "រតនា", "ពិសី", "វណ្ណា", "កុសល", "សុភា", "ម៉ាលី")
KHMER_FAMILY = ("សុខ", "ជា", "ហេង", "លឹម", "ម៉ៅ", "ប្រាក់", "ទេព", "អ៊ុក")


@cache
def all_names() -> tuple[tuple[str, str], ...]:
    """Every name there is with its key; one in ten or so is written in Khmer."""
    latin = [f"{given} {family}" for given in GIVEN for family in FAMILY]
    khmer = [f"{family} {given}" for family in KHMER_FAMILY for given in KHMER_GIVEN]
    return tuple((name, name_key(name)) for name in [*latin, *khmer])


def a_name(chance: random.Random) -> tuple[str, str]:
    """A name and its key."""
    names = all_names()
    return names[int(chance.random() * len(names))]
