-- The same children in two rounds: kept like the other counts, in the write's own transaction.

-- Counting what is there reads every result.
set local statement_timeout = '10min';

-- How far the same children came: of those assessed in a round at a level, what came of them in a later round, for any two rounds. They count where
-- they sat in the first of the two (school, grade, sex), so that each line is a part of what that round counts at the level: the rest of it has no
-- result in the later round.
create table school_movement (
    round_id bigint not null,
    later_round_id bigint not null,
    school_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    from_rank smallint not null,
    absent integer not null, refused integer not null, went integer not null,
    rank_1 integer not null, rank_2 integer not null, rank_3 integer not null, rank_4 integer not null, rank_5 integer not null,
    rank_6 integer not null, rank_7 integer not null, rank_8 integer not null, rank_9 integer not null,
    primary key (school_id, round_id, later_round_id, subject, grade, sex, from_rank)
) with (fillfactor = 70);

-- The same of places, by where schools stood in the first round; and what today's districts have more or less.
create table place_movement (
    round_id bigint not null,
    later_round_id bigint not null,
    place_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    from_rank smallint not null,
    shard smallint not null,
    absent integer not null, refused integer not null, went integer not null,
    rank_1 integer not null, rank_2 integer not null, rank_3 integer not null, rank_4 integer not null, rank_5 integer not null,
    rank_6 integer not null, rank_7 integer not null, rank_8 integer not null, rank_9 integer not null,
    primary key (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard)
) with (fillfactor = 70);
create table place_movement_moved (
    round_id bigint not null,
    later_round_id bigint not null,
    place_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    from_rank smallint not null,
    shard smallint not null,
    absent integer not null, refused integer not null, went integer not null,
    rank_1 integer not null, rank_2 integer not null, rank_3 integer not null, rank_4 integer not null, rank_5 integer not null,
    rank_6 integer not null, rank_7 integer not null, rank_8 integer not null, rank_9 integer not null,
    primary key (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard)
) with (fillfactor = 70);

create type movement_delta as (
    round_id bigint, later_round_id bigint, school_id bigint, subject subject, grade smallint, sex smallint, from_rank smallint,
    absent integer, refused integer, went integer,
    rank_1 integer, rank_2 integer, rank_3 integer, rank_4 integer, rank_5 integer, rank_6 integer, rank_7 integer, rank_8 integer, rank_9 integer
);
-- A result as it counts, that came (sign 1) or went (-1).
create type counted_change as (
    sign smallint, id uuid, student_id uuid, round_id bigint, school_id bigint, subject subject, grade smallint, sex smallint,
    outcome outcome, rank smallint
);

-- What the same children's results of two rounds say: the one definition that triggers and the reconcile command count by.
create view counted_movement as
    select f.round_id, l.round_id as later_round_id, f.school_id, f.subject, f.grade, f.sex, f.rank as from_rank,
        count(*) filter (where l.outcome = 'absent')::integer as absent,
        count(*) filter (where l.outcome = 'refused')::integer as refused,
        count(*) filter (where l.outcome = 'left')::integer as went,
        count(*) filter (where l.rank = 1)::integer as rank_1, count(*) filter (where l.rank = 2)::integer as rank_2,
        count(*) filter (where l.rank = 3)::integer as rank_3, count(*) filter (where l.rank = 4)::integer as rank_4,
        count(*) filter (where l.rank = 5)::integer as rank_5, count(*) filter (where l.rank = 6)::integer as rank_6,
        count(*) filter (where l.rank = 7)::integer as rank_7, count(*) filter (where l.rank = 8)::integer as rank_8,
        count(*) filter (where l.rank = 9)::integer as rank_9
    from result f
    join result l on l.student_id = f.student_id and l.subject = f.subject and l.deleted_at is null and not l.is_hidden
    join round a on a.id = f.round_id
    join round b on b.id = l.round_id and (a.starts_on, a.id) < (b.starts_on, b.id)
    join school s on s.id = f.school_id and not s.is_practice
    join school t on t.id = l.school_id and not t.is_practice
    where f.deleted_at is null and not f.is_hidden and f.rank is not null
    group by f.round_id, l.round_id, f.school_id, f.subject, f.grade, f.sex, f.rank;

