-- Counts that a long transaction changes wait for its end, so that nobody who enters something meanwhile waits for it.

-- Adds to the counts what one statement changed. A transaction that changes much (an import) has said `rightlevel.counts_wait` and made a table
-- waiting_count: there it waits until `add_waiting_counts`, for a count that was changed is held until the transaction ends, and everybody who
-- enters something at that school would wait for as long.
create function add_counts(enrolled enrolled_delta[], standing enrolled_delta[], rolls roll_delta[], results result_delta[]) returns void
language plpgsql as $$
begin
    if coalesce(cardinality(enrolled), 0) + coalesce(cardinality(standing), 0) + coalesce(cardinality(rolls), 0)
            + coalesce(cardinality(results), 0) = 0 then
        return;
    end if;
    if current_setting('rightlevel.counts_wait', true) = 'on' then
        insert into waiting_count (enrolled, standing, rolls, results) values (enrolled, standing, rolls, results);
        return;
    end if;
    if cardinality(enrolled) > 0 then
        perform add_school_enrolled(enrolled);
        perform add_place_enrolled(enrolled);
    end if;
    if cardinality(standing) > 0 then
        perform add_school_standing(standing);
    end if;
    if cardinality(rolls) > 0 then
        perform add_school_roll(rolls);
        perform add_place_roll(rolls);
    end if;
    if cardinality(results) > 0 then
        perform add_school_counts(results);
        perform add_place_counts(results);
    end if;
end $$;

-- Adds what waited, each count once, and lets nothing wait any more.
create function add_waiting_counts() returns void language plpgsql as $$
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
end $$;

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
    perform add_counts('{}', '{}', rolls, deltas);
    return null;
end $$;

create or replace function keep_student_counts() returns trigger language plpgsql as $$
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
                    case when o.school_year_id <> n.school_year_id then least(y.ends_on, told_day(n.changed_at)) end, told_day(n.changed_at)),
                case
                    when $1->>'roll_over_id' is not null then
                        case when n.status = 'left' then 'finished' when n.grade <> o.grade then 'promotion' else 'repeat' end
                    when n.status = 'left' then coalesce($1->>'reason', 'left')
                    when $1 is not null then $1->>'reason'
                    when o.school_id <> n.school_id then 'transfer'
                    when o.school_year_id <> n.school_year_id then
                        case when z.starts_on < y.starts_on then 'change' when n.grade > o.grade then 'promotion' when n.grade = o.grade then 'repeat'
                            else 'change' end
                    else 'correction' end,
                coalesce($1->>'words', ''), $1->>'roll_over_id' is not null or ($1 is null and n.status = 'active' and o.school_id = n.school_id
                    and z.starts_on > y.starts_on), ($1->>'roll_over_id')::uuid, o.stint_number, n.stint_number
            from old_rows o
            join new_rows n on n.id = o.id
            join school_year y on y.id = o.school_year_id
            join school_year z on z.id = n.school_year_id
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
    perform add_counts(enrolled, enrolled, rolls, '{}');
    return null;
end $$;

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
    perform add_counts(enrolled, '{}', rolls, '{}');
    return null;
end $$;
