-- Seats and rolls: who a round is measured by, and where every child sat. See docs/decisions/0011-seats-and-rolls.md.

-- Seats and rolls: where children stand in a round ---------------------------------------------------------------------------------

-- Whatever changes where a child stands takes the next number, and so does a round whose roll is fixed: what came before what is told by
-- numbers and never by clocks, which may stand, jump or be those of another machine.
create sequence stint_number;

-- The present stint (school, year, class, grade, sex) began at stint_number; the number of a child that has left is when it left.
alter table student add column stint_number bigint not null default 0;
alter table student alter column stint_number set default nextval('stint_number');

-- A former stint lasted from from_number to until_number. Its seat in its year ends with it, but for one that closes its year: that is kept
-- for ever, or until the child is enrolled in that year again (superseded_by). is_aside: came with a record that was merged into this child,
-- beside a stint of its own; it is told, and holds no seat.
alter table past_enrolment add column from_number bigint not null default 0;
alter table past_enrolment add column until_number bigint not null default 0;
alter table past_enrolment add column superseded_by bigint;
alter table past_enrolment add column is_aside boolean not null default false;
update past_enrolment p set sex = st.sex from student st where st.id = p.student_id and p.sex is null;
alter table past_enrolment alter column sex set not null;
alter table past_enrolment add column seat_until bigint generated always as (case when closes_year then superseded_by else until_number end) stored;
alter table past_enrolment drop constraint past_enrolment_closing_has_a_sex;
alter table past_enrolment add constraint past_enrolment_is_in_order check (from_number <= until_number and superseded_by > from_number);
drop index past_enrolment_closes_a_year_once;
create unique index past_enrolment_closes_a_year_once on past_enrolment (student_id, school_year_id) where closes_year and superseded_by is null and not is_aside;
drop index past_enrolment_closing;
create index past_enrolment_by_school on past_enrolment (school_id, school_year_id);
create index past_enrolment_by_class on past_enrolment (class_id) where class_id is not null;

-- opened_at: first opened. roll_at, roll_number: since when, and as of which number, the round's roll is fixed.
alter table round add column opened_at timestamptz;
alter table round add column roll_at timestamptz;
alter table round add column roll_number bigint;
alter table round add constraint round_roll_is_whole check ((roll_at is null) = (roll_number is null));

-- Where children stand by their stints, whatever their results say. A round holds a row of its year when its roll is fixed at a number within
-- [from_number, seat_until), or when it isn't fixed and seat_until is null:
--     (seat_until is null or roll_number < seat_until) and (roll_number is null or from_number <= roll_number)
-- For a child and a round there is at most one. is_live: the child is not removed.
create view base_seat as
    select st.id as student_id, st.school_year_id, st.school_id, st.class_id, st.grade, st.sex, st.stint_number as from_number,
        null::bigint as seat_until, st.deleted_at is null as is_live
    from student st
    where st.status = 'active'
    union all
    select p.student_id, p.school_year_id, p.school_id, p.class_id, p.grade, p.sex, p.from_number, p.seat_until, not p.is_hidden as is_live
    from past_enrolment p
    where not p.is_aside;

create or replace view counted_student as
    select b.school_year_id, b.school_id, b.grade, b.sex, count(*) as children
    from base_seat b
    join school s on s.id = b.school_id and not s.is_practice
    where b.seat_until is null and b.is_live
    group by b.school_year_id, b.school_id, b.grade, b.sex;

-- How many seats a round and subject have beyond base: for a round whose roll is fixed all of them, else what results change about the
-- enrolled of the year (a child that moved since, or is not enrolled any more, keeps its seat where its result is).
create table school_roll (
    round_id bigint not null,
    subject subject not null,
    school_id bigint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (school_id, round_id, subject, grade, sex)
) with (fillfactor = 70);
create table place_roll (
    round_id bigint not null,
    subject subject not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (place_id, round_id, subject, grade, sex, shard)
) with (fillfactor = 70);
-- How many children stand in each year at a school, practice schools too: for lists and their counts, and no figure.
create table school_standing (
    school_id bigint not null,
    school_year_id bigint not null,
    children bigint not null,
    primary key (school_id, school_year_id)
) with (fillfactor = 70);

create type roll_delta as (round_id bigint, subject subject, school_id bigint, grade smallint, sex smallint, children bigint);

