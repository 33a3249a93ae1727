-- fragment: kept_or_deleted
-- Those who are there, or those who were removed and not merged into another: each has indexes of its own.
--? live: and deleted_at is null
--? deleted: and deleted_at is not null and merged_into is null

-- fragment: chosen
-- What a list of children can be asked for.
--> kept_or_deleted
--? by_school: and school_id = %(school_id)s
--? by_class: and id in (
--? by_class:     select n.id from student n where n.class_id = %(class_id)s
--? by_class:     union all
--? by_class:     select p.student_id from past_enrolment p where p.class_id = %(class_id)s and p.closes_year and p.superseded_by is null and not p.is_aside)
--? by_grade: and grade = %(grade)s
--? by_sex: and sex = %(sex)s
--? active: and status = 'active'
--? left: and status = 'left'
--? by_search: and (name_key like %(search)s or lower(code) = lower(%(code)s))
--? in_scope: and (school_id = any(%(scope_schools)s) or class_id = any(%(scope_classes)s))

-- name: list_students
-- All children by name, or those of some schools or a class; of a class those who are in it, and those who were when their school went on to the next
-- year. Within somebody's schools it is sorted after it was found there: in the order of all names those few would be looked for among all. Served by student_by_name, student_by_school, student_by_class and past_enrolment_by_class. A choice of all children is find_students'.
select id::text as id, code, name, sex, grade, school_id, class_id, status::text as status, version
from student
where true
--> chosen
--? after: and (name_key, id) > (select k.name_key, k.id from student k where k.id = %(after_id)s::uuid)
--? of_all: order by student.name_key, student.id
--? in_scope: order by student.name_key || '', student.id
limit %(rows)s

-- name: count_students
-- How many children a list has, counted up to a bound. Served by the same indexes as the list.
select count(*) as children
from (
    select 1
    from student
    where true
    --> chosen
    limit %(bound)s
) counted

-- fragment: kinds_and_coded
-- The kinds (grade, sex and status) that are asked for, and the children whose code it is.
with kinds as materialized (
    select g.grade, x.sex, t.status
    from unnest(%(grades)s::bigint[]) g (grade)
    cross join unnest(%(sexes)s::bigint[]) x (sex)
    cross join unnest(%(statuses)s::student_status[]) t (status)
), coded as materialized (
    select c.id, c.name_key
    from (
        select by_code.id, by_code.name_key, by_code.grade, by_code.sex, by_code.status
        from student by_code
        where lower(by_code.code) = lower(%(code)s)
        --> kept_or_deleted
        offset 0) c

-- name: find_students
-- Children of all schools of some grades, sexes and statuses, whose name begins with a text, or whose code it is, by name. Each kind (grade, sex and
-- status) goes down its own stretch of one index and gives at most a page, so that what is rare, or nowhere, is found as fast as what is everywhere.
-- Served by student_by_kind and student_by_code; of deleted ones by student_deleted_by_kind and student_deleted_by_code.
--> kinds_and_coded
    where (c.grade, c.sex, c.status) in (select k.grade, k.sex, k.status from kinds k)
    --? after: and (c.name_key, c.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s::uuid)
), named as materialized (
    select each.id, each.name_key
    from kinds k
    cross join lateral (
        select n.id, n.name_key
        from student n
        where n.grade = k.grade and n.sex = k.sex and n.status = k.status
        --> kept_or_deleted
        --? by_search: and n.name_key >= %(first)s and n.name_key <= %(last)s and n.name_key like %(search)s
        --? after: and (n.name_key, n.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s::uuid)
        order by n.name_key, n.id
        limit %(rows)s) each
    order by each.name_key, each.id
    limit %(rows)s
), found as materialized (
    select id, name_key from named
    --? by_search: union
    --? by_search: select id, name_key from coded
    order by 2, 1
    limit %(rows)s
)
select st.id::text as id, st.code, st.name, st.sex, st.grade, st.school_id, st.class_id, st.status::text as status, st.version
from found
cross join lateral (
    -- one look-up each: a plan that knows not how long the lists are would read every child in the order of ids
    select w.id, w.code, w.name, w.name_key, w.sex, w.grade, w.school_id, w.class_id, w.status, w.version
    from student w
    where w.id = found.id
    offset 0) st
order by st.name_key, st.id
limit %(rows)s

