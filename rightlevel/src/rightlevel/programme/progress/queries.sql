-- name: class_progress
-- How many active children each class of some schools has, and how many of them have a result in a round, in each subject.
-- Served by student_by_school and result_is_unique.
select st.school_id, st.class_id, st.grade, coalesce(c.section, '') as section, count(*) as enrolled,
    count(l.id) as language, count(m.id) as math
from student st
left join class c on c.id = st.class_id
left join result l on l.student_id = st.id and l.round_id = %(round_id)s and l.subject = 'language' and l.deleted_at is null
left join result m on m.student_id = st.id and m.round_id = %(round_id)s and m.subject = 'math' and m.deleted_at is null
where st.school_id = any(%(school_ids)s) and st.deleted_at is null and st.status = 'active'
group by st.school_id, st.class_id, st.grade, c.section
order by st.school_id, st.grade, c.section, st.class_id
limit %(rows)s