create function add_school_roll(deltas roll_delta[]) returns void language sql as $$
    insert into school_roll as c (school_id, round_id, subject, grade, sex, children)
    select d.school_id, d.round_id, d.subject, d.grade, d.sex, sum(d.children)
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    group by 1, 2, 3, 4, 5
    having sum(d.children) <> 0
    order by 1, 2, 3, 4, 5
    on conflict (school_id, round_id, subject, grade, sex) do update set children = c.children + excluded.children
$$;

create function add_school_standing(deltas enrolled_delta[]) returns void language sql as $$
    insert into school_standing as c (school_id, school_year_id, children)
    select d.school_id, d.school_year_id, sum(d.children)
    from unnest(deltas) d
    group by 1, 2
    having sum(d.children) <> 0
    order by 1, 2
    on conflict (school_id, school_year_id) do update set children = c.children + excluded.children
$$;

create function add_place_roll(deltas roll_delta[]) returns void language sql as $$
    insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
    select unit, d.round_id, d.subject, d.grade, d.sex, (s.id % 32)::smallint, sum(d.children)
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    join place p on p.id = s.place_id
    cross join unnest(p.lineage) unit
    group by 1, 2, 3, 4, 5, 6
    having sum(d.children) <> 0
    order by 1, 2, 3, 4, 5, 6
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children
$$;

-- school_roll as it must be. Reads every result, and the stints of the years whose rounds are fixed.
create view counted_roll as
    select each.round_id, each.subject, each.school_id, each.grade, each.sex, sum(each.seats)::bigint as children
    from (
        select rd.id as round_id, sub.subject, b.school_id, b.grade, b.sex, count(*) as seats
        from round rd
        join base_seat b on b.school_year_id = rd.school_year_id and b.is_live and (b.seat_until is null or rd.roll_number < b.seat_until)
            and b.from_number <= rd.roll_number
        cross join unnest(enum_range(null::subject)) sub (subject)
        where rd.roll_number is not null
        group by rd.id, sub.subject, b.school_id, b.grade, b.sex
        union all
        select r.round_id, r.subject, r.school_id, r.grade, r.sex, count(*)
        from result r
        where r.deleted_at is null and not r.is_hidden
        group by r.round_id, r.subject, r.school_id, r.grade, r.sex
        union all
        select r.round_id, r.subject, b.school_id, b.grade, b.sex, -count(*)
        from result r
        join round rd on rd.id = r.round_id
        join base_seat b on b.student_id = r.student_id and b.school_year_id = rd.school_year_id
            and (b.seat_until is null or rd.roll_number < b.seat_until) and (rd.roll_number is null or b.from_number <= rd.roll_number)
        where r.deleted_at is null and not r.is_hidden
        group by r.round_id, r.subject, b.school_id, b.grade, b.sex) each
    join school s on s.id = each.school_id and not s.is_practice
    group by each.round_id, each.subject, each.school_id, each.grade, each.sex
    having sum(each.seats) <> 0;

-- The seats of a school in a round and subject: a child with a result sits where the result is, everybody else where its stints say. Class
-- sheets, lists of the missing and figures mean these. Served by result_by_school, student_by_school and past_enrolment_by_school.
create function seats_of_school(of_round bigint, of_subject subject, of_school bigint)
returns table (student_id uuid, class_id bigint, grade smallint, sex smallint, result_id uuid) language sql stable as $$
    select r.student_id, r.class_id, r.grade, r.sex, r.id
    from result r
    where r.school_id = of_school and r.round_id = of_round and r.subject = of_subject and r.deleted_at is null and not r.is_hidden
    union all
    select b.student_id, b.class_id, b.grade, b.sex, null
    from round rd
    join base_seat b on b.school_id = of_school and b.school_year_id = rd.school_year_id and b.is_live
        and (b.seat_until is null or rd.roll_number < b.seat_until) and (rd.roll_number is null or b.from_number <= rd.roll_number)
    where rd.id = of_round and not exists (
        select 1
        from result r
        where r.student_id = b.student_id and r.round_id = of_round and r.subject = of_subject and r.deleted_at is null)
$$;

-- Says for the next change of where children stand, in this transaction, that it is a move and no correction: why, in which words, until
-- which day, and with which roll-over. Said once, used once.
create function say_stint(reason text, words text, until_on date, roll_over_id uuid) returns void language sql as $$
    select set_config('rightlevel.stint',
        jsonb_build_object('reason', reason, 'words', words, 'until_on', until_on, 'roll_over_id', roll_over_id)::text, true)
$$;

