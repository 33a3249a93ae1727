"""Two ways of working: the draw is the seed's and kept, and the read-out is the regression that others make of the same children."""

from __future__ import annotations

import random
from itertools import product
from math import sqrt

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid
from rightlevel.programme.trials import (
    NewTrial,
    ReadOutQuery,
    draw_trial,
    list_trial_schools,
    list_trials,
    read_out,
    read_trial,
)
from rightlevel.programme.trials.actions import TooFewSchools
from rightlevel.programme.trials.drawing import Eligible, draw
from rightlevel.programme.trials.reading import SchoolSums, difference

CLOCK = StandingClock(NOW)
QUERIES = read_queries(
    """
-- name: schools
-- Schools in two districts.
insert into school (place_id, code, name_local)
select case when n %% 2 = 0 then %(one)s::bigint else %(other)s::bigint end, 'T' || n, 'School ' || n from generate_series(1, 21) n
-- name: later
-- A later round.
insert into round (school_year_id, kind, starts_on, ends_on, state) values (%(year)s, 'endline', '2026-12-01', '2026-12-20', 'open') returning id
-- name: children
-- Ten children of each of these schools, assessed in both rounds: each child of a school of the second way rose by one level more,
-- and children otherwise as their number says, alike in every school: which schools are drawn follows from their ids, and those from what ran before.
with child as (
    insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
    select s.id, s.year, 'c' || n, 'Child', 'child', 1, 3
    from (select id, %(year)s::bigint as year from school where code like 'T%%') s, generate_series(1, 10) n
    returning id, school_id, code)
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select gen_random_uuid(), c.id, r.id, c.school_id, %(person)s, %(day)s, 'math', 'assessed', 'grid',
    case when r.is_later then 2 + right(c.code, 1)::integer %% 3 + t.is_b::integer else 2 end, 3, 1
from child c
join trial_school t on t.school_id = c.school_id and t.trial_id = %(trial)s
cross join (values (%(round)s::bigint, false), (%(later)s::bigint, true)) as r (id, is_later)
""",
    origin="test_trials.py",
)
Child = tuple[int, int, bool, int]
"""A school, its stratum, its way, and how many levels the child rose."""


def test_the_same_seed_draws_the_same_and_half_of_each_stratum_work_each_way() -> None:
    schools = [Eligible(number, number % 7) for number in range(1, 200)]
    for seed in range(50):
        drawn = draw(schools, seed)
        assert drawn == draw(list(reversed(schools)), seed)
        assert abs(sum(1 if each.is_b else -1 for each in drawn)) <= 1
        for stratum in range(7):
            held = [each.is_b for each in drawn if each.stratum_id == stratum]
            assert abs(2 * sum(held) - len(held)) <= 1
    firsts = [draw(schools, seed)[0].is_b for seed in range(400)]
    assert 160 <= sum(firsts) <= 240, "each school as often the one as the other"


def some_children(dice: random.Random, *, effect: float, strata: int = 4, schools: int = 12) -> list[Child]:
    """Children of schools that differ from each other more than chance among children would have them."""
    found: list[Child] = []
    number = 0
    for stratum in range(strata):
        for _ in range(schools):
            number += 1
            is_b = number % 2 == 0
            of_school = stratum / 4 + dice.gauss(0, 0.4) + (effect if is_b else 0.0)
            found += [
                (number, stratum, is_b, round(of_school + dice.gauss(0, 1)))
                for _ in range(dice.randint(8, 40))
            ]
    return found


def sums_of(children: list[Child]) -> list[SchoolSums]:
    keys = sorted({child[:3] for child in children})
    return [
        SchoolSums(
            *key, sum(child[:3] == key for child in children), sum(c[3] for c in children if c[:3] == key)
        )
        for key in keys
    ]


def regression(children: list[Child]) -> tuple[float, float]:
    """The effect and its clustered standard error, child by child, by the normal equations of all columns: nothing of what is tested is used."""
    strata = sorted({child[1] for child in children})
    rows = [[float(child[2]), *(float(child[1] == each) for each in strata)] for child in children]
    k = len(rows[0])
    inverse = inverted([[sum(row[i] * row[j] for row in rows) for j in range(k)] for i in range(k)])
    moment = [sum(row[i] * child[3] for row, child in zip(rows, children, strict=True)) for i in range(k)]
    beta = [sum(inverse[i][j] * moment[j] for j in range(k)) for i in range(k)]
    scores: dict[int, list[float]] = {}
    for row, child in zip(rows, children, strict=True):
        left = child[3] - sum(b * x for b, x in zip(beta, row, strict=True))
        held = scores.setdefault(child[0], [0.0] * k)
        for i in range(k):
            held[i] += row[i] * left
    meat = [[sum(s[i] * s[j] for s in scores.values()) for j in range(k)] for i in range(k)]
    variance = sum(inverse[0][i] * meat[i][j] * inverse[j][0] for i, j in product(range(k), repeat=2))
    n, g = len(children), len(scores)
    return beta[0], sqrt(g / (g - 1) * (n - 1) / (n - k) * variance)


def inverted(matrix: list[list[float]]) -> list[list[float]]:
    """By Gauss and Jordan."""
    size = len(matrix)
    work = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(work[r][i]))
        work[i], work[pivot] = work[pivot], work[i]
        work[i] = [value / work[i][i] for value in work[i]]
        for r in range(size):
            if r != i:
                work[r] = [a - work[r][i] * b for a, b in zip(work[r], work[i], strict=True)]
    return [row[size:] for row in work]


