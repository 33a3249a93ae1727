-- name: hold_identity
-- A child and every record that was merged into it, held in the order of their ids; names and codes for finding where else they stand. Served by
-- the primary key and student_by_merge.
with recursive same as (
    select id from student where id = %(student_id)s::uuid
    union
    select st.id from student st join same s on st.merged_into = s.id
)
select st.id::text as id, st.code, st.name, st.merged_into::text as merged_into, st.erased_at is not null as is_erased,
    array(
        select distinct f.text
        from student_change c
        cross join lateral (values (c.before ->> 'name'), (c.after ->> 'name'), (c.before ->> 'code'), (c.after ->> 'code')) f (text)
        where c.student_id = st.id and f.text is not null) as former
from student st
where st.id in (select id from same)
order by st.id
for update

-- name: keep_digests
-- Keeps that these codes were erased children's at their schools, without saying whose; their former codes at these schools too.
insert into erased_code (school_id, digest)
select st.school_id, code_digest(st.school_id, c.code)
from student st
cross join lateral (
    select st.code
    union
    select f.code
    from student_change k
    cross join lateral (values (k.before ->> 'code'), (k.after ->> 'code')) f (code)
    where k.student_id = st.id and f.code is not null) c (code)
where st.id = any(%(ids)s::uuid[])
on conflict do nothing

-- name: erase_students
-- Leaves of children only what figures count by, and that a roll-over let them finish: undoing it takes them back too.
update student
set name = 'erased', name_key = 'erased', code = 'x-' || id::text, birth_on = null, age = null, guardian_contact = null, guardian_consent_on = null,
    guardian_withdrawn_on = null, left_reason = case when left_reason = 'finished' then 'finished' when left_reason is not null then 'erased' end,
    delete_reason = case when delete_reason is not null then 'erased' end, erased_at = %(now)s, version = version + 1, changed_at = %(now)s
where id = any(%(ids)s::uuid[])

-- name: erase_record_changes
-- Takes the history of the record away: it is of names, codes and birthdays. Served by student_change_by_student.
delete from student_change where student_id = any(%(ids)s::uuid[])

-- name: erase_past
-- Takes what was written about moves out of the past.
update past_enrolment
set words = '', reason = split_part(reason, ':', 1)
where student_id = any(%(ids)s::uuid[]) and (words <> '' or reason like '%%:%%')

-- name: erase_results
-- Takes notes and written reasons out of results, deleted ones too. Served by result_is_unique's heap for the live ones.
update result
set notes = null, lock_reason = case when lock_reason is not null then 'erased' end
where student_id = any(%(ids)s::uuid[]) and (notes is not null or lock_reason is not null)

-- name: erase_result_changes
-- Takes notes and reasons out of the history of results. Served by result_change_by_result.
update result_change
set before = before - 'notes', after = after - 'notes', reason = case when reason is not null then 'erased' end
where result_id in (select id from result where student_id = any(%(ids)s::uuid[]))

-- name: erase_verifications
-- Takes notes and reasons out of re-tests. Served by verification_by_result.
update verification
set notes = null, reason = case when reason is not null then 'erased' end
where result_id in (select id from result where student_id = any(%(ids)s::uuid[])) and (notes is not null or reason is not null)

-- name: erase_amendments
-- Takes the reasons out of amendments of the child's results.
update amendment
set reason = 'erased'
where result_id in (select id from result where student_id = any(%(ids)s::uuid[]))

-- name: erase_interventions
-- Takes the words out of special programmes. Served by intervention_enrolment_by_student.
update intervention_enrolment
set words = ''
where student_id = any(%(ids)s::uuid[]) and words <> ''

-- name: erase_intervention_changes
-- Takes the words out of their history. Served by intervention_change_by_enrolment.
update intervention_change
set before = before - 'words', after = after - 'words'
where enrolment_id in (select id from intervention_enrolment where student_id = any(%(ids)s::uuid[]))

-- name: erase_merges
-- Takes the reasons out of merges. Served by student_merge_by_kept and student_merge_by_gone.
update student_merge
set reason = 'erased', undo_reason = case when undo_reason is not null then 'erased' end
where kept_id = any(%(ids)s::uuid[]) or gone_id = any(%(ids)s::uuid[])

-- name: erase_audit
-- Leaves of the audit of a child who did what when; what it held is gone. Served by audit_entry_by_resource.
update audit_entry
set before = case when before is not null then '{"erased": true}'::jsonb end, after = case when after is not null then '{"erased": true}'::jsonb end,
    reason = case when reason is not null then 'erased' end
where resource = 'student' and resource_id = any(%(ids)s::text[])

-- name: erase_audit_of_results
-- Takes notes, words and written reasons out of the audit of a child's results, re-tests, special programmes and groups; levels and days stay.
-- Served by audit_entry_by_resource.
update audit_entry
set before = before - 'notes' - 'words', after = after - 'notes' - 'words', reason = case when reason is not null then 'erased' end
where (resource in ('result', 'verification', 'intervention') and resource_id in (
        select r.id::text from result r where r.student_id = any(%(ids)s::uuid[])
        union all
        select v.id::text from result r join verification v on v.result_id = r.id where r.student_id = any(%(ids)s::uuid[])
        union all
        select e.id::text from intervention_enrolment e where e.student_id = any(%(ids)s::uuid[])))
    or (resource = 'group' and after->>'student_id' = any(%(ids)s::text[]))

-- name: erase_faults
-- Takes the child's name and code out of what imports of children and results found wrong. Reads every fault.
update import_fault
set value = ''
where run_id in (select id from import_run where kind in ('students', 'results')) and value <> ''
    and (lower(btrim(value)) = any(%(names)s) or lower(btrim(value)) = any(%(codes)s))

-- name: erase_before_imports
-- Takes away how the children were before imports changed them. Served by import_changed_by_student.
delete from import_changed where student_id = any(%(ids)s::uuid[])

-- name: erase_notes_before_imports
-- Takes away what notes of the children's results were before imports changed them. Served by result_by_student and import_changed_by_result.
update import_changed
set before = before - 'notes'
where result_id in (select r.id from result r where r.student_id = any(%(ids)s::uuid[]))

-- name: erase_previews
-- Takes away what dry runs found of the child, and of new children of its name or code. Reads every such row of the last day.
delete from import_preview
where student_id = any(%(ids)s::uuid[]) or lower(btrim(code)) = any(%(codes)s) or lower(btrim(name)) = any(%(names)s)
    or lower(btrim(before->>'name')) = any(%(names)s)

-- name: erase_left_rows
-- Takes the rows with the child's name or code out of what imports of children and results left out. Reads every such row.
delete from import_row
where number > 0 and run_id in (select id from import_run where kind in ('students', 'results'))
    and exists (
        select 1 from unnest(cells) cell where lower(btrim(cell)) = any(%(names)s) or lower(btrim(cell)) = any(%(codes)s))

