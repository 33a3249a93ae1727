-- name: transfer
-- Moves a child if it is still the version that was read.
update student
set school_id = %(school_id)s, school_year_id = %(school_year_id)s, class_id = %(class_id)s, grade = %(grade)s, code = %(code)s,
    code_is_shared = code_is_shared and school_id = %(school_id)s and lower(code) = lower(%(code)s), version = version + 1, changed_at = %(now)s
where id = %(student_id)s::uuid and version = %(version)s and deleted_at is null

-- name: codes_like
-- The codes of a school that begin like one, without case. Served by student_by_school.
select lower(code) as code
from student
where school_id = %(school_id)s and deleted_at is null and (lower(code) = lower(%(code)s) or lower(code) like lower(%(pattern)s))
limit 1000

-- name: give_consent
-- Keeps a guardian's contact with the day of the consent, if the child is still the version that was read.
update student
set guardian_contact = %(contact)s, guardian_consent_on = %(given_on)s, guardian_withdrawn_on = null, version = version + 1, changed_at = %(now)s
where id = %(student_id)s::uuid and version = %(version)s and deleted_at is null

-- name: withdraw_consent
-- Wipes a guardian's contact and keeps the day, if the child is still the version that was read.
update student
set guardian_contact = null, guardian_consent_on = null, guardian_withdrawn_on = %(withdrawn_on)s, version = version + 1, changed_at = %(now)s
where id = %(student_id)s::uuid and version = %(version)s and deleted_at is null

-- name: forget_answers
-- Takes the content out of what writes about a child were answered; the same write again is told so and still writes nothing. Reads every
-- receipt (they are kept 30 days); the narrow form only looks into those of the children's own routes.
update write_receipt
set answer = %(instead)s::jsonb
where answer is not null and answer::text like any(%(patterns)s)
--? narrow: and (operation like %(operation)s or operation like 'create_one_student %%')

-- name: read_past
-- One past enrolment of a child. Served by the primary key.
select e.id, e.school_id, s.name_local as school_name, e.school_year_id, e.class_id, e.grade, e.until_on, e.reason, e.words, e.sex,
    y.name as year_name
from past_enrolment e
join school s on s.id = e.school_id
join school_year y on y.id = e.school_year_id
where e.id = %(enrolment_id)s and e.student_id = %(student_id)s::uuid
--? for_update: for update of e

-- name: class_then
-- A class of a school, year and grade, also one that is not in use any more. Served by the primary key.
select count(*) as classes
from class
where id = %(class_id)s and school_id = %(school_id)s and school_year_id = %(school_year_id)s and grade = %(grade)s

-- name: next_version
-- Raises a child's version if it is still the one that was read.
update student
set version = version + 1, changed_at = %(now)s
where id = %(student_id)s::uuid and version = %(version)s and deleted_at is null

-- name: amend_past
-- Says of a past enrolment in which class and grade it was, and of all of the year which sex; triggers keep what follows. Served by
-- past_enrolment_by_student.
update past_enrolment
set class_id = case when id = %(enrolment_id)s then %(class_id)s else class_id end,
    grade = case when id = %(enrolment_id)s then %(grade)s else grade end,
    sex = case when sex = %(old_sex)s then %(sex)s else sex end
where student_id = %(student_id)s::uuid and school_year_id = %(school_year_id)s
    and (id = %(enrolment_id)s or (sex = %(old_sex)s and sex <> %(sex)s))

