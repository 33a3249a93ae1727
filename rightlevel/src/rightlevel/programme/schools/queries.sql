-- fragment: sought_schools
-- Which schools (s, in their place p) are asked for.
and (s.deleted_at is not null) = %(deleted)s::boolean
and (p.lineage @> array[%(place_id)s::bigint] or %(place_id)s::bigint is null)
and (s.name_key like %(search)s::text or %(search)s::text is null)
and (s.status = %(status)s::text or %(status)s::text is null)
and (s.is_practice = %(is_practice)s::boolean or %(is_practice)s::boolean is null)
and (%(untested_in)s::bigint is null or s.id in (select u.id from schools_untested(%(untested_in)s::bigint) u (id)))
and (s.id = any(%(scope_schools)s::bigint[]) or %(scope_schools)s::bigint[] is null)

-- name: list_schools
-- Schools by name. Served by school_by_name, school_by_place and place_by_lineage.
--! plan each time
select s.id, s.code, s.name_local, s.name_latin, s.place_id, p.name_local as place_name, s.status, s.is_practice, s.version,
    case when not s.is_practice then coalesce((
        select sum(e.children)::integer
        from school_standing e
        where e.school_id = s.id), 0) end as children
from school s
join place p on p.id = s.place_id
where true
    --> sought_schools
    and ((lower(s.name_local), s.id) > (select lower(k.name_local), k.id from school k where k.id = %(after_id)s::bigint) or %(after_id)s::bigint is null)
order by lower(s.name_local), s.id
limit %(rows)s

-- name: count_schools
-- How many schools list_schools has in all. Served by school_by_name and place_by_lineage; it stops after 100,001.
--! plan each time
select count(*) as schools
from (
    select 1
    from school s
    join place p on p.id = s.place_id
    where true
    --> sought_schools
    limit 100001) found

-- name: read_school
-- One school. Served by the primary key.
select id, place_id, code, name_local, name_latin, ownership, area, latitude, longitude, status, is_practice, version,
    deleted_at is not null as is_deleted, merged_into
from school
where id = %(school_id)s
--? for_update: for update
--? for_change: for no key update
--? for_share: for share

-- name: school_names
-- The names of some schools, at most a page of them. Served by the primary key.
select id, name_local
from school
where id = any(%(ids)s)
limit 1000

-- name: insert_school
-- Makes a school.
insert into school (place_id, code, name_local, name_latin, ownership, area, latitude, longitude, status, is_practice)
values (%(place_id)s, %(code)s, %(name_local)s, %(name_latin)s, %(ownership)s, %(area)s, %(latitude)s, %(longitude)s,
    %(status)s, %(is_practice)s)
returning id

-- name: change_school
-- Changes a school if it is still the version that was read.
update school
set place_id = %(place_id)s, code = %(code)s, name_local = %(name_local)s, name_latin = %(name_latin)s, ownership = %(ownership)s,
    area = %(area)s, latitude = %(latitude)s, longitude = %(longitude)s, status = %(status)s, is_practice = %(is_practice)s,
    version = version + 1
where id = %(school_id)s and version = %(version)s and deleted_at is null

-- name: hold_rolls
-- Before schools are moved: no round's roll is fixed or let go meanwhile. Bounded by three rounds a year.
select hold_rolls()

-- name: say_move
-- Says for the rest of the transaction why schools are moved, by whom and when (trigger keep_school_place).
select set_config('rightlevel.moving', %(reason)s, true) as reason, set_config('rightlevel.moving_by', %(person_id)s::text, true) as person_id,
    set_config('rightlevel.moving_at', %(now)s::text, true) as moved_at

-- name: preview_move
-- What each round counts of a school, and whether it stays where the school stood. Bounded by three a year; served by school_count's primary key.
select r.id as round_id, r.kind::text as kind, y.name as year_name, r.roll_at is not null as stays,
    coalesce(sum(c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9), 0)::integer
        as results
from round r
join school_year y on y.id = r.school_year_id
left join school_count c on c.round_id = r.id and c.school_id = %(school_id)s
where r.deleted_at is null
group by r.id, r.kind, y.name, r.roll_at, r.starts_on
order by r.starts_on desc
limit 100

