-- Counts that waited are added some at a time, so that the end of an import of a country takes a few megabytes and not forty; rows of counts are taken
-- shard by shard everywhere.

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
    order by 6, 2, 3, 4, 5, 1
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
    order by 6, 2, 3, 4, 5, 1
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

create or replace function add_place_enrolled(deltas enrolled_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_enrolled as c (place_id, school_year_id, grade, sex, shard, children)
    select unit, d.school_year_id, d.grade, d.sex, (s.id % 32)::smallint, sum(d.children)
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    join place p on p.id = s.place_id
    cross join unnest(p.lineage) unit
    where d.children <> 0
    group by 1, 2, 3, 4, 5
    order by 5, 2, 3, 4, 1
    on conflict (place_id, school_year_id, grade, sex, shard) do update set children = c.children + excluded.children
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
    order by 6, 2, 3, 4, 5, 1
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
    order by 6, 2, 3, 4, 5, 1
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children
$$;

create function add_school_movement(deltas movement_delta[]) returns void language sql as $$
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
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

create function add_place_movement(deltas movement_delta[]) returns void language sql set enable_nestloop = off as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
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
    order by 8, 2, 3, 4, 5, 6, 7, 1
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
    order by 8, 2, 3, 4, 5, 6, 7, 1
    on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

create or replace function shift_counts(wanted_school bigint, wanted_round bigint, from_place bigint, to_place bigint, to_then integer, to_moved integer)
returns void language plpgsql as $$
begin
    if to_then <> 0 then
        insert into place_count as c (
            place_id, round_id, subject, grade, sex, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_count k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_then) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
        insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, b.sign * to_then * k.children
        from school_roll k
        cross join places_between(from_place, to_place) b
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
        insert into place_movement as c (
            place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.later_round_id, k.subject, k.grade, k.sex, k.from_rank, (k.school_id % 32)::smallint,
            t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_movement k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_then) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 8, 2, 3, 4, 5, 6, 7, 1
        on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    end if;
    if to_moved <> 0 then
        insert into place_count_moved as c (
            place_id, round_id, subject, grade, sex, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_count k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_moved) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
        insert into place_roll_moved as c (place_id, round_id, subject, grade, sex, shard, children)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, b.sign * to_moved * k.children
        from school_roll k
        cross join places_between(from_place, to_place) b
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
        insert into place_movement_moved as c (
            place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.later_round_id, k.subject, k.grade, k.sex, k.from_rank, (k.school_id % 32)::smallint,
            t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_movement k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_moved) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 8, 2, 3, 4, 5, 6, 7, 1
        on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    end if;
end $$;

create or replace function keep_school_place() returns trigger language plpgsql as $$
declare
    moved_at timestamptz;
    each record;
begin
    if old.is_practice <> new.is_practice and not new.is_practice then
        perform add_school_enrolled(array(
            select row(c.school_year_id, c.school_id, c.grade, c.sex, c.children)::enrolled_delta
            from counted_student c where c.school_id = new.id));
        perform add_place_enrolled(array(
            select row(c.school_year_id, c.school_id, c.grade, c.sex, c.children)::enrolled_delta
            from counted_student c where c.school_id = new.id));
        perform add_school_roll(array(
            select row(c.round_id, c.subject, c.school_id, c.grade, c.sex, c.children)::roll_delta
            from counted_roll c where c.school_id = new.id));
        perform add_place_roll(array(
            select row(c.round_id, c.subject, c.school_id, c.grade, c.sex, c.children)::roll_delta
            from counted_roll c where c.school_id = new.id));
    end if;
    if old.place_id = new.place_id then
        return null;
    end if;
    -- After every earlier move too.
    moved_at := greatest(
        after_rolls(coalesce(nullif(current_setting('rightlevel.moving_at', true), '')::timestamptz, clock_timestamp())),
        (select max(m.from_at) + interval '1 microsecond' from school_place m where m.school_id = new.id and m.from_at > '-infinity'));
    for each in select r.id, r.roll_at is null as goes_along from round r order by r.id loop
        perform shift_counts(new.id, each.id, old.place_id, new.place_id,
            case when each.goes_along then 1 else 0 end, case when each.goes_along then 0 else 1 end);
    end loop;
    if not new.is_practice and not old.is_practice then
        insert into place_enrolled as c (place_id, school_year_id, grade, sex, shard, children)
        select b.unit, e.school_year_id, e.grade, e.sex, (e.school_id % 32)::smallint, b.sign * e.children
        from school_enrolled e
        cross join places_between(old.place_id, new.place_id) b
        where e.school_id = new.id
        order by 5, 2, 3, 4, 1
        on conflict (place_id, school_year_id, grade, sex, shard) do update set children = c.children + excluded.children;
    end if;
    update school_place set until_at = moved_at where school_id = new.id and until_at is null;
    insert into school_place (school_id, from_at, place_id, reason, moved_by)
    values (new.id, moved_at, new.place_id, left(nullif(current_setting('rightlevel.moving', true), ''), 200),
        nullif(current_setting('rightlevel.moving_by', true), '')::bigint);
    return null;
end $$;

drop function add_movement(movement_delta[]);

create function add_movement(deltas movement_delta[]) returns void language plpgsql as $$
begin
    perform add_school_movement(deltas);
    perform add_place_movement(deltas);
end $$;

create or replace function add_waiting_counts() returns void language plpgsql as $$
declare
    at_once constant integer := 2000;
    enrolled_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select row(d.school_year_id, d.school_id, d.grade, d.sex, sum(d.children))::enrolled_delta as delta,
                row_number() over (order by d.school_id, d.school_year_id, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.enrolled) d
            group by d.school_year_id, d.school_id, d.grade, d.sex
            having sum(d.children) <> 0) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    enrolled_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.school_year_id, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.enrolled) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    standing_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id, d.school_year_id, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.standing) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    rolls_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.rolls) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    rolls_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.rolls) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    results_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select row(d.round_id, d.subject, d.school_id, d.grade, d.sex, sum(d.absent), sum(d.refused), sum(d.went),
                sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8),
                sum(d.rank_9))::result_delta as delta,
                row_number() over (order by d.school_id, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.results) d
            group by d.round_id, d.subject, d.school_id, d.grade, d.sex) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    results_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.results) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    movement_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select row(d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank, sum(d.absent), sum(d.refused), sum(d.went),
                sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8),
                sum(d.rank_9))::movement_delta as delta,
                row_number() over (order by d.school_id, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank) as place
            from waiting_count w
            cross join unnest(w.movement) d
            group by d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    movement_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank) as place
            from waiting_count w
            cross join unnest(w.movement) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