-- name: amend_results_set_aside
-- What was set aside when records were made one follows like what stands, before the past enrolment itself: a result that lies with the record from
-- which the past enrolment came (or that this child had, where it is its own) goes back to it when the merge is undone; what was made where that
-- record stands keeps its sex. How many. Served by
-- past_enrolment_by_student, student_merge_by_kept and result_by_student.
with recursive changed as (
    select p.id, p.id = %(enrolment_id)s as is_named
    from past_enrolment p
    where p.student_id = %(student_id)s::uuid and p.school_year_id = %(school_year_id)s
        and (p.id = %(enrolment_id)s or (p.sex = %(old_sex)s and %(sex)s <> %(old_sex)s))
), lying as (
    select c.id, c.is_named, m.gone_id, m.moved, m.kept_id, coalesce(m.moved->'past' @> to_jsonb(c.id), false) as came_along
    from changed c
    join student_merge m on m.kept_id = %(student_id)s::uuid and m.undone_at is null
    union all
    select l.id, l.is_named, m.gone_id, m.moved, m.kept_id, coalesce(m.moved->'past' @> to_jsonb(l.id), false)
    from lying l
    join student_merge m on m.kept_id = l.gone_id and m.undone_at is null
    where l.came_along
), found as materialized (
    select r.id, bool_or(l.is_named) as is_named, bool_or(
        st.status = 'active' and (st.school_year_id, st.school_id, st.grade, st.sex) = (%(school_year_id)s, r.school_id, r.grade, r.sex)
        and st.class_id is not distinct from r.class_id) as is_of_now
    from lying l
    join student st on st.id = case when l.came_along then l.gone_id else l.kept_id end
    join result r on r.student_id = l.gone_id and r.deleted_at is null
    join round rd on rd.id = r.round_id and rd.school_year_id = %(school_year_id)s
    where l.came_along <> exists (
        select 1 from jsonb_array_elements(l.moved->'swapped') w where w->>'aside' = r.id::text)
    group by r.id
), following as materialized (
    select r.id, f.is_named and (r.school_id, r.grade) = (%(school_id)s, %(old_grade)s) and r.class_id is not distinct from %(old_class_id)s as is_here,
        r.sex = %(old_sex)s and not f.is_of_now as is_of_sex
    from found f
    join result r on r.id = f.id
)
update result r
set class_id = case when f.is_here then %(class_id)s else r.class_id end, grade = case when f.is_here then %(grade)s else r.grade end,
    sex = case when f.is_of_sex then %(sex)s else r.sex end
from following f
where r.id = f.id and ((f.is_of_sex and %(sex)s <> %(old_sex)s)
    or (f.is_here and (%(class_id)s, %(grade)s) is distinct from (%(old_class_id)s, %(old_grade)s)))

-- name: amend_results
-- The results of that year follow: those made there in class and grade, all in sex but those made where the child stands now, or where a record
-- stands that was made one with it: they say what it says. How many. Served by result_is_unique and student_merge_by_kept.
with now as materialized (
    select st.school_id, st.class_id, st.grade, st.sex, st.id <> %(student_id)s::uuid as is_of_gone
    from student st
    where st.status = 'active' and st.school_year_id = %(school_year_id)s and (st.id = %(student_id)s::uuid
        or st.id in (select m.gone_id from student_merge m where m.kept_id = %(student_id)s::uuid and m.undone_at is null))
), of_year as materialized (
    select r.id,
        (r.school_id, r.grade) = (%(school_id)s, %(old_grade)s) and r.class_id is not distinct from %(old_class_id)s
            and not coalesce(n.is_of_gone, false) as is_there,
        r.sex = %(old_sex)s and n.is_of_gone is null as is_of_sex
    from result r
    join round rd on rd.id = r.round_id and rd.school_year_id = %(school_year_id)s
    cross join lateral (
        select bool_or(n.is_of_gone) as is_of_gone from now n
        where (n.school_id, n.grade, n.sex) = (r.school_id, r.grade, r.sex) and n.class_id is not distinct from r.class_id) n
    where r.student_id = %(student_id)s::uuid and r.deleted_at is null
)
update result r
set class_id = case when o.is_there then %(class_id)s else r.class_id end, grade = case when o.is_there then %(grade)s else r.grade end,
    sex = case when o.is_of_sex then %(sex)s else r.sex end
from of_year o
where r.id = o.id and ((o.is_of_sex and %(sex)s <> %(old_sex)s)
    or (o.is_there and (%(class_id)s, %(grade)s) is distinct from (%(old_class_id)s, %(old_grade)s)))
