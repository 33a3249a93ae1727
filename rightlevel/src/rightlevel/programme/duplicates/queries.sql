-- name: children
-- The live children of a school, for comparing them.
select id::text as id, code, name, sex, grade, school_id, class_id, birth_on, age, version, 0 as results
from student
where school_id = %(school_id)s and deleted_at is null and erased_at is null
order by student.id
limit %(rows)s

-- name: said_not
-- Pairs of a school's children of whom somebody said that they are two.
select n.first_id::text as first_id, n.second_id::text as second_id
from not_duplicates n
join student st on st.id = n.first_id
where st.school_id = %(school_id)s
limit 20000

-- name: count_results
-- How many live results each of some children has.
select st.id::text as id, count(r.id)::integer as results
from unnest(%(ids)s::uuid[]) as st (id)
left join result r on r.student_id = st.id and r.deleted_at is null
group by st.id

-- name: hold_results
-- The live results of two records, held, with the locks on them and on their schools. Somebody's lock holds also what is verified; that something
-- is verified holds nothing here: it is carried along, and stands.
select r.id::text as id, r.student_id::text as student_id, r.round_id, r.subject::text as subject, r.outcome::text as outcome, r.tested_on,
    r.changed_at, r.is_verified,
    r.locked_at is not null or exists (
        select 1 from round_school s where s.round_id = r.round_id and s.school_id = r.school_id and s.locked_at is not null) as is_locked,
    rd.state = 'frozen' as is_frozen,
    rd.state = 'frozen' and not exists (
        select 1 from round_snapshot sn where sn.round_id = rd.id and sn.sealed_at is not null) as is_sealing
from result r
join round rd on rd.id = r.round_id
where r.student_id = any(%(ids)s::uuid[]) and r.deleted_at is null
order by r.id
for update of r

-- name: move_results
-- Gives results to a child.
update result
set student_id = %(to_id)s::uuid
where id = any(%(result_ids)s::uuid[])

-- name: lay_down
-- Takes results out of the way for the moment in which another takes their place.
update result
set deleted_at = %(now)s
where id = any(%(result_ids)s::uuid[])

-- name: take_up
-- Puts those results where they belong.
update result
set deleted_at = null, student_id = %(to_id)s::uuid
where id = any(%(result_ids)s::uuid[])

-- name: move_past
-- The years that one record was at school, to the other, but for a closed year that both have. What lies beside a stint that the other has of
-- the same year is told there, and holds no seat: one child sits once. What was set aside before stays so when it goes on to another record
-- (keeps_aside): it lies beside a stint that goes along.
update past_enrolment p
set student_id = %(to_id)s::uuid, is_hidden = (select deleted_at is not null from student where id = %(to_id)s::uuid),
    is_aside = (%(keeps_aside)s::boolean and p.is_aside) or exists (
        select 1
        from base_seat o
        where o.student_id = %(to_id)s::uuid and o.school_year_id = p.school_year_id
            and (p.seat_until is null or o.from_number < p.seat_until) and (o.seat_until is null or p.from_number < o.seat_until))
where p.student_id = %(from_id)s::uuid
    and not (p.closes_year and exists (
        select 1 from past_enrolment o
        where o.student_id = %(to_id)s::uuid and o.closes_year and o.school_year_id = p.school_year_id))
    and (p.id = any(%(ids)s::bigint[]) or %(ids)s is null)
returning p.id

-- name: aside_past
-- The past enrolments of a record that were set aside by an earlier merge. Served by past_enrolment_by_student.
select p.id
from past_enrolment p
where p.student_id = %(student_id)s::uuid and p.is_aside
order by p.id
limit 1000

-- name: set_aside_as_before
-- Past enrolments that came back are set aside exactly as they were before they went.
update past_enrolment p
set is_aside = p.id = any(%(aside)s::bigint[])
where p.id = any(%(ids)s::bigint[]) and p.student_id = %(student_id)s::uuid and p.is_aside <> (p.id = any(%(aside)s::bigint[]))

