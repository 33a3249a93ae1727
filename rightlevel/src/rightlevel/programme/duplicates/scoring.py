"""How alike two children are: names by Jaro-Winkler over their parts, then sex, grade, age and birth, as weights of evidence.

The weights are logarithms of how much likelier a fact is of one child entered twice than of two children (Fellegi and Sunter, A Theory for
Record Linkage, 1969), set by hand on the first half of the generated set; THRESHOLD was chosen there and judged on the other half
(docs/rules/duplicates.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import msgspec

from rightlevel.programme.duplicates.model import Record
from rightlevel.programme.duplicates.names import Name, read_name, skeleton_of
from rightlevel.programme.students import NewStudent

THRESHOLD = 2.8
"""*Source*: docs/rules/duplicates.md: the highest F2 (a missed duplicate weighs more than a needless look) on the half of the generated set that was for choosing."""
LEAST_LIKE = 0.80
"""Names less alike than this are no duplicates whatever else agrees."""
PREFIX = 4
PREFIX_WEIGHT = 0.1
"""*Source*: W. Winkler, String Comparator Metrics, 1990: up to four equal first letters, a tenth each."""
BY_SOUND = 0.97
"""Names that only sound alike are a little less alike than names that are written alike."""
ACROSS_SCRIPTS = 0.97


class Child(msgspec.Struct, frozen=True):
    """What of a child is compared."""

    id: str
    name: Name
    sex: int
    grade: int
    school_id: int
    birth_on: date | None = None
    age: int | None = None


def compared(student_id: str, of: Record | NewStudent) -> Child:
    """What of a record, or of a child who is to be added, is compared."""
    return Child(
        student_id,
        read_name(of.name),
        sex=of.sex,
        grade=of.grade,
        school_id=of.school_id,
        birth_on=of.birth_on,
        age=of.age,
    )


class Likeness(msgspec.Struct, frozen=True):
    """How likely two children are one: `weight` above THRESHOLD is shown; `reasons` are codes for people."""

    weight: float
    name: float
    reasons: tuple[str, ...]


def jaro_winkler(one: str, other: str) -> float:
    """Similarity of two words, 0 to 1. *Source*: M. Jaro 1989, W. Winkler 1990. *Cost*: 2 to 6 µs for names."""
    if one == other:
        return 1.0
    if not one or not other:
        return 0.0
    # At least one place: by the letter of the definition two letters changed over in a name of three would match nothing.
    reach = max(max(len(one), len(other)) // 2 - 1, 1)
    taken = [False] * len(other)
    matched: list[str] = []
    for at, each in enumerate(one):
        for there in range(max(0, at - reach), min(len(other), at + reach + 1)):
            if not taken[there] and other[there] == each:
                taken[there] = True
                matched.append(each)
                break
    if not matched:
        return 0.0
    same = len(matched)
    across = [each for there, each in enumerate(other) if taken[there]]
    swaps = sum(a != b for a, b in zip(matched, across, strict=True)) / 2
    jaro = (same / len(one) + same / len(other) + (same - swaps) / same) / 3
    prefix = 0
    for a, b in zip(one[:PREFIX], other[:PREFIX], strict=False):
        if a != b:
            break
        prefix += 1
    return jaro + prefix * PREFIX_WEIGHT * (1 - jaro)


def name_likeness(one: Name, other: Name) -> float:
    """How alike two names are, 0 to 1, whatever the order of their parts and the spaces between them."""
    if one.key == other.key:
        return 1.0
    if one.script == other.script:
        written = _parts_likeness(one.parts, other.parts)
        if written > BY_SOUND:
            return written
        return max(written, BY_SOUND * _parts_likeness(one.sounds, other.sounds))
    return ACROSS_SCRIPTS * max(
        _parts_likeness(one.sounds, other.sounds), _parts_likeness(one.skeletons, other.skeletons)
    )


def _parts_likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """Parts paired best first; the weakest pair counts as much as the mean, for one part of a sibling's name is always the same."""
    joined = 0.0
    if len(one) != len(other):
        few, many = (one, other) if len(one) < len(other) else (other, one)
        joined = max(jaro_winkler("".join(few), "".join(each)) for each in (many, many[::-1]))
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    pairs = sorted(
        ((jaro_winkler(a, b), i, j) for i, a in enumerate(short) for j, b in enumerate(long)), reverse=True
    )
    left, right, found = set(range(len(short))), set(range(len(long))), list[tuple[float, int]]()
    for likeness, i, j in pairs:
        if i in left and j in right:
            left.discard(i)
            right.discard(j)
            found.append((likeness, max(len(short[i]), len(long[j]))))
    if not found:
        return joined
    letters = sum(size for _, size in found)
    mean = sum(likeness * size for likeness, size in found) / letters
    paired = (mean + min(likeness for likeness, _ in found)) / 2
    missing = sum(len(long[j]) for j in right)
    paired *= 1 - 0.35 * missing / (letters + missing)
    return max(paired, joined if joined > 0.95 else 0.0)


