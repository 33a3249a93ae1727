-- name: run_to_undo
-- An import that may be undone, held so that only one undoes it: what it is, when it ended, and whether everything that it did was kept.
select r.id::text as id, r.kind, r.filename, r.state::text as state, r.is_dry_run, r.ended_at, r.undoes is not null as is_undoing, r.undone_at,
    -- Of others than schools and children rows are told, and each deed kept: what became of a child in between does not take them away.
    case when r.kind not in ('schools', 'students') then r.added else (
        select coalesce(sum(coalesce(cardinality(a.student_ids), cardinality(a.other_ids))), 0) from import_added a
        where a.run_id = r.id and a.thing = case r.kind when 'students' then 'student' else 'school' end) end::bigint as kept_added,
    case when r.kind not in ('schools', 'students') then r.changed else (
        select count(*) from import_changed c where c.run_id = r.id) end::bigint as kept_changed, r.added, r.changed
from import_run r
where r.id = %(id)s::uuid
--? hold: for update

-- name: make_undone_child
-- Makes the table of the children that an import added; it goes with the transaction.
create temporary table undone_child (number bigint generated always as identity, id uuid primary key) on commit drop

-- name: make_undone_school
-- Makes the table of the schools that an import added.
create temporary table undone_school (id bigint primary key) on commit drop

-- name: analyze_undone_child
-- Tells the planner how many there are.
analyze undone_child

-- name: drop_undone
-- Removes the tables of an undoing before, in the same session.
drop table if exists pg_temp.undone_child, pg_temp.undone_school, pg_temp.undone_result, pg_temp.found_fault, pg_temp.waiting_count

-- name: stage_added_children
-- The children that an import added, those that are still there.
insert into undone_child (id)
select st.id
from import_added a
cross join lateral unnest(a.student_ids) with ordinality u (id, place)
join student st on st.id = u.id
where a.run_id = %(id)s::uuid and a.thing = 'student'
order by a.number, u.place

-- name: stage_added_schools
-- The schools that an import added, those that are still there.
insert into undone_school (id)
select sc.id
from import_added a
cross join lateral unnest(a.other_ids) u (id)
join school sc on sc.id = u.id
where a.run_id = %(id)s::uuid and a.thing = 'school'

-- name: hold_undone
-- Keeps the children, and the schools and years in which they stand, as they are until the end.
select (select count(*) from (
        select sc.id
        from school sc
        where sc.id in (
            select st.school_id from undone_child u join student st on st.id = u.id
            union
            select st.school_id from import_changed c join student st on st.id = c.student_id where c.run_id = %(id)s::uuid)
        order by sc.id
        for share) schools)
    + (select count(*) from (
        select st.id
        from student st
        where st.id in (select u.id from undone_child u union select c.student_id from import_changed c where c.run_id = %(id)s::uuid)
        order by st.id
        for update) children) as held

-- name: find_what_stands_on_added_children
-- Notes what came to stand since on the children that an import added. Served by the children's indexes of each table.
with found as (
    select st.code, sc.code as school_code, w.rule
    from undone_child u
    join student st on st.id = u.id
    join school sc on sc.id = st.school_id
    cross join lateral (
        select case
            when st.version <> 1 or st.deleted_at is not null or st.erased_at is not null or st.merged_into is not null
                then 'This child was changed since'
            when exists (select 1 from result r where r.student_id = st.id) then 'This child has a result'
            when exists (select 1 from attendance t where t.student_id = st.id) then 'This child is marked in a session'
            when exists (select 1 from group_member g where g.student_id = st.id) then 'This child was put into a group'
            when exists (select 1 from level_check k where k.student_id = st.id) then 'This child was tested again in its group'
            when exists (select 1 from intervention_enrolment i where i.student_id = st.id) then 'This child takes part in an intervention'
            when exists (select 1 from past_enrolment p where p.student_id = st.id)
                or exists (select 1 from school_change_child k where k.student_id = st.id) then 'This child was moved since'
            when exists (select 1 from student m where m.merged_into = st.id)
                or exists (select 1 from student_merge m where m.kept_id = st.id or m.gone_id = st.id) then 'Another child was merged into this one'
            when exists (
                select 1 from round rd
                where rd.school_year_id = st.school_year_id and rd.roll_at > %(ended_at)s and rd.roll_number >= st.stint_number)
                then 'A round was closed since, and this child is on its roll'
            end as rule) w
    where w.rule is not null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select 0, left(school_code, 200), code, rule from found order by school_code, code limit %(most)s)