-- name: count_found_students
-- How many children find_students has, counted up to a bound. Served by the same indexes, which alone are read.
--> kinds_and_coded
    where (c.grade, c.sex, c.status) in (select k.grade, k.sex, k.status from kinds k)
)
select count(*) as children
from (
    select each.id
    from kinds k
    cross join lateral (
        select n.id
        from student n
        where n.grade = k.grade and n.sex = k.sex and n.status = k.status
        --> kept_or_deleted
        --? by_search: and n.name_key >= %(first)s and n.name_key <= %(last)s and n.name_key like %(search)s
        order by n.name_key, n.id
        limit %(bound)s) each
    --? by_search: union
    --? by_search: select id from coded
    limit %(bound)s
) counted

-- name: count_active
-- How many active children there are, in whichever year they stand, from the kept counts: a row a school and year.
select coalesce(sum(children), 0)::bigint as children
from school_standing

-- name: children_by_year
-- How many active children stand in each school year, the latest first, from the kept counts. Served by school_standing's primary key.
--! plan each time
select y.id as school_year_id, y.name, y.is_current, sum(c.children)::bigint as children
from school_standing c
join school_year y on y.id = c.school_year_id
where (c.school_id = %(school_id)s or %(school_id)s is null)
    and (c.school_id = any(%(scope_schools)s) or %(scope_schools)s is null)
group by y.id, y.name, y.is_current, y.starts_on
having sum(c.children) > 0
order by y.starts_on desc
limit 50

-- name: read_student
-- One child. Served by the primary key.
select id::text as id, school_id, school_year_id, class_id, code, name, sex, grade, birth_on, age, guardian_contact,
    guardian_consent_on, status::text as status, left_on, left_reason, version, deleted_at is not null as is_deleted,
    guardian_withdrawn_on, merged_into::text as merged_into, erased_at is not null as is_erased
from student
where id = %(student_id)s::uuid
--? for_update: for update

-- name: kept_student
-- The record that a record went into. Served by the primary key, once for each merge.
select kept_student(%(student_id)s::uuid)::text as id

-- name: insert_student
-- Enrols a child; the same id again adds nothing.
insert into student (id, school_id, school_year_id, class_id, code, name, name_key, sex, grade, birth_on, age, guardian_contact, guardian_consent_on)
values (coalesce(%(id)s::uuid, new_id()), %(school_id)s, %(school_year_id)s, %(class_id)s, %(code)s, %(name)s, %(name_key)s, %(sex)s,
    %(grade)s, %(birth_on)s, %(age)s, %(guardian_contact)s, %(guardian_consent_on)s)
on conflict (id) do nothing
returning id::text as id

-- name: change_student
-- Corrects a child's record where it stands, if it is still the version that was read.
update student
set class_id = %(class_id)s, code = %(code)s, code_is_shared = code_is_shared and lower(code) = lower(%(code)s), name = %(name)s,
    name_key = %(name_key)s, sex = %(sex)s, grade = %(grade)s, birth_on = %(birth_on)s, age = %(age)s,
    guardian_contact = %(guardian_contact)s, guardian_consent_on = %(guardian_consent_on)s,
    guardian_withdrawn_on = case when %(guardian_consent_on)s::date is null then guardian_withdrawn_on end, version = version + 1, changed_at = %(now)s
where id = %(student_id)s::uuid and version = %(version)s and deleted_at is null

-- name: set_status
-- Marks a child as left, or as back, if it is still the version that was read.
update student
set status = %(status)s::student_status, left_on = %(left_on)s, left_reason = %(reason)s, version = version + 1, changed_at = %(now)s
where id = %(student_id)s::uuid and version = %(version)s and deleted_at is null and status <> %(status)s::student_status

-- name: tell_today
-- Says for the rest of the transaction which day it is in the programme: until when a child stood where it does not any more (told_day).
select set_config('rightlevel.today', %(day)s::date::text, true) as day

-- name: say_stint
-- Says that the next change of where a child stands is a move, and why (trigger keep_student_counts writes down where it was).
select say_stint(%(reason)s, %(words)s, %(until_on)s, null)::text as said

-- name: list_past_enrolments
-- Where a child was, in order. Served by past_enrolment_by_student.
select e.id, e.school_id, s.name_local as school_name, e.school_year_id, e.class_id, e.grade, e.until_on, e.reason, e.words, e.sex,
    y.name as year_name
