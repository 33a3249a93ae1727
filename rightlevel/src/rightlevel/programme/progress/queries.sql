-- name: class_progress
-- How many children sit in each class of some schools in a round, and what came of them, in each subject.
-- Served by result_by_school, student_by_school and past_enrolment_by_school.
select sc.id as school_id, seat.class_id, seat.grade::integer as grade, coalesce(c.section, '') as section, sub.subject::text as subject,
    count(*) filter (where r.outcome = 'assessed') as tested, count(*) filter (where r.outcome = 'absent') as absent,
    count(*) filter (where r.outcome = 'refused') as refused, count(*) filter (where r.outcome = 'left') as left,
    count(*) filter (where seat.result_id is null) as to_do
from unnest(%(school_ids)s::bigint[]) sc (id)
cross join unnest(enum_range(null::subject)) sub (subject)
cross join lateral seats_of_school(%(round_id)s::bigint, sub.subject, sc.id) seat
left join result r on r.id = seat.result_id
left join class c on c.id = seat.class_id
group by sc.id, seat.class_id, seat.grade, c.section, sub.subject
order by sc.id, seat.grade, coalesce(c.section, ''), seat.class_id, sub.subject
limit %(rows)s
