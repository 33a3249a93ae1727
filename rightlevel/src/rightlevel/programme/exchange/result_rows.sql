-- name: make_staged_result
-- Makes the table that a file's results are copied into, a row for each child and round; it goes with the transaction. Who and which round that is
-- comes later.
create temporary table staged_result (
    row_number bigint, is_whole boolean, school_code text, code text, round text, school_year_id bigint, id uuid, tested_on date,
    language_level text, language_outcome text, language_tested_on date, language_tool smallint, language_notes text,
    math_level text, math_outcome text, math_tested_on date, math_tool smallint, math_notes text, reason text,
    student_id uuid, student_code text, round_id bigint, is_frozen boolean
) on commit drop

-- name: copy_staged_results
-- Takes a file's results.
copy staged_result (row_number, is_whole, school_code, code, round, school_year_id, id, tested_on,
    language_level, language_outcome, language_tested_on, language_tool, language_notes,
    math_level, math_outcome, math_tested_on, math_tool, math_notes, reason)
from stdin

-- name: analyze_staged_result
-- Tells the planner how many rows there are.
analyze staged_result

-- name: make_matched_result
-- Makes the table of what the file says, one row for each child, round and subject, beside what is there. Numbers follow the children's ids: that is
-- the order in which whoever enters results holds them.
create temporary table matched_result (
    number bigint generated always as identity primary key, row_number bigint, subject subject, outcome text, level text, tested_on date, tool smallint,
    notes text, reason text, student_id uuid, round_id bigint, result_id uuid, version integer, before jsonb, after jsonb, is_changed boolean
) on commit drop

-- name: resolve_staged_results
-- Finds each row's child, by its id or else by its code at the school where it is now, and its round. Served by student_pkey,
-- student_code_is_unique_in_its_school and round_is_unique_in_its_year.
update staged_result s
set student_id = f.student_id, student_code = f.code, round_id = f.round_id, is_frozen = f.is_frozen
from (
    select o.row_number, child.id as student_id, child.code, rd.id as round_id, rd.state = 'frozen' as is_frozen
    from staged_result o
    left join school sc on sc.code = o.school_code and sc.deleted_at is null
    left join lateral (
        select st.id, st.code from student st where st.id = o.id and st.deleted_at is null
        union all
        select st.id, st.code
        from student st
        where o.id is null and st.school_id = sc.id and lower(st.code) = lower(o.code) and st.deleted_at is null
        limit 1) child on true
    left join round rd on rd.school_year_id = o.school_year_id and rd.kind = o.round::round_kind and rd.deleted_at is null) f
where f.row_number = s.row_number

-- name: match_results
-- What the file says of each child in each subject, beside the result that is there. A blank cell says nothing: neither that there is no result, nor
-- that its tool or notes go. Served by result_is_unique, by the child and no other way (results/queries.sql, facts).
insert into matched_result (row_number, subject, outcome, level, tested_on, tool, notes, reason, student_id, round_id, result_id, version, before, after,
    is_changed)
select c.row_number, c.subject, c.outcome, c.level, c.tested_on, c.tool, c.notes, c.reason, c.student_id, c.round_id, c.result_id, c.version, c.before,
    c.after, c.result_id is not null and c.before is distinct from c.after
from (
    select s.row_number, w.subject, w.outcome, w.level, coalesce(w.tested_on, s.tested_on, r.tested_on) as tested_on, w.tool, w.notes, s.reason,
        s.student_id, s.round_id, r.id as result_id, r.version,
        case when r.id is not null then jsonb_build_object('outcome', r.outcome, 'level', l.code, 'tested_on', r.tested_on, 'tool', r.tool,
            'notes', r.notes) end as before,
        jsonb_build_object('outcome', w.outcome, 'level', w.level, 'tested_on', coalesce(w.tested_on, s.tested_on, r.tested_on),
            'tool', coalesce(w.tool, r.tool), 'notes', coalesce(w.notes, r.notes)) as after
    from staged_result s
    cross join lateral (
        select 'language'::subject as subject, coalesce(s.language_outcome, case when s.language_level is not null then 'assessed' end) as outcome,
            s.language_level as level, s.language_tested_on as tested_on, s.language_tool as tool, s.language_notes as notes
        union all
        select 'math', coalesce(s.math_outcome, case when s.math_level is not null then 'assessed' end), s.math_level, s.math_tested_on, s.math_tool,
            s.math_notes) w
    left join lateral (
        select e.id, e.version, e.outcome, e.rank, e.tested_on, e.tool, e.notes
        from result e
        where e.student_id = s.student_id and e.deleted_at is null and (e.round_id, e.subject) is not distinct from (s.round_id, w.subject)
        limit 1) r on true
    left join round rd on rd.id = s.round_id
    left join scale sc on sc.key = case w.subject when 'language' then rd.language_scale else rd.math_scale end
    left join scale_level l on l.scale_id = sc.id and l.rank = r.rank
    where s.is_whole and w.outcome is not null and (w.outcome <> 'not_tested' or w.level is not null)) c
order by c.student_id, c.subject, c.row_number

-- name: analyze_matched_result
-- Tells the planner how many there are.
analyze matched_result