-- A new stint begins with a move, with leaving and with coming back. A correction of class, grade or sex begins one only where a round whose
-- roll is fixed holds the child as it was; else the stint is corrected as a whole. Who gives a number goes back to a former stint (a roll-over
-- undone).
create function keep_stint() returns trigger language plpgsql as $$
begin
    if new.stint_number <> old.stint_number then
        return new;
    end if;
    if (new.school_id, new.school_year_id, new.status) is distinct from (old.school_id, old.school_year_id, old.status)
        or coalesce(current_setting('rightlevel.stint', true), '') <> ''
        or exists (
            select 1
            from round rd
            where rd.school_year_id = old.school_year_id and rd.roll_number is not null
                and (rd.roll_number >= old.stint_number or exists (
                    select 1 from result r where r.student_id = old.id and r.round_id = rd.id and r.deleted_at is null))) then
        new.stint_number := nextval('stint_number');
    end if;
    return new;
end $$;
create trigger student_keeps_stint before update on student for each row
    when ((old.school_id, old.school_year_id, old.class_id, old.grade, old.sex, old.status)
        is distinct from (new.school_id, new.school_year_id, new.class_id, new.grade, new.sex, new.status))
    execute function keep_stint();

-- What follows from children standing elsewhere: the former stint is written down, enrolled counts and rolls are kept, and a correction goes
-- on into the results of rounds whose roll is not fixed. A fixed roll holds the former stint instead of the present one, so nothing of it changes.
create function keep_student_counts() returns trigger language plpgsql as $$
declare
    enrolled enrolled_delta[];
    rolls roll_delta[];
    said jsonb;
