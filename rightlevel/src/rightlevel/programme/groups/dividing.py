"""Children into groups by level, evenly: pure, so that it can be tried with any school there could be."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rightlevel.programme.groups.model import MAX_GROUPS, LatestLevel, band_of


class PlannedGroup(msgspec.Struct, frozen=True):
    """One group of a division: its band, its number in it, who leads it and who is in it."""

    band: int
    number: int
    teacher_id: int | None
    student_ids: list[str]


class Division(msgspec.Struct, frozen=True):
    """Groups, and the children who have no level yet: together every child once."""

    groups: list[PlannedGroup]
    untested: list[str]


def divide(
    children: Sequence[LatestLevel],
    band_ranks: list[list[int]],
    *,
    target_size: int,
    teacher_ids: Sequence[int] = (),
) -> Division:
    """Groups of one band each, sizes within a band at most one apart, led evenly by the teachers there are.

    A band is split while its groups are above the target, the fullest first, as long as there are teachers; without any
    teachers named the target alone decides. With fewer teachers than bands one teacher leads several groups, one after the other.
    """
    tested = [child for child in children if child.rank is not None]
    bands: dict[int, list[LatestLevel]] = {}
    for child in sorted(tested, key=lambda each: (each.rank or 0, each.grade, each.student_id)):
        bands.setdefault(band_of(child.rank or 0, band_ranks), []).append(child)
    sizes = {band: len(members) for band, members in bands.items()}
    counts = group_counts(sizes, target_size=target_size, teachers=len(teacher_ids))
    dealt = [
        (band, number, [child.student_id for child in bands[band][number - 1 :: counts[band]]])
        for band in sorted(bands)
        for number in range(1, counts[band] + 1)
    ]
    leaders = _leaders([len(members) for _, _, members in dealt], teacher_ids)
    groups = [
        PlannedGroup(band, number, leader, members)
        for (band, number, members), leader in zip(dealt, leaders, strict=True)
    ]
    return Division(groups, [child.student_id for child in children if child.rank is None])


def group_counts(sizes: dict[int, int], *, target_size: int, teachers: int) -> dict[int, int]:
    """How many groups each band gets: one at least, more while above the target and somebody is free to lead them."""
    counts = {band: 1 for band, size in sizes.items() if size}
    most = teachers if teachers else MAX_GROUPS
    while sum(counts.values()) < min(most, MAX_GROUPS):
        fullest = max(counts, key=lambda band: (sizes[band] / counts[band], -band), default=None)
        if fullest is None or sizes[fullest] <= target_size * counts[fullest]:
            break
        counts[fullest] += 1
    return counts


def _leaders(sizes: list[int], teacher_ids: Sequence[int]) -> list[int | None]:
    """A teacher for each group: the fullest groups first, each to whom the fewest groups and then children were given."""
    if not teacher_ids:
        return [None] * len(sizes)
    loads = {teacher: (0, 0, place) for place, teacher in enumerate(teacher_ids)}
    leaders: list[int | None] = [None] * len(sizes)
    for at in sorted(range(len(sizes)), key=lambda each: (-sizes[each], each)):
        teacher = min(loads, key=lambda each: loads[each])
        groups, children, place = loads[teacher]
        loads[teacher] = (groups + 1, children + sizes[at], place)
        leaders[at] = teacher
    return leaders