@pytest.mark.parametrize("seed", range(6))
def test_the_difference_is_the_regression_child_by_child(seed: int) -> None:
    children = some_children(random.Random(seed), effect=0.5, strata=1 + seed % 4)
    found = difference(sums_of(children))
    effect, error = regression(children)
    assert found.estimate is not None
    assert found.standard_error is not None
    assert abs(found.estimate.value - effect) < 1e-9
    assert abs(found.standard_error - error) < 1e-9


def test_it_is_what_statsmodels_says() -> None:
    api = pytest.importorskip("statsmodels.api", reason="statsmodels is no part of the project's pins")
    children = some_children(random.Random(3), effect=0.5)
    strata = sorted({child[1] for child in children})
    columns = [[float(child[2]), *(float(child[1] == each) for each in strata)] for child in children]
    fitted = api.OLS([child[3] for child in children], columns).fit(
        cov_type="cluster", cov_kwds={"groups": [child[0] for child in children]}
    )
    found = difference(sums_of(children))
    assert found.estimate is not None
    assert found.standard_error == pytest.approx(float(fitted.bse[0]), rel=1e-9)
    assert found.estimate.value == pytest.approx(float(fitted.params[0]), rel=1e-9)


def test_of_made_up_trials_the_interval_holds_the_truth_and_children_alone_would_not() -> None:
    dice = random.Random(5)
    held = narrow = 0
    for _ in range(150):
        children = some_children(dice, effect=0.25)
        found = difference(sums_of(children))
        assert found.estimate is not None
        held += found.estimate.low <= 0.25 <= found.estimate.high
        ways = [[child[3] for child in children if child[2] is way] for way in (True, False)]
        means = [sum(way) / len(way) for way in ways]
        errors = [
            sum((x - mean) ** 2 for x in way) / len(way) ** 2 for way, mean in zip(ways, means, strict=True)
        ]
        narrow += abs(means[0] - means[1] - 0.25) <= 1.96 * sqrt(sum(errors))
    assert 0.90 <= held / 150 <= 0.99
    assert narrow < 0.8 * 150, (
        "as if children were drawn one by one, it would claim to know more than it does"
    )


def test_what_cannot_be_told_says_why() -> None:
    few = [SchoolSums(number, 0, number % 2 == 0, 10, number) for number in range(8)]
    assert difference(few).reason == "few_schools"
    alone = [SchoolSums(number, number // 2, number % 2 == 0, 10, number) for number in range(8)]
    assert (
        difference([*alone, *(SchoolSums(20 + n, 9, n % 2 == 0, 10, n) for n in range(2))]).reason
        == "few_degrees"
    )
    apart = [SchoolSums(number, number % 2, number % 2 == 0, 10, number) for number in range(30)]
    assert difference(apart).reason == "no_contrast"
    empty = [SchoolSums(number, 0, number % 2 == 0, 0, 0) for number in range(30)]
    assert difference(empty).reason == "few_schools"


@pytest.mark.anyio
async def test_schools_are_drawn_kept_and_read_out_by_the_way_they_were_drawn_into(
    session: Session, cast: Cast
) -> None:
    new = NewTrial("Camps", "Camps of ten days", "An hour a day", cast.province, 3, seed=7)
    with pytest.raises(TooFewSchools):
        await draw_trial(session, cast.coordinator, new, CLOCK)
    await session.execute(QUERIES["schools"], {"one": cast.district_1, "other": cast.district_2})
    made = await draw_trial(session, cast.coordinator, new, CLOCK)
    assert (made.schools_a + made.schools_b, made.strata, made.seed) == (23, 2, 7)
    assert abs(made.schools_a - made.schools_b) == 1
    again = await draw_trial(session, cast.coordinator, new, CLOCK)
    schools = [
        await list_trial_schools(session, cast.admin, each.id, PageRequest(50)) for each in (made, again)
    ]
    assert schools[0].items == schools[1].items, "the same seed, the same schools"
    assert cast.practice_school not in {each.school_id for each in schools[0].items}
    assert [each.id for each in (await list_trials(session, cast.admin, PageRequest(5))).items] == [
        again.id,
        made.id,
    ]

    later = await session.fetch_value(QUERIES["later"], {"year": cast.school_year})
    values = {"year": cast.school_year, "person": cast.teacher.person_id, "day": NOW.date()}
    more = {"trial": made.id, "round": cast.round, "later": later}
    await session.execute(QUERIES["children"], values | more)
    found = await read_out(session, cast.coordinator, made.id, ReadOutQuery(cast.round, later, "math"))
    assert (found.a.matched + found.b.matched, found.a.attrition) == (210, 0.0)
    assert found.difference.estimate is not None
    estimate = found.difference.estimate
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx((1, 1, 1))
    assert found.b.mean_shift is not None
    assert found.a.mean_shift is not None
    assert found.b.mean_shift > found.a.mean_shift
    with pytest.raises(Invalid):
        await read_out(session, cast.coordinator, made.id, ReadOutQuery(later, cast.round, "math"))


@pytest.mark.anyio
async def test_only_who_leads_draws_and_reads_and_faults_are_told_together(
    session: Session, cast: Cast
) -> None:
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await draw_trial(session, actor, NewTrial("x", "a", "b"), CLOCK)
        with pytest.raises(Forbidden):
            await read_trial(session, actor, 1)
    with pytest.raises(Invalid) as told:
        await draw_trial(session, cast.admin, NewTrial("", "a", "", 999_999, 7, seed=-1), CLOCK)
    assert {each.field for each in told.value.faults} == {"name", "way_b", "place_id", "strata_depth", "seed"}
    with pytest.raises(Invalid):
        await draw_trial(session, cast.admin, NewTrial("x", "Same ", "same"), CLOCK)
