-- name: retest_facts
-- Everything that some re-tests are judged by, one row each. Children are locked first, then results, each in the order of their ids, as
-- whoever enters results does. Served by the primary keys, verification_one_under_way, verification_write_is_unique and, where an exercise
-- is asked for, exercise_attempt_by_person.
with wanted as materialized (
    select w.number, w.write_id, w.result_id
    from unnest(%(numbers)s::integer[], %(write_ids)s::uuid[], %(result_ids)s::uuid[]) as w (number, write_id, result_id)
), children as materialized (
    select id, school_id, class_id
    from student
    where id in (select r.student_id from result r where r.id = any(%(result_ids)s::uuid[])) and deleted_at is null
    order by id
    for no key update
), present as materialized (
    select r.id, r.student_id, r.school_id, r.round_id, r.subject, r.outcome, r.rank, r.tool, r.tested_on, r.assessor_id, r.is_verified
    from result r
    where r.id = any(%(result_ids)s::uuid[]) and r.deleted_at is null
    order by r.id
    for update
)
select w.number, p.id::text as result_id, p.student_id::text as student_id, p.school_id, c.school_id as child_school_id,
    c.class_id as child_class_id, p.round_id, p.subject::text as subject, p.outcome::text as outcome, p.rank, p.tool, p.tested_on,
    p.assessor_id, coalesce(p.is_verified, false) as is_verified, rd.state::text as round_state,
    exists (select 1 from round_school e where e.round_id = p.round_id and e.school_id = p.school_id and e.locked_at is not null) as school_is_locked,
    v.id::text as verification_id, v.version as verification_version, v.state::text as state, v.visible_on,
    d.state::text as done_state, d.result_id::text as done_result_id, d.id::text as done_verification_id, d.version as done_version,
    d.first_rank as done_first_rank, d.rank as done_rank,
    -- who has yet to pass the exercise that is asked for; at a practice school everybody may try
    exists (
        select 1
        from exercise_requirement q
        where q.subject = p.subject
            and not exists (
                select 1
                from exercise_attempt a
                where a.person_id = %(person_id)s and a.subject = p.subject and a.is_passed and a.taken_on >= coalesce(q.since, '-infinity'))
            and not exists (select 1 from school sc where sc.id = p.school_id and sc.is_practice)) as exercise_is_due
from wanted w
left join present p on p.id = w.result_id
left join children c on c.id = p.student_id
left join round rd on rd.id = p.round_id
left join verification v on v.result_id = p.id and v.state in ('pending', 'disagreed', 'returned')
left join verification d on d.write_id = w.write_id
order by w.number

-- name: write_retests
-- Saves judged re-tests: onto those that wait, or as new ones where nobody had asked for one. Agreement verifies the result. Those saved.
with wanted as materialized (
    select w.write_id, w.result_id, w.verification_id, w.state, w.tested_on, w.tool, w.rank, w.notes, w.round_id, w.subject, w.school_id,
        w.first_rank, w.first_tool, w.first_assessor_id
    from unnest(%(write_ids)s::uuid[], %(result_ids)s::uuid[], %(verification_ids)s::uuid[], %(states)s::verification_state[],
        %(tested)s::date[], %(tools)s::smallint[], %(ranks)s::smallint[], %(notes)s::text[], %(round_ids)s::bigint[], %(subjects)s::subject[],
        %(school_ids)s::bigint[], %(first_ranks)s::smallint[], %(first_tools)s::smallint[], %(first_assessors)s::bigint[])
        as w (write_id, result_id, verification_id, state, tested_on, tool, rank, notes, round_id, subject, school_id, first_rank, first_tool,
            first_assessor_id)
), onto as (
    update verification v
    set state = w.state, write_id = w.write_id, verifier_id = %(person_id)s, tested_on = w.tested_on, tool = w.tool, rank = w.rank,
        notes = w.notes, first_rank = w.first_rank, first_tool = w.first_tool, first_assessor_id = w.first_assessor_id,
        version = v.version + 1
    from wanted w
    where v.id = w.verification_id and v.state = 'pending'
    returning v.id, v.write_id, v.version, v.result_id, v.state
), added as (
    insert into verification (result_id, round_id, subject, school_id, state, visible_on, created_by, write_id, verifier_id, tested_on, tool,
        rank, notes, first_rank, first_tool, first_assessor_id, created_at)
    select result_id, round_id, subject, school_id, state, tested_on, %(person_id)s, write_id, %(person_id)s, tested_on, tool, rank, notes,
        first_rank, first_tool, first_assessor_id, %(now)s
    from wanted
    where verification_id is null
    on conflict do nothing
    returning id, write_id, version, result_id, state
), saved as (
    select id, write_id, version, result_id, state from onto
    union all
    select id, write_id, version, result_id, state from added
), verified as (
    update result r
    set is_verified = true, version = r.version + 1, changed_at = %(now)s
    from saved s
    where r.id = s.result_id and s.state = 'agreed'
)
select write_id::text as write_id, id::text as verification_id, version
from saved

