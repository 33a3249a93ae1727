-- name: compare_untested
-- Schools kept as without a result in a round beside what children and results say. Reads every child and result once.
with expected as (
    select rd.id as round_id, e.school_id
    from round rd
    join (
        select school_id, school_year_id from student where deleted_at is null and status = 'active' group by school_id, school_year_id) e
        on e.school_year_id = rd.school_year_id
    join school s on s.id = e.school_id and not s.is_practice
    where rd.deleted_at is null
    except
    select r.round_id, r.school_id
    from result r
    where r.deleted_at is null and not r.is_hidden
), beside as (
    select coalesce(e.round_id, k.round_id) as round_id, coalesce(e.school_id, k.school_id) as school_id,
        e.round_id is null or k.round_id is null as is_different, e.round_id is not null as is_expected
    from expected e
    full join (
        select u.round_id, u.school_id from school_untested u join round rd on rd.id = u.round_id and rd.deleted_at is null) k
        on k.round_id = e.round_id and k.school_id = e.school_id
)
select count(*) as compared, count(*) filter (where is_different) as different,
    coalesce((array_agg(format('school %%s, round %%s: %%s', school_id, round_id,
            case when is_expected then 'has no result, and is not kept as such' else 'is kept as without a result, and is not' end)
        order by school_id, round_id) filter (where is_different))[1:100], '{}') as differences
from beside

-- name: compare_held
-- From when until when schools are kept as held beside their assignments. Reads every assignment once.
with open as (
    select a.school_id, a.subject, p.role, a.from_on, coalesce(a.to_on, 'infinity') as until_on
    from assignment a
    join person p on p.id = a.person_id and p.is_active and p.deleted_at is null
    where a.ended_at is null
), longest as (
    select distinct on (o.school_id, o.subject, o.role) o.school_id, o.subject, o.role, o.from_on, o.until_on
    from open o
    order by o.school_id, o.subject, o.role, o.until_on desc, o.from_on
), expected as (
    select s.id as school_id, u.subject, o.role, coalesce(n.until_on, '-infinity') as until_on, coalesce(n.from_on, '-infinity') as from_on
    from school s
    cross join unnest(enum_range(null::subject)) u (subject)
    cross join unnest(array['mentor', 'teacher']::role[]) o (role)
    left join longest n on n.school_id = s.id and n.subject = u.subject and n.role = o.role
), beside as (
    select coalesce(e.school_id, k.school_id) as school_id, coalesce(e.subject, k.subject) as subject, coalesce(e.role, k.role) as role,
        e.from_on, e.until_on, k.from_on as kept_from, k.until_on as kept_until,
        (e.from_on, e.until_on) is distinct from (k.from_on, k.until_on) as is_different
    from expected e
    full join school_held k on k.school_id = e.school_id and k.subject = e.subject and k.role = e.role
)
select count(*) as compared, count(*) filter (where is_different) as different,
    coalesce((array_agg(format('school %%s, %%s, %%s: kept as held from %%s until %%s, assignments say from %%s until %%s', school_id, subject, role,
            kept_from, kept_until, from_on, until_on)
        order by beside.school_id, beside.subject, beside.role) filter (where is_different))[1:100], '{}') as differences
from beside

-- name: compare_mentors
-- Until when mentors of drafts and plans are kept as working there beside their assignments. Reads every draft and plan once.
with item as (
    select 'visit' as kind, id, mentor_id, school_id, subject, mentor_until from visit where state = 'draft' and deleted_at is null
    union all
    select 'planned visit', id, mentor_id, school_id, subject, mentor_until from planned_visit where state = 'planned'
), beside as (
    select i.kind, i.id, i.mentor_until as kept, case
            when not p.is_active or p.deleted_at is not null then '-infinity'
            when p.role in ('admin', 'coordinator') then 'infinity'
            else coalesce((
                select max(coalesce(a.to_on, 'infinity'))
                from assignment a
                where p.role = 'mentor' and a.person_id = i.mentor_id and a.school_id = i.school_id and a.subject = i.subject and a.ended_at is null),
                '-infinity')
        end as expected
    from item i
    join person p on p.id = i.mentor_id
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('%%s %%s: its mentor is kept as working there until %%s, assignments say %%s', kind, id, kept, expected)
        order by kind, id) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_visits
-- Kept counts of visits by month, of schools and of places, beside the visits and where their schools stood. Reads every visit once.
with made as materialized (
    select v.school_id, date_trunc('month', v.visited_on)::date as month, m.place_id, v.fidelity
    from visit v
    join school s on s.id = v.school_id and not s.is_practice
    join school_place m on m.school_id = v.school_id and m.from_at <= (v.visited_on + 1)::timestamp at time zone 'UTC'
        and coalesce(m.until_at, 'infinity') > (v.visited_on + 1)::timestamp at time zone 'UTC'
    where v.deleted_at is null and v.state = 'submitted'
), expected as (
    select 'school' as unit, school_id as id, month, place_id as at_place, count(*) as visits, 1::bigint as schools,
        coalesce(sum(fidelity), 0) as fidelity, count(fidelity) as rated
    from made
    group by school_id, month, place_id
    union all
    select 'place', u.id, m.month, 0, count(*), count(distinct m.school_id), coalesce(sum(m.fidelity), 0), count(m.fidelity)
    from made m
    join place p on p.id = m.place_id
    cross join unnest(p.lineage) u (id)
    group by u.id, m.month
), kept as (
    select 'school' as unit, school_id as id, month, place_id as at_place, visits, 1::bigint as schools, fidelity, rated
    from school_visits
    union all
    select 'place', place_id, month, 0, sum(visits)::bigint, sum(schools)::bigint, sum(fidelity), sum(rated)::bigint
    from place_visits
    group by place_id, month
    having (sum(visits), sum(schools), sum(fidelity), sum(rated)) <> (0, 0, 0, 0)
), beside as (
    select coalesce(e.unit, k.unit) as unit, coalesce(e.id, k.id) as id, coalesce(e.month, k.month) as month,
        row(e.visits, e.schools, e.fidelity, e.rated)::text as expected, row(k.visits, k.schools, k.fidelity, k.rated)::text as kept,
        (e.visits, e.schools, e.fidelity, e.rated) is distinct from (k.visits, k.schools, k.fidelity, k.rated) as is_different
    from expected e
    full join kept k on k.unit = e.unit and k.id = e.id and k.month = e.month and k.at_place = e.at_place
)
select count(*) as compared, count(*) filter (where is_different) as different,
    coalesce((array_agg(format('%%s %%s, %%s: kept visits, schools, fidelity and rated %%s, visits say %%s', unit, id, month, kept, expected)
        order by unit, id, month) filter (where is_different))[1:100], '{}') as differences
from beside

-- name: compare_place_schools
-- Kept numbers of open schools beside the schools. Reads every school once.
with beside as (
    select coalesce(e.place_id, k.place_id) as place_id, coalesce(e.schools, 0) as expected, coalesce(k.schools, 0) as kept
    from (
        select u.id as place_id, count(*) as schools
        from school s
        join place p on p.id = s.place_id
        cross join unnest(p.lineage) u (id)
        where s.status = 'open' and s.deleted_at is null and not s.is_practice
        group by u.id) e
    full join (select place_id, sum(schools)::bigint as schools from place_schools group by place_id) k on k.place_id = e.place_id
)
select count(*) as compared, count(*) filter (where expected <> kept) as different,
    coalesce((array_agg(format('place %%s: kept %%s open schools, there are %%s', place_id, kept, expected)
        order by place_id) filter (where expected <> kept))[1:100], '{}') as differences
from beside