select count(*) as faults from found

-- name: find_what_stands_on_changed_children
-- Notes what came to stand since on the children that an import changed. Served by the primary key and result_is_unique.
with found as (
    select st.code, sc.code as school_code, w.rule
    from import_changed c
    join student st on st.id = c.student_id
    join school sc on sc.id = st.school_id
    cross join lateral (
        select case
            when st.version <> c.version or st.deleted_at is not null or st.erased_at is not null then 'This child was changed since'
            when (c.before->>'is_moved')::boolean and exists (select 1 from result r where r.student_id = st.id and r.created_at > %(ended_at)s)
                then 'This child has a result since it was moved'
            when (c.before->>'is_moved')::boolean and exists (
                select 1 from round rd
                where rd.school_year_id in (st.school_year_id, (c.before->>'school_year_id')::bigint) and rd.roll_at > %(ended_at)s)
                then 'A round was closed since this child was moved'
            when c.before->>'class_id' is not null and not exists (
                select 1 from class k where k.id = (c.before->>'class_id')::bigint and k.deleted_at is null)
                then 'The class in which this child was is not there any more'
            end as rule) w
    where c.run_id = %(id)s::uuid and w.rule is not null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select 0, left(school_code, 200), code, rule from found order by school_code, code limit %(most)s)
select count(*) as faults from found

-- name: remove_added_children
-- Takes away some of the children that an import added, and says which in the audit, 500 in a row.
with gone as (
    delete from student st
    using undone_child u
    where u.id = st.id and u.number > %(after)s and u.number <= %(up_to)s
    returning st.id),
told as (
    insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after, reason, address)
    select %(person_id)s, %(role)s::role, 'undo', 'student', null, 'done',
        jsonb_build_object('import_run', %(id)s::text, 'removed', jsonb_agg(b.id)), %(filename)s, %(address)s
    from (select id, (row_number() over () - 1) / 500 as block from gone) b
    group by b.block
    order by b.block)
select count(*) as removed from gone

-- name: count_undone_children
-- How many children an import added that are still there.
select count(*) as children from undone_child

-- name: audit_children_put_back
-- Writes into the audit which children are put back as they were, by the names of what changes: values that hold names are not told.
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, after, reason, address)
select %(person_id)s, %(role)s::role, 'undo', 'student', st.id::text, 'done',
    jsonb_build_object('version', st.version, 'sex', st.sex, 'grade', st.grade, 'class_id', st.class_id, 'school_year_id', st.school_year_id),
    jsonb_build_object('version', st.version + 1, 'sex', c.before->'sex', 'grade', c.before->'grade', 'class_id', c.before->'class_id',
        'school_year_id', c.before->'school_year_id'), %(filename)s, %(address)s
from import_changed c
join student st on st.id = c.student_id
where c.run_id = %(id)s::uuid

-- name: put_children_back
-- Puts the children that an import changed back as they were. Who stood elsewhere goes back to the stint that it had.
update student st
set name = c.before->>'name', name_key = c.before->>'name_key', sex = (c.before->>'sex')::smallint, grade = (c.before->>'grade')::smallint,
    school_year_id = (c.before->>'school_year_id')::bigint, class_id = (c.before->>'class_id')::bigint, birth_on = (c.before->>'birth_on')::date,
    age = (c.before->>'age')::smallint, stint_number = (c.before->>'stint_number')::bigint, version = st.version + 1, changed_at = %(now)s
from import_changed c
where c.run_id = %(id)s::uuid and st.id = c.student_id

-- name: forget_stints
-- Takes away that these children stood elsewhere in between: what was undone is not told. Served by past_enrolment_by_student.
delete from past_enrolment p
using import_changed c
where c.run_id = %(id)s::uuid and (c.before->>'is_moved')::boolean and p.student_id = c.student_id and p.id > coalesce((c.before->>'past')::bigint, 0)

-- name: remove_added_classes
-- Takes away the classes that an import made and that nothing stands in; how many.
with gone as (
    delete from class c
    using import_added a
    where a.run_id = %(id)s::uuid and a.thing = 'class' and c.id = any(a.other_ids)
        and not exists (select 1 from student st where st.class_id = c.id)
        and not exists (select 1 from past_enrolment p where p.class_id = c.id)
        and not exists (select 1 from assignment s where s.class_id = c.id)
        and not exists (select 1 from school_change_child k where k.from_class_id = c.id or k.to_class_id = c.id)
        and not exists (select 1 from result r where r.school_id = c.school_id and r.class_id = c.id)
    returning c.id)
