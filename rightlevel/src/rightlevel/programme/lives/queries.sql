-- name: transfer
-- Moves a child if it is still the version that was read.
update student
set school_id = %(school_id)s, school_year_id = %(school_year_id)s, class_id = %(class_id)s, grade = %(grade)s, code = %(code)s,
    version = version + 1, changed_at = %(now)s
where id = %(student_id)s::uuid and version = %(version)s and deleted_at is null

-- name: codes_like
-- The codes of a school that begin like one. Served by student_code_is_unique_in_its_school.
select code
from student
where school_id = %(school_id)s and deleted_at is null and (code = %(code)s or code like %(pattern)s)
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
