-- What grew with the country: each is kept in the write's own transaction, and told by an index.

set local statement_timeout = '10min';

-- What was returned, in the order of its list.
create index verification_returned on verification (id) where state = 'returned';

-- What somebody with a few schools sees of what was settled; visits of one subject; and the schools that have results in a round.
create index verification_settled_by_school on verification (child_school_id, round_id, id) where state in ('agreed', 'resolved');
create index visit_by_subject on visit (subject, visited_on desc, id desc) where deleted_at is null;
create index school_count_by_round on school_count (round_id, subject, school_id);
create index assignment_ever_by_school on assignment (school_id, subject);

-- Until when the mentor of a draft or of a plan works there (nothing of those that are no more).
alter table visit add column mentor_until date;
alter table planned_visit add column mentor_until date;

-- Of each school, subject and role the assignment in force that lasts longest, from when until when (who is away holds nothing). A school whose longest
-- doesn't take in a day may lack somebody on it; no other school does, so only those few are looked at.
create table school_held (
    school_id bigint not null references school on delete cascade,
    subject subject not null,
    role role not null,
    from_on date not null,
    until_on date not null,
    primary key (school_id, subject, role)
);
create index school_held_until on school_held (subject, role, until_on, school_id);
create index school_held_to_come on school_held (subject, role, from_on, school_id);

create view longest_held as
    select s.id as school_id, u.subject, o.role, coalesce(h.from_on, '-infinity') as from_on, coalesce(h.until_on, '-infinity') as until_on
    from school s
    cross join unnest(enum_range(null::subject)) u (subject)
    cross join unnest(array['mentor', 'teacher']::role[]) o (role)
    left join lateral (
        select a.from_on, coalesce(a.to_on, 'infinity') as until_on
        from assignment a
        join person p on p.id = a.person_id and p.role = o.role and p.is_active and p.deleted_at is null
        where a.school_id = s.id and a.subject = u.subject and a.ended_at is null
        order by coalesce(a.to_on, 'infinity') desc, a.from_on
        limit 1) h on true;

-- Whether somebody of a role holds a school for a subject on a day.
create function is_held(of_school bigint, for_subject subject, by_role role, on_day date) returns boolean language sql stable as $$
    select exists (
        select 1
        from assignment a
        join person p on p.id = a.person_id and p.role = by_role and p.is_active and p.deleted_at is null
        where a.school_id = of_school and a.subject = for_subject and a.ended_at is null and a.from_on <= on_day and coalesce(a.to_on, on_day) >= on_day
        offset 0)
$$;

-- Rows of a school are held first, and read anew after: of two who change the same school's assignments the second counts what the first did.
create function keep_held(wanted bigint[]) returns void language plpgsql as $$
begin
    perform 1 from school_held h where h.school_id = any(wanted) order by h.school_id, h.subject, h.role for no key update;
    insert into school_held as h (school_id, subject, role, from_on, until_on)
    select l.school_id, l.subject, l.role, l.from_on, l.until_on
    from longest_held l
    where l.school_id = any(wanted)
    order by l.school_id, l.subject, l.role
    on conflict (school_id, subject, role) do update set from_on = excluded.from_on, until_on = excluded.until_on
        where (h.from_on, h.until_on) is distinct from (excluded.from_on, excluded.until_on);
end $$;

create function hold_nobody_yet() returns trigger language plpgsql as $$
begin
    perform keep_held(array(select n.id from new_rows n));
    return null;
end $$;
create trigger school_is_held_by_nobody_yet after insert on school referencing new table as new_rows
    for each statement execute function hold_nobody_yet();

-- Until when somebody works at a school for a subject: for ever who leads the programme, a mentor as long as an assignment lasts, nobody else.
create function works_until(of_person bigint, at_school bigint, for_subject subject) returns date language sql stable as $$
    select case
        when p.deleted_at is not null or not p.is_active then '-infinity'
        when p.role in ('admin', 'coordinator') then 'infinity'
        when p.role = 'mentor' then coalesce((
            select max(coalesce(a.to_on, 'infinity'))
            from assignment a
            where a.person_id = p.id and a.school_id = at_school and a.subject = for_subject and a.ended_at is null), '-infinity')
        else '-infinity'
    end
    from person p
    where p.id = of_person
$$;

