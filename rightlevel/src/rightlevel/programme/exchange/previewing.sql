-- name: preview_wrong_students
-- Says of the rows that are wrong that they are, with what could be read of them.
insert into import_preview (run_id, what, row_number, school_code, code, name)
select %(id)s::uuid, 1, f.row_number, coalesce(left(s.school_code, 200), ''), coalesce(s.code, ''), coalesce(s.name, '')
from (select distinct row_number from found_fault where not is_left_out and row_number > 0) f
left join staged_student s on s.row_number = f.row_number

-- name: preview_wrong_schools
-- The same of schools.
insert into import_preview (run_id, what, row_number, code, name)
select %(id)s::uuid, 1, f.row_number, coalesce(s.code, ''), coalesce(s.name_local, '')
from (select distinct row_number from found_fault where not is_left_out and row_number > 0) f
left join staged_school s on s.row_number = f.row_number

-- name: preview_wrong_results
-- The same of results, by whose they are.
insert into import_preview (run_id, what, row_number, student_id, school_code, code, name)
select %(id)s::uuid, 1, f.row_number, s.student_id, coalesce(left(s.school_code, 200), ''), coalesce(s.code, ''), coalesce(st.name, '')
from (select distinct row_number from found_fault where not is_left_out and row_number > 0) f
left join staged_result s on s.row_number = f.row_number
left join student st on st.id = s.student_id

-- fragment: names_of_row
-- By what a row of places, classes, people or assignments is known: whatever of it the file has.
        coalesce(left(t.cells ->> 'school_code', 200), '') as school_code, coalesce(t.cells ->> 'username', t.cells ->> 'code', '') as code,
        coalesce(t.cells ->> 'name_local', t.cells ->> 'display_name', concat_ws(' ', t.cells ->> 'subject', t.cells ->> 'grade', t.cells ->> 'section'))
            as name

-- name: preview_wrong_deeds
-- The same of places, classes, people and assignments.
insert into import_preview (run_id, what, row_number, school_code, code, name)
select %(id)s::uuid, 1, f.row_number,
--> names_of_row
from (select distinct row_number from found_fault where not is_left_out and row_number > 0) f
left join (select s.row_number, to_jsonb(s) as cells from staged_row s) t on t.row_number = f.row_number

-- name: preview_students
-- Says of each child of the file whether it is new, moved, changed or as it was, field by field. *Cost*: one pass over the file.
insert into import_preview (run_id, what, row_number, student_id, school_code, code, name, before, after)
select %(id)s::uuid, case when m.student_id is null then 5 when m.is_moved then 3 when m.is_changed then 4 else 6 end, s.row_number, m.student_id,
    s.school_code, s.code, s.name, d.before, case when m.student_id is null then jsonb_strip_nulls(n.fields) else d.after end
from staged_student s
left join matched_student m on m.row_number = s.row_number
left join student st on st.id = m.student_id
left join class here on here.id = st.class_id
left join class there on there.id = m.class_id
left join school_year y on y.id = s.school_year_id
left join school_year o on o.id = st.school_year_id
cross join lateral (
    select jsonb_build_object('name', s.name, 'sex', s.sex, 'grade', s.grade, 'section', coalesce(s.section, there.section), 'school_year', y.name,
        'birth_on', case when st.id is null or 'birth_on' = any(%(columns)s::text[]) then s.birth_on else st.birth_on end,
        'age', case when st.id is null or 'age' = any(%(columns)s::text[]) then s.age else st.age end) as fields) n
left join lateral (
    select jsonb_object_agg(b.key, b.value) as before, jsonb_object_agg(b.key, n.fields->b.key) as after
    from jsonb_each(jsonb_build_object('name', st.name, 'sex', st.sex, 'grade', st.grade, 'section', here.section, 'school_year', o.name,
        'birth_on', st.birth_on, 'age', st.age)) b
    where b.value is distinct from n.fields->b.key) d on m.is_changed

