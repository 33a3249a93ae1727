-- name: split
-- The levels that learn together, by subject. Served by the primary key.
select value
from setting
where key = 'group_split'

-- name: save_split
-- Puts another split in its place.
update setting
set value = %(value)s::jsonb, changed_at = %(now)s
where key = 'group_split'

-- name: hold_school
-- Lets one writer at a time change the groups of a school; nobody who only refers to the school waits. Served by the primary key.
select id
from school
where id = %(school_id)s and deleted_at is null
for no key update

-- name: latest_levels
-- The active children of a school and grade span with their latest valid level: of the latest round's assessed result, or of a newer quick
-- re-test. Served by student_by_school, result_is_unique and level_check_is_one_a_day.
select st.id::text as student_id, st.name, st.grade::integer as grade,
    case when c.checked_on > r.tested_on or r.rank is null then c.rank else r.rank end::integer as rank,
    case when c.checked_on > r.tested_on or r.rank is null then c.checked_on else r.tested_on end as tested_on,
    coalesce(c.checked_on > r.tested_on, c.rank is not null) as is_check
from student st
left join lateral (
    select e.rank, e.tested_on
    from result e
    join round rd on rd.id = e.round_id
    join scale sc on sc.key = case e.subject when 'language' then rd.language_scale else rd.math_scale end and sc.codes = %(codes)s::text[]
    where e.student_id = st.id and e.subject = %(subject)s::subject and e.deleted_at is null and not e.is_hidden and e.outcome = 'assessed'
        and rd.deleted_at is null
    order by rd.starts_on desc
    limit 1
) r on true
left join lateral (
    select k.rank, k.checked_on
    from level_check k
    join scale sc on case when k.scale is null then sc.subject = k.subject and sc.is_default else sc.key = k.scale end and sc.codes = %(codes)s::text[]
    where k.student_id = st.id and k.subject = %(subject)s::subject
    order by k.checked_on desc
    limit 1
) c on true
where st.school_id = %(school_id)s and st.deleted_at is null and st.status = 'active' and st.grade between %(grade_from)s and %(grade_to)s
order by st.name_key, st.id
limit %(rows)s

-- name: teachers
-- Who may lead a group of a school and subject: active teachers with a running assignment there. Served by assignment_by_school.
select distinct p.id, p.display_name as name
from assignment a
join person p on p.id = a.person_id and p.role = 'teacher' and p.is_active and p.deleted_at is null
where a.school_id = %(school_id)s and a.subject = %(subject)s::subject and a.ended_at is null
    and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
order by p.display_name, p.id
limit 200

-- name: drop_proposal
-- Takes away the proposal of a school and subject, with its groups. Served by grouping_one_proposal.
delete from grouping
where school_id = %(school_id)s and subject = %(subject)s::subject and state = 'proposed'

-- name: insert_grouping
-- Keeps a proposal.
insert into grouping (school_id, subject, grade_from, grade_to, bands, target_size, made_at, made_by)
values (%(school_id)s, %(subject)s::subject, %(grade_from)s, %(grade_to)s, %(bands)s::jsonb, %(target_size)s, %(now)s, %(person_id)s)
returning id

-- name: insert_groups
-- Keeps the groups of a proposal with their children, in one statement.
with made as (
    insert into teaching_group (grouping_id, band, number, teacher_id)
    select %(grouping_id)s, g.band, g.number, g.teacher_id
    from unnest(%(bands)s::smallint[], %(numbers)s::smallint[], %(teacher_ids)s::bigint[]) as g (band, number, teacher_id)
    returning id, band, number
)
insert into group_member (group_id, student_id, subject)
select made.id, m.student_id, %(subject)s::subject
from unnest(%(member_bands)s::smallint[], %(member_numbers)s::smallint[], %(student_ids)s::uuid[]) as m (band, number, student_id)
join made on made.band = m.band and made.number = m.number

-- name: groupings
-- The divisions of a school and subject that stand or are proposed. Served by grouping_by_school.
--! plan each time
select gr.id, gr.school_id, gr.subject::text as subject, gr.grade_from::integer as grade_from, gr.grade_to::integer as grade_to, gr.bands,
    gr.target_size::integer as target_size, gr.state, gr.version, gr.made_at, p.display_name as made_by_name, gr.accepted_at
