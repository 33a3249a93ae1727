-- name: movement
-- What came of the children of places and schools, level by level of the first round: together, or (`per_unit`) each unit by itself; apart by grade or
-- sex where `by` says so. Unit by unit: joined as a whole, every place would be read for one. Served by the primary keys of place_movement,
-- place_movement_moved, school_movement and school.
with unit as materialized (
    select false as is_school, id from unnest(%(place_ids)s::bigint[]) id
    union all
    select false, p.id from place p where %(is_all)s and p.parent_id is null and p.deleted_at is null
    union all
    select true, s.id
    from school s
    join place p on p.id = s.place_id
    where s.id = any(%(school_ids)s::bigint[])
        and (%(in_place)s::bigint is null
            or case %(boundaries)s::text when 'today' then p.lineage else lineage_for(s.id, %(round_id)s::bigint) end @> array[%(in_place)s::bigint])
)
select c.from_rank::integer as from_rank,
    sum(c.absent)::bigint as absent, sum(c.refused)::bigint as refused, sum(c.went)::bigint as went,
    sum(c.rank_1)::bigint as rank_1, sum(c.rank_2)::bigint as rank_2, sum(c.rank_3)::bigint as rank_3, sum(c.rank_4)::bigint as rank_4,
    sum(c.rank_5)::bigint as rank_5, sum(c.rank_6)::bigint as rank_6, sum(c.rank_7)::bigint as rank_7, sum(c.rank_8)::bigint as rank_8,
    sum(c.rank_9)::bigint as rank_9, case %(by)s::text when 'grades' then c.grade when 'sexes' then c.sex else 0 end::integer as key,
    unit.is_school and %(per_unit)s as is_school, case when %(per_unit)s then unit.id else 0 end as id
from unit
cross join lateral (
    select k.grade, k.sex, k.from_rank, k.absent, k.refused, k.went, k.rank_1, k.rank_2, k.rank_3, k.rank_4, k.rank_5, k.rank_6, k.rank_7, k.rank_8,
        k.rank_9
    from place_movement k
    where not unit.is_school and k.place_id = unit.id and k.round_id = %(round_id)s and k.later_round_id = %(later_round_id)s
        and k.subject = %(subject)s::subject
    union all
    select m.grade, m.sex, m.from_rank, m.absent, m.refused, m.went, m.rank_1, m.rank_2, m.rank_3, m.rank_4, m.rank_5, m.rank_6, m.rank_7, m.rank_8,
        m.rank_9
    from place_movement_moved m
    where %(boundaries)s::text = 'today' and not unit.is_school and m.place_id = unit.id and m.round_id = %(round_id)s
        and m.later_round_id = %(later_round_id)s and m.subject = %(subject)s::subject
    union all
    select k.grade, k.sex, k.from_rank, k.absent, k.refused, k.went, k.rank_1, k.rank_2, k.rank_3, k.rank_4, k.rank_5, k.rank_6, k.rank_7, k.rank_8,
        k.rank_9
    from school_movement k
    where unit.is_school and k.school_id = unit.id and k.round_id = %(round_id)s and k.later_round_id = %(later_round_id)s
        and k.subject = %(subject)s::subject) c
where (%(grade)s::smallint is null or c.grade = %(grade)s) and (%(sex)s::smallint is null or c.sex = %(sex)s)
group by 1, 14, 15, 16
order by 15, 16, 14, 1

-- name: later_of_units
-- All children of places and schools in the later round, each by itself. Served by the primary keys of the count tables.
with unit as materialized (
    select false as is_school, id from unnest(%(place_ids)s::bigint[]) id
    union all
    select true, id from unnest(%(school_ids)s::bigint[]) id
), asked as materialized (
    select case when roll_number is null then school_year_id end as open_year_id from round where id = %(later_round_id)s
)
select coalesce(sum(c.absent), 0)::bigint as absent, coalesce(sum(c.refused), 0)::bigint as refused,
    coalesce(sum(c.went), 0)::bigint as went, coalesce(sum(c.rank_1), 0)::bigint as rank_1, coalesce(sum(c.rank_2), 0)::bigint as rank_2,
    coalesce(sum(c.rank_3), 0)::bigint as rank_3, coalesce(sum(c.rank_4), 0)::bigint as rank_4, coalesce(sum(c.rank_5), 0)::bigint as rank_5,
    coalesce(sum(c.rank_6), 0)::bigint as rank_6, coalesce(sum(c.rank_7), 0)::bigint as rank_7, coalesce(sum(c.rank_8), 0)::bigint as rank_8,
    coalesce(sum(c.rank_9), 0)::bigint as rank_9, (
        select coalesce(sum(e.children), 0)
        from (
            select grade, sex, children from place_roll
            where not unit.is_school and place_id = unit.id and round_id = %(later_round_id)s and subject = %(subject)s::subject
            union all
            select grade, sex, children from place_roll_moved
            where %(boundaries)s::text = 'today' and not unit.is_school and place_id = unit.id and round_id = %(later_round_id)s
                and subject = %(subject)s::subject
            union all
            select grade, sex, children from place_enrolled
            where not unit.is_school and place_id = unit.id and school_year_id = (select open_year_id from asked)
            union all
            select grade, sex, children from school_roll
            where unit.is_school and school_id = unit.id and round_id = %(later_round_id)s and subject = %(subject)s::subject
            union all
            select grade, sex, children from school_enrolled
            where unit.is_school and school_id = unit.id and school_year_id = (select open_year_id from asked)) e
        where (%(grade)s::smallint is null or e.grade = %(grade)s) and (%(sex)s::smallint is null or e.sex = %(sex)s))::bigint as enrolled, unit.is_school, unit.id