-- After a change of some people or of their assignments. Whoever begins a draft or plan of theirs meanwhile is waited for, and waits.
create function keep_who_works(people bigint[], schools bigint[]) returns void language plpgsql as $$
begin
    perform 1 from person p where p.id = any(people) order by p.id for no key update;
    perform keep_held(schools);
    update visit v
    set mentor_until = works_until(v.mentor_id, v.school_id, v.subject)
    where v.mentor_id = any(people) and v.state = 'draft' and v.deleted_at is null
        and v.mentor_until is distinct from works_until(v.mentor_id, v.school_id, v.subject);
    update planned_visit v
    set mentor_until = works_until(v.mentor_id, v.school_id, v.subject)
    where v.mentor_id = any(people) and v.state = 'planned'
        and v.mentor_until is distinct from works_until(v.mentor_id, v.school_id, v.subject);
end $$;

create function keep_who_works_after_assigning() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform keep_who_works(array(select distinct n.person_id from new_rows n), array(select distinct n.school_id from new_rows n));
    elsif tg_op = 'DELETE' then
        perform keep_who_works(array(select distinct o.person_id from old_rows o), array(select distinct o.school_id from old_rows o));
    else
        perform keep_who_works(
            array(select o.person_id from old_rows o union select n.person_id from new_rows n),
            array(select o.school_id from old_rows o union select n.school_id from new_rows n));
    end if;
    return null;
end $$;
create trigger assignment_says_who_works_on_insert after insert on assignment referencing new table as new_rows
    for each statement execute function keep_who_works_after_assigning();
create trigger assignment_says_who_works_on_update after update on assignment referencing old table as old_rows new table as new_rows
    for each statement execute function keep_who_works_after_assigning();
create trigger assignment_says_who_works_on_delete after delete on assignment referencing old table as old_rows
    for each statement execute function keep_who_works_after_assigning();

create function keep_who_works_after_change() returns trigger language plpgsql as $$
begin
    perform keep_who_works(array[new.id], array(select distinct a.school_id from assignment a where a.person_id = new.id and a.ended_at is null));
    return null;
end $$;
create trigger person_says_where_they_work after update of role, is_active, deleted_at on person for each row
    when ((old.role, old.is_active, old.deleted_at) is distinct from (new.role, new.is_active, new.deleted_at))
    execute function keep_who_works_after_change();

-- A draft or plan says until when its mentor works there.
create function say_mentor_until() returns trigger language plpgsql as $$
begin
    perform 1 from person p where p.id = new.mentor_id for share;
    new.mentor_until := works_until(new.mentor_id, new.school_id, new.subject);
    return new;
end $$;
create trigger visit_says_mentor_until_on_insert before insert on visit for each row
    when (new.state = 'draft') execute function say_mentor_until();
create trigger visit_says_mentor_until before update of mentor_id, school_id, subject, state, deleted_at on visit for each row
    when (new.state = 'draft' and (old.mentor_id, old.school_id, old.subject, old.state, old.deleted_at)
        is distinct from (new.mentor_id, new.school_id, new.subject, new.state, new.deleted_at)) execute function say_mentor_until();
create trigger planned_visit_says_mentor_until_on_insert before insert on planned_visit for each row
    when (new.state = 'planned') execute function say_mentor_until();
create trigger planned_visit_says_mentor_until before update of mentor_id, school_id, subject, state on planned_visit for each row
    when (new.state = 'planned' and (old.mentor_id, old.school_id, old.subject, old.state)
        is distinct from (new.mentor_id, new.school_id, new.subject, new.state)) execute function say_mentor_until();

update visit set mentor_until = works_until(mentor_id, school_id, subject) where state = 'draft';
update planned_visit set mentor_until = works_until(mentor_id, school_id, subject) where state = 'planned';
create index visit_left on visit (mentor_until, visited_on, id) where state = 'draft' and deleted_at is null;
create index planned_visit_left on planned_visit (mentor_until, planned_on, id) where state = 'planned';

insert into school_held (school_id, subject, role, from_on, until_on)
select school_id, subject, role, from_on, until_on
from longest_held;
analyze school_held;