begin
    if tg_op = 'INSERT' then
        enrolled := array(
            select row(school_year_id, school_id, grade, sex, count(*))::enrolled_delta
            from new_rows where deleted_at is null and status = 'active'
            group by school_year_id, school_id, grade, sex);
    elsif tg_op = 'DELETE' then
        enrolled := array(
            select row(school_year_id, school_id, grade, sex, -count(*))::enrolled_delta
            from old_rows where deleted_at is null and status = 'active'
            group by school_year_id, school_id, grade, sex);
    else
        -- Whoever only renames a child, or gives it a contact, ends here.
        if not exists (
            select 1
            from (
                select 1 as sign, id, school_year_id, school_id, class_id, grade, sex, status, deleted_at, stint_number from new_rows
                union all
                select -1, id, school_year_id, school_id, class_id, grade, sex, status, deleted_at, stint_number from old_rows) changed
            group by id, school_year_id, school_id, class_id, grade, sex, status, deleted_at, stint_number
            having sum(sign) <> 0) then
            return null;
        end if;
        said := nullif(current_setting('rightlevel.stint', true), '')::jsonb;
        if said is not null then
            perform set_config('rightlevel.stint', '', true);
        end if;
        -- Planned each time, by how many rows there are: the plan for one child would take hours for a million.
        execute $move$
            insert into past_enrolment (student_id, school_id, school_year_id, class_id, grade, sex, until_on, reason, words, closes_year,
                roll_over_id, from_number, until_number)
            select o.id, o.school_id, o.school_year_id, o.class_id, o.grade, o.sex,
                coalesce(($1->>'until_on')::date, case when n.status = 'left' then n.left_on end,
                    case when o.school_year_id <> n.school_year_id then least(y.ends_on, n.changed_at::date) end, n.changed_at::date),
                case
                    when $1->>'roll_over_id' is not null then
                        case when n.status = 'left' then 'finished' when n.grade <> o.grade then 'promotion' else 'repeat' end
                    when n.status = 'left' then coalesce($1->>'reason', 'left')
                    when $1 is not null then $1->>'reason'
                    when o.school_id <> n.school_id then 'transfer'
                    when o.school_year_id <> n.school_year_id then 'change'
                    else 'correction' end,
                coalesce($1->>'words', ''), $1->>'roll_over_id' is not null, ($1->>'roll_over_id')::uuid, o.stint_number, n.stint_number
            from old_rows o
            join new_rows n on n.id = o.id
            join school_year y on y.id = o.school_year_id
            where o.status = 'active' and n.stint_number > o.stint_number
        $move$ using said;
        execute $correct$
            update result r
            set class_id = case when c.is_here then c.class_id else r.class_id end, grade = case when c.is_here then c.grade else r.grade end,
                sex = case when r.sex = c.old_sex then c.sex else r.sex end
            from (
                select e.id, n.class_id, n.grade, n.sex, o.sex as old_sex,
                    e.school_id = n.school_id and e.class_id is not distinct from o.class_id and e.grade = o.grade
                        and (o.class_id, o.grade) is distinct from (n.class_id, n.grade) as is_here
                from old_rows o
                join new_rows n on n.id = o.id
                join result e on e.student_id = o.id and e.deleted_at is null
                join round rd on rd.id = e.round_id and rd.school_year_id = n.school_year_id and rd.roll_number is null
                where $1 is null and (o.school_id, o.school_year_id, o.status) = (n.school_id, n.school_year_id, n.status)
                    and (o.class_id, o.grade, o.sex) is distinct from (n.class_id, n.grade, n.sex)) c
            where r.id = c.id and (c.is_here or (r.sex = c.old_sex and c.sex <> c.old_sex))
        $correct$ using said;
        enrolled := array(
            select row(school_year_id, school_id, grade, sex, sum(sign))::enrolled_delta
            from (
                select 1 as sign, school_year_id, school_id, grade, sex from new_rows where deleted_at is null and status = 'active'
                union all
                select -1, school_year_id, school_id, grade, sex from old_rows where deleted_at is null and status = 'active') changed
            group by school_year_id, school_id, grade, sex
            having sum(sign) <> 0);
        with changed as materialized (
            select id, school_year_id, school_id, grade, sex, sum(sign) as seats
            from (
                select 1 as sign, id, school_year_id, school_id, grade, sex from new_rows where status = 'active'
                union all
                select -1, id, school_year_id, school_id, grade, sex from old_rows where status = 'active') stood
            group by id, school_year_id, school_id, grade, sex
            having sum(sign) <> 0
        ), removed as materialized (
            select id, case when bool_or(is_live and is_new) then 1 else -1 end as seats
            from (
                select id, deleted_at is null as is_live, true as is_new from new_rows
                union all
                select id, deleted_at is null, false from old_rows) lived
            group by id
            having bool_or(is_live) <> bool_and(is_live)
        )
        select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
        from (
            select round_id, subject, school_id, grade, sex, sum(seats) as seats
            from (
                -- A child with a result keeps its seat there: what is added to or taken from the enrolled is taken back.
                select r.round_id, r.subject, c.school_id, c.grade, c.sex, -c.seats as seats
                from changed c
                cross join lateral (
                    select e.round_id, e.subject
                    from result e
                    where e.student_id = c.id and e.deleted_at is null and not e.is_hidden
                    offset 0) r
                join round rd on rd.id = r.round_id and rd.school_year_id = c.school_year_id and rd.roll_number is null
                union all
                select rd.id, sub.subject, st.school_id, st.grade, st.sex, c.seats
                from removed c
                cross join lateral (
                    select s.school_id, s.school_year_id, s.grade, s.sex, s.stint_number
                    from student s
                    where s.id = c.id and s.status = 'active'
                    offset 0) st
                join round rd on rd.school_year_id = st.school_year_id and rd.roll_number >= st.stint_number
                cross join unnest(enum_range(null::subject)) sub (subject)) each
            group by round_id, subject, school_id, grade, sex
            having sum(seats) <> 0) d;
    end if;
    if cardinality(enrolled) > 0 then
        perform add_school_enrolled(enrolled);
        perform add_place_enrolled(enrolled);
        perform add_school_standing(enrolled);
    end if;
    if cardinality(rolls) > 0 then
        perform add_school_roll(rolls);
        perform add_place_roll(rolls);
    end if;
    return null;
end $$;
drop trigger enrolled_counts_on_insert on student;
drop trigger enrolled_counts_on_update on student;
drop trigger enrolled_counts_on_delete on student;
drop function keep_enrolled_counts();
create trigger student_counts_on_insert after insert on student referencing new table as new_rows
    for each statement execute function keep_student_counts();
create trigger student_counts_on_update after update on student referencing old table as old_rows new table as new_rows
    for each statement execute function keep_student_counts();
create trigger student_counts_on_delete after delete on student referencing old table as old_rows
    for each statement execute function keep_student_counts();

-- Former stints: what they add to the enrolled of their year, and to rolls. One that was written down as its child went (until_number is above
-- 0) takes over from the present one in every fixed roll, and one that is undone gives back to it: those rolls do not change.
create type past_delta as (
    student_id uuid, school_year_id bigint, school_id bigint, grade smallint, sex smallint, from_number bigint, seat_until bigint,
    counts_in_fixed boolean, is_hidden boolean, seats bigint
);
create or replace function keep_closed_counts() returns trigger language plpgsql as $$
declare
    stood past_delta[];
    enrolled enrolled_delta[];
    rolls roll_delta[];