-- name: miss_retests
-- Counts that children were not there or did not want to; the re-tests go on waiting. A re-test that nobody asked for isn't kept.
update verification
set missed = least(missed + 1, 100), version = version + 1
where id = any(%(verification_ids)s::uuid[]) and state = 'pending'
returning id::text as id

-- fragment: reached
-- Re-tests (v) of the children (st) whom somebody reaches now.
v.child_school_id = any(%(scope_schools)s)
and (v.subject = 'language' and (v.child_school_id = any(%(language_schools)s) or st.class_id = any(%(language_classes)s))
    or v.subject = 'math' and (v.child_school_id = any(%(math_schools)s) or st.class_id = any(%(math_classes)s)))

-- name: queue
-- Re-tests in some states, the earliest first; whose they are goes by where the child is now. A pending one shows nothing of the first level. Served by verification_queue for a
-- few schools in scope, by verification_waiting, verification_under_way and verification_settled, read in their order as far as a page
-- needs, for many and for those who see everything: `+ 0` keeps it from reading and sorting every re-test of hundreds of schools (150 ms) to show
-- fifty (5 ms).
--! plan each time
select v.id::text as id, v.result_id::text as result_id, st.id::text as student_id, st.code, st.name, st.grade, v.round_id,
    v.subject::text as subject, v.child_school_id as school_id, s.name_local as school_name, v.state::text as state, v.visible_on, r.tested_on as first_tested_on,
    r.tool as first_tool, fp.display_name as first_by, v.missed, v.version, v.tested_on, vp.display_name as verifier_name,
    case when v.state <> 'pending' then v.first_rank end as first_rank, case when v.state <> 'pending' then v.rank end as rank, v.reason,
    v.ended_from::text as ended_from, v.ended_at, v.ended_why, null::text as first_level, null::text as level
from verification v
join result r on r.id = v.result_id and r.deleted_at is null
join student st on st.id = r.student_id and st.deleted_at is null
join school s on s.id = v.child_school_id
join person fp on fp.id = r.assessor_id
left join person vp on vp.id = v.verifier_id
where v.round_id = %(round_id)s
    and (v.state = %(state)s::verification_state or %(state)s is null)
    and (v.state = any(%(states)s::verification_state[]) or %(states)s is null)
    and (not %(is_over)s or v.state = 'withdrawn' or v.ended_from is not null)
    and (v.child_school_id = %(school_id)s or %(school_id)s is null)
    and (v.subject = %(subject)s::subject or %(subject)s is null)
    and (v.draw_id = %(draw_id)s or %(draw_id)s is null)
    and (v.visible_on <= %(visible_on)s or %(visible_on)s is null)
    and (r.assessor_id <> %(but_by)s or %(but_by)s is null)
    and (%(reach)s::text <> 'few' or (
        --> reached
    ))
    and (%(reach)s::text <> 'many' or (
        v.child_school_id + 0 = any(%(scope_schools)s)
        and (v.subject = 'language' and (v.child_school_id + 0 = any(%(language_schools)s) or st.class_id = any(%(language_classes)s))
            or v.subject = 'math' and (v.child_school_id + 0 = any(%(math_schools)s) or st.class_id = any(%(math_classes)s)))))
    and (v.id > %(after_id)s::uuid or %(after_id)s is null)
order by v.id
limit %(rows)s

-- name: list_returned
-- Results returned to whoever entered them, where the child is within their reach now; to the present teachers where it is not.
-- Served by verification_queue and assignment_by_school.
--! plan each time
select v.id::text as id, v.result_id::text as result_id, st.id::text as student_id, st.code, st.name, v.child_school_id as school_id,
    s.name_local as school_name, v.round_id, v.subject::text as subject, v.reason, v.settled_at, v.version
from verification v
join result r on r.id = v.result_id and r.deleted_at is null
join student st on st.id = r.student_id and st.deleted_at is null
join school s on s.id = v.child_school_id
where v.state = 'returned'
    and (%(is_everything)s or (
        --> reached
        -- it is asked of whoever entered it, or of the present teacher, where they come there no more
        and (r.assessor_id = %(person_id)s
            or %(is_teacher)s
            and not (exists (select from person p where p.id = r.assessor_id and p.role in ('admin', 'coordinator') and p.is_active and p.deleted_at is null)
                or exists (
                    select from assignment a
                    join person p on p.id = a.person_id and p.is_active and p.deleted_at is null
                    where a.person_id = r.assessor_id and a.school_id = v.child_school_id and a.subject = v.subject
                        and (a.class_id is null or a.class_id = st.class_id)
                        and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s))))))
    and (v.id > %(after_id)s::uuid or %(after_id)s is null)