from past_enrolment e
join school s on s.id = e.school_id
join school_year y on y.id = e.school_year_id
where e.student_id = %(student_id)s::uuid
    and (e.id > %(after_id)s or %(after_id)s is null)
order by e.id
limit %(rows)s

-- name: settled_results
-- Whether a child has results that stand: verified or locked, of a round that isn't open or a school that is locked in it. Served by
-- result_is_unique.
select count(*) as settled
from result r
join round rd on rd.id = r.round_id
left join round_school e on e.round_id = r.round_id and e.school_id = r.school_id
where r.student_id = %(student_id)s::uuid and r.deleted_at is null
    and (r.is_verified or r.locked_at is not null or rd.state <> 'open' or e.locked_at is not null)

-- name: delete_student
-- Takes a child out of use, restorably; a trigger hides its results.
update student
set deleted_at = %(now)s, deleted_by = %(by)s, delete_reason = %(reason)s, version = version + 1
where id = %(student_id)s::uuid and deleted_at is null

-- name: restore_student
-- Brings a child back, and its results; a record that was merged comes back by undoing that.
update student
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(student_id)s::uuid and deleted_at is not null and merged_into is null

-- name: hold_standing
-- Holds schools, year and class as they are, so that none is closed, deleted or made another before a child stands there. Served by the primary keys.
select (select count(*) from (select id from school where id = any(%(school_ids)s::bigint[]) order by id for share) s)
    + (select count(*) from (select id from school_year where id = %(school_year_id)s for share) y)
    + (select count(*) from (select id from class where id = %(class_id)s::bigint for share) c) as held

-- name: standing_faults
-- What speaks against a child standing there, as codes. Served by the primary keys.
select standing_faults(%(school_id)s::bigint, %(school_year_id)s::bigint, %(class_id)s::bigint, %(grade)s::integer, %(from_school_id)s::bigint) as faults

-- name: results_of_year
-- Whether a child has results of a school year, up to one. Served by result_is_unique.
select count(*) as results
from (
    select 1
    from result r
    join round rd on rd.id = r.round_id and rd.school_year_id = %(school_year_id)s
    where r.student_id = %(student_id)s::uuid and r.deleted_at is null
    limit 1) few

-- name: say_why
-- Says for the rest of the transaction who changes children's records, by which deed and why (trigger keep_student_changes).
select set_config('rightlevel.changing_by', %(person_id)s, true) as person_id, set_config('rightlevel.changing_deed', %(deed)s, true) as deed,
    set_config('rightlevel.changing_why', %(reason)s, true) as reason

-- name: list_record_changes
-- What was changed of a child's record, the latest first, with the names of schools, years and classes. Served by student_change_by_student.
select c.id, c.version, c.at, p.display_name as by, c.deed, c.reason,
    c.before || jsonb_strip_nulls(jsonb_build_object('school', bs.name_local, 'school_year', oy.name, 'section', bc.section)) as before,
    c.after || jsonb_strip_nulls(jsonb_build_object('school', ns.name_local, 'school_year', ny.name, 'section', nc.section)) as after
from student_change c
left join person p on p.id = c.person_id
left join school bs on bs.id = (c.before ->> 'school_id')::bigint
left join school ns on ns.id = (c.after ->> 'school_id')::bigint
left join school_year oy on oy.id = (c.before ->> 'school_year_id')::bigint
left join school_year ny on ny.id = (c.after ->> 'school_year_id')::bigint
left join class bc on bc.id = (c.before ->> 'class_id')::bigint
left join class nc on nc.id = (c.after ->> 'class_id')::bigint
where c.student_id = %(student_id)s::uuid
    and (c.id < %(after_id)s or %(after_id)s is null)
order by c.id desc
limit %(rows)s

-- name: usual_codes
-- How the codes of a school's children end: what most of them begin with, the largest number behind it and how many digits that has. Served by
-- student_by_school.
select k.prefix, max(k.digits::bigint) as most, max(length(k.digits)) as digits
from (
    select m[1] as prefix, m[2] as digits
    from (
        select st.code from student st where st.school_id = %(school_id)s and st.deleted_at is null order by st.name_key, st.id limit 5000) c
    cross join lateral regexp_match(c.code, '^(.*?)([0-9]{1,9})$') m
    where m is not null) k
group by k.prefix
order by count(*) desc, k.prefix
limit 1