from unit
left join lateral (
    select grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from place_count
    where not unit.is_school and place_id = unit.id and round_id = %(later_round_id)s and subject = %(subject)s::subject
    union all
    select grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from place_count_moved
    where %(boundaries)s::text = 'today' and not unit.is_school and place_id = unit.id and round_id = %(later_round_id)s
        and subject = %(subject)s::subject
    union all
    select grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from school_count
    where unit.is_school and school_id = unit.id and round_id = %(later_round_id)s and subject = %(subject)s::subject) c
    on (%(grade)s::smallint is null or c.grade = %(grade)s) and (%(sex)s::smallint is null or c.sex = %(sex)s)
group by unit.is_school, unit.id

-- name: movement_of_children
-- The same of a class or a group of one school, from its seats in the first round. Served by result_by_school, student_by_school and result_is_unique.
select f.rank::integer as from_rank, count(*) filter (where l.outcome = 'absent') as absent, count(*) filter (where l.outcome = 'refused') as refused,
    count(*) filter (where l.outcome = 'left') as went, count(*) filter (where l.rank = 1) as rank_1, count(*) filter (where l.rank = 2) as rank_2,
    count(*) filter (where l.rank = 3) as rank_3, count(*) filter (where l.rank = 4) as rank_4, count(*) filter (where l.rank = 5) as rank_5,
    count(*) filter (where l.rank = 6) as rank_6, count(*) filter (where l.rank = 7) as rank_7, count(*) filter (where l.rank = 8) as rank_8,
    count(*) filter (where l.rank = 9) as rank_9, 0 as key, false as is_school, 0::bigint as id
from seats_of_school(%(round_id)s::bigint, %(subject)s::subject, %(school_id)s::bigint) seat
join result f on f.id = seat.result_id and f.rank is not null
join result l on l.student_id = f.student_id and l.subject = f.subject and l.round_id = %(later_round_id)s and l.deleted_at is null and not l.is_hidden
join school s on s.id = l.school_id and not s.is_practice
where (%(class_id)s::bigint is null or seat.class_id = %(class_id)s)
    and (%(group_id)s::bigint is null or exists (
        select from group_member w
        where w.group_id = %(group_id)s and w.student_id = seat.student_id and w.joined_at is not null and w.left_at is null))
    and (%(grade)s::smallint is null or seat.grade = %(grade)s) and (%(sex)s::smallint is null or seat.sex = %(sex)s)
group by f.rank
order by f.rank

-- name: counts_of_children
-- All children of a class or a group of one school in a round, from its seats. Served by result_by_school, student_by_school and group_member_by_group.
select count(*) filter (where r.outcome = 'absent') as absent, count(*) filter (where r.outcome = 'refused') as refused,
    count(*) filter (where r.outcome = 'left') as went, count(*) filter (where r.rank = 1) as rank_1, count(*) filter (where r.rank = 2) as rank_2,
    count(*) filter (where r.rank = 3) as rank_3, count(*) filter (where r.rank = 4) as rank_4, count(*) filter (where r.rank = 5) as rank_5,
    count(*) filter (where r.rank = 6) as rank_6, count(*) filter (where r.rank = 7) as rank_7, count(*) filter (where r.rank = 8) as rank_8,
    count(*) filter (where r.rank = 9) as rank_9, count(*) as enrolled
from seats_of_school(%(round_id)s::bigint, %(subject)s::subject, %(school_id)s::bigint) seat
join school s on s.id = %(school_id)s and not s.is_practice
left join result r on r.id = seat.result_id
where (%(class_id)s::bigint is null or seat.class_id = %(class_id)s)
    and (%(group_id)s::bigint is null or exists (
        select from group_member w
        where w.group_id = %(group_id)s and w.student_id = seat.student_id and w.joined_at is not null and w.left_at is null))
    and (%(grade)s::smallint is null or seat.grade = %(grade)s) and (%(sex)s::smallint is null or seat.sex = %(sex)s)