begin
    if tg_op = 'INSERT' then
        stood := array(
            select row(student_id, school_year_id, school_id, grade, sex, from_number, seat_until, until_number = 0, is_hidden, 1)::past_delta
            from new_rows where not is_aside and (closes_year or until_number = 0));
    elsif tg_op = 'DELETE' then
        stood := array(
            select row(student_id, school_year_id, school_id, grade, sex, from_number, seat_until, until_number = 0, is_hidden, -1)::past_delta
            from old_rows where not is_aside and (closes_year or until_number = 0));
    else
        stood := array(
            select row(student_id, school_year_id, school_id, grade, sex, from_number, seat_until, true, is_hidden, sum(sign))::past_delta
            from (
                select 1 as sign, student_id, school_year_id, school_id, grade, sex, from_number, seat_until, is_hidden from new_rows where not is_aside
                union all
                select -1, student_id, school_year_id, school_id, grade, sex, from_number, seat_until, is_hidden from old_rows where not is_aside) changed
            group by student_id, school_year_id, school_id, grade, sex, from_number, seat_until, is_hidden
            having sum(sign) <> 0);
    end if;
    if cardinality(stood) = 0 then
        return null;
    end if;
    enrolled := array(
        select row(school_year_id, school_id, grade, sex, sum(seats))::enrolled_delta
        from unnest(stood) where seat_until is null and not is_hidden
        group by school_year_id, school_id, grade, sex
        having sum(seats) <> 0);
    select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
    from (
        select round_id, subject, school_id, grade, sex, sum(seats) as seats
        from (
            select r.round_id, r.subject, p.school_id, p.grade, p.sex, -p.seats as seats
            from unnest(stood) p
            cross join lateral (
                select e.round_id, e.subject
                from result e
                where e.student_id = p.student_id and e.deleted_at is null and not e.is_hidden
                offset 0) r
            join round rd on rd.id = r.round_id and rd.school_year_id = p.school_year_id and (p.seat_until is null or rd.roll_number < p.seat_until)
                and (rd.roll_number is null or (p.counts_in_fixed and p.from_number <= rd.roll_number))
            union all
            select rd.id, sub.subject, p.school_id, p.grade, p.sex, p.seats
            from unnest(stood) p
            join round rd on rd.school_year_id = p.school_year_id and (p.seat_until is null or rd.roll_number < p.seat_until)
                and p.from_number <= rd.roll_number
            cross join unnest(enum_range(null::subject)) sub (subject)
            where p.counts_in_fixed and not p.is_hidden) each
        group by round_id, subject, school_id, grade, sex
        having sum(seats) <> 0) d;
    if cardinality(enrolled) > 0 then
        perform add_school_enrolled(enrolled);
        perform add_place_enrolled(enrolled);
    end if;
    if cardinality(rolls) > 0 then
        perform add_school_roll(rolls);
        perform add_place_roll(rolls);
    end if;
    return null;
end $$;

create or replace function hide_past_of_student() returns trigger language plpgsql as $$
begin
    update past_enrolment set is_hidden = new.deleted_at is not null where student_id = new.id;
    return null;
end $$;

-- A child that is enrolled in a year again sits there by itself, whichever way it came back; what was fixed before holds it as it was.
create or replace function reopen_year_of_student() returns trigger language plpgsql as $$
begin
    update past_enrolment set superseded_by = new.stint_number
    where student_id = new.id and school_year_id = new.school_year_id and closes_year and superseded_by is null and not is_aside;
    return null;
end $$;

-- Results: counts as before, and a seat where the result is instead of where its child's stints say. Mostly that is the same, and nothing is
-- written. The rows are looked up child by child and in no other way (offset 0): a plan made for a million rows would read every child for one.
create or replace function keep_result_counts() returns trigger language plpgsql as $$
declare
    deltas result_delta[];
    rolls roll_delta[];
