-- name: lock_rows
-- Nobody writes, moves a school or fixes a round's roll while counts are rewritten.
lock table school, round, result, student in share row exclusive mode

-- name: compare_results
-- Kept result counts of schools beside what the rows say: how many were compared, how many differ, and the first that differ.
-- Reads every result once.
with truth as materialized (
    select school_id, round_id, subject, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from counted_result
), expected as (
    select 'school' as unit, school_id as id, round_id, subject, grade, sex,
        row(absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)::text as counts
    from truth
), kept as (
    select 'school' as unit, school_id as id, round_id, subject, grade, sex,
        row(absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)::text as counts
    from school_count
    where absent <> 0 or refused <> 0 or went <> 0 or rank_1 <> 0 or rank_2 <> 0 or rank_3 <> 0 or rank_4 <> 0 or rank_5 <> 0
        or rank_6 <> 0 or rank_7 <> 0 or rank_8 <> 0 or rank_9 <> 0
), beside as (
    select coalesce(e.unit, k.unit) as unit, coalesce(e.id, k.id) as id, coalesce(e.round_id, k.round_id) as round_id,
        coalesce(e.subject, k.subject)::text as subject, coalesce(e.grade, k.grade) as grade, coalesce(e.sex, k.sex) as sex,
        e.counts as expected, k.counts as kept
    from expected e
    full join kept k on k.unit = e.unit and k.id = e.id and k.round_id = e.round_id and k.subject = e.subject and k.grade = e.grade and k.sex = e.sex
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('%%s %%s, round %%s, %%s, grade %%s, sex %%s: kept %%s, rows say %%s', unit, id, round_id, subject, grade, sex, kept, expected)
        order by unit, id) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_enrolled
-- Kept counts of children of schools and places beside what the rows say. Reads every child once.
with truth as materialized (
    select school_id, school_year_id, grade, sex, children
    from counted_student
), expected as (
    select 'school' as unit, school_id as id, school_year_id, grade, sex, children
    from truth
    union all
    select 'place', unit, school_year_id, grade, sex, sum(children)::bigint
    from truth t
    join school s on s.id = t.school_id
    join place p on p.id = s.place_id
    cross join unnest(p.lineage) unit
    group by unit, school_year_id, grade, sex
), kept as (
    select 'school' as unit, school_id as id, school_year_id, grade, sex, children
    from school_enrolled
    where children <> 0
    union all
    select 'place', place_id, school_year_id, grade, sex, sum(children)::bigint
    from place_enrolled
    group by place_id, school_year_id, grade, sex
    having sum(children) <> 0
), beside as (
    select coalesce(e.unit, k.unit) as unit, coalesce(e.id, k.id) as id, coalesce(e.school_year_id, k.school_year_id) as school_year_id,
        coalesce(e.grade, k.grade) as grade, coalesce(e.sex, k.sex) as sex, e.children as expected, k.children as kept
    from expected e
    full join kept k on k.unit = e.unit and k.id = e.id and k.school_year_id = e.school_year_id and k.grade = e.grade and k.sex = e.sex
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('%%s %%s, year %%s, grade %%s, sex %%s: kept %%s children, rows say %%s', unit, id, school_year_id, grade, sex, kept, expected)
        order by unit, id) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: empty_counts
-- Makes room for the counts to be made again.
truncate school_count, place_count, place_count_moved, school_enrolled, place_enrolled

-- name: count_results_again
-- Every result count of schools and places from the rows. Reads every result once.
select add_school_counts(deltas), add_place_counts(deltas)
from (
    select array(
        select row(round_id, subject, school_id, grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7,
            rank_8, rank_9)::result_delta
        from counted_result) as deltas
) counted

-- name: count_enrolled_again
-- Every count of children of schools and places from the rows. Reads every child once.
select add_school_enrolled(deltas), add_place_enrolled(deltas)
from (
    select array(
        select row(school_year_id, school_id, grade, sex, children)::enrolled_delta
        from counted_student) as deltas
) counted