-- name: moved_children
-- The children of a school who were assessed in the first round, by name, with what came of them in the later one. Whoever has to test one again
-- without knowing its level is told none of it. Served by result_by_school, result_is_unique and student's primary key.
with child as (
    select st.id, st.code, st.name, st.name_key, seat.sex, seat.grade, seat.class_id, f.rank as from_rank, l.rank as to_rank,
        coalesce(l.tested_on, f.tested_on) as tested_on,
        %(is_verifier)s and (
            (f.assessor_id <> %(person_id)s and exists (select from verification v where v.result_id = f.id and v.state = 'pending'))
            or (l.assessor_id <> %(person_id)s and exists (select from verification v where v.result_id = l.id and v.state = 'pending'))) as is_blind,
        case
            when l.rank is not null and not %(is_same_ladder)s then 'tested'
            when l.rank > f.rank then 'improved'
            when l.rank = f.rank then 'same'
            when l.rank < f.rank then 'declined'
            when l.id is not null then l.outcome::text
            when st.status = 'left' then 'gone'
            when st.school_id <> %(school_id)s then 'moved'
            else 'to_do' end as fate
    from seats_of_school(%(round_id)s::bigint, %(subject)s::subject, %(school_id)s::bigint) seat
    join school s on s.id = %(school_id)s and not s.is_practice
    join result f on f.id = seat.result_id and f.rank is not null
    join student st on st.id = seat.student_id and st.deleted_at is null
    left join lateral (
        select r.id, r.rank, r.outcome, r.tested_on, r.assessor_id
        from result r
        join school o on o.id = r.school_id and not o.is_practice
        where r.student_id = f.student_id and r.round_id = %(later_round_id)s and r.subject = f.subject and r.deleted_at is null and not r.is_hidden
        offset 0) l on true
    where (%(class_id)s::bigint is null or seat.class_id = %(class_id)s)
        and (%(group_id)s::bigint is null or exists (
            select from group_member w
            where w.group_id = %(group_id)s and w.student_id = seat.student_id and w.joined_at is not null and w.left_at is null))
        and (%(grade)s::smallint is null or seat.grade = %(grade)s) and (%(sex)s::smallint is null or seat.sex = %(sex)s)
        and (%(scope_schools)s::bigint[] is null or %(school_id)s = any(%(scope_schools)s) or seat.class_id = any(%(scope_classes)s::bigint[])
            or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
)
select c.id::text as student_id, c.code, c.name, c.sex::integer as sex, c.grade::integer as grade, c.class_id,
    case when not c.is_blind then fl.code end as from_level, case when not c.is_blind then tl.code end as to_level,
    case when not c.is_blind then c.fate end as fate, case when not c.is_blind then c.tested_on end as tested_on, c.is_blind
from child c
left join round fr on fr.id = %(round_id)s
left join round tr on tr.id = %(later_round_id)s
left join scale fs on fs.key = case %(subject)s::subject when 'language' then fr.language_scale else fr.math_scale end
left join scale ts on ts.key = case %(subject)s::subject when 'language' then tr.language_scale else tr.math_scale end
left join scale_level fl on fl.scale_id = fs.id and fl.rank = c.from_rank
left join scale_level tl on tl.scale_id = ts.id and tl.rank = c.to_rank
where (%(fate)s::text is null or (c.fate = %(fate)s and not c.is_blind))
    and (%(from_rank)s::smallint is null or (c.from_rank = %(from_rank)s and not c.is_blind))
    and (%(to_rank)s::smallint is null or (c.to_rank = %(to_rank)s and not c.is_blind))
    and (%(after_id)s::uuid is null or (c.name_key, c.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s))
order by c.name_key, c.id
limit %(rows)s

-- name: still_children
-- The children of a school whose newest level is no higher than the one they had so many weeks before it, nor was any between: by results of rounds and
-- quick re-tests. Who is at the top of the scale can't rise. What waits for a blind re-test is not there for those who might do it. Served by
-- student_by_school, result_is_unique, level_check_is_one_a_day and attendance_by_student.
with child as materialized (
    select st.id, st.code, st.name, st.name_key, st.grade, st.class_id
    from student st
    join school s on s.id = st.school_id and not s.is_practice
    where st.school_id = %(school_id)s and st.deleted_at is null and st.status = 'active'
        and (%(scope_schools)s::bigint[] is null or %(school_id)s = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s::bigint[]))
), test as materialized (
    select c.id, t.rank, t.tested_on
    from child c
    cross join lateral (
        select r.rank, r.tested_on
        from result r
        join round rd on rd.id = r.round_id
        join scale sc on sc.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end and sc.codes = %(codes)s::text[]
        where r.student_id = c.id and r.subject = %(subject)s::subject and r.deleted_at is null and not r.is_hidden and r.rank is not null
            and not (%(is_verifier)s and r.assessor_id <> %(person_id)s
                and exists (select from verification v where v.result_id = r.id and v.state = 'pending'))
        union all
        select k.rank, k.checked_on
        from level_check k
        join scale sc on case when k.scale is null then sc.subject = k.subject and sc.is_default else sc.key = k.scale end and sc.codes = %(codes)s::text[]
        where k.student_id = c.id and k.subject = %(subject)s::subject
        offset 0) t
), newest as materialized (
    select distinct on (t.id) t.id, t.rank, t.tested_on from test t order by t.id, t.tested_on desc, t.rank desc
), base as materialized (
    select distinct on (t.id) t.id, t.rank, t.tested_on, n.rank as now_rank, n.tested_on as now_on
    from newest n
    join test t on t.id = n.id and t.tested_on <= n.tested_on - %(weeks)s::integer * 7
    order by t.id, t.tested_on desc, t.rank desc
)
select c.id::text as student_id, c.code, c.name, c.grade::integer as grade, c.class_id, (%(codes)s::text[])[b.now_rank] as level, (%(codes)s::text[])[b.rank] as level_before,
    b.tested_on as before_on, b.now_on as tested_on, coalesce(d.sessions, 0)::integer as sessions, coalesce(d.minutes, 0)::integer as minutes