-- name: preview_schools
-- Says of each school of the file whether it is new, moved, changed or as it was, field by field. A place that is not there yet has no name of ours.
insert into import_preview (run_id, what, row_number, code, name, before, after)
select %(id)s::uuid, case when m.school_id is null then 5 when m.is_moved then 3 when m.is_changed then 4 else 6 end, s.row_number, s.code, s.name_local,
    d.before, case when m.school_id is null then jsonb_strip_nulls(n.fields) else d.after end
from staged_school s
join staged_path p on p.path = s.path
left join matched_school m on m.row_number = s.row_number
left join school sc on sc.id = m.school_id
left join place here on here.id = sc.place_id
left join place there on there.id = p.place_id and not p.is_missing
cross join lateral (
    select jsonb_build_object('name_local', s.name_local, 'name_latin', coalesce(s.name_latin, ''), 'place',
        coalesce(there.name_local, s.path[array_upper(s.path, 1) - 1]) || ' (' || coalesce(there.code, s.path[array_upper(s.path, 1) - 2]) || ')',
        'ownership', s.ownership, 'area', s.area, 'latitude', s.latitude, 'longitude', s.longitude,
        'is_practice', coalesce(s.is_practice, false), 'status', coalesce(s.status, 'open')) as fields) n
left join lateral (
    select jsonb_object_agg(b.key, b.value) as before, jsonb_object_agg(b.key, n.fields->b.key) as after
    from jsonb_each(jsonb_build_object('name_local', sc.name_local, 'name_latin', sc.name_latin, 'place', here.name_local || ' (' || here.code || ')',
        'ownership', sc.ownership, 'area', sc.area, 'latitude', sc.latitude, 'longitude', sc.longitude, 'is_practice', sc.is_practice,
        'status', sc.status)) b
    where b.value is distinct from n.fields->b.key) d on m.is_changed

-- name: preview_results
-- Says of each row of results whether it is new, changed or as it was, field by field of both subjects. *Cost*: one pass over the file.
with cells as (
    select m.row_number, bool_or(m.is_changed) as is_changed, bool_or(m.result_id is null) as is_new
    from matched_result m
    group by m.row_number),
fields as (
    select m.row_number, jsonb_object_agg(m.subject || '_' || a.key, m.before -> a.key) as before,
        jsonb_object_agg(m.subject || '_' || a.key, a.value) as after
    from matched_result m
    cross join lateral jsonb_each(m.after) a
    where a.value is distinct from coalesce(m.before -> a.key, 'null')
    group by m.row_number)
insert into import_preview (run_id, what, row_number, student_id, school_code, code, name, before, after)
select %(id)s::uuid, case when c.is_changed then 4 when c.is_new then 5 else 6 end, s.row_number, s.student_id, s.school_code, s.code,
    coalesce(st.name, ''), case when c.is_changed then f.before end, f.after
from staged_result s
left join cells c on c.row_number = s.row_number
left join fields f on f.row_number = s.row_number
left join student st on st.id = s.student_id

-- name: preview_deeds
-- Says of each place, class, person or assignment of the file what became of it when it was tried. *Cost*: one pass over the file.
insert into import_preview (run_id, what, row_number, school_code, code, name, before, after)
select %(id)s::uuid, case j.became when 'moved' then 3 when 'changed' then 4 when 'new' then 5 else 6 end, j.row_number,
--> names_of_row
    , j.before, j.after
from judged_row j
join (select s.row_number, to_jsonb(s) as cells from staged_row s) t on t.row_number = j.row_number

-- name: schools_with_new_children
-- At which schools the file has new children, and how many. *Cost*: one pass over the file.
select sc.id, s.school_code as code, count(*) as children
from staged_student s
join school sc on sc.code = s.school_code
left join matched_student m on m.row_number = s.row_number
where m.row_number is null
group by sc.id, s.school_code
order by sc.id

-- name: new_children
-- The file's new children of some schools. *Cost*: one pass over the file.
select s.row_number, s.school_code, s.name, s.sex, s.grade, s.birth_on, s.age
from staged_student s
left join matched_student m on m.row_number = s.row_number
where m.row_number is null and s.school_code = any(%(codes)s::text[])
order by s.school_code, s.row_number

