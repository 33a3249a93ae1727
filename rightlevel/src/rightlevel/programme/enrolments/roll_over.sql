-- name: years
-- The school years, newest first. Bounded by their number.
select id, name, starts_on
from school_year
where deleted_at is null
order by starts_on desc
limit 50

-- name: current_year
-- The current year's id. Served by school_year_only_one_is_current.
select coalesce((select id from school_year where is_current and deleted_at is null limit 1), 0) as id

-- name: children_of_year
-- How many active children of a school stand in a year. Served by student_by_school.
select count(*) as children
from student
where school_id = %(school_id)s and school_year_id = %(year_id)s and status = 'active' and deleted_at is null

-- name: hold_children
-- Holds the children of a school and year in the order of their ids, as whoever enters results does. Served by student_by_school.
select count(*) as children
from (
    select id
    from student
    where school_id = %(school_id)s and school_year_id = %(year_id)s and status = 'active' and deleted_at is null
    order by id
    for no key update) held

-- name: children_to_move
-- The children of a school and year by grade, section and name, for picking who stays. Served by student_by_school.
select st.id::text as id, st.code, st.name, st.grade, st.class_id
from student st
left join class c on c.id = st.class_id
where st.school_id = %(school_id)s and st.school_year_id = %(year_id)s and st.status = 'active' and st.deleted_at is null
--? by_class: and st.class_id = %(class_id)s
--? without_class: and st.class_id is null
--? by_grade: and st.grade = %(grade)s
order by st.grade, coalesce(c.section, ''), st.name_key, st.id
limit %(rows)s

-- name: preview
-- What becomes of each class of a school and year. Served by student_by_school and class_is_unique.
with going as materialized (
    select st.class_id, st.grade, coalesce(c.section, '') as section, n.next_grade,
        case when st.id = any(%(repeaters)s::uuid[]) then 'stay' when n.next_grade is null then 'finish' else 'up' end as fate
    from student st
    join unnest(%(grades)s::smallint[], %(nexts)s::smallint[]) as n (grade, next_grade) on n.grade = st.grade
    left join class c on c.id = st.class_id
    where st.school_id = %(school_id)s and st.school_year_id = %(from_year_id)s and st.status = 'active' and st.deleted_at is null
), grouped as (
    select class_id, grade, section, next_grade, count(*) as children, count(*) filter (where fate = 'up') as up,
        count(*) filter (where fate = 'stay') as stay, count(*) filter (where fate = 'finish') as finish
    from going
    group by class_id, grade, section, next_grade
)
select g.class_id, g.grade, g.section, g.children, g.up, g.stay, g.finish, g.next_grade,
    g.class_id is not null and g.up > 0 and not exists (
        select 1 from class t
        where t.school_id = %(school_id)s and t.school_year_id = %(to_year_id)s and t.grade = g.next_grade and t.section = g.section
            and t.deleted_at is null) as up_class_is_new,
    g.class_id is not null and g.stay > 0 and not exists (
        select 1 from class t
        where t.school_id = %(school_id)s and t.school_year_id = %(to_year_id)s and t.grade = g.grade and t.section = g.section
            and t.deleted_at is null) as stay_class_is_new
from grouped g
order by g.grade, g.section, g.class_id nulls last
limit 1000

-- name: open_rounds
-- The rounds of a year that are not done at a school, by subject: open ones, planned ones with results, closed ones with children to do. Three
-- rounds and two subjects at most. Served by result_by_school, student_by_school and past_enrolment_by_school.
select rd.id as round_id, rd.kind::text as kind, rd.state::text as state, sub.subject::text as subject, t.tested, t.absent, t.refused, t.went as left,
    t.to_do, t.enrolled
from round rd
cross join unnest(enum_range(null::subject)) sub (subject)
cross join lateral (
    select count(*) filter (where r.outcome = 'assessed') as tested, count(*) filter (where r.outcome = 'absent') as absent,
        count(*) filter (where r.outcome = 'refused') as refused, count(*) filter (where r.outcome = 'left') as went,
        count(*) filter (where seat.result_id is null) as to_do, count(*) as enrolled
    from seats_of_school(rd.id, sub.subject, %(school_id)s::bigint) seat
    left join result r on r.id = seat.result_id
) t
where rd.school_year_id = %(from_year_id)s and rd.deleted_at is null
    and (rd.state = 'open' or (rd.state = 'planned' and t.enrolled > t.to_do) or (rd.state = 'closed' and t.to_do > 0))
order by rd.starts_on, sub.subject
limit 12

-- name: known_children
-- How many of some children stand in a school and year. Served by the primary key.
select count(*) as known
from student
where id = any(%(ids)s::uuid[]) and school_id = %(school_id)s and school_year_id = %(year_id)s and status = 'active' and deleted_at is null

-- name: insert_roll_over
-- Writes a roll-over down, unless this school has left this year already.
insert into roll_over (id, school_id, from_year_id, to_year_id, rolled_on, made_at, made_by)
values (%(id)s::uuid, %(school_id)s, %(from_year_id)s, %(to_year_id)s, %(rolled_on)s, %(now)s, %(person_id)s)
on conflict do nothing

