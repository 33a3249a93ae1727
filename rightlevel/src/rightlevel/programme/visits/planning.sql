-- name: insert_planned
-- Plans a visit, once.
insert into planned_visit (id, school_id, subject, mentor_id, planned_on, note, created_at, created_by, changed_at)
values (%(id)s::uuid, %(school_id)s, %(subject)s::subject, %(mentor_id)s, %(planned_on)s, %(note)s, %(now)s, %(person_id)s, %(now)s)
on conflict do nothing

-- name: read_mentor
-- Whether somebody is a mentor who works at a school for a subject, or a leader, who may go anywhere. Served by the primary key.
select exists (
    select 1 from person p
    where p.id = %(mentor_id)s and p.deleted_at is null and p.is_active and (p.role in ('admin', 'coordinator') or p.role = 'mentor' and exists (
        select 1 from assignment a
        where a.person_id = p.id and a.school_id = %(school_id)s and a.subject = %(subject)s::subject and a.ended_at is null
            and a.from_on <= %(planned_on)s and (a.to_on is null or a.to_on >= %(planned_on)s)))) as may_go

-- name: read_planned
-- One planned visit. Served by the primary key.
select v.id::text as id, v.school_id, s.name_local as school_name, v.subject::text as subject, v.mentor_id, m.display_name as mentor_name,
    v.planned_on, v.note, v.state::text as state, v.visit_id::text as visit_id, v.version, p.name_local as place_name, s.latitude, s.longitude,
    v.changed_at
from planned_visit v
join school s on s.id = v.school_id
join place p on p.id = s.place_id
join person m on m.id = v.mentor_id
where v.id = %(planned_id)s::uuid
--? for_update: for update of v

-- name: move_planned
-- Gives a planned visit another day, if it is still the version that was read.
update planned_visit
set planned_on = %(planned_on)s, version = version + 1, changed_at = %(now)s
where id = %(id)s::uuid and version = %(version)s and state = 'planned'

-- name: cancel_planned
-- Cancels a planned visit, if it is still the version that was read.
update planned_visit
set state = 'cancelled', cancel_reason = %(reason)s, version = version + 1, changed_at = %(now)s
where id = %(id)s::uuid and version = %(version)s and state = 'planned'

-- name: fulfil_planned
-- What a visit fulfils: everything planned there for its mentor until a week after it. Served by planned_visit_by_mentor.
update planned_visit
set state = 'done', visit_id = %(visit_id)s::uuid, version = version + 1, changed_at = %(now)s
where mentor_id = %(mentor_id)s and school_id = %(school_id)s and subject = %(subject)s::subject and state = 'planned'
    and planned_on <= %(until_on)s

-- name: plan_again
-- What a visit that is taken away had fulfilled is planned again, unless it was planned anew. Served by planned_visit_by_visit.
update planned_visit v
set state = 'planned', visit_id = null, version = v.version + 1, changed_at = %(now)s
where v.visit_id = %(visit_id)s::uuid and not exists (
    select 1 from planned_visit o
    where o.mentor_id = v.mentor_id and o.school_id = v.school_id and o.subject = v.subject and o.planned_on = v.planned_on
        and o.state = 'planned')

-- name: list_planned
-- Planned visits by day. Served by planned_visit_by_mentor, planned_visit_by_school or planned_visit_by_day.
--! plan each time
select v.id::text as id, v.school_id, s.name_local as school_name, v.subject::text as subject, v.mentor_id, m.display_name as mentor_name,
    v.planned_on, v.note, v.state::text as state, v.visit_id::text as visit_id, v.version, p.name_local as place_name, s.latitude, s.longitude,
    v.changed_at
from planned_visit v
join school s on s.id = v.school_id and s.deleted_at is null
join place p on p.id = s.place_id
join person m on m.id = v.mentor_id
where true
    and case %(which)s::text when 'planned' then v.state = 'planned' when 'overdue' then v.state = 'planned' and v.planned_on < %(today)s::date
        else true end
    and (v.mentor_id = %(person_id)s::bigint or v.school_id = any(%(scope_schools)s::bigint[]) and exists (
        select 1 from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject)
        where h.school_id = v.school_id and h.subject = v.subject)
        or %(scope_schools)s::bigint[] is null)
    and (v.mentor_id = %(mentor_id)s::bigint or %(mentor_id)s::bigint is null)
    and (v.school_id = %(school_id)s::bigint or %(school_id)s::bigint is null)
    and (v.planned_on >= %(from_on)s::date or %(from_on)s::date is null)
    and ((v.planned_on, v.id) > (%(after_on)s::date, %(after_id)s::uuid) or %(after_id)s::uuid is null)