from grouping gr
join person p on p.id = gr.made_by
where (gr.id = %(grouping_id)s or %(grouping_id)s is null)
    and (%(school_id)s::bigint is null
        or gr.school_id = %(school_id)s and gr.subject = %(subject)s::subject and gr.state in ('proposed', 'accepted'))
order by gr.state, gr.grade_from, gr.id
limit 20
--? for_update: for update of gr

-- name: groups
-- Groups with how many children are in them, or were in one that was replaced, lowest band first. Served by teaching_group_is_unique and
-- group_member_by_group.
--! plan each time
select g.id, g.grouping_id, gr.school_id, gr.subject::text as subject, g.band::integer as band, g.number::integer as number,
    gr.bands -> (g.band - 1) as levels, g.teacher_id, p.display_name as teacher_name,
    (select count(*) from members_of_group(g.id, null))::integer as children,
    gr.target_size::integer as target_size, gr.state, g.version
from teaching_group g
join grouping gr on gr.id = g.grouping_id
left join person p on p.id = g.teacher_id
where (g.id = %(group_id)s or %(group_id)s is null)
    and (g.grouping_id = any(%(grouping_ids)s::bigint[]) or %(grouping_ids)s is null)
    and (g.teacher_id = %(teacher_id)s or %(teacher_id)s is null)
    and (gr.school_id = any(%(school_ids)s::bigint[]) or %(school_ids)s is null)
    and (gr.state = 'accepted' or not %(is_in_use)s)
order by gr.subject, gr.grade_from, gr.id, g.band, g.number
limit %(rows)s

-- name: members
-- The children of a group, or of one that was replaced as it was, whom somebody may see, each with its latest valid level. Served by group_member_is_unique, result_is_unique and
-- level_check_is_one_a_day. What waits for a blind re-test shows no level to those who might do it.
select st.id::text as student_id, st.code, st.name, st.sex::integer as sex, st.grade::integer as grade,
    case when c.checked_on > r.tested_on or r.rank is null then c.code when r.is_blind then null else r.code end as level,
    case when c.checked_on > r.tested_on or r.rank is null then c.checked_on when r.is_blind then null else r.tested_on end as tested_on,
    coalesce(c.checked_on > r.tested_on, c.rank is not null) as is_check