-- Submitted visits of a school by month, at each place where it stood on their days; fidelity is a sum, over so many that have one.
create table school_visits (
    school_id bigint not null references school on delete cascade,
    month date not null,
    place_id bigint not null references place,
    visits bigint not null,
    fidelity numeric not null,
    rated bigint not null,
    primary key (school_id, month, place_id)
) with (fillfactor = 70);
-- The same of a place, and how many of its schools were visited: in shards by school, as its other counts.
create table place_visits (
    place_id bigint not null,
    month date not null,
    shard smallint not null,
    visits bigint not null,
    schools bigint not null,
    fidelity numeric not null,
    rated bigint not null,
    primary key (place_id, month, shard)
) with (fillfactor = 70);
-- How many open schools a place has, practice schools aside.
create table place_schools (
    place_id bigint not null,
    shard smallint not null,
    schools bigint not null,
    primary key (place_id, shard)
) with (fillfactor = 70);
create index school_not_open on school (id) where status <> 'open' or deleted_at is not null;

-- What schools bring to the places above them by their visits in some months.
create function visits_of_places(of_schools bigint[], of_months date[])
    returns table (place_id bigint, month date, shard smallint, visits bigint, schools bigint, fidelity numeric, rated bigint) language sql stable as $$
    select u.unit, k.month, (k.school_id % 32)::smallint, sum(k.visits)::bigint, count(distinct k.school_id), sum(k.fidelity), sum(k.rated)::bigint
    from (select distinct w.school_id, w.month from unnest(of_schools, of_months) w (school_id, month)) w
    join school_visits k on k.school_id = w.school_id and k.month = w.month
    join place p on p.id = k.place_id
    cross join unnest(p.lineage) u (unit)
    group by 1, 2, 3
$$;

-- Counts the visits of some schools in some months anew, school by school: whoever else sends a visit of the school waits the moment that it takes.
create function keep_visits(of_schools bigint[], of_months date[]) returns void language plpgsql as $$
declare
    was place_visits[];
begin
    perform 1 from school s where s.id = any(of_schools) order by s.id for no key update;
    was := array(select row(v.place_id, v.month, v.shard, v.visits, v.schools, v.fidelity, v.rated)::place_visits from visits_of_places(of_schools, of_months) v);
    delete from school_visits k
    using unnest(of_schools, of_months) w (school_id, month)
    where k.school_id = w.school_id and k.month = w.month;
    insert into school_visits (school_id, month, place_id, visits, fidelity, rated)
    select w.school_id, w.month, m.place_id, count(*), coalesce(sum(v.fidelity), 0), count(v.fidelity)
    from (select distinct w.school_id, w.month from unnest(of_schools, of_months) w (school_id, month)) w
    join school s on s.id = w.school_id and not s.is_practice
    join visit v on v.school_id = w.school_id and v.visited_on >= w.month and v.visited_on < w.month + interval '1 month'
        and v.deleted_at is null and v.state = 'submitted'
    join school_place m on m.school_id = v.school_id and stood_at(m.from_at, m.until_at, (v.visited_on + 1)::timestamp at time zone 'UTC')
    group by w.school_id, w.month, m.place_id;
    insert into place_visits as k (place_id, month, shard, visits, schools, fidelity, rated)
    select d.place_id, d.month, d.shard, sum(d.sign * d.visits)::bigint, sum(d.sign * d.schools)::bigint, sum(d.sign * d.fidelity),
        sum(d.sign * d.rated)::bigint
    from (
        select 1 as sign, n.place_id, n.month, n.shard, n.visits, n.schools, n.fidelity, n.rated from visits_of_places(of_schools, of_months) n
        union all
        select -1, o.place_id, o.month, o.shard, o.visits, o.schools, o.fidelity, o.rated from unnest(was) o) d
    group by d.place_id, d.month, d.shard
    having (sum(d.sign * d.visits), sum(d.sign * d.schools), sum(d.sign * d.fidelity), sum(d.sign * d.rated)) <> (0, 0, 0, 0)
    order by d.place_id, d.month, d.shard
    on conflict (place_id, month, shard) do update set visits = k.visits + excluded.visits, schools = k.schools + excluded.schools,
        fidelity = k.fidelity + excluded.fidelity, rated = k.rated + excluded.rated;
end $$;

create function keep_visits_after_change() returns trigger language plpgsql as $$
declare
    schools bigint[];
    months date[];