begin
    perform set_config('rightlevel.counts_wait', '', true);
    perform hold_schools(array(
        select d.school_id from waiting_count w cross join unnest(w.enrolled) d
        union
        select d.school_id from waiting_count w cross join unnest(w.standing) d
        union
        select d.school_id from waiting_count w cross join unnest(w.rolls) d
        union
        select d.school_id from waiting_count w cross join unnest(w.results) d
        union
        select d.school_id from waiting_count w cross join unnest(w.movement) d));
    for each in enrolled_of_schools loop
        perform add_school_enrolled(each.deltas);
    end loop;
    for each in enrolled_of_places loop
        perform add_place_enrolled(each.deltas);
    end loop;
    for each in standing_of_schools loop
        perform add_school_standing(each.deltas);
    end loop;
    for each in rolls_of_schools loop
        perform add_school_roll(each.deltas);
    end loop;
    for each in rolls_of_places loop
        perform add_place_roll(each.deltas);
    end loop;
    for each in results_of_schools loop
        perform add_school_counts(each.deltas);
    end loop;
    for each in results_of_places loop
        perform add_place_counts(each.deltas);
    end loop;
    for each in movement_of_schools loop
        perform add_school_movement(each.deltas);
    end loop;
    for each in movement_of_places loop
        perform add_place_movement(each.deltas);
    end loop;
end $$;