-- name: make_classes
-- Makes the classes that children go to, or brings them back where they were deleted, and writes down which.
with wanted as materialized (
    select distinct case when st.id = any(%(repeaters)s::uuid[]) then st.grade else n.next_grade end as grade, c.section
    from student st
    join unnest(%(grades)s::smallint[], %(nexts)s::smallint[]) as n (grade, next_grade) on n.grade = st.grade
    join class c on c.id = st.class_id
    where st.school_id = %(school_id)s and st.school_year_id = %(from_year_id)s and st.status = 'active' and st.deleted_at is null
        and (n.next_grade is not null or st.id = any(%(repeaters)s::uuid[]))
), deleted as materialized (
    select c.id
    from class c
    join wanted w on w.grade = c.grade and w.section = c.section
    where c.school_id = %(school_id)s and c.school_year_id = %(to_year_id)s and c.deleted_at is not null
), made as (
    insert into class (school_id, school_year_id, grade, section)
    select %(school_id)s, %(to_year_id)s, grade, section
    from wanted
    order by wanted.grade, wanted.section
    on conflict (school_id, school_year_id, grade, section) do nothing
    returning id
), back as (
    update class c
    set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
    from deleted d
    where c.id = d.id
    returning c.id
)
insert into roll_over_class (roll_over_id, class_id, was_deleted)
select %(id)s::uuid, id, false from made
union all
select %(id)s::uuid, id, true from back

-- name: say_roll_over
-- Says that the children who move next go on with their school (trigger keep_student_counts writes down where each was).
select say_stint(null, null, %(rolled_on)s, %(id)s::uuid)::text as said

-- name: move_children
-- Takes the children of a school from one year to the next, and says how many did what. One statement, whatever the number.
with fates as materialized (
    select st.id, st.class_id, st.grade, st.sex, c.section, n.next_grade,
        case when st.id = any(%(repeaters)s::uuid[]) then 'repeat' when n.next_grade is null then 'finished' else 'promotion' end as fate
    from student st
    join unnest(%(grades)s::smallint[], %(nexts)s::smallint[]) as n (grade, next_grade) on n.grade = st.grade
    left join class c on c.id = st.class_id
    where st.school_id = %(school_id)s and st.school_year_id = %(from_year_id)s and st.status = 'active' and st.deleted_at is null
), goals as materialized (
    select f.id, f.class_id, f.grade, f.sex, f.fate, t.id as to_class_id, case f.fate when 'promotion' then f.next_grade else f.grade end as to_grade
    from fates f
    left join class t on f.fate <> 'finished' and t.school_id = %(school_id)s and t.school_year_id = %(to_year_id)s and t.deleted_at is null
        and t.grade = case f.fate when 'promotion' then f.next_grade else f.grade end and t.section = f.section
), moved as (
    update student st
    set school_year_id = case g.fate when 'finished' then st.school_year_id else %(to_year_id)s end,
        class_id = case g.fate when 'finished' then st.class_id else g.to_class_id end, grade = g.to_grade,
        status = case g.fate when 'finished' then 'left'::student_status else 'active' end,
        left_on = case g.fate when 'finished' then %(rolled_on)s::date end, left_reason = case g.fate when 'finished' then 'finished' end,
        version = st.version + 1, changed_at = %(now)s
    from goals g
    where st.id = g.id
    returning st.id
)
select count(*) filter (where g.fate = 'promotion') as up, count(*) filter (where g.fate = 'repeat') as stayed,
    count(*) filter (where g.fate = 'finished') as finished
from moved m
join goals g on g.id = m.id

-- name: finish_roll_over
-- Writes down how many children and classes a roll-over concerned.
update roll_over
set up = %(up)s, stayed = %(stayed)s, finished = %(finished)s, classes_made = (select count(*) from roll_over_class where roll_over_id = %(id)s::uuid)
where id = %(id)s::uuid

-- name: list_roll_overs
-- The roll-overs of a school, newest first. Served by roll_over_by_school.
select o.id::text as id, o.school_id, f.name as from_year, t.name as to_year, o.rolled_on, o.up, o.stayed, o.finished, o.classes_made,
    o.undone_at is not null as is_undone,
    o.undone_at is null and not exists (
        select 1
        from result r
        join round rd on rd.id = r.round_id and rd.school_year_id = o.to_year_id
        where r.school_id = o.school_id and r.deleted_at is null)
        and not exists (
            select 1
            from round rd
            where rd.school_year_id = o.to_year_id and rd.deleted_at is null
                and rd.roll_number >= (select min(p.until_number) from past_enrolment p where p.roll_over_id = o.id)) as is_undoable
from roll_over o
join school_year f on f.id = o.from_year_id
join school_year t on t.id = o.to_year_id
where o.school_id = %(school_id)s
--? by_id: and o.id = %(id)s::uuid
--? left_year: and o.from_year_id = %(from_year_id)s and o.undone_at is null
--? after: and (o.made_at, o.id) < (select k.made_at, k.id from roll_over k where k.id = %(after_id)s::uuid)
order by o.made_at desc, o.id desc
limit %(rows)s

