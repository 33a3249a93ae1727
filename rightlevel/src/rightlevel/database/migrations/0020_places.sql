-- Where schools stood: a round that is over stays counted where each school stood then, whatever moves afterwards.

-- A closed place: what hung on it went to the places that follow it (boundary_change_place). Its counts of the past stay.
alter table place add column closed_at timestamptz;
alter table place add column closed_by bigint references person;
alter table place add column close_reason text constraint place_close_reason_is_short check (length(close_reason) between 1 and 200);
alter table place add constraint place_closed_says_why check ((closed_at is null) = (close_reason is null));
-- A place that follows another may have its code.
alter table place drop constraint place_code_is_unique_below_its_parent;
create unique index place_code_is_unique_below_its_parent on place (parent_id, code) nulls not distinct where closed_at is null;

create or replace function keep_lineage() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.parent_id is distinct from old.parent_id then
        raise exception 'a place does not move' using errcode = 'check_violation', constraint = 'place_does_not_move';
    end if;
    if tg_op = 'INSERT' and new.parent_id is not null then
        perform require_open_places(array[new.parent_id]);
    end if;
    new.lineage := coalesce((select lineage from place where id = new.parent_id), '{}') || new.id;
    return new;
end $$;

-- The school that this one was merged into.
alter table school add column merged_into bigint references school;
alter table school add constraint school_merged_is_closed check (merged_into is null or status = 'closed');
create index school_by_merge on school (merged_into) where merged_into is not null;

-- In which place a school stood, from when until when; the present one has no end and is school.place_id (triggers on school keep both).
create table school_place (
    school_id bigint not null references school on delete cascade,
    from_at timestamptz not null default '-infinity',
    until_at timestamptz,
    place_id bigint not null references place,
    reason text constraint school_place_reason_is_short check (length(reason) between 1 and 200),
    moved_by bigint references person,
    primary key (school_id, from_at),
    constraint school_place_ends_after_start check (from_at < until_at),
    constraint school_place_is_one_at_a_time
        exclude using gist (int8range(school_id, school_id, '[]') with &&, tstzrange(from_at, until_at) with &&)
);
create unique index school_place_is_one_now on school_place (school_id) where until_at is null;
create index school_place_by_place on school_place (place_id, school_id);
create index school_place_of_moves on school_place (from_at) where from_at > '-infinity';
create index school_place_ended on school_place (until_at) where until_at is not null;
insert into school_place (school_id, place_id) select id, place_id from school;

-- Whether somebody stood there at an instant; without one, whether they do now.
create function stood_at(from_at timestamptz, until_at timestamptz, at timestamptz) returns boolean language sql immutable parallel safe as $$
    select case when at is null then until_at is null else from_at <= at and (until_at is null or until_at > at) end
$$;

-- The place under which a school is counted in a round: where it stood when the round's roll was fixed, else where it stands. The one choice.
create function place_for(wanted_school bigint, wanted_round bigint) returns bigint language sql stable parallel safe as $$
    select coalesce(
        (select m.place_id
            from round r
            join school_place m on m.school_id = wanted_school and stood_at(m.from_at, m.until_at, r.roll_at)
            where r.id = wanted_round and r.roll_at is not null),
        (select s.place_id from school s where s.id = wanted_school))
$$;

-- The places that a school's counts of a round go to: from the country down to where it stood.
create function lineage_for(wanted_school bigint, wanted_round bigint) returns bigint[] language sql stable parallel safe as $$
    select p.lineage from place p where p.id = place_for(wanted_school, wanted_round)
$$;

-- The schools that stood in a place, or below it, in a round.
create function schools_in(wanted_place bigint, wanted_round bigint) returns setof bigint language sql stable parallel safe as $$
    select m.school_id
    from place p
    join school_place m on m.place_id = p.id
    where p.lineage @> array[wanted_place]
        and stood_at(m.from_at, m.until_at, (select r.roll_at from round r where r.id = wanted_round))
$$;

