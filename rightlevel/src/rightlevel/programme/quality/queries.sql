-- name: assessors_of_day
-- Who tested on a day, by school and subject, with what is counted of their tests. Those of a day are looked through in the order of schools until
-- the page is full. Served by result_by_day, school_practice and those of quality_of_day.
--! plan each time
select g.school_id, s.code as school_code, s.name_local as school_name, g.assessor_id, p.display_name as assessor_name, g.subject::text as subject,
    c.tests, c.assessed, c.absent, c.refused, c.went, c.ranks, c.timed, c.too_fast, c.in_one_minute, c.without_baseline, c.drops,
    c.possible_duplicates, c.retested, c.agreed,
    (select x.round_id from result x where x.tested_on = %(on)s and x.school_id = g.school_id and x.assessor_id = g.assessor_id
        and x.subject = g.subject and x.deleted_at is null limit 1) as round_id
from (
    select distinct r.school_id, r.assessor_id, r.subject
    from result r
    where r.tested_on = %(on)s and r.deleted_at is null and not r.is_hidden
        and r.school_id not in (select k.id from school k where k.is_practice)
--? in_scope: and r.school_id = any(%(reached)s::bigint[])
--? in_scope: and (r.school_id, r.subject) in (
--? in_scope:     select h.school_id, h.subject from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject))
        and (%(school_id)s::bigint is null or r.school_id = %(school_id)s)
        and (%(place_id)s::bigint is null or r.school_id = any(array(
            select k.id from place l join school k on k.place_id = l.id where l.lineage @> array[%(place_id)s::bigint])))
        and (%(subject)s::subject is null or r.subject = %(subject)s::subject)
        and (%(after_school)s::bigint is null
            or (r.school_id, r.assessor_id, r.subject) > (%(after_school)s, %(after_assessor)s, %(after_subject)s::subject))
    order by r.school_id, r.assessor_id, r.subject
    limit %(rows)s) g
join school s on s.id = g.school_id
join person p on p.id = g.assessor_id
cross join lateral quality_of_day(%(on)s::date, g.school_id, g.assessor_id, g.subject, %(blind_to)s::bigint) c
order by g.school_id, g.assessor_id, g.subject

-- name: last_day_of_tests
-- The latest of so many days on which somebody tested where the reader looks. Served by result_by_day and school_practice: a look at each day, and
-- at each school of a reader who holds few.
--! plan each time
select max(d.day) as day
from (select %(until)s::date - n as day from generate_series(0, %(days)s - 1) n) d
where exists (
    select from result r
    where r.tested_on = d.day and r.deleted_at is null and not r.is_hidden
        and r.school_id not in (select k.id from school k where k.is_practice)
--? in_scope: and r.school_id = any(%(reached)s::bigint[])
--? in_scope: and (r.school_id, r.subject) in (
--? in_scope:     select h.school_id, h.subject from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject))
        and (%(school_id)s::bigint is null or r.school_id = %(school_id)s)
        and (%(subject)s::subject is null or r.subject = %(subject)s::subject))

-- name: tests_of_assessor
-- The tests that one person made on a day at a school in a subject, each with its child. Served by result_by_day and those of tests_of_day.
select t.id::text as result_id, t.student_id::text as student_id, st.code, st.name, st.grade, t.outcome::text as outcome, l.code as level,
    e.code as earlier_level, t.method::text as method, t.took_s, (t.earlier_rank - t.rank)::integer as fell, t.is_without_baseline,
    t.has_possible_duplicate, t.round_id
from tests_of_day(%(on)s::date, %(school_id)s::bigint, %(assessor_id)s::bigint, %(subject)s::subject, %(blind_to)s::bigint) t
join student st on st.id = t.student_id
join round rd on rd.id = t.round_id
left join scale sc on sc.key = case %(subject)s::subject when 'language' then rd.language_scale else rd.math_scale end
left join scale_level l on l.scale_id = sc.id and l.rank = t.rank
left join scale_level e on e.scale_id = sc.id and e.rank = t.earlier_rank
where %(after_id)s::uuid is null or t.student_id > %(after_id)s::uuid
order by t.student_id
limit %(rows)s
