-- name: list_schools
-- Schools by name. Served by school_by_name, school_by_place and place_by_lineage.
select s.id, s.code, s.name_local, s.name_latin, s.place_id, p.name_local as place_name, s.status, s.is_practice, s.version,
    case when not s.is_practice then coalesce((
        select sum(e.children)::integer
        from school_standing e
        where e.school_id = s.id), 0) end as children
from school s
join place p on p.id = s.place_id
where true
--? live: and s.deleted_at is null
--? deleted: and s.deleted_at is not null
--? by_place: and p.lineage @> array[%(place_id)s::bigint]
--? by_search: and s.name_key like %(search)s
--? by_status: and s.status = %(status)s
--? by_practice: and s.is_practice = %(is_practice)s
--? in_scope: and s.id = any(%(scope_schools)s)
--? after: and (lower(s.name_local), s.id) > (select lower(k.name_local), k.id from school k where k.id = %(after_id)s)
order by lower(s.name_local), s.id
limit %(rows)s

-- name: count_schools
-- How many schools list_schools has in all. Served by school_by_name and place_by_lineage; it stops after 100,001.
select count(*) as schools
from (
    select 1
    from school s
    join place p on p.id = s.place_id
    where true
--? live: and s.deleted_at is null
--? deleted: and s.deleted_at is not null
--? by_place: and p.lineage @> array[%(place_id)s::bigint]
--? by_search: and s.name_key like %(search)s
--? by_status: and s.status = %(status)s
--? by_practice: and s.is_practice = %(is_practice)s
--? in_scope: and s.id = any(%(scope_schools)s)
    limit 100001) found

-- name: read_school
-- One school. Served by the primary key.
select id, place_id, code, name_local, name_latin, ownership, area, latitude, longitude, status, is_practice, version,
    deleted_at is not null as is_deleted
from school
where id = %(school_id)s
--? for_update: for update
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

-- name: count_live_students
-- How many live children a school has, up to a few. Served by student_by_school.
select count(*) as live
from (select 1 from student where school_id = %(school_id)s and deleted_at is null limit 5) few

-- name: live_place
-- Whether a place is there and live. Served by the primary key.
select count(*) as live
from place
where id = %(place_id)s and deleted_at is null

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
where true
--? live: and deleted_at is null
--? deleted: and deleted_at is not null
--? after: and (starts_on, id) < (select k.starts_on, k.id from school_year k where k.id = %(after_id)s)
order by starts_on desc, id desc
limit %(rows)s

-- name: read_year
-- One live school year. Served by the primary key.
select id, name, starts_on, ends_on, is_current, version
from school_year
where id = %(year_id)s
--? live: and deleted_at is null
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
-- Whether anything live stands in a school year, up to a few.
select (select count(*) from (select 1 from round where school_year_id = %(year_id)s and deleted_at is null limit 5) r)
    + (select count(*) from (select 1 from class where school_year_id = %(year_id)s and deleted_at is null limit 5) c)
    + (select count(*) from (select 1 from school_enrolled where school_year_id = %(year_id)s and children > 0 limit 5) e) as live

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
select c.id, c.school_id, c.school_year_id, c.grade, c.section, c.version,
    (select count(*)::integer from student st where st.class_id = c.id and st.deleted_at is null and st.status = 'active') as children
from class c
where c.school_id = %(school_id)s
--? by_year: and c.school_year_id = %(school_year_id)s
--? live: and c.deleted_at is null
--? deleted: and c.deleted_at is not null
--? in_scope: and (c.school_id = any(%(scope_schools)s) or c.id = any(%(scope_classes)s))
--? after: and (c.school_year_id, c.grade, c.section, c.id) > (select k.school_year_id, k.grade, k.section, k.id from class k where k.id = %(after_id)s)
order by c.school_year_id, c.grade, c.section, c.id
limit %(rows)s

-- name: read_class
-- One class. Served by the primary key.
select c.id, c.school_id, c.school_year_id, c.grade, c.section, c.version,
    (select count(*)::integer from student st where st.class_id = c.id and st.deleted_at is null and st.status = 'active') as children
from class c
where c.id = %(class_id)s
--? live: and c.deleted_at is null
--? for_update: for update

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
