-- name: facts
-- Everything that some writes are judged by, one row each. Children are locked first, in the order of their ids, so that writers of the
-- same child wait for each other and never deadlock; then present results. A round needs no lock here: whoever changes one, or locks a
-- school in it, first holds back everybody who writes results (rounds/queries.sql: hold_results), and a lock on its one row by every
-- writer cost a seventh of the throughput.
-- The cell (school, class, grade, sex) is where the child sits in the round: where it stood when the round's roll was fixed, if it came later
-- where it came to first; while the roll isn't fixed where it stands, or stood last in the round's year. Without one it was never enrolled in
-- that year. Mostly that is the present, and no former stint is looked at. Served by the primary keys, result_is_unique and
-- past_enrolment_by_student. Mostly no exercise is asked for, and its table of at most two rows is all that is looked at; else
-- exercise_attempt_by_person.
with wanted as materialized (
    select w.number, w.write_id, w.student_id, w.round_id, w.subject, w.person_id
    from unnest(%(numbers)s::integer[], %(write_ids)s::uuid[], %(student_ids)s::uuid[], %(round_ids)s::bigint[], %(subjects)s::subject[],
        %(person_ids)s::bigint[])
        as w (number, write_id, student_id, round_id, subject, person_id)
), children as materialized (
    select id, school_year_id, school_id, class_id, grade, sex, status, left_on, deleted_at, merged_into, stint_number
    from student
    where id = any(%(student_ids)s::uuid[])
    order by id
    for no key update
), rounds as materialized (
    select id, school_year_id, kind, state, starts_on, ends_on, roll_number, language_scale, math_scale
    from round
    where id = any(%(round_ids)s::bigint[]) and deleted_at is null
), present as materialized (
    -- One look-up in result_is_unique by the child, and no other way: a plan made while the table was empty took the round's index, and
    -- read the whole round for each child ever after. A child has a few results; round and subject are compared one by one.
    select r.id, r.student_id, r.round_id, r.subject, r.school_id, r.class_id, r.version, r.outcome, r.rank, r.tested_on, r.assessor_id, r.notes,
        r.locked_at, r.is_verified, r.tool, r.assent, r.is_selected, r.method
    from children c
    join wanted w on w.student_id = c.id
    cross join lateral (
        select e.id, e.student_id, e.round_id, e.subject, e.school_id, e.class_id, e.version, e.outcome, e.rank, e.tested_on, e.assessor_id, e.notes,
            e.locked_at, e.is_verified, e.tool, e.assent, e.is_selected, e.method
        from result e
        where e.student_id = w.student_id and e.deleted_at is null
            and (e.round_id, e.subject) is not distinct from (w.round_id, w.subject)
        limit 1
        for update
    ) r
)
select w.number, cell.school_id, cell.class_id, cell.grade, cell.sex, st.school_id as now_school_id, st.class_id as now_class_id,
    -- told from the child's own row, which is locked; former stints are those of when this statement began
    st.status = 'active' and st.school_year_id = rd.school_year_id
        and st.stint_number <= coalesce(rd.roll_number, st.stint_number) as is_certain,
    -- who finished with the whole school sits in that year for ever, and is tested in a round of it that goes on
    case when st.status = 'left' and not exists (
        select 1
        from past_enrolment p
        where p.student_id = st.id and p.school_year_id = rd.school_year_id and p.closes_year and p.superseded_by is null and not p.is_aside)
        then st.left_on end as student_left_on,
    st.deleted_at is not null as student_is_deleted,
    rd.kind::text as round_kind, rd.state::text as round_state,
    rd.state = 'frozen' and not exists (
        select 1 from round_snapshot sn where sn.round_id = rd.id and sn.sealed_at is not null) as round_is_sealing,
    coalesce(own.starts_on, rd.starts_on) as starts_on, coalesce(own.ends_on, rd.ends_on) as ends_on,
    -- a child that moved leaves its result counted where it was: that school's lock holds, as its days do
    own.locked_at is not null as school_is_locked,
    rd.kind is not null and rd.kind <> 'baseline' and exists (
        select 1
        from result b
        join round br on br.id = b.round_id and br.kind = 'baseline' and br.school_year_id = rd.school_year_id
        where b.student_id = w.student_id and b.subject = w.subject and b.deleted_at is null and b.outcome = 'assessed') as has_baseline,
    r.id::text as result_id, r.school_id as result_school_id, r.class_id as result_class_id, r.version as result_version, r.outcome::text as result_outcome, r.rank as result_rank,
    r.tested_on as result_tested_on, r.assessor_id as result_assessor_id, r.notes as result_notes,
    r.tool as result_tool, r.assent as result_assent, r.is_selected as result_is_selected, r.method::text as result_method,
    r.locked_at is not null as result_is_locked, coalesce(r.is_verified, false) as result_is_verified, uv.state::text as verification_state,
    case
        -- what was written of a child that became one with another since is still this write
        when made.id is not null and (made.round_id, made.subject) = (w.round_id, w.subject)
            and (made.student_id = w.student_id or kept_student(made.student_id) = kept_student(w.student_id)) then 'saved'
        when change.write_id is not null and (changed.round_id, changed.subject) = (w.round_id, w.subject)
            and (changed.student_id = w.student_id or kept_student(changed.student_id) = kept_student(w.student_id)) then 'changed'
        when made.id is not null or change.write_id is not null then 'other'
    end as done_as,
    coalesce(made.id, change.result_id)::text as done_result_id,
    case when made.id is not null then 1 else change.version end as done_version,
    kept.id::text as merged_into, kept.school_id as kept_school_id, kept.class_id as kept_class_id,
    -- who has yet to pass the exercise that is asked for; at a practice school everybody may try
    exists (
        select 1
        from exercise_requirement q
        where q.subject = w.subject
            and not exists (
                select 1
                from exercise_attempt a
                where a.person_id = w.person_id and a.subject = w.subject and a.is_passed and a.taken_on >= coalesce(q.since, '-infinity'))
            and not exists (
                select 1 from school sc where sc.id = coalesce(r.school_id, cell.school_id) and sc.is_practice)) as exercise_is_due,
    case w.subject when 'language' then rd.language_scale else rd.math_scale end::text as scale