-- What figures "as the districts are today" have more or less than those as they were: only of schools that moved after a round's roll was
-- fixed, so that it is small, and what a place had then is read from place_count alone.
create table place_count_moved (
    round_id bigint not null,
    subject subject not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    absent bigint not null, refused bigint not null, went bigint not null,
    rank_1 bigint not null, rank_2 bigint not null, rank_3 bigint not null, rank_4 bigint not null, rank_5 bigint not null,
    rank_6 bigint not null, rank_7 bigint not null, rank_8 bigint not null, rank_9 bigint not null,
    primary key (place_id, round_id, subject, grade, sex, shard)
) with (fillfactor = 70);

-- The same of seats.
create table place_roll_moved (
    round_id bigint not null,
    subject subject not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (place_id, round_id, subject, grade, sex, shard)
) with (fillfactor = 70);

-- A place's counts by the districts of today: what it had, and what schools brought and took since.
create view place_count_today as
    select round_id, subject, place_id, shard, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from place_count
    union all
    select round_id, subject, place_id, shard, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from place_count_moved;
create view place_roll_today as
    select round_id, subject, place_id, shard, grade, sex, children from place_roll
    union all
    select round_id, subject, place_id, shard, grade, sex, children from place_roll_moved;

-- Holds schools where they stand until the transaction ends: whoever moves one waits for this, and this waits for whoever is moving it. What
-- comes after it sees where they stand. In the order of their ids, so that two who hold many never wait for each other.
create function hold_schools(wanted bigint[]) returns void language plpgsql as $$
begin
    perform 1 from school s where s.id = any(wanted) order by s.id for key share;
end $$;

-- The places that lie on the way to one place and not to another (sign 1), and the other way round (-1).
create function places_between(from_place bigint, to_place bigint) returns table (unit bigint, sign integer) language sql stable parallel safe as $$
    select each.unit, sum(each.sign)::integer
    from (
        select unnest(p.lineage), 1 from place p where p.id = to_place
        union all
        select unnest(p.lineage), -1 from place p where p.id = from_place) each (unit, sign)
    group by each.unit
    having sum(each.sign) <> 0
$$;

create or replace function add_place_counts(deltas result_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_count as c (
        place_id, round_id, subject, grade, sex, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        join school s on s.id = each.school_id and not s.is_practice)
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
        join school s on s.id = each.school_id and not s.is_practice)
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