-- name: roll_over_to_undo
-- One roll-over that stands, held. Served by the primary key.
select id::text as id, school_id, from_year_id, to_year_id
from roll_over
where id = %(id)s::uuid and undone_at is null
for update

-- name: school_of_roll_over
-- The school of a roll-over. Served by the primary key.
select school_id
from roll_over
where id = %(id)s::uuid

-- name: hold_rolled
-- Holds the children of a roll-over in the order of their ids. Served by past_enrolment_by_roll_over.
select count(*) as children
from (
    select id
    from student
    where id in (select student_id from past_enrolment where roll_over_id = %(id)s::uuid)
    order by id
    for no key update) held

-- name: results_of_new_year
-- How many live results of the new year a school has, and rounds of it whose fixed roll holds the school's children; up to one. Served by
-- result_by_school and past_enrolment_by_roll_over.
select count(*) as results
from (
    select 1
    from round rd
    join result r on r.round_id = rd.id and r.school_id = %(school_id)s and r.deleted_at is null
    where rd.school_year_id = %(to_year_id)s
    union all
    select 1
    from round rd
    where rd.school_year_id = %(to_year_id)s and rd.deleted_at is null
        and rd.roll_number >= (select min(p.until_number) from past_enrolment p where p.roll_over_id = %(id)s::uuid)
    limit 1) few

-- name: deleted_classes
-- How many classes that children of a roll-over were in are deleted. Served by past_enrolment_by_roll_over and the primary key.
select count(*) as classes
from class c
where c.deleted_at is not null and c.id in (select p.class_id from past_enrolment p where p.roll_over_id = %(id)s::uuid)

-- name: move_back
-- Takes the children of a roll-over back to where they were, those who have not moved on since; how many. Each goes back to its former stint,
-- as if nothing had been; one whose sex was corrected meanwhile begins another, for a fixed roll may hold it as it was. Nobody goes back for where a
-- record was that was made one with it: it went on by itself. Served by student_merge_by_kept.
with back as materialized (
    select p.id, p.student_id, p.school_year_id, p.class_id, p.grade,
        case when st.sex = p.sex then p.from_number else nextval('stint_number') end as stint_number, st.sex = p.sex as is_same
    from past_enrolment p
    join student st on st.id = p.student_id and st.deleted_at is null and st.school_id = p.school_id
        and case p.reason
            when 'finished' then st.status = 'left' and st.school_year_id = p.school_year_id and st.left_reason = 'finished'
            else st.status = 'active' and st.school_year_id = %(to_year_id)s end
    where p.roll_over_id = %(id)s::uuid and p.superseded_by is null
        and not exists (
            select 1 from student_merge m
            where m.kept_id = p.student_id and m.undone_at is null and m.moved->'past' @> to_jsonb(p.id))
), moved as (
    update student st
    set school_year_id = b.school_year_id, class_id = b.class_id, grade = b.grade, status = 'active', left_on = null, left_reason = null,
        stint_number = b.stint_number, version = st.version + 1, changed_at = %(now)s
    from back b
    where st.id = b.student_id
), gone as (
    delete from past_enrolment p
    using back b
    where b.is_same and p.id = b.id
), corrected as (
    update past_enrolment p
    set closes_year = false, roll_over_id = null, reason = 'correction', until_number = b.stint_number
    from back b
    where not b.is_same and p.id = b.id
)
select count(*) as back
from back

-- name: forget_new_year
-- Takes away that a child stood in the new year until it went back, which is written down where its sex was corrected there: what was undone is not
-- told, and keeps no class. Served by past_enrolment_by_student.
delete from past_enrolment n
using student st, past_enrolment o
where st.school_id = %(school_id)s and st.school_year_id = %(from_year_id)s and st.deleted_at is null and n.student_id = st.id and o.student_id = st.id
    and n.school_year_id = %(to_year_id)s and n.until_number = st.stint_number
    and o.school_year_id = %(from_year_id)s and o.until_number = st.stint_number and o.reason = 'correction'

-- name: remove_classes
-- Takes away the classes that a roll-over made and that nothing stands in; those it brought back are deleted again. How many.
with unused as materialized (
    select o.class_id, o.was_deleted
    from roll_over_class o
    where o.roll_over_id = %(id)s::uuid
        and not exists (select 1 from student st where st.class_id = o.class_id)
        and not exists (select 1 from past_enrolment p where p.class_id = o.class_id)
        and not exists (select 1 from assignment a where a.class_id = o.class_id)
), again as (
    update class c
    set deleted_at = %(now)s, deleted_by = %(person_id)s, delete_reason = 'roll-over undone', version = version + 1
    from unused u
    where u.was_deleted and c.id = u.class_id
    returning c.id
), gone as (
    delete from class c
    using unused u
    where not u.was_deleted and c.id = u.class_id
    returning c.id
)
select (select count(*) from again) + (select count(*) from gone) as removed

-- name: mark_undone
-- Writes down that a roll-over was undone.
update roll_over
set undone_at = %(now)s, undone_by = %(person_id)s, undo_reason = %(reason)s
where id = %(id)s::uuid and undone_at is null