order by v.planned_on, v.id
limit %(rows)s

-- name: count_to_do
-- What waits for a mentor: planned visits that are overdue, drafts that were not sent, and follow-ups of theirs that are overdue. Served by
-- planned_visit_by_mentor, visit_by_mentor and follow_up_open_by_owner.
select
    (select count(*) from planned_visit p join school s on s.id = p.school_id and s.deleted_at is null
        where p.mentor_id = %(person_id)s and p.state = 'planned' and p.planned_on < %(today)s) as overdue,
    (select count(*) from visit v where v.mentor_id = %(person_id)s and v.state = 'draft' and v.deleted_at is null
        and (%(is_everything)s or (v.school_id, v.subject) in (
            select h.school_id, h.subject from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject)))) as drafts,
    (select count(*) from follow_up f join visit v on v.id = f.visit_id and v.deleted_at is null
        where f.owner_id = %(person_id)s and f.state = 'open' and f.due_on < %(today)s) as follow_ups

-- name: read_rules
-- How next week is ranked, as leaders set it.
select (select value::text from setting where key = 'next_week') as rules

-- name: keep_rules
-- Sets how next week is ranked.
insert into setting (key, value) values ('next_week', %(rules)s::jsonb)
on conflict (key) do update set value = excluded.value, changed_at = now()