from wanted w
left join children st on st.id = w.student_id
left join student kept on st.merged_into is not null and kept.id = kept_student(st.merged_into) and kept.deleted_at is null
left join rounds rd on rd.id = w.round_id
left join lateral (
    select c.school_id, c.class_id, c.grade, c.sex
    from (
        -- Of a child that has left its last stint counts, which may have been amended, before what its record says.
        select st.school_id, st.class_id, st.grade, st.sex,
            case when st.status = 'left' then 4 when st.stint_number <= coalesce(rd.roll_number, st.stint_number) then 1 else 2 end as rank,
            st.stint_number as distance
        where st.school_year_id = rd.school_year_id
        union all
        select p.school_id, p.class_id, p.grade, p.sex,
            case when p.from_number <= rd.roll_number and (p.seat_until is null or rd.roll_number < p.seat_until) then 0
                when p.from_number > rd.roll_number then 2 else 3 end,
            case when p.from_number > rd.roll_number then p.from_number else -p.from_number end
        from past_enrolment p
        where p.student_id = st.id and p.school_year_id = rd.school_year_id and not p.is_aside
            and (st.school_year_id <> rd.school_year_id or st.stint_number > rd.roll_number or st.status = 'left')) c
    order by c.rank, c.distance
    limit 1
) cell on true
left join present r on r.student_id = w.student_id and r.round_id = w.round_id and r.subject = w.subject
-- a school's own days are those of where the result counts: where it was made, else where the child sits
left join round_school own on own.round_id = rd.id and own.school_id = coalesce(r.school_id, cell.school_id, st.school_id)
left join verification uv on uv.result_id = r.id and uv.state in ('pending', 'disagreed', 'returned')
left join lateral (select m.id, m.student_id, m.round_id, m.subject from result m where m.id = w.write_id limit 1) made on true
left join result_change change on change.write_id = w.write_id
left join result changed on changed.id = change.result_id
order by w.number