NAME_WEIGHTS = ((0.80, -2.0), (0.86, -0.5), (0.90, 1.0), (0.94, 2.6), (0.97, 3.8), (1.0, 4.6))
"""Weight of the names' likeness, straight between these points."""


def _name_weight(likeness: float) -> float:
    for (low, low_weight), (high, high_weight) in pairwise(NAME_WEIGHTS):
        if likeness <= high:
            return low_weight + (likeness - low) / (high - low) * (high_weight - low_weight)
    return NAME_WEIGHTS[-1][1]


def likeness_of(
    one: Child, other: Child, *, namesakes: int = 0, today: date, at_least: float = -100.0
) -> Likeness | None:
    """How likely two children are one child entered twice, or None where their names are too far apart.

    `namesakes`: how many more children around sound like them; each makes the name say less. None also where the likeliness can't reach
    `at_least`, whatever their names: those are not even compared, which takes most of the time.
    """
    weight = -min(0.5 * namesakes, 2.0)
    reasons: list[str] = []
    for more, reason in (_sex(one, other), _grade(one, other), _age(one, other, today)):
        weight += more
        reasons += [reason] if reason else []
    if one.school_id != other.school_id:
        weight -= 0.5
        reasons.append("other_school")
    if weight + NAME_WEIGHTS[-1][1] < at_least:
        return None
    names = name_likeness(one.name, other.name)
    if names < LEAST_LIKE:
        return None
    alike = (
        "name_same"
        if names == 1.0
        else "name_alike"
        if one.name.script == other.name.script
        else "name_sounds"
    )
    return Likeness(round(weight + _name_weight(names), 3), round(names, 3), (alike, *reasons))


def _sex(one: Child, other: Child) -> tuple[float, str]:
    if not {one.sex, other.sex} <= {1, 2}:
        return 0.0, ""
    return (0.6, "sex_same") if one.sex == other.sex else (-3.0, "sex_differs")


def _grade(one: Child, other: Child) -> tuple[float, str]:
    apart = abs(one.grade - other.grade)
    if apart == 0:
        return 0.7, "grade_same"
    return (-0.9, "grade_next") if apart == 1 else (-2.5, "grade_differs")


def _age(one: Child, other: Child, today: date) -> tuple[float, str]:
    """Birth days where both are known, else ages."""
    a, b = one.birth_on, other.birth_on
    if a is not None and b is not None:
        if a == b:
            return 4.0, "birth_same"
        same = (a.year == b.year) + (a.month == b.month) + (a.day == b.day)
        is_swapped = (a.year, a.month, a.day) == (b.year, b.day, b.month)
        return (1.5, "birth_alike") if same == 2 or is_swapped else (-3.5, "birth_differs")
    first, second = _years(one, today), _years(other, today)
    if first is None or second is None:
        return 0.0, ""
    apart = abs(first - second)
    if apart <= 1:
        return (0.9, "age_same") if apart == 0 else (-0.2, "age_alike")
    return -1.8 if apart == 2 else -3.5, "age_differs"


def _years(child: Child, today: date) -> int | None:
    if child.birth_on is None:
        return child.age
    born = child.birth_on
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def sounds_like(name: Name) -> str:
    """What namesakes share: the skeletons of the parts, in order of the alphabet."""
    return " ".join(sorted(skeleton_of(each) for each in name.sounds))