select count(*) as removed from gone

-- name: hold_undone_schools
-- Keeps the schools as they are until the end, as whoever changes one of them does, before rounds' rolls are held.
select count(*) as held
from (
    select sc.id
    from school sc
    where sc.id in (select u.id from undone_school u union select c.school_id from import_changed c where c.run_id = %(id)s::uuid)
    order by sc.id
    for update) schools

-- name: find_what_stands_on_added_schools
-- Notes what came to stand since on the schools that an import added. Served by the schools' indexes of each table.
with found as (
    select sc.code, w.rule
    from undone_school u
    join school sc on sc.id = u.id
    cross join lateral (
        select case
            when sc.version <> 1 or sc.deleted_at is not null or sc.merged_into is not null then 'This school was changed since'
            when exists (select 1 from student st where st.school_id = sc.id) then 'This school has children'
            when exists (select 1 from class c where c.school_id = sc.id) then 'This school has classes'
            when exists (select 1 from assignment a where a.school_id = sc.id) then 'People are assigned to this school'
            when exists (select 1 from visit v where v.school_id = sc.id) then 'This school was visited'
            when exists (select 1 from planned_visit v where v.school_id = sc.id) then 'A visit to this school is planned'
            when exists (select 1 from school_device d where d.school_id = sc.id) then 'A device is linked to this school'
            when exists (select 1 from round_school r where r.school_id = sc.id) then 'A round has dates or a lock of its own at this school'
            end as rule) w
    where w.rule is not null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select 0, '', left(code, 200), rule from found order by code limit %(most)s)
select count(*) as faults from found

-- name: find_what_stands_on_changed_schools
-- Notes which schools that an import changed were changed since.
with found as (
    select sc.code,
        case when sc.version <> c.version or sc.deleted_at is not null then 'This school was changed since'
            when not exists (
                select 1 from place p where p.id = (c.before->>'place_id')::bigint and p.deleted_at is null and p.closed_at is null)
                then 'The place in which this school was is not there any more'
            when (c.before->>'place_id')::bigint <> sc.place_id and exists (select 1 from round rd where rd.roll_at > %(ended_at)s)
                then 'A round was closed since this school was moved' end as rule
    from import_changed c
    join school sc on sc.id = c.school_id
    where c.run_id = %(id)s::uuid),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select 0, '', left(code, 200), rule from found where rule is not null order by code limit %(most)s)
select count(*) as faults from found where rule is not null

-- name: leave_added_schools
-- Takes the schools that an import added out of what is counted, before they go.
update school sc
set deleted_at = %(now)s, deleted_by = %(person_id)s, delete_reason = 'import undone'
from undone_school u
where u.id = sc.id

-- name: remove_added_schools
-- Takes away the schools that an import added, and writes each into the audit.
with gone as (
    delete from school sc
    using undone_school u
    where u.id = sc.id
    returning sc.id, sc.code, sc.place_id)
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, reason, address)
select %(person_id)s, %(role)s::role, 'undo', 'school', g.id::text, 'done',
    jsonb_build_object('import_run', %(id)s::text, 'code', g.code, 'place_id', g.place_id), %(filename)s, %(address)s
from gone g
order by g.id

-- name: audit_schools_put_back
-- Writes into the audit which schools are put back, and of each what becomes different.
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, after, reason, address)
select %(person_id)s, %(role)s::role, 'undo', 'school', e.school_id::text, 'done',
    (select jsonb_object_agg(b.key, b.value) from jsonb_each(e.before) b where b.value is distinct from e.after -> b.key),
    (select jsonb_object_agg(a.key, a.value) from jsonb_each(e.after) a where a.value is distinct from e.before -> a.key),
    %(filename)s, %(address)s
from (
    select c.school_id, c.before as after, jsonb_build_object('name_local', sc.name_local, 'place_id', sc.place_id, 'name_latin', sc.name_latin,
        'ownership', sc.ownership, 'area', sc.area, 'latitude', sc.latitude, 'longitude', sc.longitude, 'is_practice', sc.is_practice,
        'status', sc.status) as before
    from import_changed c
    join school sc on sc.id = c.school_id
    where c.run_id = %(id)s::uuid) e