-- name: list_stays
-- Where a school stood and stands, the latest first. Served by school_place's primary key.
select m.place_id, p.name_local as place_name, nullif(m.from_at, '-infinity') as from_at, m.until_at, m.reason, e.display_name as moved_by
from school_place m
join place p on p.id = m.place_id
left join person e on e.id = m.moved_by
where m.school_id = %(school_id)s
order by m.from_at desc
limit 100

-- name: has_past
-- Whether anything was counted or done at a school. Served by the indexes by school of the tables that hold it.
select has_past(%(school_id)s::bigint) as has_past

-- name: has_children
-- Whether children are taught at a school now, but for those who were erased. Served by student_by_school.
select has_children(%(school_id)s) as has_children

-- name: count_live_students
-- How many live children a school has, up to a few. Served by student_by_school.
select count(*) as live
from (select 1 from student where school_id = %(school_id)s and deleted_at is null limit 5) few

-- name: live_place
-- Whether a place is there, live and not closed. Served by the primary key.
select count(*) as live
from place
where id = %(place_id)s and deleted_at is null and closed_at is null

-- name: delete_school
-- Takes a school out of use, restorably.
update school
set deleted_at = %(now)s, deleted_by = %(by)s, delete_reason = %(reason)s, version = version + 1
where id = %(school_id)s and deleted_at is null

-- name: restore_school
-- Brings a school back.
update school
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(school_id)s and deleted_at is not null

-- name: list_years
-- School years, newest first. Bounded by their number; served by the primary key.
select id, name, starts_on, ends_on, is_current, version
from school_year
where (deleted_at is not null) = %(is_deleted)s
    and ((starts_on, id) < (select k.starts_on, k.id from school_year k where k.id = %(after_id)s) or %(after_id)s is null)
order by starts_on desc, id desc
limit %(rows)s

-- name: read_year
-- One live school year. Served by the primary key.
select id, name, starts_on, ends_on, is_current, version
from school_year
where id = %(year_id)s and (deleted_at is null or not %(is_live)s)
--? for_update: for update

-- name: current_year
-- The current school year. Served by school_year_only_one_is_current.
select id, name, starts_on, ends_on, is_current, version
from school_year
where is_current and deleted_at is null
limit 1

-- name: insert_year
-- Makes a school year.
insert into school_year (name, starts_on, ends_on, is_current)
values (%(name)s, %(starts_on)s, %(ends_on)s, %(is_current)s)
returning id

-- name: change_year
-- Changes a school year if it is still the version that was read.
update school_year
set name = %(name)s, starts_on = %(starts_on)s, ends_on = %(ends_on)s, is_current = %(is_current)s, version = version + 1
where id = %(year_id)s and version = %(version)s and deleted_at is null

-- name: no_year_is_current
-- Makes room for another current year.
update school_year
set is_current = false, version = version + 1
where is_current and id <> %(year_id)s

-- name: count_year_uses
-- Whether anything stands in a school year or stood there, up to a few. In the worst case it reads every child once.
select (select count(*) from (select 1 from round where school_year_id = %(year_id)s and deleted_at is null limit 5) r)
    + (select count(*) from (select 1 from class where school_year_id = %(year_id)s and deleted_at is null limit 5) c)
    + (select count(*) from (select 1 from school_enrolled where school_year_id = %(year_id)s and children > 0 limit 5) e)
    + (select count(*) from (select 1 from student where school_year_id = %(year_id)s limit 1) st)
    + (select count(*) from (select 1 from past_enrolment where school_year_id = %(year_id)s limit 1) p) as live

-- name: rounds_outside
-- The live rounds of a year, their own days of schools taken with them, that lie outside some days. Bounded by three a year and the schools' own days.
select r.kind::text as kind, least(r.starts_on, min(e.starts_on)) as starts_on, greatest(r.ends_on, max(e.ends_on)) as ends_on
from round r
left join round_school e on e.round_id = r.id
where r.school_year_id = %(year_id)s and r.deleted_at is null
group by r.id, r.kind, r.starts_on, r.ends_on
having least(r.starts_on, min(e.starts_on)) < %(starts_on)s::date or greatest(r.ends_on, max(e.ends_on)) > %(ends_on)s::date
order by r.starts_on
limit 3