-- name: say_alike
-- Says of new children whom of those who are there, and which other new ones, they are like. Served by the primary key.
update import_preview p
set what = 2, alike_ids = f.ids, alike_rows = f.others
from (
    select t.row_number, array_agg(t.id) filter (where t.id is not null) as ids, array_agg(t.other) filter (where t.other is not null) as others
    from unnest(%(rows)s::bigint[], %(ids)s::uuid[], %(others)s::bigint[]) t (row_number, id, other)
    group by t.row_number) f
where p.run_id = %(id)s::uuid and p.what = 5 and p.row_number = f.row_number

-- name: count_preview
-- How many rows there are of each kind. Served by the primary key.
select coalesce(jsonb_object_agg(c.what, c.rows), '{}') as counts
from (
    select (array['wrong', 'possible_duplicate', 'moved', 'changed', 'new', 'unchanged'])[p.what] as what, count(*) as rows
    from import_preview p
    where p.run_id = %(id)s::uuid
    group by p.what) c

-- name: list_preview
-- What would become of each row, those first that somebody should look at. Served by the primary key and student_pkey; reads the run's faults once for a
-- page.
with page as (
    select p.what, p.row_number, p.school_code, p.code, p.name, p.before, p.after, p.alike_ids, p.alike_rows
    from import_preview p
    where p.run_id = %(id)s::uuid
--? only: and p.what = %(what)s
--? after: and (p.what, p.row_number) > (%(after_what)s, %(after_row)s)
    order by p.what, p.row_number
    limit %(rows)s),
wrong as (
    select f.row_number,
        jsonb_agg(jsonb_build_object('column', f.column_name, 'value', f.value, 'rule', f.rule) order by f.number) as faults
    from import_fault f
    where f.run_id = %(id)s::uuid and not f.is_left_out and f.row_number in (select g.row_number from page g where g.what = 1)
    group by f.row_number)
select p.row_number, (array['wrong', 'possible_duplicate', 'moved', 'changed', 'new', 'unchanged'])[p.what] as what, p.school_code, p.code, p.name,
    coalesce(p.before, '{}') as before, coalesce(p.after, '{}') as after,
    coalesce((
        select jsonb_agg(jsonb_build_object('id', st.id, 'code', st.code, 'name', st.name) order by st.code)
        from student st
        where st.id = any(p.alike_ids) and st.deleted_at is null), '[]') as alike,
    coalesce(p.alike_rows, '{}') as alike_rows, coalesce(w.faults, '[]') as faults
from page p
left join wrong w on p.what = 1 and w.row_number = p.row_number
order by p.what, p.row_number

-- name: run_to_apply
-- A dry run that may be applied: what was said of its file, where that is, and whether it is being applied or was.
select r.id::text as id, r.kind, r.filename, r.state::text as state, r.is_dry_run, r.bytes_total, r.mapping, r.source, coalesce(r.file::text, '') as file,
    r.faults, r.preview is not null as has_preview, r.leaves_bad_rows,
    exists (select 1 from import_run a where a.applies = r.id and a.state in ('waiting', 'reading', 'saving', 'done')) as is_applied
from import_run r
where r.id = %(id)s::uuid

-- name: take_file
-- Takes the file of a dry run for the import that applies it; none where another took it.
update import_run set file = null where id = %(applies)s::uuid and file = %(file)s::uuid

-- name: let_files_go
-- Forgets the files that nobody needs any more; that of an import that could not be done goes back to what was looked at before. Served by
-- import_run_by_file.
with kept as materialized (
    select k.id
    from import_run k
    where k.file is not null and k.is_dry_run and k.preview is not null and k.ended_at > %(before)s
    order by k.ended_at desc, k.id desc
    limit %(most)s),
gone as materialized (
    select g.id, g.applies, g.file, g.state
    from import_run g
    where g.file is not null and g.ended_at is not null and g.id not in (select id from kept)),
given as (
    update import_run p
    set file = g.file
    from gone g
    where p.id = g.applies and g.state <> 'done' and p.file is null and p.ended_at > %(before)s)
update import_run r
set file = null
from gone g
where r.id = g.id

-- name: files_in_use
-- Which of these files somebody needs. Served by import_run_by_file.
select file::text as file from import_run where file = any(%(files)s::uuid[])