-- name: put_schools_back
-- Puts the schools that an import changed back as they were.
update school sc
set name_local = c.before->>'name_local', place_id = (c.before->>'place_id')::bigint, name_latin = c.before->>'name_latin',
    ownership = c.before->>'ownership', area = c.before->>'area', latitude = (c.before->>'latitude')::double precision,
    longitude = (c.before->>'longitude')::double precision, is_practice = (c.before->>'is_practice')::boolean, status = c.before->>'status',
    version = sc.version + 1
from import_changed c
where c.run_id = %(id)s::uuid and sc.id = c.school_id

-- name: say_why_put_back
-- Writes down why each school stands where it came to stand just now. Served by school_place_is_one_now.
update school_place m
set reason = left(%(reason)s, 200)
from import_changed c
where c.run_id = %(id)s::uuid and m.school_id = c.school_id and m.until_at is null and m.from_at = %(now)s

-- name: remove_added_places
-- Takes away the places that an import made and that nothing hangs on, the lowest first: asked again until none goes; how many. Places in which a
-- school that stays once stood stay.
with gone as (
    delete from place p
    using import_added a
    where a.run_id = %(id)s::uuid and a.thing = 'place' and p.id = any(a.other_ids) and p.version = 1
        and not exists (select 1 from place c where c.parent_id = p.id)
        and not exists (select 1 from school sc where sc.place_id = p.id)
        and not exists (select 1 from school_place m where m.place_id = p.id)
        and not exists (select 1 from boundary_change_place b where b.place_id = p.id or b.successor_id = p.id)
        and not exists (select 1 from boundary_change_school b where b.from_place_id = p.id or b.to_place_id = p.id)
        and not exists (select 1 from verification_draw d where d.place_id = p.id)
        and not exists (select 1 from place_visits v where v.place_id = p.id)
    returning p.id),
told as (
    insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, reason, address)
    select %(person_id)s, %(role)s::role, 'undo', 'place', g.id::text, 'done', jsonb_build_object('import_run', %(id)s::text), %(filename)s,
        %(address)s
    from gone g
    order by g.id)
select count(*) as removed from gone

-- name: make_undone_result
-- Makes the table of the results that an import added or changed, with the version that it left; in the order of their children.
create temporary table undone_result (
    number bigint generated always as identity, id uuid primary key, student_id uuid, version integer, is_added boolean
) on commit drop

-- name: stage_undone_results
-- The results that an import added or changed, those that are still there.
insert into undone_result (id, student_id, version, is_added)
select r.id, r.student_id, d.version, d.is_added
from (
    select u.id, 1 as version, true as is_added
    from import_added a
    cross join lateral unnest(a.result_ids) u (id)
    where a.run_id = %(id)s::uuid and a.thing = 'result'
    union all
    select c.result_id, c.version, false
    from import_changed c
    where c.run_id = %(id)s::uuid and c.result_id is not null) d
join result r on r.id = d.id
order by r.student_id, r.subject, r.id

-- name: analyze_undone_result
-- Tells the planner how many there are.
analyze undone_result

-- name: hold_writers_of_results
-- No round is closed or frozen, and no school locked in one, before this transaction ends (rounds/queries.sql, hold_results).
lock table result in row exclusive mode

-- name: hold_undone_results
-- Keeps the children and then the results as they are until the end, as whoever enters results does.
select (select count(*) from (
        select st.id from student st where st.id in (select u.student_id from undone_result u) order by st.id for no key update) children)
    + (select count(*) from (
        select r.id from result r where r.id in (select u.id from undone_result u) order by r.student_id, r.subject for update) results) as held