-- name: next_week
-- The schools of one mentor by how much a visit is called for, each part of the rank from 0 to 1 and beside it what it was made of. Counts
-- come from the aggregates, never from results. Served by assignment (person), visit_by_school, planned_visit_by_mentor, the primary keys of
-- school_count and school_enrolled, verification_compared and visit_by_mentor. Practice schools are in no ranking.
with held as materialized (
    select a.school_id, array_agg(distinct a.subject) as subjects
    from assignment a
    where a.person_id = %(mentor_id)s and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
    group by a.school_id
    order by a.school_id
    limit %(most_schools)s
), rounds as materialized (
    select r.id, r.school_year_id, r.state, r.kind, r.language_scale, r.math_scale, row_number() over (order by r.starts_on desc) as nth
    from round r
    where r.deleted_at is null and r.state <> 'planned' and r.starts_on <= %(today)s
    order by r.starts_on desc
    limit 2
), here as materialized (
    select s.id, s.latitude, s.longitude
    from visit v
    join school s on s.id = v.school_id
    where v.mentor_id = %(mentor_id)s and v.state = 'submitted' and v.deleted_at is null and s.latitude is not null
    order by v.visited_on desc, v.id desc
    limit 1
), counted as materialized (
    select h.school_id, c.subject, r.nth, r.kind, k.codes, sum(c.absent + c.refused + c.went + n.tested) as recorded, sum(n.tested) as tested,
        sum(n.ranks) as ranks
    from held h
    cross join rounds r
    join school_count c on c.school_id = h.school_id and c.round_id = r.id and c.subject = any(h.subjects)
    join scale k on k.key = case c.subject when 'language' then r.language_scale else r.math_scale end
    cross join lateral (select
        c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9 as tested,
        c.rank_1 + 2 * c.rank_2 + 3 * c.rank_3 + 4 * c.rank_4 + 5 * c.rank_5 + 6 * c.rank_6 + 7 * c.rank_7 + 8 * c.rank_8 + 9 * c.rank_9
            as ranks) n
    group by h.school_id, c.subject, r.nth, r.kind, k.codes
), moved as materialized (
    -- Each subject by itself, for their ladders differ: the one that moved least speaks for the school.
    select distinct on (n.school_id) n.school_id, n.subject, b.kind as from_round, n.kind as to_round, b.tested as tested_before,
        n.tested as tested_now, (n.ranks / n.tested - b.ranks / b.tested)::float8 as shift
    from counted n
    join counted b on b.school_id = n.school_id and b.subject = n.subject and b.nth = 2 and b.codes = n.codes
    where n.nth = 1 and n.tested >= %(least)s and b.tested >= %(least)s
    order by n.school_id, shift, n.subject
), known as (
    select s.id as school_id, s.name_local as school_name, p.name_local as place_name, h.subjects,
        (select max(v.visited_on) from visit v where v.school_id = s.id and v.state = 'submitted' and v.deleted_at is null) as last_on,
        (select min(x.planned_on) from planned_visit x where x.mentor_id = %(mentor_id)s and x.school_id = s.id and x.state = 'planned')
            as planned_on,
        m.shift, m.subject as shift_subject, m.from_round, m.to_round, m.tested_before, m.tested_now,
        case when r.id is not null and e.children > 0
            then least(1, coalesce((select sum(c.recorded) from counted c where c.school_id = h.school_id and c.nth = 1), 0)::float8
                / e.children) end as covered,
        g.agreed, g.compared,
        case when s.latitude is not null and s.id <> here.id then 2 * 6371.0088 * asin(least(1, sqrt(
            power(sin(radians(s.latitude - here.latitude) / 2), 2)
            + cos(radians(s.latitude)) * cos(radians(here.latitude)) * power(sin(radians(s.longitude - here.longitude) / 2), 2)))) end as km
    from held h
    join school s on s.id = h.school_id and s.deleted_at is null and not s.is_practice and s.status = 'open'
    join place p on p.id = s.place_id
    left join here on true
    left join moved m on m.school_id = h.school_id
    left join rounds r on r.nth = 1 and r.state = 'open'
    left join lateral (
        -- the seats of both subjects: all of the roll, or the enrolled of the year with what results change about them
        select sum(x.children)::float8 as children
        from (
            select k.children from school_roll k
            where k.school_id = h.school_id and k.round_id = r.id and k.subject = any(h.subjects)
            union all
            select n.children * cardinality(h.subjects) from school_enrolled n
            join round unfixed on unfixed.id = r.id and unfixed.roll_number is null
            where n.school_id = h.school_id and n.school_year_id = r.school_year_id) x) e on true
    left join lateral (
        select count(*) filter (where w.rank = w.first_rank) as agreed, count(*) as compared
        from verification w
        where w.school_id = h.school_id and w.subject = any(h.subjects) and w.round_id in (select id from rounds)
            and coalesce(w.ended_from, w.state) in ('agreed', 'disagreed', 'resolved')) g on true
), judged as (
    select k.school_id, k.school_name, k.place_name, k.subjects, k.last_on, k.planned_on, k.shift, k.shift_subject, k.from_round, k.to_round,
        k.tested_before, k.tested_now, k.covered, k.km,
        case when k.compared >= %(least)s then k.agreed::float8 / k.compared end as agreement,
        case when k.planned_on < %(today)s or k.last_on is null then 1
            else least(1, greatest(0, (%(today)s::date + 7 - k.last_on - %(every_days)s)::float8 / %(every_days)s)) end as overdue_part,
        case when k.compared >= %(least)s
            then least(1, greatest(0, (%(wanted_agreement)s - k.agreed::float8 / k.compared) / %(wanted_agreement)s)) else 0 end
            as agreement_part,
        coalesce(least(1, greatest(0, (%(wanted_shift)s - k.shift) / %(wanted_shift)s)), 0) as movement_part,
        coalesce(1 - k.covered, 0) as missing_part,
        coalesce(greatest(0, 1 - k.km / %(near_km)s), 0) as near_part
    from known k
)
select j.school_id, j.school_name, j.place_name, j.subjects::text[] as subjects, j.last_on, j.planned_on, j.shift,
    j.shift_subject::text as shift_subject, j.from_round::text as from_round, j.to_round::text as to_round, j.tested_before::integer as tested_before,
    j.tested_now::integer as tested_now, j.covered, j.km, j.agreement,
    (%(overdue)s * j.overdue_part)::float8 as overdue_points, (%(agreement)s * j.agreement_part)::float8 as agreement_points,
    (%(movement)s * j.movement_part)::float8 as movement_points, (%(missing)s * j.missing_part)::float8 as missing_points,
    (%(near)s * j.near_part)::float8 as near_points,
    (%(overdue)s * j.overdue_part + %(agreement)s * j.agreement_part + %(movement)s * j.movement_part + %(missing)s * j.missing_part
        + %(near)s * j.near_part)::float8 as points
from judged j
order by points desc, j.school_name, j.school_id
limit %(rows)s