order by v.id
limit %(rows)s

-- name: read_verification
-- One re-test with its result; held for a decision, the child first. Served by the primary keys.
with child as materialized (
    select st.id, st.school_id, st.class_id
    from student st
    where st.id = (select r.student_id from result r join verification v on v.result_id = r.id where v.id = %(verification_id)s::uuid)
        and st.deleted_at is null
    --? held: for no key update
)
select v.id::text as id, v.result_id::text as result_id, v.round_id, v.subject::text as subject, v.school_id, v.state::text as state, v.version,
    v.verifier_id, v.first_rank, v.rank, v.stands, v.reason, r.rank as result_rank, r.version as result_version, r.is_verified, r.assessor_id, r.tested_on,
    child.school_id as child_school_id, child.class_id as child_class_id, rd.state::text as round_state, v.visible_on,
    v.ended_from::text as ended_from, v.ended_at, v.ended_why,
    exists (select 1 from round_snapshot sn where sn.round_id = r.round_id and sn.sealed_at is null) as round_is_sealing
from child
join result r on r.student_id = child.id and r.deleted_at is null
join verification v on v.result_id = r.id
join round rd on rd.id = r.round_id
where v.id = %(verification_id)s::uuid
--? held: for update of r, v

-- name: settle_verification
-- Takes a re-test from one state to another if it is still the version that was read.
update verification
set state = %(state)s::verification_state, version = version + 1, stands = %(stands)s, reason = %(reason)s, settled_at = %(now)s,
    settled_by = %(person_id)s
where id = %(verification_id)s::uuid and version = %(version)s and state = %(before)s::verification_state

-- name: who_looks_again
-- Whether the tester of a result still reaches its child, and whether a teacher does. Served by primary keys and assignment_by_school.
select (exists (select from person p where p.id = r.assessor_id and p.role in ('admin', 'coordinator') and p.is_active and p.deleted_at is null)
        or exists (
            select from assignment a
            join person p on p.id = a.person_id and p.is_active and p.deleted_at is null
            where a.person_id = r.assessor_id and a.school_id = v.child_school_id and a.subject = v.subject
                and (a.class_id is null or a.class_id = st.class_id)
                and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s))) as tester_reaches,
    exists (
        select from assignment a
        join person p on p.id = a.person_id and p.role = 'teacher' and p.is_active and p.deleted_at is null
        where a.school_id = v.child_school_id and a.subject = v.subject and (a.class_id is null or a.class_id = st.class_id)
            and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)) as a_teacher_reaches
from verification v
join result r on r.id = v.result_id
join student st on st.id = r.student_id
where v.id = %(verification_id)s::uuid

-- name: answer_returned
-- Ends a returned re-test, and asks for another.
select end_retests(v.result_id, 'answered', %(now)s)
from verification v
where v.id = %(verification_id)s::uuid and v.version = %(version)s and v.state = 'returned'

-- name: verify_result
-- Says that a result is verified, or no longer.
update result
set is_verified = %(is_verified)s, version = version + 1, changed_at = %(now)s
where id = %(result_id)s::uuid and is_verified <> %(is_verified)s and deleted_at is null

-- name: correct_result
-- Gives a result the level of its re-test, keeps what it was, and says that it is verified.
with corrected as (
    update result
    set rank = %(rank)s, is_verified = true, version = version + 1, changed_at = %(now)s
    where id = %(result_id)s::uuid and version = %(version)s and deleted_at is null
    returning id, version
)
insert into result_change (write_id, result_id, version, at, person_id, before, after, reason)
select %(write_id)s::uuid, id, version, %(now)s, %(person_id)s, %(before)s::jsonb, %(after)s::jsonb, %(reason)s
from corrected

-- name: strata
-- How many results of a round and subject could be drawn, by school and level; of a place, by where schools stood in the round. Practice schools and
-- removed children are in none.
-- Served by result_by_school; a draw reads the results of the schools it draws from.
--! plan each time
select r.school_id, r.rank, count(*) as children
from school s
join result r on r.school_id = s.id and r.round_id = %(round_id)s and r.subject = %(subject)s::subject and r.deleted_at is null
    and r.outcome = 'assessed' and not r.is_hidden