from base b
join child c on c.id = b.id
left join lateral (
    select count(*) as sessions, sum(s.minutes) as minutes
    from attendance a
    join teaching_session s on s.id = a.session_id and s.subject = %(subject)s::subject and s.held_on between b.tested_on and b.now_on
    where a.student_id = b.id and a.presence <> 'absent') d on true
where b.rank < cardinality(%(codes)s::text[])
    and not exists (select from test t where t.id = b.id and t.tested_on > b.tested_on and t.rank > b.rank)
    and (%(after_id)s::uuid is null or (c.name_key, c.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s))
order by c.name_key, c.id
limit %(rows)s

-- name: dose_of_moved
-- Lessons between their two tests of the matched children of a school, class or group, by whether they improved. Served by result_by_school,
-- result_is_unique and attendance_by_student.
select case when not %(is_same_ladder)s then 'tested' when l.rank > f.rank then 'improved' when l.rank = f.rank then 'same' else 'declined' end as fate, count(*)::integer as children,
    count(*) filter (where d.marks > 0)::integer as marked,
    (avg(d.sessions) filter (where d.marks > 0))::float8 as mean_sessions, (avg(d.minutes) filter (where d.marks > 0))::float8 as mean_minutes
from seats_of_school(%(round_id)s::bigint, %(subject)s::subject, %(school_id)s::bigint) seat
join result f on f.id = seat.result_id and f.rank is not null
join result l on l.student_id = f.student_id and l.subject = f.subject and l.round_id = %(later_round_id)s and l.rank is not null
    and l.deleted_at is null and not l.is_hidden
join school s on s.id = f.school_id and not s.is_practice
join school o on o.id = l.school_id and not o.is_practice
cross join lateral (
    select count(*) as marks, count(*) filter (where a.presence <> 'absent') as sessions,
        coalesce(sum(t.minutes) filter (where a.presence <> 'absent'), 0) as minutes
    from attendance a
    join teaching_session t on t.id = a.session_id and t.subject = f.subject and t.held_on between f.tested_on and l.tested_on
    where a.student_id = f.student_id) d
where (%(class_id)s::bigint is null or seat.class_id = %(class_id)s)
    and (%(group_id)s::bigint is null or exists (
        select from group_member w
        where w.group_id = %(group_id)s and w.student_id = seat.student_id and w.joined_at is not null and w.left_at is null))
    and (%(grade)s::smallint is null or seat.grade = %(grade)s) and (%(sex)s::smallint is null or seat.sex = %(sex)s)
    and not (%(is_verifier)s and (
        (f.assessor_id <> %(person_id)s and exists (select from verification v where v.result_id = f.id and v.state = 'pending'))
        or (l.assessor_id <> %(person_id)s and exists (select from verification v where v.result_id = l.id and v.state = 'pending'))))
group by 1
order by min(case when l.rank > f.rank then 1 when l.rank = f.rank then 2 else 3 end)

-- name: order_of
-- Whether the first of two rounds began before the other; nothing where one is not there. Served by the primary key.
select (
    select (a.starts_on, a.id) < (b.starts_on, b.id)
    from round a
    join round b on b.id = %(later_round_id)s and b.deleted_at is null
    where a.id = %(round_id)s and a.deleted_at is null) as is_before