begin
    if tg_op = 'INSERT' then
        select array_agg(c.school_id), array_agg(c.month) into schools, months
        from (select distinct n.school_id, date_trunc('month', n.visited_on)::date as month from new_rows n where n.state = 'submitted') c;
    elsif tg_op = 'DELETE' then
        select array_agg(c.school_id), array_agg(c.month) into schools, months
        from (select distinct o.school_id, date_trunc('month', o.visited_on)::date as month from old_rows o where o.state = 'submitted') c;
    else
        select array_agg(c.school_id), array_agg(c.month) into schools, months
        from (
            select distinct e.school_id, date_trunc('month', e.visited_on)::date as month
            from old_rows o
            join new_rows n on n.id = o.id
                and (n.school_id, n.visited_on, n.state, n.fidelity, n.deleted_at) is distinct from (o.school_id, o.visited_on, o.state, o.fidelity, o.deleted_at)
            cross join lateral (values (o.school_id, o.visited_on, o.state), (n.school_id, n.visited_on, n.state)) e (school_id, visited_on, state)
            where e.state = 'submitted') c;
    end if;
    if schools is not null then
        perform keep_visits(schools, months);
    end if;
    return null;
end $$;
create trigger visits_are_counted_on_insert after insert on visit referencing new table as new_rows
    for each statement execute function keep_visits_after_change();
create trigger visits_are_counted_on_update after update on visit referencing old table as old_rows new table as new_rows
    for each statement execute function keep_visits_after_change();
create trigger visits_are_counted_on_delete after delete on visit referencing old table as old_rows
    for each statement execute function keep_visits_after_change();

-- A school that moved: its visits of that day were made where it stands now.
create function keep_visits_after_move() returns trigger language plpgsql as $$
declare
    months date[];
begin
    months := array(
        select distinct date_trunc('month', v.visited_on)::date
        from visit v
        where v.school_id = new.school_id and v.visited_on >= (new.from_at at time zone 'UTC')::date - 1 and v.deleted_at is null and v.state = 'submitted');
    if months <> '{}' then
        perform keep_visits(array_fill(new.school_id, array[cardinality(months)]), months);
    end if;
    return null;
end $$;
create trigger school_place_takes_visits_along after insert on school_place for each row
    when (new.from_at > '-infinity') execute function keep_visits_after_move();

-- Open schools of places: a school counts in each place above it.
create function add_place_schools(schools bigint[], places bigint[], signs integer[]) returns void language sql as $$
    insert into place_schools as k (place_id, shard, schools)
    select u.unit, (d.id % 32)::smallint, sum(d.sign)
    from unnest(schools, places, signs) d (id, place_id, sign)
    join place p on p.id = d.place_id
    cross join unnest(p.lineage) u (unit)
    group by 1, 2
    having sum(d.sign) <> 0
    order by 1, 2
    on conflict (place_id, shard) do update set schools = k.schools + excluded.schools
$$;
create function keep_place_schools() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_place_schools(array_agg(n.id), array_agg(n.place_id), array_agg(1))
        from new_rows n where n.status = 'open' and n.deleted_at is null and not n.is_practice
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        perform add_place_schools(array_agg(o.id), array_agg(o.place_id), array_agg(-1))
        from old_rows o where o.status = 'open' and o.deleted_at is null and not o.is_practice
        having count(*) > 0;
    else
        perform add_place_schools(array_agg(d.id), array_agg(d.place_id), array_agg(d.sign))
        from old_rows o
        join new_rows n on n.id = o.id
            and (n.place_id, n.status, n.deleted_at, n.is_practice) is distinct from (o.place_id, o.status, o.deleted_at, o.is_practice)
        cross join lateral (
            values (n.id, n.place_id, n.status = 'open' and n.deleted_at is null and not n.is_practice, 1),
                (o.id, o.place_id, o.status = 'open' and o.deleted_at is null and not o.is_practice, -1)) d (id, place_id, is_counted, sign)
        where d.is_counted
        having count(*) > 0;
    end if;
    return null;
end $$;
create trigger school_is_counted_on_insert after insert on school referencing new table as new_rows
    for each statement execute function keep_place_schools();
create trigger school_is_counted_on_update after update on school referencing old table as old_rows new table as new_rows
    for each statement execute function keep_place_schools();
create trigger school_is_counted_on_delete after delete on school referencing old table as old_rows
    for each statement execute function keep_place_schools();

