-- name: groups_to_teach
-- The groups in use that somebody leads, and those that nobody does at schools they hold, whose attendance was not taken on a day. On a Saturday or
-- Sunday only groups that met on such a day within four weeks. Served by grouping_by_school, teaching_group_is_unique and teaching_session_is_one_a_day.
select g.id as group_id, gr.school_id, s.name_local as school_name, gr.subject::text as subject, g.band::integer as band, g.number::integer as number
from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) h (school_id, subject)
join grouping gr on gr.school_id = h.school_id and gr.subject = h.subject and gr.state = 'accepted'
join school s on s.id = gr.school_id and s.deleted_at is null and s.status = 'open'
join teaching_group g on g.grouping_id = gr.id and (g.teacher_id = %(person_id)s or g.teacher_id is null)
where not exists (
        select from teaching_session t
        where t.group_id = g.id and t.held_on = %(today)s)
    and (extract(isodow from %(today)s::date) <= 5 or exists (
        select from teaching_session t
        where t.group_id = g.id and t.held_on >= %(today)s::date - 28 and extract(isodow from t.held_on) = extract(isodow from %(today)s::date)))
order by s.name_key, gr.school_id, gr.subject, gr.grade_from, g.band, g.number
limit %(rows)s

-- name: waiting_of_leaders
-- What waits for whoever leads the programme, each counted up to a bound: planned visits that are overdue, files of the last week with faults of which no
-- later one was saved, and open schools with children and no result of a round. Served by planned_visit_open, import_run_by_time and school_untested's
-- primary key.
select
    (select count(*) from (
        select from planned_visit p
        join school s on s.id = p.school_id and s.deleted_at is null
        where p.state = 'planned' and p.planned_on < %(today)s
        limit %(rows)s) found) as overdue,
    (select count(*) from (
        select from import_run r
        where r.started_at >= %(now)s::timestamptz - interval '7 days' and r.state = 'faulty' and not exists (
            select from import_run l
            where l.started_at > r.started_at and l.kind = r.kind and l.filename = r.filename and l.state = 'done' and not l.is_dry_run)
        limit %(rows)s) found) as faulty_files,
    (select count(*) from (select from schools_untested(%(round_id)s::bigint) limit %(rows)s) found) as untested