begin
    if tg_op = 'INSERT' then
        deltas := array(
            select row(round_id, subject, school_id, grade, sex,
                count(*) filter (where outcome = 'absent'), count(*) filter (where outcome = 'refused'), count(*) filter (where outcome = 'left'),
                count(*) filter (where rank = 1), count(*) filter (where rank = 2), count(*) filter (where rank = 3),
                count(*) filter (where rank = 4), count(*) filter (where rank = 5), count(*) filter (where rank = 6),
                count(*) filter (where rank = 7), count(*) filter (where rank = 8), count(*) filter (where rank = 9))::result_delta
            from new_rows where deleted_at is null and not is_hidden
            group by round_id, subject, school_id, grade, sex);
        select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
        from (
            select r.round_id, r.subject, b.school_id, b.grade, b.sex, sum(b.seats) as seats
            from new_rows r
            cross join lateral (
                select x.school_id, x.grade, x.sex, x.seats
                from round rd
                cross join lateral (
                    select e.school_id, e.grade, e.sex, -1 as seats
                    from base_seat e
                    where e.student_id = r.student_id and e.school_year_id = rd.school_year_id and (e.seat_until is null or rd.roll_number < e.seat_until)
                        and (rd.roll_number is null or e.from_number <= rd.roll_number)
                    union all
                    select r.school_id, r.grade, r.sex, 1) x
                where rd.id = r.round_id
                offset 0) b
            where r.deleted_at is null and not r.is_hidden
            group by r.round_id, r.subject, b.school_id, b.grade, b.sex
            having sum(b.seats) <> 0) d;
    elsif tg_op = 'DELETE' then
        deltas := array(
            select row(round_id, subject, school_id, grade, sex,
                -count(*) filter (where outcome = 'absent'), -count(*) filter (where outcome = 'refused'), -count(*) filter (where outcome = 'left'),
                -count(*) filter (where rank = 1), -count(*) filter (where rank = 2), -count(*) filter (where rank = 3),
                -count(*) filter (where rank = 4), -count(*) filter (where rank = 5), -count(*) filter (where rank = 6),
                -count(*) filter (where rank = 7), -count(*) filter (where rank = 8), -count(*) filter (where rank = 9))::result_delta
            from old_rows where deleted_at is null and not is_hidden
            group by round_id, subject, school_id, grade, sex);
        select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, -d.seats)::roll_delta) into rolls
        from (
            select r.round_id, r.subject, b.school_id, b.grade, b.sex, sum(b.seats) as seats
            from old_rows r
            cross join lateral (
                select x.school_id, x.grade, x.sex, x.seats
                from round rd
                cross join lateral (
                    select e.school_id, e.grade, e.sex, -1 as seats
                    from base_seat e
                    where e.student_id = r.student_id and e.school_year_id = rd.school_year_id and (e.seat_until is null or rd.roll_number < e.seat_until)
                        and (rd.roll_number is null or e.from_number <= rd.roll_number)
                    union all
                    select r.school_id, r.grade, r.sex, 1) x
                where rd.id = r.round_id
                offset 0) b
            where r.deleted_at is null and not r.is_hidden
            group by r.round_id, r.subject, b.school_id, b.grade, b.sex
            having sum(b.seats) <> 0) d;
    else
        deltas := array(
            select row(round_id, subject, school_id, grade, sex,
                coalesce(sum(sign) filter (where outcome = 'absent'), 0), coalesce(sum(sign) filter (where outcome = 'refused'), 0),
                coalesce(sum(sign) filter (where outcome = 'left'), 0),
                coalesce(sum(sign) filter (where rank = 1), 0), coalesce(sum(sign) filter (where rank = 2), 0), coalesce(sum(sign) filter (where rank = 3), 0),
                coalesce(sum(sign) filter (where rank = 4), 0), coalesce(sum(sign) filter (where rank = 5), 0), coalesce(sum(sign) filter (where rank = 6), 0),
                coalesce(sum(sign) filter (where rank = 7), 0), coalesce(sum(sign) filter (where rank = 8), 0), coalesce(sum(sign) filter (where rank = 9), 0))::result_delta
            from (
                select 1 as sign, round_id, subject, school_id, grade, sex, outcome, rank from new_rows where deleted_at is null and not is_hidden
                union all
                select -1, round_id, subject, school_id, grade, sex, outcome, rank from old_rows where deleted_at is null and not is_hidden) changed
            group by round_id, subject, school_id, grade, sex);
        -- Mostly a level is changed and no seat: the plan for seats is begun only where there is one.
        if exists (
            select 1
            from (
                select 1 as sign, student_id, round_id, subject, school_id, grade, sex from new_rows where deleted_at is null and not is_hidden
                union all
                select -1, student_id, round_id, subject, school_id, grade, sex from old_rows where deleted_at is null and not is_hidden) changed
            group by student_id, round_id, subject, school_id, grade, sex
            having sum(sign) <> 0) then
            with moved as materialized (
                select student_id, round_id, subject, school_id, grade, sex, sum(sign) as seats
                from (
                    select 1 as sign, student_id, round_id, subject, school_id, grade, sex from new_rows where deleted_at is null and not is_hidden
                    union all
                    select -1, student_id, round_id, subject, school_id, grade, sex from old_rows where deleted_at is null and not is_hidden) changed
                group by student_id, round_id, subject, school_id, grade, sex
                having sum(sign) <> 0
            )
            select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
            from (
                select m.round_id, m.subject, b.school_id, b.grade, b.sex, sum(b.seats * m.seats) as seats
                from moved m
                cross join lateral (
                    select x.school_id, x.grade, x.sex, x.seats
                    from round rd
                    cross join lateral (
                        select e.school_id, e.grade, e.sex, -1 as seats
                        from base_seat e
                        where e.student_id = m.student_id and e.school_year_id = rd.school_year_id and (e.seat_until is null or rd.roll_number < e.seat_until)
                            and (rd.roll_number is null or e.from_number <= rd.roll_number)
                        union all
                        select m.school_id, m.grade, m.sex, 1) x
                    where rd.id = m.round_id
                    offset 0) b
                group by m.round_id, m.subject, b.school_id, b.grade, b.sex
                having sum(b.seats * m.seats) <> 0) d;
        end if;
    end if;
    if cardinality(rolls) > 0 then
        perform add_school_roll(rolls);
        perform add_place_roll(rolls);
    end if;
    if cardinality(deltas) > 0 then
        perform add_school_counts(deltas);
        perform add_place_counts(deltas);
    end if;
    return null;