insert into place_schools (place_id, shard, schools)
select u.unit, s.id % 32, count(*)
from school s
join place p on p.id = s.place_id
cross join unnest(p.lineage) u (unit)
where s.status = 'open' and s.deleted_at is null and not s.is_practice
group by 1, 2;
select keep_visits(array_agg(v.school_id), array_agg(v.month))
from (select distinct school_id, date_trunc('month', visited_on)::date as month from visit where state = 'submitted' and deleted_at is null) v
having count(*) > 0;
analyze school_visits, place_visits, place_schools;

-- Schools that have children in a round's year and no result in it: kept, so that the few are found without asking all. Of which state a round is, and
-- whether a school is open, is asked when they are read.
create table school_untested (
    round_id bigint not null references round on delete cascade,
    school_id bigint not null references school on delete cascade,
    primary key (round_id, school_id)
);
create index school_untested_by_school on school_untested (school_id);

create view untested_school as
    select rd.id as round_id, e.school_id
    from round rd
    join school_standing e on e.school_year_id = rd.school_year_id and e.children > 0
    join school s on s.id = e.school_id and not s.is_practice
    where rd.deleted_at is null and not exists (
        select from school_count c
        where c.school_id = e.school_id and c.round_id = rd.id
            and c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9 > 0);

-- Of two who change the same school's results in a round the second looks at what the first did.
create function keep_untested(of_round bigint, of_school bigint) returns void language plpgsql as $$
begin
    perform 1
    from school_standing e
    where e.school_id = of_school and e.school_year_id = (select r.school_year_id from round r where r.id = of_round)
    for no key update;
    if exists (select from untested_school u where u.round_id = of_round and u.school_id = of_school) then
        insert into school_untested (round_id, school_id) values (of_round, of_school) on conflict do nothing;
    else
        delete from school_untested u where u.round_id = of_round and u.school_id = of_school;
    end if;
end $$;

-- Only where a count begins or ends: the taps between cost nothing.
create function keep_untested_by_results() returns trigger language plpgsql as $$
begin
    perform keep_untested(coalesce(new.round_id, old.round_id), coalesce(new.school_id, old.school_id));
    return null;
end $$;
create trigger school_count_begins after insert on school_count for each row execute function keep_untested_by_results();
create trigger school_count_turns after update on school_count for each row
    when ((old.absent + old.refused + old.went + old.rank_1 + old.rank_2 + old.rank_3 + old.rank_4 + old.rank_5 + old.rank_6 + old.rank_7 + old.rank_8
            + old.rank_9 > 0)
        <> (new.absent + new.refused + new.went + new.rank_1 + new.rank_2 + new.rank_3 + new.rank_4 + new.rank_5 + new.rank_6 + new.rank_7 + new.rank_8
            + new.rank_9 > 0))
    execute function keep_untested_by_results();

create function keep_untested_by_children() returns trigger language plpgsql as $$
begin
    perform keep_untested(r.id, new.school_id)
    from round r
    where r.school_year_id = new.school_year_id and r.deleted_at is null
    order by r.id;
    return null;
end $$;
create trigger school_standing_begins after insert on school_standing for each row
    when (new.children > 0) execute function keep_untested_by_children();
create trigger school_standing_turns after update on school_standing for each row
    when ((old.children > 0) <> (new.children > 0)) execute function keep_untested_by_children();

-- A round that is made, deleted or brought back. Whoever enters the year's first child at a school meanwhile is waited for.
create function keep_untested_by_round() returns trigger language plpgsql as $$
begin
    perform 1 from school_year y where y.id = new.school_year_id for update;
    delete from school_untested u where u.round_id = new.id;
    insert into school_untested (round_id, school_id)
    select u.round_id, u.school_id
    from untested_school u
    where u.round_id = new.id;
    return null;
end $$;
create trigger round_begins_untested after insert on round for each row execute function keep_untested_by_round();
create trigger round_turns_untested after update of deleted_at, school_year_id on round for each row
    when ((old.deleted_at, old.school_year_id) is distinct from (new.deleted_at, new.school_year_id)) execute function keep_untested_by_round();

-- The open schools among them, of a round that is open.
create or replace function schools_untested(wanted_round bigint) returns table (id bigint) language sql stable parallel safe as $$
    select u.school_id
    from school_untested u
    join round rd on rd.id = u.round_id and rd.state = 'open'
    join school s on s.id = u.school_id and s.deleted_at is null and s.status = 'open' and not s.is_practice
    where u.round_id = wanted_round
$$;

insert into school_untested (round_id, school_id)
select round_id, school_id
from untested_school;
analyze school_untested;