-- What changes about movement when results come, go and change: each with the other results of its child and subject, and with those that change in
-- the same statement. The others are looked up child by child and in no other way (offset 0), and what has changed is put together without comparing
-- each with each (no nested loops): the plan is made for few and serves a statement of many.
create function movement_of(changes counted_change[]) returns movement_delta[] language plpgsql stable set enable_nestloop = off as $$
begin
    return array(
        with changed as materialized (
            select c.sign, c.id, c.student_id, c.round_id, c.school_id, c.subject, c.grade, c.sex, c.outcome, c.rank, rd.starts_on
            from unnest(changes) c
            cross join lateral (select from school s where s.id = c.school_id and not s.is_practice offset 0) s
            cross join lateral (select r.starts_on from round r where r.id = c.round_id offset 0) rd
        ), other as materialized (
            select o.student_id, o.subject, e.round_id, e.school_id, e.grade, e.sex, e.outcome, e.rank, rd.starts_on
            from (select distinct c.student_id, c.subject from unnest(changes) c) o
            cross join lateral (
                select r.id, r.round_id, r.school_id, r.grade, r.sex, r.outcome, r.rank
                from result r
                where r.student_id = o.student_id and r.subject = o.subject and r.deleted_at is null and not r.is_hidden
                offset 0) e
            cross join lateral (select from school s where s.id = e.school_id and not s.is_practice offset 0) s
            cross join lateral (select r.starts_on from round r where r.id = e.round_id offset 0) rd
            where not exists (select 1 from unnest(changes) c where c.id = e.id)
        ), pair as (
            select c.sign, c.round_id, o.round_id as later_round_id, c.school_id, c.subject, c.grade, c.sex, c.rank as from_rank,
                o.outcome, o.rank
            from changed c
            join other o on o.student_id = c.student_id and o.subject = c.subject
            where c.rank is not null and (c.starts_on, c.round_id) < (o.starts_on, o.round_id)
            union all
            select c.sign, o.round_id, c.round_id, o.school_id, o.subject, o.grade, o.sex, o.rank, c.outcome, c.rank
            from changed c
            join other o on o.student_id = c.student_id and o.subject = c.subject
            where o.rank is not null and (o.starts_on, o.round_id) < (c.starts_on, c.round_id)
            union all
            select c.sign, c.round_id, d.round_id, c.school_id, c.subject, c.grade, c.sex, c.rank, d.outcome, d.rank
            from changed c
            join changed d on d.sign = c.sign and d.student_id = c.student_id and d.subject = c.subject
            where c.rank is not null and (c.starts_on, c.round_id) < (d.starts_on, d.round_id)
        )
        select row(p.round_id, p.later_round_id, p.school_id, p.subject, p.grade, p.sex, p.from_rank,
            coalesce(sum(p.sign) filter (where p.outcome = 'absent'), 0), coalesce(sum(p.sign) filter (where p.outcome = 'refused'), 0),
            coalesce(sum(p.sign) filter (where p.outcome = 'left'), 0),
            coalesce(sum(p.sign) filter (where p.rank = 1), 0), coalesce(sum(p.sign) filter (where p.rank = 2), 0),
            coalesce(sum(p.sign) filter (where p.rank = 3), 0), coalesce(sum(p.sign) filter (where p.rank = 4), 0),
            coalesce(sum(p.sign) filter (where p.rank = 5), 0), coalesce(sum(p.sign) filter (where p.rank = 6), 0),
            coalesce(sum(p.sign) filter (where p.rank = 7), 0), coalesce(sum(p.sign) filter (where p.rank = 8), 0),
            coalesce(sum(p.sign) filter (where p.rank = 9), 0))::movement_delta
        from pair p
        group by p.round_id, p.later_round_id, p.school_id, p.subject, p.grade, p.sex, p.from_rank);
end $$;

create function add_movement(deltas movement_delta[]) returns void language sql as $$
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
        join school s on s.id = each.school_id)
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

-- Of two who write results of one child in two rounds the second sees what the first did: the child is held, and its results are read after.
create function keep_movement() returns trigger language plpgsql as $$
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
    deltas := movement_of(changes);
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
create trigger result_movement_on_insert after insert on result referencing new table as new_rows
    for each statement execute function keep_movement();
create trigger result_movement_on_update after update on result referencing old table as old_rows new table as new_rows
    for each statement execute function keep_movement();
create trigger result_movement_on_delete after delete on result referencing old table as old_rows
    for each statement execute function keep_movement();

