-- Who goes into a later year at the same school by that year's roster goes on as with a roll-over: it keeps its seat in the year it leaves.
-- Nothing that was written down before changes.
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