end $$;

-- A round's roll is fixed at its first closing, and when a later round opens: who is enrolled then is what it is measured by, for ever.
alter table round add column state_at timestamptz not null default now();

create function fix_roll(of_round bigint, fixed_at timestamptz) returns void language plpgsql as $$
declare
    year_id bigint;
begin
    -- Whoever changes where children stand, or what they could do, has committed before this goes on, or comes after it. Children first, as
    -- everybody who writes both does.
    lock table student, result in share row exclusive mode;
    update round set roll_at = fixed_at, roll_number = nextval('stint_number')
    where id = of_round and roll_number is null
    returning school_year_id into year_id;
    if year_id is null then
        return;
    end if;
    insert into school_roll as c (school_id, round_id, subject, grade, sex, children)
    select e.school_id, of_round, sub.subject, e.grade, e.sex, e.children
    from school_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    order by 1, 2, 3, 4, 5
    on conflict (school_id, round_id, subject, grade, sex) do update set children = c.children + excluded.children;
    insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
    select e.place_id, of_round, sub.subject, e.grade, e.sex, e.shard, e.children
    from place_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    order by 1, 2, 3, 4, 5, 6
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
end $$;

-- A round that goes on within its days goes by who is enrolled now again. Only children who moved since are looked at, beside the counts.
create function loosen_roll(of_round bigint) returns void language plpgsql as $$
declare
    was bigint;
    year_id bigint;
    rolls roll_delta[];