-- name: find_what_stands_on_results
-- Notes what came to stand since on the results that an import added or changed. Served by the primary keys and the indexes of re-tests by result.
with found as (
    select st.code, sc.code as school_code, w.rule
    from undone_result u
    join result r on r.id = u.id
    join student st on st.id = r.student_id
    join school sc on sc.id = r.school_id
    join round rd on rd.id = r.round_id
    cross join lateral (
        select case
            when r.deleted_at is not null then 'This result was removed since'
            when st.erased_at is not null then 'This child was erased: its results stay counted'
            when r.is_hidden or st.deleted_at is not null then 'This child was removed since'
            when r.is_verified or exists (select 1 from verification v where v.result_id = r.id and v.created_at > %(ended_at)s)
                then 'This result was tested again'
            when r.locked_at is not null then 'This result is locked'
            when r.version <> u.version then 'This result was changed since'
            when rd.state = 'frozen' then 'The round was frozen since'
            when exists (
                select 1 from round_school e where e.round_id = r.round_id and e.school_id = r.school_id and e.locked_at is not null)
                then 'The school is locked in this round'
            when exists (
                select 1 from student_merge m where m.kept_id = st.id and m.merged_at > %(ended_at)s and m.undone_at is null)
                then 'Another child was merged into this one'
            end as rule) w
    where w.rule is not null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select 0, left(school_code, 200), code, rule from found order by school_code, code limit %(most)s)
select count(*) as faults from found

-- name: count_undone_results
-- The highest number staged.
select coalesce(max(number), 0) as number from undone_result

-- name: put_results_back
-- Puts some of the results that an import changed back as they were, and says so in their history and in the audit.
with was as materialized (
    select r.id, jsonb_build_object('outcome', r.outcome, 'level', l.code, 'tested_on', r.tested_on, 'tool', r.tool, 'assent', r.assent,
        'is_selected', r.is_selected, 'method', r.method, 'notes', r.notes) as kept
    from undone_result u
    join result r on r.id = u.id
    join round rd on rd.id = r.round_id
    left join scale sc on sc.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end
    left join scale_level l on l.scale_id = sc.id and l.rank = r.rank
    where not u.is_added and u.number > %(after)s and u.number <= %(up_to)s),
back as (
    update result r
    set outcome = (c.before ->> 'outcome')::outcome, rank = (c.before ->> 'rank')::smallint, tested_on = (c.before ->> 'tested_on')::date,
        tool = (c.before ->> 'tool')::smallint, assent = (c.before ->> 'assent')::boolean, is_selected = (c.before ->> 'is_selected')::boolean,
        method = (c.before ->> 'method')::entry_method, notes = c.before ->> 'notes', version = r.version + 1, changed_at = %(now)s
    from undone_result u
    join import_changed c on c.result_id = u.id and c.run_id = %(id)s::uuid
    where r.id = u.id and not u.is_added and u.number > %(after)s and u.number <= %(up_to)s
    returning r.id, r.version, r.round_id, r.subject, r.rank, c.before),
told as (
    insert into result_change (write_id, result_id, version, at, person_id, before, after, reason)
    select new_id(), b.id, b.version, %(now)s, %(person_id)s, w.kept, b.before - 'rank' || jsonb_build_object('level', l.code), %(reason)s
    from back b
    join was w on w.id = b.id
    join round rd on rd.id = b.round_id
    left join scale sc on sc.key = case b.subject when 'language' then rd.language_scale else rd.math_scale end
    left join scale_level l on l.scale_id = sc.id and l.rank = b.rank),
audited as (
    insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after, reason, address)
    select %(person_id)s, %(role)s::role, 'undo', 'result', null, 'done',
        jsonb_build_object('import_run', %(id)s::text, 'put_back', jsonb_agg(b.id)), %(filename)s, %(address)s
    from (select id, (row_number() over () - 1) / 500 as block from back) b
    group by b.block
    order by b.block)
select count(*) as put_back from back

-- name: remove_added_results
-- Takes away some of the results that an import added, and says which in the audit, 500 in a row.
with gone as (
    delete from result r
    using undone_result u
    where u.id = r.id and u.is_added and u.number > %(after)s and u.number <= %(up_to)s
    returning r.id),
told as (
    insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after, reason, address)
    select %(person_id)s, %(role)s::role, 'undo', 'result', null, 'done',
        jsonb_build_object('import_run', %(id)s::text, 'removed', jsonb_agg(b.id)), %(filename)s, %(address)s
    from (select id, (row_number() over () - 1) / 500 as block from gone) b
    group by b.block
    order by b.block)
select count(*) as removed from gone

-- name: mark_run_undone
-- Writes down that an import was undone, and forgets what it did.
with forgotten as (
    delete from import_changed where run_id = %(id)s::uuid),
dropped as (
    delete from import_added where run_id = %(id)s::uuid)
update import_run set undone_at = %(now)s where id = %(id)s::uuid and undone_at is null