-- name: find_results_of_unknown_schools
-- Notes rows whose school is not there or deleted. Served by school_code_is_unique.
with found as (
    select s.row_number, s.school_code, sc.id is null as is_unknown
    from staged_result s
    left join school sc on sc.code = s.school_code
    where s.school_code is not null and s.student_id is null and (sc.id is null or sc.deleted_at is not null)),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(school_code, 200),
        case when is_unknown then 'No school has this code' else 'This school was deleted: restore it first' end
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_results_of_unknown_children
-- Notes rows whose child is not at the school that they name, or is another one than the id says. Served by school_code_is_unique.
with found as (
    select s.row_number, s.code,
        case when s.student_id is not null then 'The child with this id has another code'
            when s.id is not null then 'No child has this id' else 'No child of this school has this code' end as rule
    from staged_result s
    left join school sc on sc.code = s.school_code and sc.deleted_at is null
    where s.is_whole and (lower(s.student_code) <> lower(s.code) or (s.student_id is null and (s.id is not null or sc.id is not null)))),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(code, 200), rule from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_results_of_no_round
-- Notes rows whose round there is not, or that is frozen: what is frozen is amended child by child, each with its reason.
with found as (
    select s.row_number, s.round,
        case when s.round_id is null then 'There is no such round in this school year'
            else 'This round is frozen: what is wrong in it is amended child by child' end as rule
    from staged_result s
    where s.is_whole and (s.round_id is null or (s.is_frozen and exists (
        select 1 from matched_result m where m.row_number = s.row_number and (m.is_changed or m.result_id is null))))),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, round, rule from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_repeated_results
-- Notes every row that says something of a child, round and subject of which another row does too, and names that row. *Cost*: one hash of the file.
with repeated as (
    select student_id, round_id, subject, min(row_number) as first_row, max(row_number) as last_row
    from matched_result
    where student_id is not null and round_id is not null
    group by student_id, round_id, subject
    having count(*) > 1),
found as (
    select distinct m.row_number, s.code, case when m.row_number = r.first_row then r.last_row else r.first_row end as other_row
    from matched_result m
    join repeated r on (r.student_id, r.round_id, r.subject) = (m.student_id, m.round_id, m.subject)
    join staged_result s on s.row_number = m.row_number),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(code, 200), 'The same child is also in row ' || other_row
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: find_half_results
-- Notes what is no whole result: a level and no test, a test and no level, or no day.
with found as (
    select m.row_number, m.subject, coalesce(m.level, m.outcome) as value, w.field, w.rule
    from matched_result m
    cross join lateral (
        select 'level' as field, 'Only an assessed child has a level' as rule where m.outcome <> 'assessed' and m.level is not null
        union all
        select 'level', 'An assessed child has a level' where m.outcome = 'assessed' and m.level is null
        union all
        select 'tested_on', 'The day of the test is needed' where m.tested_on is null) w),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, coalesce(%(labels)s::jsonb ->> (subject || '_' || field), case when field = 'tested_on' then %(labels)s::jsonb ->> field end,
        subject || '_' || field), value, rule
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: count_matched_results
-- How many results the file tells, and of how many rows: those that change something, and those that only add.
select coalesce(sum(c.told), 0)::bigint as told, count(*) filter (where c.is_changed) as rows_changed,
    count(*) filter (where c.is_new and not c.is_changed) as rows_new
from (
    select m.row_number, count(*) as told, bool_or(m.is_changed) as is_changed, bool_or(m.result_id is null) as is_new
    from matched_result m
    group by m.row_number) c

-- name: list_results_to_save
-- Some of the results that are new or change what is there, of rows without a fault, in the order of their children. Served by the primary key.
select m.number, m.row_number, m.subject::text as subject, m.outcome, m.level, m.tested_on, m.tool, m.notes, m.reason, m.student_id::text as student_id,
    m.round_id, m.version
from matched_result m
where m.number > %(after)s and (m.result_id is null or m.is_changed)
    and not exists (select 1 from found_fault f where f.row_number = m.row_number and not f.is_left_out)
order by m.number
limit %(rows)s

-- name: note_refused_results
-- Notes what the one judge of results refuses.
insert into found_fault (row_number, column_name, value, rule)
select w.row_number, w.column_name, left(w.value, 200), w.rule
from unnest(%(rows)s::bigint[], %(columns)s::text[], %(values)s::text[], %(rules)s::text[]) w (row_number, column_name, value, rule)

-- name: drop_bad_results
-- Takes the rows that are wrong out of what is to be saved.
with dropped as (
    delete from matched_result m
    using (select distinct row_number from found_fault where not is_left_out) f
    where f.row_number = m.row_number)
delete from staged_result s
using (select distinct row_number from found_fault where not is_left_out) f
where f.row_number = s.row_number

-- name: keep_before_results
-- Keeps how results are before the file changes them, so that they can be put back. Served by result_pkey.
insert into import_changed (run_id, result_id, version, before)
select %(run_id)s::uuid, r.id, r.version + 1, jsonb_build_object('outcome', r.outcome, 'rank', r.rank, 'tested_on', r.tested_on, 'tool', r.tool,
    'assent', r.assent, 'is_selected', r.is_selected, 'method', r.method, 'notes', r.notes)
from matched_result m
join result r on r.id = m.result_id
where m.is_changed and m.number = any(%(numbers)s::bigint[])

-- name: keep_added_results
-- Keeps which results the file added.
insert into import_added (run_id, thing, result_ids) values (%(run_id)s::uuid, 'result', %(ids)s::uuid[])

-- name: hold_children
-- Holds some children in the order of their ids, as whoever enters results does. Served by student_pkey.
select count(*) as held
from (select st.id from student st where st.id = any(%(ids)s::uuid[]) order by st.id for no key update) children

-- name: look_up_by_index
-- Has this transaction look results up by their indexes, however few there are as yet: a plan that was made while there were none reads all that the
-- import has added, for every 200 of them again.
select set_config('enable_seqscan', 'off', true) as said