create or replace function add_school_counts(deltas result_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_count as c (
        school_id, round_id, subject, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    select d.school_id, d.round_id, d.subject, d.grade, d.sex, d.absent, d.refused, d.went,
        d.rank_1, d.rank_2, d.rank_3, d.rank_4, d.rank_5, d.rank_6, d.rank_7, d.rank_8, d.rank_9
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    order by 1, 2, 3, 4, 5
    on conflict (school_id, round_id, subject, grade, sex) do update set
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
    order by 1, 2, 3, 4, 5
    on conflict (place_id, school_year_id, grade, sex, shard) do update set children = c.children + excluded.children
$$;

create or replace function add_school_enrolled(deltas enrolled_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_enrolled as c (school_id, school_year_id, grade, sex, children)
    select d.school_id, d.school_year_id, d.grade, d.sex, d.children
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    where d.children <> 0
    order by 1, 2, 3, 4
    on conflict (school_id, school_year_id, grade, sex) do update set children = c.children + excluded.children
$$;

create or replace function add_school_roll(deltas roll_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_roll as c (school_id, round_id, subject, grade, sex, children)
    select d.school_id, d.round_id, d.subject, d.grade, d.sex, sum(d.children)
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    group by 1, 2, 3, 4, 5
    having sum(d.children) <> 0
    order by 1, 2, 3, 4, 5
    on conflict (school_id, round_id, subject, grade, sex) do update set children = c.children + excluded.children
$$;

create or replace function add_place_roll(deltas roll_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        join school s on s.id = each.school_id and not s.is_practice)
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
        join school s on s.id = each.school_id and not s.is_practice)
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

-- Adds a school's counts and seats of one round to what lies between two places: `to_then` times to the places as they were,
-- `to_moved` times to what today's districts have more or less.
create function shift_counts(wanted_school bigint, wanted_round bigint, from_place bigint, to_place bigint, to_then integer, to_moved integer)
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
    end if;
end $$;

-- Before schools are moved: no round's roll is fixed or let go meanwhile. Taken before any school, so that nobody waits in a ring.
create function hold_rolls() returns void language plpgsql as $$
begin
    perform 1 from round r order by r.id for share;
end $$;

-- An instant after every roll that was fixed, whatever the clocks of two hosts say.
create function after_rolls(at timestamptz) returns timestamptz language sql stable as $$
    select greatest(at, (select max(r.roll_at) + interval '1 microsecond' from round r))
$$;

drop trigger school_leaves_its_counts on school;
drop function take_school_out_of_counts();
drop trigger school_joins_its_counts on school;
drop function put_school_into_counts();

-- Nothing is hung on a closed place, nor on one that is being closed: whoever closes it waits for this, and this waits for whoever is closing it.
create function require_open_places(wanted bigint[]) returns void language plpgsql as $$
begin
    perform 1 from place p where p.id = any(wanted) order by p.id for share;
    if exists (select 1 from place p where p.id = any(wanted) and p.closed_at is not null) then
        raise exception 'nothing is hung on a closed place' using errcode = 'check_violation', constraint = 'place_is_closed';
    end if;
end $$;

create function keep_first_place() returns trigger language plpgsql as $$
begin
    perform require_open_places(array(select distinct n.place_id from new_rows n));
    insert into school_place (school_id, place_id) select n.id, n.place_id from new_rows n;
    return null;
end $$;
create trigger school_stands_somewhere after insert on school referencing new table as new_rows
    for each statement execute function keep_first_place();

-- A school that changes its place, or becomes or stops being a practice school: whoever enters something there waits the moment that it takes,
-- and whoever was entering is waited for. Nobody at another school is held up.
create function hold_changing_school() returns trigger language plpgsql as $$
begin
    perform hold_rolls();
    if old.place_id <> new.place_id then
        perform require_open_places(array[new.place_id]);
    end if;
    perform 1 from school s where s.id = old.id for update;
    if old.is_practice <> new.is_practice then
        if has_past(old.id) then
            raise exception 'a school with a past stays what it is' using errcode = 'check_violation', constraint = 'school_has_a_past';
        end if;
        if not old.is_practice then
            perform add_place_enrolled(array(
                select row(e.school_year_id, e.school_id, e.grade, e.sex, -e.children)::enrolled_delta
                from school_enrolled e where e.school_id = old.id));
            perform add_place_roll(array(
                select row(k.round_id, k.subject, k.school_id, k.grade, k.sex, -k.children)::roll_delta
                from school_roll k where k.school_id = old.id));
            delete from school_enrolled where school_id = old.id;
            delete from school_roll where school_id = old.id;
        end if;
    end if;
    return new;
end $$;
create trigger school_is_held_while_it_changes before update of place_id, is_practice on school for each row
    when (old.place_id <> new.place_id or old.is_practice <> new.is_practice) execute function hold_changing_school();

-- Whether anything was counted or done at a school, or its children stand in a year of which a round's roll is fixed.
create function has_past(wanted bigint) returns boolean language sql stable as $$
    select exists (select 1 from result r where r.school_id = wanted)
        or exists (select 1 from teaching_session t where t.school_id = wanted)
        or exists (select 1 from visit v where v.school_id = wanted)
        or exists (select 1 from past_enrolment p where p.school_id = wanted)
        or exists (
            select 1
            from student st
            join round r on r.school_year_id = st.school_year_id and r.roll_at is not null and r.deleted_at is null
            where st.school_id = wanted and st.deleted_at is null)
$$;

create function keep_school_place() returns trigger language plpgsql as $$
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
        order by 1, 2, 3, 4, 5
        on conflict (place_id, school_year_id, grade, sex, shard) do update set children = c.children + excluded.children;
    end if;
    update school_place set until_at = moved_at where school_id = new.id and until_at is null;
    insert into school_place (school_id, from_at, place_id, reason, moved_by)
    values (new.id, moved_at, new.place_id, left(nullif(current_setting('rightlevel.moving', true), ''), 200),
        nullif(current_setting('rightlevel.moving_by', true), '')::bigint);
    return null;
end $$;
create trigger school_keeps_its_places after update of place_id, is_practice on school for each row
    when (old.place_id <> new.place_id or old.is_practice <> new.is_practice) execute function keep_school_place();

-- A roll is fixed after every move that was made.
create function fix_roll_after_moves() returns trigger language plpgsql as $$
begin
    new.roll_at := greatest(new.roll_at, (select max(m.from_at) from school_place m where m.from_at > '-infinity'));
    return new;
end $$;
create trigger round_is_fixed_after_moves before update of roll_at on round for each row
    when (new.roll_at is not null and old.roll_at is null) execute function fix_roll_after_moves();

-- What a round counts goes where its schools stood when its roll was fixed; once it is let go, where they stand.
create function follow_roll() returns trigger language plpgsql as $$
declare
    each record;
begin
    for each in
        select s.id, coalesce(o.place_id, s.place_id) as old_place, coalesce(n.place_id, s.place_id) as new_place
        from school s
        left join school_place o on o.school_id = s.id and old.roll_at is not null and stood_at(o.from_at, o.until_at, old.roll_at)
        left join school_place n on n.school_id = s.id and new.roll_at is not null and stood_at(n.from_at, n.until_at, new.roll_at)
        where s.id in (
            select m.school_id from school_place m
            where m.from_at > '-infinity' and m.from_at > least(old.roll_at, new.roll_at))
        order by s.id
    loop
        if each.old_place <> each.new_place then
            perform hold_schools(array[each.id]);
            perform shift_counts(each.id, new.id, each.old_place, each.new_place, 1, -1);
        end if;
    end loop;
    return null;
end $$;
create trigger round_counts_follow_its_roll after update of roll_at on round for each row
    when (old.roll_at is distinct from new.roll_at) execute function follow_roll();

-- Places moved, split and merged: each by places that follow it. What is undone was done backwards; nothing of the past changes by either.
create table boundary_change (
    id uuid primary key,
    kind text not null constraint boundary_change_kind_is_known check (kind in ('move', 'split', 'merge')),
    reason text not null constraint boundary_change_says_why check (length(reason) between 1 and 200),
    schools integer not null,
    made_at timestamptz not null,
    made_by bigint not null references person,
    undone_at timestamptz,
    undone_by bigint references person,
    undo_reason text constraint boundary_change_undo_reason_is_short check (length(undo_reason) between 1 and 200),
    constraint boundary_change_undone_says_who_and_why check (num_nonnulls(undone_at, undone_by, undo_reason) in (0, 3))
);
create index boundary_change_by_time on boundary_change (made_at desc, id desc);

create table boundary_change_place (
    boundary_change_id uuid not null references boundary_change,
    place_id bigint not null references place,
    successor_id bigint not null references place,
    is_new boolean not null,
    primary key (boundary_change_id, place_id, successor_id),
    constraint boundary_change_place_is_followed_by_another check (place_id <> successor_id)
);
create index boundary_change_place_by_place on boundary_change_place (place_id);
create index boundary_change_place_by_successor on boundary_change_place (successor_id);

create table boundary_change_school (
    boundary_change_id uuid not null references boundary_change,
    school_id bigint not null references school,
    from_place_id bigint not null references place,
    to_place_id bigint not null references place,
    primary key (boundary_change_id, school_id)
);
create index boundary_change_school_by_school on boundary_change_school (school_id);

-- Schools merged and split: whose children went where in one deed.
create table school_change (
    id uuid primary key,
    kind text not null constraint school_change_kind_is_known check (kind in ('split', 'merge')),
    from_school_id bigint not null references school,
    to_school_id bigint not null references school,
    reason text not null constraint school_change_says_why check (length(reason) between 1 and 200),
    children integer not null,
    moved_on date not null,
    made_at timestamptz not null,
    made_by bigint not null references person,
    undone_at timestamptz,
    undone_by bigint references person,
    undo_reason text constraint school_change_undo_reason_is_short check (length(undo_reason) between 1 and 200),
    constraint school_change_is_of_two check (from_school_id <> to_school_id),
    constraint school_change_undone_says_who_and_why check (num_nonnulls(undone_at, undone_by, undo_reason) in (0, 3))
);
create index school_change_by_from on school_change (from_school_id, made_at desc);
create index school_change_by_to on school_change (to_school_id, made_at desc);

create table school_change_child (
    school_change_id uuid not null references school_change on delete cascade,
    student_id uuid not null references student on delete cascade,
    from_class_id bigint references class,
    to_class_id bigint references class,
    from_code text not null,
    grade smallint not null,
    primary key (school_change_id, student_id)
);
create index school_change_child_by_student on school_change_child (student_id);