-- Every line of movement from the rows, into empty tables. Reads every result once.
create function count_movement() returns void language sql as $$
    insert into school_movement (
        school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    select school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from counted_movement;
    insert into place_movement (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct m.school_id, m.round_id from school_movement m) each)
    select unit, m.round_id, m.later_round_id, m.subject, m.grade, m.sex, m.from_rank, (m.school_id % 32)::smallint,
        sum(m.absent), sum(m.refused), sum(m.went),
        sum(m.rank_1), sum(m.rank_2), sum(m.rank_3), sum(m.rank_4), sum(m.rank_5), sum(m.rank_6), sum(m.rank_7), sum(m.rank_8), sum(m.rank_9)
    from school_movement m
    join stood t on t.school_id = m.school_id and t.round_id = m.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6, 7, 8;
    insert into place_movement_moved (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct m.school_id, m.round_id from school_movement m) each
        join school s on s.id = each.school_id)
    select b.unit, k.round_id, k.later_round_id, k.subject, k.grade, k.sex, k.from_rank, (k.school_id % 32)::smallint,
        sum(b.sign * k.absent), sum(b.sign * k.refused), sum(b.sign * k.went),
        sum(b.sign * k.rank_1), sum(b.sign * k.rank_2), sum(b.sign * k.rank_3), sum(b.sign * k.rank_4), sum(b.sign * k.rank_5),
        sum(b.sign * k.rank_6), sum(b.sign * k.rank_7), sum(b.sign * k.rank_8), sum(b.sign * k.rank_9)
    from moved m
    join school_movement k on k.school_id = m.school_id and k.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6, 7, 8
$$;

-- Rounds that children were compared between keep their order: what is kept says which came first.
create function keep_order_of_rounds() returns trigger language plpgsql as $$
begin
    if exists (
        select 1
        from round o
        where o.id <> new.id and ((o.starts_on, o.id) < (old.starts_on, old.id)) <> ((o.starts_on, o.id) < (new.starts_on, new.id))
            and exists (
                select 1
                from place_movement m
                where (m.round_id, m.later_round_id) in ((o.id, new.id), (new.id, o.id)))) then
        raise exception 'rounds whose children were compared keep their order' using errcode = 'check_violation', constraint = 'rounds_keep_their_order';
    end if;
    return null;
end $$;
create trigger round_keeps_its_order after update of starts_on on round for each row
    when (old.starts_on <> new.starts_on) execute function keep_order_of_rounds();

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
        order by 1, 2, 3, 4, 5, 6
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
        order by 1, 2, 3, 4, 5, 6
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
        order by 1, 2, 3, 4, 5, 6, 7, 8
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
        order by 1, 2, 3, 4, 5, 6
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
        order by 1, 2, 3, 4, 5, 6
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
        order by 1, 2, 3, 4, 5, 6, 7, 8
        on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    end if;
end $$;

-- What a long transaction changes about movement waits with its other counts.
create or replace function add_waiting_counts() returns void language plpgsql as $$
begin
    perform set_config('rightlevel.counts_wait', '', true);
    perform add_counts(
        array(
            select row(d.school_year_id, d.school_id, d.grade, d.sex, sum(d.children))::enrolled_delta
            from waiting_count w
            cross join unnest(w.enrolled) d
            group by d.school_year_id, d.school_id, d.grade, d.sex
            having sum(d.children) <> 0),
        array(
            select row(d.school_year_id, d.school_id, d.grade, d.sex, sum(d.children))::enrolled_delta
            from waiting_count w
            cross join unnest(w.standing) d
            group by d.school_year_id, d.school_id, d.grade, d.sex
            having sum(d.children) <> 0),
        array(
            select row(d.round_id, d.subject, d.school_id, d.grade, d.sex, sum(d.children))::roll_delta
            from waiting_count w
            cross join unnest(w.rolls) d
            group by d.round_id, d.subject, d.school_id, d.grade, d.sex
            having sum(d.children) <> 0),
        array(
            select row(d.round_id, d.subject, d.school_id, d.grade, d.sex, sum(d.absent), sum(d.refused), sum(d.went),
                sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8),
                sum(d.rank_9))::result_delta
            from waiting_count w
            cross join unnest(w.results) d
            group by d.round_id, d.subject, d.school_id, d.grade, d.sex));
    perform add_movement(array(
        select row(d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank, sum(d.absent), sum(d.refused), sum(d.went),
            sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8),
            sum(d.rank_9))::movement_delta
        from waiting_count w
        cross join unnest(w.movement) d
        group by d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank));
end $$;

select count_movement();