-- fragment: wanted_and_added
-- What is to be saved, and those of it that are new.
with wanted as materialized (
    select w.write_id, w.result_id, w.version, w.student_id, w.round_id, w.subject, w.outcome, w.rank, w.tested_on, w.tool, w.assent,
        w.is_selected, w.method, w.notes, w.school_id, w.class_id, w.grade, w.sex, w.before, w.after, w.reason, w.asker,
        (%(person_ids)s::bigint[])[w.asker] as person_id
    from unnest(%(write_ids)s::uuid[], %(result_ids)s::uuid[], %(versions)s::integer[], %(student_ids)s::uuid[], %(round_ids)s::bigint[],
        %(subjects)s::subject[], %(outcomes)s::outcome[], %(ranks)s::smallint[], %(tested)s::date[], %(tools)s::smallint[],
        %(assents)s::boolean[], %(selected)s::boolean[], %(methods)s::entry_method[], %(notes)s::text[], %(school_ids)s::bigint[],
        %(class_ids)s::bigint[], %(grades)s::smallint[], %(sexes)s::smallint[], %(befores)s::jsonb[], %(afters)s::jsonb[], %(reasons)s::text[],
        %(askers)s::integer[])
        as w (write_id, result_id, version, student_id, round_id, subject, outcome, rank, tested_on, tool, assent, is_selected, method,
            notes, school_id, class_id, grade, sex, before, after, reason, asker)
), added as (
    insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex,
        tool, assent, is_selected, notes, created_at, changed_at)
    select write_id, student_id, round_id, school_id, class_id, person_id, tested_on, subject, outcome, method, rank, grade, sex,
        tool, assent, is_selected, notes, %(now)s, %(now)s
    from wanted
    where result_id is null
    order by student_id, subject
    on conflict do nothing
    returning id, version

-- fragment: audited
-- The audit row of each who asks, and what was saved.
), audited as (
    insert into audit_entry (person_id, role, action, resource, resource_id, outcome, after, reason, address)
    select min(w.person_id), (%(roles)s::role[])[w.asker], 'enter', 'result', min(d.result_id::text), 'done',
        jsonb_build_object('count', count(*), 'round_id', min(w.round_id), 'results', jsonb_agg(d.result_id), 'overridden', %(overridden)s::text[]),
        %(reason)s, (%(addresses)s::text[])[w.asker]
    from written d
    join wanted w on w.write_id = d.write_id
    group by w.asker
    order by w.asker
)
select write_id::text as write_id, result_id::text as result_id, version
from written