begin
    lock table student, result in share row exclusive mode;
    select roll_number, school_year_id into was, year_id from round where id = of_round;
    if was is null then
        return;
    end if;
    -- First, so that what follows is counted where schools stand now.
    update round set roll_at = null, roll_number = null where id = of_round;
    with moved as materialized (
        select b.student_id, b.school_id, b.grade, b.sex, b.is_live, case when b.seat_until is null then 1 else -1 end as seats
        from base_seat b
        where b.school_year_id = year_id
            and ((b.seat_until is null and b.from_number > was) or (b.seat_until > was and b.from_number <= was))
    )
    select array_agg(row(of_round, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
    from (
        select subject, school_id, grade, sex, sum(seats) as seats
        from (
            select sub.subject, m.school_id, m.grade, m.sex, m.seats
            from moved m
            cross join unnest(enum_range(null::subject)) sub (subject)
            where m.is_live
            union all
            select r.subject, m.school_id, m.grade, m.sex, -m.seats
            from moved m
            join result r on r.student_id = m.student_id and r.round_id = of_round and r.deleted_at is null and not r.is_hidden) each
        group by subject, school_id, grade, sex
        having sum(seats) <> 0) d;
    update school_roll c set children = c.children - e.children
    from school_enrolled e
    where c.round_id = of_round and e.school_id = c.school_id and e.school_year_id = year_id and e.grade = c.grade and e.sex = c.sex;
    insert into school_roll (school_id, round_id, subject, grade, sex, children)
    select e.school_id, of_round, sub.subject, e.grade, e.sex, -e.children
    from school_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    on conflict (school_id, round_id, subject, grade, sex) do nothing;
    update place_roll c set children = c.children - e.children
    from place_enrolled e
    where c.round_id = of_round and e.place_id = c.place_id and e.school_year_id = year_id and e.grade = c.grade and e.sex = c.sex and e.shard = c.shard;
    insert into place_roll (place_id, round_id, subject, grade, sex, shard, children)
    select e.place_id, of_round, sub.subject, e.grade, e.sex, e.shard, -e.children
    from place_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    on conflict (place_id, round_id, subject, grade, sex, shard) do nothing;
    if cardinality(rolls) > 0 then
        perform add_school_roll(rolls);
        perform add_place_roll(rolls);
    end if;
end $$;

create function note_round_state() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.state_at = old.state_at and new.state <> old.state then
        new.state_at := now();
    end if;
    if new.state <> 'planned' then
        new.opened_at := coalesce(new.opened_at, new.state_at);
    end if;
    return new;
end $$;
create trigger round_notes_its_state before insert or update of state on round for each row execute function note_round_state();

create function fix_rolls_of_round() returns trigger language plpgsql as $$
declare
    earlier bigint;
begin
    if new.state in ('closed', 'frozen') or (tg_op = 'INSERT' and exists (
        select 1 from round o where o.starts_on > new.starts_on and o.opened_at is not null and o.deleted_at is null)) then
        perform fix_roll(new.id, new.state_at);
    end if;
    if new.state <> 'planned' then
        for earlier in
            select o.id from round o
            where o.starts_on < new.starts_on and o.roll_number is null and o.deleted_at is null
            order by o.id
        loop
            perform fix_roll(earlier, new.state_at);
        end loop;
    end if;
    return null;
end $$;
create trigger round_fixes_rolls after insert or update of state on round for each row execute function fix_rolls_of_round();

-- A school that changes its place, or becomes or stops being a practice school, takes its counts along.
create or replace function take_school_out_of_counts() returns trigger language plpgsql as $$
begin
    -- A result saved meanwhile would be counted where the school was: writers wait the moment this rare change takes.
    lock table student, result in share row exclusive mode;
    if not old.is_practice then
        perform add_place_counts(array(
            select row(round_id, subject, school_id, grade, sex, -absent, -refused, -went,
                -rank_1, -rank_2, -rank_3, -rank_4, -rank_5, -rank_6, -rank_7, -rank_8, -rank_9)::result_delta
            from school_count where school_id = old.id));
        perform add_place_enrolled(array(
            select row(school_year_id, school_id, grade, sex, -children)::enrolled_delta
            from school_enrolled where school_id = old.id));
        perform add_place_roll(array(
            select row(round_id, subject, school_id, grade, sex, -children)::roll_delta
            from school_roll where school_id = old.id));
        delete from school_count where school_id = old.id;
        delete from school_enrolled where school_id = old.id;
        delete from school_roll where school_id = old.id;
    end if;
    return new;
end $$;
create or replace function put_school_into_counts() returns trigger language plpgsql as $$
declare
    result_deltas result_delta[];
    enrolled_deltas enrolled_delta[];
    roll_deltas roll_delta[];
begin
    result_deltas := array(
        select row(round_id, subject, school_id, grade, sex, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)::result_delta
        from counted_result where school_id = new.id);
    enrolled_deltas := array(
        select row(school_year_id, school_id, grade, sex, children)::enrolled_delta
        from counted_student where school_id = new.id);
    roll_deltas := array(
        select row(round_id, subject, school_id, grade, sex, children)::roll_delta
        from counted_roll where school_id = new.id);
    perform add_school_counts(result_deltas);
    perform add_place_counts(result_deltas);
    perform add_school_enrolled(enrolled_deltas);
    perform add_place_enrolled(enrolled_deltas);
    perform add_school_roll(roll_deltas);
    perform add_place_roll(roll_deltas);
    return null;
end $$;

-- What is there already: rounds that were closed, and those before one that was opened, are measured by who is enrolled now.
set local statement_timeout = 0;
update round set opened_at = created_at where state <> 'planned';
update round r set roll_at = now(), roll_number = nextval('stint_number')
where r.state in ('closed', 'frozen') or exists (
    select 1 from round o where o.starts_on > r.starts_on and o.opened_at is not null and o.deleted_at is null);
select add_school_roll(deltas), add_place_roll(deltas)
from (
    select array(
        select row(round_id, subject, school_id, grade, sex, children)::roll_delta from counted_roll) as deltas) counted;
insert into school_standing (school_id, school_year_id, children)
select school_id, school_year_id, count(*) from student where deleted_at is null and status = 'active' group by school_id, school_year_id;
