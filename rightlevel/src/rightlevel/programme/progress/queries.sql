-- name: class_progress
-- The active children of each class of some schools by what came of a round, in each subject. Served by student_by_school and result_is_unique.
select st.school_id, st.class_id, st.grade, coalesce(c.section, '') as section, s.subject::text as subject,
    count(*) filter (where r.outcome = 'assessed') as tested, count(*) filter (where r.outcome = 'absent') as absent,
    count(*) filter (where r.outcome = 'refused') as refused, count(*) filter (where r.outcome = 'left') as left,
    count(*) filter (where r.id is null) as to_do
from student st
cross join unnest(array['language', 'math']::subject[]) as s (subject)
left join class c on c.id = st.class_id
left join result r on r.student_id = st.id and r.round_id = %(round_id)s and r.subject = s.subject and r.deleted_at is null
where st.school_id = any(%(school_ids)s) and st.deleted_at is null and st.status = 'active'
group by st.school_id, st.class_id, st.grade, c.section, s.subject
order by st.school_id, st.grade, c.section, st.class_id, s.subject
limit %(rows)s