where s.deleted_at is null and not s.is_practice
    and (s.id = %(school_id)s or %(school_id)s is null)
    and (s.id = any(array(select schools_in(%(place_id)s::bigint, %(round_id)s::bigint))) or %(place_id)s is null)
group by r.school_id, r.rank
order by r.school_id, r.rank
limit %(rows)s

-- name: insert_draw
-- Notes a draw.
insert into verification_draw (round_id, subject, school_id, place_id, seed, margin, confidence, expected, population, size, visible_on,
    drawn_at, drawn_by)
values (%(round_id)s, %(subject)s::subject, %(school_id)s, %(place_id)s, %(seed)s, %(margin)s, %(confidence)s, %(expected)s, %(population)s,
    %(size)s, %(visible_on)s, %(now)s, %(person_id)s)
returning id

-- name: draw
-- Draws so many results of each school and level, by the hash of seed and result, and has them wait for a re-test. Those under way or
-- verified already are drawn too, and left as they are. How many were added.
with wanted as materialized (
    select w.school_id, w.rank, w.number
    from unnest(%(school_ids)s::bigint[], %(ranks)s::smallint[], %(numbers)s::integer[]) as w (school_id, rank, number)
), ranked as (
    select r.id, r.school_id, r.rank, r.is_verified,
        row_number() over (partition by r.school_id, r.rank order by sha256(convert_to(%(seed)s::text || ':' || r.id::text, 'UTF8')), r.id) as place
    from result r
    where r.school_id = any(%(school_ids)s::bigint[]) and r.round_id = %(round_id)s and r.subject = %(subject)s::subject
        and r.deleted_at is null and r.outcome = 'assessed' and not r.is_hidden
), added as (
    insert into verification (result_id, draw_id, round_id, subject, school_id, visible_on, created_at, created_by)
    select k.id, %(draw_id)s, %(round_id)s, %(subject)s::subject, k.school_id, %(visible_on)s, %(now)s, %(person_id)s
    from ranked k
    join wanted w on w.school_id = k.school_id and w.rank = k.rank and k.place <= w.number
    where not k.is_verified
    order by k.id
    on conflict do nothing
    returning id
)
select count(*) as added
from added

-- name: list_draws
-- The samples of a round, the latest first. Served by verification_draw_by_round and verification_by_draw.
select d.id, d.round_id, d.subject::text as subject, d.school_id, d.place_id, d.seed, d.margin, d.confidence, d.expected, d.population, d.size,
    (select count(distinct v.result_id) from verification v where v.draw_id = d.id) as added, d.visible_on, d.drawn_at, p.display_name as drawn_by
from verification_draw d
join person p on p.id = d.drawn_by
where d.round_id = %(round_id)s
    and (d.id = %(draw_id)s or %(draw_id)s is null)
    and (d.id < %(after_id)s or %(after_id)s is null)
order by d.id desc
limit %(rows)s

-- name: pairs
-- How many re-tested children were at which level first and then, as a whole or by teacher, school or tool; of a place, by where schools stood in the
-- round. Practice schools are in none.
-- Removing a result or its child ends what its re-tests say (trigger result_ends_its_retests), so only of those that ended before the result itself is
-- looked at. Served by verification_compared, which alone is read, and school_practice.
--! plan each time
with counted as (
    select v.first_rank as first, v.rank as second, count(*) as children,
        case %(by)s::text when 'by_teacher' then v.first_assessor_id when 'by_school' then v.school_id when 'by_tool' then coalesce(v.first_tool, 0) end as key
    from verification v
    where v.round_id = %(round_id)s and v.subject = %(subject)s::subject and coalesce(v.ended_from, v.state) in ('agreed', 'disagreed', 'resolved')
        and v.school_id not in (select s.id from school s where s.is_practice)
        and (v.ended_from is null or v.ended_why <> 'removed' and exists (
            select 1 from result r where r.id = v.result_id and r.deleted_at is null and not r.is_hidden))
        and (v.school_id = %(school_id)s::bigint or %(school_id)s::bigint is null)
        and (%(place_id)s::bigint is null or v.school_id in (select schools_in(%(place_id)s::bigint, %(round_id)s::bigint)))
        and (v.school_id = any(%(scope_schools)s::bigint[]) or %(scope_schools)s::bigint[] is null)
    group by 1, 2, 4
    order by 4, 1, 2
    limit %(rows)s
)
select c.first, c.second, c.children, c.key,
    case %(by)s::text when 'by_teacher' then p.display_name when 'by_school' then s.name_local else '' end as name
from counted c
left join person p on %(by)s::text = 'by_teacher' and p.id = c.key
left join school s on %(by)s::text = 'by_school' and s.id = c.key
order by c.key, c.first, c.second