-- name: write_results
-- Saves judged writes that are all new, with an audit row for each who asks, in one statement; those saved. What another was faster to save is left out
-- and judged again. `asker` tells whose a write is: the number in the arrays of who asks.
--> wanted_and_added
), written as (
    select id as write_id, id as result_id, version from added
--> audited

-- name: write_changed_results
-- The same where some change what is there, which keeps its history.
--> wanted_and_added
), changed as (
    update result r
    set outcome = w.outcome, rank = w.rank, tested_on = w.tested_on, tool = w.tool, assent = w.assent, is_selected = w.is_selected,
        method = w.method, notes = w.notes, version = r.version + 1, changed_at = %(now)s
    from wanted w
    where r.id = w.result_id and r.version = w.version and r.deleted_at is null
    returning r.id, r.version, w.write_id, w.before, w.after, w.reason, w.person_id
), kept as (
    insert into result_change (write_id, result_id, version, at, person_id, before, after, reason)
    select write_id, id, version, %(now)s, person_id, before, after, reason
    from changed
), written as (
    select id as write_id, id as result_id, version from added
    union all
    select write_id, id, version from changed
--> audited

-- name: class_sheet
-- The seats of a school, class or grade in a round by the children's names, each with its result: who sat there then, wherever they are now, so
-- that a sheet and the figures say the same. Served by result_by_school, student_by_school, past_enrolment_by_school and result_is_unique.
select st.id::text as student_id, st.code, st.name, seat.sex, seat.grade, seat.class_id,
    r.id::text as result_id, r.version, r.outcome::text as outcome, l.code as level, r.tested_on,
    r.locked_at is not null as is_locked, coalesce(r.is_verified, false) as is_verified, r.assessor_id,
    exists (select 1 from verification v where v.result_id = r.id and v.state = 'pending' offset 0) as is_blind
from seats_of_school(%(round_id)s::bigint, %(subject)s::subject, %(school_id)s::bigint) seat
join student st on st.id = seat.student_id and st.deleted_at is null
left join result r on r.id = seat.result_id
left join round rd on rd.id = r.round_id
left join scale sc on sc.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end
left join scale_level l on l.scale_id = sc.id and l.rank = r.rank
where (seat.class_id = %(class_id)s or %(class_id)s is null)
    and (seat.grade = %(grade)s or %(grade)s is null)
    and (%(is_everything)s or %(school_id)s = any(%(scope_schools)s) or seat.class_id = any(%(scope_classes)s)
        or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
    and ((st.name_key, st.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s::uuid) or %(after_id)s is null)
order by st.name_key, st.id
limit %(rows)s

-- name: sat_within
-- Where a child that may be elsewhere now stood before, as far as that is within somebody's schools and classes, the latest first. Served by
-- past_enrolment_by_student.
select s.name_local as school_name, y.name as year_name, p.grade, c.section, p.until_on
from past_enrolment p
join student st on st.id = p.student_id and st.deleted_at is null
join school s on s.id = p.school_id
join school_year y on y.id = p.school_year_id
left join class c on c.id = p.class_id
where p.student_id = %(student_id)s::uuid and not p.is_aside and p.superseded_by is null
    and (p.school_id = any(%(schools)s) or p.class_id = any(%(classes)s))
order by p.until_on desc, p.id desc
limit 50

-- fragment: within_reach
-- Results (r) of some subjects wherever they were made, and all that were made within a scope.
    and (r.subject = any(%(subjects)s::subject[])
        or (r.subject = 'language' and (r.school_id = any(%(language_schools)s) or r.class_id = any(%(language_classes)s)))
        or (r.subject = 'math' and (r.school_id = any(%(math_schools)s) or r.class_id = any(%(math_classes)s))))

-- name: has_results_within
-- Whether a child that may be elsewhere now has live results that were made within somebody's schools, classes and subjects. Served by
-- result_is_unique.
select count(*) as results
from (
    select 1
    from result r
    join student st on st.id = r.student_id and st.deleted_at is null
    where r.deleted_at is null and r.student_id = %(student_id)s::uuid
    --> within_reach
        and (r.id = %(result_id)s::uuid or %(result_id)s is null)
    limit 1) few

-- name: name_of_child
-- What a child is called. Served by the primary key.
select name from student where id = %(student_id)s::uuid and deleted_at is null

-- fragment: shown_result
-- What is shown of a result: its own columns (r), with the words of its round, year, assessor and level.
select r.id::text as id, r.student_id::text as student_id, r.round_id, rd.kind::text as round_kind, y.name as year_name, r.school_id,
    r.subject::text as subject, r.outcome::text as outcome, r.rank, l.code as level, r.tested_on, r.tool, r.assent, r.is_selected,
    r.method::text as method, r.notes, p.display_name as assessor_name, r.assessor_id, r.version, r.locked_at is not null as is_locked, r.lock_reason, r.is_verified,
    r.changed_at, exists (select 1 from verification v where v.result_id = r.id and v.state = 'pending' offset 0) as is_blind

-- fragment: with_its_words
-- What a shown result is joined with.
join round rd on rd.id = r.round_id
join school_year y on y.id = rd.school_year_id
join person p on p.id = r.assessor_id
left join scale sc on sc.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end
left join scale_level l on l.scale_id = sc.id and l.rank = r.rank

-- name: student_results
-- Every live result of a child in the order of its rounds, of some subjects or made within somebody's schools. Served by result_is_unique.
--> shown_result
from result r
--> with_its_words
where r.deleted_at is null and r.student_id = %(student_id)s::uuid
--> within_reach
    and (%(after_id)s::uuid is null or (rd.starts_on, r.id)
        > (select k.starts_on, %(after_id)s from round k where k.id = (select round_id from result where id = %(after_id)s)))
order by rd.starts_on, r.id
limit %(rows)s

-- name: read_result
-- One live result. Served by the primary key.
--> shown_result
from result r
--> with_its_words
where r.deleted_at is null and r.id = %(result_id)s::uuid

-- name: results_of_children
-- The live results of some children in some rounds that somebody reaches: for they have the child now, or work where the result was made.
-- Served by result_is_unique.
select r.student_id::text as student_id, r.round_id, r.subject::text as subject, r.outcome::text as outcome, r.rank, r.assessor_id,
    exists (select 1 from verification v where v.result_id = r.id and v.state = 'pending' offset 0) as is_blind
from result r
join student st on st.id = r.student_id and st.deleted_at is null
where r.deleted_at is null and r.student_id = any(%(students)s::uuid[]) and r.round_id = any(%(rounds)s::bigint[])
    and (%(is_everything)s
        or (r.subject = 'language' and (array[r.school_id, st.school_id] && %(language_schools)s::bigint[]
            or array[r.class_id, st.class_id] && %(language_classes)s::bigint[]))
        or (r.subject = 'math' and (array[r.school_id, st.school_id] && %(math_schools)s::bigint[]
            or array[r.class_id, st.class_id] && %(math_classes)s::bigint[])))

-- name: results_of_schools
-- A page of all live results, school by school as they were made. Served by the schools' primary key and result_by_school: a page reads
-- the results of the schools that fill it.
with found as (
    select x.id
    from (
        select s.id
        from school s
        where s.id >= coalesce(%(after_school)s::bigint, 0)
        order by s.id
    ) s
    cross join lateral (
        select e.id, e.student_id, e.round_id, e.subject
        from result e
        where e.school_id = s.id and e.deleted_at is null and not e.is_hidden
            and (%(subject)s::subject is null or e.subject = %(subject)s)
            and (%(after_school)s::bigint is null or (e.school_id, e.student_id, e.round_id, e.subject)
                > (%(after_school)s, %(after_student)s::uuid, %(after_round)s::bigint, %(after_subject)s::subject))
        order by e.student_id, e.round_id, e.subject
        limit %(rows)s
    ) x
    order by s.id, x.student_id, x.round_id, x.subject
    limit %(rows)s
)
--> shown_result
from found f
join result r on r.id = f.id
--> with_its_words
order by r.school_id, r.student_id, r.round_id, r.subject

-- name: results_of_school
-- The same of one school. Served by result_by_school.
with found as (
    select e.id
    from result e
    where e.school_id = %(school_id)s::bigint and e.deleted_at is null and not e.is_hidden
        and (%(round_id)s::bigint is null or e.round_id = %(round_id)s)
        and (%(subject)s::subject is null or e.subject = %(subject)s)
        and (%(after_school)s::bigint is null or (e.school_id, e.student_id, e.round_id, e.subject)
            > (%(after_school)s, %(after_student)s::uuid, %(after_round)s::bigint, %(after_subject)s::subject))
    order by e.student_id, e.round_id, e.subject
    limit %(rows)s
)
--> shown_result
from found f
join result r on r.id = f.id
--> with_its_words
order by r.school_id, r.student_id, r.round_id, r.subject

-- name: results_of_round
-- The same of one round: from each school in which it has results to the next, so that those without any are not looked at. Practice schools are in no
-- count, and are all looked at. Served by school_count_by_round, school_practice and result_by_school.
with recursive schools as (
    select coalesce(%(after_school)s::bigint, next.id) as id
    from (select least(
        (select min(n.id) from unnest(%(subjects)s::subject[]) u (subject) cross join lateral (
            select c.school_id as id from school_count c where c.round_id = %(round_id)s and c.subject = u.subject order by c.school_id limit 1) n),
        (select min(w.id) from school w where w.is_practice)) as id) next
    union all
    select (select least(
        (select min(n.id) from unnest(%(subjects)s::subject[]) u (subject) cross join lateral (
            select c.school_id as id
            from school_count c
            where c.round_id = %(round_id)s and c.subject = u.subject and c.school_id > schools.id
            order by c.school_id
            limit 1) n),
        (select min(w.id) from school w where w.is_practice and w.id > schools.id)))
    from schools
    where schools.id is not null
), found as (
    select x.id
    from (select id from schools where id is not null) s
    cross join lateral (
        select e.school_id, e.id, e.student_id, e.round_id, e.subject
        from result e
        where e.school_id = s.id and e.deleted_at is null and not e.is_hidden and e.round_id = %(round_id)s
            and e.subject = any(%(subjects)s::subject[])
            and (%(after_school)s::bigint is null or (e.school_id, e.student_id, e.round_id, e.subject)
                > (%(after_school)s, %(after_student)s::uuid, %(after_round)s::bigint, %(after_subject)s::subject))
        order by e.student_id, e.round_id, e.subject
        limit %(rows)s
    ) x
    -- schools come in their order, and no more of them than fill the page
    limit %(rows)s
)
--> shown_result
from found f
join result r on r.id = f.id
--> with_its_words
order by r.school_id, r.student_id, r.round_id, r.subject

-- name: results_in_scope
-- A page of the live results within somebody's reach, child by child: of the children whom their assignments reach now, in the subjects of each, and those
-- that were made there. Served by student_by_school, past_enrolment_by_school, student_deleted_by_school and result_is_unique: a page reads the ids of those
-- children, and the results of the children that fill it; of one school the children that have results there, by result_by_school.
with children as (
    select n.id
    from student n
    where %(school_id)s::bigint is null and n.school_id = any(%(held_schools)s::bigint[]) and n.deleted_at is null
    union
    select p.student_id
    from past_enrolment p
    where %(school_id)s::bigint is null and p.school_id = any(%(held_schools)s::bigint[])
    union
    select m.kept_id
    from student_merge m
    join student g on g.id = m.gone_id
    where %(school_id)s::bigint is null and m.undone_at is null and g.school_id = any(%(held_schools)s::bigint[]) and g.deleted_at is not null
    union
    select b.student_id
    from result b
    where b.school_id = %(school_id)s::bigint and b.deleted_at is null
), found as (
    select x.id
    from (
        select c.id
        from children c
        where %(after_student)s::uuid is null or c.id >= %(after_student)s
        order by c.id
    ) c
    cross join lateral (
        select e.id, e.round_id, e.subject
        from student st
        join result e on e.student_id = st.id and e.deleted_at is null and not e.is_hidden
        where st.id = c.id and st.deleted_at is null and exists (
            select 1
            from unnest(%(held_schools)s::bigint[], %(held_subjects)s::text[], %(held_classes)s::bigint[]) h (school_id, subject, class_id)
            where h.subject = e.subject::text and (
                (h.school_id = st.school_id and (h.class_id is null or h.class_id = st.class_id))
                or (h.school_id = e.school_id and (h.class_id is null or h.class_id = e.class_id)))
        )
            and (%(school_id)s::bigint is null or e.school_id = %(school_id)s)
            and (%(round_id)s::bigint is null or e.round_id = %(round_id)s)
            and (%(subject)s::subject is null or e.subject = %(subject)s)
            and (%(after_student)s::uuid is null or (e.student_id, e.round_id, e.subject)
                > (%(after_student)s, %(after_round)s::bigint, %(after_subject)s::subject))
        order by e.round_id, e.subject
        limit %(rows)s
    ) x
    order by c.id, x.round_id, x.subject
    limit %(rows)s
)
--> shown_result
from found f
join result r on r.id = f.id
--> with_its_words
order by r.student_id, r.round_id, r.subject

-- name: student_changes
-- Every later change of a child's results, newest first. Served by result_is_unique and result_change_by_result.
select c.write_id::text as write_id, c.result_id::text as result_id, c.version, c.at, p.display_name as person_name, c.before, c.after, c.reason
from result r
join result_change c on c.result_id = r.id
join person p on p.id = c.person_id
where r.student_id = %(student_id)s::uuid
--> within_reach
    and (%(person_id)s::bigint is null or not exists (
        select 1 from verification v where v.result_id = r.id and v.state = 'pending' and r.assessor_id <> %(person_id)s))
    and (%(after_id)s::uuid is null or (c.at, c.write_id) < (select k.at, k.write_id from result_change k where k.write_id = %(after_id)s))
order by c.at desc, c.write_id desc
limit %(rows)s

-- name: lock_result
-- One live result with what its removal is judged by, locked; its child first, as whoever enters results does. Served by the primary keys.
with child as materialized (
    select id, school_id, class_id
    from student
    where id = (select student_id from result where id = %(result_id)s::uuid) and deleted_at is null
    for no key update
)
select r.id::text as id, r.student_id::text as student_id, r.round_id, r.school_id, r.class_id, child.school_id as child_school_id,
    child.class_id as child_class_id, r.subject::text as subject, r.version,
    r.outcome::text as outcome, r.rank, r.locked_at is not null as is_locked, r.is_verified, rd.state::text as round_state,
    exists (select 1 from round_school e where e.round_id = r.round_id and e.school_id = r.school_id and e.locked_at is not null) as school_is_locked,
    uv.state::text as verification_state,
    exists (select 1 from round_snapshot sn where sn.round_id = r.round_id and sn.sealed_at is null) as round_is_sealing,
    case r.subject when 'language' then rd.language_scale else rd.math_scale end::text as scale
from child
join result r on r.student_id = child.id
join round rd on rd.id = r.round_id
left join verification uv on uv.result_id = r.id and uv.state in ('pending', 'disagreed', 'returned')
where r.id = %(result_id)s::uuid and r.deleted_at is null and not r.is_hidden
for update of r
for share of rd

-- name: delete_result
-- Takes a result out of the figures, and keeps what it was.
with removed as (
    update result
    set deleted_at = %(now)s, version = version + 1, changed_at = %(now)s
    where id = %(result_id)s::uuid and version = %(version)s and deleted_at is null
    returning id, version
)
insert into result_change (write_id, result_id, version, at, person_id, before, after, reason)
select %(write_id)s::uuid, id, version, %(now)s, %(person_id)s, %(before)s::jsonb, '{"deleted": true}'::jsonb, %(reason)s
from removed

-- name: keep_guided
-- Keeps what guided tests consisted of. Served by the primary key.
insert into guided_test (write_id, result_id, steps, tool_id, rules_version)
select w.write_id, w.result_id, w.steps, w.tool_id,
    coalesce(w.rules_version, (select max(r.version) from guided_rules r), 0)
from unnest(%(write_ids)s::uuid[], %(result_ids)s::uuid[], %(steps)s::jsonb[], %(tool_ids)s::bigint[], %(rules)s::integer[])
    as w (write_id, result_id, steps, tool_id, rules_version)
on conflict (write_id) do nothing

-- name: read_guided
-- What the guided tests of a result consisted of, the latest write last. Served by guided_test_by_result.
select g.write_id::text as write_id, g.steps, g.tool_id, t.version as tool_version, g.rules_version
from guided_test g
left join test_tool t on t.id = g.tool_id
where g.result_id = %(result_id)s::uuid
order by g.write_id
limit 100

-- name: newest_rules
-- What it takes to pass the tasks of the guided test, where the programme sets its own. Served by the primary key.
select version, thresholds from guided_rules order by guided_rules.version desc limit 1

-- name: rules_of
-- Some versions of it. Served by the primary key.
select version, thresholds from guided_rules where version = any(%(versions)s::integer[])

-- name: insert_rules
-- A version that follows the newest; nothing where another one is newer than it says.
insert into guided_rules (version, thresholds, made_by)
select %(follows)s + 1, %(thresholds)s::jsonb, %(person_id)s
where %(follows)s = coalesce((select max(r.version) from guided_rules r), 0)
on conflict do nothing
returning version

-- name: tools_told
-- Which of these versions of tools there are. Served by the primary key.
select t.id, t.subject::text as subject, t.number from test_tool t where t.id = any(%(ids)s::bigint[])

-- name: verify_again
-- Results that were returned to their teacher and saved again wait for a re-test again; a changed level has seen to it by itself. Served by
-- verification_one_under_way.
select count(end_retests(v.result_id, 'answered', %(now)s))
from verification v
where v.result_id = any(%(result_ids)s::uuid[]) and v.state = 'returned'

-- name: keep_added_amendments
-- Says of results added to a frozen round that they were not in its snapshot.
insert into amendment (round_id, result_id, school_id, person_id, reason)
select r.round_id, r.id, r.school_id, %(person_id)s, %(reason)s
from result r
join round_snapshot s on s.round_id = r.round_id
where r.id = any(%(result_ids)s::uuid[])

-- name: results_to_lock
-- Results with what their locking is judged by, locked in the order of their ids. Served by the primary key and result_by_school.
--! plan each time
select r.id::text as id, r.student_id::text as student_id, r.school_id, r.subject::text as subject, r.locked_at is not null as is_locked
from result r
where r.deleted_at is null
    and (r.id = any(%(result_ids)s::uuid[]) or %(result_ids)s is null)
    and (r.school_id = %(school_id)s or %(school_id)s is null)
    and (r.round_id = %(round_id)s or %(round_id)s is null)
    and (r.subject = %(subject)s::subject or %(subject)s is null)
    and (r.class_id = %(class_id)s or %(class_id)s is null)
order by r.id
limit %(rows)s
for update

-- name: lock_results
-- Locks results that are not.
update result
set locked_at = %(now)s, locked_by = %(person_id)s, lock_reason = %(reason)s, version = version + 1, changed_at = %(now)s
where id = any(%(result_ids)s::uuid[]) and locked_at is null and deleted_at is null

-- name: unlock_results
-- Unlocks results that are locked.
update result
set locked_at = null, locked_by = null, lock_reason = null, version = version + 1, changed_at = %(now)s
where id = any(%(result_ids)s::uuid[]) and locked_at is not null and deleted_at is null

-- fragment: looked_through
-- So many schools in their order, and so many of their assessed results in a round.
with schools as materialized (
    select s.id
    from school s
    where not s.is_practice
        and (s.id = %(school_id)s or %(school_id)s is null)
        and (s.id = any(%(held_schools)s::bigint[]) or %(held_schools)s is null)
        and (s.id >= %(after_school)s or %(after_school)s is null)
    order by s.id
    limit %(schools)s
), looked as materialized (
    select x.id, x.school_id, x.student_id, x.subject, x.rank, x.tested_on
    from schools s
    cross join lateral (
        select e.id, e.school_id, e.student_id, e.subject, e.rank, e.tested_on
        from result e
        where e.school_id = s.id and e.round_id = %(round_id)s and e.deleted_at is null and e.outcome = 'assessed'
            and ((e.school_id, e.id) > (%(after_school)s, %(after_id)s::uuid) or %(after_id)s is null)
        order by e.id
    ) x
    order by s.id, x.id
    limit %(looked)s

-- name: results_without_baseline
-- Assessed results of a later round whose child has no baseline in that year, among so many results of so many schools, school by school. Served by the
-- schools' primary key, result_by_school and result_is_unique.
--! plan each time
--> looked_through
)
select r.id::text as id, st.id::text as student_id, st.code, st.name, r.school_id, s.name_local as school_name, r.subject::text as subject,
    l.code as level, r.tested_on
from looked r
join round rd on rd.id = %(round_id)s and rd.kind <> 'baseline'
join school s on s.id = r.school_id
join student st on st.id = r.student_id and st.deleted_at is null
left join scale sc on sc.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end
left join scale_level l on l.scale_id = sc.id and l.rank = r.rank
where not exists (
    select 1
    from result b
    join round br on br.id = b.round_id and br.kind = 'baseline' and br.school_year_id = rd.school_year_id
    where b.student_id = r.student_id and b.subject = r.subject and b.deleted_at is null and b.outcome = 'assessed')
    and (%(held_schools)s is null or (r.school_id, r.subject) in (
        select h.school_id, h.subject from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject)))
order by r.school_id, r.id
limit %(rows)s

-- name: looked_for_baselines
-- How far results_without_baseline looked: how many schools and results, and the last of each. Served by the same indexes.
--! plan each time
--> looked_through
)
select (select count(*) from schools) as schools, (select max(id) from schools) as last_school, count(*) as results,
    (array_agg(school_id order by school_id desc, id desc))[1] as school_id, (array_agg(id::text order by school_id desc, id desc))[1] as id
from looked