-- name: past_outside
-- What lies within a year's days of before and outside its new ones: sessions that were held, visits, and children's moves. Served by visit_by_day.
select (select count(*) from teaching_session t where t.held_on between %(old_starts_on)s and %(old_ends_on)s
            and not t.held_on between %(starts_on)s and %(ends_on)s)::integer as sessions,
    (select count(*) from visit v where v.deleted_at is null and v.visited_on between %(old_starts_on)s and %(old_ends_on)s
            and not v.visited_on between %(starts_on)s and %(ends_on)s)::integer as visits,
    (select count(*) from past_enrolment p where p.school_year_id = %(year_id)s and p.until_on between %(old_starts_on)s and %(old_ends_on)s
            and not p.until_on between %(starts_on)s and %(ends_on)s)::integer as moves

-- name: delete_year
-- Takes a school year out of use, restorably.
update school_year
set deleted_at = %(now)s, deleted_by = %(by)s, delete_reason = %(reason)s, is_current = false, version = version + 1
where id = %(year_id)s and deleted_at is null

-- name: restore_year
-- Brings a school year back.
update school_year
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(year_id)s and deleted_at is not null

-- name: list_classes
-- The classes of a school by grade and section, with their children. Served by class_is_unique and student_by_class.
--! plan each time
select c.id, c.school_id, c.school_year_id, c.grade, c.section, c.version,
    (select count(*)::integer from student st where st.class_id = c.id and st.deleted_at is null and st.status = 'active') as children
from class c
where c.school_id = %(school_id)s
    and (c.school_year_id = %(school_year_id)s or %(school_year_id)s is null)
    and (c.deleted_at is null or %(is_deleted)s)
    and (c.deleted_at is not null or not %(is_deleted)s)
    and (%(is_everything)s or c.school_id = any(%(scope_schools)s) or c.id = any(%(scope_classes)s))
    and (%(after_id)s::bigint is null or (c.school_year_id, c.grade, c.section, c.id)
        > (select k.school_year_id, k.grade, k.section, k.id from class k where k.id = %(after_id)s))
order by c.school_year_id, c.grade, c.section, c.id
limit %(rows)s

-- name: read_class
-- One class. Served by the primary key.
select c.id, c.school_id, c.school_year_id, c.grade, c.section, c.version,
    (select count(*)::integer from student st where st.class_id = c.id and st.deleted_at is null and st.status = 'active') as children
from class c
where c.id = %(class_id)s and (c.deleted_at is null or not %(is_live)s)
--? for_update: for update

-- name: live_year
-- Whether a school year is there and live. Served by the primary key.
select count(*) as live
from (
    select id
    from school_year
    where id = %(year_id)s and deleted_at is null
--? hold: for share
) year

-- name: count_class_uses
-- Whether anything hangs on a class: children, those who left or are deleted too, past enrolments, live results. Served by student_by_class,
-- past_enrolment_by_class and result_by_school; up to one of each.
select (select count(*) from (select 1 from student where class_id = %(class_id)s limit 1) s)
    + (select count(*) from (select 1 from past_enrolment where class_id = %(class_id)s limit 1) p)
    + (select count(*) from (
        select 1
        from class c
        join result r on r.school_id = c.school_id and r.class_id = c.id and r.deleted_at is null
        where c.id = %(class_id)s
        limit 1) r) as uses

-- name: class_has_past
-- Whether past enrolments or live results name a class. Served by past_enrolment_by_class and result_by_school.
select exists (select 1 from past_enrolment p where p.class_id = %(class_id)s)
    or exists (
        select 1
        from class c
        join result r on r.school_id = c.school_id and r.class_id = c.id and r.deleted_at is null
        where c.id = %(class_id)s) as has_past

-- name: insert_class
-- Makes a class.
insert into class (school_id, school_year_id, grade, section)
values (%(school_id)s, %(school_year_id)s, %(grade)s, %(section)s)
returning id

-- name: change_class
-- Changes a class if it is still the version that was read.
update class
set grade = %(grade)s, section = %(section)s, version = version + 1
where id = %(class_id)s and version = %(version)s and deleted_at is null

-- name: delete_class
-- Takes a class out of use, restorably.
update class
set deleted_at = %(now)s, deleted_by = %(by)s, delete_reason = %(reason)s, version = version + 1
where id = %(class_id)s and deleted_at is null

-- name: restore_class
-- Brings a class back.
update class
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(class_id)s and deleted_at is not null

-- name: read_grades
-- The grades of the programme. Served by the primary key.
select value
from setting
where key = 'grades'

-- name: save_grades
-- Sets the grades of the programme. Served by the primary key.
update setting
set value = %(grades)s::jsonb, changed_at = now()
where key = 'grades'
