-- fragment: where_schools_stood
-- Where each school stood in each round, and where it stands now.
), stood as materialized (
    select pair.school_id, pair.round_id, t.lineage as then_lineage, n.lineage as now_lineage
    from (select distinct school_id, round_id from truth) pair
    join round r on r.id = pair.round_id
    left join school_place now_m on now_m.school_id = pair.school_id and now_m.until_at is null
    left join school_place then_m on then_m.school_id = pair.school_id and r.roll_at is not null
        and then_m.from_at <= r.roll_at and coalesce(then_m.until_at, 'infinity') > r.roll_at
    left join place n on n.id = now_m.place_id
    left join place t on t.id = case when r.roll_at is null then now_m.place_id else then_m.place_id end

-- name: compare_places
-- Kept result counts of places, as they were and what today's have more or less, beside what rows and memberships say: how many were compared, how
-- many differ, and the first that differ. Reads every result and every membership once, and asks none of the functions that keep the counts.
with truth as materialized (
    select school_id, round_id, subject, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from counted_result
--> where_schools_stood
), expected as (
    select 'place' as unit, u.id, t.round_id, t.subject, t.grade, t.sex,
        row(sum(absent)::bigint, sum(refused)::bigint, sum(went)::bigint, sum(rank_1)::bigint, sum(rank_2)::bigint, sum(rank_3)::bigint,
            sum(rank_4)::bigint, sum(rank_5)::bigint, sum(rank_6)::bigint, sum(rank_7)::bigint, sum(rank_8)::bigint, sum(rank_9)::bigint)::text as counts
    from truth t
    join stood s on s.school_id = t.school_id and s.round_id = t.round_id
    cross join unnest(s.then_lineage) u (id)
    group by u.id, t.round_id, t.subject, t.grade, t.sex
    union all
    select 'moved', u.id, t.round_id, t.subject, t.grade, t.sex,
        row(sum(u.sign * absent)::bigint, sum(u.sign * refused)::bigint, sum(u.sign * went)::bigint, sum(u.sign * rank_1)::bigint,
            sum(u.sign * rank_2)::bigint, sum(u.sign * rank_3)::bigint, sum(u.sign * rank_4)::bigint, sum(u.sign * rank_5)::bigint,
            sum(u.sign * rank_6)::bigint, sum(u.sign * rank_7)::bigint, sum(u.sign * rank_8)::bigint, sum(u.sign * rank_9)::bigint)::text
    from truth t
    join stood s on s.school_id = t.school_id and s.round_id = t.round_id and s.then_lineage is distinct from s.now_lineage
    cross join lateral (
        select a, 1 from unnest(s.now_lineage) a
        union all
        select b, -1 from unnest(s.then_lineage) b) u (id, sign)
    group by u.id, t.round_id, t.subject, t.grade, t.sex
    having (sum(u.sign * absent), sum(u.sign * refused), sum(u.sign * went), sum(u.sign * rank_1), sum(u.sign * rank_2), sum(u.sign * rank_3),
        sum(u.sign * rank_4), sum(u.sign * rank_5), sum(u.sign * rank_6), sum(u.sign * rank_7), sum(u.sign * rank_8), sum(u.sign * rank_9))
        <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
), kept as (
    select k.unit, k.id, k.round_id, k.subject, k.grade, k.sex,
        row(sum(absent)::bigint, sum(refused)::bigint, sum(went)::bigint, sum(rank_1)::bigint, sum(rank_2)::bigint, sum(rank_3)::bigint,
            sum(rank_4)::bigint, sum(rank_5)::bigint, sum(rank_6)::bigint, sum(rank_7)::bigint, sum(rank_8)::bigint, sum(rank_9)::bigint)::text as counts
    from (
        select 'place' as unit, place_id as id, round_id, subject, grade, sex, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
        from place_count
        union all
        select 'moved', place_id, round_id, subject, grade, sex, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
        from place_count_moved) k
    group by k.unit, k.id, k.round_id, k.subject, k.grade, k.sex
    having (sum(absent), sum(refused), sum(went), sum(rank_1), sum(rank_2), sum(rank_3), sum(rank_4), sum(rank_5), sum(rank_6), sum(rank_7),
        sum(rank_8), sum(rank_9)) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
), beside as (
    select coalesce(e.unit, k.unit) as unit, coalesce(e.id, k.id) as id, coalesce(e.round_id, k.round_id) as round_id,
        coalesce(e.subject, k.subject)::text as subject, coalesce(e.grade, k.grade) as grade, coalesce(e.sex, k.sex) as sex,
        e.counts as expected, k.counts as kept
    from expected e
    full join kept k on k.unit = e.unit and k.id = e.id and k.round_id = e.round_id and k.subject = e.subject and k.grade = e.grade and k.sex = e.sex
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('%%s %%s%%s, round %%s, %%s, grade %%s, sex %%s: kept %%s, rows say %%s', 'place', id,
            case unit when 'moved' then ' (moved since)' else '' end, round_id, subject, grade, sex, kept, expected)
        order by id, unit) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_place_seats
-- Kept seats of places, as they were and what today's have more or less, beside what results and stints say (as compare_seats tells it) of the schools
-- that stood there by their memberships. Reads every result and stint once for each round of its year, and every membership.
with stint as (
    select st.id as student_id, st.school_year_id, st.school_id, st.grade, st.sex, st.stint_number as began, null::bigint as ended, false as closes_year
    from student st
    where st.status = 'active' and st.deleted_at is null
    union all
    select p.student_id, p.school_year_id, p.school_id, p.grade, p.sex, p.from_number, coalesce(p.seat_until, p.until_number), p.closes_year and p.superseded_by is null
    from past_enrolment p
    join student st on st.id = p.student_id and st.deleted_at is null
    where not p.is_aside
), sat as (
    select distinct on (rd.id, s.student_id) rd.id as round_id, s.student_id, s.school_id, s.grade, s.sex,
        s.ended is null or s.closes_year or s.ended > rd.roll_number as is_there
    from round rd
    join stint s on s.school_year_id = rd.school_year_id and (rd.roll_number is null or s.began <= rd.roll_number)
    order by rd.id, s.student_id, s.began desc, s.ended desc nulls first
), tested as (
    select r.round_id, r.subject, r.student_id, r.school_id, r.grade, r.sex
    from result r
    join student st on st.id = r.student_id and st.deleted_at is null
    where r.deleted_at is null
), truth as materialized (
    select each.round_id, each.subject, each.school_id, each.grade, each.sex, count(*) as children
    from (
        select t.round_id, t.subject, t.school_id, t.grade, t.sex from tested t
        union all
        select s.round_id, sub.subject, s.school_id, s.grade, s.sex
        from sat s
        cross join unnest(enum_range(null::subject)) sub (subject)
        where s.is_there and not exists (
            select 1 from tested t where t.round_id = s.round_id and t.subject = sub.subject and t.student_id = s.student_id)) each
    join school sc on sc.id = each.school_id and not sc.is_practice
    group by each.round_id, each.subject, each.school_id, each.grade, each.sex
--> where_schools_stood
), expected as (
    select 'place' as unit, u.id, t.round_id, t.subject, t.grade, t.sex, sum(t.children)::bigint as children
    from truth t
    join stood s on s.school_id = t.school_id and s.round_id = t.round_id
    cross join unnest(s.then_lineage) u (id)
    group by u.id, t.round_id, t.subject, t.grade, t.sex
    union all
    select 'moved', u.id, t.round_id, t.subject, t.grade, t.sex, sum(u.sign * t.children)::bigint
    from truth t
    join stood s on s.school_id = t.school_id and s.round_id = t.round_id and s.then_lineage is distinct from s.now_lineage
    cross join lateral (
        select a, 1 from unnest(s.now_lineage) a
        union all
        select b, -1 from unnest(s.then_lineage) b) u (id, sign)
    group by u.id, t.round_id, t.subject, t.grade, t.sex
    having sum(u.sign * t.children) <> 0
), kept as (
    select unit, id, round_id, subject, grade, sex, sum(children)::bigint as children
    from (
        select 'place' as unit, place_id as id, round_id, subject, grade, sex, children from place_roll
        union all
        select 'place', e.place_id, rd.id, sub.subject, e.grade, e.sex, e.children
        from place_enrolled e
        join round rd on rd.school_year_id = e.school_year_id and rd.roll_number is null
        cross join unnest(enum_range(null::subject)) sub (subject)
        union all
        select 'moved', place_id, round_id, subject, grade, sex, children from place_roll_moved) each
    group by unit, id, round_id, subject, grade, sex
    having sum(children) <> 0
), beside as (
    select coalesce(e.unit, k.unit) as unit, coalesce(e.id, k.id) as id, coalesce(e.round_id, k.round_id) as round_id,
        coalesce(e.subject, k.subject)::text as subject, coalesce(e.grade, k.grade) as grade, coalesce(e.sex, k.sex) as sex,
        e.children as expected, k.children as kept
    from expected e
    full join kept k on k.unit = e.unit and k.id = e.id and k.round_id = e.round_id and k.subject = e.subject and k.grade = e.grade and k.sex = e.sex
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('%%s %%s%%s, round %%s, %%s, grade %%s, sex %%s: kept %%s seats, rows say %%s', 'place', id,
            case unit when 'moved' then ' (moved since)' else '' end, round_id, subject, grade, sex, kept, expected)
        order by id, unit) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_place_movement
-- Kept movement of places between two rounds, as they were and what today's have more or less, beside what rows and memberships say. Reads every
-- result and every membership once, and asks none of the functions that keep it.
with truth as materialized (
    select school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from counted_movement
), stood as materialized (
    select pair.school_id, pair.round_id, t.lineage as then_lineage, n.lineage as now_lineage
    from (select distinct school_id, round_id from truth) pair
    join round r on r.id = pair.round_id
    left join school_place now_m on now_m.school_id = pair.school_id and now_m.until_at is null
    left join school_place then_m on then_m.school_id = pair.school_id and r.roll_at is not null
        and then_m.from_at <= r.roll_at and coalesce(then_m.until_at, 'infinity') > r.roll_at
    left join place n on n.id = now_m.place_id
    left join place t on t.id = case when r.roll_at is null then now_m.place_id else then_m.place_id end
), expected as (
    select each.unit, each.id, t.round_id, t.later_round_id, t.subject, t.grade, t.sex, t.from_rank,
        array[sum(each.sign * absent), sum(each.sign * refused), sum(each.sign * went), sum(each.sign * rank_1), sum(each.sign * rank_2),
            sum(each.sign * rank_3), sum(each.sign * rank_4), sum(each.sign * rank_5), sum(each.sign * rank_6), sum(each.sign * rank_7),
            sum(each.sign * rank_8), sum(each.sign * rank_9)] as counts
    from truth t
    join stood s on s.school_id = t.school_id and s.round_id = t.round_id
    cross join lateral (
        select 'place' as unit, a as id, 1 as sign from unnest(s.then_lineage) a
        union all
        select 'moved', b, 1 from unnest(s.now_lineage) b where s.then_lineage is distinct from s.now_lineage
        union all
        select 'moved', c, -1 from unnest(s.then_lineage) c where s.then_lineage is distinct from s.now_lineage) each
    group by each.unit, each.id, t.round_id, t.later_round_id, t.subject, t.grade, t.sex, t.from_rank
), kept as (
    select unit, id, round_id, later_round_id, subject, grade, sex, from_rank,
        array[sum(absent), sum(refused), sum(went), sum(rank_1), sum(rank_2), sum(rank_3), sum(rank_4), sum(rank_5), sum(rank_6), sum(rank_7),
            sum(rank_8), sum(rank_9)] as counts
    from (
        select 'place' as unit, place_id as id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9 from place_movement
        union all
        select 'moved', place_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9 from place_movement_moved) each
    group by unit, id, round_id, later_round_id, subject, grade, sex, from_rank
), beside as (
    select coalesce(e.unit, k.unit) as unit, coalesce(e.id, k.id) as id, coalesce(e.round_id, k.round_id) as round_id,
        coalesce(e.later_round_id, k.later_round_id) as later_round_id, coalesce(e.subject, k.subject)::text as subject,
        coalesce(e.grade, k.grade) as grade, coalesce(e.sex, k.sex) as sex, coalesce(e.from_rank, k.from_rank) as from_rank,
        e.counts as expected, k.counts as kept
    from (select unit, id, round_id, later_round_id, subject, grade, sex, from_rank, counts from expected where 0 <> any(counts)) e
    full join (select unit, id, round_id, later_round_id, subject, grade, sex, from_rank, counts from kept where 0 <> any(counts)) k
        on k.unit = e.unit and k.id = e.id and k.round_id = e.round_id and k.later_round_id = e.later_round_id and k.subject = e.subject
        and k.grade = e.grade and k.sex = e.sex and k.from_rank = e.from_rank
)
select count(*) as compared, count(*) filter (where expected is distinct from kept) as different,
    coalesce((array_agg(format('movement of %%s %%s, rounds %%s to %%s, %%s, grade %%s, sex %%s, level %%s: kept %%s, rows say %%s',
        unit, id, round_id, later_round_id, subject, grade, sex, from_rank, kept, expected)
        order by unit, id, round_id) filter (where expected is distinct from kept))[1:100], '{}') as differences
from beside

-- name: compare_memberships
-- Where schools stood: each somewhere at every instant, at one place only, and today where the school says. Reads every membership once.
with chain as (
    select m.school_id, m.from_at, m.until_at, m.place_id,
        lag(m.until_at) over (partition by m.school_id order by m.from_at) as ended_before,
        row_number() over (partition by m.school_id order by m.from_at) as number,
        lead(m.from_at) over (partition by m.school_id order by m.from_at) as begins_after
    from school_place m
), wrong as (
    select s.id,
        case
            when not exists (select 1 from chain c where c.school_id = s.id) then 'stood nowhere'
            when exists (select 1 from chain c where c.school_id = s.id and c.number = 1 and c.from_at > '-infinity') then 'stood nowhere at first'
            when exists (select 1 from chain c where c.school_id = s.id and c.number > 1 and c.ended_before is distinct from c.from_at)
                then 'stood nowhere, or in two places, for a time'
            when not exists (select 1 from chain c where c.school_id = s.id and c.until_at is null and c.begins_after is null) then 'stands nowhere'
            when not exists (select 1 from chain c where c.school_id = s.id and c.until_at is null and c.place_id = s.place_id)
                then 'stands elsewhere than it says'
        end as what
    from school s
)
select count(*) as compared, count(what) as different,
    coalesce((array_agg(format('school %%s %%s', id, what) order by id) filter (where what is not null))[1:100], '{}') as differences
from wrong
