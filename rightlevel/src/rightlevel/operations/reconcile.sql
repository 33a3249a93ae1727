-- name: lock_rows
-- Nobody writes, moves a school or fixes a round's roll while counts are rewritten. Children before results, as everybody does who writes both.
lock table school, round, student, result, assignment, visit, planned_visit in share row exclusive mode

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

-- name: compare_seats
-- Kept seats of schools in rounds beside what results and stints say: a child sits where its result is, else where it stood by its last stint of the year
-- that had begun when the round's roll was fixed (or by now), unless that had ended otherwise than with the whole school. Told from the rows by
-- itself, and not by what triggers count by. Reads every result and stint once for each round of its year.
with stint as (
    select st.id as student_id, st.school_year_id, st.school_id, st.grade, st.sex, st.stint_number as began, null::bigint as ended, false as closes_year
    from student st
    where st.status = 'active' and st.deleted_at is null
    union all
    select p.student_id, p.school_year_id, p.school_id, p.grade, p.sex, p.from_number, coalesce(p.seat_until, p.until_number), p.closes_year and p.superseded_by is null
    from past_enrolment p
    join student st on st.id = p.student_id and st.deleted_at is null
    where not p.is_aside
), stood as (
    select distinct on (rd.id, s.student_id) rd.id as round_id, s.student_id, s.school_id, s.grade, s.sex,
        s.ended is null or s.closes_year or s.ended > rd.roll_number as is_there
    from round rd
    join stint s on s.school_year_id = rd.school_year_id and (rd.roll_number is null or s.began <= rd.roll_number)
    order by rd.id, s.student_id, s.began desc, s.ended desc nulls first
), tested as (
    select r.round_id, r.subject, r.student_id, r.school_id, r.grade, r.sex
    from result r
    join student st on st.id = r.student_id and st.deleted_at is null
    where r.deleted_at is null
), truth as materialized (
    select each.round_id, each.subject, each.school_id, each.grade, each.sex, count(*) as children
    from (
        select t.round_id, t.subject, t.school_id, t.grade, t.sex from tested t
        union all
        select s.round_id, sub.subject, s.school_id, s.grade, s.sex
        from stood s
        cross join unnest(enum_range(null::subject)) sub (subject)
        where s.is_there and not exists (
            select 1 from tested t where t.round_id = s.round_id and t.subject = sub.subject and t.student_id = s.student_id)) each
    join school sc on sc.id = each.school_id and not sc.is_practice
    group by each.round_id, each.subject, each.school_id, each.grade, each.sex
), expected as (
    select 'school' as unit, school_id as id, round_id, subject, grade, sex, children
    from truth
), kept as (
    select unit, id, round_id, subject, grade, sex, sum(children)::bigint as children
    from (
        select 'school' as unit, school_id as id, round_id, subject, grade, sex, children from school_roll
        union all
        select 'school', e.school_id, rd.id, sub.subject, e.grade, e.sex, e.children
        from school_enrolled e
        join round rd on rd.school_year_id = e.school_year_id and rd.roll_number is null
        cross join unnest(enum_range(null::subject)) sub (subject)) each
    group by unit, id, round_id, subject, grade, sex
    having sum(children) <> 0
), beside as (
    select coalesce(e.unit, k.unit) as unit, coalesce(e.id, k.id) as id, coalesce(e.round_id, k.round_id) as round_id,
        coalesce(e.subject, k.subject)::text as subject, coalesce(e.grade, k.grade) as grade, coalesce(e.sex, k.sex) as sex,
        e.children as expected, k.children as kept
    from expected e
    full join kept k on k.unit = e.unit and k.id = e.id and k.round_id = e.round_id and k.subject = e.subject and k.grade = e.grade and k.sex = e.sex
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('%%s %%s, round %%s, %%s, grade %%s, sex %%s: kept %%s seats, rows say %%s', unit, id, round_id, subject, grade, sex, kept, expected)
        order by unit, id) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_movement