-- name: tell_seats
-- Where the record that goes stands to this moment, and where it stood but was set aside (aside), told of the child that stays for as long as that one
-- had no seat of that year itself and a fixed roll holds it: a seat of a fixed roll is neither lost nor told twice. Set aside first: only a change is
-- counted, an insert never is.
insert into past_enrolment (student_id, school_id, school_year_id, class_id, grade, sex, until_on, reason, from_number, until_number, is_aside)
select %(to_id)s::uuid, g.school_id, g.school_year_id, g.class_id, g.grade, g.sex, g.until_on, 'merged', lower(part), upper(part), true
from (select nextval('stint_number') as now) number
cross join lateral (
    select st.school_id, st.school_year_id, st.class_id, st.grade, st.sex, told_day(%(now)s) as until_on, st.stint_number as from_number,
        number.now as seat_until
    from student st
    where st.id = %(from_id)s::uuid and st.status = 'active'
    union all
    select p.school_id, p.school_year_id, p.class_id, p.grade, p.sex, p.until_on, p.from_number, coalesce(p.seat_until, number.now)
    from past_enrolment p
    where p.id = any(%(aside)s::bigint[]) and p.student_id = %(to_id)s::uuid and p.is_aside) g
cross join lateral unnest(int8multirange(int8range(g.from_number, g.seat_until)) - coalesce((
    select range_agg(int8range(o.from_number, o.seat_until))
    from base_seat o
    where o.student_id = %(to_id)s::uuid and o.school_year_id = g.school_year_id), '{}')) part
where exists (
    select 1 from round rd where rd.school_year_id = g.school_year_id and rd.roll_number <@ part)
returning id

-- name: seat_told
-- Gives stints that were told their seats, or takes the seats away before the stints go.
update past_enrolment
set is_aside = %(is_aside)s
where id = any(%(ids)s::bigint[]) and student_id = %(student_id)s::uuid

-- name: withdraw_told
-- Takes stints away that a merge told.
delete from past_enrolment
where id = any(%(ids)s::bigint[]) and student_id = %(student_id)s::uuid

-- name: move_members
-- Memberships in groups, but for one that stands beside another of the same group or subject.
update group_member m
set student_id = %(to_id)s::uuid
where m.student_id = %(from_id)s::uuid
    and not (m.left_at is null and exists (
        select 1 from group_member o
        where o.student_id = %(to_id)s::uuid and o.left_at is null
            and (o.group_id = m.group_id or (o.joined_at is not null and m.joined_at is not null and o.subject = m.subject))))
    and (m.id = any(%(ids)s::bigint[]) or %(ids)s is null)
returning m.id

-- name: move_attendance
-- Attendance, but for sessions in which both were marked.
update attendance a
set student_id = %(to_id)s::uuid
where a.student_id = %(from_id)s::uuid
    and not exists (select 1 from attendance o where o.student_id = %(to_id)s::uuid and o.session_id = a.session_id)
    and (a.session_id::text = any(%(ids)s::text[]) or %(ids)s is null)
returning a.session_id::text as id

-- name: move_checks
-- Quick re-tests, but for days on which both were looked at.
update level_check c
set student_id = %(to_id)s::uuid
where c.student_id = %(from_id)s::uuid
    and not exists (
        select 1 from level_check o
        where o.student_id = %(to_id)s::uuid and o.subject = c.subject and o.checked_on = c.checked_on)
    and (c.id::text = any(%(ids)s::text[]) or %(ids)s is null)
returning c.id::text as id

-- name: move_enrolments
-- Enrolments in special programmes, but for one under way that both have.
update intervention_enrolment e
set student_id = %(to_id)s::uuid
where e.student_id = %(from_id)s::uuid
    and not (e.to_on is null and exists (
        select 1 from intervention_enrolment o
        where o.student_id = %(to_id)s::uuid and o.to_on is null and o.intervention_id = e.intervention_id))
    and (e.id::text = any(%(ids)s::text[]) or %(ids)s is null)
returning e.id::text as id

-- name: put_away
-- The record that went into the other is deleted, and points at it.
update student
set deleted_at = %(now)s, deleted_by = %(person_id)s, delete_reason = 'merged', merged_into = %(kept_id)s::uuid, version = version + 1
where id = %(gone_id)s::uuid and version = %(version)s and deleted_at is null and merged_into is null

-- name: bring_back
-- The record is there by itself again.
update student
set deleted_at = null, deleted_by = null, delete_reason = null, merged_into = null, version = version + 1
where id = %(gone_id)s::uuid and merged_into = %(kept_id)s::uuid

-- name: insert_merge
-- Keeps what was done.
insert into student_merge (kept_id, gone_id, moved, reason, merged_at, merged_by)
values (%(kept_id)s::uuid, %(gone_id)s::uuid, %(moved)s::jsonb, %(reason)s, %(now)s, %(person_id)s)
returning id::text as id

