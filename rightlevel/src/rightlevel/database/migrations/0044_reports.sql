-- A statement of many results costs each of them what a statement of few does; and the tests of a day are looked at.

-- Building an index reads every result.
set local statement_timeout = '10min';

-- Data quality: the tests of one day, by school, by who tested and by subject.
create index result_by_day on result (tested_on, school_id, assessor_id, subject) where deleted_at is null and not is_hidden;

-- What is looked at about each test that somebody made on a day at a school: how long it took (seconds, where each step of a guided test kept its
-- time), the child's level in the newest round before, whether it has no baseline in the year, and whether another child of the school has its name,
-- grade and sex. Whoever may have to test a child again (blind_to) is told nothing of it. Served by result_by_day, result_is_unique,
-- guided_test_by_result and student_by_school, test by test and in no other way (offset 0).
create function tests_of_day(wanted_day date, wanted_school bigint, wanted_assessor bigint, wanted_subject subject, blind_to bigint)
returns table (
    id uuid, student_id uuid, round_id bigint, outcome outcome, rank smallint, method entry_method, came_at timestamptz, took_s integer,
    earlier_rank smallint, is_without_baseline boolean, has_possible_duplicate boolean)
language sql stable parallel safe as $$
    select r.id, r.student_id, r.round_id, r.outcome, r.rank, r.method, r.created_at,
        case when r.method = 'guided' then (
            select max(g.took_s)
            from (
                select case when count(*) = count(s.step->>'took_s') then sum((s.step->>'took_s')::integer) end::integer as took_s
                from guided_test t
                cross join jsonb_array_elements(t.steps) s (step)
                where t.result_id = r.id
                group by t.write_id) g) end,
        case when r.rank is not null then (
            select e.rank
            from result e
            join round er on er.id = e.round_id and (er.starts_on, er.id) < (rd.starts_on, rd.id)
            where e.student_id = r.student_id and e.subject = r.subject and e.deleted_at is null and not e.is_hidden and e.rank is not null
                and (blind_to is null or e.assessor_id = blind_to
                    or not exists (select from verification v where v.result_id = e.id and v.state = 'pending' offset 0))
            order by er.starts_on desc, er.id desc
            limit 1) end,
        r.rank is not null and rd.kind <> 'baseline' and not exists (
            select from result b
            join round br on br.id = b.round_id and br.kind = 'baseline' and br.school_year_id = rd.school_year_id
            where b.student_id = r.student_id and b.subject = r.subject and b.deleted_at is null and b.outcome = 'assessed'
            offset 0),
        exists (
            select from student st
            join student o on o.school_id = st.school_id and o.name_key = st.name_key and o.deleted_at is null
            where st.id = r.student_id and o.id <> st.id and (o.grade, o.sex) = (st.grade, st.sex)
                and not exists (
                    select from not_duplicates n where (n.first_id, n.second_id) = (least(st.id, o.id), greatest(st.id, o.id)) offset 0)
            offset 0)
    from result r
    join round rd on rd.id = r.round_id
    where r.tested_on = wanted_day and r.school_id = wanted_school and r.assessor_id = wanted_assessor and r.subject = wanted_subject
        and r.deleted_at is null and not r.is_hidden
        and (blind_to is null or r.assessor_id = blind_to
            or not exists (select from verification v where v.result_id = r.id and v.state = 'pending' offset 0))
$$;

-- The same, counted. A test is too fast under 20 seconds: every way through it has two tasks at least. A drop of two levels or more between rounds is
-- looked at. In one minute: results entered as a bare level that came in the same minute, at most. Re-tests are those of the same rounds so far.
create function quality_of_day(wanted_day date, wanted_school bigint, wanted_assessor bigint, wanted_subject subject, blind_to bigint)
returns table (
    tests integer, assessed integer, absent integer, refused integer, went integer, ranks integer[], timed integer, too_fast integer,
    in_one_minute integer, without_baseline integer, drops integer, possible_duplicates integer, retested integer, agreed integer)
language sql stable parallel safe as $$
    with test as materialized (
        select * from tests_of_day(wanted_day, wanted_school, wanted_assessor, wanted_subject, blind_to)
    )
    select count(*)::integer, count(t.rank)::integer, count(*) filter (where t.outcome = 'absent')::integer,
        count(*) filter (where t.outcome = 'refused')::integer, count(*) filter (where t.outcome = 'left')::integer,
        array[
            count(*) filter (where t.rank = 1), count(*) filter (where t.rank = 2), count(*) filter (where t.rank = 3),
            count(*) filter (where t.rank = 4), count(*) filter (where t.rank = 5), count(*) filter (where t.rank = 6),
            count(*) filter (where t.rank = 7), count(*) filter (where t.rank = 8), count(*) filter (where t.rank = 9)]::integer[],
        count(t.took_s)::integer, count(*) filter (where t.took_s < 20)::integer,
        coalesce((
            select max(m.tests)
            from (select count(*) as tests from test d where d.method = 'direct' group by date_trunc('minute', d.came_at)) m), 0)::integer,
        count(*) filter (where t.is_without_baseline)::integer, count(*) filter (where t.rank <= t.earlier_rank - 2)::integer,
        count(*) filter (where t.has_possible_duplicate)::integer, max(c.retested)::integer, max(c.agreed)::integer
    from test t
    cross join (
        select count(*) as retested, count(*) filter (where v.rank = v.first_rank) as agreed
        from verification v
        where v.round_id in (select d.round_id from test d) and v.subject = wanted_subject and v.school_id = wanted_school
            and v.first_assessor_id = wanted_assessor and coalesce(v.ended_from, v.state) in ('agreed', 'disagreed', 'resolved')
            and (v.ended_from is null or v.ended_why <> 'removed' and exists (
                select from result r where r.id = v.result_id and r.deleted_at is null and not r.is_hidden))) c