-- Kept movement of schools' children between two rounds beside what their results say. Reads every result once.
with truth as materialized (
    select school_id, round_id, later_round_id, subject, grade, sex, from_rank,
        row(absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)::text as counts
    from counted_movement
), kept as (
    select school_id, round_id, later_round_id, subject, grade, sex, from_rank,
        row(absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)::text as counts
    from school_movement
    where (absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
), beside as (
    select coalesce(e.school_id, k.school_id) as school_id, coalesce(e.round_id, k.round_id) as round_id,
        coalesce(e.later_round_id, k.later_round_id) as later_round_id, coalesce(e.subject, k.subject)::text as subject,
        coalesce(e.grade, k.grade) as grade, coalesce(e.sex, k.sex) as sex, coalesce(e.from_rank, k.from_rank) as from_rank,
        e.counts as expected, k.counts as kept
    from truth e
    full join kept k on k.school_id = e.school_id and k.round_id = e.round_id and k.later_round_id = e.later_round_id and k.subject = e.subject
        and k.grade = e.grade and k.sex = e.sex and k.from_rank = e.from_rank
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('movement of school %%s, rounds %%s to %%s, %%s, grade %%s, sex %%s, level %%s: kept %%s, rows say %%s',
        school_id, round_id, later_round_id, subject, grade, sex, from_rank, kept, expected)
        order by school_id, round_id) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_standing
-- Kept counts of active children by school and year beside the children themselves. Reads every child once.
with beside as (
    select coalesce(e.school_id, k.school_id) as school_id, coalesce(e.school_year_id, k.school_year_id) as school_year_id, e.children as expected, k.children as kept
    from (
        select school_id, school_year_id, count(*) as children
        from student
        where deleted_at is null and status = 'active'
        group by school_id, school_year_id) e
    full join (select school_id, school_year_id, children from school_standing where children <> 0) k
        on k.school_id = e.school_id and k.school_year_id = e.school_year_id
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('school %%s, year %%s: kept %%s active children, rows say %%s', school_id, school_year_id, kept, expected)
        order by school_id, school_year_id) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_cells
-- Live results beside the stints of their children in the round's year, and of records that were ever made one with them: each was made where
-- the child stood, in the class, grade and sex that it had there, and is hidden exactly when its child is removed. Served by
-- past_enrolment_by_student, student_merge_by_kept and student_merge_by_gone; reads every result once.
with seen as (
    select r.id, r.round_id, r.is_hidden <> (st.deleted_at is not null) as is_hidden_wrongly,
        st.deleted_at is null and (st.school_year_id, st.school_id, st.class_id, st.grade, st.sex)
                is distinct from (rd.school_year_id, r.school_id, r.class_id, r.grade, r.sex)
            and (select not coalesce(bool_or(s.school_id = r.school_id and s.class_id is not distinct from r.class_id and s.grade = r.grade), false)
                    or not coalesce(bool_or(s.sex = r.sex), false)
                from (
                    with recursive same as (
                        select st.id
                        union
                        select case when m.kept_id = e.id then m.gone_id else m.kept_id end from same e join student_merge m on e.id in (m.kept_id, m.gone_id)
                    )
                    select o.school_id, o.class_id, o.grade, o.sex
                    from same e join student o on o.id = e.id and o.school_year_id = rd.school_year_id
                    union all
                    select p.school_id, p.class_id, p.grade, p.sex
                    from same e join past_enrolment p on p.student_id = e.id and p.school_year_id = rd.school_year_id) s) as is_elsewhere
    from result r
    join student st on st.id = r.student_id
    join round rd on rd.id = r.round_id
    where r.deleted_at is null
)
select count(*) as compared, count(*) filter (where is_hidden_wrongly or is_elsewhere) as different,
    coalesce((array_agg(
        case when is_elsewhere then format('result %%s, round %%s: its child never stood there in that year', id, round_id)
            else format('result %%s, round %%s: hidden or not unlike its child', id, round_id) end
        order by id) filter (where is_hidden_wrongly or is_elsewhere))[1:100], '{}') as differences
from seen

-- name: compare_stints
-- Stints beside each other: no child stands at two places of a year at once, and a former stint is hidden exactly when its child is removed.
-- Reads every former stint once. Served by past_enrolment_by_student.
with seen as (
    select p.id, p.student_id, p.is_hidden <> (st.deleted_at is not null) as is_hidden_wrongly,
        not p.is_aside and p.until_number > 0 and (
            (st.status = 'active' and st.school_year_id = p.school_year_id and st.stint_number < p.until_number)
            or exists (
                select 1
                from past_enrolment o
                where o.student_id = p.student_id and o.school_year_id = p.school_year_id and o.id <> p.id and not o.is_aside and o.from_number < p.until_number
                    and o.until_number > p.from_number)) as is_twice
    from past_enrolment p
    join student st on st.id = p.student_id
)
select count(*) as compared, count(*) filter (where is_hidden_wrongly or is_twice) as different,
    coalesce((array_agg(
        case when is_twice then format('child %%s: stands at two places at once (past enrolment %%s)', student_id, id)
            else format('child %%s: past enrolment %%s hidden or not unlike its child', student_id, id) end
        order by id) filter (where is_hidden_wrongly or is_twice))[1:100], '{}') as differences
from seen

-- name: empty_counts
-- Makes room for the counts to be made again.
truncate school_count, place_count, place_count_moved, school_enrolled, place_enrolled, school_roll, place_roll, place_roll_moved, school_standing,
    school_movement, place_movement, place_movement_moved, school_untested, school_held, school_visits, place_visits, place_schools

-- name: count_results_again
-- Every result count of schools from the rows, to wait in pieces of 2,000. Reads every result once.
insert into waiting_count (results)
select array_agg(each.delta order by each.n)
from (
    select row(round_id, subject, school_id, grade, sex, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)::result_delta as delta,
        row_number() over () as n
    from counted_result) each
group by (each.n - 1) / 2000

-- name: count_enrolled_again
-- Every count of children of schools from the rows, to wait. Reads every child once.
insert into waiting_count (enrolled)
select array_agg(each.delta order by each.n)
from (
    select row(school_year_id, school_id, grade, sex, children)::enrolled_delta as delta,
        row_number() over () as n
    from counted_student) each
group by (each.n - 1) / 2000

-- name: count_rolls_again
-- Every count of seats beyond base of schools from the rows, to wait. Reads every result and stint once.
insert into waiting_count (rolls)
select array_agg(each.delta order by each.n)
from (
    select row(round_id, subject, school_id, grade, sex, children)::roll_delta as delta,
        row_number() over () as n
    from counted_roll) each
group by (each.n - 1) / 2000

-- name: count_movement_again
-- Every line of movement of schools and places from the rows. Reads every result once.
select count_movement()

-- name: count_standing_again
-- Every count of active children by school and year from the rows. Reads every child once.
insert into school_standing (school_id, school_year_id, children)
select school_id, school_year_id, count(*)
from student
where deleted_at is null and status = 'active'
group by school_id, school_year_id

-- name: count_untested_again
-- Which schools have no result in a round, from the counts. Reads every count of schools once.
insert into school_untested (round_id, school_id)
select round_id, school_id
from untested_school
on conflict do nothing

-- name: count_held_again
-- Who holds schools longest, from the assignments; and until when mentors of drafts and plans work there. Reads every assignment, draft and plan once.
with held as (
    insert into school_held (school_id, subject, role, from_on, until_on)
    select school_id, subject, role, from_on, until_on
    from longest_held
), drafts as (
    update visit set mentor_until = works_until(mentor_id, school_id, subject) where state = 'draft' and deleted_at is null
)
update planned_visit set mentor_until = works_until(mentor_id, school_id, subject) where state = 'planned'

-- name: count_visits_again
-- Every count of visits and open schools from the rows. Reads every visit and school once.
select keep_visits(array_agg(v.school_id), array_agg(v.month)), (
    select add_place_schools(array_agg(s.id), array_agg(s.place_id), array_agg(1))
    from school s
    where s.status = 'open' and s.deleted_at is null and not s.is_practice)
from (
    select distinct school_id, date_trunc('month', visited_on)::date as month
    from visit
    where state = 'submitted' and deleted_at is null) v
