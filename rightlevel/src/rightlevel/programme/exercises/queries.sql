-- name: publish_first_exercises
-- Adds the exercises that come with the program where there is none of their subject and language yet. Served by exercise_is_unique.
insert into exercise (subject, language, version, needed, cases)
select e.subject::subject, e.language, 1, e.needed, e.cases
from unnest(%(subjects)s::text[], %(languages)s::text[], %(needed)s::smallint[], %(cases)s::jsonb[]) as e (subject, language, needed, cases)
where not exists (
    select from exercise there
    where (there.subject, there.language) = (e.subject::subject, e.language))
on conflict (subject, language, version) do nothing

-- name: recordings_there
-- Which of these are recordings in the library, small enough for a phone. Served by the primary key.
select r.id
from resource r
where r.id = any(%(asked)s::bigint[]) and r.deleted_at is null and r.sha256 is not null and r.media_type like 'audio/%%'
    and r.size_bytes <= %(most_bytes)s
order by r.id
limit %(rows)s

-- name: newest_exercises
-- The newest version of each exercise with one person's tries at it. Served by exercise_is_unique and exercise_attempt_by_person.
select e.id, e.subject::text as subject, e.language, e.version, e.needed, jsonb_array_length(e.cases) as cases,
    coalesce(t.attempts, 0) as attempts, t.agreed, t.passed_on
from (
    select distinct on (n.subject, n.language) n.id, n.subject, n.language, n.version, n.needed, n.cases
    from exercise n
    order by n.subject, n.language, n.version desc
) e
left join lateral (
    select count(*) as attempts, max(a.agreed) as agreed, max(a.taken_on) filter (where a.is_passed) as passed_on
    from exercise_attempt a
    where a.person_id = %(person_id)s and a.subject = e.subject and a.exercise_id = e.id
) t on true
order by e.subject, e.language
limit %(rows)s

-- name: find_exercise
-- One version of an exercise. Served by the primary key.
select e.id, e.subject::text as subject, e.language, e.version, e.needed, e.cases
from exercise e
where e.id = %(exercise_id)s

-- name: newest_version
-- The newest version of an exercise, 0 where there is none. Served by exercise_is_unique.
select coalesce(max(e.version), 0)
from exercise e
where e.subject = %(subject)s::subject and e.language = %(language)s

-- name: insert_exercise
-- Adds a version of an exercise; one that is there already is never changed (exercise_is_unique, trigger exercises_are_kept).
insert into exercise (subject, language, version, needed, cases)
values (%(subject)s::subject, %(language)s, %(version)s, %(needed)s, %(cases)s::jsonb)
returning id

-- name: insert_attempt
-- Keeps one try, of at most so many of a person at a version. Served by exercise_attempt_by_person.
insert into exercise_attempt (exercise_id, subject, person_id, answers, agreed, is_passed, taken_on)
select %(exercise_id)s, %(subject)s::subject, %(person_id)s, %(answers)s::text[], %(agreed)s, %(is_passed)s, %(day)s
where (
    select count(*)
    from exercise_attempt a
    where a.person_id = %(person_id)s and a.subject = %(subject)s::subject and a.exercise_id = %(exercise_id)s) < %(most)s
returning id

-- name: find_attempt
-- One try with the version that it was of. Served by the primary keys.
select a.id, a.person_id, e.id as exercise_id, e.subject::text as subject, e.language, e.version, e.needed, e.cases, a.answers, a.agreed,
    a.is_passed, a.taken_on
from exercise_attempt a
join exercise e on e.id = a.exercise_id
where a.id = %(attempt_id)s

-- name: list_testers
-- Teachers and mentors by name, a row for each subject that is theirs today at a school that counts, with how its exercise went. Served by person_by_name,
-- assignment_by_person and exercise_attempt_by_person.
--! plan each time
select p.id as person_id, p.display_name, p.role::text as role, s.subject::text as subject, coalesce(t.attempts, 0) as attempts,
    f.agreed as first_agreed, f.cases as first_cases, l.agreed as last_agreed, l.cases as last_cases, l.taken_on as last_on, t.passed_on,
    coalesce(t.passed_on >= coalesce(q.since, '-infinity'), false) as counts
from person p
cross join (values ('language'::subject), ('math'::subject)) as s (subject)
left join exercise_requirement q on q.subject = s.subject
left join lateral (
    select count(*) as attempts, max(a.taken_on) filter (where a.is_passed) as passed_on
    from exercise_attempt a
    where a.person_id = p.id and a.subject = s.subject
) t on true
left join lateral (
    select a.agreed, jsonb_array_length(e.cases) as cases
    from exercise_attempt a
    join exercise e on e.id = a.exercise_id
    where a.person_id = p.id and a.subject = s.subject
    order by a.id
    limit 1
) f on true
left join lateral (
    select a.agreed, jsonb_array_length(e.cases) as cases, a.taken_on
    from exercise_attempt a
    join exercise e on e.id = a.exercise_id
    where a.person_id = p.id and a.subject = s.subject
    order by a.id desc
    limit 1
) l on true
where p.deleted_at is null and p.is_active and p.role in ('teacher', 'mentor')
    and exists (
        select 1
        from assignment h
        join school hs on hs.id = h.school_id and not hs.is_practice
        where h.person_id = p.id and h.subject = s.subject and h.ended_at is null and h.from_on <= %(today)s
            and (h.to_on is null or h.to_on >= %(today)s))
    and (%(subject)s::subject is null or s.subject = %(subject)s::subject)
    and (not %(only_lacking)s or not coalesce(t.passed_on >= coalesce(q.since, '-infinity'), false))
    and (%(after_name)s::text is null
        or (lower(p.display_name), p.id, s.subject) > (%(after_name)s::text, %(after_id)s::bigint, %(after_subject)s::subject))
order by lower(p.display_name), p.id, s.subject
limit %(rows)s

-- name: list_requirements
-- In which subjects a passed exercise is asked for: two rows at most. Served by the primary key.
select q.subject::text as subject, q.since
from exercise_requirement q
order by q.subject
limit 2

-- name: save_requirement
-- Asks for a passed exercise in a subject. Served by the primary key.
insert into exercise_requirement (subject, since) values (%(subject)s::subject, %(since)s)
on conflict (subject) do update set since = excluded.since

-- name: drop_requirement
-- Asks for none any more. Served by the primary key.
delete from exercise_requirement
where subject = %(subject)s::subject

-- name: exercises_due
-- The subjects in which somebody has yet to pass the exercise that is asked for. Served by exercise_attempt_by_person.
select q.subject::text as subject
from exercise_requirement q
where not exists (
    select 1
    from exercise_attempt a
    where a.person_id = %(person_id)s and a.subject = q.subject and a.is_passed and a.taken_on >= coalesce(q.since, '-infinity'))
order by q.subject
limit 2
