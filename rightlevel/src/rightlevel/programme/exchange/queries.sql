-- name: allow_import_memory
-- Gives this transaction what sorting and matching a file need, and no more: the whole server has a budget.
-- Reading ahead is off because it may take every buffer of a small temp_buffers, and the next scan then fails (PostgreSQL 18).
select set_config('work_mem', '4MB', true) as work_mem, set_config('hash_mem_multiplier', '1', true) as hashes,
    set_config('jit', 'off', true) as jit, set_config('effective_io_concurrency', '0', true) as reads_ahead,
    set_config('maintenance_io_concurrency', '0', true) as analyze_ahead

-- name: read_terms
-- What rows are judged by: the grades of the programme, and the one country where there is one (two are read to know).
select (select value from setting where key = 'grades') as grades,
    array(select array[c.code, c.name_local] from place c where c.kind = 'country' and c.deleted_at is null order by c.id limit 2) as countries

-- name: read_school_years
-- Every school year in use, newest first; they do not overlap, so there are few.
select id, name, is_current from school_year where deleted_at is null order by starts_on desc limit 200

-- name: drop_staging
-- Removes the staging tables of an import before, in the same session.
drop table if exists pg_temp.staged_student, pg_temp.matched_student, pg_temp.staged_school, pg_temp.matched_school,
    pg_temp.staged_path, pg_temp.staged_result, pg_temp.matched_result, pg_temp.staged_row, pg_temp.judged_row,
    pg_temp.found_fault, pg_temp.waiting_count

-- name: make_found_fault
-- Makes the table that faults are gathered in; it goes with the transaction.
create temporary table found_fault (
    id bigint generated always as identity, row_number bigint, column_name text, value text, rule text,
    cure text not null default '', is_left_out boolean not null default false
) on commit drop

-- name: copy_found_faults
-- Takes the faults found while reading.
copy found_fault (row_number, column_name, value, rule, cure, is_left_out) from stdin

-- name: make_staged_student
-- Makes the table that a file's children are copied into; it goes with the transaction.
create temporary table staged_student (
    row_number bigint, is_whole boolean, school_code text, code text, name text, name_key text, sex smallint,
    grade smallint, section text, birth_on date, age smallint, school_year_id bigint, id uuid
) on commit drop

-- name: copy_staged_students
-- Takes a file's children.
copy staged_student (row_number, is_whole, school_code, code, name, name_key, sex, grade, section, birth_on, age, school_year_id, id)
from stdin

-- name: analyze_staged_student
-- Tells the planner how many rows there are; nobody else does it for a temporary table.
analyze staged_student

-- name: make_matched_student
-- Makes the table of the file's children that are already there.
create temporary table matched_student (
    row_number bigint, student_id uuid, class_id bigint, is_changed boolean, is_moved boolean
) on commit drop

-- name: hold_schools
-- Keeps the file's schools and years as they are until the end: none is deleted or closed between judging and saving. Served by
-- school_code_is_unique and the years' primary key.
select (select count(*) from (
        select sc.id
        from school sc
        where sc.code in (select s.school_code from staged_student s)
        order by sc.id
        for share) schools)
    + (select count(*) from (select y.id from school_year y where y.deleted_at is null order by y.id for share) years) as held