-- name: hold_merge
-- A merge that stands, held.
select m.id::text as id, m.kept_id::text as kept_id, m.gone_id::text as gone_id, m.moved
from student_merge m
where m.id = %(merge_id)s::uuid and m.undone_at is null
for update

-- name: has_later_merge
-- Whether another record was merged into the same child after a merge, and still is. Served by student_merge_by_kept.
select exists (
    select 1
    from student_merge m
    join student_merge later on later.kept_id = m.kept_id and later.undone_at is null and (later.merged_at, later.id) > (m.merged_at, m.id)
    where m.id = %(merge_id)s::uuid) as has_later

-- name: is_erased
-- Whether one of some children was erased. Served by the primary key.
select exists (select 1 from student where id = any(%(ids)s::uuid[]) and erased_at is not null) as is_erased

-- name: end_merge
-- Says that a merge was taken back.
update student_merge
set undone_at = %(now)s, undone_by = %(person_id)s, undo_reason = %(reason)s
where id = %(merge_id)s::uuid and undone_at is null

-- fragment: shown_merge
-- What is shown of a merge.
select m.id::text as id, m.kept_id::text as kept_id, k.name as kept_name, k.code as kept_code, m.gone_id::text as gone_id, g.name as gone_name,
    g.code as gone_code, m.reason, jsonb_array_length(coalesce(m.moved -> 'results', '[]'))::integer as results,
    coalesce((m.moved ->> 'set_aside')::integer, 0) as set_aside, m.merged_at, p.display_name as merged_by, m.undone_at
from student_merge m
join student k on k.id = m.kept_id
join student g on g.id = m.gone_id
join person p on p.id = m.merged_by

-- name: list_merges
-- The merges of a school's children, the latest first; one that was taken back while both are there: who went elsewhere since is named to nobody
-- here. Served by student_by_school, student_deleted_by_school and student_merge_by_kept.
--! plan each time
--> shown_merge
where m.id = any(array(
        select o.id
        from (
            select st.id from student st where st.school_id = %(school_id)s and st.deleted_at is null
            union all
            select st.id from student st where st.school_id = %(school_id)s and st.deleted_at is not null) c
        cross join lateral (select n.id from student_merge n where n.kept_id = c.id offset 0) o))
    and (m.undone_at is null or g.school_id = k.school_id)
    and ((m.merged_at, m.id) < (%(after_at)s::timestamptz, %(after_id)s::uuid) or %(after_at)s is null)
order by m.merged_at desc, m.id desc
limit %(rows)s

-- name: read_merge
-- One merge. Served by the primary key.
--> shown_merge
where m.id = %(merge_id)s::uuid

-- name: say_not
-- Remembers that two records are two children.
insert into not_duplicates (first_id, second_id, said_at, said_by)
values (least(%(one)s::uuid, %(other)s::uuid), greatest(%(one)s::uuid, %(other)s::uuid), %(now)s, %(person_id)s)
on conflict do nothing

-- name: renames
-- Names of children that were changed since a moment, the latest first, but for those that somebody has decided on. Served by student_change_of_name.
--! plan each time
select c.id, c.student_id::text as student_id, st.version, st.code, st.school_id, s.name_local as school_name, c.before ->> 'name' as name_before,
    c.after ->> 'name' as name_after, st.name as name_now, c.at, p.display_name as by, c.deed, c.reason
from student_change c
join student st on st.id = c.student_id and st.deleted_at is null and st.erased_at is null
join school s on s.id = st.school_id
left join person p on p.id = c.person_id
where c.before ? 'name' and c.settled_as is null and c.deed <> 'put_back' and c.at >= %(since)s
    and (st.school_id = %(school_id)s or %(school_id)s is null)
    and ((c.at, c.id) < (%(after_at)s::timestamptz, %(after_id)s::bigint) or %(after_at)s is null)
order by c.at desc, c.id desc
limit %(rows)s

-- name: name_change
-- One change of a child's name, held. Served by the primary key.
select c.id, c.student_id::text as student_id, c.before, c.after
from student_change c
where c.id = %(id)s and c.before ? 'name'
for update

-- name: settle_rename
-- Writes down what somebody decided about another name, once.
update student_change
set settled_as = %(settled_as)s, settled_at = %(now)s, settled_by = %(by)s
where id = %(id)s and settled_as is null