from teaching_group g
join grouping gr on gr.id = g.grouping_id
cross join lateral (select w.id as student_id, gr.subject from members_of_group(g.id, null) w (id)) m
join student st on st.id = m.student_id
left join lateral (
    select e.rank, sc.codes[e.rank] as code, e.tested_on,
        %(is_verifier)s and exists (select 1 from verification v where v.result_id = e.id and v.state = 'pending' offset 0) and e.assessor_id <> %(person_id)s as is_blind
    from result e
    join round rd on rd.id = e.round_id
    join scale sc on sc.key = case e.subject when 'language' then rd.language_scale else rd.math_scale end
    where e.student_id = st.id and e.subject = m.subject and e.deleted_at is null and not e.is_hidden and e.outcome = 'assessed'
        and rd.deleted_at is null
    order by rd.starts_on desc
    limit 1
) r on true
left join lateral (
    select k.rank, sc.codes[k.rank] as code, k.checked_on
    from level_check k
    join scale sc on case when k.scale is null then sc.subject = k.subject and sc.is_default else sc.key = k.scale end
    where k.student_id = st.id and k.subject = m.subject
    order by k.checked_on desc
    limit 1
) c on true
where g.id = %(group_id)s
    and (%(is_everything)s or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
order by st.name_key, st.id
limit %(rows)s

-- fragment: ungrouped
-- Active children of a span, with what is known of their level.
select st.id::text as student_id, st.code, st.name, st.grade::integer as grade,
    coalesce(
        (select sc.codes[k.rank] from level_check k
            join scale sc on case when k.scale is null then sc.subject = k.subject and sc.is_default else sc.key = k.scale end
            where k.student_id = st.id and k.subject = %(subject)s::subject order by k.checked_on desc limit 1),
        (select sc.codes[r.rank] from result r join round rd on rd.id = r.round_id and rd.deleted_at is null
            join scale sc on sc.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end
            where r.student_id = st.id and r.subject = %(subject)s::subject and r.deleted_at is null and not r.is_hidden and r.outcome = 'assessed'
                and not (%(is_verifier)s and exists (select 1 from verification v where v.result_id = r.id and v.state = 'pending' offset 0))
            order by rd.starts_on desc limit 1)) as level
from student st
where st.school_id = %(school_id)s and st.deleted_at is null and st.status = 'active' and st.grade between %(grade_from)s and %(grade_to)s
    and (%(is_everything)s or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
    and ((st.name_key, st.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s::uuid) or %(after_id)s is null)

-- name: ungrouped_of_accepted
-- Active children of an accepted span that are in no group of the subject. Served by student_by_school and group_member_is_in_one_group.
--> ungrouped
    and not exists (
        select 1 from group_member m
        where m.student_id = st.id and m.subject = %(subject)s::subject and m.joined_at is not null and m.left_at is null)
order by st.name_key, st.id
limit %(rows)s

-- name: ungrouped_of_proposed
-- Active children of a proposed span that are in none of its groups. Served by student_by_school and group_member_is_unique.
--> ungrouped
    and not exists (
        select 1 from group_member m join teaching_group g on g.id = m.group_id
        where m.student_id = st.id and m.subject = %(subject)s::subject and m.left_at is null and g.grouping_id = %(grouping_id)s)
order by st.name_key, st.id
limit %(rows)s

-- name: leave_replaced
-- Ends the membership of every child of the divisions that a new one replaces. Served by grouping_by_school.
with replaced as (
    update grouping
    set state = 'replaced', replaced_on = %(today)s, version = version + 1
    where school_id = %(school_id)s and subject = %(subject)s::subject and state = 'accepted' and id <> %(grouping_id)s
        and grade_from <= %(grade_to)s and grade_to >= %(grade_from)s
    returning id
)
update group_member m
set left_at = greatest(%(now)s, m.joined_at)
from teaching_group g
join replaced on replaced.id = g.grouping_id
where g.id = m.group_id and m.joined_at is not null and m.left_at is null

-- name: accept
-- Makes a proposal the division that stands; no row when it is another version by now. Served by the primary key.
update grouping
set state = 'accepted', accepted_at = %(now)s, accepted_by = %(person_id)s, version = version + 1
where id = %(grouping_id)s and version = %(version)s and state = 'proposed'

-- name: drop_gone
-- Takes out of a proposal the children that have left the school or its grades since, or are in another group meanwhile.
delete from group_member m
using teaching_group g, student st
where g.id = m.group_id and g.grouping_id = %(grouping_id)s and st.id = m.student_id
    and (st.deleted_at is not null or st.status <> 'active' or st.school_id <> %(school_id)s
        or exists (select 1 from group_member o where o.student_id = m.student_id and o.subject = m.subject
            and o.joined_at is not null and o.left_at is null and o.group_id <> m.group_id))

-- name: leave_elsewhere
-- Ends memberships at schools that these children have left: a child that moved belongs to its new school's groups.
update group_member m
set left_at = greatest(%(now)s, m.joined_at)
from group_member w, teaching_group wg, teaching_group g, grouping gr
where wg.grouping_id = %(grouping_id)s and w.group_id = wg.id and m.student_id = w.student_id and m.subject = w.subject
    and m.joined_at is not null and m.left_at is null and g.id = m.group_id and gr.id = g.grouping_id and gr.school_id <> %(school_id)s

-- name: join_all
-- The children of a proposal are in their groups from now on.
update group_member m
set joined_at = %(now)s
from teaching_group g
where g.id = m.group_id and g.grouping_id = %(grouping_id)s and m.joined_at is null

-- name: set_teacher
-- Gives a group to a teacher; no row when it is another version by now. Served by the primary key.
update teaching_group
set teacher_id = %(teacher_id)s, version = version + 1
where id = %(group_id)s and version = %(version)s

-- name: leave
-- Ends a child's membership in a group; no row when it isn't there any more. Served by group_member_is_unique.
update group_member
set left_at = greatest(%(now)s, joined_at)
where group_id = %(group_id)s and student_id = %(student_id)s::uuid and left_at is null and joined_at is not null

-- name: leave_former_school
-- Ends a child's membership of a subject at a school it has left. Served by group_member_is_in_one_group.
update group_member m
set left_at = greatest(%(now)s, m.joined_at)
from teaching_group g, grouping gr
where m.student_id = %(student_id)s::uuid and m.subject = %(subject)s::subject and m.joined_at is not null and m.left_at is null
    and g.id = m.group_id and gr.id = g.grouping_id and gr.school_id <> %(school_id)s

-- name: join
-- Puts a child into a group of a division that stands.
insert into group_member (group_id, student_id, subject, came, joined_at)
values (%(group_id)s, %(student_id)s::uuid, %(subject)s::subject, %(came)s, %(now)s)

-- name: write_check
-- Saves a quick re-test, or nothing where the child was tested that day or the id is used. Served by level_check_is_one_a_day.
insert into level_check (id, student_id, school_id, subject, rank, checked_on, person_id, created_at, scale)
values (%(id)s::uuid, %(student_id)s::uuid, %(school_id)s, %(subject)s::subject, %(rank)s, %(checked_on)s, %(person_id)s, %(now)s, %(scale)s::uuid)
on conflict do nothing

-- name: change_check
-- Corrects the quick re-test of a day; no row when it is another version by now. Served by level_check_is_one_a_day.
update level_check
set rank = %(rank)s, scale = %(scale)s::uuid, person_id = %(person_id)s, version = version + 1
where student_id = %(student_id)s::uuid and subject = %(subject)s::subject and checked_on = %(checked_on)s and version = %(version)s

-- fragment: shown_check
-- What is shown of a quick re-test.
select k.id::text as id, k.student_id::text as student_id, k.subject::text as subject, sc.codes[k.rank] as level, k.checked_on, k.version,
    p.display_name as person_name
from level_check k
join person p on p.id = k.person_id
join scale sc on case when k.scale is null then sc.subject = k.subject and sc.is_default else sc.key = k.scale end

-- name: check_by_id
-- A quick re-test by its write's id. Served by the primary key.
--> shown_check
where k.id = %(id)s::uuid

-- name: check_by_day
-- The quick re-test of a child, subject and day. Served by level_check_is_one_a_day.
--> shown_check
where k.student_id = %(student_id)s::uuid and k.subject = %(subject)s::subject and k.checked_on = %(checked_on)s

-- name: checks
-- The quick re-tests of a child, newest first. Served by level_check_is_one_a_day.
--> shown_check
where k.student_id = %(student_id)s::uuid and k.subject = any(%(subjects)s::subject[])
    and ((k.checked_on, k.id) < (select a.checked_on, a.id from level_check a where a.id = %(after_id)s::uuid) or %(after_id)s is null)
order by k.checked_on desc, k.id desc
limit %(rows)s

-- fragment: page_of_checks
-- Those of a school and subject, a page of them child by child.
    and (st.school_id = %(school_id)s or %(school_id)s is null)
    and (k.subject = %(subject)s::subject or %(subject)s is null)
    and (%(after_id)s::uuid is null or (k.student_id, k.subject, k.checked_on)
        > (select a.student_id, a.subject, a.checked_on from level_check a where a.id = %(after_id)s))
order by k.student_id, k.subject, k.checked_on
limit %(rows)s

-- name: checks_of_everybody
-- A page of all quick re-tests, child by child. Served by level_check_is_one_a_day, and of one school by student_by_school.
--! plan each time
--> shown_check
join student st on st.id = k.student_id
where st.deleted_at is null
--> page_of_checks

-- name: checks_in_scope
-- A page of the quick re-tests of the children whom somebody's assignments reach, child by child. Served by student_by_school and level_check_is_one_a_day.
--! plan each time
--> shown_check
join student st on st.id = k.student_id
where st.deleted_at is null and st.school_id = any(%(held_schools)s)
    and exists (
        select 1
        from unnest(%(held_schools)s::bigint[], %(held_subjects)s::text[], %(held_classes)s::bigint[]) h (school_id, subject, class_id)
        where h.school_id = st.school_id and h.subject = k.subject::text and (h.class_id is null or h.class_id = st.class_id))
--> page_of_checks

-- name: groupings_listed
-- A page of all divisions, also those that were replaced, the newest first. Served by the primary key, of some schools by grouping_by_school.
--! plan each time
select gr.id, gr.school_id, gr.subject::text as subject, gr.grade_from::integer as grade_from, gr.grade_to::integer as grade_to, gr.bands,
    gr.target_size::integer as target_size, gr.state, gr.version, gr.made_at, p.display_name as made_by_name, gr.accepted_at
from grouping gr
join person p on p.id = gr.made_by
where (%(held_schools)s::bigint[] is null or gr.school_id = any(%(held_schools)s))
    and (%(held_schools)s is null or (gr.school_id, gr.subject::text) in (
        select h.school_id, h.subject from unnest(%(held_schools)s, %(held_subjects)s::text[]) h (school_id, subject)))
    and (gr.school_id = %(school_id)s or %(school_id)s is null)
    and (gr.subject = %(subject)s::subject or %(subject)s is null)
    and (gr.id < %(after_id)s or %(after_id)s is null)
order by gr.id desc
limit %(rows)s

-- name: rechecked
-- The children of accepted groups that were tested again since they joined, with their last two re-tests (oldest first) and how they came.
-- Served by grouping_by_school, group_member_is_unique and level_check_is_one_a_day.
select st.id::text as student_id, st.code, st.name, st.grade::integer as grade, g.id as group_id, g.band::integer as band,
    g.number::integer as number, gr.id as grouping_id, gr.bands, m.came::integer as came, k.ranks, k.last_on, k.check_id::text as check_id, k.check_version
from grouping gr
join teaching_group g on g.grouping_id = gr.id
join group_member m on m.group_id = g.id and m.joined_at is not null and m.left_at is null
join student st on st.id = m.student_id and st.deleted_at is null and st.status = 'active' and st.school_id = gr.school_id
join lateral (
    select array_agg(c.rank::integer order by c.checked_on) as ranks, max(c.checked_on) as last_on,
        (array_agg(c.id order by c.checked_on desc))[1] as check_id, (array_agg(c.version order by c.checked_on desc))[1] as check_version
    from (
        select e.id, e.rank, e.checked_on, e.version
        from level_check e
        join scale sc on case when e.scale is null then sc.subject = e.subject and sc.is_default else sc.key = e.scale end and sc.codes = %(codes)s::text[]
        where e.student_id = st.id and e.subject = m.subject and e.created_at >= m.joined_at
        order by e.checked_on desc
        limit 2
    ) c
) k on k.ranks is not null
where gr.school_id = %(school_id)s and gr.subject = %(subject)s::subject and gr.state = 'accepted'
    and (st.id = %(student_id)s::uuid or %(student_id)s is null)
    and (%(is_everything)s or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
order by st.name_key, st.id
limit %(rows)s

-- name: hold_member
-- Holds a child's place in a group until this transaction ends. Served by group_member_is_unique.
select id
from group_member
where group_id = %(group_id)s and student_id = %(student_id)s::uuid and left_at is null and joined_at is not null
for update

-- name: kept_place
-- Where the child is whose record a merged one went into. Served by the primary key.
select k.id::text as student_id, k.school_id, k.class_id
from student st
join student k on k.id = kept_student(st.id) and k.deleted_at is null
where st.id = %(student_id)s::uuid and st.merged_into is not null
limit 1

-- name: children_to_check
-- What quick re-tests are judged by: where each child is. Served by the primary key.
select st.id::text as student_id, st.school_id, st.class_id
from student st
where st.id = any(%(student_ids)s::uuid[]) and st.deleted_at is null and st.status = 'active'
order by st.id