-- name: find_children_of_unknown_schools
-- Notes rows whose school is not there or deleted. Served by school_code_is_unique.
with found as (
    select s.row_number, s.school_code, sc.id is null as is_unknown
    from staged_student s
    left join school sc on sc.code = s.school_code
    where s.school_code is not null and (sc.id is null or sc.deleted_at is not null)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(school_code, 200),
        case when is_unknown then 'No school has this code' else 'This school was deleted: restore it first' end
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_repeated_children
-- Notes every row whose school and code another row of the file has too, and names that row. *Cost*: one hash of the file.
with repeated as (
    select school_code, lower(code) as code, min(row_number) as first_row, max(row_number) as last_row
    from staged_student
    where school_code is not null and code is not null
    group by school_code, lower(code)
    having count(*) > 1),
found as (
    select s.row_number, s.code, case when s.row_number = r.first_row then r.last_row else r.first_row end as other_row
    from staged_student s
    join repeated r on r.school_code = s.school_code and r.code = lower(s.code)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, code, 'The same child is also in row ' || other_row
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_deleted_classes
-- Notes rows whose class was deleted. Served by class_is_unique.
with found as (
    select s.row_number, s.section
    from staged_student s
    join school sc on sc.code = s.school_code
    join class c on c.school_id = sc.id and c.school_year_id = s.school_year_id and c.grade = s.grade and c.section = s.section
    where c.deleted_at is not null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, section, 'This class was deleted: restore it first'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_clashing_ids
-- Notes rows whose id is another child's, or not the id of the child they match. Served by student_pkey and the code's index.
with repeated as (
    select id from staged_student where id is not null group by id having count(*) > 1),
found as (
    select s.row_number, s.id,
        case when r.id is not null then 'Another row has the same id'
            when mine.id is not null then 'The child with this code has another id'
            else 'Another child has this id' end as rule
    from staged_student s
    left join repeated r on r.id = s.id
    left join school sc on sc.code = s.school_code
    left join student other on other.id = s.id
    left join student mine on mine.school_id = sc.id and lower(mine.code) = lower(s.code) and mine.deleted_at is null
    where s.id is not null and (r.id is not null or (mine.id is not null and mine.id <> s.id)
        or (mine.id is null and other.id is not null))),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, id::text, rule from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_children_new_at_closed_schools
-- Notes rows that would add a child to a school that the one judge says is closed, or take one of it into another year. Years need no look: a file
-- names none that is deleted, and they are held. Children who are there already may be corrected. Served by student_code_is_unique_in_its_school.
with refused as materialized (
    select sc.id, sc.code
    from school sc
    where sc.status <> 'open' and sc.deleted_at is null
        and 'school_closed' = any(standing_faults(sc.id, null, null, null, null))),
found as (
    select s.row_number, s.school_code
    from staged_student s
    join refused r on r.code = s.school_code
    left join student st on st.school_id = r.id and lower(st.code) = lower(s.code) and st.deleted_at is null
    where st.id is null or st.school_year_id <> s.school_year_id),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(school_code, 200), 'This school is closed: open it first, or leave this row out'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_other_years
-- Notes rows that would take a child who left into another year, or a child back to an earlier one in spite of results, or of a round that holds it,
-- in a later. Served by student_code_is_unique_in_its_school and result_by_student.
with found as (
    select s.row_number, y.name,
        case when st.status = 'left' then 'This child left: say that it came back first, or leave this row out'
            else 'This child stands in a later school year and has results or a closed round there: leave this row out' end as rule
    from staged_student s
    join school sc on sc.code = s.school_code
    join student st on st.school_id = sc.id and lower(st.code) = lower(s.code) and st.deleted_at is null and st.school_year_id <> s.school_year_id
    join school_year y on y.id = s.school_year_id
    join school_year o on o.id = st.school_year_id
    where st.erased_at is null and (st.status = 'left' or (y.starts_on < o.starts_on and exists (
        select 1
        from round rd
        join school_year later on later.id = rd.school_year_id and later.starts_on > y.starts_on
        where rd.deleted_at is null and (
            (rd.school_year_id = o.id and rd.roll_number >= st.stint_number)
            or exists (select 1 from result r where r.student_id = st.id and r.round_id = rd.id and r.deleted_at is null)))))),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, name, rule
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_children_who_are_away
-- Notes rows that would make a second child of one that is deleted or was made one with another. Served by student_deleted_by_school.
with away as materialized (
    select distinct on (d.school_id, lower(d.code)) d.school_id, sc.code as school_code, lower(d.code) as code, k.code as kept_code
    from student d
    join school sc on sc.id = d.school_id
    left join student k on k.id = d.merged_into
    where d.deleted_at is not null
        and not exists (
            select 1 from student st where st.school_id = d.school_id and lower(st.code) = lower(d.code) and st.deleted_at is null)
    order by d.school_id, lower(d.code), d.deleted_at desc),
found as (
    select s.row_number, s.code,
        case when a.kept_code is null then 'A child with this code was deleted: restore it, or give this one another code'
            else 'The child with this code was made one with ' || a.kept_code || ': use that code, or take the merge back' end as rule
    from staged_student s
    join away a on a.school_code = s.school_code and a.code = lower(s.code)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, code, rule
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_shared_codes
-- Notes rows whose code two children of the school have, from before codes were compared without case. Served by student_sharing_a_code.
with shared as materialized (
    select distinct sc.code as school_code, lower(st.code) as code
    from student st
    join school sc on sc.id = st.school_id
    where st.code_is_shared and st.deleted_at is null
        and exists (
            select 1 from student o where o.school_id = st.school_id and lower(o.code) = lower(st.code) and o.deleted_at is null and o.id <> st.id)),
found as (
    select s.row_number, s.code
    from staged_student s
    join shared h on h.school_code = s.school_code and h.code = lower(s.code)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, code, 'Two children of this school have this code: give one of them another code first'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_erased_children
-- Notes rows that would write somebody's data into the record of a child who was erased. Such a record has a code of its own kind
-- (enrolments/erasure.sql). Served by student_code_is_unique_in_its_school.
with found as (
    select s.row_number, s.code
    from staged_student s
    join school sc on sc.code = s.school_code
    join student st on st.school_id = sc.id and lower(st.code) = lower(s.code) and st.deleted_at is null and st.erased_at is not null
    where (starts_with(s.code, 'x-') or starts_with(s.code, 'X-'))
        and ((s.name, s.sex, s.grade, s.school_year_id) is distinct from (st.name, st.sex, st.grade, st.school_year_id)
            or s.birth_on is not null or s.age is not null)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, code, 'Who this child was is erased: its record does not change'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_codes_of_erased_children
-- Notes rows that would add a child under the code of one who was erased: mostly an old roster. Served by erased_code_pkey.
with erased as materialized (
    select e.school_id, e.digest, sc.code as school_code
    from erased_code e
    join school sc on sc.id = e.school_id and sc.deleted_at is null
    where sc.code in (select s.school_code from staged_student s)),
found as (
    select s.row_number, s.code
    from staged_student s
    join erased e on e.school_code = s.school_code and e.digest = code_digest(e.school_id, s.code)
    left join student st on st.school_id = e.school_id and lower(st.code) = lower(s.code) and st.deleted_at is null
    where st.id is null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, code,
        'Who had this code was erased: leave this row out, or, if this is another child, add it by hand or give it another code'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_other_grades
-- Notes rows whose grade the programme doesn't have, unless the child is in that grade already: only what changes is judged by today's grades.
-- Served by student_code_is_unique_in_its_school.
with found as (
    select s.row_number, s.grade
    from staged_student s
    left join school sc on sc.code = s.school_code
    left join student st on st.school_id = sc.id and lower(st.code) = lower(s.code) and st.deleted_at is null
    where s.grade <> all(%(grades)s::smallint[]) and st.grade is distinct from s.grade),
kept as (
    insert into found_fault (row_number, column_name, value, rule, cure)
    select row_number, %(column)s, grade::text, 'One of the grades ' || array_to_string(%(grades)s::smallint[], ', '), 'only_programme_grades = true'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: create_classes
-- Makes the classes that the file names and that are not there, and keeps which, so that they can be taken back.
with made as (
insert into class (school_id, school_year_id, grade, section)
select distinct sc.id, s.school_year_id, s.grade, s.section
from staged_student s
join school sc on sc.code = s.school_code
where s.section is not null
order by 1, 2, 3, 4
on conflict on constraint class_is_unique do nothing
returning id)
insert into import_added (run_id, thing, other_ids)
select %(run_id)s::uuid, 'class', array_agg(id) from made having count(*) > 0

-- name: match_students
-- Finds the children that are already there and whether the file changes them. Served by student_code_is_unique_in_its_school.
-- A child keeps its class while the file names none and the grade stays. What differs in a column that the file doesn't map is no difference. A
-- class that is not there yet (a dry run makes none) is another one.
insert into matched_student (row_number, student_id, class_id, is_changed, is_moved)
select m.row_number, m.student_id, m.class_id, m.moves or m.differs or m.has_new_class or m.class_id is distinct from m.class_now,
    m.moves or m.has_new_class or m.class_id is distinct from m.class_now
from (
    select s.row_number, st.id as student_id, st.class_id as class_now,
        case when s.section is not null then c.id
            when now_in.grade = s.grade and now_in.school_year_id = s.school_year_id
                and (now_in.section = '' or not 'section' = any(%(columns)s::text[]))
            then now_in.id end as class_id,
        st.sex <> s.sex or st.grade <> s.grade or st.school_year_id <> s.school_year_id as moves,
        st.name <> s.name
            or ('birth_on' = any(%(columns)s::text[]) and st.birth_on is distinct from s.birth_on)
            or ('age' = any(%(columns)s::text[]) and st.age is distinct from s.age) as differs,
        s.section is not null and c.id is null as has_new_class
    from staged_student s
    join school sc on sc.code = s.school_code
    join student st on st.school_id = sc.id and lower(st.code) = lower(s.code) and st.deleted_at is null
    left join class c on c.school_id = sc.id and c.school_year_id = s.school_year_id and c.grade = s.grade and c.section = s.section
    left join class now_in on now_in.id = st.class_id) m

-- name: analyze_matched_student
-- Tells the planner how many were matched.
analyze matched_student

-- name: count_moves
-- Of how many children the file changes the year, class, grade or sex, how many of them go into a later year or back into an earlier one, and how
-- many rounds that are open go on with them in the year they leave. What they had is kept by triggers.
with years as materialized (
    select o.id, z.starts_on > o.starts_on as is_later, count(*) as children
    from matched_student m
    join staged_student s on s.row_number = m.row_number
    join student st on st.id = m.student_id and st.status = 'active'
    join school_year o on o.id = st.school_year_id
    join school_year z on z.id = s.school_year_id
    where m.is_moved and o.id <> z.id
    group by o.id, z.starts_on > o.starts_on
)
select (select count(*) from matched_student where is_moved) as moved,
    coalesce(sum(y.children) filter (where y.is_later), 0)::bigint as went_on,
    coalesce(sum(y.children) filter (where not y.is_later), 0)::bigint as went_back,
    (select count(*) from round rd where rd.state = 'open' and rd.deleted_at is null
        and rd.school_year_id in (select id from years where is_later)) as open_rounds
from years y

-- name: audit_changes
-- Writes into the audit which children the file changes, and how: everything but names.
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, after, reason, address)
select %(person_id)s, %(role)s::role, 'import', 'student', st.id::text, 'done',
    jsonb_build_object('version', st.version, 'sex', st.sex, 'grade', st.grade, 'class_id', st.class_id, 'school_year_id', st.school_year_id) || case when 'birth_on' = any(%(columns)s::text[]) then jsonb_build_object('birth_on', st.birth_on) else '{}' end
        || case when 'age' = any(%(columns)s::text[]) then jsonb_build_object('age', st.age) else '{}' end,
    jsonb_build_object('version', st.version + 1, 'sex', s.sex, 'grade', s.grade, 'class_id', m.class_id, 'school_year_id', s.school_year_id) || case when 'birth_on' = any(%(columns)s::text[]) then jsonb_build_object('birth_on', s.birth_on) else '{}' end
        || case when 'age' = any(%(columns)s::text[]) then jsonb_build_object('age', s.age) else '{}' end, %(filename)s, %(address)s
from matched_student m
join staged_student s on s.row_number = m.row_number
join student st on st.id = m.student_id
where m.is_changed and m.row_number > %(after)s and m.row_number <= %(up_to)s
    and s.row_number > %(after)s and s.row_number <= %(up_to)s

-- name: keep_before_students
-- Keeps how the children that the file changes were before, so that they can be put back.
insert into import_changed (run_id, student_id, version, before)
select %(run_id)s::uuid, st.id, st.version + 1, jsonb_build_object('name', st.name, 'name_key', st.name_key, 'sex', st.sex, 'grade', st.grade,
    'school_year_id', st.school_year_id, 'class_id', st.class_id, 'birth_on', st.birth_on, 'age', st.age, 'stint_number', st.stint_number,
    'past', (select max(p.id) from past_enrolment p where p.student_id = st.id), 'is_moved', m.is_moved)
from matched_student m
join student st on st.id = m.student_id
where m.is_changed and m.row_number > %(after)s and m.row_number <= %(up_to)s

-- name: change_students
-- Changes the children that differ from the file; a mapped column is taken as it is, its blanks included.
update student st
set name = s.name, name_key = s.name_key, sex = s.sex, grade = s.grade, school_year_id = s.school_year_id,
    birth_on = case when 'birth_on' = any(%(columns)s::text[]) then s.birth_on else st.birth_on end,
    age = case when 'age' = any(%(columns)s::text[]) then s.age else st.age end,
    class_id = m.class_id, version = st.version + 1, changed_at = %(now)s
from matched_student m
join staged_student s on s.row_number = m.row_number
where m.is_changed and st.id = m.student_id and m.row_number > %(after)s and m.row_number <= %(up_to)s
    and s.row_number > %(after)s and s.row_number <= %(up_to)s

-- name: make_waiting_count
-- Makes the table in which counts wait for the transaction's end; it goes with the transaction.
create temporary table waiting_count (enrolled enrolled_delta[], standing enrolled_delta[], rolls roll_delta[], results result_delta[],
    movement movement_delta[]) on commit drop

-- name: let_counts_wait
-- From here on counts wait, in this transaction only.
select set_config('rightlevel.counts_wait', 'on', true) as said

-- name: add_waiting_counts
-- Adds what waited. Whoever enters something at one of these schools waits from here to the commit.
select add_waiting_counts() is null as done

-- name: add_students
-- Adds the children that are not there, in the order of their school, which the indexes take twice as fast. The audit gets a row for every 500 of
-- them, which names their ids: a row for each would be a third of what a big import writes.
with made as (
    insert into student (id, school_id, school_year_id, class_id, code, name, name_key, sex, grade, birth_on, age, created_at, changed_at)
    select coalesce(s.id, new_id()), sc.id, s.school_year_id, c.id, s.code, s.name, s.name_key, s.sex, s.grade, s.birth_on, s.age,
        %(now)s, %(now)s
    from staged_student s
    join school sc on sc.code = s.school_code
    left join class c on c.school_id = sc.id and c.school_year_id = s.school_year_id and c.grade = s.grade and c.section = s.section
    where s.row_number > %(after)s and s.row_number <= %(up_to)s
        and not exists (
            select 1 from matched_student m
            where m.row_number = s.row_number and m.row_number > %(after)s and m.row_number <= %(up_to)s)
    order by sc.id, s.code
    returning id),
told as (
    insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after, reason, address)
    select %(person_id)s, %(role)s::role, 'import', 'student', null, 'done',
        jsonb_build_object('import_run', %(run_id)s::text, 'added', jsonb_agg(b.id)), %(filename)s, %(address)s
    from (select id, (row_number() over () - 1) / 500 as block from made) b
    group by b.block
    order by b.block),
kept as (
    insert into import_added (run_id, thing, student_ids)
    select %(run_id)s::uuid, 'student', array_agg(id) from made having count(*) > 0)
select count(*) as added from made

-- name: last_staged_student
-- The highest row number staged.
select coalesce(max(row_number), 0) as row_number from staged_student

-- name: make_staged_school
-- Makes the table that a file's schools are copied into; it goes with the transaction.
create temporary table staged_school (
    row_number bigint, is_whole boolean, code text, name_local text, name_latin text, ownership text, area text,
    latitude double precision, longitude double precision, is_practice boolean, status text, reason text, path text[]
) on commit drop

-- name: copy_staged_schools
-- Takes a file's schools.
copy staged_school (row_number, is_whole, code, name_local, name_latin, ownership, area, latitude, longitude, is_practice, status, reason, path)
from stdin

-- name: analyze_staged_school
-- Tells the planner how many rows there are.
analyze staged_school

-- name: make_staged_path
-- Makes the table of the file's different places; each path is four texts a level: kind, code, name, whether the code was given.
create temporary table staged_path (
    id bigint generated always as identity, path text[] primary key, parent_id bigint, place_id bigint, is_missing boolean not null default false, deleted_name text
) on commit drop

-- name: make_matched_school
-- Makes the table of the file's schools that are already there.
create temporary table matched_school (row_number bigint, school_id bigint, is_changed boolean, is_moved boolean) on commit drop

-- name: stage_paths
-- The different places of the file.
insert into staged_path (path) select distinct path from staged_school where path is not null

-- name: analyze_staged_path
-- Tells the planner how many places there are.
analyze staged_path

-- name: drop_paths
-- Forgets the places of a file, whose rows have become fewer.
delete from staged_path

-- name: drop_bad_schools
-- Takes the rows that are wrong out of what is to be saved.
delete from staged_school s
using (select distinct row_number from found_fault where not is_left_out) f
where f.row_number = s.row_number

-- name: drop_bad_students
-- Takes the rows that are wrong out of what is to be saved.
delete from staged_student s
using (select distinct row_number from found_fault where not is_left_out) f
where f.row_number = s.row_number

-- name: list_bad_rows
-- The numbers of the rows that are wrong.
select distinct row_number from found_fault where not is_left_out order by row_number limit %(most)s

-- name: copy_import_rows
-- Takes the rows that an import leaves out, as the file has them.
copy import_row (run_id, number, row_number, cells) from stdin

-- name: forget_paths
-- Starts finding places from the top again.
update staged_path set parent_id = null, place_id = null, is_missing = false

-- name: resolve_places
-- Goes one level down every path, by code or, where the file gave no code, by name: three joins over all paths at once. "+ 0" keeps the planner, which knows
-- nothing of places made a moment ago, from looking through all of a parent's places for each path.
update staged_path p
set parent_id = p.place_id, place_id = found.id, is_missing = found.id is null,
    deleted_name = coalesce(p.deleted_name, found.deleted_name)
from (
    select o.id as path_id, best.id, best.deleted_name
    from staged_path o
    left join (
        select distinct on (c.path_id) c.path_id, c.id, case when c.is_deleted then c.name_local end as deleted_name
        from (
            select w.id as path_id, a.id, a.deleted_at is not null as is_deleted, a.name_local, true as by_code
            from staged_path w
            join place a on a.code = w.path[%(at)s + 1]
--? root: and a.parent_id is null
--? below: and a.parent_id + 0 = w.place_id
            where w.path[%(at)s] is not null and not w.is_missing and a.closed_at is null
            union all
            select w.id, a.id, a.deleted_at is not null, a.name_local, false
            from staged_path w
            join place a on lower(a.name_local) = lower(w.path[%(at)s + 2]) and a.kind = w.path[%(at)s]::place_kind
--? root: and a.parent_id is null
--? below: and a.parent_id + 0 = w.place_id
            where w.path[%(at)s] is not null and not w.is_missing and w.path[%(at)s + 3] = 'f' and a.closed_at is null
            union all
            select w.id, a.id, a.deleted_at is not null, a.name_local, false
            from staged_path w
            join place a on lower(a.name_latin) = lower(w.path[%(at)s + 2]) and a.kind = w.path[%(at)s]::place_kind
--? root: and a.parent_id is null
--? below: and a.parent_id + 0 = w.place_id
            where w.path[%(at)s] is not null and not w.is_missing and w.path[%(at)s + 3] = 'f' and a.closed_at is null) c
        order by c.path_id, c.by_code desc, c.is_deleted, c.id) best on best.path_id = o.id
    where o.path[%(at)s] is not null and not o.is_missing) found
where found.path_id = p.id

-- name: create_places
-- Makes the places of one level that are not there, and writes each into the audit.
with made as (
    insert into place (parent_id, kind, code, name_local)
    select distinct on (p.parent_id, p.path[%(at)s + 1]) p.parent_id, p.path[%(at)s]::place_kind, p.path[%(at)s + 1], p.path[%(at)s + 2]
    from staged_path p
    where p.is_missing
    order by p.parent_id, p.path[%(at)s + 1], p.path[%(at)s + 2]
    returning id, parent_id, kind, code, name_local),
kept as (
    insert into import_added (run_id, thing, other_ids)
    select %(run_id)s::uuid, 'place', array_agg(id) from made having count(*) > 0)
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after, reason, address)
select %(person_id)s, %(role)s::role, 'import', 'place', m.id::text, 'done', to_jsonb(m) - 'id' || jsonb_build_object('import_run', %(run_id)s::text),
    %(filename)s, %(address)s
from made m
order by m.id

-- name: attach_created_places
-- Gives the paths the places made for them.
update staged_path p
set place_id = a.id, is_missing = false
from place a
where p.is_missing and a.closed_at is null and a.code = p.path[%(at)s + 1]
--? root: and a.parent_id is null
--? below: and a.parent_id + 0 = p.parent_id

-- name: find_repeated_schools
-- Notes every row whose code another row of the file has too, and names that row.
with repeated as (
    select code, min(row_number) as first_row, max(row_number) as last_row
    from staged_school where code is not null group by code having count(*) > 1),
found as (
    select s.row_number, s.code, case when s.row_number = r.first_row then r.last_row else r.first_row end as other_row
    from staged_school s
    join repeated r on r.code = s.code),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, code, 'The same school is also in row ' || other_row
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_deleted_schools
-- Notes rows whose school was deleted. Served by school_code_is_unique.
with found as (
    select s.row_number, s.code
    from staged_school s
    join school sc on sc.code = s.code
    where sc.deleted_at is not null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, code, 'This school was deleted: restore it first'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_half_positions
-- Notes rows with a latitude and no longitude, or the other way round.
with found as (
    select row_number, latitude, longitude from staged_school
    where is_whole and (latitude is null) <> (longitude is null)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, coalesce(latitude, longitude)::text, 'Latitude and longitude come together'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_deleted_places
-- Notes rows whose place, or one above it, was deleted.
with found as (
    select s.row_number, p.deleted_name
    from staged_school s
    join staged_path p on p.path = s.path
    where p.deleted_name is not null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, deleted_name, 'This place was deleted: restore it first'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: hold_staged_schools
-- Keeps the file's schools as they are until the end, as whoever changes one of them does, before rounds' rolls are held. Served by school_code_is_unique.
select count(*) as held
from (
    select sc.id
    from school sc
    where sc.code in (select s.code from staged_school s)
    order by sc.id
    for no key update) schools

-- name: find_unexplained_moves
-- Notes rows that would move a school to another place and don't say why, as one that is moved by itself must. Served by school_code_is_unique.
with found as (
    select s.row_number, sc.code, here.name_local as here, coalesce(there.name_local, s.path[array_upper(s.path, 1) - 1]) as there
    from staged_school s
    join staged_path p on p.path = s.path
    join school sc on sc.code = s.code and sc.deleted_at is null
    join place here on here.id = sc.place_id
    left join place there on there.id = p.place_id and not p.is_missing
    where (p.is_missing or p.place_id <> sc.place_id) and p.deleted_name is null and s.reason is null),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(code, 200),
        'This would move the school from ' || here || ' to ' || there || ': say why in a column reason, or give it the place that it has'
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_schools_with_a_past
-- Notes rows that would make a practice school of a real one that has children or a past, or the other way round. Served by school_code_is_unique
-- and what keeps_its_kind is served by, for each school that would change.
with found as (
    select s.row_number, sc.code, sc.is_practice
    from staged_school s
    join school sc on sc.code = s.code and sc.deleted_at is null
    where sc.is_practice <> s.is_practice and keeps_its_kind(sc.id)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(code, 200), case
        when is_practice then 'Something was tried in this practice school, and it stays one: add the real school under another code'
        else 'This school has children or a past that stays counted: it does not become a practice school' end
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_schools_closed_with_children
-- Notes rows that would close a school at which children are taught, or open one that was merged into another. Served by school_code_is_unique and
-- student_by_school.
with found as (
    select s.row_number, sc.code, s.status
    from staged_school s
    join school sc on sc.code = s.code and sc.deleted_at is null
    where sc.status <> s.status and (
        (s.status = 'closed' and has_children(sc.id)) or (s.status = 'open' and sc.merged_into is not null))),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(code, 200), case
        when status = 'closed' then 'Children are taught at this school: merge it into another, or transfer them, before it closes'
        else 'This school was merged into another: take that back first' end
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: keep_unmapped
-- What the file doesn't say of schools that are there stays as it is: columns that it doesn't map. Served by school_code_is_unique.
update staged_school s
set name_latin = case when 'name_latin' = any(%(columns)s::text[]) then s.name_latin else sc.name_latin end,
    ownership = case when 'ownership' = any(%(columns)s::text[]) then s.ownership else sc.ownership end,
    area = case when 'area' = any(%(columns)s::text[]) then s.area else sc.area end,
    latitude = case when 'latitude' = any(%(columns)s::text[]) then s.latitude else sc.latitude end,
    longitude = case when 'latitude' = any(%(columns)s::text[]) then s.longitude else sc.longitude end,
    is_practice = case when 'is_practice' = any(%(columns)s::text[]) then s.is_practice else sc.is_practice end,
    status = case when 'status' = any(%(columns)s::text[]) then s.status else sc.status end
from school sc
where sc.code = s.code

-- name: match_schools
-- Finds the schools that are already there and whether the file changes them. Served by school_code_is_unique.
insert into matched_school (row_number, school_id, is_moved, is_changed)
select s.row_number, sc.id, sc.place_id is distinct from p.place_id, (sc.name_local, sc.place_id, sc.name_latin, sc.ownership, sc.area, sc.latitude,
        sc.longitude, sc.is_practice, sc.status)
    is distinct from (s.name_local, p.place_id, s.name_latin, s.ownership, s.area, s.latitude, s.longitude, s.is_practice, s.status)
from staged_school s
join staged_path p on p.path = s.path
join school sc on sc.code = s.code

-- name: count_school_moves
-- How many schools the file moves to another place.
select count(*) as moves from matched_school where is_moved

-- name: hold_rolls
-- Before schools are moved: no round's roll is fixed or let go meanwhile. Bounded by three rounds a year.
select hold_rolls()

-- name: say_who_moves
-- Says for the rest of the transaction by whom and when schools are moved (trigger keep_school_place); why is each row's own.
select set_config('rightlevel.moving_by', coalesce(%(person_id)s::text, ''), true) as person_id,
    set_config('rightlevel.moving_at', %(now)s::text, true) as moved_at

-- name: say_why_moved
-- Writes down why each school stands where it came to stand just now. Served by school_place_is_one_now.
update school_place m
set reason = left(s.reason, 200)
from matched_school k
join staged_school s on s.row_number = k.row_number
where k.is_moved and m.school_id = k.school_id and m.until_at is null

-- name: audit_school_changes
-- Writes into the audit which schools the file changes, and of each what becomes different.
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, after, reason, address)
select %(person_id)s, %(role)s::role, 'import', 'school', e.school_id::text, 'done',
    (select jsonb_object_agg(b.key, b.value) from jsonb_each(e.before) b where b.value is distinct from e.after -> b.key),
    (select jsonb_object_agg(a.key, a.value) from jsonb_each(e.after) a where a.value is distinct from e.before -> a.key),
    e.why, %(address)s
from (
    select m.school_id, case when m.is_moved then s.reason else %(filename)s end as why,
        jsonb_build_object('name_local', sc.name_local, 'place_id', sc.place_id, 'name_latin', sc.name_latin, 'ownership', sc.ownership,
            'area', sc.area, 'latitude', sc.latitude, 'longitude', sc.longitude, 'is_practice', sc.is_practice, 'status', sc.status) as before,
        jsonb_build_object('name_local', s.name_local, 'place_id', p.place_id, 'import_run', %(run_id)s::text, 'name_latin', s.name_latin, 'ownership', s.ownership,
            'area', s.area, 'latitude', s.latitude, 'longitude', s.longitude, 'is_practice', s.is_practice, 'status', s.status) as after
    from matched_school m
    join staged_school s on s.row_number = m.row_number
    join staged_path p on p.path = s.path
    join school sc on sc.id = m.school_id
    where m.is_changed) e

-- name: keep_before_schools
-- Keeps how the schools that the file changes were before, so that they can be put back.
insert into import_changed (run_id, school_id, version, before)
select %(run_id)s::uuid, sc.id, sc.version + 1, jsonb_build_object('name_local', sc.name_local, 'place_id', sc.place_id, 'name_latin', sc.name_latin,
    'ownership', sc.ownership, 'area', sc.area, 'latitude', sc.latitude, 'longitude', sc.longitude, 'is_practice', sc.is_practice, 'status', sc.status)
from matched_school m
join school sc on sc.id = m.school_id
where m.is_changed

-- name: change_schools
-- Changes the schools that differ from the file; a mapped column is taken as it is, its blanks included.
update school sc
set name_local = s.name_local, place_id = p.place_id,
    name_latin = case when 'name_latin' = any(%(columns)s::text[]) then s.name_latin else sc.name_latin end,
    ownership = case when 'ownership' = any(%(columns)s::text[]) then s.ownership else sc.ownership end,
    area = case when 'area' = any(%(columns)s::text[]) then s.area else sc.area end,
    latitude = case when 'latitude' = any(%(columns)s::text[]) then s.latitude else sc.latitude end,
    longitude = case when 'latitude' = any(%(columns)s::text[]) then s.longitude else sc.longitude end,
    is_practice = case when 'is_practice' = any(%(columns)s::text[]) then s.is_practice else sc.is_practice end,
    status = case when 'status' = any(%(columns)s::text[]) then s.status else sc.status end,
    version = sc.version + 1
from matched_school m
join staged_school s on s.row_number = m.row_number
join staged_path p on p.path = s.path
where m.is_changed and sc.id = m.school_id

-- name: add_schools
-- Adds the schools that are not there, and writes each into the audit.
with made as (
    insert into school (place_id, code, name_local, name_latin, ownership, area, latitude, longitude, is_practice, status)
    select p.place_id, s.code, s.name_local, coalesce(s.name_latin, ''), s.ownership, s.area, s.latitude, s.longitude,
        coalesce(s.is_practice, false), coalesce(s.status, 'open')
    from staged_school s
    join staged_path p on p.path = s.path
    where not exists (select 1 from matched_school m where m.row_number = s.row_number)
    order by s.row_number
    returning id, place_id, code, name_local, name_latin, ownership, area, latitude, longitude, is_practice, status),
kept as (
    insert into import_added (run_id, thing, other_ids)
    select %(run_id)s::uuid, 'school', array_agg(id) from made having count(*) > 0)
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after, reason, address)
select %(person_id)s, %(role)s::role, 'import', 'school', m.id::text, 'done', to_jsonb(m) - 'id' || jsonb_build_object('import_run', %(run_id)s::text),
    %(filename)s, %(address)s
from made m
order by m.id

-- name: start_run
-- Writes down that an import begins.
insert into import_run (kind, filename, is_dry_run, state, person_id, started_at, bytes_total, leaves_bad_rows, mapping, source, attempts, undoes, applies,
    file, address)
values (%(kind)s, %(filename)s, %(is_dry_run)s, %(state)s::import_state, %(person_id)s, %(now)s, %(bytes_total)s, %(leaves_bad_rows)s,
    %(mapping)s, %(source)s, %(attempts)s, %(undoes)s::uuid, %(applies)s::uuid, nullif(%(file)s, '')::uuid, %(address)s)
returning id::text as id

-- name: forget_old_faults
-- Drops the faults of runs long past, oldest first, one batch a run. Served by import_run_by_time and the faults' primary key.
delete from import_fault
where run_id in (
    select r.id from import_run r
    where r.started_at < %(before)s and exists (select 1 from import_fault f where f.run_id = r.id)
    order by r.started_at
    limit 3)

-- name: forget_old_rows
-- Drops the rows that imports long past left out, one batch a run. Served by import_run_by_time and the rows' primary key.
delete from import_row
where run_id in (
    select r.id from import_run r
    where r.started_at < %(before)s and exists (select 1 from import_row f where f.run_id = r.id)
    order by r.started_at
    limit 3)

-- name: remember_source
-- Keeps what was said of a source's file for its next one. Served by import_source_by_name.
insert into import_source (kind, name, mapping, used_at)
values (%(kind)s, %(source)s, %(mapping)s, %(now)s)
on conflict (kind, lower(name)) do update set name = excluded.name, mapping = excluded.mapping, used_at = excluded.used_at

-- name: forget_sources
-- Drops the sources past the most that are kept, those used longest ago.
delete from import_source
where id in (select id from import_source order by used_at desc, id desc offset %(most)s)

-- name: list_sources
-- The sources of files, the one used last first; at most so many are kept.
select id, kind, name, mapping from import_source
where true
--? one: and kind = %(kind)s and lower(name) = lower(%(name)s)
order by used_at desc, id desc
limit 200

-- name: read_mapping_text
-- What was said of an import's file.
select kind, mapping, source, leaves_bad_rows from import_run where id = %(id)s::uuid

-- name: list_left_rows
-- The rows that an import left out since they are wrong, in their order, each with all that is wrong with it. Served by both primary keys;
-- reads the run's faults once for a page.
with page as (
    select number, row_number, cells from import_row
    where run_id = %(id)s::uuid and number > %(after)s
    order by number
    limit %(rows)s),
wrong as (
    select f.row_number, string_agg(case when f.column_name = '' then f.rule else f.column_name || ': ' || f.rule end, '; ' order by f.number) as rules
    from import_fault f
    where f.run_id = %(id)s::uuid and not f.is_left_out and f.row_number in (select p.row_number from page p)
    group by f.row_number)
select p.number, p.row_number, p.cells, coalesce(w.rules, '') as rules
from page p
left join wrong w on w.row_number = p.row_number
order by p.number

-- name: keep_faults
-- Keeps the faults of a run in the order of their rows, up to a bound.
insert into import_fault (run_id, number, row_number, column_name, value, rule, cure, is_left_out)
select %(id)s::uuid, row_number() over (order by f.is_left_out, f.row_number, f.id), f.row_number, f.column_name, f.value, f.rule, f.cure,
    f.is_left_out
from found_fault f
order by f.is_left_out, f.row_number, f.id
limit %(most)s

-- name: end_run
-- Writes down how a run ended, unless that is told already: saved is saved, and of what was told to be interrupted nothing is saved.
update import_run
set state = %(state)s::import_state, ended_at = %(now)s, rows_read = %(rows_read)s, bytes_done = bytes_total, added = %(added)s,
    changed = %(changed)s, unchanged = %(unchanged)s, faults = %(faults)s, left_out = %(left_out)s, skipped = %(skipped)s,
    message = %(message)s, preview = %(preview)s::jsonb
where id = %(id)s::uuid and ended_at is null

-- name: list_runs
-- The newest imports first, after a given one. Served by import_run_by_time.
select r.id::text as id, r.kind, r.filename, r.is_dry_run, r.state, p.username, r.started_at, r.ended_at, r.bytes_done, r.bytes_total,
    r.rows_read, r.added, r.changed, r.unchanged, r.faults, r.message, r.left_out, r.skipped, r.undoes::text as undoes, r.undone_at, r.applies::text as applies, r.preview,
    r.file is not null and r.is_dry_run and r.ended_at is not null as is_kept
from import_run r
left join person p on p.id = r.person_id
where true
--? one: and r.id = %(id)s::uuid
--? after: and (r.started_at, r.id) < (%(started_at)s, %(id)s::uuid)
order by r.started_at desc, r.id desc
limit %(rows)s

-- name: list_faults
-- The faults of a run in the order of its rows, after a given one. Served by the primary key.
select number, row_number, column_name, value, rule, cure, is_left_out
from import_fault
where run_id = %(id)s::uuid and number > %(after)s
order by number
limit %(rows)s