$$;

-- Counts meet where their schools stood by hashing, and a school is looked up in no other way (offset 0): the plan is made for few and serves many.
create or replace function add_place_counts(deltas result_delta[]) returns void language sql set enable_nestloop = off as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_count as c (
        place_id, round_id, subject, grade, sex, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint, sum(d.absent), sum(d.refused), sum(d.went),
        sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8), sum(d.rank_9)
    from unnest(deltas) d
    join stood t on t.school_id = d.school_id and t.round_id = d.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6
    order by 1, 2, 3, 4, 5, 6
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    insert into place_count_moved as c (
        place_id, round_id, subject, grade, sex, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select b.unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint,
        sum(b.sign * d.absent), sum(b.sign * d.refused), sum(b.sign * d.went),
        sum(b.sign * d.rank_1), sum(b.sign * d.rank_2), sum(b.sign * d.rank_3), sum(b.sign * d.rank_4), sum(b.sign * d.rank_5),
        sum(b.sign * d.rank_6), sum(b.sign * d.rank_7), sum(b.sign * d.rank_8), sum(b.sign * d.rank_9)
    from moved m
    join unnest(deltas) d on d.school_id = m.school_id and d.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6
    order by 1, 2, 3, 4, 5, 6
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

create or replace function add_place_roll(deltas roll_delta[]) returns void language sql set enable_nestloop = off as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint, sum(d.children)
    from unnest(deltas) d
    join stood t on t.school_id = d.school_id and t.round_id = d.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6
    having sum(d.children) <> 0
    order by 1, 2, 3, 4, 5, 6
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
    insert into place_roll_moved as c (place_id, round_id, subject, grade, sex, shard, children)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select b.unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint, sum(b.sign * d.children)
    from moved m
    join unnest(deltas) d on d.school_id = m.school_id and d.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6
    having sum(b.sign * d.children) <> 0
    order by 1, 2, 3, 4, 5, 6
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children
$$;

create or replace function add_movement(deltas movement_delta[]) returns void language sql set enable_nestloop = off as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_movement as c (
        school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    select d.school_id, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank, d.absent, d.refused, d.went,
        d.rank_1, d.rank_2, d.rank_3, d.rank_4, d.rank_5, d.rank_6, d.rank_7, d.rank_8, d.rank_9
    from unnest(deltas) d
    order by 1, 2, 3, 4, 5, 6, 7
    on conflict (school_id, round_id, later_round_id, subject, grade, sex, from_rank) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    insert into place_movement as c (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each)
    select unit, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank, (d.school_id % 32)::smallint,
        sum(d.absent), sum(d.refused), sum(d.went),
        sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8), sum(d.rank_9)
    from unnest(deltas) d
    join stood t on t.school_id = d.school_id and t.round_id = d.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6, 7, 8
    order by 1, 2, 3, 4, 5, 6, 7, 8
    on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    insert into place_movement_moved as c (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id offset 0) s)
    select b.unit, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank, (d.school_id % 32)::smallint,
        sum(b.sign * d.absent), sum(b.sign * d.refused), sum(b.sign * d.went),
        sum(b.sign * d.rank_1), sum(b.sign * d.rank_2), sum(b.sign * d.rank_3), sum(b.sign * d.rank_4), sum(b.sign * d.rank_5),
        sum(b.sign * d.rank_6), sum(b.sign * d.rank_7), sum(b.sign * d.rank_8), sum(b.sign * d.rank_9)
    from moved m
    join unnest(deltas) d on d.school_id = m.school_id and d.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6, 7, 8
    order by 1, 2, 3, 4, 5, 6, 7, 8
    on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

-- The same of many. PostgreSQL keeps one plan for all after it was asked five times, made for few, and with that each of thousands is compared with
-- each; for few, planning anew would cost more than all else.
create function movement_of_many(changes counted_change[]) returns movement_delta[] language plpgsql stable set plan_cache_mode = force_custom_plan as $$
begin
    return movement_of(changes);
end $$;

create or replace function keep_movement() returns trigger language plpgsql as $$
declare
    changes counted_change[];
    deltas movement_delta[];
begin
    if tg_op = 'INSERT' then
        changes := array(
            select row(1, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank)::counted_change
            from new_rows where deleted_at is null and not is_hidden);
    elsif tg_op = 'DELETE' then
        changes := array(
            select row(-1, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank)::counted_change
            from old_rows where deleted_at is null and not is_hidden);
    else
        -- Whoever locks a result, or verifies it, ends here.
        changes := array(
            select row(sum(sign), id, student_id, round_id, school_id, subject, grade, sex, outcome, rank)::counted_change
            from (
                select 1 as sign, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank
                from new_rows where deleted_at is null and not is_hidden
                union all
                select -1, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank
                from old_rows where deleted_at is null and not is_hidden) changed
            group by id, student_id, round_id, school_id, subject, grade, sex, outcome, rank
            having sum(sign) <> 0);
    end if;
    if cardinality(changes) = 0 then
        return null;
    end if;
    perform 1 from student st where st.id in (select c.student_id from unnest(changes) c) order by st.id for no key update;
    deltas := case when cardinality(changes) > 100 then movement_of_many(changes) else movement_of(changes) end;
    if cardinality(deltas) = 0 then
        return null;
    end if;
    if current_setting('rightlevel.counts_wait', true) = 'on' then
        insert into waiting_count (movement) values (deltas);
    else
        perform add_movement(deltas);
    end if;
    return null;
end $$;
